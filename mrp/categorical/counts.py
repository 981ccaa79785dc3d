"""Collapse interviews to counts: how many chose each option in each cell.

A row per cell, with the answers in it (``n``) and a column for each option, called as `count_name` says, since an
option may be called like a column of the frame. The multinomial likelihood depends on the interviews through these
alone.

Weights go into the likelihood as those of a binary question do, see `mrp.counts`: a cell of ``n`` interviews counts as
n / D, and each option as much of that as its share of the cell's weights, fractional numbers in the multinomial
likelihood. The design effect D is the same formula, which knows nothing of the answers. Counts of clusters, for
over-dispersed answers (`mrp.dispersion`), stay apart where a design does not tell cells apart.
"""

from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.answers import which_count
from mrp.counts import cells_design_effect, relative_weights
from mrp.design import Design
from mrp.dispersion import Dispersion, in_order, require_clusters, require_dispersion
from mrp.errors import CountsError

__all__ = [
    "OptionReader",
    "coarsest_options",
    "collapse_options",
    "count_name",
    "option_cells",
    "option_design_effect",
    "weight_name",
]

_WEIGHING = ("weight", "weight_square")
"""Of weighted counts, per cell: sums of w and of w^2, beside that of w of each option."""


class OptionReader(Protocol):
    """What of a design decides which counts of options belong to it."""

    @property
    def options(self) -> tuple[str, ...]: ...
    @property
    def common(self) -> Design: ...
    @property
    def cell_columns(self) -> tuple[str, ...]:
        """Columns of the frame that the model reads."""

    @property
    def count_columns(self) -> tuple[str, ...]:
        """Columns that interviews must be counted by."""

    def covers(self, table: pl.DataFrame) -> NDArray[np.bool_]:
        """Which rows have only levels that the model knows, shape (row,)."""

    def stands(self, table: pl.DataFrame) -> NDArray[np.bool_]:
        """Which options can be chosen in each row, shape (row, option)."""


def count_name(option: str) -> str:
    """Name of the column of an option's answers, e.g. "y[Green]"."""
    return f"y[{option}]"


def weight_name(option: str) -> str:
    """Name of the column of an option's sum of weights, e.g. "weight[Green]"."""
    return f"weight[{option}]"


def collapse_options(
    interviews: pl.DataFrame,
    *,
    by: tuple[str, ...],
    answer: str,
    options: tuple[str, ...],
    drop: tuple[str, ...] = (),
    weight: str | None = None,
) -> pl.DataFrame:
    """Count the answers of each option per cell.

    Parameters
    ----------
    interviews
        One row per interview, with the columns ``by`` and ``answer`` (the option's label; null: no answer to count).
    by
        The columns that make a cell, usually `CategoricalDesign.count_columns`. Empty: one cell.
    options, drop
        The answers that count, and those that do not, such as "Did not vote"; see `mrp.answers.which_count`.
    weight
        Name of the column of weights, > 0, where they are to go into the likelihood; relative, as for
        `mrp.counts.collapse`.

    Returns
    -------
    polars.DataFrame
        ``by``, then ``n`` and one column for each option, Int64, sorted by ``by``. Only cells with answers. With
        weights also ``weight`` and ``weight_square``, sums of w and w^2 with w divided by its mean, and the sum of w of
        each option, of which `coarsest_options` makes fractional counts.

    Raises
    ------
    CountsError
        If a column is missing, an interview with an answer has no value in one of ``by`` or a weight that is no number
        above 0, or an answer is neither to be counted nor to be dropped.
    """
    numbers = ("n", *map(count_name, options), *((*_WEIGHING, *map(weight_name, options)) if weight else ()))
    for column in (*by, answer, *([weight] if weight else [])):
        if column not in interviews.columns:
            raise CountsError(f"the interviews have no column {column!r}; they have {', '.join(interviews.columns)}")
    if taken := [column for column in by if column in numbers]:
        raise CountsError(f"a column to count by is called {taken[0]!r}, as what is counted; rename it")
    for option in options:  # each may be misspelt in its own way
        counted = which_count(interviews[answer], option, options=options, drop=drop)
    answered = interviews.filter(counted)
    for column in by:
        if n_missing := answered[column].null_count():
            raise CountsError(
                f"{n_missing:,} of {answered.height:,} interviews with an answer have no {column}; "
                "exclude them before counting"
            )
    label = pl.col(answer).cast(pl.String)
    chosen = [(label == option).sum().cast(pl.Int64).alias(count_name(option)) for option in options]
    counted_as = [pl.len().cast(pl.Int64).alias("n"), *chosen]
    if weight:
        answered = answered.with_columns(relative_weights(answered[weight]))
        w = pl.col(weight)
        of_options = [(w * (label == option)).sum().alias(weight_name(option)) for option in options]
        counted_as += [w.sum().alias("weight"), (w**2).sum().alias("weight_square"), *of_options]
    return answered.group_by(by).agg(counted_as).sort(by) if by else answered.select(counted_as)


