"""Erase a respondent: from what is stored, from what is made of it, and from the disk.

    at once, one transaction    interviews removed from every payload and quarantine; the list of erased respondents,
                                noted outside the database too (``polling.suppression_journal``); fits and releases
                                marked; refits asked for; the receipt; the audit entry
    by the worker               the bytes freed (job ``free-bytes``, tried until nobody is in the way)
    with the next release       draws and counts of the marked fits deleted, and the bytes freed again;
                                after ``erasure_days`` in any case

A receipt has a case number and nothing that names the respondent. Whoever is asked for again has the same case;
somebody unknown gets a receipt too, and is kept out from then on. Backups hold what they held until they expire; one
that is restored is erased again before anybody reads it (``erase_again``).
"""

import logging
import secrets as randomness
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import polars as pl
from sqlalchemy.orm import Session

from jobs import ledger
from jobs.erasure_receipt import deleted_more, finished, lost_receipt, receipt_of, unsearched
from jobs.restate import restate
from jobs.settings import Settings
from jobs.urgency import PRIORITIES
from polling.errors import RespondentsUnknown, SecretsError
from polling.pseudonyms import pseudonymise
from polling.secrets import SecretsFile
from polling.store import erasure, fits, queue, releases, sources, suppression, surveys, waves
from polling.store.columns import Json
from polling.store.engine import Store
from polling.store.erasure import ErasureRecord, Removed
from polling.store.free_bytes import free_bytes
from polling.store.wave_events import data_sequence, lock_survey
from polling.suppression_journal import SuppressionJournal

__all__ = [
    "FREE_BYTES",
    "Pseudonyms",
    "ask_free",
    "erase",
    "erase_again",
    "finish_question",
    "free",
    "overdue",
    "pseudonyms_of",
    "replay_journal",
]

FREE_BYTES = "free-bytes"
"""The kind of job that frees the bytes of what was deleted."""
_TRIES = 10_000

log = logging.getLogger("hustings.erasure")


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """What stands for a respondent in a survey."""

    texts: frozenset[str]
    lost: tuple[int, ...]
    """Versions of the pseudonym key that waves were stored with and the secrets file lacks: nobody is found there."""


def erase(
    store: Store,
    secrets: SecretsFile,
    settings: Settings,
    *,
    survey_id: str,
    respondent: str,
    pollster: str | None = None,
    now: datetime,
    actor: str,
) -> ErasureRecord:
    """Erase a respondent from a survey; the bytes are freed by ``free``.

    Parameters
    ----------
    respondent
        The id, as the pollster sends it.
    pollster
        Whose id it is: pollsters may number their respondents alike. None: whoever has it in any pollster's waves.

    Returns
    -------
    ErasureRecord
        With the receipt, also of somebody who is not there.

    Raises
    ------
    SurveyNotFound
        If there is no such survey.
    RespondentsUnknown
        If the survey declares no id.
    SecretsError
        If the secrets file lacks the key of the list, or has another one than was used.
    """
    with store.write() as session:
        lock_survey(session, survey_id)
        found = pseudonyms_of(session, secrets, survey_id, respondent, pollster)
        used = suppression.load(session, survey_id).n > 0
        key = secrets.suppression_key(survey_id, used=used)
        ledger.bind_suppression_key(session, survey_id, key, now=now)
        codes = suppression.codes_of(respondent, found.texts, key, pollster=pollster)
        known = suppression.case_of(session, survey_id, codes)
        case = known or f"E{now:%Y%m%d}-{randomness.token_hex(4)}"
        suppression.add(session, survey_id, codes, case_number=case, now=now)

        removed, marked = _remove(
            session,
            secrets,
            settings,
            survey_id,
            is_id=_among({respondent, respondent.strip()}),
            is_pseudonym=_among(found.texts),
            pollster=pollster,
            now=now,
            actor=actor,
        )
        before = erasure.get_case(session, survey_id, case) if known else None
        record = erasure.add_case(
            session,
            survey_id,
            case,
            removed,
            fits=marked,
            receipt=receipt_of(
                session,
                settings,
                survey_id,
                case,
                removed=removed,
                lost_keys=found.lost,
                before=before,
                n_fits=len(marked),
                now=now,
            ),
            now=now,
            actor=actor,
        )
        ledger.record(
            session,
            secrets,
            actor=actor,
            action="erasure",
            survey_id=survey_id,
            subject=case,
            detail=_entry(removed, len(marked)),
            now=now,
        )
        # Last, so that little can fail after it: who is noted and was not erased is erased by the clock.
        SuppressionJournal(secrets.suppression_journal_path).add(suppression.entries(session))
        if removed.waves or marked:
            ask_free(session, now=now)
        else:
            return _nothing_more(session, record, first=before is None, now=now)
    return record


def erase_again(session: Session, secrets: SecretsFile, settings: Settings, now: datetime) -> None:
    """Erase from a restored database everybody who is on a list; in its own transaction, before anybody reads it."""
    ledger.hold_head(session)
    _erase_listed(session, secrets, settings, now, actor="restore")


