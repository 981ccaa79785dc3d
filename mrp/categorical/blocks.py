r"""The prior of the effects of one term over several options: its part of a precision matrix, and of a gradient.

For each option k effects have the prior of the binary model with the sds of that option, independently; what is left of
them after their mean over options is taken off is the effect. In coordinates by the rows b_k of an orthonormal zero-sum
basis over options, the columns c of a term have the covariance

    sum_k sd[c, k] sd[d, k] R[c, d] b_k b_k',         R: what the binary model has for sds of 1

which is sd^2 R for all directions alike where options share their sd. Of a term with one column that is R times the
matrix S = sum_k sd_k^2 b_k b_k', of which the inverse is T here.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrp.coding import EffectCoding
from mrp.hyper import TermHypers
from mrp.structure import autoregressive_precision, correlation_root

__all__ = ["OptionBlock"]

type Floats = NDArray[np.float64]


class OptionBlock:
    """The prior of one term: of each of its groups the same.

    Parameters
    ----------
    effect, hypers
        The term and its parameters.
    at
        Its vectors among those of a precision matrix.
    options
        Zero-sum basis over options, shape (K, K - 1).
    first
        Coordinates of the precision matrix before its first vector.
    times
        For how many blocks of latents that matrix stands.
    """

    def __init__(
        self, effect: EffectCoding, hypers: TermHypers, at: slice, options: Floats, *, first: int = 0, times: int = 1
    ) -> None:
        self._kind, self._hypers, self._options, self._times = effect.kind, hypers, options, times
        self._n_columns = len(effect.columns)
        self._shared = hypers.sds.stop - hypers.sds.start == self._n_columns
        self._vectors = effect.basis if effect.kind == "bym2" else None
        self._values = effect.directions
        own = np.arange(at.start, at.stop)
        together = {"correlated slopes": self._n_columns, "ar1": effect.size, "bym2": effect.size}
        # Columns that are independent of each other are parts of their own; others hang together in one.
        n_parts = 1 if effect.kind in together else self._n_columns
        self._parts = []
        for part in range(n_parts):
            groups = own[part::n_parts].reshape(-1, together.get(effect.kind, 1))
            width = options.shape[1]
            flat = (first + groups[:, :, None] * width + np.arange(width)).reshape(len(groups), -1)
            self._parts.append((flat[:, :, None], flat[:, None, :]))

    def fill(self, precision: Floats, hypers: Floats) -> float:
        """Write the term's part of the precision matrix; returns the log determinant of that, of all blocks."""
        total = 0.0
        for part, (rows, columns) in enumerate(self._parts):
            block, log_det = self._of_group(part, hypers)
            precision[rows, columns] = block
            total += self._times * len(rows) * float(log_det)
        return total

    def add_slope(self, gradient: Floats, hypers: Floats, second: Floats) -> None:
        """Add the gradient of the expected log prior density; ``second`` moments, added up over blocks of latents."""
        for part, (rows, columns) in enumerate(self._parts):
            moments, n = second[rows, columns].sum(axis=0), self._times * len(rows)
            if self._kind == "correlated slopes":
                self._add_stepped(gradient, hypers, moments, n)
            else:
                self._add_apart(gradient, hypers, moments, (part, n))

    def _sds(self, hypers: NDArray[Any]) -> NDArray[Any]:
        """Shape (column, option)."""
        k = len(self._options)
        sds = hypers[self._hypers.sds].reshape(self._n_columns, -1)
        return np.broadcast_to(sds, (self._n_columns, k))

    def _of_group(self, part: int, hypers: NDArray[Any]) -> tuple[NDArray[Any], Any]:
        """Precision of one group, and its log determinant."""
        if self._kind == "correlated slopes":
            size = self._n_columns
            root = np.array(correlation_root(hypers[self._hypers.correlations], size))
            scaled = self._sds(hypers).T[:, :, None] * root  # (option, column, column)
            by_option = np.einsum("kca,kda,ki,kj->cidj", scaled, scaled, self._options, self._options)
            covariance = by_option.reshape(size * self._options.shape[1], -1)
            sign, log_abs = np.linalg.slogdet(covariance)
            return np.linalg.inv(covariance), -(log_abs + np.log(sign))
        across = self._across(self._sds(hypers)[part])
        along, log_det = self._along(hypers)
        if self._vectors is not None:
            scaled = self._vectors * np.sqrt(along)
            along = scaled @ scaled.T
        width, size = len(across), len(along)
        return np.kron(along, across), width * log_det + size * np.linalg.slogdet(across)[1]

    def _across(self, sd: Floats) -> Floats:
        """T, from the sds of all options."""
        return np.linalg.inv((self._options * sd[:, None] ** 2).T @ self._options)

    def _along(self, hypers: NDArray[Any]) -> tuple[NDArray[Any], Any]:
        """Inverse of R of a term whose columns are apart, of a mixed map in its directions, and its log determinant."""
        if self._kind == "ar1":
            size, r = self._parts[0][0].shape[1] // self._options.shape[1], hypers[self._hypers.correlations][0]
            return autoregressive_precision(size, r), -(size - 1) * np.log1p(-(r**2))
        if self._kind == "bym2":
            phi = hypers[self._hypers.mixings][0]
            variance = 1 - phi + phi * self._values
            return 1 / variance, -np.log(variance).sum()
        return np.eye(1), 0.0

    def _add_apart(self, gradient: Floats, hypers: Floats, moments: Floats, of: tuple[int, int]) -> None:
        part, n = of
        width = self._options.shape[1]
        across = self._across(self._sds(hypers)[part])
        along, _ = self._along(hypers)
        by_vector = moments.reshape(len(moments) // width, width, -1, width)
        if self._vectors is None:
            left = np.einsum("aibj,ab->ij", by_vector, along)
            right = np.einsum("aibj,ij->ab", by_vector, across)
        else:
            turned = np.einsum("aibj,ad,bd->dij", by_vector, self._vectors, self._vectors, optimize=True)
            left = np.einsum("dij,d->ij", turned, along)
            right = np.einsum("dij,ij->d", turned, across)
        reach = self._options @ across  # (option, direction)
        sd = self._sds(hypers)[part]
        n_vectors = n * len(by_vector)
        by_sd = sd * (((reach @ left) * reach).sum(axis=1) - n_vectors * (reach * self._options).sum(axis=1))
        own = gradient[self._hypers.sds].reshape(self._n_columns, -1)
        own[part] += by_sd.sum() if self._shared else by_sd
        for hyper in (self._hypers.correlations, self._hypers.mixings):
            for k in range(hyper.start, hyper.stop):
                stepped = _stepped(hypers, k)
                along_stepped, log_det = self._along(stepped)
                gradient[k] += 0.5e30 * (n * width * log_det - (along_stepped * right).sum()).imag

    def _add_stepped(self, gradient: Floats, hypers: Floats, moments: Floats, n: int) -> None:
        for hyper in (self._hypers.sds, self._hypers.correlations):
            for k in range(hyper.start, hyper.stop):
                block, log_det = self._of_group(0, _stepped(hypers, k))
                gradient[k] += 0.5e30 * (n * log_det - (block * moments).sum()).imag


def _stepped(hypers: Floats, k: int) -> NDArray[np.complex128]:
    """A step so small in the imaginary direction differentiates to the last digit: nothing is subtracted."""
    stepped = hypers.astype(np.complex128)
    stepped[k] += 1e-30j
    return stepped
