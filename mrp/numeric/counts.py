r"""Collapse answers that are numbers: how many there are in each cell, their mean, and their sum of squares about it.

The normal likelihood depends on the interviews through these three alone. Cells are merged by

    mean = sum_j w_j mean_j / sum_j w_j,       ss = sum_j ss_j + sum_j w_j (mean_j - mean)^2,      w_j = n_j

which never subtracts two large numbers from each other, as sum y^2 - n mean^2 would: of incomes in cents that has no
digit left (Chan, Golub and LeVeque 1979). An interview is a cell of one, so that collapsing is merging too. Rows are
added in the order of what is in them, so that the order in which they came changes nothing.

**Weights** are left out of the likelihood unless they are asked for, as `mrp.counts` explains. Then w_j is the sum of a
cell's weights, mean and ss are weighted, and the model is fitted on

    n* = n / D,      ss* = ss n* / sum w,      D: the design effect of `mrp.counts`.

References
----------
Chan, Golub and LeVeque (1979), "Updating formulae and a pairwise algorithm for computing sample variances", Stanford
STAN-CS-79-773, equation 2.1.
"""

import math
from collections.abc import Sequence

import polars as pl

from mrp.counts import cells_design_effect, relative_weights
from mrp.design import Design
from mrp.errors import CountsError
from mrp.numeric.counts_check import require_columns, require_numbers, require_residual
from mrp.numeric.merging import NUMBERS, WEIGHING, are_weighted, mass_of, merged, whole
from mrp.numeric.unit import Unit

__all__ = ["add_numeric", "coarsest_numeric", "collapse_numeric", "in_unit", "numeric_design_effect", "unit_of"]


# Squares of larger numbers, added up over interviews, do not fit into a float.
_LARGEST = 1e100
# Between the sd of the answers and the scale of a declared unit: beyond it the priors of terms make no sense.
_UNIT_BOUNDS = (0.02, 50.0)


def collapse_numeric(
    interviews: pl.DataFrame,
    *,
    by: tuple[str, ...],
    answer: str,
    within: tuple[float, float] | None = None,
    drop: tuple[float, ...] = (),
    weight: str | None = None,
) -> pl.DataFrame:
    """Number, mean and sum of squares of the answers per cell.

    Parameters
    ----------
    interviews
        One row per interview, with the columns ``by`` and ``answer`` (a number; null: no answer to count).
    by
        The columns that make a cell, usually `NumericDesign.count_columns`. Empty: one cell.
    within
        The least and the largest answer there can be, such as (0, 100) of a feeling thermometer.
    drop
        Numbers that are no answers, such as 998 for "Don't know".
    weight
        Name of the column of weights, > 0, where they are to go into the likelihood; relative, see `mrp.counts`.

    Returns
    -------
    polars.DataFrame
        ``by``, then ``n`` (Int64), ``mean`` and ``ss`` (Float64, in the unit of the answers and its square), sorted by
        ``by``. Only cells with answers. With weights also ``weight`` and ``weight_square``, sums of weights divided by
        their mean, and of their squares.

    Raises
    ------
    CountsError
        If a column is missing, an interview with an answer has no value in one of ``by``, an answer is no finite number
        or beyond what there can be, a weight is no number above 0, or a column of ``by`` is called as what is counted.
    """
    for column in (*by, answer, *([weight] if weight else [])):
        if column not in interviews.columns:
            raise CountsError(f"the interviews have no column {column!r}; they have {', '.join(interviews.columns)}")
    if taken := [column for column in by if column in (*NUMBERS, *(WEIGHING if weight else ()))]:
        raise CountsError(f"a column to count by is called {taken[0]!r}, as what is counted; rename it")
    numbers = _as_answers(interviews[answer], within, drop)
    kept = numbers.is_not_null()
    answered, numbers = interviews.filter(kept), numbers.filter(kept)
    for column in by:
        if n_missing := answered[column].null_count():
            raise CountsError(
                f"{n_missing:,} of {answered.height:,} interviews with an answer have no {column}; "
                "exclude them before counting"
            )
    of_each = [pl.lit(1, pl.Int64).alias("n"), numbers.alias("mean"), pl.lit(0.0).alias("ss")]
    if weight:
        w = relative_weights(answered[weight])
        of_each += [w.alias("weight"), (w * w).alias("weight_square")]
    return merged(answered.select(*by).with_columns(of_each) if by else pl.select(of_each), by)


def add_numeric(tables: Sequence[pl.DataFrame], by: tuple[str, ...]) -> pl.DataFrame:
    """Merge the cells of several deliveries, sorted by ``by``; the cells may be finer than ``by``.

    Raises
    ------
    CountsError
        If some of the tables are weighted and others are not, or a column is missing.
    """
    if len({are_weighted(table) for table in tables}) > 1:
        raise CountsError("some counts are weighted and others are not; collapse all interviews in the same way")
    names = (*by, *NUMBERS, *(WEIGHING if are_weighted(tables[0]) else ()))
    for table in tables:
        require_columns(table, names)
    return merged(pl.concat([table.select(names) for table in tables]), by)


