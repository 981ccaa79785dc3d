"""Fit counts one after the other for a backtest, in one process that stays warm, and score each fit."""

import threading
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, cast

import polars as pl

from jobs.adjustments import adjustments_of, frames_of
from jobs.backtest_among import district_draws
from jobs.backtest_basis import Basis, basis_of, chain_among
from jobs.backtest_house import BacktestHouse, RunFit
from jobs.backtest_methods import JOINT, baselines_of, model_estimates
from jobs.backtest_options import outcomes_of
from jobs.backtest_sample import subsample
from jobs.backtest_score import Outcomes, Scored, score_estimates, score_methods
from jobs.counting import count_interviews
from jobs.errors import BacktestImpossible
from jobs.fit_host import FitHost
from jobs.fit_request import FitProgress, FitRequest
from jobs.misreport import misreport_of
from jobs.outcomes import counted_by, outcome_of, without_astray
from jobs.refit import electorate_of, laplace_settings, nuts_settings
from mrp.categorical.poststratification import OptionDraws
from mrp.design import Design
from mrp.electorate import Electorate
from mrp.errors import PriorError
from mrp.holdout import HeldOutScores
from mrp.latents import LatentDraws
from mrp.outcomes import MEAN, AnyDesign, design_from_json, score_interviews
from mrp.priors import parse_priors
from mrp.turnout import Turnout
from mrp.verdict import FitVerdict
from polling.declaration import Question
from polling.population import Population

__all__ = ["BacktestFit", "Bench", "open_bench"]


