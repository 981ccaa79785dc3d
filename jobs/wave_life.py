"""What becomes of a wave after it was received: withdrawn, restored, let through, undone.

Each act is one transaction: the event, the audit entry, the refits of the
questions it touches, what is said of the releases that are served, the outbox.
Doing a thing that is done already changes nothing and says so. A pollster
reaches its own waves; another's is not found.

To undo is to let waves stand as they stood before a delivery: a first delivery
is withdrawn, a correction gives way to the version before it. What is undone
is kept like everything delivered.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl
from sqlalchemy.orm import Session

from jobs.respondents import refuse_repeated
from jobs.restate import restate
from jobs.settings import Settings
from polling.declaration import SurveyDeclaration
from polling.errors import WaveStateRefused
from polling.payload import payload_column
from polling.secrets import SecretsFile
from polling.store import deliveries, surveys, waves
from polling.store.engine import Store
from polling.store.records import JobRecord
from polling.store.wave_events import data_sequence, list_events, lock_survey
from polling.store.wave_records import HELD, WITHDRAWN, Standing, WaveEventRecord, WaveRecord, WaveVersionRecord

__all__ = ["Also", "ChangedWaves", "let_through", "restore", "undo", "withdraw"]

type Also = Callable[[Session, ChangedWaves], None]


@dataclass(frozen=True, slots=True)
class ChangedWaves:
    """The waves that were named or found, as they stand now."""

    changed: tuple[WaveRecord, ...]
    unchanged: tuple[WaveRecord, ...]
    """Those that stood so already."""
    jobs: tuple[JobRecord, ...]
    """The refits that were asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Act:
    """Who does what, when and why."""

    now: datetime
    actor: str
    reason: str


def withdraw(
    store: Store,
    secrets: SecretsFile,
    settings: Settings,
    *,
    survey_id: str,
    wave: str,
    pollster: str | None = None,
    reason: str,
    now: datetime,
    actor: str,
    also: Also | None = None,
) -> ChangedWaves:
    """Count a wave no more; its interviews are kept.

    Parameters
    ----------
    wave
        Its id, or its pollster's reference.
    pollster
        Whose waves may be reached; None for everybody's.
    reason
        Why; shown beside the estimates that it restates.
    also
        Called with the answer before the transaction ends.

    Raises
    ------
    WaveNotFound
        If there is no such wave, or it is another pollster's.
    """
    with store.write() as session:
        lock_survey(session, survey_id)
        before = data_sequence(session, survey_id)
        found = waves.get_wave(session, survey_id, wave, pollster=pollster)
        after = deliveries.withdraw(session, found, now=now, actor=actor, reason=reason)
        return _answer(session, secrets, settings, [(found, after)], before=before, now=now, also=also)


def restore(
    store: Store,
    secrets: SecretsFile,
    settings: Settings,
    *,
    survey_id: str,
    wave: str,
    pollster: str | None = None,
    reason: str | None = None,
    now: datetime,
    actor: str,
    also: Also | None = None,
) -> ChangedWaves:
    """Let a withdrawn wave stand again as it stood; parameters as for ``withdraw``.

    Raises
    ------
    WaveNotFound
        If there is no such wave, or it is another pollster's.
    WaveConflict
        If its interviews were received in another wave by now.
    """
    with store.read() as session:  # the slow part of the comparison, outside the write transaction
        found = waves.get_wave(session, survey_id, wave, pollster=pollster)
        declaration = surveys.get_declaration(session, survey_id)
        seen = _refuse_double(session, declaration, found, found.version, after=0) if found.state == WITHDRAWN else 0
    with store.write() as session:
        lock_survey(session, survey_id)
        before = data_sequence(session, survey_id)
        found = waves.get_wave(session, survey_id, wave, pollster=pollster)
        after = found
        if found.state == WITHDRAWN:
            _refuse_double(session, declaration, found, found.version, after=seen)
            stood = _stood(list_events(session, found.id), found.version)
            after = deliveries.restore(session, found, stood, now=now, actor=actor, reason=reason)
        return _answer(session, secrets, settings, [(found, after)], before=before, now=now, also=also)


def let_through(
    store: Store,
    secrets: SecretsFile,
    settings: Settings,
    *,
    survey_id: str,
    wave: str,
    version: int | None = None,
    reason: str | None = None,
    now: datetime,
    actor: str,
    also: Also | None = None,
) -> ChangedWaves:
    """Count a delivery that was held; an analyst's act.

    Parameters
    ----------
    version
        The delivery that was looked at. Default: the one that waits.

    Raises
    ------
    WaveNotFound
        If there is no such wave.
    WaveStateRefused
        If the wave was withdrawn, or another version waits.
    WaveConflict
        If its interviews were received in another wave by now.
    """
    with store.write() as session:
        lock_survey(session, survey_id)
        before = data_sequence(session, survey_id)
        found = waves.get_wave(session, survey_id, wave)
        if found.state == WITHDRAWN:
            raise WaveStateRefused(found.reference, "it was withdrawn. Restore it first.")
        waits = found.waiting if found.waiting is not None else found.version if found.state == HELD else None
        if version is not None and version != (found.version if waits is None else waits):
            stands = f"version {found.version} is counted" if waits is None else f"version {waits} waits now"
            raise WaveStateRefused(found.reference, f"version {version} is not what waits; {stands}. Look at it again.")
        after = found
        if waits is not None:
            declaration = surveys.get_declaration(session, survey_id)
            _refuse_double(session, declaration, found, waits, after=0)
            after = deliveries.let_through(session, found, now=now, actor=actor, reason=reason)
        return _answer(session, secrets, settings, [(found, after)], before=before, now=now, also=also)


