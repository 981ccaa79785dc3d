"""Look at a source, and take what is new there like a file that was pushed.

A file is taken once by its name and content (its sidecar is part of it). What
became of it is written in the transaction that stores its wave: after a crash
it is either stored and known, or neither. A file with faults, or one that
contradicts what is stored, is remembered with the reason (row, column and what
to do, never what was in a cell: no erasure would reach it) and tried again only
when it changes, or when somebody asks for it. Nothing is ever deleted at a
source.

The clock asks for a look when one is due (``ask_due``); the look itself is a job
of kind ``source``, with a lease and attempts like any other.
"""

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import PurePath

from sqlalchemy.orm import Session

from jobs.errors import FileRefused, SourceNotFound, SourceUnreachable
from jobs.receive import ReceivedWave, receive_wave
from jobs.settings import Settings
from jobs.source_bucket import Bucket
from jobs.source_folder import Folder
from jobs.source_https import Address
from jobs.source_offer import Fetched, Offered, Place
from jobs.urgency import PRIORITIES
from polling.declaration import SurveyDeclaration
from polling.errors import SecretsError, WaveConflict, WaveNotFound, WaveRejected, WaveStateRefused
from polling.faults import FaultLog, without_values
from polling.secrets import SecretsFile
from polling.sidecar import Sidecar, read_sidecar
from polling.source import Source
from polling.store import queue, sources, surveys
from polling.store.engine import Store
from polling.store.records import JobRecord
from polling.store.sources import CONFLICT, REFUSED, REJECTED, TAKEN, Look, SourceFileRecord, SourceStateRecord
from polling.wave_file import read_wave

__all__ = ["READ", "SOURCE", "Reading", "ask_due", "ask_source", "read_source", "source_of"]

SOURCE = "source"
"""The kind of job that looks at one source."""

READ, UNREACHABLE, UNUSABLE = "read", "unreachable", "unusable"
MAX_DETAIL = 4000
_COMPRESSED = (".gz", ".zst")


@dataclass(frozen=True, slots=True)
class Reading:
    """What a look found."""

    outcomes: Counter[str]
    """taken | rejected | conflict | refused | waiting -> how many files, of those that were new or changed."""

    @property
    def waiting(self) -> bool:
        """Whether a file may still be growing, so that another look is needed soon."""
        return self.outcomes[sources.WAITING] > 0

    def __str__(self) -> str:
        return ", ".join(f"{n} {outcome}" for outcome, n in sorted(self.outcomes.items())) or "nothing new"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Desk:
    """Where a look works."""

    store: Store
    secrets: SecretsFile
    settings: Settings
    declaration: SurveyDeclaration
    source: Source
    now: datetime

    def note(
        self,
        session: Session,
        offered: Offered,
        sha256: str,
        outcome: str,
        *,
        detail: str | None = None,
        wave_id: str | None = None,
    ) -> None:
        """Note what became of a file."""
        short = None if detail is None else detail[:MAX_DETAIL]
        file = SourceFileRecord(self.source.name, offered.name, sha256, wave_id, outcome, short, self.now)
        sources.note_file(session, self.declaration.id, file)
        self.note_look(session, offered, waiting=False, since=self.now)

    def note_look(self, session: Session, offered: Offered, *, waiting: bool, since: datetime) -> None:
        """Note what was seen of a file."""
        look = Look(offered.fingerprint, waiting, since)
        sources.note_look(session, self.declaration.id, self.source.name, offered.name, look)


