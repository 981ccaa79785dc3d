"""Merge the levels of a column, or split one by known shares. Nobody is lost or made.

    merged:   N[new] = sum of N[old], old in new          split:   N[new] = N[old] share[new],  sum of the shares 1

A split takes the shares to be the same in all cells, or in all cells that agree in some columns: what further columns
tell of who is in which part is not known.
"""

from collections.abc import Mapping, Sequence

import polars as pl

from mrp.errors import FrameError
from mrp.frames.cells import PEOPLE, Built, columns_of, require_cells

__all__ = ["merge_levels", "split_level"]

_SUMS_TO_ONE = 1e-6


def merge_levels(cells: pl.DataFrame, column: str, into: Mapping[str, Sequence[str]]) -> Built:
    """Give several levels one name and add their people up.

    Parameters
    ----------
    into
        New level -> the levels that it is made of. Levels that are not named stay what they are.

    Raises
    ------
    FrameError
        If there is no such column or level, one is merged twice, or a new level is the name of one that stays.
    """
    cells = require_cells("the frame", cells)
    known = _levels(cells, column)
    owner: dict[str, str] = {}
    for new, olds in into.items():
        if isinstance(olds, str):
            raise FrameError(f"the levels of {column} that become {new!r} must be a list, got {olds!r}")
        for old in olds:
            if old not in known:
                raise FrameError(f"{column} has no level {old!r} to merge; it has {', '.join(known[:8])}")
            if owner.setdefault(old, new) != new:
                raise FrameError(f"{column} {old!r} is merged into {owner[old]!r} and into {new!r}; choose one")
    for new in into:
        if new in known and new not in owner:
            raise FrameError(f"{column} {new!r} is a level of its own; name it among those merged, or choose another")
    names = columns_of(cells)
    merged = cells.with_columns(pl.col(column).replace(owner)).group_by(names).agg(pl.col(PEOPLE).sum()).sort(names)
    made = "; ".join(f"{new} of {', '.join(olds)}" for new, olds in into.items())
    return Built(merged, (f"Levels of {column} were merged: {made}.",))


def split_level(cells: pl.DataFrame, column: str, level: str, shares: pl.DataFrame) -> Built:
    """Split a level by shares.

    Parameters
    ----------
    shares
        ``column`` with the new levels, ``share`` in [0, 1], and perhaps columns of the cells by which the shares
        differ; they sum to 1 over the new levels.

    Raises
    ------
    FrameError
        If there is no such column or level, a new level is there already, a share is none, they do not sum to 1, or
        cells with people have no shares.
    """
    cells = require_cells("the frame", cells)
    known = _levels(cells, column)
    if level not in known:
        raise FrameError(f"{column} has no level {level!r} to split; it has {', '.join(known[:8])}")
    within = [name for name in shares.columns if name not in (column, "share")]
    _require_shares(shares, column, within, cells)
    new = shares[column].unique().to_list()
    if taken := [one for one in new if one in known and one != level]:
        raise FrameError(f"{column} has a level {taken[0]!r} already; merge the new part into it afterwards")
    names = columns_of(cells)
    part = cells.filter(pl.col(column) == level).drop(column)
    parts = pl.col("share").sum()
    whole = shares.with_columns(pl.col("share") / (parts.over(within) if within else parts))
    split = part.join(whole, on=within, how="left") if within else part.join(whole, how="cross")
    if (lost := split.filter(pl.col("share").is_null() & (pl.col(PEOPLE) > 0))).height:
        where = " / ".join(str(lost[name][0]) for name in within)
        raise FrameError(f"the shares say nothing of {' / '.join(within)} {where}, where people of {level!r} live")
    split = split.filter(pl.col("share").is_not_null()).with_columns(pl.col(PEOPLE) * pl.col("share"))
    rest = cells.filter(pl.col(column) != level)
    built = pl.concat([rest, split.select(cells.columns)]).sort(names)
    told = f"{column} {level} was split into {', '.join(sorted(map(str, new)))}."
    given = f"given {', '.join(within)}" if within else "everywhere"
    return Built(built, (told,), (f"The parts of {column} {level} have the same shares in all cells {given}.",))


def _levels(cells: pl.DataFrame, column: str) -> list[str]:
    if column not in columns_of(cells):
        raise FrameError(f"the frame has no column {column!r}; it has {', '.join(columns_of(cells))}")
    return sorted(cells[column].unique().to_list())


def _require_shares(shares: pl.DataFrame, column: str, within: list[str], cells: pl.DataFrame) -> None:
    for name in (column, "share"):
        if name not in shares.columns:
            raise FrameError(f"the shares have no column {name!r}; they have {', '.join(shares.columns)}")
    if strange := [name for name in within if name not in columns_of(cells)]:
        raise FrameError(f"the shares have a column {strange[0]!r}, which the frame has not")
    if not shares["share"].dtype.is_numeric() or not shares["share"].is_between(0, 1).fill_null(value=False).all():
        raise FrameError(f"the shares of {column} must be numbers from 0 to 1")
    if shares.select(column, *within).is_duplicated().any():
        raise FrameError(f"the shares name a level of {column} twice; keep one")
    share = pl.col("share").sum()
    sums = shares.group_by(within).agg(share) if within else shares.select(share)
    if (wrong := sums.filter((pl.col("share") - 1).abs() > _SUMS_TO_ONE)).height:
        where = "".join(f" in {name} {wrong[name][0]}" for name in within)
        raise FrameError(f"the shares of {column}{where} sum to {wrong['share'][0]:.6g}, they have to sum to 1")
