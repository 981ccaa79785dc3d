"""The prior of the effects of one term given its parameters: its part of a precision matrix, and of a gradient."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrp.coding import EffectCoding
from mrp.hyper import TermHypers
from mrp.structure import autoregressive_precision, correlation_root

__all__ = ["PriorBlock"]

type Floats = NDArray[np.float64]


class PriorBlock:
    """The prior of one term: of each of its groups the same.

    Parameters
    ----------
    effect, hypers
        The term and its parameters.
    at
        Its coordinates in a precision matrix.
    times
        For how many blocks of latents that matrix stands.
    """

    def __init__(self, effect: EffectCoding, hypers: TermHypers, at: slice, *, times: int = 1) -> None:
        self._kind = effect.kind
        self._hypers = hypers
        width = {
            "slopes": len(effect.columns),
            "correlated slopes": len(effect.columns),
            "ar1": effect.size,
            "bym2": effect.size,
        }
        self._vectors = effect.basis if effect.kind == "bym2" else None
        self._values = effect.directions
        own = np.arange(at.start, at.stop).reshape(-1, width.get(effect.kind, 1))
        self._rows, self._columns = own[:, :, None], own[:, None, :]
        self._n, self._width = times * len(own), own.shape[1]

    def fill(self, precision: Floats, hypers: Floats) -> float:
        """Write the term's part of the precision matrix; returns the log determinant of that, of all blocks."""
        block, log_det = self._of_group(hypers)
        if self._vectors is not None:
            root = self._vectors * np.sqrt(block)
            block = root @ root.T
        precision[self._rows, self._columns] = block
        return self._n * float(log_det)

    def add_slope(self, gradient: Floats, hypers: Floats, second: Floats) -> None:
        """Add the gradient of the expected log prior density; ``second`` moments, added up over blocks of latents."""
        moments = second[self._rows, self._columns].sum(axis=0)
        if self._vectors is not None:
            moments = ((moments @ self._vectors) * self._vectors).sum(axis=0)
        for part in (self._hypers.sds, self._hypers.correlations, self._hypers.mixings):
            for k in range(part.start, part.stop):
                # A step so small in the imaginary direction differentiates to the last digit: nothing is subtracted.
                stepped = hypers.astype(np.complex128)
                stepped[k] += 1e-30j
                block, log_det = self._of_group(stepped)
                gradient[k] += 0.5e30 * (self._n * log_det - (block * moments).sum()).imag

    def _of_group(self, hypers: NDArray[Any]) -> tuple[NDArray[Any], Any]:
        """Precision of one group, of a mixed map in its directions shape (direction,), and its log determinant."""
        sd, partial = hypers[self._hypers.sds], hypers[self._hypers.correlations]
        if self._kind == "ar1":
            log_det = -2 * self._width * np.log(sd[0]) - (self._width - 1) * np.log1p(-(partial[0] ** 2))
            return autoregressive_precision(self._width, partial[0]) / sd[0] ** 2, log_det
        if self._kind == "bym2":
            phi = hypers[self._hypers.mixings][0]
            variance = sd[0] ** 2 * (1 - phi + phi * self._values)
            return 1 / variance, -np.log(variance).sum()
        log_det = -2 * np.log(sd).sum()
        if self._kind == "correlated slopes":
            root = sd[:, None] * np.array(correlation_root(partial, self._width))
            inverse = np.linalg.inv(root)
            return inverse.T @ inverse, -2 * np.log(np.diag(root)).sum()
        return np.diag(sd**-2.0), log_det
