r"""Compare who was interviewed with who there is.

For the levels of a column, with the frame's share f and the sample's share s = n_l / n:

    difference  = s - f,   ratio = s / f
    sd          = sqrt( f (1 - f) / n  +  [(1 - f)^2 v_l + f^2 (v - v_l)] / n^2 )
    dissimilarity = 1/2 sum_l |s_l - f_l|

sd is how far chance alone moves the share of a simple random sample of the frame: the first term is that of sampling,
the second that of noise in the counts, of variance v_l in a level and v in all of them. Dissimilarity is the part of
the sample that would have to be other people for it to look like the frame (Duncan and Duncan 1955); chance alone makes
it about 1/2 sum sd_l sqrt(2 / pi), the mean of half normals.

References
----------
Duncan and Duncan (1955), "A methodological analysis of segregation indexes", American Sociological Review 20(2),
210-217.
"""

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from mrp.errors import CountsError, FrameError, ShapeMismatch
from mrp.numbers import as_numbers
from mrp.poststratification import AreaDraws
from mrp.summary import summarise

__all__ = [
    "BEYOND_CHANCE",
    "FAR",
    "balance",
    "chance_dissimilarity",
    "dissimilarity",
    "interval_widths",
    "share_without_interviews",
]

type Floats = NDArray[np.float64]

BEYOND_CHANCE: Final = 2.0
"""Standard deviations of chance from which on a level is over- or under-represented ..."""
FAR: Final = 0.1
"""... if its ratio is also this far from 1: of a large sample chance explains next to nothing."""


def balance(n_people: ArrayLike, n_interviews: ArrayLike, *, noise: ArrayLike = 0.0) -> pl.DataFrame:
    """The shares of the levels of one column in frame and sample.

    Parameters
    ----------
    n_people
        People of each level, >= 0, not all 0, shape (level,).
    n_interviews
        Interviews of each, >= 0, not all 0, shape (level,).
    noise
        Variance of the noise in each of these counts; one number is that of all.

    Returns
    -------
    polars.DataFrame
        One row per level, in order: ``frame_share``, ``sample_share``, ``ratio`` (null where the frame has nobody),
        ``difference``, ``sd``, and ``standing``: "over", "under" or "in line".

    Raises
    ------
    FrameError
        If people are negative, not finite, or there are none.
    CountsError
        If interviews or noise are negative or not finite, or there are no interviews.
    ShapeMismatch
        If people and interviews are not of the same levels.
    """
    people, n = as_numbers("n_people", n_people), as_numbers("n_interviews", n_interviews)
    if people.ndim != 1 or n.shape != people.shape:
        raise ShapeMismatch("n_interviews", f"{people.shape}", n.shape)
    variance = np.broadcast_to(as_numbers("noise", noise), n.shape)
    if not (np.isfinite(people) & (people >= 0)).all() or not people.sum() > 0:
        raise FrameError("the frame needs people of some level, finite and >= 0, to be compared with")
    if not (np.isfinite(n) & (n >= 0) & np.isfinite(variance) & (variance >= 0)).all() or not n.sum() > 0:
        raise CountsError("the sample needs interviews of some level, finite and >= 0, to be compared")
    f, s, total = people / people.sum(), n / n.sum(), n.sum()
    moved = (1 - f) ** 2 * variance + f**2 * (variance.sum() - variance)
    sd = np.sqrt(f * (1 - f) / total + moved / total**2)
    ratio = np.divide(s, f, out=np.full_like(s, np.nan), where=f > 0)
    far = (np.abs(s - f) > BEYOND_CHANCE * sd) & ~(np.abs(ratio - 1) < FAR)
    standing = np.where(far & (s > f), "over", np.where(far & (s < f), "under", "in line"))
    return pl.DataFrame(
        {
            "frame_share": f,
            "sample_share": s,
            "ratio": pl.Series(ratio).fill_nan(None),
            "difference": s - f,
            "sd": sd,
            "standing": pl.Series(standing.tolist(), dtype=pl.String),
        }
    )


def dissimilarity(table: pl.DataFrame) -> float:
    """The part of a sample that would have to be other people, in [0, 1]; of what `balance` returns."""
    return float(table["difference"].abs().sum()) / 2


def chance_dissimilarity(table: pl.DataFrame) -> float:
    """What chance alone makes of `dissimilarity`; of what `balance` returns."""
    return min(1.0, float(table["sd"].sum()) / 2 * float(np.sqrt(2 / np.pi)))


def share_without_interviews(n_people: ArrayLike, n_interviews: ArrayLike) -> float:
    """The share of the people who live in cells without an interview.

    Parameters
    ----------
    n_people, n_interviews
        Of each cell, shape (cell,).
    """
    people, n = as_numbers("n_people", n_people), as_numbers("n_interviews", n_interviews)
    if n.shape != people.shape:
        raise ShapeMismatch("n_interviews", f"{people.shape}", n.shape)
    if not people.sum() > 0:
        raise FrameError("the frame has no people to look for")
    return float(people[n <= 0].sum() / people.sum())


def interval_widths(areas: AreaDraws, *, interval: float = 0.9) -> pl.DataFrame:
    """How sure estimates are of each group.

    Parameters
    ----------
    areas
        Draws of groups.
    interval
        Probability of the central interval.

    Returns
    -------
    polars.DataFrame
        The columns of ``areas.areas``, then ``share`` (``mean`` of means), ``low``, ``high``, ``sd``, ``width`` of the
        interval, and ``width_ratio``, to the narrowest of them (1 where that has no width).
    """
    table = summarise(areas, interval=interval).with_columns(width=pl.col("high") - pl.col("low"))
    narrowest = float(table["width"].min() or 0.0)  # type: ignore[arg-type]
    ratio = pl.col("width") / narrowest if narrowest > 0 else pl.lit(1.0)
    numbers = (areas.kind, "low", "high", "sd", "width", "width_ratio")
    return table.with_columns(width_ratio=ratio).select(*areas.areas.columns, *numbers)
