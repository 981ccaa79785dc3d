"""``hustings wave``: push waves of interviews, and list what was received."""

from datetime import datetime
from pathlib import Path

import click

from api.cli.output import as_json, print_json, print_table
from api.cli.runtime import Runtime

__all__ = ["wave"]

day = click.DateTime(formats=["%Y-%m-%d"])


@click.group(short_help="Push, list or show waves.")
def wave() -> None:
    """A wave is one delivery of interviews by a pollster."""


@wave.command()
@click.argument("survey_id", metavar="SURVEY")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--pollster", required=True, help="Who did the interviews.")
@click.option("--reference", help="The pollster's own name for the wave. Default: the file's name without its ending.")
@click.option("--fieldwork-start", "start", type=day, required=True, metavar="YYYY-MM-DD", help="First day.")
@click.option("--fieldwork-end", "end", type=day, required=True, metavar="YYYY-MM-DD", help="Last day.")
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
    json_: bool,
) -> None:
    """Store a CSV or Parquet file as a wave and ask for the refits that it needs.

    Either the whole file is stored or, if it has a fault, nothing: then every fault is listed and the
    exit code is 1. The same file under the same reference is no fault and stores nothing again.
    """
    from jobs.ledger import cli_actor
    from jobs.receive import receive_wave

    received = receive_wave(
        runtime.store,
        runtime.secrets,
        runtime.settings,
        survey_id=survey_id,
        pollster=pollster,
        reference=reference or file.stem,
        content=file.read_bytes(),
        fieldwork_start=start.date(),
        fieldwork_end=end.date(),
        now=runtime.now(),
        actor=cli_actor(),
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
    click.echo(f"{received.wave.reference} of {pollster}: {received.wave.n_interviews:,} interviews {stored}.")
    if received.first_of_pollster:
        click.echo(f"  This is the first wave of {pollster}: check that the name is not misspelt.")
    for job in received.jobs:
        click.echo(f"  refit of {job.question_id}: {job.state} (job {job.id})")


@wave.command("list")
@click.argument("survey_id", metavar="SURVEY")
@click.option("--pollster", help="Only this pollster's.")
@as_json
@click.pass_obj
def list_(runtime: Runtime, survey_id: str, pollster: str | None, json_: bool) -> None:
    """List the waves of a survey in order of arrival."""
    from polling.store import surveys, waves

    with runtime.store.read() as session:
        surveys.list_versions(session, survey_id)
        found = waves.list_waves(session, survey_id, pollster)
    if json_:
        print_json({"survey": survey_id, "waves": found})
        return
    print_table(
        ("wave", "pollster", "reference", "interviews", "fieldwork", "received (UTC)", "state"),
        [
            (
                one.id,
                one.pollster,
                one.reference,
                f"{one.n_interviews:,}",
                f"{one.fieldwork_start} to {one.fieldwork_end}",
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
