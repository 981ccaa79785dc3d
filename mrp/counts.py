"""Collapse interviews to counts: how many answered in each cell, and how many chose the option.

The likelihood of a binary question depends on the interviews only through these two numbers, so that the cost of a fit
follows cells and not interviews.

Weights are left out of the likelihood unless they are asked for. Then a cell of ``n`` interviews counts as

    n* = n / D,      y* = n* sum w y / sum w,

    D = sum_j (1 - 1 / n_j) sum_i w_ij^2  /  sum_j [(sum_i w_ij)^2 - sum_i w_ij^2] / n_j,      j: cells, i in j,

fractional numbers in the binomial likelihood (Ghitza and Gelman 2013, "Accounting for survey weights"). Their design
effect of a cell, 1 + (sd of weights / mean of weights)^2, is exactly 1 where there is one interview, whatever its
weight, so that small cells would look too certain; they average it over cells. ``D`` is that average as ratio of sums:
it estimates E[w^2] / E[w]^2 within cells without the bias of small cells, and a cell of one interview has no say in it.

A weight is relative: what it says is how one interview counts beside another of the same cell. The sum of weights
means nothing, and all of them times ten change nothing. Between cells poststratification does the weighting. Weights of
several pollsters have to be put on one scale first, by the mean of each.

References
----------
Ghitza and Gelman (2013), "Deep interactions with MRP: election turnout and voting patterns among small electoral
subgroups", American Journal of Political Science 57(3), 762-776, equation 6.
Wedderburn (1974), "Quasi-likelihood functions, generalized linear models, and the Gauss-Newton method", Biometrika 61.
"""

import polars as pl

from mrp.answers import which_count
from mrp.design import Design
from mrp.errors import CountsError
from mrp.periods import natural_order
from mrp.terms import OBSERVED

__all__ = [
    "cells_design_effect",
    "coarsest",
    "collapse",
    "design_effect",
    "observed_levels",
    "relative_weights",
    "require_columns",
    "require_counts",
]

_WEIGHING = ("weight", "weight_y", "weight_square")
"""Of weighted counts, per cell: sums of w, of w y, and of w^2."""


def collapse(
    interviews: pl.DataFrame,
    *,
    by: tuple[str, ...],
    answer: str,
    option: str,
    options: tuple[str, ...] | None = None,
    drop: tuple[str, ...] = (),
    weight: str | None = None,
) -> pl.DataFrame:
    """Count answers and choices of one option per cell.

    Parameters
    ----------
    interviews
        One row per interview, with the columns ``by`` and ``answer`` (the option's label; null: no answer to count).
    by
        The columns that make a cell, usually `mrp.design.Design.count_columns`. Empty: one cell.
    answer
        Name of the column of answers.
    option
        The option whose share is estimated.
    options, drop
        The answers that count, ``option`` among them, and those that do not, such as "Don't know"; see
        `mrp.answers.which_count`. They can be left out where there is one other answer only.
    weight
        Name of the column of weights, > 0, where they are to go into the likelihood; relative, see above.

    Returns
    -------
    polars.DataFrame
        ``by``, then ``n`` (answers) and ``y`` (answers that are ``option``), both Int64, sorted by ``by``. Only cells
        with answers. With weights also ``weight``, ``weight_y`` and ``weight_square``, sums over the answers of w, w y
        and w^2 with w divided by its mean, of which `coarsest` makes fractional counts.

    Raises
    ------
    CountsError
        If a column is missing, an interview with an answer has no value in one of ``by``: exclude it on purpose,
        with a reason, before counting; if its weight is no number above 0; if a column of ``by`` is called as what is
        counted; or if an answer is neither to be counted nor to be dropped, as `mrp.answers.which_count` says.
    """
    for column in (*by, answer, *([weight] if weight else [])):
        if column not in interviews.columns:
            raise CountsError(f"the interviews have no column {column!r}; they have {', '.join(interviews.columns)}")
    if taken := [column for column in by if column in ("n", "y", *(_WEIGHING if weight else ()))]:
        raise CountsError(f"a column to count by is called {taken[0]!r}, as what is counted; rename it")
    answered = interviews.filter(which_count(interviews[answer], option, options=options, drop=drop))
    for column in by:
        if n_missing := answered[column].null_count():
            raise CountsError(
                f"{n_missing:,} of {answered.height:,} interviews with an answer have no {column}; "
                "exclude them before counting"
            )
    chosen = pl.col(answer).cast(pl.String) == option
    counted = [pl.len().cast(pl.Int64).alias("n"), chosen.sum().cast(pl.Int64).alias("y")]
    if weight:
        answered = answered.with_columns(relative_weights(answered[weight]))
        w = pl.col(weight)
        sums = (w.sum(), (w * chosen).sum(), (w**2).sum())
        counted += [one.alias(name) for one, name in zip(sums, _WEIGHING, strict=True)]
    if not by:
        return answered.select(counted)
    return answered.group_by(by).agg(counted).sort(by)


