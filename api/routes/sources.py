"""What files were found at the sources of a survey, and what became of them."""

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath

from api.auth import Principal
from api.problems import documented
from api.services import Services
from api.wave_payloads import SourceFilePayload, SourceList, SourcePayload
from polling.store import sources, surveys

__all__ = ["sources_route"]


@get(
    "/v1/surveys/{survey_id:str}/sources",
    operation_id="listSources",
    summary="Sources of files, and what became of the files",
    tags=["waves"],
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404),
)
def sources_route(
    survey_id: FromPath[str], principal: NamedDependency[Principal], services: NamedDependency[Services]
) -> SourceList:
    """The declared sources with their last files. A pollster's key sees those of its own waves."""
    with services.store.read() as session:
        declared = surveys.get_declaration(session, survey_id).sources
        states = sources.states_of(session, survey_id)
        mine = [one for one in declared if principal.only_pollster in (None, one.pollster)]
        files = {one.name: sources.files_of(session, survey_id, one.name) for one in mine}
    listed = []
    for one in mine:
        state = states.get(one.name)
        listed.append(
            SourcePayload(
                name=one.name,
                kind=one.kind,
                pollster=one.pollster,
                every=one.every,
                checked_at=state.checked_at if state else None,
                outcome=state.outcome if state else None,
                files=[
                    SourceFilePayload(
                        name=file.name, outcome=file.outcome, detail=_told(file), wave_id=file.wave_id, at=file.at
                    )
                    for file in files[one.name]
                ],
            )
        )
    return SourceList(survey=survey_id, sources=listed)


def _told(file: sources.SourceFileRecord) -> str | None:
    return "It is read when it has stopped changing." if file.outcome == sources.WAITING else file.detail
