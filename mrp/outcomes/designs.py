"""Stored designs of every kind: read back, asked for draws of areas and groups."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.categorical.counts import option_design_effect
from mrp.categorical.design import CategoricalDesign
from mrp.categorical.poststratification import OptionDraws, option_draws_many
from mrp.counts import design_effect
from mrp.design import Design
from mrp.electorate import Electorate
from mrp.errors import DrawsError
from mrp.grouping import Grouping
from mrp.heed import Heed, nobody
from mrp.latents import LatentDraws
from mrp.numeric.counts import numeric_design_effect
from mrp.numeric.design import NumericDesign
from mrp.numeric.poststratification import numeric_draws_many
from mrp.ordinal.design import OrdinalDesign
from mrp.ordinal.poststratification import ordinal_draws_many
from mrp.poststratification import area_draws_many

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "MEAN",
    "SHARE",
    "AnyDesign",
    "counted_design_effect",
    "dataset_of",
    "default_draws",
    "design_from_json",
    "draws_many",
    "estimands",
]

type AnyDesign = Design | CategoricalDesign | OrdinalDesign | NumericDesign

SHARE = "share"
"""The estimand of a binary question: the share of the option that was counted, whose name its design does not know."""
MEAN = "mean"
"""That of a question answered with a number, in its unit."""


def design_from_json(value: Mapping[str, Any]) -> AnyDesign:
    """Read what ``to_json`` of a design wrote.

    Raises
    ------
    DrawsError
        If it has another format version, or is that of several questions.
    """
    if value.get("kind") == "joint":
        raise DrawsError(
            "the design is of several questions; read it with mrp.joint.JointDesign.from_json and take that of one, "
            "design.of(question)"
        )
    if value.get("kind") == "categorical":
        return CategoricalDesign.from_json(value)
    if value.get("kind") == "ordinal":
        return OrdinalDesign.from_json(value)
    if value.get("kind") == "numeric":
        return NumericDesign.from_json(value)
    return Design.from_json(value)


def estimands(design: AnyDesign) -> tuple[str, ...]:
    """Names of what is estimated, in the order of the draws."""
    if isinstance(design, NumericDesign):
        return (MEAN,)
    return design.options if isinstance(design, CategoricalDesign | OrdinalDesign) else (SHARE,)


def draws_many(
    latents: LatentDraws,
    design: AnyDesign,
    electorate: Electorate,
    groupings: Sequence[Grouping],
    *,
    at: Mapping[str, str] | None = None,
    heed: Heed = nobody,
) -> tuple[OptionDraws, ...]:
    """Draws of every estimand for several breakdowns of the population, in one pass over its cells.

    Parameters and errors as those of `mrp.poststratification.area_draws_many`; ``heed`` is called before the pass, and
    in that of several options, the longest, every second or so (`mrp.heed`).
    """
    heed()
    if isinstance(design, CategoricalDesign):
        return option_draws_many(latents, design, electorate, groupings, at=at, heed=heed)
    if isinstance(design, OrdinalDesign):
        return ordinal_draws_many(latents, design, electorate, groupings, at=at)
    if isinstance(design, NumericDesign):
        drawn = numeric_draws_many(latents, design, electorate, groupings, at=at)
    else:
        drawn = area_draws_many(latents, design, electorate, groupings, at=at)
    return tuple(
        OptionDraws(one.areas, (one.kind,), one.draws[:, :, None], one.n_chains, one.points, one.fit, one.kind)
        for one in drawn
    )


def default_draws(latents: LatentDraws, design: AnyDesign, electorate: Electorate) -> tuple[OptionDraws, ...]:
    """Draws of what every release is asked first: the nation, all districts, every demographic by itself."""
    breakdowns = [(), (electorate.district,), *((name,) for name in electorate.demographics)]
    return draws_many(latents, design, electorate, [Grouping(by=by) for by in breakdowns])


def counted_design_effect(design: AnyDesign, counts: pl.DataFrame) -> float:
    """What weighting costs, see `mrp.counts.design_effect`; 1 for counts without weights."""
    if isinstance(design, NumericDesign):
        return numeric_design_effect(design.common, counts)
    if isinstance(design, Design):
        return design_effect(design, counts)
    return option_design_effect(design, counts)


def dataset_of(design: AnyDesign, latents: NDArray[np.floating[Any]], hypers: NDArray[np.float64]) -> "xr.Dataset":
    """Draws by the names that the model gives them; see `mrp.posterior.posterior_dataset`."""
    from mrp.categorical.posterior import categorical_dataset
    from mrp.numeric.posterior import numeric_dataset
    from mrp.ordinal.posterior import ordinal_dataset
    from mrp.posterior import posterior_dataset

    if isinstance(design, OrdinalDesign):
        return ordinal_dataset(design, latents, hypers)
    if isinstance(design, NumericDesign):
        return numeric_dataset(design, latents, hypers)
    if isinstance(design, CategoricalDesign):
        return categorical_dataset(design, latents, hypers)
    return posterior_dataset(design, latents, hypers)
