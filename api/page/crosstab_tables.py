"""The numbers of a crosstab: shares of one option or means by two demographics, or all options by one."""

from dataclasses import dataclass
from typing import Any

from api.answer_payloads import AreaEstimate, AreaMean, EstimatesPayload, GroupsHead, MeansPayload
from api.labels import Labels
from api.measures import MEAN
from api.page.asking import Asking

__all__ = ["ANSWERS", "NONE", "Cells", "cells_of"]

NONE = "-"
"""Only one demographic: the columns are left out."""
ANSWERS = "*"
"""The options of the question are the columns."""

type Row = AreaEstimate | AreaMean
type Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Cells:
    """A table as it is shown."""

    answer: GroupsHead
    cells: dict[Key, Row]
    """By the levels of row and column."""
    withheld: dict[Key, str]
    of_rows: dict[Key, Row]
    """Of all columns together, by the level of the row and ""."""
    of_columns: dict[Key, Row]
    whole: Row | None

    def tint(self, row: Row) -> int:
        """How dark its cell is, from 0 to 10: the share, or where a mean stands among those of the table."""
        if isinstance(row, AreaEstimate):
            return round(10 * row.share)
        means = [one.mean for one in self.cells.values() if isinstance(one, AreaMean)]
        low, high = min(means, default=0.0), max(means, default=0.0)
        return round(10 * min(max((row.mean - low) / (high - low), 0.0), 1.0)) if high > low else 5


def cells_of(
    asking: Asking,
    first: str,
    second: str,
    where: Labels,
    *,
    option: str | None,
    measure: str | None,
    estimand: str | None = None,
) -> Cells:
    """Every number of a table.

    Parameters
    ----------
    first, second
        What rows and columns are: a demographic or a level of areas; of columns also `NONE` or `ANSWERS`.
    option, measure
        Whose share, or that it is the mean; of numbers it always is.
    estimand
        Of reports or of the truth, see `api.misreport`.
    """
    if second == ANSWERS:
        return _by_answer(asking, first, where, estimand)
    is_mean = measure == MEAN or asking.loaded.question.kind == "numeric"

    def ask(*names: str) -> EstimatesPayload | MeansPayload:
        query = _query(asking, names, where, estimand)
        return asking.means(**query) if is_mean else asking.estimates(**query, option=option)

    table = ask(first) if second == NONE else ask(first, second)
    by_rows = ask(first)
    return Cells(
        table,
        {_key(row, first, second): row for row in _rows(table)},
        {_key(row, first, second): row.reason for row in table.withheld},
        {_key(row, first, NONE): row for row in _rows(by_rows)},
        {} if second == NONE else {_key(row, second, NONE): row for row in _rows(ask(second))},
        next(iter(_rows(ask())), None),
    )


def _by_answer(asking: Asking, first: str, where: Labels, estimand: str | None) -> Cells:
    table = asking.every_option(**_query(asking, (first,), where, estimand))
    everybody = asking.every_option(where=where, estimand=estimand)
    options = asking.loaded.question.options
    return Cells(
        table,
        {(_key(row, first, NONE)[0], row.option): row for row in table.estimates},
        {(_key(row, first, NONE)[0], option): row.reason for row in table.withheld for option in options},
        {},
        {(row.option, ""): row for row in everybody.estimates},
        None,
    )


def _query(asking: Asking, names: tuple[str, ...], where: Labels, estimand: str | None) -> dict[str, Any]:
    """Demographics and at most one level of areas."""
    parents = [name for name in names if name in asking.loaded.electorate.parents]
    by = tuple(name for name in names if name not in parents)
    return {"level": parents[0] if parents else None, "by": by, "where": where, "estimand": estimand}


def _rows(answer: EstimatesPayload | MeansPayload) -> list[Any]:
    return list(answer.means if isinstance(answer, MeansPayload) else answer.estimates)


def _key(row: Any, first: str, second: str) -> Key:
    return row.groups.get(first, row.area), "" if second == NONE else row.groups.get(second, row.area)
