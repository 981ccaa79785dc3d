"""Open the database and hand out transactions.

    with store.write() as session:   # one transaction; committed on clean exit, here and nowhere else
        ...

On SQLite a write starts with BEGIN IMMEDIATE: a transaction that reads first
and writes later would otherwise fail half-way with "database is locked", however
long the busy timeout is. Reads are one snapshot on both stores.
"""

import os
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import Session, sessionmaker

from polling.errors import StoreError
from polling.store.stamp import Stamps

__all__ = ["Store", "open_store", "sqlite_module"]

BUSY_TIMEOUT_MS = 30_000
CONNECTING = {"connect_timeout": 5, "keepalives_idle": 10, "keepalives_interval": 5, "tcp_user_timeout": 10_000}
"""To a PostgreSQL server: seconds, but for the milliseconds after which unacknowledged bytes end a connection."""

_WRITE_URL = "write sqlite:///file.db or postgresql://user@host/name"


class Store:
    """An open database; share it between threads, make one per process."""

    def __init__(self, url: URL, *, reader: Engine, writer: Engine) -> None:
        self.url = url
        self._reader = reader
        self._writer = writer
        # Records outlive their session, so nothing may expire and reload behind a caller's back.
        self._read_session = sessionmaker(reader, expire_on_commit=False)
        self._write_session = sessionmaker(writer, expire_on_commit=False)
        self._stamps = Stamps(reader)

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self._writer.dialect.name

    @property
    def path(self) -> Path | None:
        """The file of an SQLite database; None on PostgreSQL."""
        return Path(str(self.url.database)) if self.dialect == "sqlite" else None

    @property
    def writer(self) -> Engine:
        """The engine itself, for migrations and for `hustings doctor`."""
        return self._writer

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Run one transaction that may write; commit on clean exit, else roll everything back."""
        with self._write_session() as session, session.begin():
            # SQLAlchemy begins lazily; the lock has to be held before the first read.
            session.connection()
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Read from one snapshot; writing is an error."""
        with self._read_session() as session, session.begin():
            session.connection()
            yield session

    def stamp(self) -> Hashable:
        """What is stored now, by name: between two equal stamps nothing was committed, so that what was read after
        the first is still right. Costs microseconds on SQLite, one round trip on PostgreSQL.

        Raises
        ------
        sqlalchemy.exc.OperationalError
            If the database does not answer.
        """
        return self._stamps.now()

    def close(self) -> None:
        """Close every connection."""
        self._stamps.close()
        self._reader.dispose()
        self._writer.dispose()


def open_store(url: str, *, statement_timeout_s: float = 0.0) -> Store:
    """Open the database at ``url``; its schema is neither made nor checked here.

    Parameters
    ----------
    url
        ``sqlite:///relative.db``, ``sqlite:////absolute.db`` or
        ``postgresql://user@host/name`` (psycopg 3 is the driver either way).
    statement_timeout_s
        A statement that PostgreSQL works on, or that waits for a lock, for longer is ended with an
        ``OperationalError``, and a transaction that waits as long for its process loses its connection; 0: neither
        is. ``polling.store.dialect.without_limit`` exempts a transaction.

    Raises
    ------
    StoreError
        If the URL is not of these, or its driver is not installed.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        # The text may hold a password, so it is not repeated.
        raise StoreError(f"the database URL cannot be read; {_WRITE_URL}") from None
    match parsed.drivername:
        case "sqlite":
            return _open_sqlite(parsed)
        case "postgresql" | "postgresql+psycopg":
            return _open_postgresql(parsed.set(drivername="postgresql+psycopg"), statement_timeout_s)
        case other:
            raise StoreError(f"there is no store for {other!r} databases; {_WRITE_URL}")


def _open_sqlite(url: URL) -> Store:
    if not url.database or url.database == ":memory:":
        raise StoreError("an SQLite database in memory cannot be shared; name a file: sqlite:///file.db")
    path = Path(url.database)
    if not path.parent.is_dir():
        raise StoreError(f"directory {path.parent} of database {path.name} does not exist; make it first")
    if not path.exists():
        # Survey answers lie here: readable by the owner only. SQLite gives its -wal and -shm the same mode.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    module = sqlite_module()
    writer = create_engine(url, module=module)
    reader = create_engine(url, module=module)
    _prepare_sqlite(writer, begin="BEGIN IMMEDIATE", pragmas=())
    _prepare_sqlite(reader, begin="BEGIN", pragmas=("query_only=ON",))
    return Store(url, reader=reader, writer=writer)


def sqlite_module() -> ModuleType:
    """The newest SQLite at hand: several years of builds before 3.51.3 can corrupt a WAL when it is reset."""
    try:
        return import_module("pysqlite3.dbapi2")
    except ImportError:
        return import_module("sqlite3")


def _prepare_sqlite(engine: Engine, *, begin: str, pragmas: tuple[str, ...]) -> None:
    # synchronous=FULL: a wave that was acknowledged survives a power cut, not only a killed process.
    # secure_delete: what is erased is overwritten. temp_store: no answers in temporary files.
    every = (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        "foreign_keys=ON",
        "synchronous=FULL",
        "secure_delete=ON",
        "temp_store=MEMORY",
        *pragmas,
    )

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:
        # None: the driver begins nothing by itself, so that the BEGIN below is the only one.
        connection.isolation_level = None
        for pragma in every:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)


def _open_postgresql(url: URL, statement_timeout_s: float) -> Store:
    # A server that is gone without a word must not hold a request for minutes. The URL's own words count more.
    patience = {name: value for name, value in CONNECTING.items() if name not in url.query}
    try:
        writer = create_engine(url, pool_pre_ping=True, connect_args=patience)
    except ModuleNotFoundError as error:
        raise StoreError(f"PostgreSQL needs the package {error.name!r}: install hustings[postgres]") from None
    if statement_timeout_s:
        _limit_statements(writer, statement_timeout_s, own=str(url.query.get("options", "")))
    # A second view of the same pool. Repeatable read, so that several statements see one state, as on SQLite.
    reader = writer.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return Store(url, reader=reader, writer=writer)


def _limit_statements(engine: Engine, limit_s: float, *, own: str) -> None:
    """End what takes longer; of the two limits those that the URL's own ``options`` set stay."""
    limits = ("statement_timeout", "idle_in_transaction_session_timeout")
    chosen = [name for name in limits if name not in own]

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:
        # Not among the options of the connection, which poolers in front of the server refuse.
        for name in chosen:
            connection.execute(f"SET {name} = {max(1, round(1000 * limit_s))}")
        connection.commit()
