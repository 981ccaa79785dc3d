"""What ``hustings survey boundaries`` does."""

from pathlib import Path

import click

from api.cli.output import print_json
from api.cli.runtime import Runtime
from jobs import boundary_acts
from jobs.ledger import cli_actor
from polling.boundaries import PROJECTIONS
from polling.faults import listing
from polling.store import boundaries, surveys
from polling.store.boundaries import BoundariesRecord

__all__ = ["remove_boundaries", "show_boundaries", "store_file"]


def store_file(
    runtime: Runtime, survey_id: str, file: Path, *, code_property: str | None, projection: str | None, json_: bool
) -> None:
    """Check a file of boundaries, store it, and say what it has and has not."""
    if projection is not None and projection not in PROJECTIONS:
        raise click.BadParameter(f"one of {', '.join(PROJECTIONS)}", param_hint="--projection")
    stored, is_new = boundary_acts.store_boundaries(
        runtime.store,
        runtime.secrets,
        survey_id=survey_id,
        content=file.read_bytes(),
        code_property=code_property,
        projection=projection,
        now=runtime.now(),
        actor=cli_actor(),
    )
    if json_:
        print_json({"survey": survey_id, "created": is_new, "boundaries": stored})
        return
    click.echo(f"{survey_id}: boundaries {'stored' if is_new else 'are there already'}.")
    _tell(stored)


def show_boundaries(runtime: Runtime, survey_id: str, *, json_: bool) -> None:
    """Say which boundaries a survey has."""
    with runtime.store.read() as session:
        surveys.newest_version(session, survey_id)
        found = boundaries.find_boundaries(session, survey_id)
    if json_:
        print_json({"survey": survey_id, "boundaries": found})
    elif found is None:
        click.echo(f"{survey_id} has no boundaries: its maps are of tiles.")
    else:
        click.echo(f"{survey_id}: boundaries since {found.at:%Y-%m-%d %H:%M} UTC, by {found.actor}.")
        _tell(found)


def remove_boundaries(runtime: Runtime, survey_id: str, *, json_: bool) -> None:
    """Take a survey's boundaries away."""
    with runtime.store.read() as session:
        surveys.newest_version(session, survey_id)
    had = boundary_acts.remove(
        runtime.store, runtime.secrets, survey_id=survey_id, now=runtime.now(), actor=cli_actor()
    )
    if json_:
        print_json({"survey": survey_id, "removed": had})
        return
    click.echo(f"{survey_id}: boundaries removed; maps are of tiles.")


def _tell(found: BoundariesRecord) -> None:
    where = "the id" if found.code_property == "id" else f"the property '{found.code_property}'"
    click.echo(f"{found.n_districts} districts, known by {where} of their feature; drawn in {found.projection}.")
    if found.without_shape:
        click.echo(f"Without a shape: {listing(found.without_shape)}.")
    if found.left_out:
        click.echo(f"In the file, but no district of the survey: {listing(found.left_out)}.")
