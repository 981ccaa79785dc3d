"""Copy a database that is in use into one file, check such a file, and put it back.

SQLite: ``VACUUM INTO``, one snapshot while others write; what was deleted is not in it. PostgreSQL: ``pg_dump`` in its
own compressed format, one snapshot as well, read back by ``pg_restore``. Neither file holds a secret: the secrets file
is not in the database. Where the files lie, what they are called and how long they are kept is ``jobs.backup``'s.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from sqlalchemy import URL, text

from polling.errors import StoreError
from polling.store.engine import Store, sqlite_module
from polling.store.tables import Base

__all__ = ["check_copy", "copy_database", "load_postgresql", "others_connected"]


def copy_database(store: Store, target: Path) -> None:
    """Write the database as it is at one moment to a new file, readable by its owner only.

    Raises
    ------
    StoreError
        If the tools are missing or fail, or the disk is full; the file may be there in part.
    """
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    if store.path is not None:
        _copy_sqlite(store.path, target)
    else:
        _run_pg(store.url, "pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={target}")
    _sync(target)


def check_copy(file: Path, dialect: str) -> None:
    """Read a copy from end to end.

    Raises
    ------
    StoreError
        If it is not whole.
    """
    if dialect == "sqlite":
        _check_sqlite(file)
    else:
        # Written out as statements: every block is inflated and looked at.
        _run("pg_restore", "--file=/dev/null", str(file))


def load_postgresql(store: Store, file: Path) -> None:
    """Replace the content of a PostgreSQL database by that of a copy, in one transaction.

    Raises
    ------
    StoreError
        If the copy cannot be read or loaded; the database is as it was.
    """
    names = ", ".join(f'"{name}"' for name in (*Base.metadata.tables, "alembic_version"))
    clear = (
        f"SET client_min_messages = warning; DROP TABLE IF EXISTS {names} CASCADE; "
        "DROP FUNCTION IF EXISTS audit_entry_refuse() CASCADE;"
    )
    with tempfile.TemporaryDirectory(dir=file.parent, prefix=".restore-") as folder:
        script = Path(folder) / "statements.sql"
        # A whole file first: a pipe that breaks off would look to psql like the end of the script, and be committed.
        _run("pg_restore", "--no-owner", "--no-privileges", f"--file={script}", str(file))
        store.close()
        quiet = ("--no-psqlrc", "--quiet", "--output=/dev/null", "--set=ON_ERROR_STOP=1", "--single-transaction")
        _run_pg(store.url, "psql", *quiet, f"--command={clear}", f"--file={script}")


def others_connected(store: Store) -> int:
    """Sessions on a PostgreSQL database besides this one; 0 on SQLite, where files are locked instead."""
    if store.dialect != "postgresql":
        return 0
    store.close()
    query = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )
    with store.read() as session:
        return int(session.scalar(text(query)) or 0)


def _copy_sqlite(source: Path, target: Path) -> None:
    module = sqlite_module()
    try:
        connection = module.connect(f"file:{source.resolve()}?mode=ro", uri=True, isolation_level=None, timeout=30)
        try:
            connection.execute("PRAGMA temp_store=MEMORY")
            connection.execute("VACUUM INTO ?", (str(target),))
        finally:
            connection.close()
    except module.Error as error:
        raise StoreError(f"The database {source} cannot be copied: {error}.") from error


def _check_sqlite(file: Path) -> None:
    module = sqlite_module()
    try:
        connection = module.connect(f"file:{file.resolve()}?mode=ro&immutable=1", uri=True)
        try:
            found = connection.execute("PRAGMA integrity_check").fetchone()[0]
            orphan = connection.execute("PRAGMA foreign_key_check").fetchone()
            connection.execute("SELECT version_num FROM alembic_version")
        finally:
            connection.close()
    except module.Error as error:
        raise StoreError(f"{file} is no whole database of hustings: {error}.") from error
    if found != "ok" or orphan is not None:
        raise StoreError(f"{file} is damaged: {found if found != 'ok' else 'rows refer to nothing'}.")


def _run_pg(url: URL, tool: str, *arguments: str) -> None:
    """Run a client program against the database; the password goes by the environment, which others cannot list."""
    environment = {**os.environ, **({"PGPASSWORD": str(url.password)} if url.password else {})}
    plain = url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    _run(tool, *arguments, f"--dbname={plain}", environment=environment)


def _run(tool: str, *arguments: str, environment: dict[str, str] | None = None) -> None:
    if shutil.which(tool) is None:
        raise StoreError(f"{tool} is not on the PATH. Install the PostgreSQL client programs of the server's version.")
    done = subprocess.run(
        [tool, *arguments], capture_output=True, text=True, check=False, env=environment, errors="replace"
    )
    if done.returncode != 0:
        # The first complaint; later lines quote statements, and statements could quote data.
        said = next((line for line in done.stderr.splitlines() if line.strip()), f"exit status {done.returncode}")
        raise StoreError(f"{tool} failed: {said}")


def _sync(file: Path) -> None:
    for path in (file, file.parent):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
