"""What ``hustings backtest`` does besides one fit: replay fieldwork, hold waves out, grow samples, compare models."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.cli.output import print_json, print_table

if TYPE_CHECKING:
    from jobs.backtest_fits import Bench
    from jobs.settings import Settings

__all__ = ["Experiment", "Wanted", "read_models", "read_record", "run"]

CORRELATION = 0.7
"""Of the errors of two districts."""

type Show = Callable[[str, float | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """What is scored, and how it is told."""

    folder: Path
    data_dir: Path | None
    settings: "Settings"
    question: str | None
    seed: int
    json: bool
    progress: Callable[[], AbstractContextManager[Show]]

    def with_bench(self, do: "Callable[[Bench], Any]") -> "tuple[dict[str, Any], Any]":
        """Push and count all waves, do something with them; what they are, and what came of it."""
        from jobs.backtest_fits import open_bench
        from jobs.backtest_house import backtest_house
        from jobs.backtest_waves import split_rule

        with (
            self.progress() as show,
            backtest_house(self.folder, self.data_dir, settings=self.settings, question=self.question) as house,
            open_bench(house, on_progress=lambda progress: show(progress.stage, progress.share)) as bench,
        ):
            done = do(bench)
            head = {
                "survey": house.bundle.declaration.id,
                "question": bench.question.id,
                "option": next(iter(bench.outcomes)),
                **({"unit": bench.question.unit or "unit of the answers"} if bench.question.kind == "numeric" else {}),
                **({"options": list(bench.outcomes)} if len(bench.outcomes) > 1 else {}),
                "seed": self.seed,
                "waves": list(bench.waves.values()),
                "rule": split_rule(house.plan.declared),
                "held": list(house.held),
                **bench.basis.to_json(),
                "basis": bench.basis.sentences(),
            }
        return head, done


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked; of these one."""

    replay: bool
    folds: int | None
    sizes: Sequence[int] | None
    """Of a learning curve; None: the default."""
    seeds: int
    """Samples of each size of a learning curve; 0: none is asked."""
    models: Mapping[str, str]
    engines: Sequence[str]
    record: Sequence[tuple[Path, Path | None]] = ()
    """Other survey folders, with the folders of their tables."""


def run(experiment: Experiment, wanted: Wanted, plot: Path | None) -> None:
    """Do what is wanted, print it, and draw it into a file if there is one."""
    from api.cli import backtest_plot

    backtest_plot.check_plot(plot)
    if wanted.record:
        run_record(experiment, wanted.record)
        return
    draw: Callable[[Mapping[str, Any], Path], None]
    if wanted.replay:
        report, draw = run_replay(experiment), backtest_plot.plot_replay
    elif wanted.folds is not None:
        report, draw = run_folds(experiment, wanted.folds), backtest_plot.plot_folds
    elif wanted.seeds:
        report, draw = run_curve(experiment, wanted.sizes, wanted.seeds), backtest_plot.plot_curve
    else:
        report, draw = run_compare(experiment, wanted.models, wanted.engines), backtest_plot.plot_compare
    if plot is not None:
        draw(report, plot)


def run_replay(experiment: Experiment) -> dict[str, Any]:
    """Publish a release after each wave, and print the track record of all."""
    import msgspec

    from api.cli.truth import print_record
    from api.track_record import track_record
    from jobs.backtest_replay import replay

    with experiment.progress() as show:
        done = replay(
            experiment.folder,
            experiment.data_dir,
            settings=experiment.settings,
            read=track_record,
            question=experiment.question,
            seed=experiment.seed,
            on_progress=lambda progress: show(progress.stage, progress.share),
        )
    report = {
        "seed": experiment.seed,
        "rule": done.rule,
        "held": list(done.held),
        "unpublished": list(done.unpublished),
        "track_record": msgspec.to_builtins(done.read),
    }
    if experiment.json:
        print_json(report)
        return report
    click.echo(done.rule)
    for reference in done.held:
        click.echo(f"Wave {reference} was held by the quality checks and let through.")
    for why in done.unpublished:
        click.echo(f"Not published: {why}")
    print_record(done.read)
    return report


