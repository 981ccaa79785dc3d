"""The audit chain: who did what, in an order that cannot be mended afterwards.

    mac[i] = HMAC-SHA256(audit key, JSON of [mac[i-1], id, at, actor, action, survey_id, subject, detail])

Entries are only added, one at a time: an append holds the head row to the end of its transaction, and belongs late in
it. Triggers refuse changes and deletions; who drops them cannot recompute the codes without the key, which is in the
secrets file. A changed entry is found by its code, a removed one by the gap, a cut tail or an older copy of the
database by the head that was noted outside the database (``polling.audit_head``). ``detail`` holds facts about the
act, never an answer, a respondent's id or a pseudonym.

===================  =================================================================================================
action               what was done
===================  =================================================================================================
survey-added         a survey was stored; likewise ``survey-updated``
wave-received        a wave was stored; likewise ``wave-replaced``, ``wave-withdrawn``, ``wave-restored``,
                     ``wave-held``, ``wave-let-through``, ``wave-opened``, ``wave-batch``, ``wave-closed``,
                     ``wave-purged``, ``wave-requarantined``
interviews-read      respondent-level data left the service: an export, a quarantine, a draw of them
draws-read           latent draws of a release left the service, or its design or frame
access               a respondent's data were exported for the respondent
erasure              a respondent was erased; likewise ``erasure-replayed`` after a restore
key-created          an API key was made; likewise ``key-revoked``
database-upgraded    the schema was upgraded
backup               a backup was made; likewise ``backup-expired``, ``restore``
audit-read           entries were shown or exported
audit-restarted      the audit key was lost; what is before cannot be verified any more
===================  =================================================================================================
"""

import hmac
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select, Text, select, type_coerce, update
from sqlalchemy.orm import Session

from polling.store.columns import CanonicalJson, Json, canonical_json
from polling.store.dialect import insert_into
from polling.store.tables import AuditEntry, AuditHead

__all__ = [
    "RESTARTED",
    "AuditHeadRecord",
    "AuditProblem",
    "AuditRecord",
    "AuditReport",
    "head",
    "read_entries",
    "record",
    "started",
    "verify",
]

RESTARTED = "audit-restarted"
MAX_PROBLEMS = 100
_BATCH = 1000


@dataclass(frozen=True, slots=True)
class AuditHeadRecord:
    """The end of the chain at some moment."""

    id: int
    """Number of entries."""
    mac: str
    """Code of the last one, which stands for all."""


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One entry."""

    id: int
    at: datetime
    actor: str
    action: str
    survey_id: str | None
    subject: str | None
    detail: Json
    mac: str


@dataclass(frozen=True, slots=True)
class AuditProblem:
    """Something that an intact chain does not have."""

    kind: str
    """``changed``, ``missing`` or ``truncated``."""
    id: int
    """The entry, or the first of several."""
    text: str


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What a verification found."""

    n_entries: int
    n_unverifiable: int
    """Entries written before the chain was restarted with a new key; they cannot be verified."""
    head: AuditHeadRecord | None
    problems: tuple[AuditProblem, ...]
    """The first ``MAX_PROBLEMS``."""

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.problems


def record(
    session: Session,
    audit_key: bytes,
    *,
    actor: str,
    action: str,
    survey_id: str | None = None,
    subject: str | None = None,
    detail: Json = None,
    now: datetime,
) -> AuditRecord:
    """Append an entry in the caller's transaction; late in it, because other appends wait for its end.

    Parameters
    ----------
    actor
        ``key:<prefix>``, ``cli:<user>``, ``clock``, ``worker`` or ``source:<name>``.
    subject
        What it was done to: the id of a wave, a key's prefix, a case number.
    """
    last = _lock_head(session)
    # Codes are computed from what will be read back: the text of the JSON, the time in UTC to the microsecond.
    text = CanonicalJson().process_bind_param(detail, session.get_bind().dialect)
    at = now.astimezone(UTC)
    mac = _mac(audit_key, last.mac, (last.id + 1, _instant(at), actor, action, survey_id, subject, text))
    entry = AuditEntry(
        id=last.id + 1,
        at=at,
        actor=actor,
        action=action,
        survey_id=survey_id,
        subject=subject,
        detail=detail,
        mac=mac,
    )
    session.add(entry)
    session.flush()
    session.execute(update(AuditHead).values(id=entry.id, mac=mac))
    return AuditRecord(entry.id, at, actor, action, survey_id, subject, detail, mac)


def started(session: Session) -> bool:
    """Whether there is an entry: then the audit key is in use."""
    return session.scalar(select(AuditEntry.id).limit(1)) is not None


def head(session: Session) -> AuditHeadRecord | None:
    """The end of the chain as the database tells it; None before the first entry."""
    row = session.execute(select(AuditHead.id, AuditHead.mac)).first()
    return None if row is None or row.id == 0 else AuditHeadRecord(row.id, row.mac)


def read_entries(
    session: Session,
    *,
    survey_id: str | None = None,
    action: str | None = None,
    actor: str | None = None,
    since: datetime | None = None,
    last: int | None = None,
) -> Iterator[AuditRecord]:
    """Entries in order; of a survey, an action, an actor, since a time, only the last so many."""
    query = select(AuditEntry).order_by(AuditEntry.id)
    for column, value in (
        (AuditEntry.survey_id, survey_id),
        (AuditEntry.action, action),
        (AuditEntry.actor, actor),
    ):
        if value is not None:
            query = query.where(column == value)
    if since is not None:
        query = query.where(AuditEntry.at >= since)
    if last is not None:
        newest = query.order_by(None).order_by(AuditEntry.id.desc()).limit(last).subquery()
        query = select(AuditEntry).where(AuditEntry.id.in_(select(newest.c.id))).order_by(AuditEntry.id)
    for row in session.scalars(query.execution_options(yield_per=_BATCH, populate_existing=True)):
        yield AuditRecord(row.id, row.at, row.actor, row.action, row.survey_id, row.subject, row.detail, row.mac)


