"""Where a process kills itself: hooks on the real store and the real functions, set by the process that is to die.

statement:N          after the N-th statement that changes something
commit:N:before      everything is written and the N-th transaction that changes something not yet committed
commit:N:after       committed, and nobody was told
call:NAME:before     at the door of a function, or when it is done (``after``)
vacuum:N:PLACE       before, inside or after the N-th VACUUM
reader:HOW           while the limited process reads; see ``arm``
"""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import event

import jobs.delivery
import jobs.receive
import polling.secrets
from polling.audit_head import HeadFile
from polling.faults import FaultLog
from polling.formats import limited
from polling.store import free_bytes
from polling.store.engine import Store

__all__ = ["CALLS", "Written", "arm", "watch"]

CHANGING = ("INSERT", "UPDATE", "DELETE")
CALLS: dict[str, tuple[Any, str]] = {
    "read": (jobs.receive, "read_delivery"),
    "payload": (jobs.delivery, "to_payload"),
    "transaction": (Store, "write"),
    "head": (HeadFile, "note"),
    "keys": (polling.secrets.os, "replace"),
}


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)  # another thread may be the one that is stopped first


class Written:
    """Statements that changed something, and the transactions they were in."""

    def __init__(self) -> None:
        self.statements: list[str] = []
        self.n_commits = 0
        self.dirty = False


def watch(
    store: Store,
    *,
    on_statement: Callable[[int], None] = lambda n: None,
    on_commit: Callable[[int, str], None] = lambda n, place: None,
) -> Written:
    """Count what is written, from 1."""
    written = Written()

    @event.listens_for(store.writer, "after_cursor_execute")
    def _executed(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        words = statement.split()
        if words[0] in CHANGING:
            written.dirty = True
            written.statements.append(f"{words[0].lower()} {words[1] if words[0] == 'UPDATE' else words[2]}")
            on_statement(len(written.statements))

    dialect: Any = store.writer.dialect
    commit = dialect.do_commit

    def _commit(connection: Any) -> None:
        if not written.dirty:
            commit(connection)
            return
        written.dirty = False
        written.n_commits += 1
        on_commit(written.n_commits, "before")
        commit(connection)
        on_commit(written.n_commits, "after")

    dialect.do_commit = _commit
    return written


def arm(point: str, store: Store, note: Path) -> None:
    """Have this process die at a point; what the test needs to know is written to ``note`` first."""
    kind, *about = point.split(":")
    match kind:
        case "statement":
            watch(store, on_statement=lambda n: die() if n == int(about[0]) else None)
        case "commit":
            at = (int(about[0]), about[1])
            watch(store, on_commit=lambda n, place: die() if (n, place) == at else None)
        case "call":
            owner, name = CALLS[about[0]]
            _wrap(owner, name, about[1])
        case "vacuum":
            _arm_vacuum(int(about[0]), about[1])
        case "reader":
            _arm_reader(about[0], note)
        case "never" | "moment":  # killed from outside, if at all
            pass
        case _:
            raise ValueError(point)


def _wrap(owner: Any, name: str, place: str) -> None:
    original = getattr(owner, name)

    def wrapped(*args: Any, **named: Any) -> Any:
        if place == "before":
            die()
        done = original(*args, **named)
        if hasattr(done, "__enter__") and not hasattr(done, "read"):  # a transaction: it is begun when it is entered
            with done:
                die()
        die()
        return done

    setattr(owner, name, wrapped)


def _arm_vacuum(number: int, place: str) -> None:
    module = free_bytes.sqlite_module()
    seen = [0]

    class Connection(module.Connection):  # type: ignore[misc, name-defined]
        def execute(self, sql: str, *args: Any) -> Any:
            if sql != "VACUUM":
                return super().execute(sql, *args)
            seen[0] += 1
            mine = seen[0] == number
            if mine and place == "before":
                die()
            if mine and place == "inside":
                steps = [0]

                def step() -> int:
                    steps[0] += 1
                    if steps[0] == 20:
                        die()
                    return 0

                self.set_progress_handler(step, 100)
            done = super().execute(sql, *args)
            if mine and place == "after":
                die()
            return done

    class Module:
        OperationalError = module.OperationalError

        @staticmethod
        def connect(*args: Any, **named: Any) -> Any:
            return module.connect(*args, factory=Connection, **named)

    free_bytes.sqlite_module = lambda: Module  # type: ignore[assignment, return-value]


def _arm_reader(how: str, note: Path) -> None:
    """``parent``: we die while it reads; ``parent-stopped``: while it cannot even notice; ``child``: it dies, reading;
    ``idle``: it dies between two files."""
    if how == "idle":
        limited.read_limited(b"a\tb\n1\t2\n", FaultLog())
        (idle,) = limited._readers._idle
        idle._process.kill()
        idle._process.wait()
        note.write_text(str(idle._process.pid))
        return
    reader: Any = limited._Reader
    ask = reader.ask

    def asking(self: Any, content: bytes, request: dict[str, Any]) -> None:
        pid = self._process.pid
        note.write_text(str(pid))
        if how == "child":  # a small file would be read and answered for before it is killed
            os.kill(pid, signal.SIGSTOP)
        ask(self, content, request)
        if how == "parent-stopped":
            os.kill(pid, signal.SIGSTOP)
        if how.startswith("parent"):
            die()
        os.kill(pid, signal.SIGKILL)

    reader.ask = asking
