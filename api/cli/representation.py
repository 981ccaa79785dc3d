"""``hustings representation``: whom the interviews of a release represent."""

from typing import TYPE_CHECKING

import click

from api.cli.output import as_json, percent, print_json, print_table
from api.cli.runtime import Runtime

if TYPE_CHECKING:
    from api.representation_payloads import LevelBalance, RepresentationPayload

__all__ = ["representation"]


@click.command(short_help="Show whom the interviews of a release represent.")
@click.argument("survey_id", metavar="SURVEY")
@click.argument("question_id", metavar="QUESTION")
@click.option("--release", "release_id", help="Id of a release. Default: the current one.")
@click.option("--interval", default="0.9", show_default=True, help="Probability of the interval whose width is told.")
@click.option("--option", help="Whose share. Default: the first option.")
@click.option("--measure", help="share or mean. Default: the mean of numbers, of all other questions the share.")
@as_json
@click.pass_obj
def representation(
    runtime: Runtime,
    *,
    survey_id: str,
    question_id: str,
    release_id: str | None,
    interval: str,
    option: str | None,
    measure: str | None,
    json_: bool,
) -> None:
    """Print sample against frame, who is missing, and how wide intervals are, of a release."""
    from api.cli.asked import print_head, what_of
    from api.label_text import intervals_from
    from api.release_cache import ReleaseCache
    from api.representation import answer_representation, ask_for_representation, prepare_representation
    from api.served import find_served

    with runtime.store.read() as session:
        served = find_served(session, survey_id, question_id, release_id)
        asked = {"intervals": intervals_from(interval), "option": option or None, "measure": measure or None}
        query = ask_for_representation(session, served.release, **asked)
    releases = ReleaseCache(runtime.store, runtime.secrets, runtime.settings)
    answer = answer_representation(prepare_representation(releases, served, query, runtime.settings), runtime.settings)
    if json_:
        print_json(answer)
        return
    print_head(answer, f"Sample against frame; width of the interval of the {what_of(answer)}")
    for sentence in answer.summary:
        click.echo(sentence)
    print_table(
        ("column", "level", "people", "sample", "ratio", "", "width"), [_cells(one, answer) for one in answer.levels]
    )


def _cells(one: "LevelBalance", answer: "RepresentationPayload") -> tuple[str, ...]:
    name = one.level if one.area in ("all", one.area_name) else f"{one.level} {one.area_name}"
    return (
        one.column,
        name,
        percent(one.frame_share),
        "" if one.sample_share is None else percent(one.sample_share),
        "" if one.ratio is None else f"{one.ratio:.2f}",
        one.standing,
        "" if one.width is None else percent(one.width) if answer.measure == "share" else f"{one.width:,.3g}",
    )
