"""Tell whether anything was committed since one looked, without reading any of it.

Equal stamps mean that the same is stored: what was read after the first is still right at the second. On SQLite it is
``PRAGMA data_version``, which compares a counter in shared memory; on PostgreSQL ``pg_current_snapshot()``, which is
what decides what a transaction sees: a write-ahead position would move before the commit can be seen.
"""

import threading
from collections.abc import Hashable
from typing import Any, Final

from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

__all__ = ["Stamps"]

ASK: Final = {"sqlite": "PRAGMA data_version", "postgresql": "SELECT pg_current_snapshot()::text"}


class Stamps:
    """Asks for stamps on a connection of its own, which threads share."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._statement = ASK[engine.dialect.name]
        self._lock = threading.Lock()
        self._connection: Any = None
        self._n_connections = 0

    def now(self) -> Hashable:
        """What is stored now, by name; comparable with other stamps of this object alone.

        Raises
        ------
        sqlalchemy.exc.OperationalError
            If the database does not answer.
        """
        with self._lock:
            try:
                if self._connection is None:
                    self._connect()
                cursor = self._connection.cursor()
                try:
                    # Counters of SQLite count for one connection, hence the number of the connection.
                    return self._n_connections, cursor.execute(self._statement).fetchone()[0]
                finally:
                    cursor.close()
            except self._engine.dialect.loaded_dbapi.Error as error:
                self._drop()
                raise OperationalError(self._statement, {}, error) from error
            except BaseException:
                self._drop()
                raise

    def close(self) -> None:
        """Close the connection; the next stamp opens another."""
        with self._lock:
            self._drop()

    def _connect(self) -> None:
        pooled = self._engine.raw_connection()
        self._connection = pooled.driver_connection
        # Taken out of the pool, which would begin and end a transaction around every question.
        pooled.detach()
        self._n_connections += 1
        if self._engine.dialect.name == "postgresql":
            self._connection.autocommit = True

    def _drop(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.close()
