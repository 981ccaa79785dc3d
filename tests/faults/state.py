"""Databases to be killed in, and what is in them: every row of every table, comparable between runs.

Ids that are made at random are replaced by what they stand for, codes of the audit chain are left to its own
verification, numbers of outbox and events, which on PostgreSQL are not given again after a rollback, to their order.
"""

import hashlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import func, select, text

from jobs import ledger
from polling.store.engine import open_store
from polling.store.schema import upgrade
from polling.store.tables import Base, Erasure, FitDraws, Job, Wave, WavePart
from tests.conftest import PostgresServer
from tests.faults.acts import Place

__all__ = ["Databases", "dump", "faults_in", "freed", "is_quiet", "without_keys"]

MADE_UP = {
    "audit_entry": {"mac"},
    "audit_head": {"mac"},
    "outbox": {"id"},
    "serving": {"id"},
    "wave_event": {"id"},
    "job": {"token", "owner"},
}
_CASE = re.compile(r"E\d{8}-[0-9a-f]{8}")


class Databases:
    """Databases that are filled from a state again and again."""

    def __init__(self, kind: str, server: PostgresServer | None) -> None:
        self.kind = kind
        self._server = server
        self._names: dict[bool, str] = {}
        self._rows: dict[Path, list[tuple[Any, list[dict[str, Any]]]]] = {}

    @classmethod
    @contextmanager
    def open(cls, kind: str, folder: Path) -> Iterator["Databases"]:
        """Databases of one kind; a PostgreSQL server of their own."""
        if kind == "sqlite":
            yield cls(kind, None)
            return
        place = Path(tempfile.mkdtemp(prefix="hst"))  # short: a socket's path has at most 107 characters
        server = PostgresServer(place)
        try:
            yield cls(kind, server)
        finally:
            server.stop()
            shutil.rmtree(place, ignore_errors=True)

    def fill(self, base: Path, folder: Path, *, beside: bool) -> str:
        """Copy a state to a folder; the URL of its database."""
        if self._server is None:
            shutil.copytree(base, folder)
            return f"sqlite:///{folder}/hustings.db"
        shutil.copytree(base, folder, ignore=shutil.ignore_patterns("hustings.db*"))
        if base not in self._rows:
            source = open_store(f"sqlite:///{base}/hustings.db")
            with source.read() as session:
                self._rows[base] = [
                    (table, [dict(row._mapping) for row in session.execute(table.select())])
                    for table in Base.metadata.sorted_tables
                ]
            source.close()
        if beside not in self._names:
            self._names[beside] = self._server.create()
            store = open_store(self._server.url(self._names[beside]))
            upgrade(store)
            store.close()
        url = self._server.url(self._names[beside])
        store = open_store(url)
        with store.write() as session:
            session.execute(text("SET LOCAL session_replication_role = replica"))
            for table, _ in reversed(self._rows[base]):
                session.execute(table.delete())
            for table, rows in self._rows[base]:
                if rows:
                    session.execute(table.insert(), rows)
            for table in ("outbox", "wave_event", "source_file", "serving"):
                session.execute(
                    text(f"SELECT setval('{table}_id_seq', (SELECT coalesce(max(id), 0) + 1 FROM {table}), false)")
                )
        store.close()
        return url


def dump(place: Place) -> list[str]:
    """Every row of every table, as texts in an order that does not depend on made-up ids."""
    names: dict[str, str] = {}
    lines: list[str] = []
    with place.store.read() as session:
        for row in session.scalars(select(Wave)):
            names[row.id] = f"<wave {row.reference}>"
        for job in session.scalars(select(Job)):
            names[job.id] = f"<job {job.kind} {job.key} {job.first_asked_at}>"
        for table in Base.metadata.sorted_tables:
            order = [table.c.id] if "id" in MADE_UP.get(table.name, ()) else []
            for n, row in enumerate(session.execute(table.select().order_by(*order))):
                values = {
                    name: _told(value)
                    for name, value in row._mapping.items()
                    if name not in MADE_UP.get(table.name, ())
                }
                number = f" {n}" if order else ""
                lines.append(f"{table.name}{number}: {values}")
    made_up = re.compile("|".join(map(re.escape, names)) or "(?!)")
    return sorted(_CASE.sub("<case>", made_up.sub(lambda found: names[found[0]], line)) for line in lines)


def without_keys(lines: list[str]) -> list[str]:
    """Rows without what follows from the keys of the secrets file."""
    made = re.compile(r"'(payload|payload_sha256|value)': '[0-9a-f]+'")
    return sorted(made.sub(r"'\1'", line) for line in lines)


def _told(value: Any) -> Any:
    if isinstance(value, bytes) and not value.startswith(b"{"):
        return hashlib.sha256(value).hexdigest()
    return value


def faults_in(place: Place) -> list[str]:
    """Rows that point at none, parts that are not what they were, a damaged file, a broken chain."""
    found = []
    with place.store.read() as session:
        for table in Base.metadata.sorted_tables:
            for key in table.foreign_key_constraints:
                other = key.referred_table.alias()
                pairs = [(one.parent, other.c[one.column.name]) for one in key.elements]
                missing = ~select(1).where(*(mine == theirs for mine, theirs in pairs)).exists()
                orphans = select(func.count()).select_from(table)
                n = session.scalar(orphans.where(missing, *(mine.is_not(None) for mine, _ in pairs)))
                if n:
                    found.append(f"{n} rows of {table.name} point at no {other.name}")
        found += [
            f"part {part.number} of {part.wave_id} is damaged"
            for part in session.scalars(select(WavePart))
            if part.payload is not None and hashlib.sha256(part.payload).hexdigest() != part.payload_sha256
        ]
        for wave in session.scalars(select(Wave)):
            n = session.scalar(
                select(func.count()).where(WavePart.wave_id == wave.id, WavePart.version == wave.version)
            )
            if not n:
                found.append(f"wave {wave.reference} has no part")
        if place.store.dialect == "sqlite":
            (said,) = session.execute(text("PRAGMA integrity_check")).scalars()
            if said != "ok":
                found.append(str(said))
        report = ledger.verify(session, place.secrets)
    found += [one.text for one in report.problems]
    return found


def is_quiet(place: Place) -> list[str]:
    """Erasures that are not done, and jobs that wait or failed."""
    with place.store.read() as session:
        open_cases = session.scalars(select(Erasure.case_number).where(Erasure.done_at.is_(None))).all()
        jobs = session.scalars(select(Job).where(Job.state != "succeeded")).all()
        found = [f"case {case} is not done" for case in open_cases]
        return found + [f"job {job.kind} {job.key} is {job.state}: {job.detail}" for job in jobs]


def freed(place: Place, before: Path, *, needles: bool) -> list[str]:
    """Bytes in the database file of payloads and draws that are gone."""
    if not needles:
        return []
    earlier = open_store(f"sqlite:///{before}/hustings.db")
    then, now = _blobs(Place(earlier, before)), b"".join(_blobs(place))
    earlier.close()
    gone = {
        piece
        for one in then
        for at in range(64, len(one) - 104, 257)
        if len(set(piece := one[at : at + 40])) > 20 and piece not in now
    }
    content = b"".join(path.read_bytes() for path in place.folder.glob("hustings.db*"))
    n = sum(piece in content for piece in gone)
    return ([] if gone else ["nothing was to be freed"]) + ([f"{n} pieces of erased payloads are left"] if n else [])


def _blobs(place: Place) -> list[bytes]:
    with place.store.read() as session:
        return [
            *session.scalars(select(WavePart.payload).where(WavePart.payload.is_not(None))),
            *session.scalars(select(FitDraws.content)),
        ]
