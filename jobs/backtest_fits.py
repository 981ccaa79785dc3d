"""Fit counts one after the other for a backtest, in one process that stays warm, and score each fit."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

import polars as pl

from jobs.backtest_house import BacktestHouse, RunFit
from jobs.backtest_methods import JOINT, baselines_of, model_estimates
from jobs.backtest_options import outcomes_of
from jobs.backtest_score import Outcomes, Scored, score_estimates, score_methods
from jobs.counting import count_interviews
from jobs.fit_host import FitHost
from jobs.fit_request import FitProgress, FitRequest
from jobs.outcomes import counted_by, outcome_of
from jobs.refit import electorate_of, laplace_settings, nuts_settings
from mrp.electorate import Electorate
from mrp.errors import PriorError
from mrp.grouping import Grouping
from mrp.holdout import HeldOutScores
from mrp.latents import LatentDraws
from mrp.outcomes import MEAN, AnyDesign, design_from_json, draws_many, score_interviews
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
    design: AnyDesign
    seconds: float


@dataclass(slots=True)
class Bench:
    """Where counts are fitted and scored."""

    house: BacktestHouse
    electorate: Electorate
    question: Question
    outcomes: dict[str, Outcomes]
    """What is known, by option; of a number under the name of its mean."""
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
            design=design_from_json(cast("Any", result.design)),
            seconds=round(sum(result.seconds.values()), 3),
        )

    def add(self, tables: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Counts of several waves in one table."""
        return outcome_of(self.question).add(tables, counted_by(tables[0].columns))

    def score(self, fit: BacktestFit) -> Scored:
        """District estimates against the truth, or the benchmark."""
        grouping = Grouping(by=(self.electorate.district,))
        (drawn,) = draws_many(fit.latents, fit.design, self.electorate, [grouping])
        own = model_estimates(drawn, fit.design, self.electorate, self.question)
        return score_estimates(self.outcomes, own)

    def score_baselines(self, counts: pl.DataFrame, design: AnyDesign) -> dict[str, Scored]:
        """Simpler methods on the same counts; those that say nothing of some options have no scores of all."""
        declared = self.house.plan.declared.last_result
        found = baselines_of(counts, self.electorate, design, self.question, declared)
        return score_methods(self.outcomes, found.estimates, joint=JOINT)

    def score_interviews(self, fit: BacktestFit, counts: pl.DataFrame, *, seed: int) -> HeldOutScores | None:
        """Interviews that the fit has not seen; None if there are none in cells that it knows."""
        return score_interviews(fit.latents, fit.design, self.electorate, counts, seed=seed)

    def _priors_of(self, formula: str, counts: pl.DataFrame) -> dict[str, str]:
        """The question's priors; of another model those of terms that it has too."""
        priors = dict(self.question.priors)
        if formula == self.question.model or not priors:
            return priors
        from mrp.counts import observed_levels

        outcome = outcome_of(self.question)
        design = outcome.build(formula, self.electorate, observed=observed_levels(counts))
        kept = {}
        for term, prior in priors.items():
            try:
                outcome.check_priors(parse_priors({term: prior}), design)
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
    pushed = house.push_all()
    names = question.options[:1] if question.kind == "binary" else question.options or (MEAN,)
    with closing(FitHost()) as host:
        yield Bench(
            house=house,
            electorate=electorate_of(house.bundle),
            question=question,
            outcomes=outcomes_of(house.bundle, house.plan, house.tables, names),
            waves={wave_id: wave.reference for wave_id, wave in pushed.items()},
            _fit=fit or host,
            _on_progress=on_progress,
        )