def coarsest(design: Design, counts: pl.DataFrame) -> pl.DataFrame:
    """Add up cells that a design does not tell apart: they have the same prediction.

    Parameters
    ----------
    design
        Codes the cells.
    counts
        `Design.count_columns` and perhaps more, ``n``, ``y``; of weighted counts their sums of weights.

    Returns
    -------
    polars.DataFrame
        `Design.count_columns`, ``n``, ``y``; sorted, so that the order of the input does not matter. Of weighted
        counts n* and y*, which are fractional.

    Raises
    ------
    CountsError
        If the counts cannot be fitted, or interviews are in a cell that the design does not know.
    """
    is_weighted = _are_weighted(counts)
    require_counts(counts)
    require_columns(design, counts.drop(_WEIGHING, strict=False))
    if not design.covers(counts).all():
        unknown = counts.select(design.count_columns).filter(~pl.Series(design.covers(counts)))
        raise CountsError(
            f"there are interviews in {' / '.join(map(str, unknown.row(0)))}, which the model does not know"
        )
    cells = _cells(design, counts, ("n", "y", *(_WEIGHING if is_weighted else ())))
    if not is_weighted:
        return cells
    n = pl.col("n") / cells_design_effect(cells)
    share = (pl.col("weight_y") / pl.col("weight")).clip(0, 1)
    return cells.with_columns(n=n, y=pl.when(pl.col("n") > 0).then(n * share).otherwise(0.0)).drop(_WEIGHING)


def design_effect(design: Design, counts: pl.DataFrame) -> float:
    """What weighting costs: by how much the interviews of a cell are divided, >= 1; 1 for counts without weights."""
    return cells_design_effect(_cells(design, counts, ("n", *_WEIGHING))) if _are_weighted(counts) else 1.0


def _are_weighted(counts: pl.DataFrame) -> bool:
    has = [name for name in _WEIGHING if name in counts.columns]
    if has and len(has) < len(_WEIGHING):
        missing = ", ".join(name for name in _WEIGHING if name not in has)
        raise CountsError(
            f"the counts have a column {has[0]!r} and no {missing}, which weighted counts have; let mrp.collapse make "
            "them with weight=..., or drop the column for counts without weights"
        )
    return bool(has)


def cells_design_effect(cells: pl.DataFrame) -> float:
    """``D`` of weighted cells, from the columns ``n``, ``weight`` and ``weight_square``; see the module."""
    n, w, ww = (cells[name].cast(pl.Float64).to_numpy() for name in ("n", "weight", "weight_square"))
    several = n > 1
    n, w, ww = n[several], w[several], ww[several]
    # Where no cell has two interviews, weights change nothing, and cost nothing.
    return max(1.0, float(((1 - 1 / n) * ww).sum() / ((w**2 - ww) / n).sum())) if several.any() else 1.0


