"""What is told of district predictors, every field described."""

import datetime as dt
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from api.payloads import JobLink, SurveyId

if TYPE_CHECKING:
    from polling.store.predictors import PredictorRecord

__all__ = [
    "AddedPredictorsPayload",
    "PredictorList",
    "PredictorPayload",
    "PredictorValues",
    "UploadedPredictors",
    "predictor_payload",
]


class PredictorPayload(msgspec.Struct, frozen=True):
    """One upload of predictors; it never changes."""

    id: Annotated[str, Meta(description="The upload's id.")]
    number: Annotated[int, Meta(description="Its place among the uploads of the survey, from 1 on.")]
    as_of: Annotated[dt.date, Meta(description="The day that the numbers describe.")]
    source: Annotated[str, Meta(description="Where they come from.")]
    columns: Annotated[list[str], Meta(description="The predictors that it has.")]
    n_districts: Annotated[int, Meta(description="Districts that it has.")]
    sha256: Annotated[str, Meta(description="Hash of the numbers; fits name it.")]
    content_sha256: Annotated[str, Meta(description="SHA-256 of the file as it was sent.")]
    survey_version: Annotated[int, Meta(description="The version of the survey whose districts it was read with.")]
    received_at: Annotated[dt.datetime, Meta(description="When it was received: fits made before do not know it.")]
    actor: Annotated[str, Meta(description="Who sent it.")]


class PredictorList(msgspec.Struct, frozen=True):
    """The predictors that were uploaded."""

    survey: SurveyId
    uploads: Annotated[list[PredictorPayload], Meta(description="The last received first.")]
    holding: Annotated[
        dict[str, str | None],
        Meta(
            description="Predictor -> id of the upload that a fit of interviews until today takes it from; null: it is "
            "that of the survey's own table of districts."
        ),
    ]


class PredictorValues(msgspec.Struct, frozen=True):
    """The numbers of one district."""

    district: Annotated[str, Meta(description="The district's code.")]
    values: Annotated[dict[str, float], Meta(description="Predictor -> number.")]


class UploadedPredictors(msgspec.Struct, frozen=True):
    """One upload with its numbers."""

    survey: SurveyId
    upload: PredictorPayload
    districts: Annotated[list[PredictorValues], Meta(description="By code.")]


class AddedPredictorsPayload(msgspec.Struct, frozen=True):
    """What became of predictors that were sent."""

    survey: SurveyId
    upload: PredictorPayload
    created: Annotated[bool, Meta(description="False if the very same holds already; nothing was changed then.")]
    jobs: Annotated[
        list[JobLink],
        Meta(description="Refits of the questions whose models read them; none of those whose interviews are earlier."),
    ]


def predictor_payload(upload: "PredictorRecord") -> PredictorPayload:
    """An upload as it is told."""
    return PredictorPayload(
        id=upload.id,
        number=upload.number,
        as_of=upload.as_of,
        source=upload.source,
        columns=list(upload.columns),
        n_districts=upload.n_districts,
        sha256=upload.sha256,
        content_sha256=upload.content_sha256,
        survey_version=upload.survey_version,
        received_at=upload.received_at,
        actor=upload.actor,
    )
