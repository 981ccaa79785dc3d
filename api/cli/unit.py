"""``hustings unit``: the service as a unit of systemd."""

from pathlib import Path

import click

from api.cli.refusals import USAGE, Refusal
from api.cli.runtime import Runtime

__all__ = ["unit"]


@click.command(short_help="Print a unit for systemd.")
@click.option(
    "--role",
    type=click.Choice(("serve", "api", "worker")),
    default="serve",
    show_default=True,
    help="Web server with a worker, web server alone, or a worker.",
)
@click.option("--user", default="hustings", show_default=True, help="The user that it runs as; not root.")
@click.option("--memory-max", metavar="SIZE", help="Memory that it may use with all its processes, such as 4G.")
@click.pass_obj
def unit(runtime: Runtime, *, role: str, user: str, memory_max: str | None) -> None:
    """Print a unit file for systemd with the paths of this installation and its settings.

    Standard error has the commands that make the user and the folders. The settings are those of the settings file
    in force; a unit does not see the environment variables of this shell.
    """
    import re

    if not re.fullmatch(r"[a-z_][a-z0-9_-]{0,31}", user) or user in ("root", "nobody"):
        raise Refusal(f"--user {user!r} is no user to run a service as: give it one of its own.", USAGE)
    if memory_max and not re.fullmatch(r"[1-9][0-9]*[KMGT]?", memory_max):
        raise Refusal(f"--memory-max {memory_max!r} is no size: write a number of bytes, or 512M, or 4G.", USAGE)
    import os

    from api.systemd_unit import Unit
    from jobs.settings import NOT_SETTINGS, PREFIX, load_settings, settings_file

    file = settings_file(runtime.settings_file)
    made = Unit(
        role=role,
        settings=load_settings(file, environ={}),
        settings_file=file.absolute() if file else None,
        folder=file.absolute().parent if file else Path.cwd(),
        user=user,
        memory_max=memory_max,
    )
    click.echo(made.text(), nl=False)
    if ignored := sorted(name for name in os.environ if name.startswith(PREFIX) and name not in NOT_SETTINGS):
        click.echo(f"# Not in the unit: {', '.join(ignored)}. Write these settings into the settings file.", err=True)
    click.echo("# Once, as root, before the first start:", err=True)
    for line in made.preparation():
        click.echo(line, err=True)
