r"""What the interviews of an area say by themselves, raw or weighted: the figures to see beside a model's.

    share = sum_i w_i y_i / sum_i w_i,      n_effective = (sum w)^2 / sum w^2,      design effect = n / n_effective

The interval is Wilson's with n_effective in place of n: it stays inside [0, 1] and does not vanish where all answers
are the same. Kish's design effect is that of weights unrelated to the answer; it is exactly 1 for one interview,
whatever its weight, so that areas with few interviews look more certain than they are.

References
----------
Kish (1992), "Weighting for unequal P_i", Journal of Official Statistics 8(2), 183-200.
Wilson (1927), "Probable inference, the law of succession, and statistical inference", JASA 22, 209-212.
"""

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from mrp.answers import which_count
from mrp.errors import CountsError, FrameError
from mrp.numbers import as_numbers
from mrp.poststratification import AreaDraws
from mrp.quantity import require_interval
from mrp.summary import summarise

__all__ = ["direct_estimates", "side_by_side", "wilson_interval"]

type Floats = NDArray[np.float64]


def direct_estimates(
    interviews: pl.DataFrame,
    *,
    by: tuple[str, ...] = (),
    answer: str,
    option: str,
    options: tuple[str, ...] | None = None,
    drop: tuple[str, ...] = (),
    weight: ArrayLike | None = None,
    interval: float = 0.9,
) -> pl.DataFrame:
    """Share of an option among the interviews of each area.

    Parameters
    ----------
    interviews
        One row per interview, with the columns ``by`` and ``answer`` (null: not counted).
    by
        Columns of the interviews that make an area. Empty: everybody.
    answer, option
        The column of answers and the answer whose share is wanted.
    options, drop
        The answers that count, and those that do not; as in `mrp.counts.collapse`.
    weight
        Weights such as `mrp.raking.rake` gives, >= 0, shape (interview,); None: raw.
    interval
        Probability of the interval, in (0, 1).

    Returns
    -------
    polars.DataFrame
        ``by``, ``n_interviews``, ``n_effective``, ``design_effect``, ``share``, ``low``, ``high``; sorted by ``by``. An
        area without answers, or whose answers all weigh nothing, has no row.

    Raises
    ------
    CountsError
        If a column is missing, a weight is negative or not finite, or an answer is neither to be counted nor to be
        dropped.
    ValueError
        If ``interval`` is not inside (0, 1).
    """
    require_interval(interval)
    for column in (*by, answer):
        if column not in interviews.columns:
            raise CountsError(f"the interviews have no column {column!r}; they have {', '.join(interviews.columns)}")
    w = np.ones(interviews.height) if weight is None else as_numbers("weight", weight)
    if w.shape != (interviews.height,) or not (np.isfinite(w) & (w >= 0)).all():
        raise CountsError(f"{interviews.height:,} interviews need as many weights, finite and >= 0")
    counted = which_count(interviews[answer], option, options=options, drop=drop)
    # Only ratios of weights matter; their squares must be numbers.
    rows = interviews.select(*by, _y=pl.col(answer).cast(pl.String) == option).with_columns(
        _w=pl.Series(w / max(w.max(initial=0.0), np.finfo(float).tiny), dtype=pl.Float64)
    )
    sums = [
        pl.len().cast(pl.Int64).alias("n_interviews"),
        pl.col("_w").sum().alias("_sum"),
        (pl.col("_w") ** 2).sum().alias("_square"),
        (pl.col("_w") * pl.col("_y")).sum().alias("_yes"),
    ]
    answered = rows.filter(counted)
    table = (answered.group_by(by).agg(sums).sort(by) if by else answered.select(sums)).filter(pl.col("_sum") > 0)
    table = table.with_columns(
        n_effective=pl.col("_sum") ** 2 / pl.col("_square"), share=pl.col("_yes") / pl.col("_sum")
    ).with_columns(design_effect=pl.col("n_interviews") / pl.col("n_effective"))
    low, high = wilson_interval(table["share"].to_numpy(), table["n_effective"].to_numpy(), interval)
    return table.select(
        *by, "n_interviews", "n_effective", "design_effect", "share", pl.Series("low", low), pl.Series("high", high)
    )


def side_by_side(
    estimate: AreaDraws,
    interviews: pl.DataFrame,
    *,
    answer: str,
    option: str,
    options: tuple[str, ...] | None = None,
    drop: tuple[str, ...] = (),
    weight: ArrayLike,
    interval: float = 0.9,
) -> pl.DataFrame:
    """Raw, weighted and model estimates of the same areas.

    Parameters
    ----------
    estimate
        The model's draws; its areas are the rows.
    interviews, answer, option, options, drop, weight, interval
        As in `direct_estimates`; the interviews need the columns that the areas are named by.

    Returns
    -------
    polars.DataFrame
        The areas with ``n_people``, ``n_interviews`` (0 if none), ``n_effective`` (weighted), then ``raw``,
        ``weighted`` and ``mrp``, each followed by its ``_low`` and ``_high``. Raw and weighted are null where there are
        no interviews.

    Raises
    ------
    FrameError
        If the interviews lack a column that the areas are named by.
    """
    by = tuple(estimate.areas.columns[:-1])
    if missing := [column for column in by if column not in interviews.columns]:
        raise FrameError(f"the interviews have no column {missing[0]!r} to find the areas of the estimate by")
    table = _named(summarise(estimate, interval=interval), "mrp")
    for name, w in (("raw", None), ("weighted", weight)):
        found = direct_estimates(
            interviews, by=by, answer=answer, option=option, options=options, drop=drop, weight=w, interval=interval
        )
        kept = {"raw": "n_interviews", "weighted": "n_effective"}[name]
        columns = _named(found, name).select(*by, kept, name, f"{name}_low", f"{name}_high")
        if by:
            table = table.join(columns, on=by, how="left", maintain_order="left")
        else:
            table = (
                table.join(columns, how="cross")
                if columns.height
                else table.with_columns(
                    pl.lit(None, dtype=dtype).alias(column) for column, dtype in columns.schema.items()
                )
            )
    parts = [f"{name}{end}" for name in ("raw", "weighted", "mrp") for end in ("", "_low", "_high")]
    return table.select(
        *by, "n_people", pl.col("n_interviews").fill_null(0), pl.col("n_effective").fill_null(0.0), *parts
    )


def _named(table: pl.DataFrame, name: str) -> pl.DataFrame:
    return table.rename({"share": name, "low": f"{name}_low", "high": f"{name}_high"})


def wilson_interval(share: Floats, n: Floats, interval: float) -> tuple[Floats, Floats]:
    """Wilson's interval of a share of ``n`` interviews, which may be effective ones; its ends, each as the shares."""
    z2 = float(ndtri((1 + interval) / 2)) ** 2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n**2))) / (1 + z2 / n)
    return np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)
