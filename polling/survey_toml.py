"""Read ``survey.toml`` into a declaration, with every fault of the file.

The keys are documented in ``polling.declaration``. What a value must be to make sense beside the others (recode
targets, clashing names, number of options) is checked in ``polling.declaration_check``.
"""

from typing import cast

from polling.beyond_toml import parse_systematic
from polling.declaration import (
    SURVEY_FACTS,
    WAVE_FACTS,
    Backtest,
    Blank,
    Consent,
    Demographic,
    Geography,
    LastResult,
    Policy,
    Retention,
    SurveyDeclaration,
    TimeRule,
)
from polling.declaration_check import check_declaration
from polling.faults import FaultLog, did_you_mean, listing
from polling.population_toml import check_populations, parse_populations
from polling.quality_toml import check_quality, parse_quality
from polling.question_toml import parse_question
from polling.source_toml import parse_sources
from polling.toml_section import Section, open_toml

__all__ = ["parse_declaration"]

_BLANK = ("fault", "exclude")
_PERIODS = ("week", "day", "month", "wave")
_POLICIES = ("reject", "quarantine")
_OWN_COLUMNS = ("respondent", "date", "weight", "consent", "timing")


def parse_declaration(content: bytes, *, file: str = "survey.toml") -> tuple[SurveyDeclaration | None, FaultLog]:
    """Read a survey declaration.

    Parameters
    ----------
    content
        The bytes of ``survey.toml``.
    file
        What the faults call it.

    Returns
    -------
    tuple
        The declaration and its faults. With faults the declaration is what could be read, good for checking the
        tables in the same go and for nothing else; None if the file is not TOML at all.
    """
    log = FaultLog(file)
    root = open_toml(content, log)
    if root is None:
        return None, log
    survey = root.section("survey")
    survey_id, title, universe = survey.text("id"), survey.text("title"), survey.text("universe")
    of_survey = (name for name in SURVEY_FACTS if not name.startswith("frame_"))
    facts = {name: value for name in of_survey if (value := survey.maybe_text(name))}
    public = survey.flag("public")
    survey.close()

    demographics = tuple(_demographic(name, section) for name, section in root.sections("demographics").items())
    questions = tuple(
        parse_question(question_id, section) for question_id, section in root.sections("questions").items()
    )
    geography = _geography(root.section("geography"))
    columns_section = root.section("columns", required=False)
    not_identifiers = columns_section.texts("not_identifiers") or ()
    columns, pollster_columns = _columns(
        columns_section,
        (*_OWN_COLUMNS, geography.district, *(d.name for d in demographics), *(q.id for q in questions)),
    )
    frame, waves = root.section("frame"), root.section("waves", required=False)
    facts |= {f"frame_{name}": value for name in ("source", "date") if (value := frame.maybe_text(name))}
    declaration = SurveyDeclaration(
        id=survey_id,
        title=title,
        universe=universe,
        public=public,
        facts=facts,
        columns=columns,
        pollster_columns=pollster_columns,
        not_identifiers=not_identifiers,
        time=_time(root.section("time", required=False)),
        required_facts=_required_facts(waves),
        policy=cast("Policy", waves.choice("policy", _POLICIES, default="reject")),
        quarantine_share=_share(waves, "quarantine_share", default=0.05),
        quality=parse_quality(root.section("quality", required=False)),
        consent=_consent(root),
        retention=_retention(root.section("retention", required=False)),
        geography=geography,
        demographics=demographics,
        frame_file=frame.text("file"),
        frame_count=frame.maybe_text("count") or "count",
        frame_ignore=frame.texts("ignore") or (),
        frame_draws_file=frame.maybe_text("draws") or "",
        questions=questions,
        sources=parse_sources(root, WAVE_FACTS),
        populations=parse_populations(root),
        systematic_error=parse_systematic(root),
        backtest=_backtest(root.section("backtest", required=False)) if "backtest" in root.names() else None,
    )
    frame.close()
    waves.close()
    if "backtest" not in root.names():
        root.section("backtest", required=False)  # so that close() knows the name
    root.close()
    check_declaration(declaration, root)
    check_quality(declaration, root)
    check_populations(declaration, root)
    return declaration, log


