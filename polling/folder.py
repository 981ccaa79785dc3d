"""Load a survey folder: ``survey.toml`` and its tables, with every fault of all of them at once."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl

from polling.beyond_check import check_totals_tables
from polling.bundle import SurveyBundle
from polling.declaration import Question, SurveyDeclaration
from polling.district_table import check_districts
from polling.errors import SurveyRejected
from polling.faults import FaultLog, did_you_mean
from polling.folder_files import read_folder_file, read_folder_table
from polling.frame_draws import check_frame_draws
from polling.frame_report import told_of_frame
from polling.frame_table import check_frame, check_frame_districts
from polling.question_check import check_question_tables, for_its_formula
from polling.sketch import sketch_survey
from polling.survey_toml import parse_declaration

__all__ = ["FormulaChecker", "SurveyBundle", "load_survey_folder"]

FILE_NAME = "survey.toml"

type FormulaChecker = Callable[[Question, SurveyBundle], tuple[str, ...]]
"""Everything that is wrong with a question's formula for this survey, in words; empty if nothing is."""


def load_survey_folder(
    path: Path, *, data_dir: Path | None = None, check_formula: FormulaChecker | None = None
) -> SurveyBundle:
    """Load and check a survey.

    Parameters
    ----------
    path
        The folder, or its ``survey.toml``.
    data_dir
        Where the tables lie, if not in the folder.
    check_formula
        Says what is wrong with a formula. It is given, because what a formula may say belongs to the estimator,
        and this package does not know it; None: formulas are not checked.

    Returns
    -------
    SurveyBundle
        Declaration (with the district codes filled in) and tables in canonical form.

    Raises
    ------
    SurveyRejected
        With every fault of the declaration and the tables, each with file, row, column and remedy. Formulas beside
        faulty tables are checked for what they name; see ``polling.sketch``.
    """
    folder, file = (path.parent, path.name) if path.is_file() else (path, FILE_NAME)
    tables = data_dir or folder
    declaration_log = FaultLog(file)
    content = read_folder_file(folder, file, key=file, declaration_log=declaration_log)
    if content is None:
        raise SurveyRejected(declaration_log.reported(), total=declaration_log.total)
    declaration, declaration_log = parse_declaration(content, file=file)
    if declaration is None:
        raise SurveyRejected(declaration_log.reported(), total=declaration_log.total)

    geography = declaration.geography
    districts_table, districts_log = read_folder_table(
        tables, geography.districts_file, key="geography.districts", declaration_log=declaration_log
    )
    frame_table, frame_log = read_folder_table(
        tables, declaration.frame_file, key="frame.file", declaration_log=declaration_log
    )
    districts = check_districts(districts_table, declaration, districts_log) if districts_table else None
    frame = check_frame(frame_table, declaration, frame_log) if frame_table else None
    if frame is not None:
        declaration = _with_its_report(declaration, tables)
    frame_draws, draws_log = _frame_draws(tables, declaration, None if frame_log else frame, declaration_log)
    if districts is not None:
        if frame is not None:
            check_frame_districts(frame, districts, declaration, frame_log, districts_log)
        codes = tuple(code for code in districts["code"] if code is not None)
        declaration = replace(declaration, geography=replace(geography, codes=codes))
        _check_recode_targets(declaration, declaration_log)
    _check_backtest_files(declaration, tables, declaration_log)

    tables_are_sound = not (districts_log or frame_log or draws_log)
    if districts is not None and frame is not None and tables_are_sound:
        bundle = SurveyBundle(declaration, frame, districts, frame_draws)
        _check_last_result(bundle, declaration_log)
        _check_questions(bundle, check_formula, declaration_log)
        if not declaration_log:
            return bundle
    elif (sketch := sketch_survey(declaration, districts_table)) is not None:
        if districts_table is not None:
            _check_last_result(sketch, declaration_log)
        _check_questions(sketch, check_formula, declaration_log)
    for log in (districts_log, frame_log, draws_log):
        declaration_log.merge(log)
    raise SurveyRejected(declaration_log.reported(), total=declaration_log.total)


def _with_its_report(declaration: SurveyDeclaration, tables: Path) -> SurveyDeclaration:
    """The declaration with what the report of the frame's build tells of it."""
    facts = {name: value for name, value in declaration.facts.items() if not name.startswith("frame_")}
    told = told_of_frame(
        tables / declaration.frame_file,
        declared={name: value for name, value in declaration.facts.items() if name.startswith("frame_")},
        draws_named=bool(declaration.frame_draws_file),
    )
    return replace(declaration, facts={**facts, **told.facts}, frame_checks=told.checks)


def _frame_draws(
    tables: Path, declaration: SurveyDeclaration, frame: pl.DataFrame | None, declaration_log: FaultLog
) -> tuple[pl.DataFrame | None, FaultLog]:
    """The draws of the frame, where some are declared."""
    if not declaration.frame_draws_file:
        return None, FaultLog()
    key = "frame.draws"
    table, log = read_folder_table(tables, declaration.frame_draws_file, key=key, declaration_log=declaration_log)
    checked = None if table is None or frame is None else check_frame_draws(table, frame, declaration, log)
    return checked, log


def _check_recode_targets(declaration: SurveyDeclaration, log: FaultLog) -> None:
    codes = declaration.geography.codes
    for label, target in declaration.geography.recode.items():
        if target and target not in codes:
            key = f"geography.recode.{label}"
            log.add("the target is not the code of a district", did_you_mean(target, codes), column=key, value=target)


def _check_backtest_files(declaration: SurveyDeclaration, tables: Path, log: FaultLog) -> None:
    """The files are looked for, not read: a backtest reads them when it is run."""
    backtest = declaration.backtest
    if backtest is None:
        return
    for key in ("interviews", "truth", "benchmark"):
        name = getattr(backtest, key)
        if name and not (tables / name).is_file():
            log.add("there is no such file", "Add it, or remove the key.", column=f"backtest.{key}", value=name)


def _check_last_result(bundle: SurveyBundle, log: FaultLog) -> None:
    backtest = bundle.declaration.backtest
    if backtest is None or backtest.last_result is None:
        return
    name = backtest.last_result.predictor
    if any(name in question.own_columns for question in bundle.declaration.questions):
        return  # a column of each option: their shares are looked at when the survey is scored
    if name not in bundle.predictors:
        remedy = did_you_mean(name, bundle.predictors)
        log.add("no predictor of the districts has this name", remedy, column="backtest.last_result", value=name)
    elif not bundle.districts[name].is_between(0, 1).all():
        reason = f"'{name}' is no share: it has values outside 0 and 1"
        log.add(reason, "Give the last result as a share.", column="backtest.last_result")


def _check_questions(bundle: SurveyBundle, check_formula: FormulaChecker | None, log: FaultLog) -> None:
    of_no_kind = {fault.column for fault in log.reported() if (fault.column or "").endswith(".kind")}
    for declared in bundle.declaration.questions:
        totals_are_sound = check_totals_tables(declared, bundle, log)
        # A formula would be refused once more for what is wrong with options, or what the districts lack.
        question = check_question_tables(for_its_formula(declared), bundle, log)
        if question is None or check_formula is None or f"questions.{question.id}.kind" in of_no_kind:
            continue
        if not question.model or not totals_are_sound:
            continue  # what is missing is said already
        for problem in check_formula(question, bundle):
            reason, key = problem.rstrip("."), f"questions.{question.id}.model"
            log.add(reason, "Correct the formula, or add what it names.", column=key, value=question.model)
