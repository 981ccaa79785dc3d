"""Sections of a disclosure statement about the interviews: who, whom, how, when, what was asked, how many."""

from collections.abc import Sequence
from typing import Any

from api.statement.answers import answers_counted, answers_tables
from api.statement.payloads import StatementSection, StatementTable
from api.statement.records import NOT_TOLD, Records
from jobs.wave_facts import facts_of
from polling.disclosure import count_in_words
from polling.store.fit_inputs import predictors_noted
from polling.store.fit_waves import FitWave

__all__ = ["method_sections"]


def method_sections(records: Records) -> list[StatementSection]:
    """What AAPOR and ESOMAR/WAPOR ask about interviews."""
    return [
        _sponsor(records),
        _population(records),
        _sample(records),
        _fieldwork(records),
        _wording(records),
        _size(records),
        _weighting(records),
    ]


def _sponsor(records: Records) -> StatementSection:
    declared = records.declaration.facts.get("conducted_by")
    pollsters = list(dict.fromkeys(wave.pollster for wave in records.waves))
    rows = []
    for pollster in pollsters:
        paid = [sponsor for sponsor, waves in records.told("sponsor").items() if pollster in _pollsters(waves)]
        rows.append([pollster, "; ".join(paid)])
    text = [f"Interviews were delivered by {', '.join(pollsters)}."] if pollsters else []
    if declared:
        text.append(f"Conducted by: {_sentence(declared)}")
    if not pollsters:
        text.append(f"Sponsor: {_sentence('; '.join(records.told('sponsor')))}")
    table = StatementTable("Who conducted the interviews and who paid for them", ["conducted by", "sponsor"], rows)
    title, asked_by = "Who sponsored and who conducted it", ["AAPOR 2", "ESOMAR/WAPOR"]
    return StatementSection("sponsor", title, asked_by, text, [table] if rows else [])


def _population(records: Records) -> StatementSection:
    declared, bundle = records.declaration, records.bundle
    text = [f"The estimates describe: {_sentence(declared.universe)}"]
    text += [
        f"Interviews of {_names(waves)} stand for: {_sentence(universe)}"
        for universe, waves in records.told("universe").items()
        if universe not in (declared.universe, NOT_TOLD)
    ]
    n_people, demographics = bundle.frame["n_people"].sum(), ", ".join(declared.levels)
    text += [
        (
            f"The population frame has {n_people:,.0f} people in {bundle.districts.height:,} districts "
            f"({declared.geography.district}) and {bundle.frame.height:,} combinations of district, {demographics}."
        ),
        (
            f"Source of the frame: {_sentence(declared.facts.get('frame_source', NOT_TOLD))} "
            f"Date of the frame: {_sentence(declared.facts.get('frame_date', NOT_TOLD))}"
        ),
    ]
    text += declared.frame_checks
    drawn: Any = records.fit.inputs.get("frame_draws") if isinstance(records.fit.inputs, dict) else None
    if drawn:
        text.append(
            f"The frame is the mean of {drawn['n']} draws (SHA-256 {drawn['sha256']}). Each draw of the model is added "
            "up with one of them, so that what is not known of who lives where is in the intervals."
        )
    text += [
        f"{', '.join(one['columns'])} of the districts {'is' if len(one['columns']) == 1 else 'are'} as of "
        f"{one['as_of']}, received {one['received_at'][:10]} (upload {one['number']}, SHA-256 {one['sha256']}). "
        f"Source: {_sentence(one['source'])}"
        for one in predictors_noted(records.fit.inputs)
    ]
    text += records.populations.sentences()
    return StatementSection("population", "Population and frame", ["AAPOR 4", "ESOMAR/WAPOR"], text)


def _sample(records: Records) -> StatementSection:
    facts = records.declaration.facts
    text = ["Data were collected by surveys: interviews of persons with a questionnaire."]
    text += _per_wave(records, "Where respondents came from", "sample_source")
    text += [f"{name}: {_sentence(facts[item])}" for item, name in _OF_SURVEY.items() if item in facts]
    text += _per_wave(records, "Mode of interviewing", "mode")
    text += _per_wave(records, "Language", "language")
    asked_by = ["AAPOR 1", "AAPOR 5", "AAPOR 6", "ESOMAR/WAPOR"]
    return StatementSection("sample", "Sample and mode of interviewing", asked_by, text)


_OF_SURVEY = {"sampling": "Sampling", "recruitment": "Recruitment"}


