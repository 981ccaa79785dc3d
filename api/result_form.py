"""The form of a known result."""

from typing import Annotated

import msgspec
from litestar.datastructures import UploadFile
from msgspec import Meta

from api.dated_form import check_dated_form

__all__ = ["MAX_MB", "ResultForm", "check_result_form"]

MAX_MB = 5
"""Largest file, in MB: a hundred thousand shares."""


class ResultForm(msgspec.Struct):
    """The form fields of a known result."""

    file: Annotated[
        UploadFile,
        Meta(
            description="A table with geography (a district, a larger area, or all), option, share and perhaps se, and "
            "columns of demographics: in any format of waves."
        ),
    ]
    date: Annotated[str, Meta(description="The day of which it is true, as 2026-11-03.")]
    source: Annotated[str, Meta(description="Who says so, such as the electoral commission.")]
    reason: Annotated[
        str | None, Meta(description="Why it takes the place of the result of that day which is known already.")
    ] = None


check_result_form = check_dated_form(ResultForm, day="date", required=("file", "date", "source"))
