"""Fit a model of several options with the engine asked for, judge the fit, and turn to NUTS where it does not pass."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.aliasing import data_warnings
from mrp.categorical.counts import coarsest_options
from mrp.categorical.design import CategoricalDesign
from mrp.categorical.model import require_categorical_priors
from mrp.categorical.nuts import sample_categorical_nuts
from mrp.categorical.posterior import LINK, categorical_dataset, categorical_latents
from mrp.categorical.poststratification import OptionDraws, option_draws, option_draws_many
from mrp.diagnostics import diagnose
from mrp.electorate import Electorate
from mrp.errors import SamplingError
from mrp.evidence import Evidence, evidence_of
from mrp.fit import Engine
from mrp.grouping import Grouping
from mrp.hyper import hyper_space
from mrp.laplace.engine import LaplaceSettings, laplace_tree
from mrp.latents import LatentDraws
from mrp.numbers import require_seed
from mrp.nuts import NutsSettings
from mrp.parity import term_parity
from mrp.priors import Priors
from mrp.progress import Progress, Reporter
from mrp.verdict import FitVerdict, Problem, judge_laplace, judge_nuts

if TYPE_CHECKING:
    from xarray import DataTree

__all__ = [
    "CategoricalFit",
    "categorical_parity",
    "default_option_estimates",
    "fit_categorical",
    "fit_categorical_laplace",
]

MOST_COORDINATES = 3000
"""Of the latents of one model: the engine solves for all of them at once, a second for each step at this size."""


@dataclass(frozen=True, slots=True, repr=False)
class CategoricalFit:
    """A fit with everything that decides on its publication; see `mrp.fit.FittedModel`."""

    design: CategoricalDesign
    priors: Priors
    tree: "DataTree"
    latents: LatentDraws
    verdict: FitVerdict
    engine: Engine
    escalated: tuple[Problem, ...] = ()

    @property
    def evidence(self) -> Evidence:
        """What is kept beside the latents, for whoever checks the fit."""
        return evidence_of(self.tree, self.design.common, hyper_space(self.design.common, self.priors))

    def diagnostics(self) -> dict[str, Any]:
        """As `mrp.diagnostics.diagnose`, with the reasons for an escalation."""
        return diagnose(self.tree) | {"escalated": [problem.message for problem in self.escalated]}


def fit_categorical(
    design: CategoricalDesign,
    electorate: Electorate,
    counts: pl.DataFrame,
    priors: Priors,
    *,
    engine: Engine,
    seed: int,
    nuts: NutsSettings = NutsSettings(),
    laplace: LaplaceSettings = LaplaceSettings(),
    on_progress: Callable[[Progress], None] | None = None,
) -> CategoricalFit:
    """Fit, judge, and fit again with NUTS if the Laplace engine does not pass; see `mrp.fit.fit_model`.

    Parameters
    ----------
    design, counts, priors
        As for `mrp.categorical.model.build_categorical_model`.
    electorate
        Whose estimates will be served.
    engine
        "laplace" or "nuts".
    seed
        Any integer >= 0.

    Raises
    ------
    CountsError, PriorError
        If the model cannot be fitted on these counts.
    SamplingError
        If there is no such engine, the seed is none, the model is too large, or NUTS cannot start.
    """
    if engine not in ("laplace", "nuts"):
        raise SamplingError(f"there is no engine {engine!r}; take 'laplace' or 'nuts'")
    parity = categorical_parity(design, electorate)
    escalated: tuple[Problem, ...] = ()
    if engine == "laplace":
        try:
            tree = fit_categorical_laplace(design, counts, priors, seed=seed, settings=laplace, on_progress=on_progress)
        except SamplingError as error:
            if words := _too_large(design):
                raise SamplingError(words) from error
            escalated = (Problem("newton", str(error)),)
        else:
            latents = categorical_latents(tree, design)
            served = [one.by_option() for one in default_option_estimates(latents, design, electorate)]
            verdict = judge_laplace(tree, served, parity)
            # NUTS predicts with the same design: it cannot mend a term that does not move the prediction.
            if verdict.publishable or parity:
                return CategoricalFit(design, priors, tree, latents, verdict, "laplace")
            escalated = verdict.problems
    if words := _too_large(design):
        raise SamplingError(words)
    tree = sample_categorical_nuts(design, counts, priors, seed=seed, settings=nuts, on_progress=on_progress)
    latents = categorical_latents(tree, design)
    return CategoricalFit(design, priors, tree, latents, judge_nuts(tree, parity), "nuts", escalated)


def fit_categorical_laplace(
    design: CategoricalDesign,
    counts: pl.DataFrame,
    priors: Priors,
    *,
    seed: int,
    settings: LaplaceSettings = LaplaceSettings(),
    on_progress: Callable[[Progress], None] | None = None,
) -> "DataTree":
    """Draw from the posterior by nested Laplace approximation; see `mrp.laplace.engine.fit_laplace`.

    Raises
    ------
    CountsError, PriorError
        If the counts cannot be fitted, or priors do not belong to the design.
    SamplingError
        If Newton's method does not converge, the model is too large, or the seed is none.
    """
    from mrp.categorical.conditional import CategoricalConditional

    report = Reporter(on_progress)
    report("prepare", 0.0)
    require_seed(seed)
    require_categorical_priors(priors, design)
    if words := _too_large(design):
        raise SamplingError(words)
    cells = coarsest_options(design, counts)
    return laplace_tree(
        CategoricalConditional(design, cells, priors),
        hyper_space(design.common, priors),
        n_latents=design.n_latents,
        named=partial(categorical_dataset, design),
        warnings=data_warnings(design.common, cells),
        seed=seed,
        settings=settings,
        report=report,
    )


def default_option_estimates(
    latents: LatentDraws, design: CategoricalDesign, electorate: Electorate
) -> tuple[OptionDraws, ...]:
    """Draws of what every release is asked first: the nation, all districts, every demographic by itself."""
    breakdowns = [(), (electorate.district,), *((name,) for name in electorate.demographics)]
    return option_draws_many(latents, design, electorate, [Grouping(by=by) for by in breakdowns])


def categorical_parity(design: CategoricalDesign, electorate: Electorate) -> tuple[Problem, ...]:
    """Shift each latent in turn and see whether the cells it belongs to move; see `mrp.parity.term_parity`.

    A vector is shifted by an amount that grows from option to option, so that wherever two options stand the mean rank
    of the option chosen moves.
    """
    k, n_own = design.n_options, len(design.own)
    rank = np.arange(k) - (k - 1) / 2

    def mean_rank(latents: NDArray[np.floating[Any]], by: tuple[str, ...]) -> NDArray[np.float64]:
        draws = LatentDraws(latents.astype(np.float32), design.latent_names, link=LINK)
        return np.asarray(option_draws(draws, design, electorate, by=by).draws @ rank)

    def shares(draws: NDArray[np.float32]) -> NDArray[np.float64]:
        vectors = (draws[:, :, None] * rank).reshape(len(draws), -1)
        by = design.common.cell_columns
        return mean_rank(np.concatenate([vectors, np.zeros((len(draws), n_own))], axis=1), by)

    problems = list(term_parity(design.common, electorate, shares=shares))
    for j, predictor in enumerate(design.own):
        latents = np.zeros((2, design.n_latents))
        latents[1, design.n_latents - n_own + j] = 0.5
        still, moved = mean_rank(latents, design.cell_columns)
        if np.abs(moved - still).max() < 1e-4:
            text = f"{predictor.term} does not move the cells of the frame: the prediction is not the model's"
            problems.append(Problem("term-parity", text))
    return tuple(problems)


def _too_large(design: CategoricalDesign) -> str | None:
    n = sum(effect.n_coordinates for effect in design.common.effects) * (design.n_options - 1)
    if n <= MOST_COORDINATES:
        return None
    largest = max(design.common.effects, key=lambda effect: effect.size)
    return (
        f"the model is too large: {n:,} effects of {design.n_options} options, limit {MOST_COORDINATES:,}; "
        f"{largest.term} has {largest.size:,} for each option: leave it out, or merge levels or options"
    )
