"""Add what happened, or take it back. Acts are in the audit chain; adding asks for the scores that it allows."""

import hashlib
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy.orm import Session

from jobs import ledger
from jobs.restate import tell_asked
from jobs.score_ask import ask_scores
from polling.errors import ResultRejected
from polling.faults import FaultLog
from polling.known_result import read_known_result
from polling.secrets import SecretsFile
from polling.store import known_results, outbox, scores, surveys
from polling.store.columns import Json
from polling.store.engine import Store
from polling.store.known_results import KnownResultRecord, NewResult
from polling.store.records import JobRecord

__all__ = ["MAX_SOURCE", "AddedResult", "add_known_result", "withdraw_known_result"]

MAX_SOURCE = 500
"""Letters of a source."""


@dataclass(frozen=True, slots=True)
class AddedResult:
    """What became of a result that was sent."""

    result: KnownResultRecord
    created: bool
    """False: it was known already, and nothing was changed."""
    job: JobRecord | None
    """The job that scores releases; None if nothing is new, or there is no release yet."""


def add_known_result(
    store: Store,
    secrets: SecretsFile,
    *,
    survey_id: str,
    question_id: str,
    content: bytes,
    refers_to: date,
    source: str,
    now: datetime,
    actor: str,
    reason: str | None = None,
    file: str | None = None,
) -> AddedResult:
    """Store what happened, and have every release scored against it, later ones too.

    Parameters
    ----------
    content
        A table as `polling.known_result` reads it, in any format of waves.
    refers_to
        The day of which it is true, such as that of the election.
    source
        Who says so, in words.
    reason
        Why it takes the place of the result of that day which is known already.
    file
        Name of the file, for faults.

    Raises
    ------
    SurveyNotFound, QuestionNotFound
        If either does not exist.
    ResultRejected
        With every fault of the table.
    ResultConflict
        If another result of that day is known and no reason is given.
    """
    with store.read() as session:
        survey = surveys.get_survey(session, survey_id)
    question = survey.bundle.declaration.question(question_id)
    _check_about(refers_to, source, now=now)
    table = read_known_result(content, survey.bundle.declaration, question, survey.bundle.districts, file=file)
    new = NewResult(
        survey_id=survey_id,
        survey_version=survey.version,
        question_id=question_id,
        refers_to=refers_to,
        source=source.strip(),
        content_sha256=hashlib.sha256(content).hexdigest(),
        table=table,
    )
    with store.write() as session:
        result, created = known_results.add_result(session, new, reason=reason, actor=actor, now=now)
        if not created:
            return AddedResult(result, created=False, job=None)
        job = None
        if scores.unscored(session, survey_id, question_id):  # else the first release asks
            job = ask_scores(session, survey_id=survey_id, question_id=question_id, now=now)
            tell_asked(session, [job], now=now)
        _tell(session, secrets, "result-added", result, {"reason": reason}, now=now, actor=actor)
    return AddedResult(result, created=True, job=job)


def withdraw_known_result(
    store: Store,
    secrets: SecretsFile,
    *,
    survey_id: str,
    question_id: str,
    result_id: str,
    reason: str,
    now: datetime,
    actor: str,
) -> KnownResultRecord:
    """Take a result back: releases are not scored against it, and what was scored is not shown any more.

    Raises
    ------
    SurveyNotFound, QuestionNotFound, ResultNotFound
        If one of them does not exist.
    ResultConflict
        If it was replaced or withdrawn already.
    """
    with store.write() as session:
        surveys.get_declaration(session, survey_id).question(question_id)
        result = known_results.withdraw_result(
            session, survey_id, question_id, result_id, reason=reason, actor=actor, now=now
        )
        _tell(session, secrets, "result-withdrawn", result, {"reason": reason}, now=now, actor=actor)
    return result


def _check_about(refers_to: date, source: str, *, now: datetime) -> None:
    log = FaultLog()
    if not source.strip():
        log.add("the source is blank", "Say who tells the result, such as the electoral commission.", column="source")
    elif len(source) > MAX_SOURCE:
        log.add(f"the source has {len(source):,} letters, the limit is {MAX_SOURCE}", "Shorten it.", column="source")
    if "\0" in source:
        log.add("the source contains a NUL character", "Remove it: it cannot be stored.", column="source")
    # Somewhere it is tomorrow already.
    if refers_to > (now + timedelta(days=1)).date():
        reason = "the result is of a day that is still to come"
        log.add(reason, "Give the day of which it is true.", column="date", value=refers_to.isoformat())
    if log:
        raise ResultRejected(log.reported(), total=log.total)


def _tell(
    session: Session,
    secrets: SecretsFile,
    action: str,
    result: KnownResultRecord,
    about: dict[str, Json],
    *,
    now: datetime,
    actor: str,
) -> None:
    of: dict[str, Json] = {"question_id": result.question_id, "result_id": result.id}
    outbox.append(session, action, result.survey_id, of, now)
    detail: dict[str, Json] = {
        "question_id": result.question_id,
        "refers_to": result.refers_to.isoformat(),
        "version": result.version,
        "content_sha256": result.content_sha256,
    }
    ledger.record(
        session,
        secrets,
        actor=actor,
        action=action,
        survey_id=result.survey_id,
        subject=result.id,
        detail=detail | about,
        now=now,
    )