def coarsest_numeric(design: Design, counts: pl.DataFrame) -> pl.DataFrame:
    """Merge cells that a design does not tell apart, and refuse what answers cannot have made.

    Parameters
    ----------
    design
        Codes the cells; of a `NumericDesign` its ``common``.
    counts
        `Design.count_columns` and perhaps more, ``n``, ``mean``, ``ss``; of weighted counts their sums of weights.

    Returns
    -------
    polars.DataFrame
        `Design.count_columns`, ``n``, ``mean``, ``ss``; sorted, whatever the order of the input. Of weighted counts n*
        and ss*, which are fractional.

    Raises
    ------
    CountsError
        If a column is missing, a number is none that answers have, there is no answer, interviews are in a cell that
        the design does not know, or the answers within cells do not differ, so that there is no residual to estimate.
    """
    cells = _cells(design, counts)
    if not design.covers(cells).all():
        unknown = cells.select(design.count_columns).filter(~pl.Series(design.covers(cells)))
        raise CountsError(
            f"there are interviews in {' / '.join(map(str, unknown.row(0)))}, which the model does not know"
        )
    require_residual(cells)
    if not are_weighted(cells):
        return cells
    n = pl.col("n") / cells_design_effect(cells)
    return cells.with_columns(n=n, ss=pl.col("ss") * n / pl.col("weight")).drop(WEIGHING)


def unit_of(design: Design, counts: pl.DataFrame) -> Unit:
    """Mean and standard deviation of all answers, weighted if the counts are: the unit to fit them in.

    Raises
    ------
    CountsError
        As `coarsest_numeric`; also if there is one answer only, which has no standard deviation.
    """
    cells = _cells(design, counts)
    require_residual(cells)
    n, mean, ss, mass = whole(cells).select("n", "mean", "ss", pl.col(mass_of(cells)).alias("mass")).row(0)
    if n < 2:
        raise CountsError("one answer has no standard deviation; declare the unit, such as mrp.numeric.Unit.of_range")
    return Unit(mean, math.sqrt(ss / mass * n / (n - 1)))


def in_unit(cells: pl.DataFrame, unit: Unit) -> pl.DataFrame:
    """The cells of `coarsest_numeric` with ``mean`` and ``ss`` in a unit, as the model reads them.

    Raises
    ------
    CountsError
        If the spread of the answers is of another order than the unit.
    """
    scaled = cells.with_columns(mean=(pl.col("mean") - unit.centre) / unit.scale, ss=pl.col("ss") / unit.scale**2)
    n, ss = whole(scaled).select("n", "ss").row(0)
    spread = math.sqrt(ss / n)
    if n > 1 and not _UNIT_BOUNDS[0] <= spread <= _UNIT_BOUNDS[1]:
        raise CountsError(
            f"the answers have a standard deviation of {spread * unit.scale:.4g}, and the unit is {unit.scale:.4g}; "
            "declare the range that answers really have, or none, so that the unit is that of the answers"
        )
    return scaled


def numeric_design_effect(design: Design, counts: pl.DataFrame) -> float:
    """What weighting costs, as `mrp.counts.design_effect`: 1 for counts without weights."""
    return cells_design_effect(_cells(design, counts)) if are_weighted(counts) else 1.0


def _cells(design: Design, counts: pl.DataFrame) -> pl.DataFrame:
    names = (*design.count_columns, *NUMBERS, *(WEIGHING if are_weighted(counts) else ()))
    require_columns(counts, names)
    require_numbers(counts)
    return merged(counts.select(names).filter(pl.col("n") > 0), design.count_columns)


def _as_answers(answers: pl.Series, within: tuple[float, float] | None, drop: tuple[float, ...]) -> pl.Series:
    """Answers as floats; null where there is none."""
    name = answers.name
    if answers.dtype != pl.Null and not answers.dtype.is_numeric():
        raise CountsError(
            f"the answers in column {name!r} are {answers.dtype}, not numbers; convert them before counting"
        )
    numbers = answers.cast(pl.Float64)
    numbers = numbers.set(numbers.is_in([float(one) for one in drop]).fill_null(value=False), None) if drop else numbers
    wrong = ~(numbers.is_finite() & (numbers.abs() <= _LARGEST)).fill_null(value=True)
    if wrong.any():
        raise CountsError(
            f"{wrong.sum():,} answers in column {name!r} are no finite numbers up to {_LARGEST:g} in size; "
            "correct them, or make them null where there is no answer"
        )
    if within is not None:
        low, high = within
        beyond = ((numbers < low) | (numbers > high)).fill_null(value=False)
        if beyond.any():
            raise CountsError(
                f"{beyond.sum():,} answers in column {name!r} are not from {low:g} to {high:g}, e.g. "
                f"{numbers.filter(beyond)[0]:g}; correct them, or drop what is no answer with drop=(...)"
            )
    return numbers
