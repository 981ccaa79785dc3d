"""What can be wrong with a deployment, one function per thing; each says what was found and what to do about it.

A check changes nothing. Those of the machine need no database; those of the database are asked only if it can be used.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from api.cli.runtime import Runtime
from jobs.settings import Settings
from polling.store.engine import Store

__all__ = ["Finding", "check_up", "has_database"]

_LEAST_FREE = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check saw."""

    ok: bool
    found: str
    remedy: str = ""
    """What to do, where something has to be mended."""


def check_up(runtime: Runtime) -> Iterator[tuple[str, Finding]]:
    """Every check with its finding; one that breaks is a finding itself."""
    from api import checkup_database as database

    settings = runtime.settings
    machine: dict[str, Callable[[], Finding]] = {
        "python": _python,
        "platform": lambda: _platform(settings),
        "libraries": _libraries,
        "sqlite": _sqlite,
        "disk space": lambda: _disk_space(settings),
        "cache folder": lambda: _cache_folder(settings),
        "kernels": lambda: _kernels(settings),
        "restore": lambda: _restore(settings),
        "database": lambda: database.schema(runtime),
    }
    usable = False
    for name, look in machine.items():
        finding = _tried(look)
        usable = name == "database" and finding.ok and has_database(settings)
        yield name, finding
    yield "secrets file", _tried(lambda: database.secrets(runtime, usable=usable))
    if not usable:
        return
    from polling.store.engine import open_store

    store = open_store(settings.store_url)
    try:
        for name, ask in database.CHECKS.items():
            yield name, _tried(_bound(ask, store, runtime))
    finally:
        store.close()


def has_database(settings: Settings) -> bool:
    """Whether there is something to connect to; a first start makes the default database."""
    return bool(settings.database_url) or (settings.data_dir / "hustings.sqlite3").exists()


def _bound(ask: Callable[[Store, Runtime], Finding], store: Store, runtime: Runtime) -> Callable[[], Finding]:
    return lambda: ask(store, runtime)


def _tried(look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except Exception as error:  # a check that breaks is a finding
        return Finding(False, f"{type(error).__name__}: {error}")


def _python() -> Finding:
    import platform
    import sys

    found = f"{platform.python_version()} at {sys.executable}"
    return Finding(sys.version_info >= (3, 12), found, "Install Python 3.12 or newer.")


def _platform(settings: Settings) -> Finding:
    import platform
    import sys

    found = f"{platform.system()} {platform.release()}, {platform.machine()}"
    if sys.platform == "linux":
        return Finding(True, found)
    lacks = [
        "files are parsed without a limit on memory",
        "the fit of a killed worker runs to its end",
        "checks have no niceness",
    ]
    if settings.fit_memory_mb:
        lacks.append("fit_memory_mb is not kept")
    return Finding(
        False, f"{found}: {', '.join(lacks)}", "Serve from Linux; this system is good for trying things out."
    )


def _libraries() -> Finding:
    from importlib.metadata import version

    wanted = ("hustings", "litestar", "sqlalchemy", "polars", "numpy", "pymc", "nutpie", "granian")
    return Finding(True, ", ".join(f"{name} {version(name)}" for name in wanted))


def _sqlite() -> Finding:
    from polling.store.engine import sqlite_module

    found = str(sqlite_module().sqlite_version)
    sound = tuple(map(int, found.split("."))) >= (3, 51, 3)
    return Finding(sound, found, "Builds before 3.51.3 can corrupt a database: install the package pysqlite3.")


def _disk_space(settings: Settings) -> Finding:
    found, tight = [], False
    for folder in dict.fromkeys((settings.data_dir, settings.backup_dir)):
        free = shutil.disk_usage(_existing(folder)).free
        needed = max(_LEAST_FREE, 3 * _size(settings.data_dir / "hustings.sqlite3"))
        found.append(f"{free / 1e9:,.1f} GB free for {folder}")
        tight = tight or free < needed
    return Finding(not tight, ", ".join(dict.fromkeys(found)), "Make room: a backup or an upgrade needs a copy.")


def _cache_folder(settings: Settings) -> Finding:
    folder = settings.kernel_cache
    writable = os.access(_existing(folder), os.W_OK | os.X_OK)
    return Finding(
        writable, str(folder), "It cannot be written to: set cache_dir, or every fit compiles its model anew."
    )


def _kernels(settings: Settings) -> Finding:
    from importlib.util import find_spec

    spec = find_spec("mrp.laplace")
    beside = Path(str(spec.origin)).parent / "__pycache__" if spec else Path()
    compiled = [*beside.glob("kernels*.nbi"), *(settings.kernel_cache / "numba").glob("*/kernels*.nbi")]
    # Not a fault: the first fit does it.
    found = "compiled" if compiled else "not compiled yet; `python -m mrp.laplace` saves the first fit half a minute"
    return Finding(True, found)


def _restore(settings: Settings) -> Finding:
    from jobs.at_work import unfinished_restore

    pending = unfinished_restore(settings)
    if pending is None:
        return Finding(True, "none is unfinished")
    return Finding(False, f"the restore of {pending} was interrupted", f"Run `hustings restore {pending}` again.")


def _existing(folder: Path) -> Path:
    folder = folder.absolute()
    return next(one for one in (folder, *folder.parents) if one.exists())


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0
