"""Upload district predictors. The act is in the audit chain, and asks for the refits of the models that read them."""

import hashlib
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl
from sqlalchemy.orm import Session

from jobs import ledger
from jobs.partners import partners_of
from jobs.predictors import predictors_read, totals_read, with_columns
from jobs.restate import ask_refit, tell_asked
from jobs.settings import Settings
from jobs.survey import formula_problems
from mrp.errors import FormulaError
from polling.beyond_check import check_totals_tables
from polling.bundle import SurveyBundle
from polling.declaration import Question, SurveyDeclaration
from polling.errors import PredictorsRejected
from polling.faults import FaultLog
from polling.predictor_file import read_predictors
from polling.secrets import SecretsFile
from polling.store import predictors, releases, surveys, waves
from polling.store.columns import Json
from polling.store.engine import Store
from polling.store.predictors import NewPredictors, PredictorRecord
from polling.store.records import JobRecord
from polling.store.wave_records import WaveRecord

__all__ = ["MAX_SOURCE", "AddedPredictors", "add_predictors"]

MAX_SOURCE = 500
"""Letters of a source."""


@dataclass(frozen=True, slots=True)
class AddedPredictors:
    """What became of predictors that were sent."""

    upload: PredictorRecord
    created: bool
    """False: they hold already, and nothing was changed."""
    jobs: tuple[JobRecord, ...]
    """Refits of the questions whose models read them, and whose interviews go to their day at least."""


def add_predictors(
    store: Store,
    secrets: SecretsFile,
    settings: Settings,
    *,
    survey_id: str,
    content: bytes,
    as_of: date,
    source: str,
    now: datetime,
    actor: str,
    file: str | None = None,
) -> AddedPredictors:
    """Store predictors of all districts, and have every question fitted again that now reads others than before.

    Parameters
    ----------
    content
        A table as `polling.predictor_file` reads it, in any format of waves.
    as_of
        The day that the numbers describe, such as that of a past election: fits whose interviews end before it do not
        see them.
    source
        Who says so, in words.
    file
        Name of the file, for faults.

    Raises
    ------
    SurveyNotFound
        If there is no such survey.
    PredictorsRejected
        With every fault of the table, or with one alone if it is of persons.
    """
    with store.read() as session:
        survey = surveys.get_survey(session, survey_id)
    bundle = survey.bundle
    _check_about(as_of, source, now=now)
    table = read_predictors(content, bundle.declaration, bundle.districts, file=file)
    _check_models(table, bundle, file=file)
    new = NewPredictors(
        survey_id=survey_id,
        survey_version=survey.version,
        as_of=as_of,
        source=source.strip(),
        content_sha256=hashlib.sha256(content).hexdigest(),
        table=table,
    )
    with store.write() as session:
        upload, created = predictors.add_predictors(session, new, actor=actor, now=now)
        if not created:
            return AddedPredictors(upload, created=False, jobs=())
        asked = []
        for question in _questions_moved(session, upload, bundle):
            asked.append(ask_refit(session, settings, survey_id=survey_id, question_id=question.id, now=now))
            what = f"{', '.join(upload.columns)} as of {upload.as_of} ({upload.source}), received {now:%Y-%m-%d %H:%M}"
            releases.mark_stale(session, survey_id, question.id, now, f"It does not know {what} UTC.")
        tell_asked(session, asked, now=now)
        _record(session, secrets, upload, now=now, actor=actor)
    return AddedPredictors(upload, created=True, jobs=tuple(asked))


def _questions_moved(session: Session, upload: PredictorRecord, bundle: SurveyBundle) -> list[Question]:
    """The questions with interviews whose next fit takes a column from this upload."""
    declaration = bundle.declaration
    counted = [wave for wave in waves.list_waves(session, upload.survey_id) if wave.is_counted]
    moved = []
    for question in declaration.questions:
        together = _fitted_together(question, declaration, counted)
        read = (predictors_read(together, bundle) | totals_read(together, bundle)) & set(upload.columns)
        day = _last_day(counted, together)
        if read and day is not None:
            holding = predictors.known_by(session, upload.survey_id, read, day)
            if any(one.id == upload.id for one in holding.values()):
                moved.append(question)
    return moved


def _fitted_together(
    question: Question, declaration: SurveyDeclaration, counted: list[WaveRecord]
) -> tuple[Question, ...]:
    """A question and its partners, as far as they have interviews; empty if it has none itself."""
    asked = [one for one in declaration.questions if any(one.id in wave.questions for wave in counted)]
    return (question, *partners_of(question, asked)) if question in asked else ()


def _last_day(counted: list[WaveRecord], questions: tuple[Question, ...]) -> date | None:
    """The last day of the interviews on some questions, as a fit takes it; None if there are none."""
    mine = [wave for wave in counted if any(one.id in wave.questions for one in questions)]
    days = [wave.fieldwork_end for wave in mine if wave.fieldwork_end is not None]
    return max(days or [wave.received_at.date() for wave in mine], default=None)


def _check_about(as_of: date, source: str, *, now: datetime) -> None:
    log = FaultLog()
    if not source.strip():
        log.add("the source is blank", "Say who tells the numbers, such as the electoral commission.", column="source")
    elif len(source) > MAX_SOURCE:
        log.add(f"the source has {len(source):,} letters, the limit is {MAX_SOURCE}", "Shorten it.", column="source")
    if "\0" in source:
        log.add("the source contains a NUL character", "Remove it: it cannot be stored.", column="source")
    # Somewhere it is tomorrow already.
    if as_of > (now + timedelta(days=1)).date():
        reason = "the predictors describe a day that is still to come"
        log.add(reason, "Give the day that they describe.", column="as_of", value=as_of.isoformat())
    if log:
        raise PredictorsRejected(log.reported(), total=log.total)


def _check_models(table: pl.DataFrame, bundle: SurveyBundle, *, file: str | None) -> None:
    """Refuse numbers that a model cannot do with, such as a logarithm's 0, and totals that cannot be."""
    log, changed = FaultLog(file), with_columns(bundle, table)
    for question in bundle.declaration.questions:
        try:
            read = sorted(predictors_read([question], bundle) & set(table.columns))
        except FormulaError:  # of an older version of this program; its fits say so
            continue
        for problem in formula_problems(question, changed) if read else ():
            reason = f"the model of {question.id} cannot use these numbers: {problem.rstrip('.')}"
            log.add(reason, "Correct the numbers, or the model first.", column=read[0] if len(read) == 1 else None)
        if totals_read([question], bundle) & set(table.columns):
            check_totals_tables(question, changed, log)
    if log:
        raise PredictorsRejected(log.reported(), total=log.total)


def _record(session: Session, secrets: SecretsFile, upload: PredictorRecord, *, now: datetime, actor: str) -> None:
    detail: dict[str, Json] = {
        "number": upload.number,
        "as_of": upload.as_of.isoformat(),
        "columns": list(upload.columns),
        "sha256": upload.sha256,
    }
    ledger.record(
        session,
        secrets,
        actor=actor,
        action="predictors-added",
        survey_id=upload.survey_id,
        subject=upload.id,
        detail=detail,
        now=now,
    )
