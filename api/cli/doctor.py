"""``hustings doctor``: is everything in place, and which settings are in force?"""

from collections.abc import Callable, Iterator

import click

from api.cli.output import as_json, print_json, print_table
from api.cli.runtime import Runtime

__all__ = ["doctor"]


@click.command(short_help="Check the installation and print every setting.")
@as_json
@click.pass_obj
def doctor(runtime: Runtime, json_: bool) -> None:
    """Check interpreter, libraries, database and secrets; print every setting with its value.

    Changes nothing. Exit code 1 if something has to be mended.
    """
    from jobs.settings import settings_table

    settings = runtime.settings
    checks = [{"check": name, "ok": ok, "found": found} for name, ok, found in _checks(runtime)]
    rows = [
        {
            "name": row.name,
            "type": row.type,
            "value": _hidden(row.name, getattr(settings, row.name)),
            "default": row.default,
            "variable": row.variable,
            "meaning": row.meaning,
        }
        for row in settings_table()
    ]
    healthy = all(check["ok"] for check in checks)
    if json_:
        print_json({"ok": healthy, "checks": checks, "settings": rows})
    else:
        print_table(
            ("", "check", "found"), [("ok" if one["ok"] else "MEND", one["check"], one["found"]) for one in checks]
        )
        click.echo("\nSettings: defaults, then hustings.toml, then the environment (HUSTINGS_ and the name).")
        print_table(("setting", "value", "meaning"), [(row["name"], row["value"], row["meaning"]) for row in rows])
    if not healthy:
        raise click.exceptions.Exit(1)


def _checks(runtime: Runtime) -> Iterator[tuple[str, bool, str]]:
    for name, look in (
        ("python", _python),
        ("libraries", _libraries),
        ("sqlite", _sqlite),
        ("database", lambda: _database(runtime)),
        ("secrets file", lambda: _secrets(runtime)),
    ):
        yield (name, *_tried(look))


def _tried(look: Callable[[], tuple[bool, str]]) -> tuple[bool, str]:
    try:
        return look()
    except Exception as error:  # a check that breaks is a finding
        return False, f"{type(error).__name__}: {error}"


def _python() -> tuple[bool, str]:
    import platform
    import sys

    return sys.version_info >= (3, 12), f"{platform.python_version()} at {sys.executable}"


def _libraries() -> tuple[bool, str]:
    from importlib.metadata import version

    wanted = ("hustings", "litestar", "sqlalchemy", "polars", "numpy", "pymc", "nutpie", "granian")
    return True, ", ".join(f"{name} {version(name)}" for name in wanted)


def _sqlite() -> tuple[bool, str]:
    from polling.store.engine import sqlite_module

    found = str(sqlite_module().sqlite_version)
    sound = tuple(map(int, found.split("."))) >= (3, 51, 3)
    return sound, found if sound else f"{found}: builds before 3.51.3 can corrupt a database; install pysqlite3"


def _database(runtime: Runtime) -> tuple[bool, str]:
    from polling.store.engine import open_store
    from polling.store.schema import current_revision, require_current

    settings = runtime.settings
    file = settings.data_dir / "hustings.sqlite3"
    if _is_to_be_made(runtime):
        return True, f"{file} does not exist yet; it is made at the first start"
    store = open_store(settings.store_url)
    try:
        require_current(store)
        return True, f"{store.dialect}, schema {current_revision(store)}"
    finally:
        store.close()


def _secrets(runtime: Runtime) -> tuple[bool, str]:
    file = runtime.settings.secrets_file
    mode = file.stat().st_mode & 0o777 if file.exists() else 0o600
    if mode & 0o077:
        return False, f"{file}, mode {mode:04o}: others can read it; chmod 600"
    if (missing := _missing_secret(runtime)) is not None:
        return False, missing
    return True, f"{file}, mode {mode:04o}" if file.exists() else f"{file} does not exist yet; made when first needed"


def _missing_secret(runtime: Runtime) -> str | None:
    """What the file lacks of the secrets on which stored keys and waves depend."""
    from api.keys import keys_in_use
    from polling.errors import SecretsError
    from polling.secrets import SecretsFile
    from polling.store import surveys, waves
    from polling.store.engine import open_store

    if _is_to_be_made(runtime) or not _tried(lambda: _database(runtime))[0]:
        return None  # the check of the database says why
    secrets = SecretsFile(runtime.settings.secrets_file)
    store = open_store(runtime.settings.store_url)
    try:
        with store.read() as session:
            if keys_in_use(session):
                secrets.pepper(used=True)
            for survey in surveys.list_surveys(session):
                if version := waves.key_version_used(session, survey.survey_id):
                    secrets.pseudonym_key(survey.survey_id, used=version)
    except SecretsError as error:
        return str(error)
    finally:
        store.close()
    return None


def _is_to_be_made(runtime: Runtime) -> bool:
    settings = runtime.settings
    return not settings.database_url and not (settings.data_dir / "hustings.sqlite3").exists()


def _hidden(name: str, value: object) -> str:
    """A value as it may be printed: a database URL may hold a password."""
    if name == "database_url" and value:
        from sqlalchemy import make_url

        return make_url(str(value)).render_as_string(hide_password=True)
    return "" if value is None else str(value)
