"""How close the releases of a question came to what happened."""

import hashlib
from typing import Annotated, Any, cast

from litestar import Request, Response, Router, get
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, QueryParameter
from msgspec.json import encode

from api.forms import JSON, TABLES, InTableForms, find_form
from api.problems import documented
from api.record_payloads import TrackRecordPayload
from api.services import Services
from api.table_files import file_name, write_table
from api.track_record import track_record
from api.validators import matches

__all__ = ["track_record_route"]


@get(
    "/v1/surveys/{survey_id:str}/questions/{question_id:str}/track-record",
    operation_id="getTrackRecord",
    operation_class=InTableForms,
    summary="How close releases came to what happened",
    tags=["track record"],
    sync_to_thread=True,
    responses={
        304: ResponseSpec(None, description="What If-None-Match names is still the answer."),
        **documented(400, 401, 403, 404, 406, 422),
    },
)
def get_track_record(
    *,
    survey_id: FromPath[str],
    question_id: FromPath[str],
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    level: Annotated[
        str | None,
        QueryParameter(description="Only this one: nation, a column of larger areas, or district. Default: all."),
    ] = None,
    format: Annotated[  # noqa: A002 (the name of the parameter)
        str | None, QueryParameter(description="json, csv, parquet or arrow. Default: what Accept prefers.")
    ] = None,
) -> Response[TrackRecordPayload]:
    """Errors, coverage and calls of every release against every known result, by level and lead time.

    Beside the model stand simpler methods on the same interviews. Scores stay when draws are gone; a release that was
    never scored says why. `calibration` pools coverage, nominal and observed.
    """
    form = find_form(format, request.headers.get("accept"))
    with services.store.read() as session:
        record = track_record(session, survey_id, question_id, level=level)
    body = encode(record)
    tag = f'"{hashlib.sha256(form.encode() + body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Accept, Accept-Encoding, Authorization"}
    if matches(request.headers.get("if-none-match"), tag):
        return Response(cast("TrackRecordPayload", None), status_code=304, headers=headers)
    if form != JSON:
        body = write_table(record, form)
        name = file_name(form, survey_id, question_id, "track-record")
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
    # The annotation is what the OpenAPI document is made from.
    return Response(cast("TrackRecordPayload", body), media_type=TABLES[form], headers=headers)


track_record_route = Router("/", route_handlers=[get_track_record])
