"""Score a fit and the simple methods beside it against the same outcome, in the same way."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from jobs.backtest_report import ScoreRow
from jobs.backtest_tables import Outcome
from mrp.baselines import Baseline, last_result, national_mean, predictors_alone, raw_by_district, uniform_swing
from mrp.design import Design
from mrp.electorate import Electorate
from mrp.poststratification import AreaDraws
from mrp.priors import parse_priors
from mrp.scoring import rank_correlation, score
from polling.declaration import LastResult, Question

__all__ = ["Outcomes", "baseline_columns", "baselines_of", "model_estimates", "score_against"]


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What estimates are compared with; both None if nothing is known."""

    truth: Outcome | None = None
    benchmark: Outcome | None = None
    """Another question, of which only the order of districts is comparable."""


def model_estimates(estimated: AreaDraws, *, district: str) -> Baseline:
    """The fit's own estimates in the form in which all methods are scored."""
    return Baseline(tuple(estimated.areas[district]), estimated.draws.mean(axis=0), estimated.draws)


def baselines_of(
    counts: pl.DataFrame, electorate: Electorate, design: Design, question: Question, result: LastResult | None
) -> dict[str, Baseline]:
    """What simpler methods make of the same interviews.

    Parameters
    ----------
    counts
        ``n`` interviews and ``y`` of them for the option, per cell.
    design
        Of the model that is scored; its district predictors are those of ``predictors_alone``.
    result
        The predictor that was the last result, where one is declared.
    """
    found = {
        "raw_by_district": raw_by_district(counts, electorate),
        "national_mean": national_mean(counts, electorate),
        "predictors_alone": predictors_alone(counts, electorate, design=design, priors=parse_priors(question.priors)),
    }
    if result is not None:
        before = _last_shares(result, electorate)
        found["last_result"] = last_result(before, electorate)
        found["uniform_swing"] = uniform_swing(counts, electorate, result=before)
    return found


def score_against(outcomes: Outcomes, estimates: Baseline) -> ScoreRow:
    """Score one method on the districts for which it has an estimate and something is known."""
    ranks = None
    if outcomes.benchmark is not None:
        own, known = _aligned(estimates, outcomes.benchmark)
        ranks = rank_correlation(own.share, known.share)
    if outcomes.truth is None:
        return ScoreRow(n_districts=len(estimates.codes), rank_correlation=ranks)
    own, known = _aligned(estimates, outcomes.truth)
    scores = score(own.draws, known.share, point=own.share, truth_se=known.se)
    return ScoreRow(
        n_districts=scores.n_districts,
        rmse=scores.rmse,
        mae=scores.mae,
        bias=scores.bias,
        correlation=scores.correlation,
        coverage=scores.coverage,
        interval_score=scores.interval_score,
        mean_width=scores.mean_width,
        crps=scores.crps,
        brier=scores.brier,
        log_score=scores.log_score,
        rank_correlation=ranks,
    )


def baseline_columns(table: pl.DataFrame, baselines: Mapping[str, Baseline]) -> pl.DataFrame:
    """Add each baseline's shares to a table of districts; null where it has none. ``raw`` is there already."""
    for name, baseline in baselines.items():
        if name != "raw_by_district":
            column = pl.DataFrame({"district": baseline.codes, name: baseline.share})
            table = table.join(column, on="district", how="left", maintain_order="left")
    return table


def _last_shares(result: LastResult, electorate: Electorate) -> NDArray[np.float64]:
    shares = electorate.districts.sort("code")[result.predictor].cast(pl.Float64).to_numpy()
    return np.asarray(1.0 - shares if result.complement else shares)


def _aligned(estimates: Baseline, outcome: Outcome) -> tuple[Baseline, Outcome]:
    """Both sides for the districts that both have, in the same order."""
    own = estimates.at(outcome.codes)
    kept = [outcome.codes.index(code) for code in own.codes]
    se = None if outcome.se is None else outcome.se[kept]
    return own, Outcome(own.codes, outcome.share[kept], se)
