"""How close the releases of a question came to what happened."""

from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from api.auth import Principal
from api.charts import CoveragePoint, LeadTimePoint, calibration_chart, lead_time_chart
from api.page.asking import ask_release
from api.page.figures import drawn
from api.page.heads import head_of
from api.page.render import Shown, part, whole_page
from api.record_payloads import TrackRecordPayload
from api.record_words import record_in_words
from api.services import Services
from api.track_record import MODEL, MODEL_WITH_ERROR, track_record

__all__ = ["record_page"]

SERIES = {MODEL: "model alone", MODEL_WITH_ERROR: "with the error that polls share"}


@get(
    "/surveys/{survey_id:str}/questions/{question_id:str}/track-record",
    operation_id="pageTrackRecord",
    include_in_schema=False,
    sync_to_thread=True,
)
def record_page(
    survey_id: FromPath[str],
    question_id: FromPath[str],
    request: Request[Any, Any, Any],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
) -> Response[Any]:
    """Errors, coverage and calls of every release."""
    with services.store.read() as session:
        record = track_record(session, survey_id, question_id, level=None)
    asking = ask_release(services, survey_id, question_id, None)
    head = head_of(asking, principal, "pageTrackRecord")
    main = part(
        "track_record.html",
        head=head,
        record=record,
        said=record_in_words(record),
        calibration=drawn(lambda: calibration_chart(_coverage(record))) if record.calibration else None,
        lead=drawn(lambda: lead_time_chart(_lead_times(record))) if _lead_times(record) else None,
        scores=[row for row in record.scores if not row.by],
    )
    version = f"{head.release.id}:{asking.served.state.version}:{len(record.scores)}"
    about = (survey_id, question_id, version, f"Updated: release {head.release.number}.")
    return whole_page(request, Shown(f"Track record: {head.text}", main, *about))


def _coverage(record: TrackRecordPayload) -> list[CoveragePoint]:
    """Of the level that says most: that with the most intervals."""
    rows = [row for row in record.calibration if row.of == "all" and not row.by]
    level = max(rows, key=lambda row: row.n_intervals).level if rows else ""
    # Releases share interviews, and their areas are the same: the band is that of the areas.
    are_two = any(row.method == MODEL_WITH_ERROR for row in rows)
    return [
        CoveragePoint(row.interval, row.observed, row.n_areas, SERIES[row.method] if are_two else "")
        for row in rows
        if row.level == level
    ]


def _lead_times(record: TrackRecordPayload) -> list[LeadTimePoint]:
    several = len({row.option for row in record.scores}) > 1
    return [
        LeadTimePoint(
            float(row.lead_days),
            row.rmse,
            f"Release {row.release_number}",
            f"{row.level}, {row.option}" if several else row.level,
        )
        for row in record.scores
        if row.method == MODEL and not row.by and row.lead_days is not None and row.lead_days >= 0
    ]
