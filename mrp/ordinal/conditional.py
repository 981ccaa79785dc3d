"""The latents of an ordered scale given the parameters of their prior, for the engine of `mrp.laplace.dense`."""

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from mrp.laplace.coordinates import coordinates_basis, incidence
from mrp.laplace.dense import DenseConditional
from mrp.ordinal import kernels
from mrp.ordinal.counts import counts_of
from mrp.ordinal.design import OrdinalDesign
from mrp.ordinal.scale import spacing
from mrp.priors import Priors

__all__ = ["OrdinalLikelihood", "ordinal_conditional"]

type Floats = NDArray[np.float64]


class OrdinalLikelihood:
    """Of coordinates of the terms, then log widths; see `mrp.laplace.dense.Likelihood`.

    Parameters
    ----------
    design, counts
        Counts as `mrp.ordinal.counts.coarsest_ordinal` makes them.
    """

    def __init__(self, design: OrdinalDesign, counts: pl.DataFrame) -> None:
        terms = sparse.csr_array(incidence(design.common, counts) @ coordinates_basis(design.common))
        y = np.ascontiguousarray(counts_of(design, counts).to_numpy(), dtype=np.float64)
        self.chosen: Floats = y.sum(axis=0)
        """Answers of each option."""
        self._n_terms = int(terms.shape[1])
        self._data = (
            terms.indptr.astype(np.int64),
            terms.indices.astype(np.int64),
            np.ascontiguousarray(terms.data),
            y,
            # Of kernels that are compiled for arrays that may be written to.
            spacing(design.n_options).copy(),
            self.chosen[1:-1].copy(),
        )

    def value(self, point: Floats) -> float:
        return float(kernels.log_likelihood(point, self._data))

    def curvature(self, point: Floats) -> tuple[float, Floats, Floats, Floats]:
        value, gradient, information = kernels.curvature(point, self._data)
        excess = np.zeros_like(gradient)
        excess[self._n_terms :] = gradient[self._n_terms :]
        return value, gradient, information, excess

    def third_order(self, point: Floats, covariance: Floats) -> Floats:
        return np.asarray(kernels.third_order(point, covariance, self._data))

    def start(self) -> Floats:
        """The cutpoints of all answers together, no other term: near the mode of any model; shape (coordinate,)."""
        # One answer more of each option: that nobody chose one is not to say that nobody would.
        upto = np.cumsum(self.chosen + 1)[:-1] / (self.chosen + 1).sum()
        cuts = np.log(upto / (1 - upto))
        n, log_width = len(cuts), np.log(np.diff(cuts))
        intercept = -cuts[(n - 1) // 2 : n // 2 + 1].mean()
        return np.concatenate([[intercept], np.zeros(self._n_terms - 1), log_width])


def ordinal_conditional(design: OrdinalDesign, counts: pl.DataFrame, priors: Priors) -> DenseConditional:
    """Latents given parameters, of the model of `mrp.ordinal.model`.

    Parameters
    ----------
    design, counts, priors
        Counts as `mrp.ordinal.counts.coarsest_ordinal` makes them.
    """
    likelihood = OrdinalLikelihood(design, counts)
    extra = (priors.log_width,) * len(design.inner_options)
    return DenseConditional(design.common, priors, likelihood=likelihood, extra=extra, start=likelihood.start())
