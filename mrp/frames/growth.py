r"""Bring a frame to a date: by totals that are known of it, or between two dated frames.

*Known totals* (of districts, or of districts by some demographics): the cells are raked to them, `mrp.frames.margins`;
of districts alone every cell of a district grows alike.

*Two frames* N0 at t0 and N1 at t1, and f = (t - t0) / (t1 - t0):

    linear:       N[c] = N0[c] + f (N1[c] - N0[c])
    exponential:  N[c] = N0[c]^(1 - f) N1[c]^f,      linear in cells that are empty in one of them

f above 1, or below 0, goes on with what was between them (extrapolation), which is told.

References
----------
Deming and Stephan (1940), see `mrp.frames.margins`.
Smith, Tayman and Swanson (2013), "A practitioner's guide to state and local population projections", Springer,
chapter 8 (linear and exponential extrapolation).
"""

import datetime as dt
from collections.abc import Mapping
from typing import Literal

import polars as pl

from mrp.errors import FrameError
from mrp.frames.cells import PEOPLE, Built, columns_of, named, require_cells, total
from mrp.frames.margins import RakedCells, rake_cells

__all__ = ["grow_to_totals", "interpolate_frames"]


def grow_to_totals(cells: pl.DataFrame, totals: Mapping[str, pl.DataFrame], *, rounding: float = 0.5) -> RakedCells:
    """Rake a frame to what is known of a later date.

    Parameters
    ----------
    totals
        Name -> table of some of the frame's columns and ``n_people``, such as people by district.

    Raises
    ------
    FrameError
        As `mrp.frames.margins.rake_cells`.
    """
    raked = rake_cells(cells, totals, rounding=rounding)
    before, after = total(cells), total(raked.built.cells)
    told = (*raked.built.told, f"The population went from {before:,.0f} to {after:,.0f} ({after / before - 1:+.2%}).")
    assumption = "What the totals do not tell apart grew alike: proportions within them are those of the frame before."
    built = Built(raked.built.cells, told, (assumption,))
    return RakedCells(built, raked.gaps, raked.n_rounds)


def interpolate_frames(
    earlier: pl.DataFrame,
    later: pl.DataFrame,
    *,
    dates: tuple[dt.date, dt.date],
    at: dt.date,
    how: Literal["linear", "exponential"] = "linear",
) -> Built:
    """The frame of a date from those of two others.

    Parameters
    ----------
    earlier, later
        Tables of the same columns; a cell that one of them lacks has nobody there.
    dates
        Theirs.
    at
        The date that is wanted.

    Raises
    ------
    FrameError
        If the dates are in the wrong order, the columns differ, or a cell would have fewer than 0 people.
    """
    if not dates[0] < dates[1]:
        raise FrameError(f"the earlier frame is of {dates[0]}, the later of {dates[1]}; give them in their order")
    if how not in ("linear", "exponential"):
        raise FrameError(f"how to interpolate is {how!r}; it has to be linear or exponential")
    earlier, later = require_cells("the earlier frame", earlier), require_cells("the later frame", later)
    names = list(columns_of(earlier))
    if set(names) != set(columns_of(later)):
        raise FrameError(
            f"the earlier frame has {', '.join(names)}, the later {', '.join(columns_of(later))}; merge or split first"
        )
    f = (at - dates[0]).days / (dates[1] - dates[0]).days
    both = earlier.join(later.rename({PEOPLE: "\x00later"}), on=names, how="full", coalesce=True).fill_null(0.0)
    a, b = pl.col(PEOPLE), pl.col("\x00later")
    line = a + f * (b - a)
    curve = pl.when((a > 0) & (b > 0)).then(a ** (1 - f) * b**f).otherwise(line)
    grown = both.with_columns((line if how == "linear" else curve).alias(PEOPLE))
    if (below := grown.filter(a < 0)).height:
        raise FrameError(
            f"{below.height:,} cells would have fewer than 0 people on {at}, e.g. {named(below.drop('\x00later'))[0]}; "
            "choose a date nearer to the frames, or exponential growth and drop the cells that are empty in one"
        )
    told = [f"The frames of {dates[0]} and {dates[1]} were brought to {at} by {how} growth of every cell."]
    one_sided = both.filter((a > 0) != (b > 0)).height
    if how == "exponential" and one_sided:
        told.append(f"{one_sided:,} cells that are empty in one of the frames grew linearly.")
    beyond = f"{at} is not between the two frames: growth was taken to go on as between them."
    warnings = () if 0 <= f <= 1 else (beyond,)
    by = "by as many people" if how == "linear" else "by the same rate"
    assumption = f"Between the two frames every cell grew {by} every day."
    return Built(grown.select(*names, PEOPLE).sort(names), tuple(told), (assumption,), warnings)
