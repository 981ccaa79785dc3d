"""Any crosstab by clicking: which demographic in rows, which in columns, of whom, at which level of areas."""

from dataclasses import dataclass, replace
from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.response import Redirect

from api.auth import Principal
from api.label_text import labels_from
from api.labels import Labels, one_of
from api.misreport import TRUTH, words_of
from api.page.addresses import question_address
from api.page.asking import Asking, ask_release, measured
from api.page.crosstab_tables import ANSWERS, NONE, cells_of
from api.page.heads import head_of
from api.page.kept import kept
from api.page.render import Shown, part, whole_page
from api.services import Services
from mrp.electorate import Electorate

__all__ = ["crosstab_page"]


@dataclass(frozen=True, slots=True)
class Table:
    """Which crosstab is asked for."""

    rows: str | None
    columns: str | None
    where: Labels
    """Who is counted."""
    option: str | None
    measure: str | None
    """mean: that of the scores of a scale; None: a share, or the mean of numbers."""
    estimand: str | None
    """truth: of what people did, where reports are wrong at declared rates."""


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
    measure: Annotated[str | None, QueryParameter(description="Of a scale: share or mean.")] = None,
    estimand: Annotated[str | None, QueryParameter(description="reports or truth.")] = None,
    population: Annotated[str | None, QueryParameter(description="Whom it is about.")] = None,
    release: Annotated[str | None, QueryParameter()] = None,
) -> Response[Any]:
    """A table of two demographics."""
    asking = ask_release(services, survey_id, question_id, release, population=population)
    if only:
        # The form adds one; the address of the table has them all in one parameter, like the interface.
        whole = ",".join(filter(None, (where, only)))
        told = {"rows": rows, "columns": columns, "where": whole, "option": option, "measure": measure}
        told |= {"estimand": estimand, **asking.named}
        return Redirect(question_address(survey_id, question_id, "crosstab", **told), status_code=303)
    counted, named = labels_from(where, "where"), measured(asking, option, measure)
    table = Table(rows or None, columns or None, counted, **named, estimand=estimand or None)
    asked = (principal.role, *asking.named.values(), table)

    def ask() -> Shown:
        return _crosstab(asking, principal, table)

    shown = kept(services, "crosstab", asked, (asking.served,), ask, population=asking.population)
    return whole_page(request, shown)


def _crosstab(asking: Asking, principal: Principal, asked: Table) -> Shown:
    where = asked.where
    where_text = ",".join(f"{column}:{level}" for column, levels in where for level in levels)
    also = {"rows": asked.rows, "columns": asked.columns, "where": where_text}
    also |= {"option": asked.option, "measure": asked.measure, "estimand": asked.estimand}
    head = head_of(asking, principal, "pageCrosstab", "crosstab", also=also)
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
    is_of_several = len(asking.loaded.question.options) > 2 and asked.measure is None
    if second != NONE and not (second == ANSWERS and is_of_several):
        second = one_of("demographic", second, others)
    table = cells_of(asking, first, second, where, option=asked.option, measure=asked.measure, estimand=asked.estimand)
    if table.answer.estimand == TRUTH:
        head = replace(head, of_what="")  # the table says what it is of
    column_levels = _columns(asking, second, where)
    row_levels = [one for one in _levels(electorate, first) if _is_in(first, one, where)]
    main = part(
        "crosstab.html",
        head=head,
        answer=table.answer,
        rows=first,
        columns=second,
        choices=choices,
        others=others,
        no_columns=NONE,
        answers=ANSWERS,
        is_of_several=is_of_several,
        row_levels=row_levels,
        column_levels=column_levels,
        table=table,
        where=where,
        where_text=where_text,
        filters=[(name, _levels(electorate, name)) for name in choices],
        options=asking.loaded.question.options,
        option=table.answer.option,
        is_scale=asking.loaded.question.kind == "ordinal",
        told_of=words_of(asking.loaded.fit, of=table.answer.estimand),
        place=(asking.served.release.survey_id, asking.served.release.question_id),
        named=asking.named,
    )
    columns = {NONE: "", ANSWERS: " by answer"}.get(second, f" by {second}")
    return Shown(
        f"{first}{columns}: {head.text}", main, announcement=f"Updated: release {asking.served.release.number}."
    )


def _columns(asking: Asking, second: str, where: Labels) -> list[str]:
    if second == ANSWERS:
        return list(asking.loaded.question.options)
    if second == NONE:
        return []
    return [one for one in _levels(asking.loaded.electorate, second) if _is_in(second, one, where)]


def _levels(electorate: Electorate, name: str) -> tuple[str, ...]:
    return tuple(electorate.levels(name))


def _is_in(name: str, level: str, where: Labels) -> bool:
    wanted = [one for column, levels in where if column == name for one in levels]
    return not wanted or level in wanted
