"""What the engine asks of the latents given the parameters of their prior, whatever the answers are counts of.

`mrp.laplace.conditional` is that of one option or not, `mrp.categorical.conditional` that of one of several, and
`mrp.laplace.dense` that of any likelihood of the terms and some latents more, as of an ordered scale.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Given", "ModeFound"]

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

    def mode(self, hypers: Floats, near: Mode | None = None) -> Mode:
        """The most probable latents."""

    def slope(self, hypers: Floats, near: Mode | None = None) -> tuple[Mode, Floats]:
        """The mode, and the gradient of its log likelihood by the natural values of the parameters."""

    def draw(self, hypers: Floats, near: Mode, noise: Floats) -> tuple[Floats, Floats]:
        """Latents, shape (draw, latent), and the log of their exact over their normal density, shape (draw,)."""
