"""What is stuck in PostgreSQL is ended; what may take long is not."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from polling.store import leases
from polling.store.dialect import without_limit
from polling.store.engine import Store, open_store
from polling.store.free_bytes import free_bytes
from polling.store.schema import upgrade

pytestmark = pytest.mark.parametrize(
    "store_kind", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)
SHORT_S = 1.0
"""Long enough for everything else that a test does, on a busy machine too."""
FOR_EVER = text("SELECT pg_sleep(3600)")
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def limited(store_url: str) -> Iterator[Store]:
    """A store that ends statements early."""
    store = open_store(store_url, statement_timeout_s=SHORT_S)
    yield store
    store.close()


def limits(session: Session) -> list[str]:
    return [
        str(session.scalar(text(f"SHOW {name}")))
        for name in ("statement_timeout", "idle_in_transaction_session_timeout")
    ]


@pytest.fixture
def statements(limited: Store) -> list[str]:
    """What the store sends, as it does."""
    sent: list[str] = []
    event.listen(limited.writer, "before_cursor_execute", lambda _c, _cursor, statement, *_: sent.append(statement))
    return sent


def test_a_statement_that_takes_longer_is_ended_and_its_connection_goes_on(limited: Store):
    with pytest.raises(OperationalError, match="statement timeout"), limited.write() as session:
        session.execute(FOR_EVER)
    with limited.write() as session:
        leases.record_run(session, "after", NOW)
    with limited.read() as session:
        assert leases.last_run(session, "after") == NOW


def test_one_that_waits_for_somebody_who_is_stuck_is_ended(store: Store, limited: Store):
    with store.write() as holding:
        holding.execute(text("LOCK TABLE clock_run IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(OperationalError, match="statement timeout"), limited.read() as session:
            leases.last_run(session, "x")


def test_a_transaction_that_waits_for_its_process_loses_its_locks(store: Store, limited: Store):
    def stay_away() -> None:
        with limited.write() as stuck:
            stuck.execute(text("LOCK TABLE clock_run IN ACCESS EXCLUSIVE MODE"))
            with store.write() as session:  # waits for as long as the lock is held
                leases.record_run(session, "got in", NOW)
            stuck.execute(text("SELECT 1"))

    with pytest.raises(DBAPIError):
        stay_away()
    with limited.read() as session:
        assert leases.last_run(session, "got in") == NOW


def test_an_exempt_transaction_has_no_limit_and_the_next_one_has(limited: Store):
    with limited.write() as session:
        without_limit(session)
        assert limits(session) == ["0", "0"]
    with limited.read() as session:
        assert limits(session) == ["1s", "1s"]


def test_without_a_limit_the_server_s_own_holds(store: Store):
    with store.read() as session:
        assert limits(session) == ["0", "0"]


def test_what_the_url_says_counts_more(store_url: str):
    store = open_store(f"{store_url}&options=-c%20statement_timeout%3D7000", statement_timeout_s=SHORT_S)
    with store.read() as session:
        assert limits(session) == ["7s", "1s"]
    store.close()


def test_an_upgrade_is_exempt_before_it_waits_for_another(empty_url: str):
    store = open_store(empty_url, statement_timeout_s=SHORT_S)
    sent: list[str] = []
    event.listen(store.writer, "before_cursor_execute", lambda _c, _cursor, statement, *_: sent.append(statement))

    assert upgrade(store)

    waits = next(n for n, one in enumerate(sent) if "pg_advisory_xact_lock" in one)
    assert "SET LOCAL statement_timeout = 0" in sent[:waits]
    with store.read() as session:
        assert limits(session) == ["1s", "1s"]
    store.close()


def test_bytes_are_freed_without_a_limit_that_holds_again_afterwards(limited: Store, statements: list[str]):
    free_bytes(limited)

    vacuum = next(n for n, one in enumerate(statements) if one.startswith("VACUUM"))
    assert "SET statement_timeout = 0" in statements[:vacuum]
    with limited.read() as session:
        assert limits(session) == ["1s", "1s"]