def replay_journal(session: Session, secrets: SecretsFile, *, survey_id: str | None = None) -> int:
    """Put on the lists whom only the journal beside the secrets file knows, with a receipt, and the other way round.

    Parameters
    ----------
    survey_id
        Of this survey only. None: of every survey that is there.

    Returns
    -------
    int
        How many entries the lists lacked: ``erase_again`` has to follow where there are interviews.

    Raises
    ------
    SecretsError
        If the journal cannot be read or written.
    """
    journal = SuppressionJournal(secrets.suppression_journal_path)
    noted = [one for one in journal.read()[0] if survey_id in (None, one.survey_id)]
    missing = suppression.put(session, noted)
    for one in missing:
        erasure.keep_case(session, one.survey_id, one.case_number, receipt=lost_receipt(one), now=one.created_at)
    journal.add(suppression.entries(session))
    return len(missing)


def finish_question(session: Session, *, survey_id: str, question_id: str, now: datetime) -> None:
    """Delete the draws and counts that contain erased data, once what is served is without."""
    current = releases.current_release(session, survey_id, question_id)
    if current is None or current.contains_erased_at is None:
        _forget(session, survey_id, erasure.unforgotten_fits(session, survey_id, question_id=question_id), now=now)


def overdue(session: Session, settings: Settings, *, now: datetime) -> None:
    """Do what is left of every erasure: draws whose time is over, bytes that nobody could free yet.

    First whoever the journal knows and the database does not: it is an older one, put back by hand.
    """
    secrets = SecretsFile(settings.secrets_file)
    try:
        if replay_journal(session, secrets):
            _erase_listed(session, secrets, settings, now, actor="clock")
    except SecretsError as error:  # the rest is to be done all the same; `hustings doctor` says it too
        log.error("%s", error)
    _forget_values(session, now=now)
    open_cases = erasure.open_cases(session)
    for survey_id in sorted({case.survey_id for case in open_cases}):
        for state in releases.list_question_states(session, survey_id):
            finish_question(session, survey_id=survey_id, question_id=state.question_id, now=now)
        late = now - timedelta(days=settings.erasure_days)
        _forget(session, survey_id, erasure.unforgotten_fits(session, survey_id, marked_before=late), now=now)
    if any(_waits_for_bytes(session, case) for case in open_cases):
        ask_free(session, now=now)


def free(store: Store, *, now: datetime, patience_s: float | None = None) -> None:
    """Free the bytes of what was deleted, and bring the receipts up to date; in no transaction.

    Raises
    ------
    BytesHeld
        If others are in the way; the job tries again.
    """
    with store.read() as session:
        deletions = {case.case_number: case.receipt.get("deletions") for case in erasure.open_cases(session)}
    free_bytes(store) if patience_s is None else free_bytes(store, patience_s=patience_s)
    with store.write() as session:
        for case in erasure.open_cases(session):
            # What was deleted meanwhile is freed by the job that was asked for then.
            if case.case_number in deletions and case.receipt.get("deletions") == deletions[case.case_number]:
                _settle(session, case, {"bytes_freed_at": now.isoformat()} | _freed_before(case), now=now)


def ask_free(session: Session, *, now: datetime) -> None:
    """Ask for the bytes of what this transaction deletes to be freed; many asks are one job."""
    queue.ask(
        session,
        kind=FREE_BYTES,
        key="database",
        survey_id=None,
        question_id=None,
        now=now,
        quiet=timedelta(0),
        patience=timedelta(0),
        max_attempts=_TRIES,
        priority=PRIORITIES[FREE_BYTES],
    )


def pseudonyms_of(
    session: Session, secrets: SecretsFile, survey_id: str, respondent: str, pollster: str | None = None
) -> Pseudonyms:
    """What stands for an id under every version of the survey's key.

    Parameters
    ----------
    pollster
        In whose waves is looked; None: in everybody's.

    Raises
    ------
    SurveyNotFound
        If there is no such survey.
    RespondentsUnknown
        If the survey declares no id.
    SecretsError
        If the secrets file has another key than was used, under some version.
    """
    declaration = surveys.get_declaration(session, survey_id)
    declared = "respondent" in declaration.columns or any(
        "respondent" in own for own in declaration.pollster_columns.values()
    )
    if not declared and not any(erasure.respondent_columns(session, survey_id).values()):
        raise RespondentsUnknown(survey_id)
    versions = secrets.pseudonym_versions(survey_id)
    ids = pl.Series(sorted({respondent, respondent.strip()}), dtype=pl.String)
    texts: set[str] = set()
    for version in versions:
        key = secrets.pseudonym_key(survey_id, version=version)
        ledger.check_pseudonym_key(session, survey_id, key)
        texts.update(pseudonymise(ids, key.secret))
    used = erasure.key_versions(session, survey_id, pollster)
    return Pseudonyms(frozenset(texts), tuple(sorted(used - set(versions))))


