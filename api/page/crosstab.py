"""Any crosstab by clicking: which demographic in rows, which in columns, of whom, at which level of areas."""

from dataclasses import dataclass
from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.response import Redirect

from api.answer_payloads import AreaEstimate, EstimatesPayload
from api.auth import Principal
from api.label_text import labels_from
from api.labels import Labels, one_of
from api.page.addresses import question_address
from api.page.asking import Asking, ask_release
from api.page.heads import head_of
from api.page.kept import kept
from api.page.render import Shown, part, whole_page
from api.services import Services
from mrp.electorate import Electorate

__all__ = ["crosstab_page"]

NONE = "-"
"""Only one demographic: the columns are left out."""


@dataclass(frozen=True, slots=True)
class Table:
    """Which crosstab is asked for."""

    rows: str | None
    columns: str | None
    where: Labels
    """Who is counted."""
    option: str | None


@get(
    "/surveys/{survey_id:str}/questions/{question_id:str}/crosstab",
    operation_id="pageCrosstab",
    include_in_schema=False,
    sync_to_thread=True,
)
def crosstab_page(
    *,
    survey_id: FromPath[str],
    question_id: FromPath[str],
    request: Request[Any, Any, Any],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
    rows: Annotated[str | None, QueryParameter()] = None,
    columns: Annotated[str | None, QueryParameter()] = None,
    where: Annotated[str | None, QueryParameter()] = None,
    only: Annotated[str | None, QueryParameter(description="One more of `where`, from the form.")] = None,
    option: Annotated[str | None, QueryParameter()] = None,
    release: Annotated[str | None, QueryParameter()] = None,
) -> Response[Any]:
    """A table of two demographics."""
    asking = ask_release(services, survey_id, question_id, release)
    if only:
        # The form adds one; the address of the table has them all in one parameter, like the interface.
        whole = ",".join(filter(None, (where, only)))
        told = {"rows": rows, "columns": columns, "where": whole, "option": option, "release": asking.release_id}
        return Redirect(question_address(survey_id, question_id, "crosstab", **told), status_code=303)
    table = Table(rows or None, columns or None, labels_from(where, "where"), option or None)
    asked = (principal.role, asking.release_id, table)
    shown = kept(services, "crosstab", asked, (asking.served,), lambda: _crosstab(asking, principal, table))
    return whole_page(request, shown)


def _crosstab(asking: Asking, principal: Principal, asked: Table) -> Shown:
    head = head_of(asking, principal, "pageCrosstab", "crosstab")
    where, option = asked.where, asked.option
    electorate = asking.loaded.electorate
    # Larger areas can be rows or columns like a demographic; districts have a page of their own.
    names = tuple(electorate.demographics)
    choices = (*names, *electorate.parents)
    first = one_of("demographic", asked.rows or names[0], choices)
    # Areas of two levels at a time are no table: each lies in one of the other.
    others = [one for one in choices if one != first and not {one, first} <= set(electorate.parents)]
    second = asked.columns or (next((name for name in names if name != first), NONE))
    if second == first:
        second = NONE
    if second != NONE:
        second = one_of("demographic", second, others)
    table = _ask(asking, (first,) if second == NONE else (first, second), where, option)
    by_rows, by_columns = _ask(asking, (first,), where, option), None
    if second != NONE:
        by_columns = _ask(asking, (second,), where, option)
    everybody = asking.estimates(where=where, option=option)
    column_levels = [] if second == NONE else [one for one in _levels(electorate, second) if _is_in(second, one, where)]
    row_levels = [one for one in _levels(electorate, first) if _is_in(first, one, where)]
    main = part(
        "crosstab.html",
        head=head,
        answer=table,
        rows=first,
        columns=second,
        choices=choices,
        others=others,
        no_columns=NONE,
        row_levels=row_levels,
        column_levels=column_levels,
        cells=_cells(table, first, second),
        withheld=_withheld(table, first, second),
        of_rows=_cells(by_rows, first, NONE),
        of_columns={} if by_columns is None else _cells(by_columns, second, NONE),
        whole=everybody.estimates[0] if everybody.estimates else None,
        where=where,
        where_text=",".join(f"{column}:{level}" for column, levels in where for level in levels),
        filters=[(name, _levels(electorate, name)) for name in choices],
        options=asking.loaded.question.options,
        option=table.option,
        place=(asking.served.release.survey_id, asking.served.release.question_id),
        named=asking.release_id,
    )
    title = f"{first} by {second}" if second != NONE else first
    return Shown(f"{title}: {head.text}", main, announcement=f"Updated: release {asking.served.release.number}.")


def _ask(asking: Asking, names: tuple[str, ...], where: Labels, option: str | None) -> EstimatesPayload:
    """Shares by demographics and at most one level of areas."""
    parents = [name for name in names if name in asking.loaded.electorate.parents]
    by = tuple(name for name in names if name not in parents)
    return asking.estimates(level=parents[0] if parents else None, by=by, where=where, option=option)


def _levels(electorate: Electorate, name: str) -> tuple[str, ...]:
    return tuple(electorate.levels(name))


def _is_in(name: str, level: str, where: Labels) -> bool:
    wanted = [one for column, levels in where if column == name for one in levels]
    return not wanted or level in wanted


def _key(row: Any, first: str, second: str) -> tuple[str, str]:
    return row.groups.get(first, row.area), "" if second == NONE else row.groups.get(second, row.area)


def _cells(answer: EstimatesPayload, first: str, second: str) -> dict[tuple[str, str], AreaEstimate]:
    return {_key(row, first, second): row for row in answer.estimates}


def _withheld(answer: EstimatesPayload, first: str, second: str) -> dict[tuple[str, str], str]:
    return {_key(row, first, second): row.reason for row in answer.withheld}
