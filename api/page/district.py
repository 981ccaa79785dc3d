"""One district: what people there think, what that rests on, and groups within it."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from api.answer_payloads import AreaEstimate, AreaMean
from api.auth import Principal
from api.labels import DISTRICT
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
    population: Annotated[str | None, QueryParameter(description="Whom it is about.")] = None,
    release: Annotated[str | None, QueryParameter()] = None,
) -> Response[Any]:
    """One district."""
    asking = ask_release(services, survey_id, question_id, release, population=population)
    asked = (principal.role, *asking.named.values(), district)
    of_kind = {"binary": _district, "numeric": _by_mean}.get(asking.loaded.question.kind, _of_several)

    def ask() -> Shown:
        return of_kind(asking, principal, district)

    shown = kept(services, "district", asked, (asking.served,), ask, population=asking.population)
    return whole_page(request, shown)


def _district(asking: Asking, principal: Principal, district: str) -> Shown:
    head = head_of(asking, principal, "pageDistrict", "districts", district, also={})
    profile = asking.profile(district=district)
    there = {"level": DISTRICT, "districts": (district,)}
    answer = asking.estimates(**there)
    row = next(iter(answer.estimates), None)
    groups = {name: asking.estimates(**there, by=(name,)).estimates for name in _demographics(asking)}
    main = part(
        "district.html",
        head=head,
        profile=profile,
        row=row,
        groups=groups,
        chart=groups_figure(
            answer,
            _by_group_alone(groups),
            reference=None if row is None else row.share,
            title=f"Share of “{profile.option}” in groups there",
        ),
        place=(asking.served.release.survey_id, asking.served.release.question_id),
        named=asking.named,
        nation=asking.estimates().estimates,
    )
    said = "" if row is None else f" {profile.name}: {words.value(row)}, {words.in_interval(row)}."
    return Shown(
        f"{profile.name}: {head.text}",
        main,
        announcement=f"Updated: release {asking.served.release.number}.{said}",
    )


def _of_several(asking: Asking, principal: Principal, district: str) -> Shown:
    head = head_of(asking, principal, "pageDistrict", "districts", district, also={})
    options = asking.loaded.question.options
    profiles = {option: asking.profile(district=district, option=option) for option in options}
    profile = profiles[options[0]]
    there = {"level": DISTRICT, "districts": (district,)}
    within = asking.every_option(**there)
    leaders = asking.leaders(**there).leaders
    groups: dict[str, list[OptionsRow]] = {
        name: by_option(asking.every_option(**there, by=(name,)).estimates) for name in _demographics(asking)
    }
    nation = asking.every_option()
    ranks, score = None, None
    if asking.loaded.question.kind == "ordinal":
        ranks = asking.ranks(**there, measure=MEAN)
        score = next(iter(asking.means(**there).means), None)
    answers = [msgspec.structs.replace(within, estimates=[row], option=row.option) for row in within.estimates]
    main = part(
        "district_several.html",
        head=head,
        profile=profile,
        options=options,
        places={option: one.district for option, one in profiles.items()},
        leader=leaders[0] if leaders else None,
        ranks=ranks,
        score=score,
        shares={row.option: row for row in within.estimates},
        nation={row.option: row for row in nation.estimates},
        chart=toplines_figure(answers) if answers else None,
        groups=groups,
        place=(asking.served.release.survey_id, asking.served.release.question_id),
        named=asking.named,
    )
    told = f" {profile.name}: “{leaders[0].option}” leads." if leaders else ""
    return Shown(
        f"{profile.name}: {head.text}",
        main,
        announcement=f"Updated: release {asking.served.release.number}.{told}",
    )


def _by_mean(asking: Asking, principal: Principal, district: str) -> Shown:
    head = head_of(asking, principal, "pageDistrict", "districts", district, also={})
    profile = asking.profile(district=district)
    there = {"level": DISTRICT, "districts": (district,)}
    answer = asking.means(**there)
    whole = next(iter(answer.means), None)
    groups = {name: asking.means(**there, by=(name,)).means for name in _demographics(asking)}
    main = part(
        "district_means.html",
        head=head,
        profile=profile,
        whole=whole,
        nation=next(iter(asking.means().means), None),
        groups=groups,
        chart=groups_figure(
            answer,
            _by_group_alone(groups),
            reference=None if whole is None else value_of(whole),
            title="Means of groups there",
        ),
        place=(asking.served.release.survey_id, asking.served.release.question_id),
        named=asking.named,
    )
    said = "" if whole is None else f" {profile.name}: {words.value(whole)}."
    return Shown(
        f"{profile.name}: {head.text}",
        main,
        announcement=f"Updated: release {asking.served.release.number}.{said}",
    )


def _demographics(asking: Asking) -> list[str]:
    return [one.name for one in asking.loaded.declaration.demographics]


def _by_group_alone[R: (AreaEstimate, AreaMean)](groups: Mapping[str, Sequence[R]]) -> list[R]:
    """Rows of one district, named by their group alone: all of them are there."""
    return [msgspec.structs.replace(row, area="all") for rows in groups.values() for row in rows]
