"""``hustings doctor``: is everything in place, and which settings are in force?"""

import click

from api.cli.output import as_json, print_json, print_table
from api.cli.runtime import Runtime

__all__ = ["doctor"]


@click.command(short_help="Check the installation and print every setting.")
@as_json
@click.pass_obj
def doctor(runtime: Runtime, json_: bool) -> None:
    """Check the machine, the database and what belongs to it; print every setting with its value.

    Changes nothing. Exit code 1 if something has to be mended, with what to do about it.
    """
    from api.checkup import check_up
    from jobs.settings import settings_table

    settings = runtime.settings
    checks = [
        {"check": name, "ok": seen.ok, "found": seen.found, "remedy": None if seen.ok else seen.remedy or None}
        for name, seen in check_up(runtime)
    ]
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
            ("", "check", "found", "what to do"),
            [("ok" if one["ok"] else "MEND", one["check"], one["found"], one["remedy"]) for one in checks],
        )
        click.echo("\nSettings: defaults, then hustings.toml, then the environment (HUSTINGS_ and the name).")
        print_table(("setting", "value", "meaning"), [(row["name"], row["value"], row["meaning"]) for row in rows])
    if not healthy:
        raise click.exceptions.Exit(1)


def _hidden(name: str, value: object) -> str:
    """A value as it may be printed: a database URL may hold a password."""
    if name == "database_url" and value:
        from sqlalchemy import make_url

        return make_url(str(value)).render_as_string(hide_password=True)
    return "" if value is None else str(value)
