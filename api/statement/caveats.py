"""Sections of a disclosure statement that warn: data quality, what was corrected or withdrawn, limits, how to ask."""

from typing import Any

from api.data_notes import data_notes
from api.misreport import words_of
from api.statement.payloads import StatementSection, StatementTable
from api.statement.records import Records
from mrp.terms import observed_columns

__all__ = ["NOW_NOT_LATER", "caveat_sections"]

NOW_NOT_LATER = "An estimate of now, not a forecast: it tells opinion on the days of fieldwork, not on a day to come."

FLAGS = {
    "consent": "Some interviews had a label of consent that is not declared; they were taken for a no and not stored.",
    "duplicates": "More interviews than chance explains are equal in every answer.",
    "overlap": "Some respondents are in another wave of the same days too.",
    "speeders": "Some interviews were much quicker than the others.",
    "straight_lining": "Some respondents gave the same answer to every item of a battery.",
    "impossible": "Some interviews have combinations of answers that are declared impossible.",
    "weight_ratio": "Some of the pollster's weights are very large.",
    "design_effect": "The pollster's weights vary much and cost precision.",
    "composition": "Its respondents differ much from the population frame.",
    "drift": "Its respondents differ much from those of the pollster's earlier waves.",
    "surprise": "Its answers are far from what the release before it had predicted.",
}
"""Kind of a quality flag -> what it says, without numbers: some would be of single respondents."""


def caveat_sections(records: Records) -> list[StatementSection]:
    """What to know before believing an estimate."""
    return [_quality(records), _changes(records), _limits(records), _more(records)]


def _quality(records: Records) -> StatementSection:
    text = [
        (
            "Every delivery is checked on arrival: levels and options against the codebook, duplicates, speed, "
            "straight lines, impossible combinations, weights, composition, and distance from what was expected. Over "
            "a limit it waits until an analyst has looked at it."
        )
    ]
    rows = []
    for wave in records.waves:
        over: dict[str, None] = {}
        for flag in wave.flags:
            if isinstance(flag, dict) and (flag.get("over") or flag.get("kind") == "consent"):
                over[FLAGS.get(str(flag.get("kind")), f"Over the limit of {flag.get('kind')}.")] = None
        if wave.n_quarantined:
            over["Rows with faults were set aside and are not counted."] = None
        if wave.n_without_consent:
            over["Interviews without consent were not stored."] = None
        rows += [[wave.pollster, wave.reference, sentence] for sentence in over]
    if not rows:
        text.append("No check of a wave in this release was over its limit.")
    text += [*data_notes(records.fit, has_draws=records.release.has_draws), *words_of(records.fit)]
    table = StatementTable("What was noticed of waves in this release", ["pollster", "wave", "noticed"], rows)
    return StatementSection("quality", "Data processing and quality", ["AAPOR 10"], text, [table] if rows else [])


def _changes(records: Records) -> StatementSection:
    text = [one.text for one in records.restated]
    if records.release.number == 1:
        text = ["This is the first release of the question."]
    elif not text:
        text = ["No wave was corrected, withdrawn or restored between the release before and this one."]
    if records.successor is not None:
        text.append(records.successor.sentence)
    in_it = {wave.id for wave in records.waves}
    rows = [
        [wave.pollster, wave.reference, wave.state, "yes" if wave.id in in_it else "no"] for wave in records.not_counted
    ]
    table = StatementTable(
        "Waves that asked the question and are withdrawn or held now",
        ["pollster", "wave", "state", "in this release"],
        rows,
    )
    return StatementSection("changes", "Corrections and withdrawals", ["AAPOR 10"], text, [table] if rows else [])


def _limits(records: Records) -> StatementSection:
    least = records.rules.min_people
    text = [
        NOW_NOT_LATER,
        (
            "These are model estimates, not a count of any district's people. Where few or none were interviewed, the "
            "estimate comes from predictors of the district and from people and places like it; those are flagged."
        ),
        _POLLS_MISS.format(
            "in the second interval alone, as far as its declared scale goes"
            if records.fit.inputs.get("systematic_error")  # type: ignore[union-attr]
            else "in no interval"
        ),
        _FRAME_IS_DRAWN if records.fit.inputs.get("frame_draws") else _FRAME_IS_EXACT,  # type: ignore[union-attr]
        (
            "Within a combination of district and demographics, those who were interviewed are taken to think like "
            "those who were not."
        ),
        f"No estimate is given for groups of fewer than {least:,} people, and none about a single person.",
    ]
    if "period" not in observed_columns(records.fit.formula):
        text.append("The model pools its waves: it does not tell change between them.")
    if declared := records.declaration.facts.get("limitations"):
        text.append(f"The survey adds: {declared.rstrip('.')}.")
    return StatementSection("limits", "Known limits", ["AAPOR 8", "AAPOR 11", "ESOMAR/WAPOR"], text)


_FRAME_IS_EXACT = (
    "The population frame is taken as exact. Where it is out of date or lacks people, so do the estimates."
)
_FRAME_IS_DRAWN = (
    "How many people the population frame has is taken as exact; what its draws do not agree on is in the intervals. "
    "Where all of them are out of date or lack people, so do the estimates."
)
_POLLS_MISS = (
    "Polls miss together: what polls of the same time have in common, such as people of one opinion who answer no "
    "poll, is {}. Where all polls are wrong in one way, real errors exceed the intervals."
)


def _more(records: Records) -> StatementSection:
    facts: dict[str, Any] = dict(records.declaration.facts)
    contact = facts.get("contact")
    text = [
        f"Questions, and requests for what is not told here: {contact.rstrip('.')}."
        if contact
        else "Questions, and requests for what is not told here, go to whoever gave you access to this service.",
        (
            f"Please name survey {records.release.survey_id}, question {records.release.question_id}, release "
            f"{records.release.number} ({records.release.id})."
        ),
    ]
    text += [f"{name}: {str(facts[item]).rstrip('.')}." for item, name in _ABOUT_DATA.items() if item in facts]
    if not records.release.has_draws:
        text.append("The draws of this release are not kept any more: it answers no further estimates.")
    return StatementSection("more", "How to ask for more", ["AAPOR", "ESOMAR/WAPOR"], text)


_ABOUT_DATA = {"source": "Source of the data", "license": "Licence of the data"}
