"""Collapse interviews to counts: how many gave each answer of an ordered scale in each cell.

The counts are those of several options, `mrp.categorical.counts`, with weights as there: the order is the model's, not
theirs.
"""

import polars as pl

from mrp.categorical.counts import coarsest_options, collapse_options, count_name, option_design_effect
from mrp.ordinal.design import OrdinalDesign

__all__ = ["coarsest_ordinal", "collapse_ordinal", "counts_of", "ordinal_design_effect"]


def collapse_ordinal(
    interviews: pl.DataFrame,
    *,
    by: tuple[str, ...],
    answer: str,
    options: tuple[str, ...],
    drop: tuple[str, ...] = (),
    weight: str | None = None,
) -> pl.DataFrame:
    """Count the answers of each option per cell; see `mrp.categorical.counts.collapse_options`."""
    return collapse_options(interviews, by=by, answer=answer, options=options, drop=drop, weight=weight)


def coarsest_ordinal(design: OrdinalDesign, counts: pl.DataFrame) -> pl.DataFrame:
    """Add up cells that a design does not tell apart; see `mrp.categorical.counts.coarsest_options`."""
    return coarsest_options(design, counts)


def ordinal_design_effect(design: OrdinalDesign, counts: pl.DataFrame) -> float:
    """What weighting costs, see `mrp.counts.design_effect`; 1 for counts without weights."""
    return option_design_effect(design, counts)


def counts_of(design: OrdinalDesign, counts: pl.DataFrame) -> pl.DataFrame:
    """The columns of the options alone, from the lowest to the highest."""
    return counts.select(map(count_name, design.options))
