"""Fit means with the engine asked for, judge the fit, and turn to NUTS where it does not pass."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.electorate import Electorate
from mrp.evidence import Evidence
from mrp.grouping import Grouping
from mrp.judged import Engine, Engines, JudgedFit, fit_and_judge, require_engine
from mrp.laplace.engine import LaplaceSettings, laplace_tree
from mrp.latents import LatentDraws
from mrp.numbers import require_seed
from mrp.numeric.counts import coarsest_numeric, in_unit, numeric_design_effect
from mrp.numeric.design import NumericDesign
from mrp.numeric.nuts import sample_numeric_nuts
from mrp.numeric.posterior import LINK, numeric_evidence, numeric_latents, sampled_dataset
from mrp.numeric.poststratification import numeric_draws, numeric_draws_many
from mrp.numeric.residual import require_numeric_priors, residual_space
from mrp.numeric.unit import Unit
from mrp.numeric.warnings import numeric_warnings
from mrp.nuts import NutsSettings
from mrp.parity import term_parity
from mrp.poststratification import AreaDraws
from mrp.priors import Priors
from mrp.progress import Progress, Reporter
from mrp.size import require_size
from mrp.verdict import Problem

if TYPE_CHECKING:
    from xarray import DataTree

__all__ = ["NumericFit", "default_numeric_estimates", "fit_numeric", "fit_numeric_laplace", "numeric_parity"]

MOST_COORDINATES = 3000
"""Of the latents of one model under NUTS, which solves for all of them at once: a second for each step at this size."""


@dataclass(frozen=True, slots=True, repr=False)
class NumericFit(JudgedFit[NumericDesign]):
    """A fit with everything that decides on its publication; its design has the unit that it was fitted in."""

    @property
    def evidence(self) -> Evidence:
        """What is kept beside the latents, for whoever checks the fit."""
        return numeric_evidence(self.tree, self.design, self.priors)


def fit_numeric(
    design: NumericDesign,
    electorate: Electorate,
    counts: pl.DataFrame,
    priors: Priors,
    *,
    engine: Engine,
    seed: int,
    nuts: NutsSettings = NutsSettings(),
    laplace: LaplaceSettings = LaplaceSettings(),
    on_progress: Callable[[Progress], None] | None = None,
) -> NumericFit:
    """Fit, judge, and fit again with NUTS if the Laplace engine does not pass; see `mrp.fit.fit_model`.

    Parameters
    ----------
    design, counts, priors
        As for `mrp.numeric.model.build_numeric_model`.
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
    require_engine(engine)
    require_numeric_priors(priors, design.common)
    require_size(design.common, "laplace")
    design = design.for_counts(counts)
    judged = fit_and_judge(
        Engines(
            laplace=lambda: fit_numeric_laplace(
                design, counts, priors, seed=seed, settings=laplace, on_progress=on_progress
            ),
            nuts=lambda: sample_numeric_nuts(design, counts, priors, seed=seed, settings=nuts, on_progress=on_progress),
            latents=lambda tree: numeric_latents(tree, design),
            estimates=lambda latents: default_numeric_estimates(latents, design, electorate),
            too_large=too_large_for_nuts(design),
        ),
        engine=engine,
        parity=numeric_parity(design, electorate),
    )
    return NumericFit(
        design,
        priors,
        judged.tree,
        judged.latents,
        judged.verdict,
        judged.engine,
        judged.escalated,
        numeric_design_effect(design.common, counts),
    )


def fit_numeric_laplace(
    design: NumericDesign,
    counts: pl.DataFrame,
    priors: Priors,
    *,
    seed: int,
    settings: LaplaceSettings = LaplaceSettings(),
    on_progress: Callable[[Progress], None] | None = None,
) -> "DataTree":
    """Draw from the posterior: latents exactly, parameters by importance; see `mrp.laplace.engine.fit_laplace`.

    Raises
    ------
    CountsError, PriorError
        If the counts cannot be fitted, or priors do not belong to the design.
    SamplingError
        If the model is too large, or the seed is none.
    """
    from mrp.numeric.conditional import NumericConditional

    report = Reporter(on_progress)
    report("prepare", 0.0)
    require_seed(seed)
    require_numeric_priors(priors, design.common)
    require_size(design.common, "laplace")
    design = design.for_counts(counts)
    cells = coarsest_numeric(design.common, counts)
    return laplace_tree(
        NumericConditional(design, cells, priors),
        residual_space(design.common, priors, in_unit(cells, design.require_unit())),
        n_latents=design.n_latents,
        named=partial(sampled_dataset, design),
        warnings=numeric_warnings(design.common, cells),
        seed=seed,
        settings=settings,
        report=report,
    )


def default_numeric_estimates(
    latents: LatentDraws, design: NumericDesign, electorate: Electorate
) -> tuple[AreaDraws, ...]:
    """Draws of what every release is asked first: the nation, all districts, every demographic by itself."""
    breakdowns = [(), (electorate.district,), *((name,) for name in electorate.demographics)]
    return numeric_draws_many(latents, design, electorate, [Grouping(by=by) for by in breakdowns])


def numeric_parity(design: NumericDesign, electorate: Electorate) -> tuple[Problem, ...]:
    """Shift each latent in turn and see whether the cells it belongs to move; see `mrp.parity.term_parity`."""
    # In the model's own unit: what a shift of 0.5 moves is to be seen whether people answer in dollars or billions.
    plain = NumericDesign(design.formula, design.common, Unit(0.0, 1.0))

    def means(draws: NDArray[np.float32]) -> NDArray[np.float64]:
        with_residual = np.concatenate([draws, np.ones((len(draws), 1), dtype=np.float32)], axis=1)
        latents = LatentDraws(with_residual, plain.latent_names, link=LINK)
        return numeric_draws(latents, plain, electorate, by=design.common.cell_columns).draws

    return term_parity(design.common, electorate, shares=means)


def too_large_for_nuts(design: NumericDesign) -> str | None:
    """Why NUTS cannot be asked, in words; None if it can."""
    n = sum(effect.n_coordinates for effect in design.common.effects)
    if n <= MOST_COORDINATES:
        return None
    largest = max(design.common.effects, key=lambda effect: effect.size)
    return (
        f"the model is too large for nuts: {n:,} effects, limit {MOST_COORDINATES:,}; {largest.term} has "
        f"{largest.size:,}: leave it out, or merge levels"
    )
