"""``hustings survey``: declare what is asked, of whom, and how it is modelled."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.cli.facts import fact_option, facts_told
from api.cli.output import as_json, print_json, print_table
from api.cli.runtime import Runtime

if TYPE_CHECKING:
    from polling.bundle import SurveyBundle

__all__ = ["survey"]

day = click.DateTime(formats=["%Y-%m-%d"])
folder_argument = click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
data_option = click.option(
    "--data",
    "data_dir",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Where the tables of the survey lie, if not in its folder.",
)


@click.group(short_help="Check, add, update, list or show surveys.")
def survey() -> None:
    """A survey is a folder with survey.toml and its tables."""


@survey.command()
@folder_argument
@data_option
@click.option(
    "--wave",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Try the codebook on this wave too.",
)
@click.option("--pollster", help="Who sends it; needed with --wave.")
@click.option("--fieldwork-start", "start", type=day, metavar="YYYY-MM-DD", help="First day of its interviews.")
@click.option("--fieldwork-end", "end", type=day, metavar="YYYY-MM-DD", help="Last day of its interviews.")
@fact_option
@as_json
@click.pass_obj
def check(
    runtime: Runtime,
    *,
    folder: Path,
    data_dir: Path | None,
    wave: Path | None,
    pollster: str | None,
    start: datetime | None,
    end: datetime | None,
    facts: tuple[str, ...],
    json_: bool,
) -> None:
    """List every fault of a survey folder; stores nothing.

    With --wave also those of a wave: what would be set aside, what the codebook merges, labels never sent, quality.
    With the dates of its fieldwork the wave is checked as a push would be; only earlier waves are not looked at.

    Exit code 1 if there is a fault that would reject the survey or the wave.
    """
    from jobs.survey import load_survey

    if (wave is None) != (pollster is None):
        raise click.UsageError("--wave and --pollster go together.")
    if (start is None) != (end is None) or ((start or facts) and wave is None):
        raise click.UsageError("--fieldwork-start and --fieldwork-end go together, they and --fact with --wave.")
    bundle = load_survey(folder, data_dir=data_dir)
    declared = bundle.declaration
    if wave is not None and pollster is not None:
        from api.cli.wave_check import print_check
        from jobs.survey_check import check_wave

        checked = check_wave(
            bundle,
            wave.read_bytes(),
            pollster=pollster,
            settings=runtime.settings,
            fieldwork=None if start is None or end is None else (start.date(), end.date()),
            facts=facts_told(facts),
            now=runtime.now(),
        )
        print_check(checked, survey=declared.id, json_=json_)
        if not checked.ok:
            raise click.exceptions.Exit(1)
        return
    if json_:
        warnings = _warnings_of(bundle)
        print_json({"ok": True, "n_faults": 0, "faults": [], "survey": declared.id, "warnings": warnings})
        return
    _warn_of(bundle)
    click.echo(
        f"{declared.id}: no faults; {len(declared.questions)} questions, {bundle.districts.height} districts, "
        f"{bundle.frame.height:,} cells, {bundle.frame['n_people'].sum():,.0f} people."
    )


@survey.command()
@folder_argument
@data_option
@as_json
@click.pass_obj
def add(runtime: Runtime, folder: Path, data_dir: Path | None, json_: bool) -> None:
    """Check a survey folder and store it as version 1.

    The same content again is no fault; other content under the same id is (use update).
    """
    from jobs.ledger import cli_actor
    from jobs.survey import add_survey, load_survey

    bundle = load_survey(folder, data_dir=data_dir)
    version = add_survey(runtime.store, runtime.secrets, bundle, actor=cli_actor(), now=runtime.now())
    _warn_of(bundle)
    _report(version, json_)


@survey.command()
@folder_argument
@data_option
@as_json
@click.pass_obj
def update(runtime: Runtime, folder: Path, data_dir: Path | None, json_: bool) -> None:
    """Check a survey folder and store it as a new version; asks for the refits that it needs."""
    from jobs.ledger import cli_actor
    from jobs.predictors import uploads_at_rest
    from jobs.retention import formulas_without_counts
    from jobs.survey import load_survey, update_survey
    from polling.store import surveys

    bundle = load_survey(folder, data_dir=data_dir)
    version = update_survey(
        runtime.store, runtime.secrets, runtime.settings, bundle, actor=cli_actor(), now=runtime.now()
    )
    _warn_of(bundle)
    with runtime.store.read() as session:
        stored = surveys.get_survey(session, version.survey_id)
        for sentence in (*formulas_without_counts(session, version.survey_id), *uploads_at_rest(session, stored)):
            click.echo(f"Warning: {sentence}", err=True)
    _report(version, json_)


@survey.command("list")
@as_json
@click.pass_obj
def list_(runtime: Runtime, json_: bool) -> None:
    """List the stored surveys."""
    from polling.store import surveys

    with runtime.store.read() as session:
        found = [surveys.get_survey(session, one.survey_id) for one in surveys.list_surveys(session)]
    rows: list[dict[str, Any]] = [
        {
            "id": one.id,
            "title": one.bundle.declaration.title,
            "version": one.version,
            "questions": [question.id for question in one.bundle.declaration.questions],
            "n_districts": one.bundle.districts.height,
            "public": one.bundle.declaration.public,
            "created_at": one.created_at,
        }
        for one in found
    ]
    if json_:
        print_json({"surveys": rows})
        return
    print_table(
        ("survey", "title", "version", "questions", "districts", "pages"),
        [
            (
                row["id"],
                row["title"],
                row["version"],
                ", ".join(row["questions"]),
                row["n_districts"],
                "public" if row["public"] else "by key",
            )
            for row in rows
        ],
    )


@survey.command()
@click.argument("survey_id", metavar="SURVEY")
@as_json
@click.pass_obj
def show(runtime: Runtime, survey_id: str, json_: bool) -> None:
    """Show a survey's versions and the state of its questions."""
    from polling.store import releases, surveys

    with runtime.store.read() as session:
        stored = surveys.get_survey(session, survey_id)
        versions = surveys.list_versions(session, survey_id)
        states = {one.question_id: one for one in releases.list_question_states(session, survey_id)}
        current = {
            question.id: releases.current_release(session, survey_id, question.id)
            for question in stored.bundle.declaration.questions
        }
    declared = stored.bundle.declaration
    if json_:
        print_json(
            {
                "id": stored.id,
                "title": declared.title,
                "universe": declared.universe,
                "public": declared.public,
                "version": stored.version,
                "versions": versions,
                "questions": [
                    {"id": one.id, "text": one.text, "release": current[one.id], "state": states[one.id]}
                    for one in declared.questions
                ],
            }
        )
        return
    click.echo(f"{declared.title} ({stored.id}), version {stored.version} of {stored.created_at:%Y-%m-%d}")
    click.echo(f"{declared.universe}: {stored.bundle.districts.height} districts ({declared.geography.district})")
    if declared.public:
        click.echo("Its web pages are public: they need no account.")
    rows = []
    for question in declared.questions:
        release, state = current[question.id], states[question.id]
        rows.append((question.id, question.text, release.number if release else "none", state.stale_reason or ""))
    print_table(("question", "text", "release", "stale because"), rows)


