"""What the demo prints: its steps, what it found, and what to try next."""

import shlex
import sys
import time
from typing import TYPE_CHECKING

import click

from api.cli.output import percent, print_table

if TYPE_CHECKING:
    from api.cli.demo import Prepared
    from jobs.demo import DemoResult, Topline

__all__ = ["Steps", "print_next_steps", "print_result"]


class Steps:
    """One line per step; a step that goes on is told once, and on a terminal rewritten in place."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._live = sys.stdout.isatty()
        self._last = ""
        self._open = False

    def __call__(self, text: str, share: float | None) -> None:
        goes_on = text == self._last or (share is not None and share < 1)
        if goes_on and (self._live or text == self._last):
            self._rewrite(text, share)
            return
        self.close()
        click.echo(self._line(text))
        sys.stdout.flush()
        self._last = text

    def close(self) -> None:
        """End a line that is being rewritten."""
        if self._open:
            click.echo("\r\033[K", nl=False)
        self._open = False

    def _rewrite(self, text: str, share: float | None) -> None:
        self._last = text
        if self._live:
            self._open = True
            done = "" if share is None else f" {share:.0%}"
            click.echo(f"\r\033[K{self._line(text)}{done}", nl=False)
            sys.stdout.flush()

    def _line(self, text: str) -> str:
        return f"[{time.monotonic() - self._started:5.1f} s] {text}"


def print_result(result: "DemoResult") -> None:
    """Toplines, districts, revision."""
    interval = f"{100 * result.interval:g}% interval"
    click.echo(f"\nToplines after the first waves ({interval})")
    _toplines(result.first)
    click.echo(f"\nToplines after the last wave ({interval})")
    _toplines(result.toplines)
    first = result.toplines[0]
    click.echo(f"\n{first.text} Share of '{first.option}' by district ({interval})")
    print_table(
        ("district", "name", "share", "low", "high", "people", "interviews", ""),
        [
            (
                row["area"],
                row["area_name"],
                percent(row["share"]),
                percent(row["low"]),
                percent(row["high"]),
                f"{row['n_people']:,.0f}",
                "" if row["n_interviews"] is None else f"{row['n_interviews']:,}",
                ", ".join(row["flags"]),
            )
            for row in result.districts
        ],
    )
    for revision in result.revisions:
        click.echo(
            f"\nRevision of {revision.question} from release {revision.from_release} to {revision.to_release} "
            f"(cause: {revision.cause}): national {_points(revision.national)}"
        )
        print_table(("largest changes", "points"), [(name, _points(change)) for name, change in revision.districts])
    click.echo(f"\nEvery step happened, in {result.seconds:.0f} s.")


def print_next_steps(address: str, prepared: "Prepared") -> None:
    """The address, the keys, and commands that can be copied."""
    survey, extra = f"{address}/v1/surveys/{prepared.survey}", prepared.extra
    click.echo(f"\nServing until Ctrl-C. Look at it in a browser: {address}/")
    click.echo("(as everybody sees it; checks and diagnostics are for analysts: sign in with that key)")
    click.echo(f"The interface for programs is described at {address}/docs\n")
    for pollster, key in prepared.pollsters.items():
        click.echo(f"  key of the pollster {pollster}: {key}")
    click.echo(f"  key of a reader: {prepared.reader}")
    click.echo(f"  key of an analyst: {prepared.analyst}")
    click.echo("\nPush one more wave:\n")
    click.echo(
        f"  curl -H 'Authorization: Bearer {prepared.pollsters[extra.pollster]}' \\\n"
        f"    -F reference={shlex.quote(extra.reference)} -F fieldwork_start={extra.fieldwork_start} "
        f"-F fieldwork_end={extra.fieldwork_end} \\\n"
        f"    -F file=@{shlex.quote(str(extra.path))} {survey}/waves"
    )
    click.echo("\nFollow its refits, then read the new release:\n")
    click.echo(f"  curl -H 'Authorization: Bearer {prepared.pollsters[extra.pollster]}' {survey}/jobs")
    click.echo(
        f"  curl -H 'Authorization: Bearer {prepared.reader}' '{survey}/questions/rail/estimates?level=district'"
    )
    click.echo("\nThe same from the command line, and why the estimates should be believed:\n")
    command = f"hustings --settings {shlex.quote(str(prepared.settings_file))}"
    click.echo(f"  {command} estimates {prepared.survey} rail --level district")
    click.echo(f"  {command} diagnostics {prepared.survey} rail")


def _toplines(toplines: "tuple[Topline, ...]") -> None:
    print_table(
        ("question", "option", "share", "low", "high", "release", "data through"),
        [
            (
                one.text,
                one.option,
                percent(one.share),
                percent(one.low),
                percent(one.high),
                one.release_number,
                one.data_through or "",
            )
            for one in toplines
        ],
    )


def _points(change: float) -> str:
    return f"{100 * change:+.1f}"
