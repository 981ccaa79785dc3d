"""The charts of pages. One that cannot be drawn is left out and logged: its table says the same."""

import logging
from collections.abc import Callable, Sequence

from api.answer_payloads import EstimatesPayload, GroupRow, GroupsHead
from api.charts import Chart, ChartFailed, change_chart, district_map, interval_chart, leaders_map, toplines_chart
from api.charts.measures import Estimate
from api.charts.places import Places
from api.comparison_payloads import RevisionPayload
from api.leading import LeadersPayload
from api.map_places import find_places
from api.page.addresses import question_address
from api.page.asking import Asking

__all__ = [
    "district_address",
    "drawn",
    "groups_figure",
    "leaders_figure",
    "map_figure",
    "places_of",
    "revision_figure",
    "toplines_figure",
]

log = logging.getLogger("hustings.api")


def drawn(draw: Callable[[], Chart]) -> Chart | None:
    """A chart, or None if it cannot be drawn."""
    try:
        return draw()
    except ChartFailed as failed:
        log.error("a page lacks a chart: %s", failed)
        return None


def map_figure(asking: Asking, head: GroupsHead, rows: Sequence[Estimate], *, linked: bool = True) -> Chart | None:
    """The map of districts, on the survey's boundaries or on tiles; each leads to its page, where there are pages."""
    places = places_of(asking)
    link = (lambda row: district_address(asking, row)) if linked else None
    return drawn(lambda: district_map(head, rows, places, link=link))


def leaders_figure(asking: Asking, answer: LeadersPayload, *, linked: bool = True) -> Chart | None:
    """The map of which option leads."""
    places, options = places_of(asking), asking.loaded.question.options
    link = (lambda row: district_address(asking, row)) if linked else None
    return drawn(lambda: leaders_map(answer, options, places, link=link))


def places_of(asking: Asking) -> Places:
    """Where the districts of a release are, for maps."""
    release = asking.served.release
    places, _ = find_places(
        asking.services,
        release.survey_id,
        version=release.survey_version,
        districts=asking.loaded.electorate.districts,
    )
    return places


def toplines_figure(answers: Sequence[EstimatesPayload]) -> Chart | None:
    """Shares of the options."""
    return drawn(lambda: toplines_chart(answers, title="Shares and their intervals"))


def groups_figure(head: GroupsHead, rows: Sequence[Estimate], *, reference: float | None, title: str) -> Chart | None:
    """Shares or means of groups, beside that of everybody."""
    return drawn(lambda: interval_chart(head, rows, reference=reference, title=title)) if rows else None


def revision_figure(asking: Asking, answer: RevisionPayload) -> Chart | None:
    """What a release says differently of districts."""
    if not answer.revisions:
        return None
    title = "Where it differs most"
    return drawn(lambda: change_chart(answer, link=lambda row: district_address(asking, row), title=title))


def district_address(asking: Asking, row: GroupRow) -> str:
    """Where the page of a district is."""
    release = asking.served.release
    return question_address(release.survey_id, release.question_id, "districts", row.area, **asking.named)
