r"""How much of the difference between people each term of a model explains.

For a term with contribution ``f_k[j, s]`` to the linear predictor of cell ``j`` in draw ``s``,

    sd_k[s] = sqrt( sum_j w[j] (f_k[j, s] - sum_i w[i] f_k[i, s])^2 ),      w: share of the people who live in the cell

the finite-population standard deviation (Gelman and Hill 2007, section 21.2; Gelman 2005). It is of the people that
there are, and so it can be compared between predictors and effects, and between effects of few and of many levels,
which standard deviations of priors cannot. Where a cell has a vector over options (``mrp.categorical``), the variance
is the mean of those of its entries.

References
----------
Gelman (2005), "Analysis of variance: why it is more important than ever", Annals of Statistics 33(1), 1-53.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrp.design import Design, DesignRows
from mrp.electorate import Electorate
from mrp.grouping import cells_of
from mrp.latents import LatentDraws

__all__ = ["TermVariation", "in_order", "sds_of_terms", "term_variation", "thinned"]

type Floats = NDArray[np.float64]

_DRAWS = 500
"""Enough for a probability to two digits, and for fits of ten thousand cells in a tenth of a second."""
_ENDS = (0.05, 0.95)


@dataclass(frozen=True, slots=True)
class TermVariation:
    """One term."""

    term: str
    sd: float
    """Posterior mean, on the scale of the link."""
    low: float
    high: float
    """Of the central 90% interval."""
    p_above_next: float | None = None
    """Posterior probability that it is larger than that of the next term; None for the last."""

    def to_json(self) -> dict[str, Any]:
        """A value that ``json.dumps`` takes."""
        return asdict(self)


def term_variation(latents: LatentDraws, design: Design, electorate: Electorate) -> tuple[TermVariation, ...]:
    """The terms of a model that tell people apart, those that explain most first.

    Terms that move no prediction of now, such as houses, are left out; so are those of time, the same for all.
    """
    cells = cells_of(electorate, tuple(dict.fromkeys((*electorate.cell_columns, *design.cell_columns))), {})
    people = cells["n_people"].to_numpy().astype(np.float64)
    draws = thinned(latents)[:, :, None]
    return in_order(sds_of_terms(draws, design, design.rows(cells), people))


def thinned(latents: LatentDraws) -> Floats:
    """As many draws as are looked at."""
    step = -(-latents.draws.shape[0] // _DRAWS)
    return latents.draws[::step].astype(np.float64)


def sds_of_terms(draws: Floats, design: Design, rows: DesignRows, people: Floats) -> dict[str, Floats]:
    """Term → its sd in each draw, shape (draw,); draws of latents have the shape (draw, latent, option)."""
    return {name: _sd_of(draws, rows, people, columns, entries) for name, columns, entries in _parts(design)}


def in_order(sds: dict[str, Floats]) -> tuple[TermVariation, ...]:
    """Terms that move something, by the sd of each in each draw."""
    moving = {name: sd for name, sd in sds.items() if sd.max() > 1e-9}
    ordered = sorted(moving, key=lambda name: -moving[name].mean())
    following: list[str | None] = [*ordered[1:], None]
    return tuple(
        TermVariation(
            term=name,
            sd=float(moving[name].mean()),
            low=float(np.quantile(moving[name], _ENDS[0])),
            high=float(np.quantile(moving[name], _ENDS[1])),
            p_above_next=None if after is None else float(np.mean(moving[name] > moving[after])),
        )
        for name, after in zip(ordered, following, strict=False)
    )


def _parts(design: Design) -> list[tuple[str, slice, slice]]:
    """Each term with its columns of ``x`` and its entries."""
    parts, column, entry = [], 0, 0
    for predictor in design.predictors:
        width = len(predictor.coefficients)
        parts.append((predictor.name, slice(column, column + width), slice(0, 0)))
        column += width
    for effect in design.effects:
        width = len(effect.columns)
        parts.append((effect.term, slice(0, 0), slice(entry, entry + width)))
        entry += width
    return parts


def _sd_of(draws: Floats, rows: DesignRows, people: Floats, columns: slice, entries: slice) -> Floats:
    """Weighted sd of one term over the cells, shape (draw,); cells with the same contribution are added up first."""
    x, index, weight = rows.x[:, columns], rows.index[:, entries], rows.weight[:, entries]
    told_apart = np.concatenate([x, index, weight], axis=1)
    _, first, at = np.unique(told_apart, axis=0, return_index=True, return_inverse=True)
    share = np.bincount(at.ravel(), weights=people)
    share /= share.sum()
    squares = np.zeros(len(draws))
    for option in range(draws.shape[2]):
        latents = draws[:, :, option]
        value = latents[:, 1 + np.arange(columns.start, columns.stop)] @ x[first].T
        for k in range(index.shape[1]):
            value += latents[:, index[first, k]] * weight[first, k]
        centred = value - (value @ share)[:, None]
        squares += np.square(centred) @ share
    return np.asarray(np.sqrt(squares / draws.shape[2]))
