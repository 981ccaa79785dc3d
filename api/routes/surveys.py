"""What may be asked: surveys, their questions and districts."""

import polars as pl
from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from api.auth import Principal
from api.group_query import levels_of
from api.payloads import (
    DeclaredPopulation,
    DemographicPayload,
    DistrictList,
    DistrictPayload,
    QuestionList,
    QuestionPayload,
    SurveyList,
    SurveyPayload,
    SurveySummary,
)
from api.problems import documented
from api.services import Services
from polling.declaration import Question
from polling.population import EVERYBODY
from polling.store import surveys
from polling.store.records import QuestionStateRecord

__all__ = ["surveys_routes"]


@get(
    "/v1/surveys",
    operation_id="listSurveys",
    summary="Surveys that the key may see",
    tags=["surveys"],
    sync_to_thread=True,
    responses=documented(400, 401, 403),
)
def list_surveys(principal: NamedDependency[Principal], services: NamedDependency[Services]) -> SurveyList:
    """Every survey in the key's scope, by id."""
    with services.store.read() as session:
        visible = [one.survey_id for one in surveys.list_surveys(session) if principal.may_see(one.survey_id)]
        found = [surveys.get_survey(session, survey_id) for survey_id in visible]
    return SurveyList(
        surveys=[SurveySummary(one.id, one.bundle.declaration.title, one.version, _url(one.id)) for one in found]
    )


@get(
    "/v1/surveys/{survey_id:str}",
    operation_id="getSurvey",
    summary="A survey's declaration",
    tags=["surveys"],
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404),
)
def get_survey(survey_id: FromPath[str], services: NamedDependency[Services]) -> SurveyPayload:
    """Title, universe, levels, demographics and questions: what an estimate may be asked by."""
    survey = services.memory.find_survey(survey_id)
    declaration = survey.bundle.declaration
    return SurveyPayload(
        id=survey.id,
        title=declaration.title,
        universe=declaration.universe,
        version=survey.version,
        facts=dict(declaration.facts),
        district=declaration.geography.district,
        levels=list(levels_of(survey.bundle.parents)),
        n_districts=survey.bundle.districts.height,
        n_people=float(survey.bundle.frame["n_people"].sum()),
        demographics=[DemographicPayload(one.name, list(one.levels), one.ordered) for one in declaration.demographics],
        questions=[one.id for one in declaration.questions],
        populations=[
            DeclaredPopulation(one.id, one.people, one.question, one.within, one.validated)
            for one in declaration.populations
        ],
    )


@get(
    "/v1/surveys/{survey_id:str}/questions",
    operation_id="listQuestions",
    summary="A survey's questions",
    tags=["surveys"],
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404),
)
def list_questions(survey_id: FromPath[str], services: NamedDependency[Services]) -> QuestionList:
    """Every question with the release that is served for it and whether that is stale."""
    declaration = services.memory.find_survey(survey_id).bundle.declaration
    states = services.memory.find_states(survey_id)
    questions = [_question(survey_id, one, states[one.id]) for one in declaration.questions]
    return QuestionList(survey=survey_id, questions=questions)


@get(
    "/v1/surveys/{survey_id:str}/questions/{question_id:str}",
    operation_id="getQuestion",
    summary="One question",
    tags=["surveys"],
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404),
)
def get_question(
    survey_id: FromPath[str], question_id: FromPath[str], services: NamedDependency[Services]
) -> QuestionPayload:
    """A question with the release that is served for it and whether that is stale."""
    question = services.memory.find_survey(survey_id).bundle.declaration.question(question_id)
    return _question(survey_id, question, services.memory.find_state(survey_id, question_id))


@get(
    "/v1/surveys/{survey_id:str}/districts",
    operation_id="listDistricts",
    summary="A survey's districts",
    tags=["surveys"],
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404),
)
def list_districts(survey_id: FromPath[str], services: NamedDependency[Services]) -> DistrictList:
    """Every district with the areas it lies in, what is known of it, and its people in the frame."""
    bundle = services.memory.find_survey(survey_id).bundle
    district = bundle.declaration.geography.district
    people = bundle.frame.group_by(district).agg(pl.col("n_people").sum())
    by_code = dict(people.iter_rows())
    return DistrictList(
        survey=survey_id,
        district=district,
        districts=[
            DistrictPayload(
                code=row["code"],
                name=row["name"],
                parents={name: row[name] for name in bundle.parents},
                predictors={name: row[name] for name in bundle.predictors},
                n_people=by_code.get(row["code"], 0.0),
            )
            for row in bundle.districts.sort("code").iter_rows(named=True)
        ],
    )


def _question(survey_id: str, question: Question, state: QuestionStateRecord) -> QuestionPayload:
    return QuestionPayload(
        id=question.id,
        text=question.text,
        kind=question.kind,
        options=list(question.options),
        base=list(question.base),
        weights=question.weights,
        model=question.model,
        population=question.population or EVERYBODY,
        release_id=state.release_id,
        held_since=state.hold.at if state.hold is not None else None,
        stale_since=state.stale_since,
        stale_reason=state.stale_reason,
        url=f"{_url(survey_id)}/questions/{question.id}/estimates",
    )


def _url(survey_id: str) -> str:
    return f"/v1/surveys/{survey_id}"


surveys_routes = Router("/", route_handlers=[list_surveys, get_survey, list_questions, get_question, list_districts])
