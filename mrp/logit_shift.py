"""The shift of some options, in each area and draw, with which their totals are the known ones.

It minimises the convex

    F(delta) = sum_j w[j] log sum_k exp(eta[j, k] + delta[k]) - sum_k delta[k] total[k],      j in cells of the area,

whose gradient is the total of the model less the known one, by Newton's method with halved steps.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from mrp.categorical.design import CategoricalDesign
from mrp.errors import FrameError
from mrp.outcomes.designs import AnyDesign

__all__ = ["TOLERANCE", "Predictor", "logit_shift"]

type Floats = NDArray[np.float64]

TOLERANCE = 1e-9
"""Of a share."""
_STEPS = 60
_LONGEST = 4.0
"""Of a step: far from the totals the curvature may be next to nothing."""


def logit_shift(
    eta: Floats,
    weights: sparse.csr_array,
    target: Floats,
    chosen: list[int],
    absent: NDArray[np.bool_] | None = None,
) -> Floats:
    """Solve for the shift of the options ``chosen`` in every area and draw.

    Parameters
    ----------
    eta
        Linear predictor, shape (option, cell, draw).
    weights
        Share of each area's people who live in each cell, shape (area, cell); nothing for areas without a total.
    target
        The known totals, shape (option chosen, area); NaN where nothing is known.
    chosen
        Positions of the options among all. If they are all, the totals of an area sum to 1, and the last of them can be
        chosen everywhere.
    absent
        Where an option cannot be chosen, with a total of 0, shape (option chosen, area).

    Returns
    -------
    numpy.ndarray
        Shape (option chosen, area, draw); 0 where nothing is known. If all options are chosen it sums to zero over
        them.

    Raises
    ------
    FrameError
        If no shift meets the totals.
    """
    known = np.isfinite(target).any(axis=0)
    area = sparse.csc_array(weights).indices
    n_draws, m = eta.shape[2], len(chosen)
    # All options having totals, the last moves with the others: only differences matter.
    free = m - 1 if m == eta.shape[0] else m
    of, goal = chosen[:free], np.where(known, target[:free], 0.0)[:, :, None]
    delta = np.zeros((m, target.shape[1], n_draws))

    def look(at: Floats) -> tuple[Floats, Floats]:
        """Shares of the cells for the options that move, and the objective of every area."""
        moved = eta.copy()
        for row, option in enumerate(of):
            moved[option] += at[row][area]
        top = moved.max(axis=0)
        np.exp(moved - top, out=moved)
        total = moved.sum(axis=0)
        objective = weights @ (top + np.log(total)) - (goal * at[:free]).sum(axis=0)
        return moved[of] / total, objective

    share, objective = look(delta)
    for _ in range(_STEPS):
        total = np.stack([weights @ one for one in share])  # (free, area, draw)
        gradient = np.where(known[:, None], total - goal, 0.0)
        if np.abs(gradient).max() <= TOLERANCE:
            return delta - delta.mean(axis=0) if free < m else delta
        hessian = np.empty((*gradient.shape[1:], free, free))
        for one in range(free):
            for two in range(one + 1):
                product = -(weights @ (share[one] * share[two]))
                hessian[..., one, two] = hessian[..., two, one] = product + (total[one] if one == two else 0)
        hessian[~known] = np.eye(free)
        if absent is not None:  # nothing moves what nobody can choose
            at = np.arange(free)
            hessian[:, :, at, at] += absent[:free].T[:, None, :]
        hessian += 1e-14 * np.eye(free)
        step = -np.linalg.solve(hessian, np.moveaxis(gradient, 0, -1)[..., None])[..., 0]
        step = np.clip(np.moveaxis(step, -1, 0), -_LONGEST, _LONGEST)
        slope = (gradient * step).sum(axis=0)
        length = np.ones_like(objective)
        for _ in range(30):
            trial = delta.copy()
            trial[:free] += length * step
            share, reached = look(trial)
            worse = reached > objective + 1e-4 * length * slope + 1e-13
            if not worse.any():
                break
            length[worse] /= 2
        delta, objective = trial, reached
    raise FrameError(
        f"no shift meets the totals to {TOLERANCE:g}: in an area the options that may move have no weight left; look "
        "at the totals near 0 and 1"
    )


class Predictor:
    """The linear predictor of some cells, in double precision."""

    def __init__(self, design: AnyDesign, cells: pl.DataFrame) -> None:
        common, n = design.common.rows(cells), cells.height
        entries = (common.weight.ravel(), (np.repeat(np.arange(n), common.index.shape[1]), common.index.ravel()))
        terms = sparse.csr_array(entries, shape=(n, design.common.n_latents))
        free = sparse.csr_array(np.hstack([np.ones((n, 1)), common.x]))
        free.resize((n, design.common.n_latents))
        self._terms = sparse.csr_array(terms + free)
        self._own = self._offset = None
        if isinstance(design, CategoricalDesign):
            rows = design.rows(cells)
            self._own, self._offset = rows.own, rows.offset

    def __call__(self, draws: Floats) -> Floats:
        """Shape (option, cell, draw) from draws of the latents, (draw, latent); a binary question has two options."""
        if self._offset is None or self._own is None:
            eta = np.asarray(self._terms @ draws.T)
            return np.stack([eta, np.zeros_like(eta)])
        k, n_own = self._offset.shape[1], self._own.shape[1]
        n_common = draws.shape[1] - n_own
        eta = np.stack([self._terms @ draws[:, o:n_common:k].T for o in range(k)])
        eta += self._offset.T[:, :, None]
        if n_own:
            eta += np.einsum("cjo,sj->ocs", self._own, draws[:, n_common:])
        return eta