def undo(
    store: Store,
    secrets: SecretsFile,
    settings: Settings,
    *,
    survey_id: str,
    names: Sequence[str] = (),
    since: datetime | None = None,
    pollster: str | None = None,
    delivered_by: str | None = None,
    reason: str,
    now: datetime,
    actor: str,
    also: Also | None = None,
) -> ChangedWaves:
    """Undo deliveries, all of them or none.

    Parameters
    ----------
    names
        Ids or references of waves: the newest delivery of each is undone.
    since
        Instead: everything delivered at this moment or later ...
    pollster, delivered_by
        ... by this pollster, or this actor (``key:<prefix>``). With ``names``, ``pollster`` says whose waves may be
        reached.

    Raises
    ------
    WaveNotFound
        If a name is no wave, or another pollster's.
    WaveStateRefused
        If an open wave has batches from before ``since``: they cannot be told apart in its counts.
    WaveConflict
        If interviews that would be counted again were received in another wave by now.
    """
    act = _Act(now=now, actor=actor, reason=reason)
    with store.write() as session:
        lock_survey(session, survey_id)
        before = data_sequence(session, survey_id)
        declaration = surveys.get_declaration(session, survey_id)
        if since is None:
            listed = [waves.get_wave(session, survey_id, name, pollster=pollster) for name in dict.fromkeys(names)]
        else:
            listed = waves.list_waves(session, survey_id, pollster)
        pairs = []
        for wave in {one.id: one for one in listed}.values():
            events = list_events(session, wave.id)
            versions = {one.version: one for one in waves.list_versions(session, wave.id)}
            place = _first_delivery(wave, events, versions, since, delivered_by)
            if place is not None:
                stood = events[place - 1].after if place else None
                pairs.append((wave, _set_back(session, declaration, wave, events[place], stood=stood, act=act)))
        return _answer(session, secrets, settings, pairs, before=before, now=now, also=also)


def _first_delivery(
    wave: WaveRecord,
    events: Sequence[WaveEventRecord],
    versions: dict[int, WaveVersionRecord],
    since: datetime | None,
    delivered_by: str | None,
) -> int | None:
    """Place of the event to go back before: the first delivery since, or else the one that brought the newest version.

    A version that came of rows let out of quarantine was brought by the delivery before it.
    """
    newest = wave.version if wave.waiting is None else wave.waiting
    found: int | None = None
    found_version = -1
    for place, event in enumerate(events):
        brought = event.after.version if event.after.waiting is None else event.after.waiting
        own = versions.get(brought)
        is_delivery = event.kind == "batch" or (
            event.kind in ("received", "replaced", "held") and (own is None or own.received_at == event.at)
        )
        if not is_delivery or (delivered_by is not None and event.actor != delivered_by):
            continue
        if since is not None and event.at >= since:
            return place
        if since is None and found_version < brought <= newest:
            found, found_version = place, brought
    return found


def _set_back(
    session: Session,
    declaration: SurveyDeclaration,
    wave: WaveRecord,
    delivery: WaveEventRecord,
    *,
    stood: Standing | None,
    act: _Act,
) -> WaveRecord:
    """Let a wave stand as it stood before a delivery; one that was withdrawn since stays so."""
    joined = delivery.after.version if delivery.after.waiting is None else delivery.after.waiting
    if delivery.kind == "batch" and stood is not None and joined in (stood.version, stood.waiting):
        raise WaveStateRefused(
            wave.reference, "it is open and has batches from before. Withdraw it, or undo it by its name."
        )
    if wave.state == WITHDRAWN or stood == Standing(wave.version, wave.state, wave.waiting):
        return wave
    if stood is None or stood.version == 0:
        return deliveries.withdraw(session, wave, now=act.now, actor=act.actor, reason=act.reason)
    if stood.counted is not None and stood.counted != wave.version:
        _refuse_double(session, declaration, wave, stood.version, after=0)
    return deliveries.set_back(session, wave, stood, now=act.now, actor=act.actor, reason=act.reason)


def _stood(events: Sequence[WaveEventRecord], version: int) -> Standing:
    """How a withdrawn wave stood before."""
    earlier = [event.after for event in events if event.after.version == version and event.after.state != WITHDRAWN]
    return earlier[-1] if earlier else Standing(version, "accepted")


def _refuse_double(
    session: Session, declaration: SurveyDeclaration, wave: WaveRecord, version: int, *, after: int
) -> int:
    """Refuse to count a version whose respondents are those of another wave by now."""
    about = next((one for one in waves.list_versions(session, wave.id) if one.version == version), None)
    if about is None:
        return after
    column = declaration.columns_of(wave.pollster).get("respondent")
    if column is None or about.fieldwork_start is None or about.fieldwork_end is None:
        return after
    parts = waves.load_payloads(session, wave, version=version)
    return refuse_repeated(
        session,
        declaration,
        pl.Series([one for part in parts for one in payload_column(part, column)], dtype=pl.String),
        pollster=wave.pollster,
        reference=wave.reference,
        content_sha256=about.content_sha256,
        questions=about.questions,
        fieldwork=(about.fieldwork_start, about.fieldwork_end),
        key_version=about.key_version,
        after=after,
    )


def _answer(
    session: Session,
    secrets: SecretsFile,
    settings: Settings,
    pairs: Sequence[tuple[WaveRecord, WaveRecord]],
    *,
    before: int,
    now: datetime,
    also: Also | None,
) -> ChangedWaves:
    changed = tuple(after for found, after in pairs if after.changed != found.changed)
    unchanged = tuple(after for found, after in pairs if after.changed == found.changed)
    jobs = restate(session, secrets, settings, changed, after=before, now=now) if changed else ()
    answer = ChangedWaves(changed, unchanged, jobs)
    if also is not None:
        also(session, answer)
    return answer
