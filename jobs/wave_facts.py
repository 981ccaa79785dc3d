"""What a pollster says of a wave beside its interviews: the items of AAPOR's disclosure that differ from wave to wave.

=============  ==================================================================
fact           meaning
=============  ==================================================================
mode           how interviews were done: phone, web, face to face ...
sponsor        who paid for them
sample_source  where respondents came from: a panel, random digits, a register ...
universe       whom they stand for: adults, registered voters, likely voters ...
language       in which language they were asked
wording        question id = the text as asked, where it differs
=============  ==================================================================

Stored is what was given. What was not given is what the survey declares.
"""

from collections.abc import Mapping

from polling.declaration import WAVE_FACTS, SurveyDeclaration
from polling.faults import FaultLog, did_you_mean
from polling.store.columns import Json

__all__ = ["MAX_FACT", "check_facts", "facts_of"]

MAX_FACT = 1000


def facts_of(declaration: SurveyDeclaration, given: Mapping[str, Json]) -> dict[str, Json]:
    """The facts of a wave, the survey's where the wave has none of its own; without those that neither tells."""
    of_survey: dict[str, Json] = {name: declaration.facts[name] for name in WAVE_FACTS if name in declaration.facts}
    if "languages" in declaration.facts:
        of_survey["language"] = declaration.facts["languages"]
    of_survey["universe"] = declaration.universe
    wording: dict[str, Json] = {question.id: question.text for question in declaration.questions}
    asked = given.get("wording")
    return of_survey | dict(given) | {"wording": wording | dict(asked if isinstance(asked, Mapping) else {})}


def check_facts(given: Mapping[str, Json], declaration: SurveyDeclaration, faults: FaultLog) -> dict[str, Json]:
    """The facts as they are stored; one fault for each that is unknown, unusable, or required and missing.

    Parameters
    ----------
    given
        Fact = text; ``wording`` = mapping of question id to text.
    """
    kept: dict[str, Json] = {}
    for name, value in given.items():
        if name not in WAVE_FACTS:
            faults.add("there is no such fact of a wave", did_you_mean(name, WAVE_FACTS), column="facts", value=name)
        elif name == "wording":
            if wording := _wording(value, declaration, faults):
                kept[name] = wording
        elif (text := _text(name, value, faults)) is not None:
            kept[name] = text
    told = kept.keys() | facts_of(declaration, {}).keys()
    for name in declaration.required_facts:
        if name not in told and name not in given:
            reason = f"the survey requires the fact '{name}', and neither the wave nor the survey tells it"
            faults.add(reason, f"Send it with the wave: {name}=...", column=name)
    return kept


def _wording(value: Json, declaration: SurveyDeclaration, faults: FaultLog) -> dict[str, Json]:
    if not isinstance(value, Mapping):
        faults.add("the wording is not told per question", 'Send {"<question id>": "<text>"}.', column="wording")
        return {}
    ids = [question.id for question in declaration.questions]
    kept: dict[str, Json] = {}
    for question_id, text in value.items():
        if question_id not in ids:
            faults.add(
                "the survey has no such question", did_you_mean(question_id, ids), column="wording", value=question_id
            )
        elif (usable := _text(f"wording.{question_id}", text, faults)) is not None:
            kept[question_id] = usable
    return kept


def _text(name: str, value: Json, faults: FaultLog) -> str | None:
    if isinstance(value, str) and 0 < len(text := value.strip()) <= MAX_FACT and "\x00" not in text:
        return text
    faults.add(
        f"the fact '{name}' is not usable",
        f"Give a text of 1 to {MAX_FACT:,} characters.",
        column=name,
        value=str(value),
    )
    return None