def read_source(
    store: Store,
    secrets: SecretsFile,
    settings: Settings,
    *,
    survey_id: str,
    name: str,
    now: datetime,
    between: Callable[[], None] = lambda: None,
) -> Reading:
    """Look at a source once.

    Parameters
    ----------
    between
        Called before each file; what it raises ends the look.

    Raises
    ------
    SurveyNotFound, SourceNotFound
        If there is no such source.
    SourceUnreachable
        If it cannot be read now; this is noted.
    SecretsError
        If its credentials, or secrets of the survey, are missing; this is noted too.
    """
    with store.read() as session:
        declaration = surveys.get_declaration(session, survey_id)
        source = source_of(declaration, name)
        state = sources.states_of(session, survey_id).get(name)
        looks = sources.looks_of(session, survey_id, name)
    desk = _Desk(store=store, secrets=secrets, settings=settings, declaration=declaration, source=source, now=now)
    outcomes: Counter[str] = Counter()
    etag, modified = (state.etag, state.last_modified) if state else (None, None)
    try:
        place = _place(source, secrets, settings, state)
        for offered in place.look():
            between()
            outcome = _consider(desk, place, offered, looks.get(offered.name))
            if outcome is not None:
                outcomes[outcome] += 1
    except (SourceUnreachable, SecretsError) as error:
        how = UNREACHABLE if isinstance(error, SourceUnreachable) else UNUSABLE
        with store.write() as session:
            failed = SourceStateRecord(name, now, etag, modified, how, str(error))
            sources.note_state(session, survey_id, failed)
        raise
    reading = Reading(outcomes)
    etag, modified = (place.etag, place.last_modified) if isinstance(place, Address) else (None, None)
    with store.write() as session:
        sources.note_state(session, survey_id, SourceStateRecord(name, now, etag, modified, READ, str(reading)))
    return reading


def ask_source(
    session: Session, settings: Settings, *, survey_id: str, name: str, now: datetime, after: timedelta = timedelta(0)
) -> JobRecord:
    """Ask for a look at a source; several asks are one job."""
    return queue.ask(
        session,
        kind=SOURCE,
        key=f"{survey_id}/{name}",
        survey_id=survey_id,
        question_id=None,
        now=now,
        quiet=after,
        patience=after,
        max_attempts=settings.max_attempts,
        priority=PRIORITIES[SOURCE],
    )


def ask_due(session: Session, settings: Settings, *, now: datetime) -> None:
    """Ask for a look at every source whose time has come."""
    for survey in surveys.list_surveys(session):
        declared = surveys.get_declaration(session, survey.survey_id).sources
        if not declared:
            continue
        states = sources.states_of(session, survey.survey_id)
        open_jobs = queue.list_jobs(session, survey_id=survey.survey_id, states=("queued", "running"))
        asked = {job.key for job in open_jobs if job.kind == SOURCE}
        for source in declared:
            state = states.get(source.name)
            # Looked at later than now: a clock was set back since.
            due = state is None or not state.checked_at <= now < state.checked_at + timedelta(minutes=source.every)
            if due and f"{survey.survey_id}/{source.name}" not in asked:
                ask_source(session, settings, survey_id=survey.survey_id, name=source.name, now=now)


def source_of(declaration: SurveyDeclaration, name: str) -> Source:
    """The declared source of this name.

    Raises
    ------
    SourceNotFound
        If there is none.
    """
    for source in declaration.sources:
        if source.name == name:
            return source
    raise SourceNotFound(declaration.id, name, [source.name for source in declaration.sources])


def _place(source: Source, secrets: SecretsFile, settings: Settings, state: SourceStateRecord | None) -> Place:
    credentials = secrets.credentials(source.credentials) if source.credentials else {}
    if source.kind == "folder":
        return Folder(source, max_bytes=settings.max_upload_mb * 1_000_000)
    if source.kind == "s3":
        return Bucket(source, settings, credentials=credentials)
    etag, modified = (state.etag, state.last_modified) if state else (None, None)
    return Address(source, settings, credentials=credentials, etag=etag, last_modified=modified)


def _consider(desk: _Desk, place: Place, offered: Offered, look: Look | None) -> str | None:
    """What became of a file at this look; None if it is known."""
    same = look is not None and look.fingerprint == offered.fingerprint
    if same and look is not None and not look.waiting:
        return None
    if offered.refused is not None:
        return _refuse(desk, offered, offered.refused)
    if place.settles:
        since = look.since if same and look is not None else desk.now
        if look is None or not same or desk.now < since + timedelta(seconds=desk.settings.source_settle_s):
            return _wait(desk, offered, since)
    try:
        fetched = place.fetch(offered)
    except FileRefused as refused:
        return _refuse(desk, offered, str(refused))
    return _wait(desk, offered, desk.now) if fetched is None else _take(desk, offered, fetched)


