"""The audit chain: appended in order, and no single change of it goes unseen."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from polling.store import audit
from polling.store.audit import AuditHeadRecord
from polling.store.engine import Store

KEY = b"k" * 32
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
COLUMNS = ("id", "at", "actor", "action", "survey_id", "subject", "detail", "mac")

any_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8)


def record_one(session: Session, number: int, **changes: Any) -> audit.AuditRecord:
    given_ = {
        "actor": "cli:ann",
        "action": "wave-received",
        "survey_id": "demo",
        "subject": f"w{number}",
        "detail": {"n_interviews": number, "é": [1.5, None]},
        "now": NOW + timedelta(seconds=number),
    }
    return audit.record(session, KEY, **(given_ | changes))


def record_many(store: Store, n: int) -> list[AuditHeadRecord]:
    heads = []
    for number in range(1, n + 1):
        with store.write() as session:
            entry = record_one(session, number)
        heads.append(AuditHeadRecord(entry.id, entry.mac))
    return heads


def verify(store: Store, *known: AuditHeadRecord, key: bytes = KEY) -> audit.AuditReport:
    with store.read() as session:
        return audit.verify(session, key, known=known)


@contextmanager
def without_guard(store: Store) -> Iterator[Session]:
    """What somebody can do who owns the database, and not the key."""
    with store.write() as session:
        if store.dialect == "sqlite":
            for name in ("audit_entry_no_update", "audit_entry_no_delete"):
                session.execute(text(f"DROP TRIGGER IF EXISTS {name}"))
        else:
            session.execute(text("SET LOCAL session_replication_role = replica"))
        yield session


def test_an_untouched_chain_is_in_order(store: Store):
    assert verify(store).ok
    heads = record_many(store, 5)

    report = verify(store, *heads)

    assert (report.ok, report.n_entries, report.head) == (True, 5, heads[-1])
    with store.read() as session:
        assert audit.head(session) == heads[-1]
        assert [one.id for one in audit.read_entries(session)] == [1, 2, 3, 4, 5]
        assert [one.subject for one in audit.read_entries(session, last=2)] == ["w4", "w5"]
        assert [one.id for one in audit.read_entries(session, since=NOW + timedelta(seconds=4))] == [4, 5]
        assert list(audit.read_entries(session, survey_id="other")) == []


def test_another_key_sees_every_entry_as_changed(store: Store):
    record_many(store, 3)
    assert [one.id for one in verify(store, key=b"x" * 32).problems] == [1, 2, 3]


def test_what_is_rolled_back_leaves_no_gap(store: Store):
    record_many(store, 2)
    with suppress(RuntimeError), store.write() as session:
        record_one(session, 3)
        raise RuntimeError
    record_many(store, 1)

    assert verify(store).ok
    assert verify(store).n_entries == 3


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    actor=any_text,
    subject=st.none() | any_text,
    detail=st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**53), 2**53)
        | st.floats(allow_nan=False, allow_infinity=False)
        | any_text,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
        max_leaves=5,
    ),
    at=st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001
    offset=st.integers(-12, 12),
)
def test_whatever_is_recorded_verifies(store: Store, actor, subject, detail, at, offset):
    zone = timezone(timedelta(hours=offset))
    with store.write() as session:
        record_one(session, 1, actor=actor, subject=subject, detail=detail, now=at.replace(tzinfo=zone))
    assert verify(store).ok


def test_writers_at_once_make_one_chain(store: Store):
    def write() -> None:
        for number in range(8):
            with store.write() as session:
                record_one(session, number)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    report = verify(store)
    assert (report.ok, report.n_entries) == (True, 32)


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit_entry SET actor = 'me'", "DELETE FROM audit_entry WHERE id = 2"],
    ids=["update", "delete"],
)
def test_the_database_refuses_to_change_entries(store: Store, statement: str):
    record_many(store, 3)
    with pytest.raises(DBAPIError, match="only added"), store.write() as session:
        session.execute(text(statement))
    assert verify(store).ok


@pytest.mark.postgres
def test_postgresql_refuses_to_empty_the_table(postgres_server: Any, request: pytest.FixtureRequest):
    name = postgres_server.take(template=request.getfixturevalue("_postgres_template"))
    from polling.store.engine import open_store

    store = open_store(postgres_server.url(name))
    try:
        with pytest.raises(DBAPIError, match="only added"), store.write() as session:
            session.execute(text("TRUNCATE audit_entry"))
    finally:
        store.close()
        postgres_server.give_back(name)


# Any single mutation, as somebody with the whole database could make it.


@st.composite
def mutations(draw: st.DrawFn) -> Callable[[Session, int], str]:
    """Something that changes a chain of n entries, and says which kind of problem it is."""
    place, column, way = draw(st.integers(0, 10**6)), draw(st.sampled_from(COLUMNS)), draw(st.integers(0, 5))
    position, other = draw(st.integers(0, 10**6)), draw(any_text)

    def mutate(session: Session, n: int) -> str:
        entry = 1 + place % n
        if way == 0:
            session.execute(text("DELETE FROM audit_entry WHERE id = :id"), {"id": entry})
            return "removed"
        if way == 1:  # a cut tail, with the head put back as it was
            session.execute(text("DELETE FROM audit_entry WHERE id >= :id"), {"id": entry})
            mac = session.scalar(text("SELECT mac FROM audit_entry WHERE id = :id"), {"id": entry - 1}) or ""
            session.execute(text("UPDATE audit_head SET id = :id, mac = :mac"), {"id": entry - 1, "mac": mac})
            return "cut"
        if way == 2 and n > 1:  # two entries exchanged, codes and all
            second = 1 + (entry % n)
            for old, new in ((entry, -1), (second, entry), (-1, second)):
                session.execute(text("UPDATE audit_entry SET id = :new WHERE id = :old"), {"new": new, "old": old})
            return "exchanged"
        old = session.scalar(text(f"SELECT {column} FROM audit_entry WHERE id = :id"), {"id": entry})
        if column == "id":
            new: Any = n + 1 + position
        elif column == "at":
            new = (
                datetime.fromisoformat(str(old)).replace(microsecond=0, tzinfo=UTC)
                + timedelta(microseconds=1 + position)
            ).replace(tzinfo=None if session.get_bind().dialect.name == "sqlite" else UTC)
            new = new.strftime("%Y-%m-%d %H:%M:%S.%f") if new.tzinfo is None else new
        elif old is None or way == 3:
            new = other if other != old else other + "x"
            new = None if way == 3 and old is not None and column not in ("actor", "action", "mac") else new
        else:
            index = position % (len(old) + 1)
            new = old[:index] + ("!" if old[index : index + 1] != "!" else "?") + old[index + 1 :]
        session.execute(text(f"UPDATE audit_entry SET {column} = :new WHERE id = :id"), {"new": new, "id": entry})
        return column

    return mutate


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mutate=mutations(), n=st.integers(1, 5))
def test_any_single_mutation_of_a_chain_is_found(store: Store, mutate: Callable[[Session, int], str], n: int):
    with without_guard(store) as session:
        session.execute(text("DELETE FROM audit_entry"))
        session.execute(text("DELETE FROM audit_head"))
    heads = record_many(store, n)
    assert verify(store, heads[-1]).ok

    with without_guard(store) as session:
        what = mutate(session, n)

    report = verify(store, heads[-1])
    assert not report.ok, what


@pytest.mark.parametrize(
    "changed",
    [
        "detail = replace(detail, ':', ': ')",  # the same JSON
        "at = replace(at, ' ', 'T')",  # the same time
        "mac = upper(mac)",
        "subject = CAST(subject AS BLOB)",
        "survey_id = NULL",
    ],
)
def test_another_spelling_of_the_same_content_is_a_change(sqlite_store: Store, changed: str):
    record_many(sqlite_store, 3)
    with without_guard(sqlite_store) as session:
        session.execute(text(f"UPDATE audit_entry SET {changed} WHERE id = 2"))

    assert [(one.kind, one.id) for one in verify(sqlite_store).problems] == [("changed", 2)]


def test_a_removed_entry_is_named(store: Store):
    record_many(store, 4)
    with without_guard(store) as session:
        session.execute(text("DELETE FROM audit_entry WHERE id = 2"))
    assert [(one.kind, one.id) for one in verify(store).problems] == [("missing", 2)]


def test_an_entry_forged_behind_the_end_is_found(store: Store):
    record_many(store, 2)
    with without_guard(store) as session:
        session.execute(
            text(
                "INSERT INTO audit_entry "
                "SELECT 3, at, actor, action, survey_id, subject, detail, mac FROM audit_entry WHERE id = 2"
            )
        )
    assert {one.kind for one in verify(store).problems} == {"changed", "truncated"}


def test_a_cut_tail_is_found_by_the_head_outside_even_after_new_entries(store: Store):
    heads = record_many(store, 5)
    with without_guard(store) as session:
        session.execute(text("DELETE FROM audit_entry WHERE id > 3"))
        session.execute(text("UPDATE audit_head SET id = 3, mac = :mac"), {"mac": heads[2].mac})
    assert verify(store).ok  # by itself the rest is a whole chain

    assert [one.kind for one in verify(store, heads[-1]).problems] == ["truncated"]
    record_many(store, 4)  # longer than before
    assert [(one.kind, one.id) for one in verify(store, heads[-1]).problems] == [("truncated", 5)]


def test_a_head_that_lags_is_no_alarm(store: Store):
    heads = record_many(store, 5)
    assert verify(store, heads[1]).ok


@pytest.mark.parametrize(
    "damage", ["DELETE FROM audit_head", "UPDATE audit_head SET mac = 'x'", "UPDATE audit_head SET id = 2"]
)
def test_a_head_that_does_not_fit_is_found(store: Store, damage: str):
    record_many(store, 3)
    with store.write() as session:
        session.execute(text(damage))
    assert [one.kind for one in verify(store).problems] == ["truncated"]


def test_the_service_goes_on_without_the_head_row_and_the_loss_of_the_last_entry_is_found(store: Store):
    heads = record_many(store, 3)
    with without_guard(store) as session:
        session.execute(text("DELETE FROM audit_head"))
        session.execute(text("DELETE FROM audit_entry WHERE id = 3"))
    record_many(store, 2)
    assert not verify(store, heads[-1]).ok


def test_after_a_restart_with_a_new_key_only_what_follows_is_verified(store: Store):
    heads = record_many(store, 3)
    new = b"n" * 32
    with store.write() as session:
        audit.record(session, new, actor="cli:ann", action=audit.RESTARTED, now=NOW)
        entry = audit.record(session, new, actor="cli:ann", action="wave-received", now=NOW)

    report = verify(store, *heads, AuditHeadRecord(entry.id, entry.mac), key=new)
    assert (report.ok, report.n_unverifiable, report.n_entries) == (True, 3, 5)
    with without_guard(store) as session:
        session.execute(text("UPDATE audit_entry SET actor = 'me' WHERE id = 5"))
    assert [one.id for one in verify(store, key=new).problems] == [5]


def test_a_restart_cannot_be_forged(store: Store):
    record_many(store, 3)
    with without_guard(store) as session:
        session.execute(text("UPDATE audit_entry SET action = :action WHERE id = 3"), {"action": audit.RESTARTED})
    assert [one.id for one in verify(store).problems] == [3]


def test_a_wrong_head_with_the_right_number_is_found(store: Store):
    heads = record_many(store, 3)
    assert not verify(store, replace(heads[1], mac="0" * 64)).ok


def test_an_entry_of_another_branch_of_the_chain_is_found(store: Store):
    """A restored backup leaves entries with right codes that stand in another chain."""
    record_many(store, 3)
    with store.read() as session:
        other = session.execute(text("SELECT actor, mac FROM audit_entry WHERE id = 2")).one()
    with without_guard(store) as session:
        session.execute(text("DELETE FROM audit_entry"))
        session.execute(text("DELETE FROM audit_head"))
    with store.write() as session:
        record_one(session, 1, actor="cli:bob")
        record_one(session, 2, actor="cli:bob")
        record_one(session, 3)
    assert verify(store).ok

    with without_guard(store) as session:
        values = {"actor": other.actor, "mac": other.mac}
        session.execute(text("UPDATE audit_entry SET actor = :actor, mac = :mac WHERE id = 2"), values)
    assert [(one.kind, one.id) for one in verify(store).problems][:1] == [("changed", 2)]
