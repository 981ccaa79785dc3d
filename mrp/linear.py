r"""A model in numbers, as both engines take it: cells, the linear predictor of each, and the priors of what is in it.

    eta[c] = sum_j x[c, j] free[j] + sum_e weight[c, e] effect[index[c, e]]

The latents are the free ones (intercepts and coefficients, with fixed normal priors), then the effects of the varying
terms one after the other. `linear_model` makes it of one binary question; `mrp.joint` of several.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.coding import EffectCoding
from mrp.design import Design
from mrp.hyper import HyperSpace, hyper_space
from mrp.priors import Priors

__all__ = ["Coded", "LinearModel", "linear_model", "share_logit"]

type Floats = NDArray[np.float64]


class Coded(Protocol):
    """What of a design says how large a model is, and what its terms are called."""

    @property
    def effects(self) -> tuple[EffectCoding, ...]: ...
    @property
    def coefficient_names(self) -> tuple[str, ...]: ...
    @property
    def n_latents(self) -> int: ...


@dataclass(frozen=True, slots=True, eq=False)
class LinearModel:
    """Cells and priors; see the module."""

    x: Floats
    """Shape (cell, free)."""
    index: NDArray[np.int32]
    """Positions among all latents, shape (cell, entry)."""
    weight: Floats
    """Shape (cell, entry)."""
    effect_of: tuple[int, ...]
    """For each entry the position of its term among ``effects``; of one term one entry after the other."""
    effects: tuple[EffectCoding, ...]
    offsets: tuple[int, ...]
    """Position of the first effect of each term among the latents."""
    mean: Floats
    """Prior means of the free latents, shape (free,)."""
    sd: Floats
    """Prior sds of the free latents, shape (free,)."""
    space: HyperSpace
    """The parameters of the priors of the effects."""
    n: Floats
    """Shape (cell,), like ``y``."""
    y: Floats
    start: Floats
    """Where to look for the free latents first, shape (free,)."""
    present: NDArray[np.bool_] | None = None
    """Which entries a cell has, shape (cell, entry); None if all of them. The others have the weight 0."""

    @property
    def n_free(self) -> int:
        return self.mean.size

    @property
    def n_latents(self) -> int:
        return self.n_free + sum(effect.size for effect in self.effects)


def linear_model(design: Design, counts: pl.DataFrame, priors: Priors) -> LinearModel:
    """The numbers of one binary question; parameters as for `mrp.model.build_model`."""
    rows = design.rows(counts)
    own = [priors.for_predictor(p.name) for p in design.predictors for _ in p.coefficients]
    free = (priors.intercept, *own)
    mean = np.array([prior.mean for prior in free])
    n, y = (counts[name].cast(pl.Float64).to_numpy() for name in ("n", "y"))
    return LinearModel(
        x=np.column_stack([np.ones(counts.height), rows.x]),
        index=rows.index,
        weight=rows.weight,
        effect_of=tuple(k for k, effect in enumerate(design.effects) for _ in effect.columns),
        effects=design.effects,
        offsets=design.offsets,
        mean=mean,
        sd=np.array([prior.sd for prior in free]),
        space=hyper_space(design, priors),
        n=n,
        y=y,
        start=np.concatenate([[share_logit(n, y)], mean[1:]]),
    )


def share_logit(n: Floats, y: Floats) -> float:
    """Logit of the share of all cells, finite also where all or none of them answered so."""
    share = (y.sum() + 1) / (n.sum() + 2)
    return float(np.log(share / (1 - share)))
