"""Collapse interviews to counts: how many answered in each cell, and how many chose the option.

The likelihood of a binary question depends on the interviews only through these two numbers, so that the cost of a fit
follows cells and not interviews.
"""

import polars as pl

from mrp.design import Design
from mrp.errors import CountsError
from mrp.terms import OBSERVED

__all__ = ["coarsest", "collapse", "observed_levels", "require_columns", "require_counts"]


def collapse(interviews: pl.DataFrame, *, by: tuple[str, ...], answer: str, option: str) -> pl.DataFrame:
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

    Returns
    -------
    polars.DataFrame
        ``by``, then ``n`` (answers) and ``y`` (answers that are ``option``), both Int64, sorted by ``by``. Only cells
        with answers.

    Raises
    ------
    CountsError
        If a column is missing, or an interview with an answer has no value in one of ``by``: exclude it on purpose,
        with a reason, before counting.
    """
    for column in (*by, answer):
        if column not in interviews.columns:
            raise CountsError(f"the interviews have no column {column!r}; they have {', '.join(interviews.columns)}")
    answered = interviews.filter(pl.col(answer).is_not_null())
    for column in by:
        if n_missing := answered[column].null_count():
            raise CountsError(
                f"{n_missing:,} of {answered.height:,} interviews with an answer have no {column}; "
                "exclude them before counting"
            )
    counted = [
        pl.len().cast(pl.Int64).alias("n"),
        (pl.col(answer).cast(pl.String) == option).sum().cast(pl.Int64).alias("y"),
    ]
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
        `Design.count_columns` and perhaps more, ``n``, ``y``.

    Returns
    -------
    polars.DataFrame
        `Design.count_columns`, ``n``, ``y``; sorted, so that the order of the input does not matter.

    Raises
    ------
    CountsError
        If the counts cannot be fitted, or interviews are in a cell that the design does not know.
    """
    require_counts(counts)
    require_columns(design, counts)
    if not design.covers(counts).all():
        unknown = counts.select(design.count_columns).filter(~pl.Series(design.covers(counts)))
        raise CountsError(
            f"there are interviews in {' / '.join(map(str, unknown.row(0)))}, which the model does not know"
        )
    sums = [pl.col("n").sum(), pl.col("y").sum()]
    if not design.count_columns:
        return counts.select(sums)
    return counts.group_by(design.count_columns).agg(sums).sort(design.count_columns)


def require_columns(design: Design, counts: pl.DataFrame) -> None:
    """Refuse counts without the period, pollster or mode that a design reads.

    Raises
    ------
    CountsError
        Naming the column. Without it the rows would be coded as a prediction.
    """
    for column in design.observed:
        if column not in counts.columns:
            raise CountsError(f"the model reads {column}; count interviews by {', '.join(design.count_columns)}")


def observed_levels(counts: pl.DataFrame) -> dict[str, tuple[str, ...]]:
    """Levels of period, pollster and mode, as far as counts have them: what `mrp.design.build_design` has to know."""
    return {
        name: tuple(counts[name].cast(pl.String).unique().sort().to_list())
        for name in OBSERVED
        if name in counts.columns
    }


def require_counts(counts: pl.DataFrame) -> None:
    """Refuse counts that no binomial likelihood has.

    Raises
    ------
    CountsError
        If ``n`` or ``y`` is missing, null or negative, if somewhere ``y > n``, or if there is no answer at all.
    """
    for column in ("n", "y"):
        if column not in counts.columns or not counts[column].dtype.is_numeric() or counts[column].null_count():
            raise CountsError(f"counts need a numeric column {column!r} without gaps")
    wrong = counts.filter((pl.col("y") < 0) | (pl.col("y") > pl.col("n")))
    if wrong.height:
        raise CountsError(
            f"{wrong.height:,} cells have y outside 0..n, e.g. y = {wrong['y'][0]} of n = {wrong['n'][0]}"
        )
    if not counts["n"].sum() > 0:
        raise CountsError("there is no answer to fit; push a wave that asks the question first")
