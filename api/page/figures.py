"""The charts of pages. One that cannot be drawn is left out and logged: its table says the same."""

import logging
from collections.abc import Callable, Sequence

from api.answer_payloads import AreaEstimate, EstimatesPayload, GroupRow, GroupsHead
from api.charts import Chart, ChartFailed
from api.charts.intervals import interval_chart, toplines_chart
from api.charts.maps import district_map
from api.charts.places import tiles_of
from api.page.addresses import question_address
from api.page.asking import Asking

__all__ = ["drawn", "groups_figure", "map_figure", "toplines_figure"]

log = logging.getLogger("hustings.api")


def drawn(draw: Callable[[], Chart]) -> Chart | None:
    """A chart, or None if it cannot be drawn."""
    try:
        return draw()
    except ChartFailed as failed:
        log.error("a page lacks a chart: %s", failed)
        return None


def map_figure(asking: Asking, head: GroupsHead, rows: Sequence[AreaEstimate]) -> Chart | None:
    """The map of districts; each leads to its page."""
    places = tiles_of(asking.loaded.electorate.districts)
    return drawn(lambda: district_map(head, rows, places, link=lambda row: district_address(asking, row)))


def toplines_figure(answers: Sequence[EstimatesPayload]) -> Chart | None:
    """Shares of the options."""
    return drawn(lambda: toplines_chart(answers, title="Shares and their intervals"))


def groups_figure(
    head: GroupsHead, rows: Sequence[AreaEstimate], *, reference: float | None, title: str
) -> Chart | None:
    """Shares of groups, beside the share of everybody."""
    return drawn(lambda: interval_chart(head, rows, reference=reference, title=title)) if rows else None


def district_address(asking: Asking, row: GroupRow) -> str:
    """Where the page of a district is."""
    release = asking.served.release
    return question_address(release.survey_id, release.question_id, "districts", row.area, release=asking.release_id)
