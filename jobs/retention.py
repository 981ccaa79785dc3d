"""Keep interviews no longer than a survey declares, and counts per cell after that (``polling.purged``).

``[retention] respondents_days`` after the last day of fieldwork, or after the day of its arrival if it tells none, a
delivery is reduced to counts per cell: every version of a wave, with what was set aside, whatever became of it. Open
waves are left until they are closed. A purge asks for no refit: what is served was made of all interviews and stays
true. The next refit counts what is left, and warns where that is much less.

Who declares a window (``[time] window_days``) loses nothing by a longer retention: interviews outside it do not count.
"""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy.orm import Session

from jobs import ledger
from jobs.erasure import ask_free
from jobs.outcomes import columns_read
from mrp.errors import FormulaError
from polling.declaration import SurveyDeclaration
from polling.payload import from_payload
from polling.purged import Kept, counts_of, kept_of, reduce_to_counts
from polling.secrets import SecretsFile
from polling.store import outbox, retention, surveys, waves
from polling.store.columns import Json
from polling.store.retention import DuePart
from polling.store.wave_events import lock_survey
from polling.store.wave_records import WaveRecord

__all__ = ["LARGE_SHARE", "MOST_WAVES", "Loss", "Purged", "formulas_without_counts", "preview", "purge", "purge_all"]

MOST_WAVES = 20
"""Waves that one transaction purges; the others wait for the next."""
LARGE_SHARE = 0.1
"""Of the interviews of a wave: that more are left out, with their small cells, is an alarm."""

log = logging.getLogger("hustings.retention")


@dataclass(frozen=True, slots=True)
class Loss:
    """What a purge leaves out of what a counted wave says of a question: interviews in cells that are too small."""

    wave_id: str
    pollster: str
    reference: str
    question_id: str
    n_interviews: int
    n_left_out: int
    min_cell: int

    @property
    def share(self) -> float:
        """Of the interviews, in [0, 1]."""
        return self.n_left_out / self.n_interviews if self.n_interviews else 0.0

    @property
    def is_large(self) -> bool:
        """Whether somebody should know."""
        return self.share > LARGE_SHARE


@dataclass(frozen=True, slots=True)
class Purged:
    """What was purged."""

    waves: tuple[str, ...]
    """Ids of the waves."""
    n_interviews: int
    """Interviews of which only counts are left, in all their versions."""
    n_left: int
    """Waves that are due and wait for the next time."""
    losses: tuple[Loss, ...] = ()
    """Per wave and question, in the order of the waves."""


def purge(session: Session, secrets: SecretsFile, survey_id: str, *, now: datetime, actor: str) -> Purged:
    """Reduce to counts the waves of a survey whose time is over, at most ``MOST_WAVES``.

    Raises
    ------
    SurveyNotFound
        If there is no such survey.
    """
    lock_survey(session, survey_id)
    declaration = surveys.get_declaration(session, survey_id)
    days = declaration.retention.respondents_days
    if days is None:
        return Purged((), 0, 0)
    due = retention.due_parts(session, survey_id, last_day=_last_day(now, days))
    chosen = list(dict.fromkeys(part.wave_id for part in due))[:MOST_WAVES]
    n_interviews, kept = 0, []
    for part in due:
        if part.wave_id in chosen:
            counts = _reduced(session, part, declaration)
            retention.put_counts(session, part, counts, sha256=hashlib.sha256(counts).hexdigest())
            n_interviews += part.n_interviews
            kept.append((part, kept_of(counts)))
    losses = _losses(kept)
    for wave_id in chosen:
        retention.append_purged(session, wave_id, now=now, actor=actor)
        large = [one for one in losses if one.wave_id == wave_id and one.is_large]
        _tell(session, secrets, waves.get_wave(session, survey_id, wave_id), large, now=now, actor=actor)
    if chosen:
        ask_free(session, now=now)
    n_due = len({part.wave_id for part in due})
    return Purged(tuple(chosen), n_interviews, n_due - len(chosen), losses)


def preview(session: Session, survey_id: str, *, now: datetime) -> Purged:
    """What a purge would do now with every wave that is due; nothing is changed.

    Raises
    ------
    SurveyNotFound
        If there is no such survey.
    """
    declaration = surveys.get_declaration(session, survey_id)
    days = declaration.retention.respondents_days
    due = [] if days is None else retention.due_parts(session, survey_id, last_day=_last_day(now, days))
    kept = [(part, kept_of(_reduced(session, part, declaration))) for part in due if part.stands]
    waves_due = tuple(dict.fromkeys(part.wave_id for part in due))
    return Purged(waves_due, sum(part.n_interviews for part in due), 0, _losses(kept))


