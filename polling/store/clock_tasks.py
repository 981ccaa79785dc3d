"""Since when the clock knows each of its tasks, and what became of the last try. When one last *ran*: ``leases``."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from polling.store.dialect import insert_into
from polling.store.tables import ClockRun, ClockTask

__all__ = ["TaskRecord", "find_task", "know", "list_tasks", "note_try"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRecord:
    """A task of the clock."""

    name: str
    known_since: datetime | None
    last_run_at: datetime | None
    """When it last ran to its end."""
    tried_at: datetime | None
    """When it was last begun."""
    outcome: str | None
    """done | failed"""
    detail: str | None
    seconds: float | None


def know(session: Session, names: Iterable[str], *, now: datetime) -> None:
    """Note since when tasks are known; those that are keep their time."""
    for name in names:
        new = insert_into(session, ClockTask).values(name=name, known_since=now)
        session.execute(new.on_conflict_do_nothing())


def note_try(session: Session, name: str, *, now: datetime, outcome: str, detail: str | None, seconds: float) -> None:
    """Note what became of a try."""
    told = {"tried_at": now, "outcome": outcome, "detail": detail, "seconds": seconds}
    new = insert_into(session, ClockTask).values(name=name, known_since=now, **told)
    session.execute(new.on_conflict_do_update(index_elements=[ClockTask.name], set_=told))


def find_task(session: Session, name: str) -> TaskRecord:
    """What is known of a task; nothing but its name if it was never seen."""
    found = {one.name: one for one in list_tasks(session)}.get(name)
    return found or TaskRecord(
        name=name, known_since=None, last_run_at=None, tried_at=None, outcome=None, detail=None, seconds=None
    )


def list_tasks(session: Session) -> list[TaskRecord]:
    """Every task that was seen or ran, by name; some may not be the clock's any more."""
    ran = {row.name: row.last_run_at for row in session.execute(select(ClockRun.name, ClockRun.last_run_at))}
    seen = {row.name: row for row in session.scalars(select(ClockTask).execution_options(populate_existing=True))}
    return [
        TaskRecord(
            name=name,
            known_since=row.known_since if (row := seen.get(name)) else None,
            last_run_at=ran.get(name),
            tried_at=row.tried_at if row else None,
            outcome=row.outcome if row else None,
            detail=row.detail if row else None,
            seconds=row.seconds if row else None,
        )
        for name in sorted({*ran, *seen})
    ]
