"""Free the bytes of what was deleted, so that nobody reads them from the disk.

SQLite: ``secure_delete`` (``polling.store.engine``) overwrites what is deleted; VACUUM then writes the file anew, which
leaves no copies in half-empty pages, and a truncating checkpoint empties the write-ahead log. PostgreSQL: VACUUM FULL
writes the tables with answers anew, with what they hold outside of their rows; it keeps versions that an older
transaction could still see, so it waits for those. Its own write-ahead log goes as the server recycles it.

Readers or writers may be in the way. Then nothing is broken, the bytes are not free, and it has to be done again.
"""

import time

from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from polling.errors import BytesHeld
from polling.store.engine import Store, sqlite_module

__all__ = ["free_bytes"]

PATIENCE_S = 10
IN_MEMORY = 256_000_000
_TABLES = "wave_part, fit, fit_draws"


def free_bytes(store: Store, *, patience_s: float = PATIENCE_S) -> None:
    """Write the database anew without what was deleted; in no transaction, and again if it was interrupted.

    Parameters
    ----------
    patience_s
        How long to wait for others, per step.

    Raises
    ------
    BytesHeld
        If others are in the way for longer.
    """
    if store.path is None:
        _free_postgresql(store, patience_s)
    else:
        _free_sqlite(store, patience_s)


def _free_sqlite(store: Store, patience_s: float) -> None:
    assert store.path is not None
    module = sqlite_module()
    connection = module.connect(store.path, isolation_level=None, timeout=patience_s)
    try:
        connection.execute("PRAGMA secure_delete=ON")
        # A file only for what memory should not hold; what it holds is what is left, and it has no name.
        kind = "MEMORY" if store.path.stat().st_size < IN_MEMORY else "FILE"
        connection.execute(f"PRAGMA temp_store={kind}")
        connection.execute("VACUUM")
        (busy, *_), *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        if busy:
            raise BytesHeld("somebody reads an older state of the database")
    except module.OperationalError as error:
        if "locked" not in str(error) and "busy" not in str(error):
            raise
        raise BytesHeld(f"somebody uses the database ({error})") from error
    finally:
        connection.close()


def _free_postgresql(store: Store, patience_s: float) -> None:
    with store.writer.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        now = connection.scalar(text("SELECT pg_current_xact_id()::xid"))
        # A negative age: no other transaction is older.
        older = text(
            "SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database() "
            "AND backend_xmin IS NOT NULL AND age(backend_xmin) > age(CAST(:now AS xid))"
        )
        deadline = time.monotonic() + patience_s
        while connection.scalar(older, {"now": str(now)}):
            if time.monotonic() > deadline:
                raise BytesHeld("an older transaction is still open")
            time.sleep(0.05)
        connection.execute(text(f"SET lock_timeout = {int(patience_s * 1000)}"))
        limit = connection.scalar(text("SHOW statement_timeout"))
        connection.execute(text("SET statement_timeout = 0"))  # a large table takes its time
        try:
            connection.execute(text(f"VACUUM (FULL) {_TABLES}"))
        except OperationalError as error:
            raise BytesHeld("somebody uses the tables") from error
        finally:
            connection.execute(text("RESET lock_timeout"))
            connection.execute(text(f"SET statement_timeout = '{limit}'"))
