"""Transactions: what is committed, what is not, and what a store refuses to be."""

import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from polling.errors import StoreError
from polling.store import leases
from polling.store.engine import Store, open_store
from polling.store.tables import Lease

from .conftest import NOW, n_rows, seconds


def test_a_write_is_there_after_a_clean_exit_and_gone_after_an_exception(store: Store):
    with store.write() as session:
        leases.record_run(session, "kept", NOW)

    def break_off() -> None:
        with store.write() as session:
            leases.record_run(session, "lost", NOW)
            raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        break_off()
    with store.read() as session:
        assert leases.last_run(session, "kept") == NOW
        assert leases.last_run(session, "lost") is None


def test_a_reader_cannot_write(store: Store):
    with pytest.raises(DBAPIError, match=r"readonly|read-only"), store.read() as session:
        leases.record_run(session, "x", NOW)


def test_a_reader_sees_one_state_while_a_writer_changes_it(store: Store):
    with store.read() as reader:
        assert n_rows(reader, "clock_run") == 0
        with store.write() as writer:
            leases.record_run(writer, "x", NOW)
        assert n_rows(reader, "clock_run") == 0
    with store.read() as reader:
        assert n_rows(reader, "clock_run") == 1


def test_writers_in_many_threads_wait_for_each_other(store: Store):
    """Each reads before it writes: without BEGIN IMMEDIATE some would fail at the write."""
    with store.write() as session:
        session.add(Lease(name="counter", owner="", token=0, expires_at=NOW))

    def add_one(_: int) -> None:
        with store.write() as session:
            row = session.get(Lease, "counter", with_for_update=True)
            row.token += 1

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(add_one, range(40)))
    with store.read() as session:
        assert session.get_one(Lease, "counter").token == 40


def test_sqlite_is_set_up_for_durability_and_erasure(sqlite_store: Store):
    with sqlite_store.read() as session:
        pragma = {
            name: session.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete", "busy_timeout")
        }
    assert pragma == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "secure_delete": 1,
        "busy_timeout": 30_000,
    }


def test_a_new_sqlite_file_is_readable_by_its_owner_only(tmp_path: Path):
    store = open_store(f"sqlite:///{tmp_path}/new.db")
    with store.write() as session:
        session.execute(text("CREATE TABLE t (x)"))
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    store.close()
    assert modes == {0o600}


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("sqlite://", "in memory"),
        ("sqlite:////nowhere/at/all/x.db", "/nowhere/at/all of database x.db does not exist"),
        ("mysql://u:hidden@h/d", "no store for 'mysql' databases"),
        ("hidden password", "cannot be read"),
    ],
)
def test_an_url_that_is_no_store_is_refused_without_repeating_its_password(url: str, reason: str):
    with pytest.raises(StoreError, match=reason) as caught:
        open_store(url)
    assert "hidden" not in str(caught.value)


def test_foreign_keys_hold(store: Store):
    with pytest.raises(DBAPIError, match=r"(?i)foreign key"), store.write() as session:
        session.execute(text("INSERT INTO fit_draws (fit_id, content) VALUES ('nobody', '')"))


def test_a_store_serves_several_processes(store: Store, store_url: str, open_stores: Callable[[str], Store]):
    other = open_stores(store_url)
    with store.write() as session:
        assert leases.acquire_lease(session, "clock", "me", NOW, seconds(5)) == 1
    with other.write() as session:
        assert leases.acquire_lease(session, "clock", "you", NOW, seconds(5)) is None