def coarsest_options(design: OptionReader, counts: pl.DataFrame) -> pl.DataFrame:
    """Add up cells that a design does not tell apart, and refuse what it cannot have made.

    Parameters
    ----------
    design
        Codes the cells.
    counts
        `OptionReader.count_columns` and perhaps more, ``n``, and a column for each option; of weighted counts the
        sums of weights.

    Returns
    -------
    polars.DataFrame
        `OptionReader.count_columns`, ``n`` and the options; sorted, whatever the order of the input. Of weighted
        counts they are fractional.

    Raises
    ------
    CountsError
        If a column is missing, a number is no whole number >= 0 or options do not add up to ``n``, there is no answer,
        or there are interviews in a cell that the design does not know, or of an option where it does not stand.
    """
    _require_options(design, counts)
    cells = _cells(design, counts)
    if "weight" not in cells.columns:
        return cells
    n = pl.col("n") / cells_design_effect(cells)
    share = {option: (pl.col(weight_name(option)) / pl.col("weight")).clip(0, 1) for option in design.options}
    of_options = {count_name(o): pl.when(pl.col("n") > 0).then(n * share[o]).otherwise(0.0) for o in design.options}
    return cells.select(*design.count_columns, n.alias("n"), **of_options)


def option_cells(design: OptionReader, counts: pl.DataFrame, dispersion: Dispersion) -> pl.DataFrame:
    """The rows that are fitted: cells that the design tells apart, or, over-dispersed, the clusters as they are given.

    Raises
    ------
    CountsError
        As `coarsest_options` and `mrp.dispersion.require_clusters`.
    SamplingError
        If answers to several options have no such dispersion.
    """
    require_dispersion(dispersion, "dirichlet-multinomial")
    if dispersion == "none":
        return coarsest_options(design, counts)
    _require_options(design, counts)
    require_clusters(counts)
    return in_order(counts, (*design.count_columns, "n", *map(count_name, design.options)))


def option_design_effect(design: OptionReader, counts: pl.DataFrame) -> float:
    """What weighting costs, see `mrp.counts.design_effect`; 1 for counts without weights."""
    if "weight" not in counts.columns:
        return 1.0
    _require_options(design, counts)
    return cells_design_effect(_cells(design, counts))


def _cells(design: OptionReader, counts: pl.DataFrame) -> pl.DataFrame:
    names = ["n", *map(count_name, design.options)]
    if "weight" in counts.columns:
        names += [*_WEIGHING, *map(weight_name, design.options)]
    sums, columns = [pl.col(name).sum() for name in names], design.count_columns
    return counts.group_by(columns).agg(sums).sort(columns) if columns else counts.select(sums)


def _require_options(design: OptionReader, counts: pl.DataFrame) -> None:
    names = [count_name(option) for option in design.options]
    weighing = (*_WEIGHING, *map(weight_name, design.options)) if "weight" in counts.columns else ()
    for column in (*design.count_columns, "n", *names, *weighing):
        if column not in counts.columns:
            raise CountsError(f"the counts have no column {column!r}; make them with mrp.categorical.collapse_options")
    for column in ("n", *names):
        values = counts[column]
        if not values.dtype.is_integer() or values.null_count() or (values < 0).any():
            raise CountsError(f"counts need whole numbers >= 0 without gaps in column {column!r}")
    if (wrong := counts.filter(pl.sum_horizontal(names) != pl.col("n"))).height:
        raise CountsError(f"in {wrong.height:,} cells the options do not add up to n, e.g. n = {wrong['n'][0]}")
    if not counts["n"].sum() > 0:
        raise CountsError("there is no answer to fit: the counts are of no interview; look at what they are made of")
    if not (covered := design.covers(counts)).all():
        unknown = counts.select(design.count_columns).filter(~pl.Series(covered))
        raise CountsError(
            f"there are interviews in {' / '.join(map(str, unknown.row(0)))}, which the model does not know"
        )
    stray = ~design.stands(counts) & (counts.select(names).to_numpy() > 0)
    if stray.any():
        row, option = (int(one[0]) for one in stray.nonzero())
        raise CountsError(
            f"{counts[names[option]][row]:,} interviews chose {design.options[option]} in "
            f"{counts[design.common.district][row]}, where it does not stand; mend the answers or where it stands"
        )
