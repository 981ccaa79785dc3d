"""A small world, and a server in a process of its own that answers from its database.

What the tests ask over a socket is found in the world: keys, releases, waves, and whatever they make in the meantime.
Fits are stood in for, so that nothing here takes longer than the server takes to start.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polling.keys import Role
from polling.store.engine import open_store
from tests.api.test_server import serving
from tests.api.world import World, make_world, wave_csv
from tests.conftest import PostgresServer, migrate

__all__ = ["Served", "new_database", "served_world"]


@dataclass(frozen=True)
class Served:
    """A world, and where it is served."""

    world: World
    address: str

    def headers(self, role: str = "admin") -> dict[str, str]:
        return self.world.bearer(role)


@contextmanager
def served_world(url: str, folder: Path, **settings: Any) -> Iterator[Served]:
    """Serve a world with two releases of one question, one of another, and a key of every role.

    Parameters
    ----------
    url
        Of a database with the current schema and nothing in it.
    settings
        Of the server; callers may ask as often as they like unless it says otherwise.
    """
    settings = {"key_rate": 0.0, **settings}
    store = open_store(url)
    world = make_world(store, folder, **settings)
    try:
        with world.client:
            world.release()
            world.release("w2", wave_csv(300, start=10_000))
            world.release("w3", wave_csv(start=20_000, questions=("rail", "tax")), question="tax")
            for role in Role:
                world.bearer(role)
        about = {"data_dir": folder, "secrets_file": folder / "secrets.toml", "database_url": url, **settings}
        with serving(folder, "--no-worker", "--quiet", **about) as (_, address):
            yield Served(world, address)
    finally:
        store.close()


@contextmanager
def new_database(kind: str) -> Iterator[tuple[str, Path]]:
    """URL of a database of this kind, and an empty folder beside it; both end with the context."""
    folder = Path(tempfile.mkdtemp(prefix="hst"))  # short: a socket's path has at most 107 characters
    server: PostgresServer | None = None
    try:
        url = f"sqlite:///{folder}/hustings.db"
        if kind == "postgresql":
            (folder / "server").mkdir()
            folder.chmod(0o755)
            server = PostgresServer(folder / "server")
            url = server.url(server.create())
        migrate(url)
        (folder / "world").mkdir()
        yield url, folder / "world"
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