def verify(session: Session, audit_key: bytes, *, known: Iterable[AuditHeadRecord] = ()) -> AuditReport:
    """Recompute the whole chain.

    Parameters
    ----------
    known
        Heads noted outside the database at any time; the chain must still contain them. Without one, a cut tail is
        not found.
    """
    return _Verification(session, audit_key, known).run()


class _Verification:
    def __init__(self, session: Session, key: bytes, known: Iterable[AuditHeadRecord]) -> None:
        self.session = session
        self.key = key
        self.known: dict[int, set[str]] = {}
        for one in known:
            self.known.setdefault(one.id, set()).add(one.mac)
        self.problems: list[AuditProblem] = []
        self.n_entries = 0
        self.n_unverifiable = 0
        self.last = 0
        # What the entry before may have had as its code: as stored, and as computed if that differs.
        self.before: tuple[str, ...] = ("",)

    def run(self) -> AuditReport:
        for row in self.session.execute(_raw_entries(self.session)):
            self._entry(tuple(row[:-1]), row[-1])
        self._head()
        for identifier, macs in sorted(self.known.items()):
            if identifier > self.last:
                text = f"the chain ends at entry {self.last:,}; entry {identifier:,} was noted outside the database"
                self._found("truncated", self.last + 1, text)
                break
            if len(macs) > 1:
                self._found("truncated", identifier, f"two different entries {identifier:,} were noted; one was undone")
        end = AuditHeadRecord(self.last, self.before[0]) if self.n_entries else None
        return AuditReport(self.n_entries, self.n_unverifiable, end, tuple(self.problems[:MAX_PROBLEMS]))

    def _entry(self, fields: tuple[object, ...], mac: object) -> None:
        identifier = int(str(fields[0]))
        self.n_entries += 1
        if identifier != self.last + 1:
            n = identifier - self.last - 1
            self._found("missing", self.last + 1, f"{n:,} entr{'y is' if n == 1 else 'ies are'} missing before it")
            self.before = tuple(self.known.get(identifier - 1, ()))  # else this one cannot be checked
        self.last = identifier
        computed = [_mac(self.key, before, fields) for before in self.before]
        intact = mac in computed
        if intact and fields[3] == RESTARTED:
            # Under a key that was lost; who has the present one did not change them to make it look so.
            self.n_unverifiable = identifier - 1
            self.problems = [one for one in self.problems if one.kind == "truncated"]
            self.known = {place: macs for place, macs in self.known.items() if place >= identifier}
        if not intact and (computed or not isinstance(mac, str)):
            self._found("changed", identifier, "the entry is not as it was written")
        noted = self.known.get(identifier)
        if intact and noted and mac not in noted:
            self._found("truncated", identifier, "another entry was noted outside the database: the end was rewritten")
        self.before = tuple(dict.fromkeys([str(mac), *computed]))

    def _head(self) -> None:
        rows = self.session.execute(select(AuditHead.id, AuditHead.mac)).all()
        at_end = [row for row in rows if row.id == self.last and row.mac in self.before]
        if self.last == 0 and all(row.id == 0 for row in rows):
            return
        if len(at_end) != 1 or len(rows) != 1:
            place = f"entry {rows[0].id:,}" if rows else "no entry"
            self._found("truncated", self.last, f"the head names {place}, the chain ends at entry {self.last:,}")

    def _found(self, kind: str, identifier: int, text: str) -> None:
        self.problems.append(AuditProblem(kind, identifier, text))


def _lock_head(session: Session) -> AuditHeadRecord:
    locked = select(AuditHead.id, AuditHead.mac).with_for_update()
    row = session.execute(locked).first()
    if row is None:
        # Made by whoever is first. If somebody removed it, the chain goes on from the last entry; `verify` tells.
        last = session.execute(select(AuditEntry.id, AuditEntry.mac).order_by(AuditEntry.id.desc()).limit(1)).first()
        identifier, mac = (0, "") if last is None else (last.id, last.mac)
        session.execute(
            insert_into(session, AuditHead).values(single=1, id=identifier, mac=mac).on_conflict_do_nothing()
        )
        row = session.execute(locked).one()
    return AuditHeadRecord(row.id, row.mac)


def _raw_entries(session: Session) -> Select[*tuple[Any, ...]]:
    """Columns as they are stored: another spelling of the same JSON, or of the same time, is a change too."""
    at = type_coerce(AuditEntry.at, Text) if session.get_bind().dialect.name == "sqlite" else AuditEntry.at
    detail = type_coerce(AuditEntry.detail, Text)
    columns = (AuditEntry.id, at, AuditEntry.actor, AuditEntry.action, AuditEntry.survey_id, AuditEntry.subject, detail)
    return select(*columns, AuditEntry.mac).order_by(AuditEntry.id).execution_options(yield_per=_BATCH)


def _instant(at: object) -> object:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f") if isinstance(at, datetime) else at


def _mac(key: bytes, before: str, fields: tuple[object, ...]) -> str:
    # A value of a foreign type (SQLite stores anything) is written as such, and so has another code.
    plain = [one if one is None or isinstance(one, str | int) else repr(one) for one in map(_instant, fields)]
    return hmac.digest(key, canonical_json([before, *plain]).encode(), "sha256").hex()