def _fieldwork(records: Records) -> StatementSection:
    starts = [wave.fieldwork_start for wave in records.waves if wave.fieldwork_start]
    ends = [wave.fieldwork_end for wave in records.waves if wave.fieldwork_end]
    text = []
    if starts:
        end = f"to {max(ends)}" if ends else "on"
        text.append(f"Interviews were done from {min(starts)} {end}.")
    rows = []
    for wave in records.waves:
        facts = facts_of(records.declaration, wave.facts)
        told = [str(facts.get(item, NOT_TOLD)) for item in ("mode", "sample_source", "language")]
        dates = [str(wave.fieldwork_start or NOT_TOLD), str(wave.fieldwork_end or NOT_TOLD)]
        rows.append([wave.pollster, wave.reference, str(wave.version), *dates, *told, _about(wave, records)])
    columns = [
        "pollster",
        "wave",
        "version",
        "first day",
        "last day",
        "mode",
        "sample source",
        "language",
        "interviews",
    ]
    table = StatementTable("Waves in this release", columns, rows)
    window = records.declaration.time.window_days
    if window is not None:
        text.append(f"Only waves whose fieldwork ended in the last {window:,} days of interviewing are in it.")
    title, asked_by = "Dates of fieldwork and waves", ["AAPOR 7", "ESOMAR/WAPOR"]
    return StatementSection("fieldwork", title, asked_by, text, [table] if rows else [])


def _wording(records: Records) -> StatementSection:
    question = records.question
    asked: dict[str, list[FitWave]] = {}
    for wave in records.waves:
        wording = facts_of(records.declaration, wave.facts)["wording"]
        text_asked = wording.get(question.id, question.text) if isinstance(wording, dict) else question.text
        asked.setdefault(str(text_asked), []).append(wave)
    text = [f"“{wording}”" for wording in asked] if len(asked) == 1 else []
    if len(asked) > 1:
        text += [f"Asked in {_names(waves)}: “{wording}”" for wording, waves in asked.items()]
    text = text or [f"“{question.text}”"]
    text += answers_counted(question)
    tables = answers_tables(question)
    return StatementSection("wording", "Question as asked", ["AAPOR 3", "ESOMAR/WAPOR"], text, tables)


def _size(records: Records) -> StatementSection:
    n, least = records.n_shown, records.rules.min_interviews
    if n is None:
        told = f"Fewer than {least} interviews are in the model."
    elif records.is_rounded:
        told = f"About {n:,} interviews are in the model; the counts behind it are deleted, and the number is rounded."
    else:
        told = (
            f"{n:,} interviews are in the model. Counts of interviews are perturbed by at most one per cell, so "
            "that nobody can be found by subtraction: the number is close to the true one, not equal to it. Counts of "
            "answers, on which shares of those interviewed rest, have wider noise, and their intervals have it in them."
        )
    precision = (
        "Every estimate is published with an interval that holds the uncertainty which the model knows of: few "
        "interviews, differences between places and groups, unknown coefficients. No margin of sampling error is "
        "claimed beside it."
    )
    return StatementSection("sample_size", "Sample size and precision", ["AAPOR 8", "ESOMAR/WAPOR"], [told, precision])


def _weighting(records: Records) -> StatementSection:
    if records.question.weights == "likelihood":
        effect = records.diagnostics.get("fit", {}).get("design_effect")
        size = f" of {effect:.2f}" if isinstance(effect, int | float) else ""
        model = (
            "The pollsters' weights are in the model: a cell counts as its interviews divided by one design effect"
            f"{size}, with their weighted mean (Ghitza and Gelman 2013)."
        )
    else:
        model = (
            "Interviews are not weighted in the model. It estimates opinion per combination of district and "
            "demographics, and these are added up by the number of people who live in each (poststratification)."
        )
    declared = records.declaration.facts.get("weighting")
    text = [model, *([f"Of the pollsters' weights the survey says: {_sentence(declared)}"] if declared else [])]
    return StatementSection("weighting", "Weighting", ["AAPOR 9", "ESOMAR/WAPOR"], text)


def _per_wave(records: Records, name: str, item: str) -> list[str]:
    told = records.told(item)
    if len(told) == 1:
        return [f"{name}: {_sentence(next(iter(told)))}"]
    return [f"{name} in {_names(waves)}: {_sentence(value)}" for value, waves in told.items()]


def _about(wave: FitWave, records: Records) -> str:
    return count_in_words(wave.n_interviews, least=records.rules.min_interviews)


def _names(waves: Sequence[FitWave]) -> str:
    return ", ".join(f"{wave.reference} of {wave.pollster}" for wave in waves)


def _pollsters(waves: Sequence[FitWave]) -> set[str]:
    return {wave.pollster for wave in waves}


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
