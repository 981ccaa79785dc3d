"""Find areas in draws, and make sure that two sets of draws may be compared draw by draw."""

from collections.abc import Mapping, Sequence

import numpy as np

from mrp.errors import DrawsError, FrameError
from mrp.poststratification import AreaDraws

__all__ = ["area_names", "column_of", "complement", "require_joint", "require_same_areas", "strongest"]


def area_names(estimate: AreaDraws) -> tuple[Mapping[str, str], ...]:
    """What each column of the draws is about, e.g. ``{"state": "GA", "age": "65+"}``; ``{}`` for the whole."""
    return tuple(estimate.areas.drop("n_people").iter_rows(named=True))


def column_of(estimate: AreaDraws, area: Mapping[str, str]) -> int:
    """Column of an area's draws.

    Raises
    ------
    FrameError
        If no area, or more than one, is meant.
    """
    found = [i for i, name in enumerate(area_names(estimate)) if name == dict(area)]
    if len(found) != 1:
        asked = ", ".join(f"{column} {level}" for column, level in area.items()) or "the whole population"
        by = ", ".join(estimate.areas.columns[:-1]) or "nothing"
        raise FrameError(f"the estimate has no single area {asked}; it has {estimate.areas.height} areas by {by}")
    return found[0]


def complement(estimate: AreaDraws) -> AreaDraws:
    """Shares of everything but the option: the other option of a binary question.

    Raises
    ------
    DrawsError
        If the estimate is of means: they have no other side.
    """
    if estimate.kind != "share":
        raise DrawsError("the estimate is of means, and only shares have a complement; compare two areas or periods")
    return AreaDraws(estimate.areas, 1 - estimate.draws, estimate.n_chains, estimate.points, estimate.fit)


def strongest(options: Sequence[AreaDraws]) -> AreaDraws:
    """The largest share among some options, whichever it is in a draw.

    Raises
    ------
    FrameError, DrawsError
        If they do not belong together.
    """
    first, *others = options
    for other in others:
        require_same_areas(first, other)
        require_joint(first, other)
    draws = np.maximum.reduce([one.draws for one in options])
    return AreaDraws(first.areas, draws, first.n_chains, first.points, first.fit, first.kind)


def require_same_areas(first: AreaDraws, second: AreaDraws) -> None:
    """Raise `FrameError` unless the columns of both are about the same areas."""
    if area_names(first) != area_names(second):
        raise FrameError(
            f"the estimates are for other areas ({first.areas.height} by {', '.join(first.areas.columns[:-1])} and "
            f"{second.areas.height} by {', '.join(second.areas.columns[:-1])}); ask both for the same breakdown"
        )


def require_joint(first: AreaDraws, second: AreaDraws) -> None:
    """Raise `DrawsError` unless draw ``s`` of one belongs to draw ``s`` of the other."""
    same_points = (first.points is None) == (second.points is None) and (
        first.points is None or second.points is None or np.array_equal(first.points, second.points)
    )
    if len(first.draws) != len(second.draws) or first.n_chains != second.n_chains or not same_points:
        raise DrawsError(
            f"the draws ({len(first.draws):,} and {len(second.draws):,}) are not joint draws of one fit; "
            "compare fits by `change_between_fits` or `revision`"
        )
    # As many draws are no sign of one fit: draws of two in any order would make their errors look independent.
    if first.fit is not None and second.fit is not None and first.fit != second.fit:
        raise DrawsError(
            f"the draws are of two fits ({first.fit[:8]} and {second.fit[:8]}), not joint draws of one; "
            "compare fits by `change_between_fits` or `revision`"
        )
