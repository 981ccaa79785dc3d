"""The command line.

Every command is imported when it is called, so that ``hustings --help`` need
not wait for a database driver or a data frame library. Exit codes: 0 done;
1 the answer is no (faults were found, a fit is not publishable, a step of the
demo did not happen); 2 wrong usage (an unknown option, survey or setting);
3 the database, secrets file or server cannot be used.
"""

import os
import sys
from importlib import import_module
from pathlib import Path

import click

from api.cli.output import JSON_ASKED
from api.cli.refusals import refusal
from api.cli.runtime import Runtime

__all__ = ["COMMANDS", "cli", "main"]

COMMANDS: dict[str, tuple[str, str]] = {
    "api": ("api.cli.serve:api", "Serve the HTTP interface, without a worker."),
    "ask": ("api.cli.ask:ask", "Ask for ranks, chances, differences, changes, seats."),
    "audit": ("api.cli.audit:audit", "Verify, show or export the record of everything done."),
    "backup": ("api.cli.backup:backup", "Back up the database; list or delete backups."),
    "backtest": ("api.cli.backtest:backtest", "Score a survey folder against what happened."),
    "bench": ("api.cli.bench:bench", "Measure speed and memory."),
    "check": ("api.cli.check:check", "Show whether a release's model describes its interviews."),
    "confirm": ("api.cli.confirm:confirm", "Ask NUTS whether it agrees with a release."),
    "db": ("api.cli.db:db", "Upgrade the database, or show its state."),
    "demo": ("api.cli.demo:demo", "Run the demo survey from wave to estimate, then keep serving it."),
    "diagnostics": ("api.cli.diagnostics:diagnostics", "Show why a release should be believed."),
    "doctor": ("api.cli.doctor:doctor", "Check the installation and print every setting."),
    "estimates": ("api.cli.estimates:estimates", "Print estimates by area and group."),
    "events": ("api.cli.events:events", "Print what happened in a survey."),
    "fit": ("api.cli.fit:fit", "Fit questions: ask now and wait, or list fits."),
    "frame": ("api.cli.frame:frame", "Build the population frame of a survey."),
    "jobs": ("api.cli.jobs:jobs", "List, show or cancel jobs; show what the clock will do."),
    "key": ("api.cli.key:key", "Create, list, rotate or revoke API keys."),
    "predictors": ("api.cli.predictors:predictors", "Upload district predictors; list or show them."),
    "privacy": ("api.cli.privacy:privacy", "Erase a respondent, export what is stored of one, purge interviews."),
    "question": ("api.cli.question:question", "Hold what is served, release it, go back, pin or show it."),
    "release": ("api.cli.release:release", "Print the disclosure statement of a release."),
    "report": ("api.cli.report:report", "Write everything about a release into one HTML file."),
    "representation": (
        "api.cli.representation:representation",
        "Show whom the interviews of a release represent.",
    ),
    "restore": ("api.cli.backup:restore", "Replace the database by a backup."),
    "serve": ("api.cli.serve:serve", "Serve the HTTP interface, with a worker beside it."),
    "source": ("api.cli.source:source", "Look at sources of files; see what became of them."),
    "survey": ("api.cli.survey:survey", "Check, add, update, list or show surveys."),
    "truth": ("api.cli.truth:truth", "Add what happened; see how close releases came."),
    "unit": ("api.cli.unit:unit", "Print a unit for systemd."),
    "wave": ("api.cli.wave:wave", "Push, correct, withdraw, list or show waves."),
    "webhook": ("api.cli.webhook:webhook", "Add, list or remove webhooks; see deliveries, send again."),
    "worker": ("api.cli.worker:worker", "Run a worker: refits, schedule."),
}
"""Name -> where the command is, and its line in the help."""


class Commands(click.Group):
    """A group whose members are imported when needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in sorted(COMMANDS.items())])

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except Exception as error:
            if (refused := refusal(error, json=ctx.meta.get(JSON_ASKED, False))) is None:
                raise
            raise refused from None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="hustings")
@click.option(
    "--settings",
    "settings_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Settings file. Default: hustings.toml in this folder, if there is one.",
)
@click.pass_context
def cli(ctx: click.Context, settings_file: Path | None) -> None:
    """Waves of interviews in, district and group estimates with honest uncertainty out.

    Exit codes: 0 done; 1 the answer is no (faults found, fit not publishable); 2 wrong usage;
    3 the database, the secrets file or the server cannot be used.
    """
    ctx.obj = ctx.with_resource(Runtime(settings_file))


def main() -> None:
    """Entry point of the command ``hustings``."""
    if sys.platform == "win32":
        # Locks, limits and signals are POSIX; modules that need them could not even be imported.
        sys.stderr.write("hustings does not run on Windows itself. Run it under WSL 2, which is Linux.\n")
        sys.exit(3)
    # A label from a survey may not fit the terminal's encoding; that is no reason to stop.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    # Before numpy is loaded: requests and fits share the cores already, and the threads of the linear algebra library
    # would wait for each other on a busy machine (one answer took 9.7 s instead of 1.2 s).
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    cli(prog_name="hustings")
