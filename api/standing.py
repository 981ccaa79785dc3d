"""Where the options of a question stand: in which part of the people of a group an option can be chosen at all.

An option that is declared to stand in some districts only (``only_in``) has the share 0 in the others by definition.
Nothing is estimated there: such a group has the flag ``DOES_NOT_STAND`` and no interval, and is left out of whatever
compares groups, such as ranks. In a group of which a part lives where it stands, its share is one of all people there;
it has the flag ``STANDS_IN_PART``.
"""

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from api.breakdown import Breakdown
from mrp.categorical.design import CategoricalDesign
from mrp.outcomes.designs import AnyDesign

__all__ = ["DOES_NOT_STAND", "STANDS_IN_PART", "flags_of", "part_standing", "reason", "stands_in"]

DOES_NOT_STAND: Final = "does-not-stand"
STANDS_IN_PART: Final = "stands-in-part"


def part_standing(design: AnyDesign, breakdown: Breakdown, option: str) -> NDArray[np.float64]:
    """Part of the people of each group who live where the option stands, in [0, 1], shape (group,)."""
    everywhere = np.ones(breakdown.groups.height)
    if not isinstance(design, CategoricalDesign):
        return everywhere
    inside = breakdown.group >= 0
    cells, group = breakdown.cells.filter(inside), breakdown.group[inside]
    stands = stands_in(design, cells, option)
    people = cells["n_people"].to_numpy()
    # Sums in the same order: where it stands everywhere the part is 1 and not nearly so.
    here, all_ = (np.bincount(group, weights=of, minlength=everywhere.size) for of in (people * stands, people))
    return np.divide(here, all_, out=everywhere, where=all_ > 0)


def stands_in(design: AnyDesign, cells: pl.DataFrame, option: str) -> NDArray[np.bool_]:
    """Whether an option can be chosen in each of some cells, which have the column of the district; shape (cell,)."""
    if not isinstance(design, CategoricalDesign) or option not in design.options:
        return np.ones(cells.height, dtype=np.bool_)
    return design.stands(cells)[:, design.options.index(option)]


def flags_of(part: float) -> tuple[str, ...]:
    """What is said of a group where an option stands in this part of the people."""
    if part == 0:
        return (DOES_NOT_STAND,)
    return (STANDS_IN_PART,) if part < 1 else ()


def reason(option: str) -> str:
    """Why a group is left out where the option does not stand."""
    return f"{option!r} does not stand there."