def _take(desk: _Desk, offered: Offered, fetched: Fetched) -> str | None:
    sha256 = hashlib.sha256(fetched.content).hexdigest()
    if fetched.sidecar is not None:
        sha256 = hashlib.sha256(sha256.encode() + fetched.sidecar).hexdigest()
    survey_id, source = desk.declaration.id, desk.source
    with desk.store.read() as session:
        known = sources.file_of(session, survey_id, source.name, offered.name, sha256)
        before = sources.taken_before(session, survey_id, source.name, offered.name)
    if known is not None:  # touched, or renamed and back
        with desk.store.write() as session:
            desk.note_look(session, offered, waiting=False, since=desk.now)
        return None

    def note(session: Session, received: ReceivedWave) -> None:
        detail = None if received.created else "It was received before."
        desk.note(session, offered, sha256, TAKEN, detail=detail, wave_id=received.wave.id)

    try:
        said = Sidecar() if fetched.sidecar is None else read_sidecar(fetched.sidecar, offered.sidecar or "")
        replaces, reason = said.replaces, said.reason
        if replaces is None and before is not None and source.changed == "replaces":
            replaces, reason = before, f"The file changed at the source {source.name}."
        start, end = _fieldwork(desk, fetched.content, said)
        receive_wave(
            desk.store,
            desk.secrets,
            desk.settings,
            survey_id=survey_id,
            pollster=source.pollster,
            reference=said.reference or (None if replaces else _stem(offered.name)),
            content=fetched.content,
            fieldwork_start=start,
            fieldwork_end=end,
            now=desk.now,
            actor=f"source:{source.name}",
            facts={**source.facts, **said.facts},
            replaces=replaces,
            reason=reason,
            file_name=offered.name,
            also=note,
        )
    except WaveRejected as rejected:
        faults = "\n".join(str(fault) for fault in without_values(rejected.faults))
        n = "1 fault" if rejected.n_faults == 1 else f"{rejected.n_faults:,} faults"
        return _answer(desk, offered, sha256, REJECTED, f"{n}:\n{faults}")
    except (WaveConflict, WaveNotFound, WaveStateRefused) as conflict:
        return _answer(desk, offered, sha256, CONFLICT, str(conflict))
    return TAKEN


def _answer(desk: _Desk, offered: Offered, sha256: str, outcome: str, detail: str) -> str:
    with desk.store.write() as session:
        desk.note(session, offered, sha256, outcome, detail=detail)
    return outcome


def _refuse(desk: _Desk, offered: Offered, reason: str) -> str:
    return _answer(desk, offered, hashlib.sha256(offered.fingerprint.encode()).hexdigest(), REFUSED, reason)


def _wait(desk: _Desk, offered: Offered, since: datetime) -> str:
    with desk.store.write() as session:
        desk.note_look(session, offered, waiting=True, since=since)
    return sources.WAITING


def _fieldwork(desk: _Desk, content: bytes, said: Sidecar) -> tuple[date, date]:
    """First and last day: as the sidecar says, or else those of the interviews.

    Raises
    ------
    WaveRejected
        If neither tells them.
    """
    if said.fieldwork_start is not None and said.fieldwork_end is not None:
        return said.fieldwork_start, said.fieldwork_end
    most = desk.settings.max_inflated_mb * 1_000_000
    read = read_wave(content, desk.declaration, pollster=desk.source.pollster, inflated_bytes=most)
    interviews = read.conversion.interviews
    days = interviews["date"].drop_nulls() if "date" in interviews.columns else None
    first, last = (days.min(), days.max()) if days is not None else (None, None)
    start, end = said.fieldwork_start or first, said.fieldwork_end or last
    if not isinstance(start, date) or not isinstance(end, date):
        faults = FaultLog()
        remedy = "Put a file beside it that tells fieldwork_start and fieldwork_end, named like it with .toml added."
        faults.add("neither the interviews nor a sidecar tell the dates of the fieldwork", remedy)
        raise WaveRejected(faults.reported(), read.n_interviews, total=faults.total)
    return start, end


def _stem(name: str) -> str:
    path = PurePath(name)
    return path.with_suffix("").stem if path.suffix.lower() in _COMPRESSED else path.stem
