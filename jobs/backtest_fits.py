"""Fit counts one after the other for a backtest, in one process that stays warm, and score each fit."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import polars as pl

from jobs.backtest_house import BacktestHouse, RunFit
from jobs.backtest_report import ScoreRow
from jobs.backtest_score import Outcomes, baselines_of, model_estimates, score_against
from jobs.backtest_tables import read_outcome
from jobs.counting import count_interviews
from jobs.errors import BacktestImpossible
from jobs.fit_host import FitHost
from jobs.fit_request import FitProgress, FitRequest
from jobs.outcomes import outcome_of
from jobs.refit import electorate_of, laplace_settings, nuts_settings
from mrp.design import Design, build_design
from mrp.electorate import Electorate
from mrp.errors import PriorError
from mrp.holdout import HeldOutScores, score_held_out
from mrp.latents import LatentDraws
from mrp.poststratification import area_draws, cell_shares
from mrp.priors import parse_priors
from mrp.verdict import FitVerdict
from polling.declaration import Question

__all__ = ["BacktestFit", "Bench", "open_bench"]


@dataclass(frozen=True, slots=True)
class BacktestFit:
    """One fit of a backtest."""

    engine: str
    verdict: FitVerdict
    latents: LatentDraws
    design: Design
    seconds: float


@dataclass(slots=True)
class Bench:
    """Where counts are fitted and scored."""

    house: BacktestHouse
    electorate: Electorate
    question: Question
    outcomes: Outcomes
    waves: dict[str, str]
    """Id of each wave that asks the question -> its reference, in fieldwork order."""
    _fit: RunFit = None  # type: ignore[assignment]
    _on_progress: Callable[[FitProgress], None] | None = None
    _total: int = 1
    _done: int = 0

    def expect(self, n_fits: int) -> None:
        """Tell how many fits come next, for the progress."""
        self._total, self._done = n_fits, 0

    def counts(self, formula: str | None = None) -> dict[str, pl.DataFrame]:
        """Reference of each wave -> its counts, in fieldwork order.

        Parameters
        ----------
        formula
            What reads them; default the question's model. Models that read periods need them told apart.
        """
        question = replace(self.question, model=formula or self.question.model)
        with self.house.store.read() as session:
            return {
                reference: count_interviews(session, self.house.bundle.declaration, question, only={wave_id}).counts
                for wave_id, reference in self.waves.items()
            }

    def fit(
        self,
        counts: pl.DataFrame,
        *,
        name: str,
        seed: int,
        formula: str | None = None,
        engine: str | None = None,
    ) -> BacktestFit:
        """Fit counts with the question's model, or another one.

        Parameters
        ----------
        name
            What is told of the fit while it runs.

        Raises
        ------
        FitProcessFailed
            If there is no fit.
        """
        settings = self.house.settings
        model = formula or self.question.model
        request = FitRequest(
            outcome=outcome_of(self.question),
            formula=model,
            priors=self._priors_of(model, counts),
            seed=seed,
            engine=cast("Any", engine or settings.engine),
            nuts=nuts_settings(settings),
            laplace=laplace_settings(settings),
            electorate=self.electorate,
            counts=counts,
        )

        def beat(progress: FitProgress | None) -> bool:
            if self._on_progress is not None:
                share = 0.0 if progress is None else progress.share
                self._on_progress(FitProgress(name, (self._done + share) / self._total))
            return False

        result = self._fit(request, settings, beat=beat, stop=threading.Event())
        self._done += 1
        return BacktestFit(
            engine=result.engine,
            verdict=FitVerdict.from_json(cast("Any", result.verdict)),
            latents=LatentDraws.from_bytes(result.draws),
            design=Design.from_json(cast("Any", result.design)),
            seconds=round(sum(result.seconds.values()), 3),
        )

    def score(self, fit: BacktestFit) -> ScoreRow:
        """District estimates against the truth, or the benchmark."""
        district = self.electorate.district
        estimated = area_draws(fit.latents, fit.design, self.electorate, by=(district,))
        return score_against(self.outcomes, model_estimates(estimated, district=district))

    def score_baselines(self, counts: pl.DataFrame, design: Design) -> dict[str, ScoreRow]:
        """Simpler methods on the same counts."""
        declared = self.house.plan.declared.last_result
        found = baselines_of(counts, self.electorate, design, self.question, declared)
        return {name: score_against(self.outcomes, baseline) for name, baseline in found.items()}

    def score_interviews(self, fit: BacktestFit, counts: pl.DataFrame, *, seed: int) -> HeldOutScores | None:
        """Interviews that the fit has not seen; None if there are none in cells that it knows."""
        cells = counts.group_by(self.electorate.cell_columns).agg(pl.col("n", "y").sum())
        cells = cells.sort(self.electorate.cell_columns)
        cells = cells.filter(pl.Series(fit.design.covers(cells)))
        if cells.is_empty():
            return None
        codes = {code: i for i, code in enumerate(self.electorate.codes)}
        group = np.array([codes[code] for code in cells[self.electorate.district]], dtype=np.int64)
        share = cell_shares(fit.latents, fit.design, cells)
        n, y = (cells[name].cast(pl.Float64).to_numpy() for name in ("n", "y"))
        return score_held_out(share, n, y, group, seed=seed)

    def _priors_of(self, formula: str, counts: pl.DataFrame) -> dict[str, str]:
        """The question's priors; of another model those of terms that it has too."""
        priors = dict(self.question.priors)
        if formula == self.question.model or not priors:
            return priors
        from mrp.counts import observed_levels

        design = build_design(formula, self.electorate, observed=observed_levels(counts))
        kept = {}
        for term, prior in priors.items():
            try:
                parse_priors({term: prior}).check(design)
            except PriorError:
                continue
            kept[term] = prior
        return kept


@contextmanager
def open_bench(
    house: BacktestHouse, *, fit: RunFit | None = None, on_progress: Callable[[FitProgress], None] | None = None
) -> Iterator[Bench]:
    """Push all waves of a house, count them, and have a process ready that fits.

    Parameters
    ----------
    fit
        Runs one fit; default a process that is kept between fits and ends with the bench, whatever happens.

    Raises
    ------
    WaveRejected
        If interviews have faults.
    BacktestImpossible
        If the question cannot be fitted, or nobody answers it.
    """
    declaration = house.bundle.declaration
    question = declaration.question(house.plan.question)
    if question.kind != "binary":
        raise BacktestImpossible(
            f"Question {question.id} is {question.kind}. Folds, learning curves and comparisons are made of binary "
            "questions; a plain backtest and a replay are made of it."
        )
    pushed = house.push_all()
    known = [
        read_outcome(house.tables / name, house.plan.declared, question, districts=house.bundle.districts["code"])
        if name
        else None
        for name in (house.plan.declared.truth, house.plan.declared.benchmark)
    ]
    with closing(FitHost()) as host:
        yield Bench(
            house=house,
            electorate=electorate_of(house.bundle),
            question=question,
            outcomes=Outcomes(*known),
            waves={wave_id: wave.reference for wave_id, wave in pushed.items()},
            _fit=fit or host,
            _on_progress=on_progress,
        )
