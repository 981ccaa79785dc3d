"""Stores for tests: every test that takes ``store`` runs on SQLite and on PostgreSQL.

PostgreSQL is a throw-away server on a unix socket, started once per session and
only if a test needs it; every test gets its own database. Copying a template and
dropping the copy takes up to a second on a busy machine, so a database that a test
left with the current schema is emptied and used again.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from polling.errors import PollingError
from polling.store.engine import Store, open_store
from polling.store.schema import require_current, upgrade
from polling.store.tables import Base

POSTGRES_TOOLS = ("initdb", "postgres")
LONG = ("tests/jobs/test_wave_machine", "tests/recovery/", "tests/faults/", "tests/mrp/")
"""Beginnings of what takes longest; it goes first, so that no core is left with a minute's file at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: next((i for i, one in enumerate(LONG) if item.nodeid.startswith(one)), len(LONG)))


class PostgresServer:
    """A server for one test session; nothing of it survives."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers = count(1)
        self._clean: list[str] = []
        self._as_user = ["setpriv", "--pdeathsig", "TERM"]
        if os.geteuid() == 0:
            # PostgreSQL refuses to run as root.
            self._as_user += ["--reuid=nobody", "--regid=nogroup", "--clear-groups"]
            shutil.chown(folder, "nobody", "nogroup")
        self._run("initdb", "--no-sync", "--auth=trust", "--username=hustings", "--encoding=UTF8", f"{folder}/data")
        self.start()

    def start(self) -> None:
        """Start, or start again after ``stop``."""
        quick = ["-F", "-c", "full_page_writes=off", "-c", "max_connections=60", "-c", "timezone=Europe/Paris"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._as_user, "postgres", "-D", f"{self.folder}/data", "-k", str(self.folder), "-h", "", *quick],
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )
        self._wait()

    def url(self, database: str) -> str:
        return f"postgresql://hustings@/{database}?host={self.folder}"

    def execute(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(host=str(self.folder), user="hustings", dbname="postgres", autocommit=True) as connection:
            connection.execute(statement.encode())

    def create(self, *, template: str = "template1") -> str:
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def take(self, *, template: str) -> str:
        """An empty database with the template's schema."""
        return self._clean.pop() if self._clean else self.create(template=template)

    def give_back(self, name: str) -> None:
        """Empty a database for the next test, or drop it if its schema was changed."""
        self.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        store = open_store(self.url(name))
        try:
            require_current(store)
            with store.write() as session:
                # Without triggers: those of the audit chain refuse deletions.
                session.execute(text("SET LOCAL session_replication_role = replica"))
                # A few rows: deleting them is quicker than TRUNCATE, which makes new files.
                for table in reversed(Base.metadata.sorted_tables):
                    session.execute(table.delete())
                session.execute(text("ALTER SEQUENCE outbox_id_seq RESTART"))
        except (PollingError, DBAPIError):
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")
        else:
            self._clean.append(name)
        finally:
            store.close()

    def stop(self) -> None:
        self._process.send_signal(signal.SIGINT)  # fast shutdown
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _run(self, *command: str) -> None:
        done = subprocess.run([*self._as_user, *command], capture_output=True, text=True, check=False, cwd=self.folder)
        assert done.returncode == 0, done.stderr

    def _wait(self) -> None:
        import psycopg

        deadline = time.monotonic() + 30
        while True:
            try:
                self.execute("SELECT 1")
            except psycopg.OperationalError:
                log = (self.folder / "log").read_text()
                assert self._process.poll() is None, log
                assert time.monotonic() < deadline, log
                time.sleep(0.05)
            else:
                return


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    missing = [tool for tool in POSTGRES_TOOLS if shutil.which(tool) is None]
    if missing:
        reason = f"PostgreSQL server binaries are not on PATH: {', '.join(missing)}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    # Short, because a socket's path has at most 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="hst"))
    try:
        server = PostgresServer(folder)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def _postgres_template(postgres_server: PostgresServer) -> str:
    name = postgres_server.create()
    migrate(postgres_server.url(name))
    return name


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "hustings.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(_sqlite_template: Path, tmp_path: Path) -> str:
    """URL of a fresh SQLite database with the current schema."""
    path = tmp_path / "hustings.db"
    shutil.copy(_sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def store_kind(request: pytest.FixtureRequest) -> str:
    """Names the store of this run of the test."""
    return str(request.param)


@pytest.fixture
def store_url(store_kind: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """URL of a fresh database with the current schema, once per kind of store."""
    if store_kind == "sqlite":
        yield request.getfixturevalue("sqlite_url")
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = server.take(template=request.getfixturevalue("_postgres_template"))
    yield server.url(name)
    server.give_back(name)


@pytest.fixture
def empty_url(store_kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of a database without any schema, once per kind of store."""
    if store_kind == "sqlite":
        yield f"sqlite:///{tmp_path}/empty.db"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = server.create()
    yield server.url(name)
    server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def open_stores() -> Iterator[Callable[[str], Store]]:
    """Opens stores and closes them after the test."""
    opened: list[Store] = []

    def open_one(url: str) -> Store:
        opened.append(open_store(url))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(store_url: str, open_stores: Callable[[str], Store]) -> Store:
    """A fresh store with the current schema, once per kind of store."""
    return open_stores(store_url)


@pytest.fixture
def sqlite_store(sqlite_url: str, open_stores: Callable[[str], Store]) -> Store:
    """A fresh SQLite store with the current schema, where the kind of store does not matter."""
    return open_stores(sqlite_url)


def migrate(url: str) -> None:
    store = open_store(url)
    upgrade(store)
    store.close()
