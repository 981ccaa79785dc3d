"""What the report says of why a release should be believed: checks, diagnostics, track record, disclosure."""

import logging
from base64 import b64encode
from typing import Any

from api.charts import CoveragePoint, calibration_chart
from api.errors import ServiceBusy
from api.page.asking import Asking
from api.page.figures import drawn
from api.pictures import figure_kinds, figure_of
from api.record_payloads import TrackRecordPayload
from api.routes.checks import checks_of_release
from api.routes.releases import diagnostics_of
from api.statement import statement_of
from api.track_record import LAST, MODEL, OWN, track_record
from jobs.errors import PicturesFailed
from mrp.figures.catalogue import FigureKind
from polling.disclosure import DisclosureRules

__all__ = ["trust_of"]

log = logging.getLogger("hustings.api")

LEAST_AREAS = 5
"""Areas whose coverage is drawn: of fewer it says nothing."""


def trust_of(asking: Asking) -> dict[str, dict[str, Any] | None]:
    """Section -> what its part of the template needs; None where there is nothing to say."""
    services, release = asking.services, asking.served.release
    rules = DisclosureRules(services.settings.min_people, services.settings.min_interviews)
    with services.store.read() as session:
        told = diagnostics_of(session, release)
        statement = statement_of(session, release, secrets=services.secrets, rules=rules, now=services.now())
        checked = checks_of_release(session, release)
        record = track_record(session, release.survey_id, release.question_id)
    return {
        "checks": {"told": checked},
        "diagnostics": {"told": told, "figures": _figures(asking)},
        "record": _record(record),
        "statement": {"statement": statement},
    }


def _figures(asking: Asking) -> list[tuple[FigureKind, str]]:
    """The pictures of the fit as addresses that hold them, with what is said of each; none if they cannot be made."""
    services, release = asking.services, asking.served.release
    with services.store.read() as session:
        kinds = figure_kinds(session, release)
    try:
        pictures = [(kind, figure_of(services, release, kind.name)) for kind in kinds]
    except (PicturesFailed, ServiceBusy) as failed:
        log.error("a report lacks the pictures of its fit: %s", failed)
        return []
    # They style themselves, which the report's own policy forbids: each is a document of its own.
    return [(kind, f"data:image/svg+xml;base64,{b64encode(svg.encode()).decode()}") for kind, svg in pictures]


def _record(told: TrackRecordPayload) -> dict[str, Any] | None:
    """How close releases of the question came to what happened; None where nothing is known to have happened."""
    rows = [row for row in told.scores if row.method in OWN and not row.by]
    if not rows:
        return None
    points = [
        CoveragePoint(row.interval, row.observed, row.n_areas, row.level)
        for row in told.calibration
        if row.of == LAST and row.method == MODEL and not row.by and row.n_areas >= LEAST_AREAS
    ]
    return {
        "rows": rows,
        "notes": told.notes,
        "chart": drawn(lambda: calibration_chart(points)) if points else None,
    }
