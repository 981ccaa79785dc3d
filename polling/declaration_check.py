"""Check that the parts of a declaration make sense together: names, options, recodes, references."""

import re
from collections.abc import Mapping

from polling.bands import is_number
from polling.beyond_check import check_beyond
from polling.declaration import Demographic, Question, SurveyDeclaration
from polling.faults import did_you_mean, listing
from polling.question_check import SILENT, check_question
from polling.toml_section import Section

__all__ = ["RESERVED_NAMES", "check_declaration", "is_name"]

RESERVED_NAMES = frozenset(
    {
        *("row", "respondent", "date", "weight", "consent", "timing", "answer", "option", "excluded"),
        *("n", "y", "weight_y", "weight_square", "n_people", "pollster", "wave", "period", "mode"),
        *("code", "name", "neighbours"),
        *("area", "area_name", "nation", "level", "share", "low", "high", "sd", "mc_error"),
    }
)
"""Columns and words that the program itself uses beside a survey's own."""

_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


def check_declaration(declaration: SurveyDeclaration, root: Section) -> None:
    """Record every fault that shows only when parts of the file are seen together."""
    survey = root.section("survey", required=False)
    if declaration.id and not _ID.fullmatch(declaration.id):
        _bad_id(survey, "id", declaration.id)
    _check_names(declaration, root)
    _check_recodes(declaration, root)
    questions = root.section("questions", required=False)
    if not declaration.questions:
        questions.fault(None, "no question is declared", "Add a section such as [questions.vote].")
    for question in declaration.questions:
        if not _ID.fullmatch(question.id):
            _bad_id(questions, question.id, question.id)
        section = questions.section(question.id)
        if question.options:  # where there are none, that is the fault
            _check_recode(section, question.recode, question.options, f"an option of {question.id}")
        _check_statuses(question, section, (*question.options, *question.recode), "an answer that is counted")
        check_question(question, section)
        check_beyond(question, declaration.questions, section)
        if question.weights == "likelihood" and not _sends_weight(declaration):
            reason, remedy = "no column of weights is declared", 'Add weight = "..." to [columns].'
            questions.section(question.id).fault("weights", reason, remedy)
    _check_respondent(declaration, root)
    _check_consent(declaration, root)
    _check_backtest(declaration, root)


def is_name(name: str) -> bool:
    """Whether a name can stand in a formula."""
    return _NAME.fullmatch(name) is not None


def _sends_weight(declaration: SurveyDeclaration) -> bool:
    """Whether any pollster sends weights."""
    return "weight" in declaration.columns or any(own.get("weight") for own in declaration.pollster_columns.values())


def _bad_id(section: Section, key: str, value: str) -> None:
    remedy = "Use up to 64 lowercase letters, digits, '-' and '_', beginning with a letter or digit."
    section.fault(key, "this cannot be an id", remedy, value=value)


def _check_names(declaration: SurveyDeclaration, root: Section) -> None:
    """District, demographics and questions share one table of interviews, and formulas name the first two."""
    demographics = root.section("demographics", required=False)
    geography = root.section("geography", required=False)
    questions = root.section("questions", required=False)
    if not declaration.demographics:
        demographics.fault(None, "no demographic is declared", "Add a section such as [demographics.age].")
    named = [(geography, "district", declaration.geography.district)]
    named += [(demographics, demographic.name, demographic.name) for demographic in declaration.demographics]
    taken: set[str] = set()
    for section, key, name in named:
        if name and not is_name(name):
            section.fault(key, "this name cannot stand in a formula", "Use letters, digits and '_'.", value=name)
        if name in RESERVED_NAMES:
            section.fault(key, f"'{name}' is a word the program uses itself", "Choose another name.", value=name)
        if name in taken:
            section.fault(key, f"'{name}' is the district already", "Choose another name.", value=name)
        taken.add(name)
    for question in declaration.questions:
        if question.id in RESERVED_NAMES | taken:
            questions.fault(question.id, f"'{question.id}' names something else already", "Choose another id.")
    for demographic in declaration.demographics:
        if not demographic.levels:
            section = demographics.section(demographic.name)
            section.fault("levels", f"{demographic.name} has no levels", 'List them: levels = ["...", "..."].')


def _check_recodes(declaration: SurveyDeclaration, root: Section) -> None:
    """A recode leads from a label that is not a level to one that is. (Districts are checked with their table.)"""
    for demographic in declaration.demographics:
        section = root.section("demographics").section(demographic.name)
        what = f"a level of {demographic.name}"
        _check_recode(section, demographic.recode, demographic.levels, what)
        _check_bands(section, demographic, what)
        _check_statuses(demographic, section, (*demographic.levels, *demographic.recode), "counted")


