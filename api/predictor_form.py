"""The form of an upload of district predictors."""

from typing import Annotated

import msgspec
from litestar.datastructures import UploadFile
from msgspec import Meta

from api.dated_form import check_dated_form

__all__ = ["MAX_MB", "PredictorForm", "check_predictor_form"]

MAX_MB = 5
"""Largest file, in MB: a hundred predictors of some thousand districts."""


class PredictorForm(msgspec.Struct):
    """The form fields of an upload of predictors."""

    file: Annotated[
        UploadFile,
        Meta(
            description="A table with the column code (or one that is called like the survey's district) and numeric "
            "predictors of the districts table: one row per district, in any format of waves."
        ),
    ]
    as_of: Annotated[
        str, Meta(description="The day that the numbers describe, as 2024-05-02: fits of earlier interviews ignore it.")
    ]
    source: Annotated[str, Meta(description="Where they come from, such as the electoral commission.")]


check_predictor_form = check_dated_form(PredictorForm, day="as_of", required=("file", "as_of", "source"))
