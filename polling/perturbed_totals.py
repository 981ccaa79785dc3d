r"""Sums of answers that are numbers, as they may leave: with noise in every cell, as counts have it.

Told is, for every occupied cell, the sum of its answers about the middle of the range that they have,

    t = sum_i (x_i - (low + high) / 2) + noise,      -R / 2 <= x_i - (low + high) / 2 <= R / 2,   R = high - low

whose noise is two-sided geometric in steps of R / 1000: P(k steps) is proportional to 3^(-|k| / 1000). Another answer
of one person moves the sum by R at most, so that it makes anything that is told at most three times as probable, as
`polling.disclosure` has it of counts: whoever gets the sum of a cell in which a person is alone knows the answer no
better than that. The standard deviation is 1.29 R for each cell: of a group with k occupied cells and n interviews,
1.29 R sqrt(k) / n of its mean. Where no range is declared one answer may be anything, and nothing can be told.

The noise follows from the cell, its number of interviews and its sum, to a step. It is the same in every query and
release that has them.
"""

import math
from collections.abc import Sequence
from typing import Final

import polars as pl

from polling.disclosure import MOST_TELLING, wide_noise

__all__ = ["TOTAL", "perturb_totals", "total_noise_variance"]

TOTAL: Final = "total"
STEPS: Final = 1000
"""Of the range; sums are told to one of them."""


def perturb_totals(
    counts: pl.DataFrame,
    *,
    by: Sequence[str],
    within: tuple[float, float],
    survey: str,
    question: str,
    key: bytes,
) -> pl.DataFrame:
    """Perturb the sums of the answers of cells, once and for all.

    Parameters
    ----------
    counts
        One row per cell: the ``by`` columns, ``n`` interviews and the ``mean`` of their answers; unweighted. Rows with
        the same cell are counted together first.
    by
        The columns that identify a cell, in any order.
    within
        The least and the greatest answer.
    survey, question
        Whose answers these are. Another has other noise.
    key
        The installation's disclosure key.

    Returns
    -------
    polars.DataFrame
        The ``by`` columns and ``total``, the sum of answers about the middle of ``within``, perturbed; one row per cell
        that was interviewed, sorted. Not to be served cell by cell: group it first.
    """
    low, high = within
    step = (high - low) / STEPS
    about_middle = pl.col("n") * (pl.col("mean") - (low + high) / 2)
    cells = counts.filter(pl.col("n") > 0).group_by(list(by)).agg(pl.col("n").sum(), about_middle.sum().alias(TOTAL))
    cells = cells.sort(list(by)).with_columns(steps=(pl.col(TOTAL) / step).round().cast(pl.Int64))
    names = sorted(by)
    labels = [list(zip(names, row, strict=True)) for row in cells.select(names).iter_rows()]
    told = [(TOTAL, survey, question, *one) for one in zip(cells["n"], cells["steps"], labels, strict=True)]
    noise = wide_noise(key, told, MOST_TELLING ** (1 / STEPS))
    return cells.select(*by, ((pl.col("steps") + noise) * step).alias(TOTAL))


def total_noise_variance(within: tuple[float, float]) -> float:
    """Variance of the noise of each occupied cell's sum, in the square of the unit."""
    rate = math.log(MOST_TELLING) / STEPS
    # 2 r / (1 - r)^2 of the two-sided geometric distribution with r = exp(-rate), in steps.
    return 2 * math.exp(-rate) / math.expm1(-rate) ** 2 * ((within[1] - within[0]) / STEPS) ** 2