def _erase_listed(session: Session, secrets: SecretsFile, settings: Settings, now: datetime, *, actor: str) -> None:
    known = [one for one in surveys.list_surveys(session) if suppression.load(session, one.survey_id).n]
    for survey in known:  # all of them before the first is told of, for which others wait with a survey in hand
        lock_survey(session, survey.survey_id)
    for survey in known:
        listed = suppression.load(session, survey.survey_id)
        key = secrets.suppression_key(survey.survey_id, used=True)
        ledger.bind_suppression_key(session, survey.survey_id, key, now=now)

        removed, marked = _remove(
            session,
            secrets,
            settings,
            survey.survey_id,
            is_id=partial(listed.has_ids, key=key),
            is_pseudonym=partial(listed.has_pseudonyms, key=key),
            pollster=None,
            now=now,
            actor=actor,
        )
        if removed.waves or marked:
            _reopen(session, survey.survey_id, now=now)
            ledger.record(
                session,
                secrets,
                actor=actor,
                action="erasure-replayed",
                survey_id=survey.survey_id,
                detail=_entry(removed, len(marked)),
                now=now,
            )


def _among(texts: Collection[str]) -> erasure.Is:
    def is_one(ids: pl.Series, *, pollster: str) -> pl.Series:  # noqa: ARG001 (the search is of the right waves)
        return ids.is_in([*texts]).fill_null(value=False)

    return is_one


def _remove(
    session: Session,
    secrets: SecretsFile,
    settings: Settings,
    survey_id: str,
    *,
    is_id: erasure.Is,
    is_pseudonym: erasure.Is,
    pollster: str | None,
    now: datetime,
    actor: str,
) -> tuple[Removed, tuple[str, ...]]:
    """Remove somebody, and do what follows; the survey is locked. Also the ids of the fits that were marked."""
    before = data_sequence(session, survey_id)
    removed = erasure.remove(
        session, survey_id, is_id=is_id, is_pseudonym=is_pseudonym, pollster=pollster, now=now, actor=actor
    )
    marked = erasure.mark_fits(session, survey_id, removed.payloads, now=now)
    _forget_values(session, survey_id, now=now)
    if removed.waves:
        changed = tuple(waves.get_wave(session, survey_id, wave_id) for wave_id in removed.waves)
        restate(session, secrets, settings, changed, after=before, now=now)
    for question_id in sorted({fits.get_fit(session, fit_id).question_id for fit_id in marked}):
        finish_question(session, survey_id=survey_id, question_id=question_id, now=now)
    return removed, marked


def _forget_values(session: Session, survey_id: str | None = None, *, now: datetime) -> None:
    """Take out what earlier versions of hustings noted of the cells of rejected files, and free its bytes."""
    if sources.forget_values(session, survey_id):
        ask_free(session, now=now)


def _forget(session: Session, survey_id: str, fit_ids: tuple[str, ...], *, now: datetime) -> None:
    if fit_ids:
        erasure.forget_fits(session, fit_ids)
        _reopen(session, survey_id, now=now, only_open=True)
        log.info("deleted the draws of %d fits with erased data", len(fit_ids))


def _reopen(session: Session, survey_id: str, *, now: datetime, only_open: bool = False) -> None:
    """Something more was deleted: the bytes are to be freed once more before these erasures are done."""
    for case in erasure.list_cases(session, survey_id):
        if case.done_at is None or not only_open:
            erasure.set_receipt(session, case.case_number, deleted_more(case.receipt))
    ask_free(session, now=now)


def _nothing_more(session: Session, record: ErasureRecord, *, first: bool, now: datetime) -> ErasureRecord:
    """Nothing was found this time; a case that waits for what was deleted before goes on waiting."""
    if first or _freed_before(record):
        _settle(session, record, {"bytes_freed_at": now.isoformat()} | _freed_before(record), now=now)
    return erasure.get_case(session, record.survey_id, record.case_number)


def _settle(session: Session, case: ErasureRecord, freed: dict[str, Json], *, now: datetime) -> None:
    """Note that the bytes of a case are free, and that it is done if nothing else is left to do."""
    receipt = dict(case.receipt) | freed
    waits = bool(case.waves) and bool(erasure.unforgotten_fits(session, case.survey_id))
    done = None if waits else finished(receipt, keys=erasure.key_versions(session, case.survey_id), now=now)
    if done is None:
        erasure.set_receipt(session, case.case_number, receipt | {"finished_at": None}, done_at=None)
    else:
        erasure.set_receipt(session, case.case_number, done, done_at=case.done_at or now)


def _waits_for_bytes(session: Session, case: ErasureRecord) -> bool:
    """Whether something is left to be freed: not of a case that is open for a lost key alone, perhaps for ever."""
    done = _freed_before(case) and unsearched(case.receipt)
    return not done or bool(erasure.unforgotten_fits(session, case.survey_id))


def _freed_before(case: ErasureRecord) -> dict[str, Json]:
    at = case.receipt.get("bytes_freed_at")
    return {"bytes_freed_at": at} if at else {}


def _entry(removed: Removed, n_fits: int) -> dict[str, Json]:
    return {
        "n_waves": len(removed.waves),
        "n_interviews": removed.n_interviews,
        "n_set_aside": removed.n_quarantined,
        "n_fits": n_fits,
        "payloads": [[before, after] for before, after in removed.payloads.items()],
    }
