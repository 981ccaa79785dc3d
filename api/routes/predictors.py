"""District predictors over time: upload them, list them, read one."""

from datetime import date

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, MultipartBody
from sqlalchemy.orm import Session

from api.auth import Principal
from api.predictor_form import MAX_MB, PredictorForm, check_predictor_form
from api.predictor_payloads import (
    AddedPredictorsPayload,
    PredictorList,
    PredictorValues,
    UploadedPredictors,
    predictor_payload,
)
from api.problems import documented
from api.routes.jobs import job_link
from api.services import Services
from jobs.predictor_acts import AddedPredictors, add_predictors
from polling.store import predictors, surveys

__all__ = ["added_payload", "list_of", "predictors_routes", "with_values"]

ALL = "/v1/surveys/{survey_id:str}/predictors"


@post(
    ALL,
    operation_id="addPredictors",
    summary="Upload district predictors",
    tags=["surveys"],
    status_code=201,
    sync_to_thread=True,
    form=check_predictor_form,
    too_large=f"Predictors may have {MAX_MB} MB at most.",
    # The form around the file needs a little room too.
    request_max_body_size=MAX_MB * 1_000_000 + 100_000,
    responses={
        200: ResponseSpec(AddedPredictorsPayload, generate_examples=False, description="The very same holds already."),
        **documented(400, 401, 403, 404, 413, 415, 422),
    },
)
def add(
    survey_id: FromPath[str],
    data: MultipartBody[PredictorForm],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
) -> Response[AddedPredictorsPayload]:
    """Numbers for every district, with the day that they describe and their source: aggregates, nothing of persons.

    Of each predictor a fit takes the upload of the latest day that is not after its interviews, of one day the last
    received, and without one the districts table of the survey. Questions whose models read them are fitted again. 422
    with every fault of the table, or with one alone if it looks individual-level; then nothing was stored.
    """
    added = add_predictors(
        services.store,
        services.secrets,
        services.settings,
        survey_id=survey_id,
        content=data.file.file.read(),
        as_of=date.fromisoformat(data.as_of),
        source=data.source,
        file=data.file.filename,
        now=services.now(),
        actor=principal.actor,
    )
    return Response(added_payload(added), status_code=201 if added.created else 200)


@get(
    ALL,
    operation_id="listPredictors",
    summary="District predictors that were uploaded",
    tags=["surveys"],
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404),
)
def list_(survey_id: FromPath[str], services: NamedDependency[Services]) -> PredictorList:
    """Every upload, and which of them holds for each predictor of the survey."""
    with services.store.read() as session:
        return list_of(session, survey_id, services.now().date())


@get(
    ALL + "/{upload_id:str}",
    operation_id="getPredictors",
    summary="One upload of district predictors",
    tags=["surveys"],
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404),
)
def get_one(
    survey_id: FromPath[str], upload_id: FromPath[str], services: NamedDependency[Services]
) -> UploadedPredictors:
    """Its numbers, district by district."""
    with services.store.read() as session:
        surveys.newest_version(session, survey_id)
        return with_values(session, survey_id, upload_id)


def added_payload(added: AddedPredictors) -> AddedPredictorsPayload:
    """What became of an upload."""
    return AddedPredictorsPayload(
        survey=added.upload.survey_id,
        upload=predictor_payload(added.upload),
        created=added.created,
        jobs=[job_link(job) for job in added.jobs],
    )


def list_of(session: Session, survey_id: str, today: date) -> PredictorList:
    """The uploads of a survey, and which of them hold.

    Raises
    ------
    SurveyNotFound
        If there is no such survey.
    """
    known = surveys.get_survey(session, survey_id).bundle.predictors
    found = predictors.list_predictors(session, survey_id)
    holding = predictors.known_by(session, survey_id, known, today)
    return PredictorList(
        survey=survey_id,
        uploads=[predictor_payload(one) for one in found],
        holding={name: holding[name].id if name in holding else None for name in known},
    )


def with_values(session: Session, survey_id: str, upload_id: str) -> UploadedPredictors:
    """One upload with its numbers.

    Raises
    ------
    PredictorsNotFound
        If the survey has none of this id.
    """
    upload = predictors.get_predictors(session, survey_id, upload_id)
    rows = predictors.load_table(session, upload.id).iter_rows(named=True)
    values = [PredictorValues(row.pop("code"), row) for row in rows]
    return UploadedPredictors(survey_id, predictor_payload(upload), values)


predictors_routes = Router("/", route_handlers=[add, list_, get_one])
