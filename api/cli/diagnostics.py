"""``hustings diagnostics``: why a release should be believed."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.cli.output import as_json, print_json, print_table
from api.cli.runtime import Runtime

if TYPE_CHECKING:
    from jobs.pictures import KeptFit

__all__ = ["diagnostics", "print_model"]

COLUMNS = ("name", "mean", "sd", "mcse", "r_hat", "ess_bulk", "ess_tail")
MAX_ROWS = 25
K_HATS = ("k_hat_sd", "k_hat_joint")


@click.command(short_help="Show why a release should be believed.")
@click.argument("survey_id", metavar="SURVEY")
@click.argument("question_id", metavar="QUESTION")
@click.option("--release", "release_id", help="Id of a release. Default: the current one.")
@click.option("--fit", "fit_id", help="Id of a fit, published or not, instead of a release.")
@click.option(
    "--figures",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Draw rank, trace, energy, profiles and the like into this folder, as SVG.",
)
@click.option(
    "--netcdf",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the fit for a notebook: arviz.from_netcdf(FILE).",
)
@as_json
@click.pass_obj
def diagnostics(
    runtime: Runtime,
    *,
    survey_id: str,
    question_id: str,
    release_id: str | None,
    fit_id: str | None,
    figures: Path | None,
    netcdf: Path | None,
    json_: bool,
) -> None:
    """Print the verdict on a fit and the numbers behind it. Exit code 1 if the fit is not publishable."""
    from api.cli.refusals import NO, Refusal
    from api.errors import NoReleaseYet
    from api.pictures import kept_fit
    from api.served import find_served
    from polling.errors import FitNotFound
    from polling.store import confirmations, fits

    if release_id and fit_id:
        raise click.UsageError("name a release or a fit, not both")
    with runtime.store.read() as session:
        if fit_id is None:
            try:
                fit_id = find_served(session, survey_id, question_id, release_id).release.fit_id
            except NoReleaseYet as error:
                if not (unpublished := fits.list_fits(session, survey_id, question_id)):
                    raise
                command = f"hustings diagnostics {survey_id} {question_id} --fit {unpublished[0].id}"
                raise Refusal(f"{error} Its diagnostics: `{command}`.", NO) from None
        fit = fits.get_fit(session, fit_id)
        if (fit.survey_id, fit.question_id) != (survey_id, question_id):
            raise FitNotFound(fit_id)
        numbers: Any = fits.load_diagnostics(session, fit_id)
        said = confirmations.find_confirmation(session, fit_id)
        kept = kept_fit(session, fit) if figures or netcdf else None
    if kept is not None:
        _write(kept, fit, runtime, figures=figures, netcdf=netcdf, quiet=json_)
    if json_:
        print_json({"fit": fit, "diagnostics": numbers, "confirmation": said})
    else:
        _print(fit, numbers)
        if said is not None:
            click.echo(said.sentence)
    if not fit.publishable:
        raise click.exceptions.Exit(1)


def _write(
    kept: "KeptFit", fit: Any, runtime: Runtime, *, figures: Path | None, netcdf: Path | None, quiet: bool
) -> None:
    """Pictures and file of a fit, where they were asked for."""
    from api.pictures import fit_attributes
    from jobs.pictures import make_figures, make_netcdf

    told = []
    if figures is not None:
        drawn = make_figures(kept, runtime.settings)
        figures.mkdir(parents=True, exist_ok=True)
        for name, svg in drawn.items():
            (figures / f"{name}.svg").write_text(svg, encoding="utf-8")
        told.append(f"Drew {', '.join(drawn)} into {figures}.")
    if netcdf is not None:
        netcdf.write_bytes(make_netcdf(kept, runtime.settings, attributes=fit_attributes(fit)))
        told.append(f"Wrote the fit to {netcdf}.")
    for sentence in told:
        click.echo(sentence, err=quiet)


def _print(fit: Any, numbers: Any) -> None:
    from api.routes.releases import diagnosis_of

    verdict = "publishable" if fit.publishable else "NOT publishable"
    click.echo(f"{fit.engine} fit {fit.id[:12]} of {fit.survey_id}/{fit.question_id}, seed {fit.seed}: {verdict}")
    print_model(fit)
    click.echo(f"{fit.n_interviews:,} interviews in {fit.n_cells:,} cells")
    for problem in (fit.verdict or {}).get("problems", []):
        click.echo(f"  {problem.get('code')}: {problem.get('message')}")
    for warning in (fit.verdict or {}).get("warnings", []):
        click.echo(f"  warning: {warning}")
    _print_numbers(numbers or {})
    click.echo()
    words = diagnosis_of(fit, numbers)
    for sentence in (words.headline, *(check.text for check in words.checks), *words.variation):
        click.echo(sentence)


def print_model(fit: Any) -> None:
    """The formula of a fit, and the prior of each of its terms in words."""
    click.echo(fit.formula)
    for term, prior in fit.priors.items():
        click.echo(f"  {term}: {prior}")


def _print_numbers(numbers: dict[str, Any]) -> None:
    plain = {name: value for name, value in numbers.items() if isinstance(value, str | int | float)}
    # Short lists and flat objects, such as E-BFMI per chain and tree depth, on one line each.
    plain |= {name: _in_line(value) for name, value in numbers.items() if _is_flat(value) and name != "fit"}
    plain |= {name: "none: all weights are equal" for name in K_HATS if name in numbers and numbers[name] is None}
    if plain:
        print_table(("", ""), [(name, _number(value)) for name, value in plain.items()])
    joint = numbers.get("joint")
    if isinstance(joint, dict):
        click.echo(f"\nFitted together: {', '.join(joint.get('questions', ()))}.")
        for one in joint.get("correlations", ()):
            click.echo(f"{one['sentence'][0].upper()}{one['sentence'][1:]}.")
    worst = numbers.get("worst")
    tables = {f"worst by {name}": rows for name, rows in worst.items()} if isinstance(worst, dict) else {}
    if isinstance(numbers.get("parameters"), list):
        tables["parameters"] = numbers["parameters"]
    for name, rows in tables.items():
        click.echo(f"\n{name}{f' (first {MAX_ROWS} of {len(rows)}; all with --json)' if len(rows) > MAX_ROWS else ''}")
        columns = [column for column in COLUMNS if any(column in row for row in rows)]
        print_table(columns, [[_number(row.get(column)) for column in columns] for row in rows[:MAX_ROWS]])


def _is_flat(value: object) -> bool:
    inner = list(value.values()) if isinstance(value, dict) else value
    return isinstance(inner, list) and bool(inner) and not any(isinstance(one, list | dict) for one in inner)


def _in_line(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_number(one)}" for name, one in value.items())
    return ", ".join(str(_number(one)) for one in value)


def _number(value: object) -> object:
    return f"{value:.4g}" if isinstance(value, float) else value
