"""The first screen of a question: what is thought, how sure that is, whether it changed, where, why to believe it."""

from contextlib import suppress
from itertools import combinations
from typing import Annotated, Any, Final

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from api.answer_payloads import EstimatesPayload
from api.auth import Principal
from api.errors import EstimateRefused
from api.labels import DISTRICT
from api.page import words
from api.page.asking import Asking, ask_release
from api.page.figures import groups_figure, map_figure, toplines_figure
from api.page.heads import head_of
from api.page.kept import kept
from api.page.render import Shown, part, whole_page
from api.record_words import record_in_words
from api.served import Served
from api.services import Services
from api.track_record import track_record
from polling.errors import DrawsNotFound
from polling.store import checks
from polling.store.checks import ConcernRecord

__all__ = ["answers_of", "movement_of", "question_page"]

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
    release: Annotated[str | None, QueryParameter()] = None,
) -> Response[Any]:
    """What is thought of a question."""
    asking = ask_release(services, survey_id, question_id, release)
    earlier = asking.earlier()
    with services.store.read() as session:
        record = tuple(record_in_words(track_record(session, survey_id, question_id, level=DISTRICT)))
    asked = (principal.role, asking.release_id, asking.served.confirmation, record)
    rests_on = (asking.served,) if earlier is None else (asking.served, earlier)
    shown = kept(services, "question", asked, rests_on, lambda: _question(asking, principal, earlier, record))
    return whole_page(request, shown)


def _question(asking: Asking, principal: Principal, earlier: Served | None, record: tuple[str, ...]) -> Shown:
    head = head_of(asking, principal, "pageQuestion")
    loaded, served = asking.loaded, asking.served
    answers = answers_of(asking)
    toplines = [(one.option, row) for one in answers for row in one.estimates]
    nation = answers[0]
    districts = asking.estimates(level="district")
    groups = [(one, asking.estimates(by=(one.name,))) for one in loaded.declaration.demographics]
    main = part(
        "question.html",
        head=head,
        universe=loaded.declaration.universe,
        answer=nation,
        toplines=toplines,
        districts=districts,
        closest=sorted(districts.estimates, key=lambda row: (abs(row.share - 0.5), row.area))[:CLOSEST],
        groups=groups,
        parents=[(one, asking.estimates(level=one)) for one in loaded.electorate.parents[:PARENTS]],
        pairs=list(combinations((one.name for one in loaded.declaration.demographics), 2))[:PAIRS],
        charts={
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
        movement=movement_of(asking, earlier),
        described=asking.described(),
        concerns=_concerns(asking),
        record=record,
        reasons=head.reasons,
        place=(served.release.survey_id, served.release.question_id),
        named=asking.release_id,
    )
    first = toplines[0][1] if toplines else None
    told = "" if first is None else f" {toplines[0][0]}: {words.percent(first.share)}, {words.in_interval(first)}."
    return Shown(
        f"{head.text} · {head.survey_title}",
        main,
        announcement=f"Updated: release {served.release.number}.{told}",
    )


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


def movement_of(asking: Asking, earlier: Served | None) -> dict[str, Any]:
    """How the share moved: between periods if the model has them, else what this release says differently."""
    if asking.has_periods:
        return _change(asking)
    return _none("This is the first release of the question.") if earlier is None else _revision(asking, earlier)


def _change(asking: Asking) -> dict[str, Any]:
    try:
        change = asking.change()
    except EstimateRefused:  # it is the first period
        return _none("There is one period so far: change is told from the second on.")
    if not change.changes:
        return _none("Too few people to tell.")
    return {"kind": "change", "since": change.since, "until": change.period, "row": change.changes[0]}


def _revision(asking: Asking, earlier: Served) -> dict[str, Any]:
    try:
        revision = asking.revision(earlier)
    except DrawsNotFound:
        return _none(f"The draws of release {earlier.release.number}, which was before it, are not kept any more.")
    except EstimateRefused as refused:
        return _none(str(refused))
    if not revision.revisions:
        return _none("Too few people to tell.")
    return {"kind": "revision", "before": revision.before, "row": revision.revisions[0]}


def _none(why: str) -> dict[str, Any]:
    return {"kind": "none", "why": why}