def run_folds(experiment: Experiment, k: int) -> dict[str, Any]:
    """Fit without each fold of waves, and print how well it predicts them."""
    from jobs.backtest_folds import run_folds as run

    head, done = experiment.with_bench(lambda bench: run(bench, k, seed=experiment.seed))
    report: dict[str, Any] = head | done.to_json()
    if experiment.json:
        print_json(report)
        return report
    _print_head(head)
    rows = []
    for fold in done.folds:
        for name, scores in (("model", fold.interviews), ("national_mean", fold.national_mean)):
            if scores is not None:
                rows.append(
                    (
                        fold.number,
                        f"{fold.n_fitted:,}",
                        *_held_out(name, scores),
                        _number(fold.truth.whole.rmse) if name == "model" else "",
                    )
                )
    for name, scores in done.pooled().items():
        if scores is not None:
            rows.append(("all", "", *_held_out(name, scores), ""))
    columns = ("fold", "fitted", "method", "held out", "log score", "Brier", "50", "80", "90", "95", "RMSE to truth")
    print_table(columns, rows)
    of = "mean" if "unit" in head else "number for each option" if "options" in head else "number for the option"
    click.echo(f"Scores of held-out interviews; coverage of their {of} by district.")
    return report


def run_curve(experiment: Experiment, sizes: Sequence[int] | None, seeds: int) -> dict[str, Any]:
    """Fit samples of growing size, and print how accuracy grows."""
    from jobs.backtest_curve import learning_curve

    head, done = experiment.with_bench(lambda bench: learning_curve(bench, sizes=sizes, seeds=seeds))
    report: dict[str, Any] = head | done.to_json()
    if experiment.json:
        print_json(report)
        return report
    _print_head(head)
    print_table(
        ("interviews", "method", "samples", "RMSE", "bias", "90% cover", "90% width", "log score of the rest"),
        [
            (
                f"{row['n']:,}",
                row["method"],
                row["seeds"],
                *(_range(row[name]) for name in ("rmse", "bias", "coverage_0.9", "mean_width", "log_score")),
            )
            for row in done.curve()
        ],
    )
    click.echo("Means over samples, least and greatest in brackets. Samples of one seed are nested.")
    return report


def run_compare(experiment: Experiment, models: Mapping[str, str], engines: Sequence[str]) -> dict[str, Any]:
    """Fit every model by every engine, and print them beside the baselines."""
    from jobs.backtest_compare import compare

    head, done = experiment.with_bench(
        lambda bench: compare(bench, models=models, engines=engines, seed=experiment.seed)
    )
    report: dict[str, Any] = head | done.to_json()
    if experiment.json:
        print_json(report)
        return report
    _print_head(head)
    rows = [
        (
            one.model,
            one.engine if one.engine == one.engine_used else f"{one.engine}, then {one.engine_used}",
            *_scores(one.scores.whole),
            f"{one.seconds:.1f}",
            "" if one.publishable else "NOT publishable",
        )
        for one in done.candidates
    ]
    rows += [(name, "", *_scores(scores.whole), "", "") for name, scores in done.baselines.items()]
    columns = ("model", "engine", "RMSE", "bias", "50", "80", "90", "95", "interval score", "CRPS", "rank", "s", "")
    print_table(columns, rows)
    for one in done.candidates:
        click.echo(f"{one.model}: {one.formula}")
        for problem in one.problems:
            click.echo(f"  {problem}")
    return report