def _columns(section: Section, names: tuple[str, ...]) -> tuple[dict[str, str], dict[str, dict[str, str | None]]]:
    columns = {name: value for name in _OWN_COLUMNS if (value := section.maybe_text(name))}
    pollster_columns: dict[str, dict[str, str | None]] = {}
    for pollster in section.names():
        if pollster in (*_OWN_COLUMNS, "not_identifiers"):
            continue
        own = section.section(pollster)
        pollster_columns[pollster] = {}
        for name in own.names():
            if name not in names:
                own.fault(name, f"'{name}' is nothing that a pollster can send", did_you_mean(name, names))
            elif name in ("date", "weight", "timing") and own.is_false(name):
                pollster_columns[pollster][name] = None
            elif column := own.text(name):
                pollster_columns[pollster][name] = column
    section.close()
    return columns, pollster_columns


def _time(section: Section) -> TimeRule:
    rule = TimeRule(
        period=section.choice("period", _PERIODS, default="week"),  # type: ignore[arg-type]
        window_days=section.positive("window_days"),
    )
    section.close()
    return rule


def _required_facts(section: Section) -> tuple[str, ...]:
    required = section.texts("required_facts") or ()
    for name in required:
        if name not in WAVE_FACTS:
            section.fault(
                "required_facts", "there is no such fact of a wave", did_you_mean(name, WAVE_FACTS), value=name
            )
    return required


def _share(section: Section, key: str, *, default: float) -> float:
    share = section.number(key)
    if share is not None and share >= 1:
        section.fault(key, f"'{key}' must be a share below 1", "Write 5% as 0.05.", value=share)
    return default if share is None else share


def _consent(root: Section) -> Consent | None:
    section = root.section("consent", required=False)
    values, no = section.texts("values"), section.texts("no") or ()
    section.close()
    if values is not None and (both := sorted(set(values) & set(no))):
        section.fault("no", f"{listing(both)} cannot mean both yes and no", "Keep it in one of the two.")
    return None if values is None else Consent(values, no)


def _retention(section: Section) -> Retention:
    retention = Retention(
        respondents_days=section.positive("respondents_days"),
        min_cell=section.positive("min_cell") or Retention().min_cell,
    )
    section.close()
    return retention


def _geography(section: Section) -> Geography:
    district = section.text("district")
    geography = Geography(
        district=district,
        column=section.maybe_text("column") or district,
        districts_file=section.text("districts"),
        parents=section.texts("parents"),
        ignore=section.texts("ignore") or (),
        recode=section.labels("recode"),
        blank=cast("Blank", section.choice("blank", _BLANK, default="fault")),
    )
    section.close()
    return geography


def _demographic(name: str, section: Section) -> Demographic:
    demographic = Demographic(
        name=name,
        column=section.maybe_text("column") or name,
        levels=section.texts("levels") or (),
        ordered=section.flag("ordered"),
        recode=section.labels("recode"),
        blank=cast("Blank", section.choice("blank", _BLANK, default="fault")),
        bands=_bands(section.section("bands", required=False)),
        dont_know=section.texts("dont_know") or (),
        refused=section.texts("refused") or (),
        not_asked=section.texts("not_asked") or (),
    )
    section.close()
    return demographic


def _bands(section: Section) -> dict[str, tuple[float, float | None]]:
    return {level: band for level in section.names() if (band := section.band(level)) is not None}


def _backtest(section: Section) -> Backtest:
    keep = section.section("keep", required=False)
    backtest = Backtest(
        interviews=section.text("interviews"),
        truth=section.maybe_text("truth"),
        benchmark=section.maybe_text("benchmark"),
        question=section.maybe_text("question"),
        option=section.maybe_text("option"),
        last_result=_last_result(section.maybe_text("last_result")),
        keep={column: keep.texts(column) or () for column in keep.names()},
        wave_by=section.maybe_text("wave_by"),
        wave_days=section.positive("wave_days"),
        wave_parts=section.positive("wave_parts"),
        truth_date=section.date("truth_date"),
        pollster=section.maybe_text("pollster") or "backtest",
        pollster_column=section.maybe_text("pollster_column"),
        fieldwork_start=section.date("fieldwork_start"),
        fieldwork_end=section.date("fieldwork_end"),
    )
    section.close()
    return backtest


def _last_result(text: str | None) -> LastResult | None:
    """``name`` or ``1 - name``."""
    if text is None:
        return None
    one, minus, name = text.partition("-")
    if minus and one.strip() == "1":
        return LastResult(name.strip(), complement=True)
    return LastResult(text.strip())