@dataclass(frozen=True, slots=True)
class BacktestFit:
    """One fit of a backtest."""

    engine: str
    verdict: FitVerdict
    latents: LatentDraws
    design: AnyDesign
    seconds: float
    turnout: tuple[Turnout, ...] = ()
    """What tells whom the question is about, fitted to the same interviews; empty: everybody."""
    problems: tuple[str, ...] = ()
    """Why it, or what tells whom it is about, would not be published; empty if nothing is against it."""

    @property
    def publishable(self) -> bool:
        """Whether a release could be made of it."""
        return not self.problems


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
    basis: Basis
    """Whom estimates are about, over which frame, and what they meet."""
    _fit: RunFit = None  # type: ignore[assignment]
    _on_progress: Callable[[FitProgress], None] | None = None
    _total: int = 1
    _done: int = 0
    _told: dict[Hashable, tuple[tuple[Turnout, ...], tuple[str, ...]]] = field(default_factory=dict)
    """What told whom the question is about, by the interviews that it was fitted to."""

    def expect(self, n_fits: int, *, samples: int = 1) -> None:
        """Tell how many fits come next, and to how many different interviews, for the progress."""
        self._total, self._done = n_fits + samples * len(self.chain), 0

    @property
    def chain(self) -> tuple[Population, ...]:
        """The population that the question is about, last, after those that it is within; empty: everybody."""
        return chain_among(self.house.bundle.declaration, self.question.id)

    def counts(self, formula: str | None = None) -> dict[str, pl.DataFrame]:
        """Reference of each wave -> its counts, in fieldwork order.

        Parameters
        ----------
        formula
            What reads them; default the question's model. Models that read periods need them told apart.
        """
        return self._counts(replace(self.question, model=formula or self.question.model), self.waves)

    def _counts(self, question: Question, waves: Mapping[str, str]) -> dict[str, pl.DataFrame]:
        with self.house.store.read() as session:
            return {
                reference: count_interviews(session, self.house.bundle.declaration, question, only={wave_id}).counts
                for wave_id, reference in waves.items()
            }

    def fit(
        self,
        counts: pl.DataFrame,
        *,
        name: str,
        seed: int,
        formula: str | None = None,
        engine: str | None = None,
        without: Collection[str] = (),
        part: float = 1.0,
    ) -> BacktestFit:
        """Fit counts with the question's model, or another one; and what tells whom the question is about.

        Parameters
        ----------
        name
            What is told of the fit while it runs.
        without
            References of waves that are held out: what tells whom the question is about has not seen them either.
        part
            How many of the interviews these are, where they are a sample: so many of those that tell it are drawn too,
            by the same seed.

        Raises
        ------
        FitProcessFailed
            If there is no fit.
        BacktestImpossible
            If nothing is left that tells whom the question is about.
        """
        turnout, told = self._telling(seed=seed, engine=engine, without=without, part=part)
        fit = self._fitted(self.question, counts, name=name, seed=seed, formula=formula, engine=engine)
        own = tuple(problem.message for problem in fit.verdict.problems)
        return replace(fit, turnout=turnout, problems=(*own, *told))

    def _telling(
        self, *, seed: int, engine: str | None, without: Collection[str], part: float
    ) -> tuple[tuple[Turnout, ...], tuple[str, ...]]:
        """What tells whom the question is about, and what is against it; fitted once to the same interviews."""
        key = (seed, engine, frozenset(without), part)
        if key not in self._told:
            turnout, problems = [], []
            for one in self.chain:
                question = self.house.bundle.declaration.question(one.question)
                waves = {wave_id: wave.reference for wave_id, wave in self.house.asking(one.question).items()}
                kept = {wave_id: reference for wave_id, reference in waves.items() if reference not in without}
                if not kept:
                    raise BacktestImpossible(
                        f"Question {one.question}, which tells who {one.people} are, is asked in waves that are held "
                        "out alone. Hold out fewer waves at a time: ask for more folds."
                    )
                counts = outcome_of(question).add(
                    tables := list(self._counts(question, kept).values()), counted_by(tables[0].columns)
                )
                if part < 1:
                    counts, _ = subsample(counts, max(1, round(part * int(counts["n"].sum()))), seed=seed)
                fit = self._fitted(question, counts, name=f"who {one.people} are", seed=seed, engine=engine)
                assert isinstance(fit.design, Design)  # as the declaration was checked for
                turnout.append(Turnout(fit.latents, fit.design, misreport_of(question)))
                problems += [
                    f"question {one.question}, which tells who {one.people} are: {problem.message}"
                    for problem in fit.verdict.problems
                ]
            self._told[key] = tuple(turnout), tuple(problems)
        return self._told[key]

    def _fitted(
        self,
        question: Question,
        counts: pl.DataFrame,
        *,
        name: str,
        seed: int,
        formula: str | None = None,
        engine: str | None = None,
    ) -> BacktestFit:
        """Fit counts of a question, and do with the draws what is declared of it, as for a release."""
        settings = self.house.settings
        model = formula or question.model
        known, _ = without_astray(counts, question, self.electorate)
        request = FitRequest(
            outcome=outcome_of(question),
            formula=model,
            priors=self._priors_of(question, model, known),
            seed=seed,
            engine=cast("Any", engine or settings.engine),
            nuts=nuts_settings(settings),
            laplace=laplace_settings(settings),
            electorate=self.electorate,
            counts=known,
            question=question.id,
            adjustments=adjustments_of(question, self.house.bundle, partners=()),
            frames=frames_of(self.house.bundle),
        )

        def beat(progress: FitProgress | None) -> bool:
            if self._on_progress is not None:
                share = 0.0 if progress is None else progress.share
                self._on_progress(FitProgress(name, min(1.0, (self._done + share) / self._total)))
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

    def district_draws(self, fit: BacktestFit) -> OptionDraws:
        """Estimates of all districts, made as those of a release are."""
        return district_draws(
            (fit.latents, fit.design),
            fit.turnout,
            self.electorate,
            self.house.bundle,
            question=self.question.id,
        )

    def add(self, tables: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Counts of several waves in one table."""
        return outcome_of(self.question).add(tables, counted_by(tables[0].columns))

    def score(self, fit: BacktestFit) -> Scored:
        """District estimates against the truth, or the benchmark."""
        own = model_estimates(self.district_draws(fit), fit.design, self.electorate, self.question)
        return score_estimates(self.outcomes, own)

    def score_baselines(self, counts: pl.DataFrame, design: AnyDesign) -> dict[str, Scored]:
        """Simpler methods on the same counts; those that say nothing of some options have no scores of all."""
        declared = self.house.plan.declared.last_result
        found = baselines_of(counts, self.electorate, design, self.question, declared)
        return score_methods(self.outcomes, found.estimates, joint=JOINT)

    def score_interviews(self, fit: BacktestFit, counts: pl.DataFrame, *, seed: int) -> HeldOutScores | None:
        """Interviews that the fit has not seen; None if there are none in cells that it knows."""
        return score_interviews(fit.latents, fit.design, self.electorate, counts, seed=seed)

    def _priors_of(self, question: Question, formula: str, counts: pl.DataFrame) -> dict[str, str]:
        """A question's priors; of another model those of terms that it has too."""
        priors = dict(question.priors)
        if formula == question.model or not priors:
            return priors
        from mrp.counts import observed_levels

        outcome = outcome_of(question)
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
    house.push_all()
    pushed = house.asking(question.id)
    names = question.options[:1] if question.kind == "binary" else question.options or (MEAN,)
    with closing(FitHost()) as host:
        yield Bench(
            house=house,
            electorate=electorate_of(house.bundle),
            question=question,
            outcomes=outcomes_of(house.bundle, house.plan, house.tables, names),
            waves={wave_id: wave.reference for wave_id, wave in pushed.items()},
            basis=basis_of(house.bundle, question.id, partners=()),
            _fit=fit or host,
            _on_progress=on_progress,
        )
