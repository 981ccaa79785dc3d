"""The first screen of a question: what is thought, how sure that is, whether it changed, where, why to believe it."""

from contextlib import suppress
from itertools import combinations
from typing import Annotated, Any, Final

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from api.answer_payloads import AreaEstimate, EstimatesPayload
from api.auth import Principal
from api.errors import EstimateRefused
from api.labels import DISTRICT
from api.page import words
from api.page.asking import Asking, ask_release
from api.page.figures import groups_figure, map_figure, toplines_figure
from api.page.heads import head_of
from api.page.kept import kept
from api.page.means import means_of
from api.page.movement import movement_of
from api.page.render import Shown, part, whole_page
from api.page.several import several_of
from api.record_words import record_in_words
from api.served import Served
from api.services import Services
from api.track_record import track_record
from polling.store import checks
from polling.store.checks import ConcernRecord

__all__ = ["answers_of", "question_page"]

PAIRS: Final = 15
"""Crosstabs that are offered at once; any other is made on their page."""
PARENTS: Final = 2
"""Levels of larger areas that are shown."""
CLOSEST: Final = 5
"""Districts that are named."""


@get(
    "/surveys/{survey_id:str}/questions/{question_id:str}",
    operation_id="pageQuestion",
    include_in_schema=False,
    sync_to_thread=True,
)
def question_page(
    *,
    survey_id: FromPath[str],
    question_id: FromPath[str],
    request: Request[Any, Any, Any],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
    option: Annotated[str | None, QueryParameter(description="Of several: the option that is shown.")] = None,
    population: Annotated[str | None, QueryParameter(description="Whom it is about.")] = None,
    release: Annotated[str | None, QueryParameter()] = None,
) -> Response[Any]:
    """What is thought of a question."""
    asking = ask_release(services, survey_id, question_id, release, population=population)
    earlier = asking.earlier()
    with services.store.read() as session:
        record = tuple(record_in_words(track_record(session, survey_id, question_id, level=DISTRICT)))
    # The first page tells of every population, whatever its answers are about.
    told_by = asking.served.populations
    asked = (principal.role, *asking.named.values(), asking.served.confirmation, record, option or None, told_by)
    rests_on = (asking.served,) if earlier is None else (asking.served, earlier)

    def ask() -> Shown:
        return _question(asking, principal, earlier, record, option or None)

    shown = kept(services, "question", asked, rests_on, ask, population=asking.population)
    return whole_page(request, shown)


def _question(
    asking: Asking, principal: Principal, earlier: Served | None, record: tuple[str, ...], option: str | None
) -> Shown:
    head = head_of(asking, principal, "pageQuestion", also={"option": option})
    loaded, served = asking.loaded, asking.served
    template, about, told = _opinion(asking, earlier, option)
    main = part(
        template,
        head=head,
        universe=loaded.declaration.universe,
        pairs=list(combinations((one.name for one in loaded.declaration.demographics), 2))[:PAIRS],
        described=asking.described(),
        concerns=_concerns(asking),
        record=record,
        reasons=head.reasons,
        place=(served.release.survey_id, served.release.question_id),
        named=asking.named,
        **about,
    )
    return Shown(
        f"{head.text} · {head.survey_title}",
        main,
        announcement=f"Updated: release {served.release.number}.{told}",
    )


def _opinion(asking: Asking, earlier: Served | None, option: str | None) -> tuple[str, dict[str, Any], str]:
    """The template for a question of this kind, what it needs, and what is said of it when it is new."""
    kind = asking.loaded.question.kind
    if kind == "numeric":
        about = means_of(asking, earlier)
        whole = about["whole"]
        return "question_means.html", about, "" if whole is None else f" Mean: {words.value(whole)}."
    if kind != "binary":
        about = several_of(asking, earlier, option)
        return "question_several.html", about, _told(about["toplines"])
    about = _two_options(asking, earlier)
    return "question.html", about, _told(about["toplines"])


def _told(toplines: list[tuple[str, AreaEstimate]]) -> str:
    if not toplines:
        return ""
    option, row = toplines[0]
    return f" {option}: {words.percent(row.share)}, {words.in_interval(row)}."


def _two_options(asking: Asking, earlier: Served | None) -> dict[str, Any]:
    loaded = asking.loaded
    answers = answers_of(asking)
    toplines = [(one.option, row) for one in answers for row in one.estimates]
    nation = answers[0]
    districts = asking.estimates(level="district")
    groups = [(one, asking.estimates(by=(one.name,))) for one in loaded.declaration.demographics]
    return {
        "answer": nation,
        "toplines": toplines,
        "districts": districts,
        "closest": sorted(districts.estimates, key=lambda row: (abs(row.share - 0.5), row.area))[:CLOSEST],
        "groups": groups,
        "parents": [(one, asking.estimates(level=one)) for one in loaded.electorate.parents[:PARENTS]],
        "charts": {
            "toplines": toplines_figure(answers),
            "map": map_figure(asking, districts, districts.estimates),
            "groups": groups_figure(
                groups[0][1],
                [row for _, of in groups for row in of.estimates],
                reference=nation.estimates[0].share if nation.estimates else None,
                title=f"Share of “{nation.option}” in groups",
            )
            if groups
            else None,
        },
        "movement": movement_of(asking, earlier),
    }


def _concerns(asking: Asking) -> tuple[ConcernRecord, ...] | None:
    """What its checks found, the worst first; None if they are not made yet."""
    with asking.services.store.read() as session:
        return checks.concerns_of(session, asking.served.release.fit_id)


def answers_of(asking: Asking) -> list[EstimatesPayload]:
    """The share of everybody for each option that is estimated."""
    found = []
    for option in asking.loaded.question.options:
        # Where the base counts more than answers, the rest of it is not the other option alone.
        with suppress(EstimateRefused):
            found.append(asking.estimates(option=option))
    return found
