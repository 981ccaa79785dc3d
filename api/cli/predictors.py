"""``hustings predictors``: numbers about districts, each with the day that they describe."""

from datetime import datetime
from pathlib import Path

import click

from api.cli.output import as_json, print_json, print_table
from api.cli.runtime import Runtime

__all__ = ["predictors"]

survey_argument = click.argument("survey_id", metavar="SURVEY")


@click.group(short_help="Upload district predictors; list or show them.")
def predictors() -> None:
    """Predictors of districts over time: past results, registration, sums of donations, visits of a page.

    Of each a fit takes the upload of the latest day that is not after its interviews, and without one the districts
    table of the survey.
    """


@predictors.command()
@survey_argument
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--as-of",
    type=click.DateTime(["%Y-%m-%d"]),
    required=True,
    help="The day that the numbers describe: fits of earlier interviews do not see them.",
)
@click.option("--source", required=True, help="Where they come from, such as the electoral commission.")
@as_json
@click.pass_obj
def add(runtime: Runtime, *, survey_id: str, file: Path, as_of: datetime, source: str, json_: bool) -> None:
    """Store the predictors of FILE: a table with code, and columns that the districts table has, for every district.

    Aggregates only: what looks individual-level is refused. Questions whose models read them are fitted again.
    """
    from api.routes.predictors import added_payload
    from jobs.ledger import cli_actor
    from jobs.predictor_acts import add_predictors

    added = add_predictors(
        runtime.store,
        runtime.secrets,
        runtime.settings,
        survey_id=survey_id,
        content=file.read_bytes(),
        as_of=as_of.date(),
        source=source,
        file=file.name,
        now=runtime.now(),
        actor=cli_actor(),
    )
    if json_:
        print_json(added_payload(added))
        return
    upload = added.upload
    told = f"{', '.join(upload.columns)} of {upload.n_districts:,} districts as of {upload.as_of}"
    if not added.created:
        click.echo(f"{told}: upload {upload.number} holds already.")
        return
    click.echo(f"Upload {upload.number}: {told}. Id {upload.id}.")
    if added.jobs:
        click.echo(f"Refits are asked for: {', '.join(str(job.question_id) for job in added.jobs)}.")
    else:
        click.echo("No fit changes: no model reads them, or the interviews are of earlier days.")


@predictors.command("list")
@survey_argument
@as_json
@click.pass_obj
def list_(runtime: Runtime, *, survey_id: str, json_: bool) -> None:
    """List the uploads of a survey, and say which of them hold."""
    from api.routes.predictors import list_of

    with runtime.store.read() as session:
        found = list_of(session, survey_id, runtime.now().date())
    if json_:
        print_json(found)
        return
    rows = []
    for one in found.uploads:
        holds = [name for name in one.columns if found.holding.get(name) == one.id]
        at = f"{one.received_at:%Y-%m-%d %H:%M}"
        rows.append((one.number, one.as_of, ", ".join(one.columns), ", ".join(holds), one.source, at, one.id))
    print_table(("number", "as of", "predictors", "hold now", "source", "received (UTC)", "id"), rows)
    if own := [name for name, upload in found.holding.items() if upload is None]:
        click.echo(f"Of the survey's own table: {', '.join(own)}.")


@predictors.command()
@survey_argument
@click.argument("upload_id", metavar="ID")
@as_json
@click.pass_obj
def show(runtime: Runtime, *, survey_id: str, upload_id: str, json_: bool) -> None:
    """Print the numbers of one upload."""
    from api.routes.predictors import with_values
    from polling.store import surveys

    with runtime.store.read() as session:
        surveys.newest_version(session, survey_id)
        found = with_values(session, survey_id, upload_id)
    if json_:
        print_json(found)
        return
    upload = found.upload
    click.echo(f"Upload {upload.number} as of {upload.as_of}, {upload.source}; by {upload.actor}, {upload.sha256}.")
    rows = [(one.district, *(f"{one.values[name]:g}" for name in upload.columns)) for one in found.districts]
    print_table(("district", *upload.columns), rows)
