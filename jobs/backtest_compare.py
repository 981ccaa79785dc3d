"""Models and engines beside each other, on the same interviews against the same truth, with the baselines."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from jobs.backtest_fits import Bench
from jobs.backtest_score import Scored
from jobs.errors import BacktestImpossible
from jobs.survey import formula_problems

__all__ = ["Candidate", "CompareReport", "compare"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One model by one engine."""

    model: str
    formula: str
    engine: str
    """The engine that was asked for."""
    engine_used: str
    """The engine that made the fit: NUTS where the Laplace engine did not pass."""
    seconds: float
    publishable: bool
    problems: tuple[str, ...]
    scores: Scored


@dataclass(frozen=True, slots=True)
class CompareReport:
    """All of them."""

    candidates: tuple[Candidate, ...]
    baselines: Mapping[str, Scored]

    def to_json(self) -> dict[str, Any]:
        """What ``hustings backtest --engines --models --json`` prints of them."""
        return {
            "candidates": [asdict(one) | {"scores": one.scores.to_json()} for one in self.candidates],
            "baselines": {name: scored.to_json() for name, scored in self.baselines.items()},
        }


def compare(bench: Bench, *, models: Mapping[str, str], engines: Sequence[str], seed: int = 1) -> CompareReport:
    """Fit every model with every engine.

    Parameters
    ----------
    models
        Name -> formula; empty: the question's own.
    engines
        ``laplace``, ``nuts``; empty: the one of the settings.

    Raises
    ------
    BacktestImpossible
        If a formula cannot be used; says why.
    """
    models = dict(models) or {"own": bench.question.model}
    engines = list(engines) or [bench.house.settings.engine]
    for name, formula in models.items():
        if problems := formula_problems(replace(bench.question, model=formula, priors={}), bench.house.bundle):
            raise BacktestImpossible(f"Model {name} cannot be used: {problems[0]}")
    bench.expect(len(models) * len(engines), samples=len(engines))
    candidates = []
    baselines: Mapping[str, Scored] = {}
    for name, formula in models.items():
        counts = bench.add(list(bench.counts(formula).values()))
        for engine in engines:
            fit = bench.fit(counts, name=f"{name} by {engine}", seed=seed, formula=formula, engine=engine)
            baselines = baselines or bench.score_baselines(counts, fit.design)
            candidates.append(
                Candidate(
                    model=name,
                    formula=formula,
                    engine=engine,
                    engine_used=fit.engine,
                    seconds=fit.seconds,
                    publishable=fit.publishable,
                    problems=fit.problems,
                    scores=bench.score(fit),
                )
            )
    return CompareReport(tuple(candidates), baselines)
