"""Which districts are next to each other: the column ``neighbours`` of the table of districts.

A district names the codes of those next to it, as a list, or as text with semicolons ("D2;D5"). To be next to each
other is mutual and needs two: a district that names itself, or another that does not name it back, is a fault of the
table and refused, since nobody can say which of the two was meant. No neighbours, or a gap, is an island.
"""

import polars as pl

from mrp.errors import FrameError

__all__ = ["NEIGHBOURS", "Pairs", "neighbour_pairs"]

NEIGHBOURS = "neighbours"
"""Name of the column."""

type Pairs = tuple[tuple[int, int], ...]
"""Each pair of neighbours once, by their positions among the sorted codes, the smaller first; sorted."""

_SHOWN = 3


def neighbour_pairs(districts: pl.DataFrame) -> Pairs | None:
    """The pairs of neighbours; None if the table does not have the column.

    Parameters
    ----------
    districts
        With ``code`` (one row for each).

    Raises
    ------
    FrameError
        With the first few of all faults: the column is of another type, or a district names one that is not there,
        itself, or one that does not name it back.
    """
    if NEIGHBOURS not in districts.columns:
        return None
    lists = _as_lists(districts[NEIGHBOURS])
    codes = [str(code) for code in districts["code"]]
    of = dict(zip(codes, (set(names) for names in lists), strict=True))
    faults = []
    for code in sorted(of):
        for other in sorted(of[code]):
            if other not in of:
                faults.append(f"{code} has the neighbour {other!r}, which is not a district")
            elif other == code:
                faults.append(f"{code} is its own neighbour; remove it")
            elif code not in of[other]:
                faults.append(f"{code} has the neighbour {other}, which does not have {code}; name both or neither")
    if faults:
        more = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise FrameError(f"column {NEIGHBOURS!r} of the districts: {'; '.join(faults[:_SHOWN])}{more}")
    at = {code: i for i, code in enumerate(sorted(of))}
    return tuple(sorted((at[one], at[two]) for one in of for two in of[one] if at[one] < at[two]))


def _as_lists(column: pl.Series) -> list[list[str]]:
    if isinstance(column.dtype, pl.String | pl.Null):
        text = column.cast(pl.String).fill_null("").to_list()
        return [[name.strip() for name in names.split(";") if name.strip()] for names in text]
    if isinstance(column.dtype, pl.List | pl.Array):
        inner = column.dtype.inner
        if isinstance(inner, pl.String | pl.Categorical | pl.Enum | pl.Null):
            return [[name for name in names or () if name is not None] for names in column.to_list()]
    raise FrameError(
        f"column {NEIGHBOURS!r} of the districts is of type {column.dtype}; it has to be lists of codes, or text with "
        "semicolons between codes, as in D2;D5"
    )