def formulas_without_counts(session: Session, survey_id: str) -> list[str]:
    """Sentences about questions whose formula reads what was merged away at a purge: they cannot be refitted."""
    declaration = surveys.get_declaration(session, survey_id)
    remains = retention.counted_remains(session, survey_id)
    found: dict[tuple[str, str], list[str]] = {}
    for question in declaration.questions:
        read = [name for name in declaration.levels if name in columns_read(question)]
        for _, reference, counts in remains:
            columns = counts_of(counts, question.id).columns if question.id in kept_of(counts) else declaration.levels
            for name in read:
                if name not in columns:
                    found.setdefault((question.id, name), []).append(reference)
    return [
        f"The formula of {question_id} reads {name}, which the counts of {_waves(len(dict.fromkeys(references)))} "
        f"do not tell apart, {references[0]} among them: no refit of it can be made until they are withdrawn, are "
        "outside [time] window_days, or the formula reads it no more."
        for (question_id, name), references in found.items()
    ]


def purge_all(session: Session, secrets: SecretsFile, *, now: datetime, actor: str) -> None:
    """Purge what is due in every survey."""
    due = [one.survey_id for one in surveys.list_surveys(session) if _is_due(session, one.survey_id, now)]
    for survey_id in due:  # by id; all of them before the first is told of, for which others wait with a survey in hand
        lock_survey(session, survey_id)
    for survey_id in due:
        purge(session, secrets, survey_id, now=now, actor=actor)


def _is_due(session: Session, survey_id: str, now: datetime) -> bool:
    days = surveys.get_declaration(session, survey_id).retention.respondents_days
    return days is not None and bool(retention.due_parts(session, survey_id, last_day=_last_day(now, days)))


def _last_day(now: datetime, days: int) -> date:
    """Fieldwork that ended on this day or before is over for long enough."""
    return now.date() - timedelta(days=days)


def _waves(n: int) -> str:
    return "1 purged wave" if n == 1 else f"{n} purged waves"


def _reduced(session: Session, part: DuePart, declaration: SurveyDeclaration) -> bytes:
    received = from_payload(retention.load_payload(session, part))
    return reduce_to_counts(received, declaration, pollster=part.pollster, demographics=_read(declaration))


def _read(declaration: SurveyDeclaration) -> frozenset[str] | None:
    """The columns that some formula of the survey reads; None if one cannot be understood."""
    try:
        return frozenset().union(*(columns_read(question) for question in declaration.questions))
    except FormulaError:
        return None


def _losses(kept: Sequence[tuple[DuePart, Mapping[str, Kept]]]) -> tuple[Loss, ...]:
    """Per wave and question, the parts of a wave together; of what is counted."""
    found: dict[tuple[str, str], Loss] = {}
    for part, questions in kept:
        for question_id, one in questions.items() if part.stands else ():
            before = found.get((part.wave_id, question_id))
            n, n_left_out = (before.n_interviews, before.n_left_out) if before else (0, 0)
            found[part.wave_id, question_id] = Loss(
                part.wave_id,
                part.pollster,
                part.reference,
                question_id,
                n + one.n_kept + one.n_dropped,
                n_left_out + one.n_dropped,
                one.min_cell,
            )
    return tuple(found.values())


def _tell(
    session: Session, secrets: SecretsFile, wave: WaveRecord, large: Sequence[Loss], *, now: datetime, actor: str
) -> None:
    """Tell outbox, log and audit chain of a wave that was purged, and raise an alarm if much of it is left out."""
    told: dict[str, Json] = {"version": wave.version, "state": wave.state, "waiting": wave.waiting}
    asking: dict[str, Json] = {"wave_id": wave.id, "questions": list(wave.questions)}
    outbox.append(session, "wave-purged", wave.survey_id, asking | told, now)
    about: dict[str, Json] = {"pollster": wave.pollster, "reference": wave.reference, "reason": None}
    ledger.record(
        session,
        secrets,
        actor=actor,
        action="wave-purged",
        survey_id=wave.survey_id,
        subject=wave.id,
        detail=about | told,
        now=now,
    )
    for one in large:
        log.warning(
            "the purge of wave %s of %s left %.0f%% of its interviews out of question %s of %s: they were in cells of "
            "fewer than %d. The next refit rests on the others alone",
            wave.reference,
            wave.pollster,
            100 * one.share,
            one.question_id,
            wave.survey_id,
            one.min_cell,
        )
        alarm: dict[str, Json] = {"wave_id": wave.id, "question_id": one.question_id, "share": round(one.share, 2)}
        outbox.append(session, "interviews-left-out", wave.survey_id, alarm, now)
