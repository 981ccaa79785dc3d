"""Learning curves: how accuracy grows with the number of interviews.

For each seed the interviews are put into a random order, and the first n of them are fitted, for every n: the samples
of one seed are nested, so that a curve of one seed is of growing knowledge, and the spread over seeds is chance. The
order is drawn without knowing who was interviewed: from the counts of cells, which say all that the model sees.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from jobs.backtest_fits import Bench
from jobs.backtest_report import ScoreRow
from jobs.backtest_sample import subsample
from jobs.backtest_score import Scored
from jobs.errors import BacktestImpossible
from mrp.holdout import HeldOutScores

__all__ = ["CurvePoint", "CurveReport", "default_sizes", "learning_curve"]

LEAST: Final = 50
"""Interviews of the smallest default sample."""
STEPS: Final = 5
_INTERVALS: Final = ("0.5", "0.8", "0.9", "0.95")


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One fit of a sample."""

    n: int
    seed: int
    publishable: bool
    truth: Scored
    """District estimates against the truth."""
    baselines: Mapping[str, Scored]
    left: HeldOutScores | None
    """The interviews that are not in the sample, as predicted; None if there are none."""


@dataclass(frozen=True, slots=True)
class CurveReport:
    """All samples."""

    points: tuple[CurvePoint, ...]

    def to_json(self) -> dict[str, Any]:
        """What ``hustings backtest --learning-curve --json`` prints of them."""
        points = [
            asdict(point)
            | {
                "truth": point.truth.to_json(),
                "baselines": {name: scored.to_json() for name, scored in point.baselines.items()},
            }
            for point in self.points
        ]
        return {"points": points, "curve": self.curve()}

    def curve(self) -> list[dict[str, Any]]:
        """Of each size and method: mean of a score over seeds, and its least and largest value."""
        rows = []
        for n in sorted({point.n for point in self.points}):
            some = [point for point in self.points if point.n == n]
            rows.append(_curve_row("model", n, [one.truth.whole for one in some], [one.left for one in some]))
            rows += [
                _curve_row(name, n, [one.baselines[name].whole for one in some if name in one.baselines], [])
                for name in some[0].baselines
            ]
        return rows


def learning_curve(bench: Bench, *, sizes: Sequence[int] | None = None, seeds: int = 3) -> CurveReport:
    """Fit nested samples of growing size.

    Parameters
    ----------
    sizes
        Interviews of each sample; those beyond all interviews are all of them. Default: `default_sizes`.
    seeds
        Orders, at least 1.

    Raises
    ------
    BacktestImpossible
        If weights are in the likelihood, or answers are numbers, so that counts are no single interviews.
    """
    if bench.question.kind == "numeric":
        raise BacktestImpossible(
            f"Counts of question {bench.question.id} cannot be sampled: of a cell's numbers the mean and the squares "
            "are known. A plain backtest and folds are made of it."
        )
    declaration = bench.house.bundle.declaration
    for one in (bench.question, *(declaration.question(part.question) for part in bench.chain)):
        if one.weights == "likelihood":
            raise BacktestImpossible(
                f"Weighted counts cannot be sampled: those of question {one.id} are no whole interviews."
            )
    counts = bench.add(list(bench.counts().values()))
    total = int(counts["n"].sum())
    wanted = sorted({min(size, total) for size in sizes or default_sizes(total)})
    # All interviews are the same sample for every seed.
    orders = [(seed, n) for n in wanted for seed in range(1, seeds + 1) if n < total or seed == 1]
    bench.expect(len(orders), samples=len(orders))
    points = []
    for seed, n in orders:
        sample, left = subsample(counts, n, seed=seed)
        name = f"{n:,} interviews, seed {seed}"
        fit = bench.fit(sample, name=name, seed=seed, engine="laplace", part=n / total)
        points.append(
            CurvePoint(
                n=n,
                seed=seed,
                publishable=fit.publishable,
                truth=bench.score(fit),
                baselines=bench.score_baselines(sample, fit.design),
                left=bench.score_interviews(fit, left, seed=seed) if left.height else None,
            )
        )
    return CurveReport(tuple(points))


def default_sizes(total: int) -> tuple[int, ...]:
    """All interviews, and each time half as many, as long as there are enough."""
    sizes = [total // 2**step for step in range(STEPS)]
    return tuple(sorted({total, *(size for size in sizes if size >= LEAST)}))


def _curve_row(method: str, n: int, truth: Sequence[ScoreRow], left: Sequence[HeldOutScores | None]) -> dict[str, Any]:
    known = [one for one in left if one is not None]
    row: dict[str, Any] = {"method": method, "n": n, "seeds": len(truth)}
    scores = ("rmse", "bias", "interval_score", "mean_width", "rank_correlation")
    values: dict[str, list[Any]] = {name: [getattr(one, name) for one in truth] for name in scores}
    for level in _INTERVALS:
        values[f"coverage_{level}"] = [one.coverage[level] if one.coverage else None for one in truth]
    values["log_score"] = [one.log_score for one in known]
    for name, some in values.items():
        told = [value for value in some if value is not None]
        row[name] = {"mean": float(np.mean(told)), "low": min(told), "high": max(told)} if told else None
    return row
