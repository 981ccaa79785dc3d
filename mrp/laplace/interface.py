"""What the engine asks of the latents given the parameters of their prior, whatever the answers are counts of.

`mrp.laplace.conditional` is that of one option or not, `mrp.categorical.conditional` that of one of several, and
`mrp.laplace.dense` that of any likelihood of the terms and some latents more, as of an ordered scale.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Given", "ModeFound", "ParameterSpace"]

type Floats = NDArray[np.float64]


class ModeFound(Protocol):
    """The most probable latents given the parameters, and how they were found."""

    @property
    def log_likelihood(self) -> float:
        """log p(y | parameters), up to a constant that is the same for all, nearly."""

    @property
    def n_steps(self) -> int:
        """Newton steps that it took."""


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
