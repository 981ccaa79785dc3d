"""``hustings wave``: push waves of interviews, list what was received, and change what becomes of it."""

from datetime import datetime
from pathlib import Path

import click

from api.cli.facts import fact_option, facts_told
from api.cli.moment import moment
from api.cli.open_wave import batch, close, open_
from api.cli.output import as_json, fieldwork, print_json, print_table
from api.cli.quarantine import quarantine
from api.cli.runtime import Runtime
from api.cli.wave_life import history, let_through, restore, undo, withdraw

__all__ = ["wave"]

day = click.DateTime(formats=["%Y-%m-%d"])


@click.group(short_help="Push, correct, withdraw, list or show waves.")
def wave() -> None:
    """A wave is what a pollster delivers of one round of interviews, corrections included."""


for command in (open_, batch, close, withdraw, restore, let_through, undo, history, quarantine):
    wave.add_command(command)


@wave.command()
@click.argument("survey_id", metavar="SURVEY")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--pollster", required=True, help="Who did the interviews.")
@click.option(
    "--reference",
    help="The pollster's own name for the wave. Default: that of the wave it replaces, or the file's name without "
    "its ending.",
)
@click.option("--fieldwork-start", "start", type=day, required=True, metavar="YYYY-MM-DD", help="First day.")
@click.option("--fieldwork-end", "end", type=day, required=True, metavar="YYYY-MM-DD", help="Last day.")
@click.option("--replaces", metavar="WAVE", help="The wave that this corrects: its interviews, dates or facts.")
@click.option("--reason", help="Why it is corrected; needed with --replaces.")
@fact_option
@as_json
@click.pass_obj
def push(
    runtime: Runtime,
    *,
    survey_id: str,
    file: Path,
    pollster: str,
    reference: str | None,
    start: datetime,
    end: datetime,
    replaces: str | None,
    reason: str | None,
    facts: tuple[str, ...],
    json_: bool,
) -> None:
    """Store a file as a wave and ask for the refits that it needs.

    CSV, NDJSON, Parquet, SPSS, Stata or .xlsx, also compressed with gzip or zstd; told by content, not by name.

    Either the whole file is stored or, if it has a fault, nothing: then every fault is listed and the
    exit code is 1. The same file under the same reference is no fault and stores nothing again.
    """
    from jobs.ledger import cli_actor
    from jobs.receive import receive_wave
    from polling.quality import Flag

    received = receive_wave(
        runtime.store,
        runtime.secrets,
        runtime.settings,
        survey_id=survey_id,
        pollster=pollster,
        reference=reference or (None if replaces else file.stem),
        content=file.read_bytes(),
        fieldwork_start=start.date(),
        fieldwork_end=end.date(),
        now=runtime.now(),
        actor=cli_actor(),
        facts=facts_told(facts),
        replaces=replaces,
        reason=reason,
        file_name=file.name,
    )
    if json_:
        print_json(
            {
                "wave": received.wave,
                "created": received.created,
                "first_of_pollster": received.first_of_pollster,
                "jobs": received.jobs,
            }
        )
        return
    stored = "stored" if received.created else "was received before"
    one = received.wave
    version = f" as version {one.version}" if one.version > 1 else ""
    click.echo(f"{one.reference} of {pollster}: {one.n_interviews:,} interviews {stored}{version}.")
    if received.n_faults:
        click.echo(f"  {one.n_quarantined:,} rows are set aside; faults: {received.n_faults:,}")
    for fault in received.faults:
        click.echo(f"  {fault}")
    for flag in received.flags:
        if isinstance(flag, dict) and Flag.is_told(flag):
            click.echo(f"  {flag['words']}")
    if one.state == "held" or one.waiting is not None:
        click.echo("  It is not counted until an analyst lets it through.")
    if received.first_of_pollster:
        click.echo(f"  This is the first wave of {pollster}: check that the name is not misspelt.")
    for job in received.jobs:
        click.echo(f"  refit of {job.question_id}: {job.state} (job {job.id})")


@wave.command("list")
@click.argument("survey_id", metavar="SURVEY")
@click.option("--pollster", help="Only this pollster's.")
@click.option("--as-of", type=moment, metavar="TIME", help="As they stood then, e.g. 2026-11-23T12:00 (UTC).")
@as_json
@click.pass_obj
def list_(runtime: Runtime, *, survey_id: str, pollster: str | None, as_of: datetime | None, json_: bool) -> None:
    """List the waves of a survey in order of arrival."""
    from polling.store import surveys, waves

    with runtime.store.read() as session:
        surveys.list_versions(session, survey_id)
        if as_of is None:
            found = waves.list_waves(session, survey_id, pollster)
        else:
            found = waves.state_at(session, survey_id, as_of, pollster=pollster)
    if json_:
        print_json({"survey": survey_id, "waves": found})
        return
    print_table(
        ("wave", "pollster", "reference", "version", "interviews", "fieldwork", "received (UTC)", "state"),
        [
            (
                one.id,
                one.pollster,
                one.reference,
                one.version,
                f"{one.n_interviews:,}",
                fieldwork(one),
                one.received_at,
                one.state,
            )
            for one in found
        ],
    )


@wave.command()
@click.argument("survey_id", metavar="SURVEY")
@click.argument("wave_id", metavar="WAVE")
@as_json
@click.pass_obj
def show(runtime: Runtime, survey_id: str, wave_id: str, json_: bool) -> None:
    """Show what is known of a wave; never its interviews."""
    from dataclasses import asdict

    from polling.store import waves

    with runtime.store.read() as session:
        found = waves.get_wave(session, survey_id, wave_id)
    if json_:
        print_json(found)
        return
    print_table(("", ""), [(name, value) for name, value in asdict(found).items() if name != "created"])
