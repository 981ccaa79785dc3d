"""Download the draws of a release, to compute with them what the service does not answer."""

import hashlib
import json
from dataclasses import dataclass
from typing import Annotated, Any, Final

from litestar import Request, Response, Router, get
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import Operation
from litestar.params import FromPath, QueryParameter

from api.auth import Principal
from api.draws_tables import DRAWS, TABLE_NAMES, about_draws, make_table
from api.edge import ONLY_HEAD
from api.forms import TABLES, add_forms, find_form
from api.group_query import find_period, load_release, with_uncertainty
from api.labels import one_of
from api.problems import documented
from api.routes.releases import find_release
from api.served import find_served
from api.services import Services
from api.table_files import HEAD, file_name, write_arrow, write_parquet
from api.validators import matches
from jobs import ledger

__all__ = ["draws_route"]

FORMS: Final = {name: TABLES[name] for name in ("parquet", "arrow")}
VERSION: Final = 2
"""Of the tables."""


@dataclass
class InDrawsForms(Operation):
    """Describes the other form of the same table."""

    def __post_init__(self) -> None:
        add_forms(self, FORMS.values())


@get(
    "/v1/surveys/{survey_id:str}/releases/{release_id:str}/draws",
    operation_id="getDraws",
    operation_class=InDrawsForms,
    summary="Download a release's draws",
    tags=["releases"],
    media_type=FORMS["parquet"],
    sync_to_thread=True,
    responses={
        200: ResponseSpec(str, generate_examples=False, media_type=FORMS["parquet"], description="One of the tables."),
        304: ResponseSpec(None, description="What If-None-Match names is still the answer."),
        **documented(400, 401, 403, 404, 406, 410, 422, 503),
    },
)
def get_draws(
    *,
    survey_id: FromPath[str],
    release_id: FromPath[str],
    request: Request[Any, Any, Any],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
    table: Annotated[
        str,
        QueryParameter(
            description="draws (a row each, a column for each latent), design (weights of the latents in each of its "
            "rows), or cells (of the frame: people, and their row of the design)."
        ),
    ] = DRAWS,
    period: Annotated[
        str | None, QueryParameter(description="For the design: the period that is predicted. Default: the last one.")
    ] = None,
    uncertainty: Annotated[
        str | None,
        QueryParameter(
            description="model, or total: the second draws, with the systematic error and a latent for it in each "
            "district; where one is declared. Default: model."
        ),
    ] = None,
    format: Annotated[  # noqa: A002 (the name of the parameter)
        str | None, QueryParameter(description="parquet or arrow. Default: what Accept prefers, else parquet.")
    ] = None,
) -> Response[bytes]:
    """Latent draws, design and frame of a release: three tables from which every estimate can be computed again.

    Where the survey has several frames, cells have the people of each, and the file says which goes with which draw.

    Nothing of the interviews is in them. The README has the fifteen lines that make district estimates of them. A read
    is in the audit chain. Draws are not kept for ever: 410 says why they are gone.
    """
    form = find_form(format, request.headers.get("accept"), FORMS)
    one_of("table", table, TABLE_NAMES)
    with services.store.read() as session:
        release = find_release(session, survey_id, release_id)
        served = find_served(session, survey_id, release.question_id, release.id)
    loaded = with_uncertainty(load_release(services.releases, served, services.settings), uncertainty or "model")
    period = find_period(period, loaded.design.common)
    basis = (VERSION, release.id, loaded.latents.fit, loaded.uncertainty, table, period, form)
    headers = {
        "ETag": f'"{hashlib.sha256(repr(basis).encode()).hexdigest()[:32]}"',
        "Cache-Control": "private, no-cache",
        "Vary": "Accept, Authorization",
    }
    if matches(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(b"", status_code=304, headers=headers)
    with services.releases.large_slots.take():
        made = make_table(loaded, table, period=period)
        metadata = {HEAD: json.dumps({"table": table} | about_draws(loaded, period=period), ensure_ascii=False)}
        content = write_parquet(made, metadata) if form == "parquet" else write_arrow(made, metadata)
    if not request.scope.get(ONLY_HEAD):
        with services.store.write() as session:
            ledger.record(
                session,
                services.secrets,
                actor=principal.actor,
                action="draws-read",
                survey_id=survey_id,
                subject=release.id,
                detail={"table": table, "form": form},
                now=services.now(),
            )
    name = file_name(form, survey_id, release.question_id, table, release.number)
    headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return Response(content, media_type=FORMS[form], headers=headers)


draws_route = Router("/", route_handlers=[get_draws])