def _check_bands(section: Section, demographic: Demographic, what: str) -> None:
    """Every number belongs to one level at most, and a number that is a label of its own would have two meanings."""
    bands = section.section("bands", required=False)
    previous: tuple[str, float | None] | None = None
    for level, (least, greatest) in sorted(demographic.bands.items(), key=lambda item: item[1][0]):
        if level not in demographic.levels:
            bands.fault(level, f"'{level}' is not {what}", did_you_mean(level, demographic.levels))
        if previous is not None and (previous[1] is None or least <= previous[1]):
            reason = f"the numbers of '{level}' and '{previous[0]}' overlap"
            bands.fault(level, reason, "Give every number one level; both ends of a band belong to it.")
        previous = (level, greatest)
    for label in (*demographic.levels, *demographic.recode) if demographic.bands else ():
        if is_number(label):
            bands.fault(None, f"'{label}' is a label and a number", "Use a recode or bands, not both, for numbers.")


def _check_recode(section: Section, recode: Mapping[str, str], targets: tuple[str, ...], what: str) -> None:
    labels = section.section("recode", required=False)
    for label, target in recode.items():
        if target and target not in targets:
            labels.fault(label, f"the target is not {what}", did_you_mean(target, targets), value=target)
        if label in targets and label != target:
            labels.fault(label, f"'{label}' is {what} itself", "Remove it from the recode or from the list.")


def _check_statuses(item: Demographic | Question, section: Section, counted: tuple[str, ...], what: str) -> None:
    meaning = dict.fromkeys(counted, what)
    for status in SILENT:
        for label in getattr(item, status):
            if label in meaning:
                section.fault(status, f"'{label}' is {meaning[label]} already", "A label has one meaning.")
            meaning[label] = status


def _check_respondent(declaration: SurveyDeclaration, root: Section) -> None:
    """The respondent's id is stored only as a hash: no other item may read the same column."""
    columns = root.section("columns", required=False)
    for pollster in (None, *declaration.pollster_columns):
        names = declaration.columns_of(pollster or "")
        column = names.pop("respondent", None)
        if column and (readers := [name for name, other in names.items() if other == column]):
            section = columns if pollster is None else columns.section(pollster)
            reason = f"column '{column}' is the respondent's id and also read as {listing(readers)}"
            section.fault("respondent", reason, "An id is nothing else: name another column.")


def _check_consent(declaration: SurveyDeclaration, root: Section) -> None:
    """The column and what means yes in it are declared together, for every pollster."""
    named = "consent" in declaration.columns
    alone = [pollster for pollster, own in declaration.pollster_columns.items() if "consent" in own]
    if declaration.consent is None:
        if named or alone:
            section = root.section("columns", required=False)
            section.fault("consent", "nothing says what means yes", 'Add a section [consent] with values = ["yes"].')
    elif not declaration.consent.values or not named:
        section = root.section("consent", required=False)
        if not named:
            section.fault("values", "no column of consent is declared", 'Add consent = "..." to [columns].')
        else:
            section.fault("values", "nothing means yes", "List the labels of those who agreed.")


def _check_backtest(declaration: SurveyDeclaration, root: Section) -> None:
    backtest = declaration.backtest
    if backtest is None:
        return
    section = root.section("backtest")
    ids = [question.id for question in declaration.questions]
    if backtest.question is None and len(ids) > 1:
        section.fault("question", "the survey has several questions", f"Name the one scored: {listing(ids)}.")
    if backtest.question is not None and backtest.question not in ids:
        section.fault("question", "no such question", did_you_mean(backtest.question, ids), value=backtest.question)
    start, end = backtest.fieldwork_start, backtest.fieldwork_end
    if start and end and end < start:
        section.fault("fieldwork_end", "the fieldwork ends before it starts", "Correct the dates.", value=end)
    if len({"fieldwork_start", "fieldwork_end"} & set(section.names())) == 1:
        section.fault(None, "one of fieldwork_start and fieldwork_end is missing", "Give both or neither.")
    ways = [name for name in ("wave_by", "wave_days", "wave_parts") if getattr(backtest, name) is not None]
    if len(ways) > 1:
        section.fault(ways[1], f"interviews are split by {ways[0]} already", "Keep one of them.")
    if backtest.wave_parts is not None and backtest.fieldwork_start is None:
        remedy = "Give fieldwork_start and fieldwork_end, which the waves divide among them."
        section.fault("wave_parts", "the fieldwork that is to be divided is not declared", remedy)
    for column, values in backtest.keep.items():
        if not values:
            section.section("keep").fault(column, "no value is kept", "List the values kept.")
