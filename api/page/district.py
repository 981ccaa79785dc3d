"""One district: what people there think, what that rests on, and groups within it."""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from api.auth import Principal
from api.measures import MEAN, value_of
from api.page import words
from api.page.asking import Asking, ask_release
from api.page.figures import groups_figure, toplines_figure
from api.page.heads import head_of
from api.page.kept import kept
from api.page.render import Shown, part, whole_page
from api.page.several import OptionsRow, by_option
from api.services import Services

__all__ = ["district_page"]


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
    of_kind = {"binary": _district, "numeric": _by_mean}.get(asking.loaded.question.kind, _of_several)
    shown = kept(services, "district", asked, (asking.served,), lambda: of_kind(asking, principal, district))
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
    said = "" if told is None else f" {profile.name}: {words.value(told)}, {words.in_interval(told)}."
    return Shown(
        f"{profile.name}: {head.text}",
        main,
        announcement=f"Updated: release {asking.served.release.number}.{said}",
    )


def _of_several(asking: Asking, principal: Principal, district: str) -> Shown:
    head = head_of(asking, principal, "pageDistrict", "districts", district)
    options = asking.loaded.question.options
    profiles = {option: asking.profile(district=district, option=option) for option in options}
    profile = profiles[options[0]]
    within = asking.every_option(level="district", districts=(district,))
    leaders = asking.leaders(level="district", districts=(district,)).leaders
    groups: dict[str, list[OptionsRow]] = {}
    for row in by_option(row for one in profiles.values() for row in one.groups):
        groups.setdefault(next(iter(row.groups)), []).append(row)
    nation = asking.every_option()
    score = None
    if asking.loaded.question.kind == "ordinal":
        score = asking.ranks(level="district", districts=(district,), measure=MEAN)
    answers = [msgspec.structs.replace(within, estimates=[row], option=row.option) for row in within.estimates]
    main = part(
        "district_several.html",
        head=head,
        profile=profile,
        options=options,
        places={option: one.district for option, one in profiles.items()},
        leader=leaders[0] if leaders else None,
        score=score,
        shares=within.estimates,
        nation={row.option: row for row in nation.estimates},
        chart=toplines_figure(answers) if answers else None,
        groups=groups,
        place=(asking.served.release.survey_id, asking.served.release.question_id),
        named=asking.release_id,
    )
    told = f" {profile.name}: “{leaders[0].option}” leads." if leaders else ""
    return Shown(
        f"{profile.name}: {head.text}",
        main,
        announcement=f"Updated: release {asking.served.release.number}.{told}",
    )


def _by_mean(asking: Asking, principal: Principal, district: str) -> Shown:
    head = head_of(asking, principal, "pageDistrict", "districts", district)
    profile = asking.profile(district=district)
    told = profile.district
    groups = {
        one.name: [row for row in profile.groups if list(row.groups) == [one.name]]
        for one in asking.loaded.declaration.demographics
    }
    main = part(
        "district_means.html",
        head=head,
        profile=profile,
        nation=next(iter(asking.means().means), None),
        groups=groups,
        chart=groups_figure(
            profile,
            [msgspec.structs.replace(row, area="all") for row in profile.groups],
            reference=None if told is None else value_of(told),
            title="Means of groups there",
        ),
        place=(asking.served.release.survey_id, asking.served.release.question_id),
        named=asking.release_id,
    )
    said = "" if told is None else f" {profile.name}: {words.value(told)}."
    return Shown(
        f"{profile.name}: {head.text}",
        main,
        announcement=f"Updated: release {asking.served.release.number}.{said}",
    )
