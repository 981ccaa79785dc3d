"""``hustings truth``: what is known to have happened, and how close releases came to it."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from api.cli.output import as_json, percent, print_json, print_table
from api.cli.runtime import Runtime

if TYPE_CHECKING:
    from api.record_payloads import ScoreRow, TrackRecordPayload

__all__ = ["truth"]

survey_argument = click.argument("survey_id", metavar="SURVEY")
question_argument = click.argument("question_id", metavar="QUESTION")


@click.group(short_help="Add what happened; see how close releases came.")
def truth() -> None:
    """A known result is what turned out to be true on a day; releases are scored against it, later ones too."""


@truth.command()
@survey_argument
@question_argument
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--date",
    "refers_to",
    type=click.DateTime(["%Y-%m-%d"]),
    required=True,
    help="The day of which it is true, such as that of the election.",
)
@click.option("--source", required=True, help="Who says so, such as the electoral commission.")
@click.option("--reason", help="Why it takes the place of the result of that day which is known already.")
@as_json
@click.pass_obj
def add(
    runtime: Runtime,
    *,
    survey_id: str,
    question_id: str,
    file: Path,
    refers_to: datetime,
    source: str,
    reason: str | None,
    json_: bool,
) -> None:
    """Store what happened: a table with geography (a district, a larger area, or all), option, share and perhaps se.

    Columns that are called like demographics say of whom it is the share. Releases are scored by the worker.
    """
    from api.record_payloads import AddedResultPayload, result_payload
    from api.routes.jobs import job_link
    from jobs.known_results import add_known_result
    from jobs.ledger import cli_actor

    added = add_known_result(
        runtime.store,
        runtime.secrets,
        survey_id=survey_id,
        question_id=question_id,
        content=file.read_bytes(),
        refers_to=refers_to.date(),
        source=source,
        reason=reason,
        file=file.name,
        now=runtime.now(),
        actor=cli_actor(),
    )
    result = added.result
    if json_:
        job = None if added.job is None else job_link(added.job)
        print_json(AddedResultPayload(result_payload(result), added.created, job))
        return
    shares = f"{result.n_rows:,} share{'s' if result.n_rows != 1 else ''}"
    if not added.created:
        click.echo(f"The result of {result.refers_to} with {shares} is known already (version {result.version}).")
        return
    click.echo(f"Result of {result.refers_to}, version {result.version}: {shares}. Id {result.id}.")
    if added.job is None:
        click.echo("There is no release yet: the first one will be scored.")
    else:
        click.echo(
            f"A worker scores the releases: job {added.job.id}. See: hustings truth show {survey_id} {question_id}"
        )


@truth.command("list")
@survey_argument
@question_argument
@as_json
@click.pass_obj
def list_(runtime: Runtime, *, survey_id: str, question_id: str, json_: bool) -> None:
    """List the results of a question, replaced and withdrawn ones too."""
    from api.record_payloads import KnownResultList, result_payload
    from polling.store import known_results, surveys

    with runtime.store.read() as session:
        surveys.get_declaration(session, survey_id).question(question_id)
        found = known_results.list_results(session, survey_id, question_id)
    if json_:
        print_json(KnownResultList(survey_id, question_id, [result_payload(one) for one in found]))
        return
    print_table(
        ("date", "version", "state", "shares", "source", "added (UTC)", "id"),
        [(one.refers_to, one.version, one.state, one.n_rows, one.source, one.added_at, one.id) for one in found],
    )


@truth.command()
@survey_argument
@question_argument
@click.argument("result_id", metavar="RESULT")
@click.option("--reason", required=True, help="Why; kept beside the result.")
@click.pass_obj
def withdraw(runtime: Runtime, *, survey_id: str, question_id: str, result_id: str, reason: str) -> None:
    """Compare releases with a result no more; it stays in the list."""
    from jobs.known_results import withdraw_known_result
    from jobs.ledger import cli_actor

    result = withdraw_known_result(
        runtime.store,
        runtime.secrets,
        survey_id=survey_id,
        question_id=question_id,
        result_id=result_id,
        reason=reason,
        now=runtime.now(),
        actor=cli_actor(),
    )
    click.echo(f"The result of {result.refers_to}, version {result.version}, is withdrawn.")


@truth.command()
@survey_argument
@question_argument
@click.option("--level", help="Only this one: nation, a column of larger areas, or district.")
@as_json
@click.pass_obj
def show(runtime: Runtime, *, survey_id: str, question_id: str, level: str | None, json_: bool) -> None:
    """Print the track record: how close releases came to what happened, by level and lead time."""
    from api.track_record import track_record

    with runtime.store.read() as session:
        record = track_record(session, survey_id, question_id, level=level)
    if json_:
        print_json(record)
        return
    print_record(record)


def print_record(record: "TrackRecordPayload") -> None:
    """Print a track record for people; errors in points."""
    click.echo(record.text)
    if not record.results:
        click.echo("No result is known. Add one: hustings truth add SURVEY QUESTION FILE --date DATE --source TEXT")
        return
    for result in record.results:
        click.echo(f"Result of {result.date}, version {result.version}: {result.source}")
    if record.scores:
        options = list(dict.fromkeys(one.option for one in record.scores))
        shares = "Shares of all options" if len(options) > 1 else f"Share of '{options[0]}'"
        click.echo(f"{shares}: errors in points, coverage of 50, 80, 90 and 95% intervals, and score of those of 90%.")
        columns = (
            "release",
            "days before",
            "level",
            "method",
            "areas",
            "RMSE",
            "bias",
            "50",
            "80",
            "90",
            "95",
            "score",
            "calls",
        )
        print_table(columns, [_score_cells(one, several=len(options) > 1) for one in record.scores])
    pooled = [one for one in record.calibration if one.of == "all"]
    if pooled:
        click.echo("Coverage of all releases, and the binomial band of calibrated intervals:")
        print_table(
            ("method", "level", "intervals of", "covered", "band", "intervals", "areas"),
            [
                (
                    one.method,
                    _level(one.level, one.by),
                    f"{one.interval:.0%}",
                    percent(one.observed),
                    f"{one.low:.0%} to {one.high:.0%}",
                    one.n_intervals,
                    one.n_areas,
                )
                for one in pooled
            ],
        )
    for release in record.unscored:
        click.echo(f"Release {release.release_number} is not scored: {release.reason}")
    for note in record.notes:
        click.echo(note)


def _score_cells(one: "ScoreRow", *, several: bool) -> tuple[object, ...]:
    level = _level(one.level, one.by) + (" (derived)" if one.derived else "")
    level = f"{one.option}, {level}" if several else level
    coverage = (one.coverage_50, one.coverage_80, one.coverage_90, one.coverage_95)
    return (
        one.release_number,
        "" if one.lead_days is None else one.lead_days,
        level,
        one.method,
        one.n_areas,
        f"{100 * one.rmse:.2f}",
        f"{100 * one.bias:+.2f}",
        *(f"{share:.0%}" for share in coverage),
        f"{100 * one.interval_score:.2f}",
        f"{one.n_right_calls} of {one.n_calls}",
    )


def _level(level: str, by: list[str]) -> str:
    return " x ".join((level, *by)) if level != "nation" or not by else " x ".join(by)
