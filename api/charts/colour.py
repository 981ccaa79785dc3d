"""Colours as numbers: mixing, contrast, and how they look to colour-blind people.

References
----------
.. [1] Ottosson (2020), "A perceptual color space for image processing" (OKLab), https://bottosson.github.io/posts/oklab/
.. [2] W3C (2023), WCAG 2.2, "relative luminance" and "contrast ratio".
.. [3] Machado, Oliveira and Fernandes (2009), "A physiologically-based model for simulation of color vision
   deficiency", IEEE TVCG 15(6), 1291-1298, https://doi.org/10.1109/TVCG.2009.113; matrices at severity 1.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["as_seen", "contrast", "distance", "mix"]

# Linear RGB to the cones' response, and that (its cube root) to OKLab [1].
_TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_OKLAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_DEFICIENCY = {
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
}


def contrast(first: str, second: str) -> float:
    """Contrast ratio of two colours, from 1 (none) to 21 (black on white) [2]."""
    light, dark = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def distance(first: str, second: str) -> float:
    """How different two colours look: the distance in OKLab, 1 between black and white [1]."""
    return float(np.linalg.norm(_oklab(_linear(first)) - _oklab(_linear(second))))


def as_seen(colour: str, deficiency: str) -> str:
    """A colour as it looks to people with deuteranopia or protanopia [3]."""
    # The authors apply their matrices to linear light.
    return _hex(np.clip(_DEFICIENCY[deficiency] @ _linear(colour), 0, 1))


def mix(first: str, second: str, part: float) -> str:
    """The colour on the straight line in OKLab from the first (``part`` 0) to the second (1)."""
    lab = (1 - part) * _oklab(_linear(first)) + part * _oklab(_linear(second))
    return _hex(np.clip(np.linalg.inv(_TO_CONES) @ (np.linalg.inv(_TO_OKLAB) @ lab) ** 3, 0, 1))


def _linear(colour: str) -> NDArray[np.float64]:
    """Linear light of "#rrggbb", in [0, 1], shape (3,)."""
    srgb = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def _hex(linear: NDArray[np.float64]) -> str:
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return "#" + "".join(f"{round(255 * float(part)):02x}" for part in srgb)


def _oklab(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    return _TO_OKLAB @ np.cbrt(_TO_CONES @ linear)


def _luminance(colour: str) -> float:
    return float(np.array([0.2126, 0.7152, 0.0722]) @ _linear(colour))
