"""Ask a release about districts: one of them, the seats of all, the closest."""

from typing import Annotated, Any

from litestar import Request, Response, Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from api.answering import TABLE_ANSWERS, answer
from api.district_payloads import BattlegroundPayload, ProfilePayload, SeatsPayload
from api.district_profile import ProfileQuery, answer_profile, prepare_profile
from api.forms import InTableForms
from api.query_parameters import ASKED, Asked
from api.seats import BattlegroundQuery, SeatsQuery, answer_battleground, answer_seats, prepare_seats

__all__ = ["districts_routes"]

QUESTION = "/v1/surveys/{survey_id:str}/questions/{question_id:str}"

SeatsColumn = Annotated[
    str | None,
    QueryParameter(description="Predictor of the districts that is their number of seats. Default: one each."),
]


@get(
    f"{QUESTION}/districts/{{district:str}}",
    operation_id="getDistrictProfile",
    summary="Everything about one district",
    tags=["estimates"],
    sync_to_thread=True,
    operation_class=InTableForms,
    responses=TABLE_ANSWERS,
    dependencies=ASKED,
)
def get_district_profile(
    *,
    district: FromPath[str],
    request: Request[Any, Any, Any],
    asked: NamedDependency[Asked],
) -> Response[ProfilePayload]:
    """Estimate, rank among all districts, chance to lead, how much of it is data, and the groups within the district.

    `pooling` near 0: its own interviews carry the estimate; near 1: it is borrowed from other districts and predictors.
    """
    query = asked.query_as(ProfileQuery, district=district)
    return answer(request, asked.services, asked.which, query, prepare=prepare_profile, make=answer_profile)


@get(
    f"{QUESTION}/seats",
    operation_id="getSeats",
    summary="Seats by plurality",
    tags=["estimates"],
    sync_to_thread=True,
    operation_class=InTableForms,
    responses=TABLE_ANSWERS,
    dependencies=ASKED,
)
def get_seats(
    *,
    request: Request[Any, Any, Any],
    asked: NamedDependency[Asked],
    seats: SeatsColumn = None,
) -> Response[SeatsPayload]:
    """How many districts either option wins, counted in every draw, and which districts tip the majority.

    An estimate of now, not a forecast: it knows nothing of what may change until an election.
    """
    query = asked.query_as(SeatsQuery, seats=seats or None)
    return answer(request, asked.services, asked.which, query, prepare=prepare_seats, make=answer_seats)


@get(
    f"{QUESTION}/battleground",
    operation_id="getBattleground",
    summary="The closest districts",
    tags=["estimates"],
    sync_to_thread=True,
    operation_class=InTableForms,
    responses=TABLE_ANSWERS,
    dependencies=ASKED,
)
def get_battleground(
    *,
    request: Request[Any, Any, Any],
    asked: NamedDependency[Asked],
    seats: SeatsColumn = None,
) -> Response[BattlegroundPayload]:
    """Districts from the closest to the safest: the chance to win, the lead, and the chance to tip the majority."""
    query = asked.query_as(BattlegroundQuery, seats=seats or None)
    return answer(request, asked.services, asked.which, query, prepare=prepare_seats, make=answer_battleground)


districts_routes = Router("/", route_handlers=[get_district_profile, get_seats, get_battleground])
