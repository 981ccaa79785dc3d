"""Fit a model of several options with the engine asked for, judge the fit, and turn to NUTS where it does not pass."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.aliasing import data_warnings
from mrp.categorical.counts import coarsest_options, option_design_effect
from mrp.categorical.design import CategoricalDesign
from mrp.categorical.hyper import option_hyper_names, option_space
from mrp.categorical.model import require_categorical_priors
from mrp.categorical.nuts import sample_categorical_nuts
from mrp.categorical.posterior import LINK, categorical_dataset, categorical_latents
from mrp.categorical.poststratification import OptionDraws, option_draws, option_draws_many
from mrp.dispersion import Dispersion, needs_nuts, require_dispersion
from mrp.electorate import Electorate
from mrp.errors import SamplingError
from mrp.evidence import Evidence, evidence_of
from mrp.grouping import Grouping
from mrp.judged import Engine, Engines, JudgedFit, fit_and_judge, require_engine
from mrp.laplace.elimination import choose_elimination
from mrp.laplace.engine import LaplaceSettings, laplace_tree
from mrp.latents import LatentDraws
from mrp.numbers import require_seed
from mrp.nuts import NutsSettings
from mrp.parity import term_parity
from mrp.priors import Priors
from mrp.progress import Progress, Reporter
from mrp.verdict import Problem

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
"""That an engine solves for at once, a second for each step at this size: NUTS for all effects, the Laplace engine for
those that it does not eliminate in blocks (`mrp.laplace.elimination`)."""


@dataclass(frozen=True, slots=True, repr=False)
class CategoricalFit(JudgedFit[CategoricalDesign]):
    """A fit with everything that decides on its publication; see `mrp.judged.JudgedFit`."""

    @property
    def evidence(self) -> Evidence:
        """What is kept beside the latents, for whoever checks the fit."""
        found = evidence_of(self.tree, self.design.common, option_space(self.design, self.priors))
        return replace(found, names=option_hyper_names(self.design))


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
    dispersion: Dispersion = "none",
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
    dispersion
        "dirichlet-multinomial" where answers come in clusters, whose counts then have to be apart, see
        `mrp.dispersion`. Only NUTS fits it: asked for with "laplace", it is an escalation.

    Raises
    ------
    CountsError, PriorError
        If the model cannot be fitted on these counts.
    SamplingError
        If there is no such engine, the seed is none, the model is too large, or NUTS cannot start.
    """
    require_engine(engine)
    require_dispersion(dispersion, "dirichlet-multinomial")
    escalated = needs_nuts(dispersion) if engine == "laplace" else ()
    engine = "nuts" if escalated else engine
    if words := _too_large(design, engine):
        raise SamplingError(words)
    judged = fit_and_judge(
        Engines(
            laplace=lambda: fit_categorical_laplace(
                design, counts, priors, seed=seed, settings=laplace, on_progress=on_progress
            ),
            nuts=lambda: sample_categorical_nuts(
                design, counts, priors, seed=seed, settings=nuts, dispersion=dispersion, on_progress=on_progress
            ),
            latents=lambda tree: categorical_latents(tree, design),
            estimates=lambda latents: [
                one.by_option() for one in default_option_estimates(latents, design, electorate)
            ],
            too_large=_too_large(design, "nuts"),
        ),
        engine=engine,
        parity=categorical_parity(design, electorate),
    )
    return CategoricalFit(
        design,
        priors,
        judged.tree,
        judged.latents,
        judged.verdict,
        judged.engine,
        escalated or judged.escalated,
        option_design_effect(design, counts),
    )


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
    if words := _too_large(design, "laplace"):
        raise SamplingError(words)
    cells = coarsest_options(design, counts)
    return laplace_tree(
        CategoricalConditional(design, cells, priors),
        option_space(design, priors),
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


def _too_large(design: CategoricalDesign, engine: Engine) -> str | None:
    effects = design.common.effects
    apart = choose_elimination(effects, 1 + len(design.common.coefficient_names)).terms if engine == "laplace" else ()
    left = [effect for k, effect in enumerate(effects) if k not in apart]
    n = sum(effect.n_coordinates for effect in left) * (design.n_options - 1)
    if n <= MOST_COORDINATES:
        return None
    largest = max(left, key=lambda effect: effect.size)
    beside = f" beside those of {', '.join(effects[k].term for k in apart)}" if apart else ""
    return (
        f"the model is too large for {engine}: {n:,} effects of {design.n_options} options{beside}, limit "
        f"{MOST_COORDINATES:,}; {largest.term} has {largest.size:,} for each option: leave it out, or merge levels or "
        "options"
    )
