"""The sd of the residual: one more parameter beside those of the priors of effects, and its own prior.

It is half-normal a priori, in units of the data's sd. The default, half_normal(1), calls every residual sd up to that
of all answers likely, which is where it is: effects only take away from it.

Among the parameters it comes last. Unlike the sds of effects it is known from every interview, to a fraction
1 / sqrt(2 n) of itself, and an exploration that looks for it as widely as for those would never meet it twice: of
20,000 interviews no point of the last round had a weight. So it is proposed as

    x = log(s / s0) / tau,      s0: sd within cells,  tau = 1 / sqrt(2 (n - cells))

which is near standard normal a posteriori, however many interviews there are. What s0 and tau are changes no result.
"""

import math
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.design import Design
from mrp.hyper import HyperSpace, hyper_space, sd_name
from mrp.numeric.unit import Unit
from mrp.priors import Priors, require_priors

__all__ = ["RESIDUAL", "ResidualSpace", "describe_numeric_priors", "require_numeric_priors", "residual_space"]

type Floats = NDArray[np.float64]

RESIDUAL = sd_name("residual")

_BOUNDS = (1e-3, 20.0)
# Pairs of people of one cell from which they tell where to look.
_ENOUGH = 20


@dataclass(frozen=True, slots=True)
class ResidualSpace:
    """The parameters of the priors of effects, as in `mrp.hyper.HyperSpace`, then the residual sd."""

    effects: HyperSpace
    residual_scale: float
    """Of the half-normal prior."""
    near: float
    """About where the residual sd is ..."""
    spread: float
    """... and how far from it in parts of itself; see the module."""

    @property
    def scale(self) -> Floats:
        return self.effects.scale

    @property
    def n_sds(self) -> int:
        """Of effects."""
        return self.effects.n_sds

    @property
    def size(self) -> int:
        return self.effects.size + 1

    @property
    def bounds(self) -> tuple[Floats, Floats]:
        """Lowest and highest working values."""
        low, high = self.effects.bounds
        own = [math.log(bound / self.near) / self.spread for bound in _BOUNDS]
        return np.append(low, own[0]), np.append(high, own[1])

    def start(self) -> Floats:
        """Free values to start a search from."""
        return np.append(self.effects.start(), 0.0)

    def natural(self, working: Floats) -> Floats:
        """Natural from working values, along the last axis."""
        return np.concatenate([self.effects.natural(working[..., :-1]), self._residual(working)[..., None]], axis=-1)

    def free(self, working: Floats) -> Floats:
        """Free from working values, along the last axis."""
        return np.concatenate([self.effects.free(working[..., :-1]), working[..., -1:]], axis=-1)

    def working(self, free: Floats) -> Floats:
        """Working from free values, those beyond the bounds cut."""
        low, high = self.bounds
        own = np.clip(free[..., -1:], low[-1], high[-1])
        return np.concatenate([self.effects.working(free[..., :-1]), own], axis=-1)

    def gradient(self, working: Floats, natural_gradient: Floats) -> Floats:
        """As `mrp.hyper.HyperSpace.gradient`."""
        s = float(self._residual(working))
        own = self.spread * (natural_gradient[-1] * s - (s / self.residual_scale) ** 2 + 1)
        return np.append(self.effects.gradient(working[:-1], natural_gradient[:-1]), own)

    def inside(self, working: Floats) -> NDArray[np.bool_]:
        """Which rows are within the bounds."""
        low, high = self.bounds
        return np.asarray(((working >= low) & (working <= high)).all(axis=-1))

    def log_prior(self, working: Floats) -> Floats:
        """Log prior density of working values, up to a constant; sums over the last axis."""
        s = self._residual(working)
        return self.effects.log_prior(working[..., :-1]) - 0.5 * (s / self.residual_scale) ** 2 + np.log(s)

    def log_volume(self, working: Floats) -> Floats:
        """Log Jacobian of the working in the free values."""
        return self.effects.log_volume(working[..., :-1])

    def _residual(self, working: Floats) -> Floats:
        return np.asarray(self.near * np.exp(self.spread * working[..., -1]))


def residual_space(design: Design, priors: Priors, cells: pl.DataFrame) -> ResidualSpace:
    """The parameters of the priors of a design's effects, and the residual sd.

    Parameters
    ----------
    cells
        As `mrp.numeric.counts.in_unit` makes them.
    """
    n, ss = cells["n"].cast(pl.Float64), float(cells["ss"].sum())
    n_spare = float((n - 1).clip(0).sum())
    if n_spare >= _ENOUGH and ss > 0:
        near, told = math.sqrt(ss / n_spare), n_spare
    else:
        near, told = 1.0, max(float(n.sum()), 1.0)
    near = min(max(near, 10 * _BOUNDS[0]), _BOUNDS[1] / 2)
    return ResidualSpace(hyper_space(design, priors), priors.residual.scale, near, 1 / math.sqrt(2 * told))


def require_numeric_priors(priors: Priors, design: Design) -> None:
    """Refuse what is not `Priors`, and priors that do not belong to a design.

    Raises
    ------
    PriorError
        As `mrp.priors.require_priors`.
    """
    require_priors(priors, design, own="residual")


def describe_numeric_priors(priors: Priors, design: Design, unit: Unit) -> dict[str, str]:
    """The prior of every term of a design and of the residual, in words."""
    words = priors.describe(design, scale=f"in units of {unit.scale:.4g} around {unit.centre:.4g}")
    return words | {"residual": f"normal(0, sd) with sd ~ {priors.residual} in units of {unit.scale:.4g}"}