@survey.command()
@click.argument("survey_id", metavar="SURVEY")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=False)
@click.option("--property", "code_property", metavar="NAME", help="Where the codes are: id, or a property.")
@click.option("--projection", metavar="NAME", help="mercator, albersUsa, or identity. Default: by where they are.")
@click.option("--remove", is_flag=True, help="Take the boundaries away: maps are of tiles again.")
@as_json
@click.pass_obj
def boundaries(
    runtime: Runtime,
    *,
    survey_id: str,
    file: Path | None,
    code_property: str | None,
    projection: str | None,
    remove: bool,
    json_: bool,
) -> None:
    """Give a survey the shapes of its districts, from a GeoJSON or TopoJSON FILE; its maps are drawn with them.

    Without FILE, show what it has.
    """
    from api.cli.boundaries import remove_boundaries, show_boundaries, store_file

    if remove and file is not None:
        raise click.UsageError("--remove takes no FILE.")
    if file is None and (code_property or projection):
        raise click.UsageError("--property and --projection go with a FILE.")
    if remove:
        remove_boundaries(runtime, survey_id, json_=json_)
    elif file is None:
        show_boundaries(runtime, survey_id, json_=json_)
    else:
        store_file(runtime, survey_id, file, code_property=code_property, projection=projection, json_=json_)


def _warnings_of(bundle: "SurveyBundle") -> list[str]:
    """What the disclosure statement of a release will lack, unless waves tell it, and totals far from the frame."""
    from polling.beyond_dates import distant_totals
    from polling.disclosure_items import untold_items

    declared = bundle.declaration
    distant = (f"{text[0].upper()}{text[1:]}." for text in distant_totals(declared))
    return [*untold_items(declared), *distant]


def _warn_of(bundle: "SurveyBundle") -> None:
    for sentence in _warnings_of(bundle):
        click.echo(f"Warning: {sentence}", err=True)


def _report(version: object, json_: bool) -> None:
    from polling.store.records import SurveyVersionRecord

    assert isinstance(version, SurveyVersionRecord)
    if json_:
        print_json(version)
        return
    state = "stored" if version.created else "is there already, with the same content"
    click.echo(f"{version.survey_id}: version {version.version} {state}.")
