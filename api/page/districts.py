"""Districts: all of them from the highest share to the lowest, or the closest first; and everything about one."""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from api.auth import Principal
from api.labels import one_of
from api.page import words
from api.page.asking import Asking, ask_release
from api.page.figures import groups_figure, map_figure
from api.page.heads import head_of
from api.page.kept import kept
from api.page.render import Shown, part, whole_page
from api.services import Services

__all__ = ["district_page", "districts_page"]

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
    release: Annotated[str | None, QueryParameter()] = None,
) -> Response[Any]:
    """Every district."""
    asking = ask_release(services, survey_id, question_id, release)
    order = one_of("order", order or "highest", ORDERS)
    asked = (principal.role, asking.release_id, order)
    shown = kept(services, "districts", asked, (asking.served,), lambda: _districts(asking, principal, order))
    return whole_page(request, shown)


def _districts(asking: Asking, principal: Principal, order: str) -> Shown:
    head = head_of(asking, principal, "pageDistricts", "districts")
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
        named=asking.release_id,
    )
    return Shown(f"Districts: {head.text}", main, announcement=f"Updated: release {asking.served.release.number}.")


@get(
    "/surveys/{survey_id:str}/questions/{question_id:str}/districts/{district:str}",
    operation_id="pageDistrict",
    include_in_schema=False,
    sync_to_thread=True,
)
def district_page(
    *,
    survey_id: FromPath[str],
    question_id: FromPath[str],
    district: FromPath[str],
    request: Request[Any, Any, Any],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
    release: Annotated[str | None, QueryParameter()] = None,
) -> Response[Any]:
    """One district."""
    asking = ask_release(services, survey_id, question_id, release)
    asked = (principal.role, asking.release_id, district)
    shown = kept(services, "district", asked, (asking.served,), lambda: _district(asking, principal, district))
    return whole_page(request, shown)


def _district(asking: Asking, principal: Principal, district: str) -> Shown:
    head = head_of(asking, principal, "pageDistrict", "districts", district)
    profile = asking.profile(district=district)
    groups = {
        one.name: [row for row in profile.groups if list(row.groups) == [one.name]]
        for one in asking.loaded.declaration.demographics
    }
    main = part(
        "district.html",
        head=head,
        profile=profile,
        groups=groups,
        chart=groups_figure(
            profile,
            # Named by their group alone: all of them are there.
            [msgspec.structs.replace(row, area="all") for row in profile.groups],
            reference=None if profile.district is None else profile.district.share,
            title=f"Share of “{profile.option}” in groups there",
        ),
        place=(asking.served.release.survey_id, asking.served.release.question_id),
        named=asking.release_id,
        nation=asking.estimates().estimates,
    )
    told = profile.district
    said = "" if told is None else f" {profile.name}: {words.percent(told.share)}, {words.in_interval(told)}."
    return Shown(
        f"{profile.name}: {head.text}",
        main,
        announcement=f"Updated: release {asking.served.release.number}.{said}",
    )


def _parents(asking: Asking) -> dict[str, str]:
    """Of each district, the areas it lies in."""
    electorate = asking.loaded.electorate
    return {
        row["code"]: " · ".join(str(row[parent]) for parent in electorate.parents)
        for row in electorate.districts.iter_rows(named=True)
    }
