"""The body that tells of a survey's boundaries, every field described."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from api.payloads import SurveyId

__all__ = ["BoundariesPayload"]


class BoundariesPayload(msgspec.Struct, frozen=True):
    """The boundaries that a survey's maps are drawn with."""

    survey: SurveyId
    version: Annotated[int, Meta(description="Grows whenever the survey gets other boundaries, or loses them.")]
    sha256: Annotated[str, Meta(description="Hash of the boundaries; their entity tag too.")]
    at: Annotated[datetime, Meta(description="Since when the survey has them.")]
    created: Annotated[bool, Meta(description="False if it had these already.")]
    code_property: Annotated[str, Meta(description="Where the file has the districts' codes: id, or a property.")]
    projection: Annotated[str, Meta(description="How they are drawn: mercator, albersUsa or identity.")]
    n_districts: Annotated[int, Meta(description="Districts that have a shape.")]
    without_shape: Annotated[list[str], Meta(description="Codes of districts that the file does not have.")]
    left_out: Annotated[list[str], Meta(description="Codes in the file that the survey does not have.")]
