"""``hustings release disclosure``: how the estimates of a release were made, for whoever publishes them."""

from pathlib import Path

import click

from api.cli.output import print_json
from api.cli.runtime import Runtime

__all__ = ["release"]


@click.group(short_help="Print the disclosure statement of a release.")
def release() -> None:
    """A release is a published fit of a question."""


@release.command()
@click.argument("survey_id", metavar="SURVEY")
@click.argument("question_id", metavar="QUESTION")
@click.option("--release", "release_id", help="Id of a release. Default: the current one.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["markdown", "html", "json"]),
    default="markdown",
    show_default=True,
    help="How it is written.",
)
@click.option("--json", "json_", is_flag=True, help="The same as --format json.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write it to a file.")
@click.pass_obj
def disclosure(
    runtime: Runtime,
    *,
    survey_id: str,
    question_id: str,
    release_id: str | None,
    format_: str,
    json_: bool,
    output: Path | None,
) -> None:
    """Print the disclosure statement of a release: AAPOR's items, the minimum of ESOMAR/WAPOR, model and limits."""
    import msgspec

    from api.served import find_served
    from api.statement import render_html, render_markdown, statement_of
    from polling.disclosure import DisclosureRules

    rules = DisclosureRules(runtime.settings.min_people, runtime.settings.min_interviews)
    with runtime.store.read() as session:
        found = find_served(session, survey_id, question_id, release_id).release
        statement = statement_of(session, found, secrets=runtime.secrets, rules=rules, now=runtime.now())
    if json_ or format_ == "json":
        if output is None:
            print_json(statement)
            return
        text = msgspec.json.format(msgspec.json.encode(statement), indent=2).decode() + "\n"
    else:
        text = render_html(statement) if format_ == "html" else render_markdown(statement)
    if output is None:
        click.echo(text, nl=False)
        return
    output.write_text(text, encoding="utf-8")
    click.echo(f"Wrote the statement of release {found.number} to {output}.")
