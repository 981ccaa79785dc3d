"""Ask whom the interviews of a release represent."""

from typing import Annotated, Any

from litestar import Request, Response, Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from api.answering import TABLE_ANSWERS, Which, answer
from api.forms import InTableForms
from api.label_text import intervals_from
from api.representation import answer_representation, ask_for_representation, prepare_representation
from api.representation_payloads import RepresentationPayload
from api.routes.releases import find_release
from api.services import Services

__all__ = ["representation_routes"]


@get(
    "/v1/surveys/{survey_id:str}/releases/{release_id:str}/representation",
    operation_id="getRepresentation",
    summary="Whom a release's interviews represent",
    tags=["releases"],
    sync_to_thread=True,
    operation_class=InTableForms,
    responses=TABLE_ANSWERS,
)
def get_representation(
    *,
    survey_id: FromPath[str],
    release_id: FromPath[str],
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    interval: Annotated[str, QueryParameter(description="Probability of the interval whose width is told.")] = "0.9",
    option: Annotated[str | None, QueryParameter(description="Whose share. Default: the first option.")] = None,
    measure: Annotated[
        str | None, QueryParameter(description="share or mean. Default: the mean of numbers, else the share.")
    ] = None,
    format: Annotated[  # noqa: A002 (the name of the parameter)
        str | None, QueryParameter(description="json, csv, parquet or arrow. Default: what Accept prefers.")
    ] = None,
    limit: Annotated[
        int | None, QueryParameter(description="Rows of a page, withheld groups included. Default: all in one.")
    ] = None,
    cursor: Annotated[
        str | None, QueryParameter(description="The `next_cursor` of the page before, with the query that gave it.")
    ] = None,
) -> Response[RepresentationPayload]:
    """Sample against frame, what weighting would cost, who is missing, and how wide intervals are by group.

    For every level of every demographic, every district and every larger area. Shares of the sample come from counts
    perturbed for disclosure control; where few are shown, `standing` says so without a number. `summary` tells the
    same to laypeople.
    """
    with services.store.read() as session:
        release = find_release(session, survey_id, release_id)
        of = {"option": option or None, "measure": measure or None}
        query = ask_for_representation(session, release, intervals=intervals_from(interval), **of)
    which = Which(survey_id, release.question_id, release.id, form=format, limit=limit, cursor=cursor)
    return answer(request, services, which, query, prepare=prepare_representation, make=answer_representation)


representation_routes = Router("/", route_handlers=[get_representation])
