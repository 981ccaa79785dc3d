"""``hustings diagnostics``: why a release should be believed."""

from typing import Any

import click

from api.cli.output import as_json, print_json, print_table
from api.cli.runtime import Runtime

__all__ = ["diagnostics"]


@click.command(short_help="Show why a release should be believed.")
@click.argument("survey_id", metavar="SURVEY")
@click.argument("question_id", metavar="QUESTION")
@click.option("--release", "release_id", help="Id of a release. Default: the current one.")
@click.option("--fit", "fit_id", help="Id of a fit, published or not, instead of a release.")
@as_json
@click.pass_obj
def diagnostics(
    runtime: Runtime, *, survey_id: str, question_id: str, release_id: str | None, fit_id: str | None, json_: bool
) -> None:
    """Print the verdict on a fit and the numbers behind it. Exit code 1 if the fit is not publishable."""
    from api.estimates import find_served
    from polling.errors import FitNotFound
    from polling.store import fits

    if release_id and fit_id:
        raise click.UsageError("name a release or a fit, not both")
    with runtime.store.read() as session:
        if fit_id is None:
            fit_id = find_served(session, survey_id, question_id, release_id).release.fit_id
        fit = fits.get_fit(session, fit_id)
        if (fit.survey_id, fit.question_id) != (survey_id, question_id):
            raise FitNotFound(fit_id)
        numbers: Any = fits.load_diagnostics(session, fit_id)
    if json_:
        print_json({"fit": fit, "diagnostics": numbers})
    else:
        _print(fit, numbers)
    if not fit.publishable:
        raise click.exceptions.Exit(1)


def _print(fit: Any, numbers: Any) -> None:
    verdict = "publishable" if fit.publishable else "NOT publishable"
    click.echo(f"{fit.engine} fit {fit.id[:12]} of {fit.survey_id}/{fit.question_id}, seed {fit.seed}: {verdict}")
    click.echo(f"{fit.formula}")
    click.echo(f"{fit.n_interviews:,} interviews in {fit.n_cells:,} cells")
    for problem in (fit.verdict or {}).get("problems", []):
        click.echo(f"  {problem.get('code')}: {problem.get('message')}")
    plain = {name: value for name, value in (numbers or {}).items() if not isinstance(value, list | dict)}
    if plain:
        print_table(("", ""), [(name, _number(value)) for name, value in plain.items()])
    for name, value in (numbers or {}).items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            columns = list(value[0])
            rows = [[_number(row.get(column)) for column in columns] for row in value[:25]]
            click.echo(f"\n{name}{f' (25 of {len(value)})' if len(value) > 25 else ''}")
            print_table(columns, rows)


def _number(value: object) -> object:
    return f"{value:.4g}" if isinstance(value, float) else value
