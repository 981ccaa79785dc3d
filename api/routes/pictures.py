"""How a release's fit went, in pictures; and the fit as a file that ArviZ opens."""

import hashlib
from typing import Any, Final

from litestar import Request, Response, Router, get
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import FromPath

from api.auth import Principal
from api.edge import ONLY_HEAD
from api.picture_payloads import FigureList, FigurePayload
from api.pictures import FIGURE_POLICY, figure_kinds, figure_of, fit_attributes, netcdf_of
from api.problems import documented
from api.routes.releases import find_release
from api.services import Services
from api.table_files import file_name
from api.validators import matches
from jobs import ledger
from jobs.pictures import VERSION
from polling.store import fits, surveys

__all__ = ["answer_figure", "pictures_routes"]

RELEASE: Final = "/v1/surveys/{survey_id:str}/releases/{release_id:str}"
SVG: Final = "image/svg+xml"
NETCDF: Final = "application/x-netcdf"


@get(
    f"{RELEASE}/figures",
    operation_id="listFigures",
    summary="Pictures of a release's fit",
    tags=["releases"],
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404),
)
def list_figures(
    survey_id: FromPath[str], release_id: FromPath[str], services: NamedDependency[Services]
) -> FigureList:
    """Which there are, what each shows, and where: rank, trace and energy of NUTS, profiles and weights of Laplace."""
    with services.store.read() as session:
        release = find_release(session, survey_id, release_id)
        kinds = figure_kinds(session, release)
    base = f"/v1/surveys/{survey_id}/releases/{release.id}/figures"
    return FigureList(
        release_id=release.id,
        engine=release.engine,
        figures=[FigurePayload(one.name, one.title, one.caption, one.alt, f"{base}/{one.name}") for one in kinds],
    )


@get(
    f"{RELEASE}/figures/{{name:str}}",
    operation_id="getFigure",
    summary="One picture of a release's fit",
    tags=["releases"],
    media_type=SVG,
    sync_to_thread=True,
    responses={
        200: ResponseSpec(str, generate_examples=False, media_type=SVG, description="The picture."),
        304: ResponseSpec(None, description="What If-None-Match names is still the picture."),
        **documented(400, 401, 403, 404, 410, 422, 503),
    },
)
def get_figure(
    survey_id: FromPath[str],
    release_id: FromPath[str],
    name: FromPath[str],
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
) -> Response[str]:
    """Drawn by ArviZ when somebody asks first, which takes some seconds, and kept for as long as the draws."""
    return answer_figure(request, services, survey_id, release_id, name)


@get(
    f"{RELEASE}/datatree",
    operation_id="getDataTree",
    summary="Download a release's fit for a notebook",
    tags=["releases"],
    media_type=NETCDF,
    sync_to_thread=True,
    responses={
        200: ResponseSpec(str, generate_examples=False, media_type=NETCDF, description="The file."),
        304: ResponseSpec(None, description="What If-None-Match names is still the file."),
        **documented(400, 401, 403, 404, 410, 503),
    },
)
def get_datatree(
    survey_id: FromPath[str],
    release_id: FromPath[str],
    request: Request[Any, Any, Any],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
) -> Response[bytes]:
    """NetCDF with the groups posterior, sample_stats, prior and, of the fast engine, exploration.

    `arviz.from_netcdf` opens it, and `arviz.summary` gives the numbers of the diagnostics. Nothing of the interviews is
    in it. A read is in the audit chain. Draws are not kept for ever: 410 says why they are gone.
    """
    with services.store.read() as session:
        release = find_release(session, survey_id, release_id)
        fit = fits.get_fit(session, release.fit_id)
        question = surveys.get_declaration(session, survey_id, release.survey_version).question(release.question_id)
    headers = {
        "ETag": f'"{hashlib.sha256(repr((VERSION, release.id, release.fit_id)).encode()).hexdigest()[:32]}"',
        "Cache-Control": "private, no-cache",
        "Vary": "Authorization",
    }
    if release.has_draws and matches(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(b"", status_code=304, headers=headers)
    content = netcdf_of(
        services,
        release,
        {
            **fit_attributes(fit),
            "text": question.text,
            "option": question.options[0] if question.kind == "binary" else "",
            "release_id": release.id,
            "release_number": release.number,
            "published_at": release.published_at.isoformat(),
        },
    )
    if not request.scope.get(ONLY_HEAD):
        with services.store.write() as session:
            ledger.record(
                session,
                services.secrets,
                actor=principal.actor,
                action="draws-read",
                survey_id=survey_id,
                subject=release.id,
                detail={"table": "datatree", "form": "netcdf"},
                now=services.now(),
            )
    name = file_name("nc", survey_id, release.question_id, "fit", release.number)
    headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return Response(content, media_type=NETCDF, headers=headers)


def answer_figure(
    request: Request[Any, Any, Any], services: Services, survey_id: str, release_id: str, name: str
) -> Response[str]:
    """A picture with its validator."""
    with services.store.read() as session:
        release = find_release(session, survey_id, release_id)
    svg = figure_of(services, release, name)
    headers = {
        "ETag": f'"{hashlib.sha256(svg.encode()).hexdigest()[:32]}"',
        "Cache-Control": "private, no-cache",
        "Content-Security-Policy": FIGURE_POLICY,
        "Vary": "Authorization",
    }
    if matches(request.headers.get("if-none-match"), headers["ETag"]):
        return Response("", status_code=304, headers=headers)
    return Response(svg, media_type=SVG, headers=headers)


pictures_routes = Router("/", route_handlers=[list_figures, get_figure, get_datatree])
