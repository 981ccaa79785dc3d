r"""What the answers of an area say by themselves, raw or weighted: the means to see beside a model's.

    mean = sum_i w_i y_i / sum_i w_i,    n_effective = (sum w)^2 / sum w^2,    mean +- t s / sqrt(n_effective)

with one variance for all areas, s^2 = sum of squares about their means over sum_a (sum w - sum w^2 / sum w), and t of
as many degrees of freedom as interviews but for one an area. So the interval of an area with one interview, or whose
answers are all the same, does not vanish. All of it follows from counts: no interview is read again.

References
----------
Kish (1992), "Weighting for unequal P_i", Journal of Official Statistics 8(2), 183-200.
"""

import numpy as np
import polars as pl
from scipy.special import stdtrit

from mrp.errors import CountsError
from mrp.numeric.counts_check import require_columns, require_numbers
from mrp.numeric.merging import NUMBERS, WEIGHING, are_weighted, merged
from mrp.quantity import require_interval

__all__ = ["direct_means"]


def direct_means(counts: pl.DataFrame, *, by: tuple[str, ...] = (), interval: float = 0.9) -> pl.DataFrame:
    """Means of the answers of each area.

    Parameters
    ----------
    counts
        As `mrp.numeric.counts.collapse_numeric` makes them, by ``by`` and perhaps more; weighted ones give weighted
        means.
    by
        Columns of the counts that make an area. Empty: everybody.
    interval
        Probability of the interval, in (0, 1).

    Returns
    -------
    polars.DataFrame
        ``by``, ``n_interviews``, ``n_effective``, ``design_effect``, ``mean``, ``low``, ``high``; sorted by ``by``. An
        area without answers has no row.

    Raises
    ------
    CountsError
        If a column is missing, a number is none that answers have, or no area has two interviews.
    ValueError
        If ``interval`` is not inside (0, 1).
    """
    require_interval(interval)
    names = (*by, *NUMBERS, *(WEIGHING if are_weighted(counts) else ()))
    require_columns(counts, names)
    require_numbers(counts)
    areas = merged(counts.select(names).filter(pl.col("n") > 0), by)
    n = areas["n"].cast(pl.Float64).to_numpy()
    weight, square = (areas[name].to_numpy() for name in WEIGHING) if are_weighted(areas) else (n, n)
    freedom = float((n - 1).sum())
    if freedom < 1:
        raise CountsError("no area has two interviews, so that nothing tells how answers differ; ask for larger areas")
    sd = np.sqrt(areas["ss"].sum() / (weight - square / weight).sum())
    effective, mean = weight**2 / square, areas["mean"].to_numpy()
    half = float(stdtrit(freedom, (1 + interval) / 2)) * sd / np.sqrt(effective)
    return areas.select(
        *by,
        pl.col("n").alias("n_interviews"),
        pl.Series("n_effective", effective),
        pl.Series("design_effect", n / effective),
        "mean",
        pl.Series("low", mean - half),
        pl.Series("high", mean + half),
    )
