"""``hustings wave open | batch | close``: a wave that takes batches while fieldwork lasts."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from api.cli.facts import fact_option, facts_told
from api.cli.output import as_json, print_json
from api.cli.runtime import Runtime

if TYPE_CHECKING:
    from jobs.wave_life import ChangedWaves

__all__ = ["batch", "close", "open_"]

day = click.DateTime(formats=["%Y-%m-%d"])
survey_argument = click.argument("survey_id", metavar="SURVEY")
wave_argument = click.argument("wave", metavar="WAVE")
pollster_option = click.option("--pollster", help="Whose wave it is, where several pollsters use the reference.")


@click.command("open")
@survey_argument
@click.argument("reference")
@click.option("--pollster", required=True, help="Who does the interviews.")
@click.option("--fieldwork-start", "start", type=day, required=True, metavar="YYYY-MM-DD", help="First day.")
@click.option("--closes-on", type=day, metavar="YYYY-MM-DD", help="Last day (UTC). Default: until it is closed.")
@fact_option
@as_json
@click.pass_obj
def open_(
    runtime: Runtime,
    *,
    survey_id: str,
    reference: str,
    pollster: str,
    start: datetime,
    closes_on: datetime | None,
    facts: tuple[str, ...],
    json_: bool,
) -> None:
    """Open a wave that takes batches of interviews until it is closed."""
    from jobs.ledger import cli_actor
    from jobs.open_wave import open_wave

    changed = open_wave(
        runtime.store,
        runtime.secrets,
        runtime.settings,
        survey_id=survey_id,
        pollster=pollster,
        reference=reference,
        fieldwork_start=start.date(),
        closes_on=None if closes_on is None else closes_on.date(),
        facts=facts_told(facts),
        now=runtime.now(),
        actor=cli_actor(),
    )
    _tell(changed, json_=json_)


@click.command()
@survey_argument
@wave_argument
@click.argument("number", type=click.IntRange(min=1))
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@pollster_option
@as_json
@click.pass_obj
def batch(
    runtime: Runtime, *, survey_id: str, wave: str, number: int, file: Path, pollster: str | None, json_: bool
) -> None:
    """Store an NDJSON file as batch NUMBER of an open wave; the same file again stores nothing."""
    from jobs.ledger import cli_actor
    from jobs.open_wave import receive_batch
    from polling.quality import Flag

    received = receive_batch(
        runtime.store,
        runtime.secrets,
        runtime.settings,
        survey_id=survey_id,
        wave=wave,
        number=number,
        content=file.read_bytes(),
        pollster=pollster,
        now=runtime.now(),
        actor=cli_actor(),
    )
    if json_:
        print_json(received)
        return
    one = received.received.wave
    stored = "stored" if received.received.created else "was received before"
    click.echo(
        f"Batch {number} of {one.reference}: {received.n_interviews:,} interviews {stored}; the wave has "
        f"{one.n_interviews:,}."
    )
    for flag in received.received.flags:
        if isinstance(flag, dict) and Flag.is_told(flag):
            click.echo(f"  {flag['words']}")
    if one.waiting is not None:
        click.echo("  It is not counted until an analyst lets it through.")
    for job in received.received.jobs:
        click.echo(f"  refit of {job.question_id}: {job.state} (job {job.id})")


@click.command()
@survey_argument
@wave_argument
@pollster_option
@as_json
@click.pass_obj
def close(runtime: Runtime, *, survey_id: str, wave: str, pollster: str | None, json_: bool) -> None:
    """Take no more batches of an open wave."""
    from jobs.ledger import cli_actor
    from jobs.open_wave import close_wave

    changed = close_wave(
        runtime.store,
        runtime.secrets,
        runtime.settings,
        survey_id=survey_id,
        wave=wave,
        pollster=pollster,
        now=runtime.now(),
        actor=cli_actor(),
    )
    _tell(changed, json_=json_)


def _tell(changed: "ChangedWaves", *, json_: bool) -> None:
    if json_:
        print_json(changed)
        return
    for one in (*changed.changed, *changed.unchanged):
        as_it_was = "" if changed.changed else ", as it was"
        click.echo(f"{one.reference} of {one.pollster}: {one.state}, {one.n_interviews:,} interviews{as_it_was}.")
