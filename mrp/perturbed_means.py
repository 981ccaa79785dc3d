r"""Means among interviews whose answers are known as sums of cells with noise in them, raw or weighted.

    mean            = c + sum w_j t_j / sum w_j n_j,                                      cut to [low, high]
    1 / n_effective = [sum w_j^2 n_j + sum w_j^2 k_j (v_t + d^2 v_n) / v] / (sum w_j n_j)^2

with t_j the sum about c of the answers of n_j interviews in cell j, both with independent noise of mean 0 and variances
v_t and v_n for each of k_j occupied cells, w_j what an interview weighs, d = mean - c, and v the variance of one answer
in the group. The first term is Kish's, of sampling; the second is that of the noise, measured in the sampling variance
of one interview, as in `mrp.perturbed_shares`. The interval is mean +- z sqrt(v / n_effective), cut likewise.

The variance of one answer has to be told: sums with noise say nothing of it. A fit has one for every group
(`mrp.numeric.answer_variances`).
"""

import numpy as np
import polars as pl
from scipy.special import ndtri

from mrp.errors import CountsError
from mrp.quantity import require_interval

__all__ = ["perturbed_means"]


def perturbed_means(
    cells: pl.DataFrame,
    variances: pl.DataFrame,
    *,
    by: tuple[str, ...] = (),
    within: tuple[float, float],
    count_noise: float,
    total_noise: float,
    interval: float = 0.9,
) -> pl.DataFrame:
    """Mean of the answers among the interviews of each group.

    Parameters
    ----------
    cells
        ``by``, ``n`` interviews and ``total``, the sum of their answers about the middle of ``within``, both with
        noise, ``weight`` of one interview (>= 0), and ``noisy``: for how many occupied cells the row stands.
    variances
        ``by`` and ``answer_variance``, that of one answer in each group, > 0; groups that it lacks are left out.
    by
        Columns that make a group. Empty: everybody.
    within
        The least and the greatest answer.
    count_noise, total_noise
        Variances v_n and v_t of the noise of one cell, the second in the square of the unit.
    interval
        Probability of the interval, in (0, 1).

    Returns
    -------
    polars.DataFrame
        ``by``, ``n_interviews``, ``n_effective``, ``design_effect`` (of the weights alone), ``mean``, ``low``,
        ``high``; sorted by ``by``. A group without interviews, or whose interviews all weigh nothing, has no row.

    Raises
    ------
    CountsError
        If a column is missing.
    ValueError
        If ``interval`` is not inside (0, 1).
    """
    require_interval(interval)
    for name, table, needed in (
        ("cells", cells, (*by, "n", "total", "weight", "noisy")),
        ("variances", variances, (*by, "answer_variance")),
    ):
        if missing := [column for column in needed if column not in table.columns]:
            raise CountsError(f"the {name} have no column {missing[0]!r}; they have {', '.join(table.columns)}")
    n, total, w = (pl.col(name).cast(pl.Float64) for name in ("n", "total", "weight"))
    sums = [
        n.sum().alias("n_interviews"),
        (w * n).sum().alias("_sum"),
        (w * total).sum().alias("_total"),
        (w**2 * n).sum().alias("_square"),
        (w**2 * pl.col("noisy").cast(pl.Float64)).sum().alias("_noise"),
    ]
    if by:
        table = cells.group_by(by).agg(sums).join(variances, on=by, how="inner").sort(by)
    else:
        table = cells.select(sums).join(variances.select("answer_variance"), how="cross")
    table = table.filter(pl.col("_sum") > 0)
    weights, answers, square, noise, n_interviews, variance = (
        table[name].to_numpy() for name in ("_sum", "_total", "_square", "_noise", "n_interviews", "answer_variance")
    )
    low, high = within
    away = np.clip(answers / weights, (low - high) / 2, (high - low) / 2)
    of_sampling = weights**2 / square
    of_noise = noise * (total_noise + away**2 * count_noise) / variance
    n_effective = weights**2 / (square + of_noise)
    mean = (low + high) / 2 + away
    half = float(ndtri((1 + interval) / 2)) * np.sqrt(variance / n_effective)
    numbers = {
        "n_effective": n_effective,
        "design_effect": n_interviews / of_sampling,
        "mean": mean,
        "low": np.clip(mean - half, low, high),
        "high": np.clip(mean + half, low, high),
    }
    return table.select(*by, pl.col("n_interviews").cast(pl.Int64)).with_columns(
        pl.Series(name, values, dtype=pl.Float64) for name, values in numbers.items()
    )
