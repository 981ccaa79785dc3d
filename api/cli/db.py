"""``hustings db``: the schema of the database."""

import click

from api.cli.output import as_json, print_json
from api.cli.runtime import Runtime

__all__ = ["db"]


@click.group(short_help="Upgrade the database, or show its state.")
def db() -> None:
    """The database named by the setting database_url, or SQLite in data_dir."""


@db.command()
@click.pass_obj
def upgrade(runtime: Runtime) -> None:
    """Bring the schema to the version that this program needs.

    SQLite is copied first; if the upgrade fails, the copy is put back.
    """
    from api.prepare import make_data_dir
    from jobs import ledger
    from polling.store.engine import open_store
    from polling.store.schema import REVISIONS, current_revision
    from polling.store.schema import upgrade as upgrade_schema

    make_data_dir(runtime.settings)
    store = open_store(runtime.settings.store_url)
    try:
        before = current_revision(store)
        if changed := upgrade_schema(store):
            with store.write() as session:
                ledger.record(
                    session,
                    runtime.secrets,
                    actor=ledger.cli_actor(),
                    action="database-upgraded",
                    detail={"from": before, "to": REVISIONS[-1]},
                    now=runtime.now(),
                )
    finally:
        store.close()
    click.echo(f"The database {'was upgraded to' if changed else 'already has'} schema {REVISIONS[-1]}.")


@db.command()
@as_json
@click.pass_obj
def status(runtime: Runtime, json_: bool) -> None:
    """Show which schema the database has. Exit code 3 if it cannot be used as it is."""
    from api.prepare import is_brand_new
    from polling.errors import SchemaOutdated, SchemaTooNew
    from polling.store.engine import open_store
    from polling.store.schema import REVISIONS, current_revision, require_current

    settings = runtime.settings
    problem: str | None = None
    found: str | None = None
    database = settings.data_dir / "hustings.sqlite3"
    if not settings.database_url and not database.exists():
        problem = f"There is no database {database} yet. `hustings serve` or `hustings db upgrade` makes it."
    else:
        store = open_store(settings.store_url)
        try:
            found = current_revision(store)
            if is_brand_new(store):
                problem = "The database is empty. The first command that uses it, or `hustings db upgrade`, makes it."
            else:
                require_current(store)
        except (SchemaOutdated, SchemaTooNew) as error:
            problem = str(error)
        finally:
            store.close()
    if json_:
        print_json({"schema": found, "needed": REVISIONS[-1], "usable": problem is None, "problem": problem})
    elif problem is None:
        click.echo(f"The database has schema {found}, the one that this version needs.")
    else:
        click.echo(problem, err=True)
    if problem is not None:
        raise click.exceptions.Exit(3)
