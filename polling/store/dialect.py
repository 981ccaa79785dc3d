"""The few words that SQLite and PostgreSQL do not share."""

from sqlalchemy import Connection, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from polling.store.tables import Base

__all__ = ["insert_into", "serialise", "without_limit"]

# Both dialects' inserts have the same upsert methods; SQLAlchemy has no common class for them.
type Upsert = postgresql.Insert


def insert_into(session: Session, table: type[Base]) -> Upsert:
    """An insert of this session's dialect, with ``on_conflict_do_update`` and ``on_conflict_do_nothing``."""
    if session.get_bind().dialect.name == "sqlite":
        return sqlite.insert(table)  # type: ignore[return-value]
    return postgresql.insert(table)


def serialise(session: Session, lock: int) -> None:
    """Let one transaction at a time past this point, until it ends.

    An SQLite transaction that writes has the whole database already.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": lock})


def without_limit(transaction: Session | Connection) -> None:
    """Let the rest of this transaction take its time, whatever the store's limit on statements is."""
    if isinstance(transaction, Session):
        transaction = transaction.connection()
    if transaction.dialect.name == "postgresql":
        transaction.execute(text("SET LOCAL statement_timeout = 0"))
        transaction.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
