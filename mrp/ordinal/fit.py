"""Fit a model of an ordered scale with the engine asked for, judge the fit, and turn to NUTS where it does not pass."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.aliasing import data_warnings
from mrp.categorical.poststratification import OptionDraws
from mrp.electorate import Electorate
from mrp.errors import SamplingError
from mrp.evidence import Evidence, evidence_of
from mrp.grouping import Grouping
from mrp.hyper import hyper_space
from mrp.judged import Engine, Engines, JudgedFit, fit_and_judge, require_engine
from mrp.laplace.engine import LaplaceSettings, laplace_tree
from mrp.latents import LatentDraws
from mrp.numbers import require_seed
from mrp.nuts import NutsSettings
from mrp.ordinal.counts import coarsest_ordinal, ordinal_design_effect
from mrp.ordinal.design import OrdinalDesign
from mrp.ordinal.nuts import sample_ordinal_nuts
from mrp.ordinal.posterior import LINK, ordinal_dataset, ordinal_latents
from mrp.ordinal.poststratification import ordinal_draws, ordinal_draws_many
from mrp.parity import term_parity
from mrp.priors import Priors, require_priors
from mrp.progress import Progress, Reporter
from mrp.verdict import Problem

if TYPE_CHECKING:
    from xarray import DataTree

__all__ = ["OrdinalFit", "default_ordinal_estimates", "fit_ordinal", "fit_ordinal_laplace", "ordinal_parity"]

MOST_COORDINATES = 3000
"""Of the latents of one model: the engine solves for all of them at once, a second for each step at this size."""


@dataclass(frozen=True, slots=True, repr=False)
class OrdinalFit(JudgedFit[OrdinalDesign]):
    """A fit with everything that decides on its publication; see `mrp.judged.JudgedFit`."""

    @property
    def evidence(self) -> Evidence:
        """What is kept beside the latents, for whoever checks the fit."""
        return evidence_of(self.tree, self.design.common, hyper_space(self.design.common, self.priors))


def fit_ordinal(
    design: OrdinalDesign,
    electorate: Electorate,
    counts: pl.DataFrame,
    priors: Priors,
    *,
    engine: Engine,
    seed: int,
    nuts: NutsSettings = NutsSettings(),
    laplace: LaplaceSettings = LaplaceSettings(),
    on_progress: Callable[[Progress], None] | None = None,
) -> OrdinalFit:
    """Fit, judge, and fit again with NUTS if the Laplace engine does not pass; see `mrp.fit.fit_model`.

    Parameters
    ----------
    design, counts, priors
        As for `mrp.ordinal.model.build_ordinal_model`.
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
    require_seed(seed)
    require_priors(priors, design.common, own="log_width")
    if words := _too_large(design):
        raise SamplingError(words)
    judged = fit_and_judge(
        Engines(
            laplace=lambda: fit_ordinal_laplace(
                design, counts, priors, seed=seed, settings=laplace, on_progress=on_progress
            ),
            nuts=lambda: sample_ordinal_nuts(design, counts, priors, seed=seed, settings=nuts, on_progress=on_progress),
            latents=lambda tree: ordinal_latents(tree, design),
            estimates=lambda latents: tuple(
                one.by_option() for one in default_ordinal_estimates(latents, design, electorate)
            ),
        ),
        engine=engine,
        parity=ordinal_parity(design, electorate),
    )
    return OrdinalFit(
        design,
        priors,
        judged.tree,
        judged.latents,
        judged.verdict,
        judged.engine,
        judged.escalated,
        ordinal_design_effect(design, counts),
    )


def fit_ordinal_laplace(
    design: OrdinalDesign,
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
    from mrp.ordinal.conditional import ordinal_conditional

    report = Reporter(on_progress)
    report("prepare", 0.0)
    require_seed(seed)
    require_priors(priors, design.common, own="log_width")
    if words := _too_large(design):
        raise SamplingError(words)
    cells = coarsest_ordinal(design, counts)
    return laplace_tree(
        ordinal_conditional(design, cells, priors),
        hyper_space(design.common, priors),
        n_latents=design.n_latents,
        named=partial(ordinal_dataset, design),
        warnings=data_warnings(design.common, cells),
        seed=seed,
        settings=settings,
        report=report,
    )


def default_ordinal_estimates(
    latents: LatentDraws, design: OrdinalDesign, electorate: Electorate
) -> tuple[OptionDraws, ...]:
    """Draws of what every release is asked first: the nation, all districts, every demographic by itself."""
    breakdowns = [(), (electorate.district,), *((name,) for name in electorate.demographics)]
    return ordinal_draws_many(latents, design, electorate, [Grouping(by=by) for by in breakdowns])


def ordinal_parity(design: OrdinalDesign, electorate: Electorate) -> tuple[Problem, ...]:
    """Shift each latent in turn and see whether the cells it belongs to move; see `mrp.parity.term_parity`.

    Terms have to move the share above the first cutpoint, and each log width the share of its own option everywhere.
    """
    n_widths = len(design.inner_options)

    def shares(latents: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        draws = LatentDraws(latents.astype(np.float32), design.latent_names, link=LINK)
        return ordinal_draws(draws, design, electorate, by=design.cell_columns).draws

    def above_first(draws: NDArray[np.float32]) -> NDArray[np.float64]:
        return 1 - shares(np.concatenate([draws, np.zeros((len(draws), n_widths))], axis=1))[:, :, 0]

    problems = list(term_parity(design.common, electorate, shares=above_first))
    shifted = np.zeros((1 + n_widths, design.n_latents))
    shifted[1:, design.n_common :] = 0.5 * np.eye(n_widths)
    still, *moved = shares(shifted)
    for j, option in enumerate(design.inner_options):
        if not (moved[j][:, 1 + j] - still[:, 1 + j] > 1e-4).all():
            text = f"log width[{option}] does not move its option in all cells: the prediction is not the model's"
            problems.append(Problem("term-parity", text))
    return tuple(problems)


def _too_large(design: OrdinalDesign) -> str | None:
    n = sum(effect.n_coordinates for effect in design.common.effects)
    if n <= MOST_COORDINATES:
        return None
    largest = max(design.common.effects, key=lambda effect: effect.size)
    return (
        f"the model is too large: {n:,} effects, limit {MOST_COORDINATES:,}; {largest.term} has {largest.size:,}: "
        "leave it out, or merge levels"
    )
