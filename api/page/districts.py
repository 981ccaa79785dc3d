"""Districts: all of them from the highest share or mean to the lowest, or the closest first."""

from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from api.auth import Principal
from api.labels import one_of
from api.measures import value_of
from api.page.asking import Asking, ask_release
from api.page.figures import map_figure
from api.page.heads import head_of
from api.page.kept import kept
from api.page.render import Shown, part, whole_page
from api.page.several import by_option, choices_of, chosen, map_of
from api.services import Services

__all__ = ["districts_page"]

SEVERAL = {"name": "by name", "highest": "surest lead first", "closest": "closest first"}
"""Of several options together."""
SCALE_CLOSEST = "least sure which answer leads"
"""Of the points of a scale, which else are ordered by the mean score."""
ORDERS = {"name": "by name", "highest": "highest first", "lowest": "lowest first", "closest": "closest to half first"}


@get(
    "/surveys/{survey_id:str}/questions/{question_id:str}/districts",
    operation_id="pageDistricts",
    include_in_schema=False,
    sync_to_thread=True,
)
def districts_page(
    *,
    survey_id: FromPath[str],
    question_id: FromPath[str],
    request: Request[Any, Any, Any],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
    order: Annotated[str | None, QueryParameter()] = None,
    option: Annotated[str | None, QueryParameter(description="Of several: the option whose map is shown.")] = None,
    population: Annotated[str | None, QueryParameter(description="Whom it is about.")] = None,
    release: Annotated[str | None, QueryParameter()] = None,
) -> Response[Any]:
    """Every district."""
    asking = ask_release(services, survey_id, question_id, release, population=population)
    kind = asking.loaded.question.kind
    orders = {name: text for name, text in ORDERS.items() if kind != "numeric" or name != "closest"}
    if kind == "ordinal":
        orders["closest"] = SCALE_CLOSEST
    order = one_of("order", order or "highest", orders)
    asked = (principal.role, *asking.named.values(), order, option or None)

    def ask() -> Shown:
        if kind == "binary":
            return _districts(asking, principal, order)
        if kind == "numeric" or (kind == "ordinal" and not option and order != "closest"):
            return _districts_by_mean(asking, principal, order, orders)
        return _districts_of_several(asking, principal, order, option or None)

    shown = kept(services, "districts", asked, (asking.served,), ask, population=asking.population)
    return whole_page(request, shown)


def _districts(asking: Asking, principal: Principal, order: str) -> Shown:
    head = head_of(asking, principal, "pageDistricts", "districts", also={"order": order})
    answer = asking.estimates(level="district")
    keys: dict[str, Any] = {
        "name": lambda row: (row.area_name, row.area),
        "highest": lambda row: (-row.share, row.area),
        "lowest": lambda row: (row.share, row.area),
        "closest": lambda row: (abs(row.share - 0.5), row.area),
    }
    main = part(
        "districts.html",
        head=head,
        answer=answer,
        chart=map_figure(asking, answer, answer.estimates),
        rows=sorted(answer.estimates, key=keys[order]),
        order=order,
        orders=ORDERS,
        parents=asking.loaded.electorate.parents,
        parent_of=_parents(asking),
        place=(asking.served.release.survey_id, asking.served.release.question_id),
        named=asking.named,
    )
    return Shown(f"Districts: {head.text}", main, announcement=f"Updated: release {asking.served.release.number}.")


def _districts_of_several(asking: Asking, principal: Principal, order: str, option: str | None) -> Shown:
    head = head_of(asking, principal, "pageDistricts", "districts", also={"order": order, "option": option})
    option = chosen(asking, option)
    leaders = asking.leaders(level="district")
    shares = {one.area: one.shares for one in by_option(asking.every_option(level="district").estimates)}
    # In order of one option where one is shown, else of how sure it is who leads.
    sizes = {row.area: row.p_leads if option is None else value_of(shares[row.area][option]) for row in leaders.leaders}
    orders = SEVERAL if option is None else {**ORDERS, "closest": SEVERAL["closest"]}
    keys: dict[str, Any] = {
        "name": lambda row: (row.area_name, row.area),
        "highest": lambda row: (-sizes[row.area], row.area),
        "lowest": lambda row: (sizes[row.area], row.area),
        "closest": lambda row: (row.p_leads, row.area),
    }
    main = part(
        "districts_several.html",
        head=head,
        answer=leaders,
        chart=map_of(asking, option, leaders),
        rows=sorted(leaders.leaders, key=keys[order]),
        shares=shares,
        options=asking.loaded.question.options,
        option=option,
        choices=choices_of(asking),
        order=order,
        orders=orders,
        place=(asking.served.release.survey_id, asking.served.release.question_id),
        named=asking.named,
    )
    return Shown(f"Districts: {head.text}", main, announcement=f"Updated: release {asking.served.release.number}.")


def _districts_by_mean(asking: Asking, principal: Principal, order: str, orders: dict[str, str]) -> Shown:
    head = head_of(asking, principal, "pageDistricts", "districts", also={"order": order})
    answer = asking.means(level="district")
    is_scale = asking.loaded.question.kind == "ordinal"
    keys: dict[str, Any] = {
        "name": lambda row: (row.area_name, row.area),
        "highest": lambda row: (-row.mean, row.area),
        "lowest": lambda row: (row.mean, row.area),
    }
    main = part(
        "districts_means.html",
        head=head,
        answer=answer,
        chart=map_figure(asking, answer, answer.means),
        rows=sorted(answer.means, key=keys[order]),
        choices=choices_of(asking) if is_scale else None,
        order=order,
        orders=orders,
        place=(asking.served.release.survey_id, asking.served.release.question_id),
        named=asking.named,
    )
    return Shown(f"Districts: {head.text}", main, announcement=f"Updated: release {asking.served.release.number}.")


def _parents(asking: Asking) -> dict[str, str]:
    """Of each district, the areas it lies in."""
    electorate = asking.loaded.electorate
    return {
        row["code"]: " · ".join(str(row[parent]) for parent in electorate.parents)
        for row in electorate.districts.iter_rows(named=True)
    }
