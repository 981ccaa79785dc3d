"""Prepare a delivery of interviews, a file or a batch of an open wave: all that is slow, before the transaction.

    what is known of the survey  -> read          every fault of the form and of the file together
                                 -> admit         who was erased stays out (``jobs.door``)
                                 -> pseudonymise  respondents' ids are replaced
                                 -> NewWave       ready to be stored

What others may have changed meanwhile is looked at again in the transaction that stores: ``PreparedDelivery.confirm``.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl
from sqlalchemy.orm import Session

from jobs import ledger
from jobs.door import admit, refuse_erased_meanwhile
from jobs.respondents import refuse_repeated
from jobs.settings import Settings
from polling.codebook import counted_answer
from polling.declaration import SurveyDeclaration
from polling.errors import WaveRejected
from polling.faults import FaultLog
from polling.payload import to_payload
from polling.pseudonyms import pseudonymise
from polling.quality.flag import Flag, consent_flag
from polling.quarantine import to_quarantine
from polling.secrets import PseudonymKey, SecretsFile
from polling.store import suppression, surveys, waves
from polling.store.deliveries import Delivery
from polling.store.records import StoredSurvey
from polling.store.suppression import SuppressionList
from polling.store.wave_records import NewWave
from polling.wave_file import ReadWave, read_wave

__all__ = [
    "TIME_ZONES",
    "Known",
    "PreparedDelivery",
    "answered_questions",
    "form_faults",
    "known_of",
    "prepare",
    "read_delivery",
    "with_consent",
]

MAX_NAME = 200
TIME_ZONES = timedelta(days=1)
"""Where it is tomorrow already, fieldwork may have ended."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a delivery meets."""

    survey: StoredSurvey
    listed: SuppressionList
    """Who was erased."""
    key_used: int
    """Newest version of the pseudonym key that stored waves depend on; 0 if there are none."""


@dataclass(frozen=True, slots=True)
class PreparedDelivery:
    """A delivery that passed every check of its own, ready to be stored."""

    known: Known
    fieldwork: tuple[date, date]
    read: ReadWave
    """Without the interviews of erased respondents; respondent ids are still plain."""
    received: pl.DataFrame
    """The interviews as they are stored."""
    pseudonyms: pl.Series
    """Its respondents; none where the survey declares no id."""
    key: PseudonymKey
    n_suppressed: int
    """Rows of erased respondents, which were left out, faulty ones included."""
    new: NewWave
    """Without flags."""

    def refuse(self, session: Session, *, after: int) -> int:
        """Refuse interviews that were received before in another wave: see ``jobs.respondents``."""
        return refuse_repeated(
            session,
            declaration=self.known.survey.bundle.declaration,
            pseudonyms=self.pseudonyms,
            pollster=self.new.pollster,
            reference=self.new.reference,
            content_sha256=self.new.content_sha256,
            questions=self.new.questions,
            fieldwork=self.fieldwork,
            key_version=self.key.version,
            after=after,
        )

    def confirm(self, session: Session, secrets: SecretsFile, *, after: int, now: datetime) -> None:
        """Refuse what became wrong since it was prepared; the survey is locked.

        Parameters
        ----------
        after
            What ``refuse`` answered before the transaction.

        Raises
        ------
        ErasedMeanwhile
            If somebody in it was erased since.
        WaveConflict
            If its interviews were received in another wave since.
        SecretsError
            If another key was used under the version of this one.
        """
        declaration = self.known.survey.bundle.declaration
        refuse_erased_meanwhile(session, self.read, self.known.listed, secrets, declaration, pollster=self.new.pollster)
        ledger.bind_pseudonym_key(session, declaration.id, self.key, now=now)
        self.refuse(session, after=after)


def known_of(session: Session, survey_id: str) -> Known:
    """What has to be known of a survey before a delivery is read.

    Raises
    ------
    SurveyNotFound
        If there is no such survey.
    """
    survey = surveys.get_survey(session, survey_id)
    return Known(survey, suppression.load(session, survey_id), waves.key_version_used(session, survey_id))


def form_faults(pollster: str, reference: str, start: date, end: date, *, now: datetime) -> FaultLog:
    """What is wrong with what is said about the wave, as distinct from what is in it."""
    faults = FaultLog()
    for name, value in (("pollster", pollster), ("reference", reference)):
        if not value.strip() or len(value) > MAX_NAME or not value.isprintable():
            remedy = f"Give 1 to {MAX_NAME} printable characters."
            faults.add(f"the {name} is not usable", remedy, column=name, value=value)
    if end < start:
        reason = f"fieldwork ends before it starts on {start}"
        faults.add(reason, "Exchange the dates, or correct one.", column="fieldwork_end", value=end.isoformat())
    if end > (latest := now.date() + TIME_ZONES):
        reason = f"fieldwork cannot end after {latest}, the day after the wave arrived"
        faults.add(reason, "Correct the date, or send the wave later.", column="fieldwork_end", value=end.isoformat())
    return faults