def _cells(design: Design, counts: pl.DataFrame, numbers: tuple[str, ...]) -> pl.DataFrame:
    sums = [pl.col(name).sum() for name in numbers]
    if not design.count_columns:
        return counts.select(sums)
    return counts.group_by(design.count_columns).agg(sums).sort(design.count_columns)


def relative_weights(weight: pl.Series) -> pl.Series:
    """Weights divided by their mean.

    Raises
    ------
    CountsError
        If one is no number above 0.
    """
    number = weight.cast(pl.Float64, strict=False)
    wrong = ~((number > 0) & number.is_finite()).fill_null(value=False)
    if wrong.any():
        raise CountsError(
            f"{wrong.sum():,} of {len(weight):,} interviews with an answer have a {weight.name} that is no number "
            f"above 0, e.g. {weight.filter(wrong)[0]}; give all of them one, or leave weights out"
        )
    # Divided by the largest first: sums of numbers that nearly overflow would.
    number = number / number.max() if len(number) else number
    return number / number.mean() if len(number) else number


def require_columns(design: Design, counts: pl.DataFrame) -> None:
    """Refuse counts without the period, pollster or mode that a design reads, or whose weights are not applied yet.

    Raises
    ------
    CountsError
        Naming the column. Without it the rows would be coded as a prediction.
    """
    if "weight" in counts.columns:
        raise CountsError("these counts are weighted; make fractional counts of them with mrp.counts.coarsest first")
    for column in design.observed:
        if column not in counts.columns:
            raise CountsError(f"the model reads {column}; count interviews by {', '.join(design.count_columns)}")


def observed_levels(table: pl.DataFrame) -> dict[str, tuple[str, ...]]:
    """Levels of period, pollster and mode: what `mrp.design.build_design` has to know as ``observed``.

    Parameters
    ----------
    table
        Interviews or counts; of the columns "period", "pollster" and "mode" those that there are. Gaps are no level.

    Returns
    -------
    dict
        Column → its levels. Text is in natural order, with the numbers inside labels compared as numbers ("wave 2" is
        before "wave 10"). A ``polars.Enum`` keeps the order of its categories, numbers and dates have their own. For
        periods the order is that of time: give labels that sort in no such way, such as "spring" and "autumn", as an
        Enum, or write ``observed={"period": (...)}`` in order.
    """
    return {name: _levels_in_order(table[name]) for name in OBSERVED if name in table.columns}


def _levels_in_order(column: pl.Series) -> tuple[str, ...]:
    levels = column.drop_nulls().unique()
    if isinstance(column.dtype, pl.String | pl.Categorical):
        return natural_order(levels.cast(pl.String).to_list())
    return tuple(levels.sort().cast(pl.String).to_list())


def require_counts(counts: pl.DataFrame) -> None:
    """Refuse counts that no binomial likelihood has.

    Raises
    ------
    CountsError
        If ``n`` or ``y`` is missing, null, negative or not finite, if somewhere ``y > n``, or if there is no answer.
    """
    for column in ("n", "y"):
        if column not in counts.columns or not counts[column].dtype.is_numeric() or counts[column].null_count():
            raise CountsError(f"counts need a numeric column {column!r} without gaps")
        if (wrong := counts.filter(~pl.col(column).cast(pl.Float64).is_finite())).height:
            first = wrong[column][0]
            raise CountsError(f"{wrong.height:,} cells have {column} = {first}, no finite number; leave them out")
    wrong = counts.filter((pl.col("y") < 0) | (pl.col("y") > pl.col("n")))
    if wrong.height:
        raise CountsError(
            f"{wrong.height:,} cells have y outside 0..n, e.g. y = {wrong['y'][0]} of n = {wrong['n'][0]}"
        )
    if not counts["n"].sum() > 0:
        raise CountsError("there is no answer to fit: the counts are of no interview; look at what they are made of")
