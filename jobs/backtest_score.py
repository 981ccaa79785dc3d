"""Score a fit and the simple methods beside it against the same outcome, in the same way.

Of a question of several options each is scored by itself where it stands, and all together: errors, intervals and
distributions of every option and district alike, and who leads where the shares of a method belong together.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from jobs.backtest_report import ScoreRow
from jobs.backtest_tables import Outcome
from mrp.baselines import Baseline
from mrp.proper_scores import leader_scores
from mrp.scoring import Scores, rank_correlation, score

__all__ = ["Estimates", "Outcomes", "Scored", "baseline_columns", "score_against", "score_estimates", "score_methods"]


type Estimates = Mapping[str, Baseline]
"""What a method estimates, by option; of a number under the name of its mean."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What estimates are compared with; both None if nothing is known."""

    truth: Outcome | None = None
    benchmark: Outcome | None = None
    """Another question, of which only the order of districts is comparable."""
    is_mean: bool = False
    """Whether they are means, in the unit of the question."""


@dataclass(frozen=True, slots=True)
class Scored:
    """The scores of one method."""

    whole: ScoreRow
    """Of all options together; of a question that has one estimate those of it."""
    options: Mapping[str, ScoreRow] = field(default_factory=dict)
    """Of each; empty if there is one estimate."""

    def to_json(self) -> dict[str, Any]:
        """A value that ``json.dumps`` takes."""
        options = {option: asdict(row) for option, row in self.options.items()}
        return asdict(self.whole) | ({"options": options} if options else {})


def score_methods(
    outcomes: Mapping[str, Outcomes], methods: Mapping[str, Estimates], *, joint: tuple[str, ...] = ()
) -> dict[str, Scored]:
    """Score several methods; those that lack an option of which something is known have no score of all together.

    Parameters
    ----------
    outcomes
        By option.
    joint
        Methods whose draws of several options belong together.
    """
    wanted = {option for option, known in outcomes.items() if known != Outcomes(is_mean=known.is_mean)}
    return {
        name: score_estimates(outcomes, estimates, joint=name in joint)
        for name, estimates in methods.items()
        if estimates and (len(outcomes) == 1 or wanted <= set(estimates))
    }


def score_estimates(outcomes: Mapping[str, Outcomes], estimates: Estimates, *, joint: bool = True) -> Scored:
    """Score one method.

    Parameters
    ----------
    joint
        Whether its draws of several options belong together, so that they say who leads.
    """
    rows = {option: score_against(outcomes[option], one) for option, one in estimates.items()}
    if len(outcomes) == 1:
        (row,) = rows.values()
        return Scored(row)
    return Scored(_together(outcomes, estimates, joint=joint), rows)


def score_against(outcomes: Outcomes, estimates: Baseline) -> ScoreRow:
    """Score one set of estimates on the districts for which it has one and something is known."""
    ranks = None
    if outcomes.benchmark is not None:
        own, known = _aligned(estimates, outcomes.benchmark)
        ranks = rank_correlation(own.share, known.share)
    if outcomes.truth is None:
        return ScoreRow(n_districts=len(estimates.codes), rank_correlation=ranks)
    own, known = _aligned(estimates, outcomes.truth)
    threshold = None if outcomes.is_mean else 0.5
    scores = score(own.draws, known.share, point=own.share, truth_se=known.se, threshold=threshold)
    return replace(_row(scores), bias=scores.bias, correlation=scores.correlation, rank_correlation=ranks)


def baseline_columns(table: pl.DataFrame, baselines: Mapping[str, Baseline]) -> pl.DataFrame:
    """Add each baseline's shares to a table of districts; null where it has none. ``raw`` is there already."""
    for name, baseline in baselines.items():
        if name != "raw_by_district":
            column = pl.DataFrame({"district": baseline.codes, name: baseline.share})
            table = table.join(column, on="district", how="left", maintain_order="left")
    return table


def _together(outcomes: Mapping[str, Outcomes], estimates: Estimates, *, joint: bool) -> ScoreRow:
    """All options whose truth is known, as so many estimates: without a bias, which is that of nothing."""
    pairs = [_aligned(one, truth) for option, one in estimates.items() if (truth := outcomes[option].truth) is not None]
    codes = {code for one in estimates.values() for code in one.codes}
    if not pairs:
        return ScoreRow(n_districts=len(codes))
    ses = [np.zeros(len(known.codes)) if known.se is None else known.se for _, known in pairs]
    scores = score(
        np.concatenate([own.draws for own, _ in pairs], axis=1),
        np.concatenate([known.share for _, known in pairs]),
        point=np.concatenate([own.share for own, _ in pairs]),
        truth_se=np.concatenate(ses) if any(known.se is not None for _, known in pairs) else None,
    )
    n_districts = len({code for own, _ in pairs for code in own.codes})
    row = replace(_row(scores), n_districts=n_districts, brier=None, log_score=None)
    if not joint or len(pairs) < len(estimates):
        return row
    calls = leader_scores(*_side_by_side(pairs))
    return replace(row, brier=calls.brier, log_score=calls.log_score)


def _side_by_side(pairs: list[tuple[Baseline, Outcome]]) -> tuple[Any, Any]:
    """Draws and truths of all options by district, 0 where one does not stand."""
    codes = sorted({code for own, _ in pairs for code in own.codes})
    draws = np.zeros((pairs[0][0].draws.shape[0], len(codes), len(pairs)))
    truth = np.zeros((len(codes), len(pairs)))
    for k, (own, known) in enumerate(pairs):
        at = [codes.index(code) for code in own.codes]
        draws[:, at, k], truth[at, k] = own.draws, known.share
    return draws, truth


def _row(scores: Scores) -> ScoreRow:
    """Without what does not mean the same of several options."""
    return ScoreRow(
        n_districts=scores.n_districts,
        rmse=scores.rmse,
        mae=scores.mae,
        coverage=scores.coverage,
        interval_score=scores.interval_score,
        mean_width=scores.mean_width,
        crps=scores.crps,
        brier=scores.brier,
        log_score=scores.log_score,
    )


def _aligned(estimates: Baseline, outcome: Outcome) -> tuple[Baseline, Outcome]:
    """Both sides for the districts that both have, in the same order."""
    own = estimates.at(outcome.codes)
    kept = [outcome.codes.index(code) for code in own.codes]
    se = None if outcome.se is None else outcome.se[kept]
    return own, Outcome(own.codes, outcome.share[kept], se)