def run_record(experiment: Experiment, others: Sequence[tuple[Path, Path | None]]) -> dict[str, Any]:
    """Score both intervals, the scale of the second being that of other surveys' errors."""
    from dataclasses import replace

    from jobs.backtest_record import fit_all, national_errors, score_with_record

    record = []
    for folder, data_dir in others:
        other = replace(experiment, folder=folder, data_dir=data_dir, question=None)
        _, errors = other.with_bench(lambda bench: national_errors(bench, fit_all(bench, seed=experiment.seed)))
        record.append(errors)
    head, done = experiment.with_bench(
        lambda bench: score_with_record(bench, record, correlation=CORRELATION, seed=experiment.seed)
    )
    report: dict[str, Any] = head | done.to_json()
    if experiment.json:
        print_json(report)
        return report
    _print_head(head)
    for one in record:
        told = ", ".join(f"{option} {100 * error:+.1f}" for option, error in one.errors.items())
        click.echo(f"{one.survey} was off by, in points: {told}")
    click.echo(f"They suggest an error of {100 * done.national_sd:.1f} points (sd, of a share of one half).")
    columns = ("interval", "RMSE", "bias", "50", "80", "90", "95", "interval score", "CRPS", "rank")
    rows = [("model", *_scores(done.model.whole)), ("with systematic error", *_scores(done.total.whole))]
    print_table(columns, rows)
    return report


def read_record(given: Sequence[str]) -> list[tuple[Path, Path | None]]:
    """Survey folders with those of their tables: ``FOLDER`` or ``FOLDER=DATA``.

    Raises
    ------
    click.BadParameter
        If there is no such folder.
    """
    found: list[tuple[Path, Path | None]] = []
    for one in given:
        folder, _, data = one.partition("=")
        for place in filter(None, (folder, data)):
            if not Path(place).is_dir():
                raise click.BadParameter(f"there is no folder {place}", param_hint="--record")
        found.append((Path(folder), Path(data) if data else None))
    return found


def read_models(given: Sequence[str]) -> dict[str, str]:
    """Models by name: ``name=formula``, or a TOML file of such lines.

    Raises
    ------
    click.BadParameter
        If one is neither, or a name is given twice.
    """
    import tomllib

    found: dict[str, str] = {}
    for one in given:
        name, equals, formula = one.partition("=")
        told: dict[str, Any] = {name.strip(): formula.strip()}
        if not equals:
            try:
                told = tomllib.loads(Path(one).read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                message = f"{one!r} is neither name=formula nor a file of such lines: {error}"
                raise click.BadParameter(message, param_hint="--models") from None
        for key, value in told.items():
            if not key or not isinstance(value, str) or not value:
                raise click.BadParameter(f"{one!r} has no name or no formula", param_hint="--models")
            if key in found:
                raise click.BadParameter(f"model {key!r} is given twice", param_hint="--models")
            found[key] = value
    return found


def _print_head(head: dict[str, Any]) -> None:
    from api.cli.backtest import estimated

    of = f"all options together ({', '.join(head['options'])})" if "options" in head else estimated(head)
    click.echo(f"{head['survey']}/{head['question']}, {of}: {len(head['waves'])} waves")
    click.echo(head["rule"])
    for sentence in head["basis"]:
        click.echo(sentence)
    for reference in head["held"]:
        click.echo(f"Wave {reference} was held by the quality checks and let through.")


def _held_out(name: str, scores: Any) -> tuple[object, ...]:
    told = scores if isinstance(scores, dict) else scores.to_json()
    covered = (f"{share:.0%}" for share in told["coverage"].values())
    return (name, f"{told['n_interviews']:,}", _number(told["log_score"]), _number(told["brier"]), *covered)


def _scores(row: Any) -> tuple[str, ...]:
    coverage = row.coverage or dict.fromkeys(("0.5", "0.8", "0.9", "0.95"))
    covered = ("" if share is None else f"{share:.0%}" for share in coverage.values())
    numbers = (row.interval_score, row.crps, row.rank_correlation)
    return (_number(row.rmse), _number(row.bias), *covered, *map(_number, numbers))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _range(row: dict[str, float] | None) -> str:
    if row is None:
        return ""
    mean = f"{row['mean']:.4f}"
    return mean if row["low"] == row["high"] else f"{mean} ({row['low']:.4f} to {row['high']:.4f})"
