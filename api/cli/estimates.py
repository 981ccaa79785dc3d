"""``hustings estimates``: print estimates by area and group."""

from typing import TYPE_CHECKING

import click

from api.cli.moment import moment
from api.cli.output import as_json, percent, print_json, print_table
from api.cli.runtime import Runtime

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["estimates"]


@click.command(short_help="Print estimates by area and group.")
@click.argument("survey_id", metavar="SURVEY")
@click.argument("question_id", metavar="QUESTION")
@click.option(
    "--level", help="nation, a parent level or district. Default: district if districts are named, else nation."
)
@click.option("--districts", default="", help="District codes, separated by commas.")
@click.option("--by", default="", help="Demographics, separated by commas.")
@click.option("--where", default="", help="Who is counted: column:level, separated by commas, such as age:65+.")
@click.option("--interval", type=float, default=0.9, show_default=True, help="Probability of the central interval.")
@click.option("--option", "option_", help="Whose share. Default: the first option.")
@click.option("--release", "release_id", help="Id of a release. Default: the current one.")
@click.option("--as-of", type=moment, metavar="TIME", help="Answer as it was known then, e.g. 2026-11-23T12:00 (UTC).")
@as_json
@click.pass_obj
def estimates(
    runtime: Runtime,
    *,
    survey_id: str,
    question_id: str,
    level: str | None,
    districts: str,
    by: str,
    where: str,
    interval: float,
    option_: str | None,
    release_id: str | None,
    as_of: "datetime | None",
    json_: bool,
) -> None:
    """Print estimates from the stored draws of a release: the same numbers as the HTTP interface."""
    if release_id is not None and as_of is not None:
        raise click.UsageError("--release and --as-of both name a release. Give one of them.")
    from api.estimates import answer_query
    from api.group_query import EstimateQuery, prepare_query
    from api.label_text import labels_from, names_from
    from api.release_cache import ReleaseCache
    from api.served import find_served

    query = EstimateQuery(
        level=level,
        districts=names_from(districts),
        by=names_from(by),
        where=labels_from(where, "--where"),
        intervals=(interval,),
        option=option_ or None,
    )
    cache = ReleaseCache(runtime.store, runtime.secrets, runtime.settings)
    with runtime.store.read() as session:
        served = find_served(session, survey_id, question_id, release_id, at=as_of)
    answer = answer_query(prepare_query(cache, served, query, runtime.settings), runtime.settings)
    if json_:
        print_json(answer)
        return
    click.echo(f"{answer.text}\nShare of '{answer.option}', {100 * interval:g}% intervals.")
    if answer.base != ["answered"]:
        click.echo(f"Of all who are counted: {', '.join(answer.base)}.")
    click.echo(f"Release {answer.release_number} of {answer.published_at:%Y-%m-%d %H:%M} UTC, {answer.engine}.")
    if answer.stale_reason:
        click.echo(f"Stale since {answer.stale_since:%Y-%m-%d %H:%M} UTC: {answer.stale_reason}")
    for warning in answer.warnings:
        click.echo(f"Warning: {warning}.")
    if answer.confirmation.state != "none":
        click.echo(answer.confirmation.sentence)
    print_table(
        ("area", "name", *answer.by, "share", "low", "high", "people", "interviews", ""),
        [
            (
                one.area,
                one.area_name,
                *one.groups.values(),
                percent(one.share),
                percent(one.low),
                percent(one.high),
                f"{one.n_people:,.0f}",
                "" if one.n_interviews is None else f"{one.n_interviews:,}",
                ", ".join(one.flags),
            )
            for one in answer.estimates
        ],
    )
    if answer.withheld:
        click.echo(f"{len(answer.withheld)} groups are withheld; the first: {answer.withheld[0].reason}")
