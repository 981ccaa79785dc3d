r"""Turn draws of the latents of a question answered with a number into draws of means for areas and groups.

    theta[s, a] = sum_j N[j] m[s, j] / sum_j N[j],      m[s, j] = centre + scale eta[s, j],      j in cells of a

once per draw, as in `mrp.poststratification`. The predictor is linear, so that the cells are added up before the draws
are looked at: an area's mean is a weighted sum of latents.

How much one answer differs from another among an area's people is

    v[s, a] = scale^2 (residual[s]^2 + sum_j N[j] eta[s, j]^2 / sum_j N[j] - (sum_j N[j] eta[s, j] / sum_j N[j])^2)

which is what `mrp.information` measures an estimate by: interviews that alone would be as precise are v over its
posterior variance.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from mrp.cell_pass import area_weights
from mrp.electorate import Electorate
from mrp.errors import DrawsError
from mrp.grouping import Grouping
from mrp.laplace.coordinates import incidence
from mrp.latents import LatentDraws
from mrp.numeric.design import NumericDesign
from mrp.numeric.posterior import LINK
from mrp.poststratification import AreaDraws, grouped_cells, require_read

__all__ = ["answer_variances", "numeric_draws", "numeric_draws_many"]

type Floats = NDArray[np.float64]

# Numbers held at a time: 16 MB.
_CHUNK = 2_000_000


def numeric_draws(
    latents: LatentDraws,
    design: NumericDesign,
    electorate: Electorate,
    *,
    by: tuple[str, ...] = (),
    where: Mapping[str, tuple[str, ...]] | None = None,
    merge: Mapping[str, Mapping[str, tuple[str, ...]]] | None = None,
    at: Mapping[str, str] | None = None,
) -> AreaDraws:
    """Draws of means straight from the latents: `numeric_draws_many` of one grouping."""
    return numeric_draws_many(latents, design, electorate, (Grouping(by, where or {}, merge or {}),), at=at)[0]


def numeric_draws_many(
    latents: LatentDraws,
    design: NumericDesign,
    electorate: Electorate,
    groupings: Sequence[Grouping],
    *,
    at: Mapping[str, str] | None = None,
) -> tuple[AreaDraws, ...]:
    """Draws of means for several breakdowns of the population, in the unit of the question.

    A mean may lie outside the range that answers have: a normal likelihood knows of none.

    Parameters and errors as those of `mrp.poststratification.area_draws_many`; `DrawsError` also if the design has no
    unit yet.
    """
    unit = design.require_unit()
    made = _cells(latents, design, electorate, groupings, at or {})
    if made is None:
        return ()
    of_latent = (made.weights @ made.predictor).tocsr()
    total = of_latent @ latents.draws[:, :-1].T.astype(np.float64)
    means = (unit.centre + unit.scale * total).T
    return tuple(
        AreaDraws(areas, np.ascontiguousarray(part), latents.n_chains, latents.points, latents.fit, "mean")
        for areas, part in zip(made.areas, made.apart(means), strict=True)
    )


def answer_variances(
    latents: LatentDraws,
    design: NumericDesign,
    electorate: Electorate,
    groupings: Sequence[Grouping],
    *,
    at: Mapping[str, str] | None = None,
) -> tuple[Floats, ...]:
    """Variance of one answer among the people of each area, the mean over draws; see the module.

    Parameters and errors as those of `numeric_draws_many`.

    Returns
    -------
    tuple of numpy.ndarray
        One for each grouping, in the order of its areas, in the square of the question's unit, shape (area,).
    """
    unit = design.require_unit()
    made = _cells(latents, design, electorate, groupings, at or {})
    if made is None:
        return ()
    draws, residual = latents.draws[:, :-1].astype(np.float64), latents.draws[:, -1].astype(np.float64)
    between = np.zeros(made.weights.shape[0])
    step = max(1, _CHUNK // max(made.predictor.shape[0], 1))
    for start in range(0, len(draws), step):
        eta = made.predictor @ draws[start : start + step].T
        between += (made.weights @ eta**2 - (made.weights @ eta) ** 2).sum(axis=1)
    # A cell's own variance is 0 and not a little below it.
    variance = unit.scale**2 * (np.mean(residual**2) + np.maximum(between / len(draws), 0.0))
    return made.apart(variance)


@dataclass(frozen=True, slots=True)
class _Cells:
    """The cells that a pass goes over."""

    weights: sparse.csc_array
    """Share of each area's people in each cell, all breakdowns one below the other, sparse, shape (area, cell)."""
    predictor: sparse.csr_array
    """The linear predictor from the latents, sparse, shape (cell, latent)."""
    areas: tuple[pl.DataFrame, ...]

    def apart(self, values: Floats) -> tuple[Floats, ...]:
        """What belongs to each breakdown, of values with the areas on the last axis."""
        ends = itertools.accumulate(areas.height for areas in self.areas)
        return tuple(values[..., end - areas.height : end] for areas, end in zip(self.areas, ends, strict=True))


def _cells(
    latents: LatentDraws,
    design: NumericDesign,
    electorate: Electorate,
    groupings: Sequence[Grouping],
    at: Mapping[str, str],
) -> _Cells | None:
    """None if nothing is asked."""
    if latents.names != design.latent_names or latents.link != LINK:
        raise DrawsError(
            f"the draws are of {len(latents.names)} latents with the link {latents.link!r} and the design has "
            f"{design.n_latents} with {LINK!r} (or other names); use the design that was stored with the fit"
        )
    require_read(at, design.common, electorate)
    if not groupings:
        return None
    if "period" in at and "period" in design.common.observed:
        design = design.at_period(at["period"])
    cells, grouped = grouped_cells(design, electorate, groupings, at)
    weights = area_weights(cells["n_people"].to_numpy(), grouped, dtype=np.float64)
    return _Cells(weights, incidence(design.common, cells), tuple(areas for _, areas in grouped))
