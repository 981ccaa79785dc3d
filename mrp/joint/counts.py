"""Counts of several questions, each with its own cells and its own base."""

from collections.abc import Mapping

import polars as pl

from mrp.counts import coarsest
from mrp.errors import CountsError, FrameError
from mrp.joint.design import JointDesign

__all__ = ["coarsest_of"]


def coarsest_of(design: JointDesign, counts: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """The counts of each question by the cells that its design tells apart; see `mrp.counts.coarsest`.

    Parameters
    ----------
    counts
        By question, as `mrp.counts.collapse` makes them. The interviews need not be the same.

    Raises
    ------
    CountsError
        If a question has none, there is no such question, or its counts cannot be fitted.
    """
    if not isinstance(counts, Mapping):
        raise CountsError("the counts have to be given by question, {question: counts}, each with its own base")
    if unknown := [one for one in counts if one not in design.questions]:
        raise CountsError(f"there are counts of {unknown[0]}, which is no question; {', '.join(design.questions)} are")
    cells = {}
    for question, one in design.designs.items():
        if question not in counts:
            raise CountsError(f"there are no counts of {question}; give those of every question")
        try:
            cells[question] = coarsest(one, counts[question])
        except (CountsError, FrameError) as error:
            raise CountsError(f"{question}: {error}") from error
    return cells