def read_delivery(
    content: bytes,
    declaration: SurveyDeclaration,
    settings: Settings,
    *,
    pollster: str,
    fieldwork: tuple[date, date] | None,
    faults: FaultLog,
) -> ReadWave:
    """The wave, or every fault of the form and of the file together; dates are not compared without fieldwork."""
    if any(fault.column == "pollster" for fault in faults.reported()):  # whose columns these are is not known
        raise WaveRejected(faults.reported(), n_rows=0)
    # Dates that contradict themselves would make a fault of every interview.
    days = fieldwork if fieldwork is not None and fieldwork[0] <= fieldwork[1] else None
    try:
        read = read_wave(
            content, declaration, pollster=pollster, fieldwork=days, inflated_bytes=settings.max_inflated_mb * 1_000_000
        )
    except WaveRejected as rejected:
        faults.extend(rejected.faults, total=rejected.n_faults)
        raise WaveRejected(faults.reported(), rejected.n_rows, total=faults.total) from None
    if faults:
        raise WaveRejected(faults.reported(), read.n_interviews, total=faults.total)
    return read


def prepare(
    read: ReadWave,
    delivery: Delivery,
    known: Known,
    secrets: SecretsFile,
    *,
    fieldwork: tuple[date, date],
    key_version: int | None = None,
    file_name: str | None = None,
) -> PreparedDelivery:
    """Make what was read ready to be stored; nothing is stored.

    Parameters
    ----------
    fieldwork
        The days within which its interviews are.
    key_version
        Of the pseudonym key. None: the newest.

    Raises
    ------
    WaveRejected
        If everybody in it was erased.
    SecretsError
        If waves are stored and the secrets file lacks the key of their pseudonyms; likewise for the list of erased
        respondents.
    """
    declaration, pollster = known.survey.bundle.declaration, delivery.pollster
    read, n_suppressed = admit(read, known.listed, secrets, declaration, pollster=pollster)
    key = secrets.pseudonym_key(delivery.survey_id, version=key_version, used=known.key_used)
    received, pseudonyms = _pseudonymised(read, declaration, key, pollster=pollster)
    new = NewWave(
        survey_id=delivery.survey_id,
        survey_version=known.survey.version,
        pollster=pollster,
        reference=delivery.reference,
        content_sha256=delivery.content_sha256,
        payload=to_payload(received, read.value_labels),
        n_interviews=read.n_interviews,
        n_without_consent=read.n_without_consent,
        questions=answered_questions(read, declaration),
        fieldwork_start=fieldwork[0],
        fieldwork_end=fieldwork[1],
        key_version=key.version,
        facts=delivery.facts,
        n_quarantined=0 if read.quarantine is None else read.quarantine.height,
        quarantine=_aside_bytes(read, declaration, key, pollster=pollster),
        file_name=file_name,
    )
    return PreparedDelivery(known, fieldwork, read, received, pseudonyms, key, n_suppressed, new)


def answered_questions(read: ReadWave, declaration: SurveyDeclaration) -> tuple[str, ...]:
    """Questions that somebody who is counted answered: the ones of which a refit would see something new."""
    kept = read.conversion.interviews.filter(~pl.col("excluded"))
    asked = [question for question in declaration.questions if question.id in read.conversion.questions_asked]
    counted = kept.select(counted_answer(question) for question in asked)
    return tuple(series.name for series in counted if series.null_count() < len(series))


def with_consent(flags: tuple[Flag, ...], prepared: PreparedDelivery) -> tuple[Flag, ...]:
    """The flags of a delivery, and what is to be known of its labels of consent before the others."""
    read = prepared.read
    n_aside = 0 if read.quarantine is None else read.quarantine.height
    n_sent = read.n_interviews + read.n_without_consent + n_aside + prepared.n_suppressed
    told = consent_flag(read.undeclared_consent, n_sent)
    return flags if told is None else (told, *flags)


def _pseudonymised(
    read: ReadWave, declaration: SurveyDeclaration, key: PseudonymKey, *, pollster: str
) -> tuple[pl.DataFrame, pl.Series]:
    """The interviews as received, respondents replaced by pseudonyms, and these; none if the survey has no such id."""
    column = declaration.columns_of(pollster).get("respondent")
    if column not in read.received.columns:
        return read.received, pl.Series(dtype=pl.String)
    pseudonyms = pseudonymise(read.received[column], key.secret)
    return read.received.with_columns(pseudonyms), pseudonyms.drop_nulls()


def _aside_bytes(read: ReadWave, declaration: SurveyDeclaration, key: PseudonymKey, *, pollster: str) -> bytes | None:
    """The rows set aside as they are stored, respondents replaced by pseudonyms; None if there are none."""
    aside = read.quarantine
    if aside is None:
        return None
    column = declaration.columns_of(pollster).get("respondent")
    if column in aside.columns:
        aside = aside.with_columns(pseudonymise(aside[column], key.secret))
    return to_quarantine(aside)
