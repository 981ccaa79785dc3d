r"""Solve for all latents of a normal posterior at once, those that fall into independent blocks first.

Latents are (r, o): o in blocks g that meet only through r, as `mrp.laplace.elimination` chooses them, such as those of
a district each. The posterior precision has the Cholesky factor

    H_g = L_g L_g',     W_g = L_g^-1 H_gr,     S = H_rr - sum_g W_g' W_g = L L'

so that a point costs the cube of what is not eliminated, and of a block. With ``n`` standard normal numbers

    r = L'^-1 n_r,      o_g = L_g'^-1 (n_g - W_g r)

are a draw of deviations; the mean is the same of what solving forwards gives.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from mrp.coding import EffectCoding
from mrp.laplace.elimination import Elimination

__all__ = ["Factor", "Information", "layout"]

type Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Information:
    """The parts of a matrix of coordinates that are not zero for reasons of structure."""

    rest: Floats
    """Shape (rest, rest)."""
    cross: Floats
    """Shape (block, width, rest)."""
    own: Floats
    """Shape (block, width, width)."""

    @classmethod
    def of(cls, matrix: sparse.csr_array, n_rest: int, width: int) -> "Information":
        """Take a matrix apart, whose blocks of ``width`` coordinates follow ``n_rest`` others."""
        below = sparse.csr_array(matrix[n_rest:])
        at_own = sparse.coo_array(below[:, n_rest:])
        n_groups = below.shape[0] // width
        own = np.zeros((n_groups, width, width))
        group = at_own.row // width
        inside = group == at_own.col // width  # entries that are elsewhere are zeros
        np.add.at(own, (group[inside], at_own.row[inside] % width, at_own.col[inside] % width), at_own.data[inside])
        cross = below[:, :n_rest].toarray().reshape(n_groups, width, n_rest)
        return cls(matrix[:n_rest, :n_rest].toarray(), cross, own)


class Factor:
    """Cholesky factor of ``times`` the information of the data plus the precision of the prior.

    Parameters
    ----------
    rest, own
        Of the prior: precision of what is not eliminated, shape (rest, rest), and of one block, shape (width, width).

    Raises
    ------
    numpy.linalg.LinAlgError
        If it is not positive definite.
    """

    def __init__(self, information: Information, times: float, rest: Floats, own: Floats) -> None:
        self._own = np.linalg.cholesky(own + times * information.own)
        self._inverse = np.linalg.solve(self._own, np.broadcast_to(np.eye(own.shape[0]), self._own.shape))
        self._cross = self._inverse @ (times * information.cross)
        flat = self._cross.reshape(-1, rest.shape[0])
        schur = rest + times * information.rest - flat.T @ flat
        self._rest = linalg.cholesky(schur, lower=True, overwrite_a=True, check_finite=False)
        diagonals = np.diag(self._rest), np.diagonal(self._own, axis1=1, axis2=2).ravel()
        self.half_log_det = float(sum(np.log(one).sum() for one in diagonals))
        """Half the log determinant of the whole precision."""

    @property
    def _n_rest(self) -> int:
        return int(self._rest.shape[0])

    def forwards(self, right: Floats) -> Floats:
        """The numbers ``n`` whose squares add up to right' H^-1 right, shape (coordinate,)."""
        own = np.einsum("gij,gj->gi", self._inverse, right[self._n_rest :].reshape(self._own.shape[:2]))
        rest = right[: self._n_rest] - np.einsum("gir,gi->r", self._cross, own)
        solved = linalg.solve_triangular(self._rest, rest, lower=True, check_finite=False)
        return np.concatenate([solved, own.ravel()])

    def backwards(self, noise: Floats) -> Floats:
        """Coordinates from the numbers ``n``, shape (draw, coordinate) of both."""
        solved = linalg.solve_triangular(
            self._rest, noise[:, : self._n_rest].T, lower=True, trans="T", check_finite=False
        ).T
        own = noise[:, self._n_rest :].reshape(len(noise), *self._own.shape[:2])
        own = own - (solved @ self._cross.reshape(-1, self._n_rest).T).reshape(own.shape)
        spread = np.einsum("gji,sgj->sgi", self._inverse, own)
        return np.concatenate([solved, spread.reshape(len(noise), -1)], axis=1)

    def covariances(self) -> tuple[Floats, Floats]:
        """Covariance of the rest, shape (rest, rest), and those of the blocks added up, shape (width, width)."""
        covariance, _ = linalg.lapack.dpotri(self._rest, lower=True)
        covariance = np.tril(covariance) + np.tril(covariance, -1).T
        moved = self._cross.swapaxes(1, 2) @ self._inverse  # what a block owes to the rest, (block, rest, width)
        own = (self._inverse.swapaxes(1, 2) @ self._inverse).sum(axis=0)
        own += (moved.swapaxes(1, 2) @ covariance @ moved).sum(axis=0)
        return covariance, own


def layout(effects: tuple[EffectCoding, ...], n_free: int, own: Elimination) -> tuple[sparse.csr_array, int]:
    """Latents from coordinates (rest, own), shape (latent, coordinate), and how many coordinates are the rest."""
    rest = [k for k in range(len(effects)) if k not in own.terms]
    # A mixed map keeps its effects for coordinates, as in `mrp.laplace.conditional`.
    parts = [sparse.eye_array(n_free)]
    for k in rest:
        basis = None if effects[k].kind == "bym2" else effects[k].basis
        parts.append(sparse.eye_array(effects[k].size) if basis is None else sparse.csr_array(basis))
    n_rest = sum(part.shape[1] for part in parts)
    n_effects = sum(part.shape[0] for part in parts)
    if own.terms:
        of_block = own.basis if own.basis.size else np.eye(own.width)
        parts.append(sparse.kron(sparse.eye_array(own.n_groups), sparse.csr_array(of_block)))
    # Where each latent of the design is found among the effects of (rest, own).
    sizes = [effect.size for effect in effects]
    starts = dict(zip(rest, n_free + np.cumsum([0, *(sizes[k] for k in rest)]), strict=False))
    inside = dict(zip(own.terms, own.place, strict=True))
    place = [np.arange(n_free)]
    place += [starts[k] + np.arange(size) if k in starts else n_effects + inside[k] for k, size in enumerate(sizes)]
    return sparse.csr_array(sparse.block_diag(parts, format="csr")[np.concatenate(place)]), n_rest
