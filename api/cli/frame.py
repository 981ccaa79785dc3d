"""``hustings frame``: build the population frame of a survey from the tables that there are."""

from pathlib import Path

import click

from api.cli.follow import progress_bar
from api.cli.output import as_json, print_json, print_table

__all__ = ["frame"]


@click.group(short_help="Build the population frame of a survey.")
def frame() -> None:
    """A frame says how many people live in each district with each combination of levels."""


@frame.command()
@click.argument("recipe", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for what is built. Default: that of the recipe.",
)
@click.option("--force", is_flag=True, help="Replace a frame.parquet that was not built here, or was changed since.")
@as_json
def build(*, recipe: Path, out: Path | None, force: bool, json_: bool) -> None:
    """Build frame.parquet from RECIPE, a TOML file with the tables beside it.

    Steps: count records, rake to margins, join tables, extend by a variable of a survey, merge and split levels,
    change districts, grow to a date, check. frame.json tells what was done, assumed and warned of, with the hashes
    of all files; frame_draws.parquet has the draws of an extended frame.
    """
    from jobs.frame_build import StepReport, build_frame
    from jobs.frame_report import unnamed_draws, write_frame
    from polling.frame_recipe import load_recipe

    def tell(step: StepReport) -> None:
        for said in step.told:
            click.echo(f"{step.do}: {said}")

    loaded = load_recipe(recipe)
    with progress_bar(quiet=json_) as show:
        built = build_frame(loaded, on_step=None if json_ else tell, on_progress=show)
    folder = out or recipe.parent
    report = write_frame(built, loaded, folder, recipe_name=recipe.name, force=force)
    # Of the survey as it is now, and so no part of frame.json.
    report = {**report, "warnings": [*report["warnings"], *unnamed_draws(folder)]}
    if json_:
        print_json(report)
        return
    gaps = [
        (step.do, gap.margin, " / ".join(gap.level), f"{gap.people:.2f}", f"{gap.share:.2g}")
        for step in built.steps
        for gap in step.gaps
    ]
    if gaps:
        print_table(("step", "margin", "largest gap at", "people", "share"), gaps)
    for said in built.said:
        click.echo(said)
    for kind in ("assumptions", "warnings"):
        for said in report[kind]:
            click.echo(f"{'Assumed' if kind == 'assumptions' else 'Warning'}: {said}")
    click.echo(
        f"{folder / 'frame.parquet'}: {report['n_people']:,.0f} people in {report['n_cells']:,} cells of "
        f"{report['n_districts']:,} districts, sha256 {report['sha256']['outputs']['frame.parquet'][:12]}."
    )
