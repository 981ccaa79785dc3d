"""Which schema the database has, and how it comes to the one this version needs.

``upgrade`` runs the Alembic migrations in one transaction, one upgrade at a
time. A non-empty SQLite file is copied first (VACUUM INTO) and put back if the
upgrade fails, whatever a migration did with the transaction. The check at the
start of a process reads one row and does not load Alembic.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Inspector, inspect, text

from polling.errors import SchemaOutdated, SchemaTooNew, UpgradeFailed
from polling.store.dialect import without_limit
from polling.store.engine import Store, sqlite_module

__all__ = ["REVISIONS", "current_revision", "require_current", "upgrade"]

REVISIONS = (
    "0001",
    "0002",
    "0003",
    "0004",
    "0005",
    "0006",
    "0007",
    "0008",
    "0009",
    "0010",
    "0011",
    "0012",
    "0013",
    "0014",
    "0015",
)
"""Every schema this version knows, oldest first; the last is the one it needs."""

_MIGRATIONS = Path(__file__).parent / "migrations"
_UPGRADE_LOCK = 7_364_002


def require_current(store: Store) -> None:
    """Make sure that the database has the schema this version needs.

    Raises
    ------
    SchemaOutdated
        If it is older, or has none yet.
    SchemaTooNew
        If a newer version wrote it.
    """
    found = current_revision(store)
    if found is not None and found not in REVISIONS:
        raise SchemaTooNew(found, REVISIONS[-1])
    if found != REVISIONS[-1]:
        raise SchemaOutdated(found, REVISIONS[-1])


def current_revision(store: Store) -> str | None:
    """The schema of the database; None if it has none yet."""
    with store.writer.connect() as connection:
        return _revision(connection)


def upgrade(store: Store) -> bool:
    """Bring the database to the schema this version needs.

    Returns
    -------
    bool
        False if it had it already.

    Raises
    ------
    SchemaTooNew
        If a newer version wrote it.
    UpgradeFailed
        If a migration failed; the database is as it was before, or the message
        says where its copy lies.
    """
    with _one_at_a_time(store):
        try:
            require_current(store)
        except SchemaOutdated:
            with _copy_kept_meanwhile(store):
                _migrate(store)
            return True
        return False


@contextmanager
def _one_at_a_time(store: Store) -> Iterator[None]:
    if store.path is None:
        # PostgreSQL has advisory locks; see `_migrate`.
        yield
        return
    # Locking the database file itself would drop SQLite's own locks on it when the descriptor is closed.
    directory = os.open(store.path.resolve().parent, os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


def _migrate(store: Store) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with store.writer.connect() as connection:
        if store.dialect == "sqlite":
            # Rebuilding a table, SQLite's way to alter one, must not look like deleting its rows.
            _outside_transaction(connection, "PRAGMA foreign_keys=OFF")
        try:
            with connection.begin():
                if store.dialect == "postgresql":
                    without_limit(connection)
                    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _UPGRADE_LOCK})
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
                if store.dialect == "sqlite" and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
                    raise UpgradeFailed("the upgrade would leave rows that refer to nothing")
        finally:
            # The connection has its foreign keys off: it does not go back to the pool.
            connection.invalidate()


@contextmanager
def _copy_kept_meanwhile(store: Store) -> Iterator[None]:
    found, path = current_revision(store), store.path
    if path is None or found is None:
        try:
            yield
        except Exception as error:
            raise UpgradeFailed(f"The upgrade failed and nothing was changed: {error}") from error
        return
    copy = path.with_name(f"{path.name}.before-{REVISIONS[-1]}")
    _write_copy(store, copy)
    try:
        yield
    except Exception as error:
        try:
            _restore(store, copy)
        except Exception as second:
            message = f"The upgrade failed ({error}), and so did putting back the copy {copy}: {second}."
            raise UpgradeFailed(message) from error
        copy.unlink()
        raise UpgradeFailed(f"The upgrade failed and the database is as it was before: {error}") from error
    copy.unlink()


def _write_copy(store: Store, copy: Path) -> None:
    if copy.exists():
        # Left by an upgrade that was killed. Its transaction was never committed, so the copy is not needed if
        # the database is sound; if it is not, the copy may be all there is.
        with store.writer.connect() as connection:
            sound = connection.exec_driver_sql("PRAGMA integrity_check").scalar()
        if sound != "ok":
            raise UpgradeFailed(f"The database is damaged ({sound}). Its copy {copy} is from an earlier upgrade.")
        copy.unlink()
    # Made empty first, for the mode: the copy holds survey answers like the database.
    os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    with store.writer.connect() as connection:
        _outside_transaction(connection, "VACUUM INTO ?", (str(copy),))


def _restore(store: Store, copy: Path) -> None:
    store.close()
    module = sqlite_module()
    source, target = module.connect(copy), module.connect(store.path)
    try:
        source.backup(target)
    finally:
        target.close()
        source.close()


def _outside_transaction(connection: Connection, statement: str, values: tuple[str, ...] = ()) -> None:
    cursor = connection.connection.cursor()
    try:
        cursor.execute(statement, values)
    finally:
        cursor.close()


def _revision(connection: Connection) -> str | None:
    inspector: Inspector = inspect(connection)
    if not inspector.has_table("alembic_version"):
        return None
    revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if revision is None else str(revision)
