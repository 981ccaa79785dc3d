"""Rake weights to known margins, and say how far they still are from them.

In turn, every margin m multiplies the weights of its level l by target[m, l] / (weighted share of l), until

    gap[m] = max_l |weighted share of l - target[m, l]|

is at most a tolerance for all margins. Weights can also stop changing without getting there: where a level has people
and no interviews, or margins contradict each other on the cells that were interviewed. So ``converged`` means that the
gaps are small, not that the iteration stood still, and the gap of every margin is returned.

References
----------
Deming and Stephan (1940), "On a least squares adjustment of a sampled frequency table when the expected marginal totals
are known", Annals of Mathematical Statistics 11(4), 427-444.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from mrp.electorate import Electorate
from mrp.errors import CountsError, FrameError
from mrp.grouping import cells_of
from mrp.numbers import as_numbers

__all__ = ["MarginGap", "Raked", "frame_margin", "rake"]

type Floats = NDArray[np.float64]

_STALLED = 1e-12


@dataclass(frozen=True, slots=True)
class MarginGap:
    """How far a margin of the weighted interviews is from the population's."""

    margin: tuple[str, ...]
    """Columns of the margin."""
    gap: float
    """Largest difference of a level's share, in [0, 1]."""
    level: tuple[str, ...]
    """The level where it is."""


@dataclass(frozen=True, slots=True)
class Raked:
    """Weights, and how well they do."""

    weight: Floats
    """One per interview, >= 0, mean 1: calibrated weights, not frequencies; shape (interview,)."""
    gaps: tuple[MarginGap, ...]
    """One per margin, in the order given."""
    n_rounds: int
    converged: bool
    """Every gap is at most the tolerance."""


def frame_margin(electorate: Electorate, columns: tuple[str, ...]) -> pl.DataFrame:
    """People by the levels of some columns (districts, parents, demographics): a margin to rake to."""
    return cells_of(electorate, columns, {})


def rake(
    interviews: pl.DataFrame,
    margins: Sequence[pl.DataFrame],
    *,
    weight: ArrayLike | None = None,
    tolerance: float = 1e-6,
    max_rounds: int = 1000,
) -> Raked:
    """Weight interviews so that they have the margins of the population.

    Parameters
    ----------
    interviews
        One row per interview, with the columns of all margins.
    margins
        Tables of one or more columns and ``n_people`` (>= 0), one row per level; see `frame_margin`. Only proportions
        matter.
    weight
        Weights to start from, >= 0, shape (interview,); None: equal.
    tolerance
        Largest gap that is good enough, as a share.
    max_rounds
        Times that all margins are gone through.

    Returns
    -------
    Raked
        Look at ``converged``; weights that did not converge are returned for inspection.

    Raises
    ------
    CountsError
        If there are no interviews, a weight is no number, negative or not finite or all are 0, or an interview is at a
        level that a margin does not have.
    FrameError
        If there is no margin, or one has nobody, a count that is negative or not finite, or a level twice.
    """
    start = np.ones(interviews.height) if weight is None else as_numbers("weight", weight)
    if start.shape != (interviews.height,) or not (np.isfinite(start) & (start >= 0)).all() or not start.sum() > 0:
        raise CountsError(f"{interviews.height:,} interviews need as many weights, finite and >= 0, and not all 0")
    if not margins:
        raise FrameError("there is nothing to rake to; give at least one margin")
    targets = [_target(margin) for margin in margins]
    level = [_levels(interviews, margin) for margin in margins]
    # Interviews that agree in all margins are weighted alike: one entry for each such cell.
    cell, inverse = np.unique(np.array(level), axis=1, return_inverse=True)
    base = np.bincount(inverse, weights=start)
    w, n_rounds = base / base.sum(), 0
    while n_rounds < max_rounds and _worst(w, cell, targets) > tolerance:
        before, n_rounds = w, n_rounds + 1
        for at, target in zip(cell, targets, strict=True):
            share = np.bincount(at, weights=w, minlength=target.size)
            factor = np.divide(target, share, out=np.zeros_like(target), where=share > 0)
            if not (scaled := w * factor[at]).sum() > 0:
                break  # people live only where nobody was interviewed: the gap tells
            w = scaled / scaled.sum()
        if np.abs(w - before).max() <= _STALLED:
            break
    gaps = tuple(_gap(w, at, target, margin) for at, target, margin in zip(cell, targets, margins, strict=True))
    scale = np.divide(w, base, out=np.zeros_like(w), where=base > 0) * interviews.height
    converged = all(gap.gap <= tolerance for gap in gaps)
    return Raked(start * scale[inverse], gaps, n_rounds, converged)


def _target(margin: pl.DataFrame) -> Floats:
    columns = margin.columns
    if "n_people" not in columns or len(columns) < 2:
        raise FrameError(f"a margin needs one or more columns of levels and n_people, it has {', '.join(columns)}")
    n_people = margin["n_people"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    if not (np.isfinite(n_people) & (n_people >= 0)).all() or not n_people.sum() > 0:
        raise FrameError(f"n_people of the margin {', '.join(_columns(margin))} must be >= 0, and somewhere above 0")
    if margin.select(_columns(margin)).is_duplicated().any():
        raise FrameError(f"the margin {', '.join(_columns(margin))} has a level twice; add the rows up first")
    return np.asarray(n_people / n_people.sum(), dtype=np.float64)


def _levels(interviews: pl.DataFrame, margin: pl.DataFrame) -> NDArray[np.int64]:
    """Row of the margin for each interview."""
    columns = _columns(margin)
    if missing := [column for column in columns if column not in interviews.columns]:
        raise CountsError(f"the interviews have no column {missing[0]!r}; they have {', '.join(interviews.columns)}")
    rows = margin.select(columns).with_row_index("row")
    found = interviews.select(columns).join(rows, on=columns, how="left", maintain_order="left")
    if n_lost := found["row"].null_count():
        example = found.filter(pl.col("row").is_null()).select(columns).row(0)
        raise CountsError(
            f"{n_lost:,} interviews have {' / '.join(columns)} {' / '.join(map(str, example))}, which the margin does "
            "not have; leave them out or complete the margin"
        )
    return found["row"].cast(pl.Int64).to_numpy()


def _columns(margin: pl.DataFrame) -> list[str]:
    return [column for column in margin.columns if column != "n_people"]


def _worst(w: Floats, cell: NDArray[np.int64], targets: list[Floats]) -> float:
    away = (np.bincount(at, weights=w, minlength=t.size) - t for at, t in zip(cell, targets, strict=True))
    return max((float(np.abs(one).max()) for one in away), default=0.0)


def _gap(w: Floats, at: NDArray[np.int64], target: Floats, margin: pl.DataFrame) -> MarginGap:
    away = np.abs(np.bincount(at, weights=w, minlength=target.size) - target)
    worst = int(np.argmax(away))
    columns = _columns(margin)
    return MarginGap(tuple(columns), float(away[worst]), tuple(map(str, margin.select(columns).row(worst))))
