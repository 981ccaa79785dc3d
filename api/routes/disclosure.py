"""The disclosure statement of a release, as JSON, as a page, or as Markdown."""

import hashlib
from dataclasses import dataclass
from typing import Annotated, Any, cast

from litestar import Request, Response, Router, get
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import Operation
from litestar.params import FromPath, QueryParameter
from msgspec.json import encode
from msgspec.structs import replace

from api.forms import add_forms, find_form
from api.problems import documented
from api.routes.releases import find_release
from api.services import Services
from api.statement import StatementPayload, render_html, render_markdown, statement_of
from api.statement.html import POLICY
from api.validators import matches
from polling.disclosure import DisclosureRules

__all__ = ["FORMATS", "disclosure_route"]

FORMATS = {"json": "application/json", "html": "text/html", "markdown": "text/markdown"}
"""Name in ``format`` -> media type in ``Accept``; the first is the default."""


@dataclass
class InThreeForms(Operation):
    """Describes what the handler's annotation cannot: the other media types of the same answer."""

    def __post_init__(self) -> None:
        add_forms(self, list(FORMATS.values())[1:])


@get(
    "/v1/surveys/{survey_id:str}/releases/{release_id:str}/disclosure",
    operation_id="getDisclosure",
    operation_class=InThreeForms,
    summary="A release's disclosure statement",
    tags=["releases"],
    sync_to_thread=True,
    responses={
        304: ResponseSpec(None, description="What If-None-Match names says the same."),
        **documented(400, 401, 403, 404, 406, 422),
    },
)
def get_disclosure(
    survey_id: FromPath[str],
    release_id: FromPath[str],
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    format: Annotated[  # noqa: A002 (the name of the parameter)
        str | None, QueryParameter(description="json, html or markdown. Default: what Accept prefers.")
    ] = None,
) -> Response[StatementPayload]:
    """How the estimates of a release were made: AAPOR's items and the minimum of ESOMAR/WAPOR, with model and limits.

    Generated from stored records, and given for every release, also when its draws are gone. As JSON, as one HTML page
    that loads nothing, or as Markdown.
    """
    form = find_form(format, request.headers.get("accept"), FORMATS)
    rules = DisclosureRules(services.settings.min_people, services.settings.min_interviews)
    with services.store.read() as session:
        release = find_release(session, survey_id, release_id)
        statement = statement_of(session, release, secrets=services.secrets, rules=rules, now=services.now())
    tag = _tag(statement, form)
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Accept, Accept-Encoding, Authorization"}
    if matches(request.headers.get("if-none-match"), tag):
        return Response(cast("StatementPayload", None), status_code=304, headers=headers)
    if form == "html":
        headers["Content-Security-Policy"] = POLICY
        return _text(render_html(statement), FORMATS[form], headers)
    if form == "markdown":
        return _text(render_markdown(statement), FORMATS[form], headers)
    return Response(statement, headers=headers)


def _tag(statement: StatementPayload, form: str) -> str:
    """A weak validator: the same for all that say the same, whenever they were written."""
    said = encode((form, replace(statement, written_at=statement.published_at)))
    return f'W/"{hashlib.sha256(said).hexdigest()[:32]}"'


def _text(text: str, media_type: str, headers: dict[str, str]) -> Response[StatementPayload]:
    # The annotation is what the OpenAPI document is made from.
    return Response(cast("StatementPayload", text), media_type=media_type, headers=headers)


disclosure_route = Router("/", route_handlers=[get_disclosure])
