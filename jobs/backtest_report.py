"""What a backtest says: one JSON object, and a table of districts."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import polars as pl

from jobs.backtest_basis import Basis

__all__ = ["BacktestReport", "OptionReport", "ScoreRow", "TogetherReport"]


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """Scores of one set of district estimates against the truth; None where they do not apply.

    Errors are estimate - truth, in shares, or in the unit of a question answered with a number. Interval score and
    mean width are those of 90% intervals.
    """

    n_districts: int
    """Districts that were scored; all with an estimate where there is no truth."""
    rmse: float | None = None
    mae: float | None = None
    bias: float | None = None
    correlation: float | None = None
    """Pearson's, over districts; None if either side is constant."""
    coverage: Mapping[str, float | None] | None = None
    """Share of districts whose interval covers the truth, by the interval's probability."""
    interval_score: float | None = None
    mean_width: float | None = None
    crps: float | None = None
    """Continuous ranked probability score (``mrp.proper_scores``)."""
    brier: float | None = None
    """Of the probability of more than one half, like the next."""
    log_score: float | None = None
    rank_correlation: float | None = None
    """Spearman's with the benchmark, where there is one."""


@dataclass(frozen=True, slots=True)
class OptionReport:
    """The estimates of one option beside what happened."""

    national_mean: float
    national_sd: float
    scores: ScoreRow
    baselines: Mapping[str, ScoreRow]
    absent: Mapping[str, str] = field(default_factory=dict)
    """Method -> why it says nothing of the option."""

    def to_json(self) -> dict[str, Any]:
        """A value that ``json.dumps`` takes."""
        return {
            "national": {"mean": self.national_mean, "sd": self.national_sd},
            **asdict(self.scores),
            "baselines": {name: asdict(row) for name, row in self.baselines.items()},
            **({"absent": dict(self.absent)} if self.absent else {}),
        }


@dataclass(frozen=True, slots=True)
class TogetherReport:
    """All options of a question beside what happened: each district and option counts alike."""

    scores: ScoreRow
    """Brier and log score are of who leads."""
    baselines: Mapping[str, ScoreRow]
    """Of the methods that say something of every option."""

    def to_json(self) -> dict[str, Any]:
        """A value that ``json.dumps`` takes."""
        return asdict(self.scores) | {"baselines": {name: asdict(row) for name, row in self.baselines.items()}}


@dataclass(frozen=True, slots=True)
class BacktestReport:
    """A survey's estimates beside what happened."""

    survey: str
    question: str
    option: str
    engine: str
    seed: int
    n_interviews: int
    n_cells: int
    national_mean: float
    national_sd: float
    scores: ScoreRow
    baselines: Mapping[str, ScoreRow]
    seconds: Mapping[str, float]
    """``read``, ``fit``, ``poststratify``, ``total``."""
    publishable: bool
    problems: tuple[Mapping[str, str], ...]
    warnings: tuple[str, ...]
    formula: str
    priors: Any
    """Of every term, in words."""
    districts: pl.DataFrame
    """One row per district: n_interviews, raw, share (or mean), low, high, sd, truth where there is one, the baselines;
    with several options one for each, which the column ``option`` names."""
    options: Mapping[str, OptionReport] = field(default_factory=dict)
    """Of a question of several options all of them, ``option`` too; empty: one share is estimated."""
    together: TogetherReport | None = None
    """All of them together."""
    absent: Mapping[str, str] = field(default_factory=dict)
    """Method -> why it says nothing of ``option``."""
    basis: Basis | None = None
    """Whom estimates are about, over which frame, and what they meet."""
    unit: str | None = None
    """Of a question answered with a number: of its mean, which ``option`` then is, and of all scores."""

    @property
    def n_districts(self) -> int:
        """Districts that were scored; all of them where there is no truth."""
        return self.scores.n_districts

    def to_json(self) -> dict[str, Any]:
        """The object that ``hustings backtest --json`` prints; every score is a key of its own."""
        return {
            "survey": self.survey,
            "question": self.question,
            "option": self.option,
            "engine": self.engine,
            "seed": self.seed,
            "n_interviews": self.n_interviews,
            "n_cells": self.n_cells,
            "n_districts": self.n_districts,  # also among the scores; here for the order of keys
            "national": {"mean": self.national_mean, "sd": self.national_sd},
            **asdict(self.scores),
            "seconds": dict(self.seconds),
            "verdict": {
                "publishable": self.publishable,
                "problems": [dict(problem) for problem in self.problems],
                "warnings": list(self.warnings),
            },
            **({} if self.basis is None else self.basis.to_json() | {"basis": self.basis.sentences()}),
            "formula": self.formula,
            "priors": self.priors,
            "baselines": {name: asdict(row) for name, row in self.baselines.items()},
            **({"absent": dict(self.absent)} if self.absent else {}),
            **({"unit": self.unit} if self.unit is not None else {}),
            **({"options": {name: one.to_json() for name, one in self.options.items()}} if self.options else {}),
            **({"together": self.together.to_json()} if self.together is not None else {}),
        }
