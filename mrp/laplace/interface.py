"""What the engine asks of the latents given the parameters of their prior, whatever the answers are counts of.

`mrp.laplace.conditional` is that of one option or not, `mrp.categorical.conditional` that of one of several, and
`mrp.laplace.dense` that of any likelihood of the terms and some latents more, as of an ordered scale.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

__all__ = ["Costly", "Exploration", "Given", "Look", "ModeFound", "ParameterSpace"]

type Floats = NDArray[np.float64]


class ModeFound(Protocol):
    """The most probable latents given the parameters, and how they were found."""

    @property
    def log_likelihood(self) -> float:
        """log p(y | parameters), up to a constant that is the same for all, nearly."""

    @property
    def n_steps(self) -> int:
        """Newton steps that it took."""


@dataclass(frozen=True, slots=True)
class Look[Mode: ModeFound]:
    """All that there is to know of some parameters."""

    mode: Mode
    gradient: Floats
    """Of the log likelihood by the natural values of the parameters, shape (parameter,); NaN if none was asked for."""
    latents: Floats
    """Draws, shape (draw, latent)."""
    log_ratio: Floats
    """Log of the exact over the normal density of each draw, shape (draw,)."""


@dataclass(frozen=True, slots=True)
class Exploration[Mode: ModeFound]:
    """Weighted draws of the parameters."""

    hypers: Floats
    """Natural values, see `mrp.hyper.HyperSpace`; shape (point, parameter)."""
    log_weight: Floats
    """Log of exact over surrogate density, not normalised, shape (point,)."""
    log_density: Floats
    """Log posterior density of the working values but for a constant, shape (point,)."""
    modes: tuple[Mode, ...]
    """Of the latents at each point."""
    n_evaluations: int
    n_newton_steps: int
    drawn: "tuple[NDArray[np.float32], Floats] | None" = None
    """Latents that were drawn at each point on the way, shape (point, draw, latent), and the log of their exact over
    their normal density, shape (point, draw)."""


class Given[Mode: ModeFound](Protocol):
    """Latents given parameters, for one set of counts; asked from several threads. See `mrp.laplace.conditional`."""

    @property
    def n_coordinates(self) -> int:
        """Number of independent numbers that the latents are made of."""

    def mode(self, hypers: Floats, near: Mode | None = None, /) -> Mode:
        """The most probable latents."""

    def slope(self, hypers: Floats, near: Mode | None = None, /) -> tuple[Mode, Floats]:
        """The mode, and the gradient of its log likelihood by the natural values of the parameters."""

    def draw(self, hypers: Floats, near: Mode, noise: Floats, /) -> tuple[Floats, Floats]:
        """Latents, shape (draw, latent), and the log of their exact over their normal density, shape (draw,)."""

    def between(self, modes: Sequence[Mode], shares: Floats, /) -> Sequence[Mode]:
        """Where to start, made of several modes: one start for each row of ``shares``, which adds up to 1."""


@runtime_checkable
class Costly[Mode: ModeFound](Given[Mode], Protocol):
    """One of which a look may take so long that few should be made, see `mrp.laplace.few`: where `cost` is above 1."""

    @property
    def cost(self) -> float:
        """What a Newton step takes, in fiftieths of a second, roughly."""

    @property
    def part(self) -> Given[Mode] | None:
        """The same latents given a part of the counts, for a search to begin with; None where that saves nothing."""

    def look(self, hypers: Floats, near: Mode, noise: Floats, /, *, steep: bool = True) -> Look[Mode]:
        """`mode`, `slope` and `draw` at once; if not ``steep`` without the slope, which takes a third of the time."""


class ParameterSpace(Protocol):
    """The parameters that are explored, with their priors; see `mrp.hyper.HyperSpace`, which is one."""

    @property
    def size(self) -> int: ...
    @property
    def n_sds(self) -> int:
        """Of the first of them, which are sds of effects and may be near zero."""

    @property
    def scale(self) -> Floats:
        """Of the priors of these, shape (sd,)."""

    @property
    def bounds(self) -> tuple[Floats, Floats]: ...
    def start(self) -> Floats: ...
    def natural(self, working: Floats) -> Floats: ...
    def free(self, working: Floats) -> Floats: ...
    def working(self, free: Floats) -> Floats: ...
    def gradient(self, working: Floats, natural_gradient: Floats) -> Floats: ...
    def inside(self, working: Floats) -> NDArray[np.bool_]: ...
    def log_prior(self, working: Floats) -> Floats: ...
    def log_volume(self, working: Floats) -> Floats: ...
