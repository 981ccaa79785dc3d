"""k-fold over waves: fit without a fold of waves, and predict its interviews; beside it the truth, where it is known.

Waves are dealt to folds in fieldwork order, one after the other, so that every fold has early and late ones. Whole
waves are held out because interviews of one wave are more alike than those of two: a fold of single interviews would
flatter the model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from jobs.backtest_fits import Bench
from jobs.backtest_score import Scored
from jobs.errors import BacktestImpossible
from mrp.holdout import HeldOutScores
from mrp.outcomes import score_alike

__all__ = ["Fold", "FoldsReport", "run_folds"]


@dataclass(frozen=True, slots=True)
class Fold:
    """One fit without some waves."""

    number: int
    held_out: tuple[str, ...]
    """References of its waves."""
    n_fitted: int
    """Interviews that were fitted."""
    publishable: bool
    interviews: HeldOutScores | None
    """Its interviews as predicted."""
    national_mean: HeldOutScores | None
    """The same interviews, each predicted by what was answered in those that were fitted."""
    truth: Scored
    """District estimates of the fit against the truth."""


@dataclass(frozen=True, slots=True)
class FoldsReport:
    """All folds."""

    folds: tuple[Fold, ...]

    def to_json(self) -> dict[str, Any]:
        """What ``hustings backtest --folds --json`` prints of them."""
        folds = [asdict(fold) | {"truth": fold.truth.to_json()} for fold in self.folds]
        return {"folds": folds, "pooled": self.pooled()}

    def pooled(self) -> Mapping[str, Any]:
        """Means over folds, of interviews weighted by their number; coverage by districts of folds."""
        own = [fold.interviews for fold in self.folds if fold.interviews is not None]
        flat = [fold.national_mean for fold in self.folds if fold.national_mean is not None]
        return {"model": _pool(own), "national_mean": _pool(flat)}


def run_folds(bench: Bench, k: int, *, seed: int = 1) -> FoldsReport:
    """Fit once for each fold.

    Parameters
    ----------
    k
        Folds, at least 2; as many as waves if there are fewer of these.

    Raises
    ------
    BacktestImpossible
        If there is one wave.
    """
    counts_of = bench.counts()
    references = list(counts_of)
    if len(references) < 2:
        raise BacktestImpossible(
            "All interviews are one wave, so that none can be held out. Split them by [backtest] wave_by, wave_days or "
            "wave_parts."
        )
    k = min(k, len(references))
    bench.expect(k, samples=k)
    folds = []
    for number in range(k):
        held_out = references[number::k]
        fitted = bench.add([counts for name, counts in counts_of.items() if name not in held_out])
        left = bench.add([counts_of[name] for name in held_out])
        fit = bench.fit(fitted, name=f"fold {number + 1} of {k}", seed=seed, without=held_out)
        folds.append(
            Fold(
                number=number + 1,
                held_out=tuple(held_out),
                n_fitted=int(fitted["n"].sum()),
                publishable=fit.publishable,
                interviews=bench.score_interviews(fit, left, seed=seed),
                national_mean=score_alike(fitted, fit.design, bench.electorate, left),
                truth=bench.score(fit),
            )
        )
    return FoldsReport(tuple(folds))


def _pool(scores: Sequence[HeldOutScores]) -> dict[str, Any] | None:
    if not scores:
        return None
    n = np.array([one.n_interviews for one in scores], dtype=float)
    squares = None if scores[0].rmse is None else [(one.rmse or 0.0) ** 2 for one in scores]
    briers = [one.brier for one in scores if one.brier is not None]
    groups = np.array([one.n_groups for one in scores], dtype=float)
    return {
        "n_interviews": int(n.sum()),
        "n_groups": int(groups.sum()),
        "log_score": float(np.average([one.log_score for one in scores], weights=n)),
        "brier": float(np.average(briers, weights=n)) if briers else None,
        "coverage": {
            level: float(np.average([one.coverage[level] for one in scores], weights=groups))
            for level in scores[0].coverage
        },
        **({} if squares is None else {"rmse": float(np.sqrt(np.average(squares, weights=n)))}),
    }
