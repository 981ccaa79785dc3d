"""``hustings backtest``: score a survey folder against what happened."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.cli.output import as_json, print_table
from api.cli.refusals import NO
from api.cli.runtime import Runtime

if TYPE_CHECKING:
    import polars as pl

__all__ = ["backtest", "estimated"]

ENGINES = ("laplace", "nuts")
TOGETHER = ("rmse", "mae", "interval_score", "mean_width", "crps", "brier", "log_score")
SCORES = ("rmse", "mae", "bias", "correlation", "interval_score", "mean_width", "rank_correlation")


@click.command(short_help="Score a survey folder against what happened.")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--data",
    "data_dir",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Where the tables lie, if not in the folder.",
)
@click.option("--question", help="Question to score. Default: the declared one, or the only one.")
@click.option("--engine", type=click.Choice(ENGINES), help="How to fit. Default: the setting engine.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), help="Seed of the fit. Default: follows from the inputs.")
@click.option(
    "--districts",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the table of districts here (.csv or .parquet).",
)
@click.option("--replay", is_flag=True, help="Push waves in fieldwork order, publish after each, score all releases.")
@click.option(
    "--folds", type=click.IntRange(2), metavar="K", help="Fit without each of K folds of waves; predict them."
)
@click.option("--learning-curve", is_flag=True, help="Accuracy against the number of interviews.")
@click.option("--sizes", help="Of the learning curve: interviews, as 100,400,1600. Default: all, and halves of it.")
@click.option("--seeds", type=click.IntRange(1, 100), default=3, show_default=True, help="Samples of each size.")
@click.option("--engines", help="Compare engines: laplace,nuts.")
@click.option("--models", multiple=True, metavar="NAME=FORMULA|FILE", help="Compare models; may be repeated.")
@click.option(
    "--record",
    multiple=True,
    metavar="FOLDER[=DATA]",
    help="Score a second interval too, its scale from the errors of these other surveys; may be repeated.",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw what the table says (.svg); a replay before its result also draws FILE-lead-time.svg.",
)
@as_json
@click.pass_obj
def backtest(
    runtime: Runtime,
    *,
    folder: Path,
    data_dir: Path | None,
    question: str | None,
    engine: str | None,
    seed: int | None,
    districts: Path | None,
    replay: bool,
    folds: int | None,
    learning_curve: bool,
    sizes: str | None,
    seeds: int,
    engines: str | None,
    models: tuple[str, ...],
    record: tuple[str, ...],
    plot: Path | None,
    json_: bool,
) -> None:
    """Push the survey's interviews through the same path as any wave, fit, and compare with the truth.

    Works in a temporary store: nothing of the running service is touched. Exit code 1 if the fit is not
    publishable; its scores are printed all the same. Instead of one fit: --replay, --folds, --learning-curve,
    --record, or --engines and --models. Ctrl-C ends the fit that runs, and leaves nothing behind.
    """
    from dataclasses import replace

    from api.cli.follow import progress_bar
    from jobs.backtest import backtest as run_backtest

    if districts is not None and districts.suffix not in (".csv", ".parquet"):
        raise click.BadParameter("write to a file that ends in .csv or .parquet", param_hint="--districts")
    if districts is not None and not districts.absolute().parent.is_dir():
        raise click.BadParameter(f"there is no folder {districts.absolute().parent}", param_hint="--districts")
    settings = replace(runtime.settings, engine=engine) if engine else runtime.settings
    modes: dict[str, object] = {"--replay": replay, "--folds": folds, "--learning-curve": learning_curve}
    modes["--engines and --models"] = engines or models
    modes["--record"] = record
    asked = [name for name, given in modes.items() if given]
    if len(asked) > 1:
        raise click.UsageError(f"{' and '.join(asked)} are different questions: ask one of them at a time.")
    if plot is not None and (not asked or record):
        raise click.UsageError("--plot draws --replay, --folds, --learning-curve, or --engines and --models.")
    if asked:
        from api.cli import backtest_modes

        experiment = backtest_modes.Experiment(
            folder=folder,
            data_dir=data_dir,
            settings=settings,
            question=question,
            seed=1 if seed is None else seed,
            json=json_,
            progress=lambda: progress_bar(quiet=json_),
        )
        wanted = backtest_modes.Wanted(
            replay=replay,
            folds=folds,
            sizes=_sizes(sizes) if learning_curve else None,
            seeds=seeds if learning_curve else 0,
            models=backtest_modes.read_models(models),
            engines=_engines(engines),
            record=backtest_modes.read_record(record),
        )
        backtest_modes.run(experiment, wanted, plot)
        return
    with progress_bar(quiet=json_) as show:
        report = run_backtest(
            folder,
            data_dir,
            settings=settings,
            question=question,
            seed=seed,
            on_progress=lambda progress: show(progress.stage, progress.share),
        )
    if json_:
        from json import dumps

        click.echo(dumps(report.to_json()))
    else:
        _print(report.to_json())
    if districts is not None:
        _write(report.districts, districts)
    if not report.publishable:
        raise click.exceptions.Exit(1)


def _sizes(text: str | None) -> list[int] | None:
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise click.BadParameter("write numbers of interviews, as 100,400,1600", param_hint="--sizes")
    return [int(part) for part in parts]


def _engines(text: str | None) -> list[str]:
    engines = [] if text is None else [part.strip() for part in text.split(",")]
    if unknown := [one for one in engines if one not in ENGINES]:
        raise click.BadParameter(
            f"there is no engine {unknown[0]!r}; take {' or '.join(ENGINES)}", param_hint="--engines"
        )
    return list(dict.fromkeys(engines))


def _write(table: "pl.DataFrame", file: Path) -> None:
    write = table.write_csv if file.suffix == ".csv" else table.write_parquet
    try:
        write(file)
    except OSError as error:
        # Not a Refusal: the one document of --json was printed already.
        click.echo(f"Error: {file} cannot be written: {error.strerror or error}.", err=True)
        raise click.exceptions.Exit(NO) from None


def _print(report: dict[str, Any]) -> None:
    verdict = report["verdict"]
    data = f"{report['n_interviews']:,} interviews in {report['n_cells']:,} cells, {report['n_districts']} districts"
    click.echo(f"{report['survey']}/{report['question']}, {estimated(report)}: {data}")
    click.echo(f"{report['engine']}, seed {report['seed']}")
    _print_scores(report)
    for option, scores in report.get("options", {}).items():
        if option != report["option"]:
            click.echo(f"\nshare of '{option}':")
            _print_scores(scores)
    if "together" in report:
        click.echo("\nall options together, each district and option alike:")
        print_table(("", *TOGETHER), _rows(report["together"], TOGETHER))
        click.echo("Brier and log score are of who leads in a district.")
    click.echo(", ".join(f"{name} {value:.1f} s" for name, value in report["seconds"].items()))
    click.echo("publishable" if verdict["publishable"] else "NOT publishable:")
    for problem in verdict["problems"]:
        click.echo(f"  {problem.get('message')}")
    for warning in verdict["warnings"]:
        click.echo(f"warning: {warning}")
    for sentence in report.get("basis", ()):
        click.echo(sentence)
    click.echo(f"model: {report['formula']}")
    for term, prior in report["priors"].items():
        click.echo(f"  {term}: {prior}")


def _print_scores(report: dict[str, Any]) -> None:
    click.echo(f"national {report['national']['mean']:.4f} (sd {report['national']['sd']:.4f})")
    print_table(("", *SCORES), _rows(report, SCORES))
    if report["coverage"]:
        covered = ", ".join(f"{_score(value)} of {float(key):.0%}" for key, value in report["coverage"].items())
        click.echo(f"coverage: {covered} intervals")
    for why in dict.fromkeys(report.get("absent", {}).values()):
        methods = " and ".join(name for name, reason in report["absent"].items() if reason == why)
        click.echo(f"no {methods}: {why}")


def _rows(report: dict[str, Any], scores: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The model and the baselines."""
    every = {"model": report} | report["baselines"]
    return [(method, *(_score(of.get(name)) for name in scores)) for method, of in every.items()]


def estimated(report: dict[str, Any]) -> str:
    """What is estimated, in words."""
    return f"mean in {report['unit']}" if report.get("unit") else f"share of '{report['option']}'"


def _score(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
