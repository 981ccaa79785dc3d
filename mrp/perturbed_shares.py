r"""Shares among interviews that are known as counts of cells with noise in them, raw or weighted.

    share p = sum w_c y_c / sum w_c n_c, cut to [0, 1],    v = sum w_c^2 (m_c v_y + k_c s^2 v_n) / (sum w_c n_c)^2

    low  = p - sqrt((p - l)^2 + z^2 v),    high = p + sqrt((u - p)^2 + z^2 v),    both cut to [0, 1]

    1 / n_effective = sum w_c^2 n_c / (sum w_c n_c)^2 + v / (s (1 - s))

with y_c such answers of n_c interviews in cell c, with independent noise of mean 0 and variances v_y for each of m_c
occupied cells and v_n for each of k_c, and w_c what an interview weighs. v is the variance of the noise in the share.
From l to u is Wilson's interval of sampling alone, with Kish's number of interviews; the two distances are squared and
added at each end (Newcombe 1998; Zou and Donner 2008), z being the quantile of the interval. Noise is no sample: an
interval of Wilson's with as few interviews as it costs would lie around one half, and leave out the share 0 of what
nobody chose. s is the share with two answers of either kind added (Agresti and Coull 1998), so that it is neither 0 nor
1.

References
----------
Agresti and Coull (1998), "Approximate is better than 'exact' for interval estimation of binomial proportions", The
American Statistician 52(2), 119-126.
Newcombe (1998), "Interval estimation for the difference between independent proportions: comparison of eleven methods",
Statistics in Medicine 17(8), 873-890: the squares of the distances are added.
Zou and Donner (2008), "Construction of confidence limits about effect measures: a general approach", Statistics in
Medicine 27(10), 1693-1702: the same for any sum of independent parts.
"""

import numpy as np
import polars as pl
from scipy.special import ndtri

from mrp.direct import wilson_interval
from mrp.errors import CountsError
from mrp.quantity import require_interval

__all__ = ["perturbed_shares"]


def perturbed_shares(
    cells: pl.DataFrame, *, by: tuple[str, ...] = (), count_noise: float, answer_noise: float, interval: float = 0.9
) -> pl.DataFrame:
    """Share of an answer among the interviews of each group.

    Parameters
    ----------
    cells
        ``by``, ``n`` interviews and ``y`` such answers with noise, ``weight`` of one interview (>= 0), and ``noisy``:
        for how many occupied cells the row stands (1, or its expectation where that is not to be told); ``noisy_y`` for
        how many of them the answers have noise, if it is another number: 0 where nobody can have given the answer.
    by
        Columns that make a group. Empty: everybody.
    count_noise, answer_noise
        Variances v_n and v_y of the noise of one cell.
    interval
        Probability of the interval, in (0, 1).

    Returns
    -------
    polars.DataFrame
        ``by``, ``n_interviews``, ``n_effective``, ``design_effect`` (of the weights alone), ``share``, ``low``,
        ``high``; sorted by ``by``. A group without interviews, or whose interviews all weigh nothing, has no row.

    Raises
    ------
    CountsError
        If a column is missing.
    ValueError
        If ``interval`` is not inside (0, 1).
    """
    require_interval(interval)
    if missing := [name for name in (*by, "n", "y", "weight", "noisy") if name not in cells.columns]:
        raise CountsError(f"the cells have no column {missing[0]!r}; they have {', '.join(cells.columns)}")
    n, y, w = (pl.col(name).cast(pl.Float64) for name in ("n", "y", "weight"))
    sums = [
        n.sum().alias("n_interviews"),
        (w * n).sum().alias("_sum"),
        (w * y).sum().alias("_yes"),
        (w**2 * n).sum().alias("_square"),
        (w**2 * pl.col("noisy").cast(pl.Float64)).sum().alias("_noise"),
        (w**2 * pl.col("noisy_y" if "noisy_y" in cells.columns else "noisy").cast(pl.Float64)).sum().alias("_noise_y"),
    ]
    table = cells.group_by(by).agg(sums).sort(by) if by else cells.select(sums)
    table = table.filter(pl.col("_sum") > 0)
    total, square, noise, noise_y, n_interviews = (
        table[name].to_numpy() for name in ("_sum", "_square", "_noise", "_noise_y", "n_interviews")
    )
    share = np.clip(table["_yes"].to_numpy() / total, 0, 1)
    of_sampling = total**2 / square
    inner = (share * of_sampling + 2) / (of_sampling + 4)
    of_noise = (noise_y * answer_noise + noise * inner**2 * count_noise) / total**2
    n_effective = 1 / (1 / of_sampling + of_noise / (inner * (1 - inner)))
    low, high = wilson_interval(share, of_sampling, interval)
    reach = float(ndtri((1 + interval) / 2)) ** 2 * of_noise
    numbers = {
        "n_effective": n_effective,
        "design_effect": n_interviews / of_sampling,
        "share": share,
        "low": np.maximum(share - np.sqrt((share - low) ** 2 + reach), 0),
        "high": np.minimum(share + np.sqrt((high - share) ** 2 + reach), 1),
    }
    return table.select(*by, pl.col("n_interviews").cast(pl.Int64)).with_columns(
        pl.Series(name, values, dtype=pl.Float64) for name, values in numbers.items()
    )
