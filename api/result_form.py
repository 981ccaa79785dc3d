"""The form of a known result: its fields, and everything that is wrong with one at once."""

from collections.abc import Iterable
from datetime import date
from typing import Annotated

import msgspec
from litestar.datastructures import UploadFile
from msgspec import Meta

from api.errors import BadUpload
from api.strict import refuse_nul

__all__ = ["MAX_MB", "MAX_REASON", "ResultForm", "check_result_form"]

MAX_MB = 5
"""Largest file, in MB: a hundred thousand shares."""
MAX_REASON = 1000


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


FIELDS = ResultForm.__struct_fields__
REQUIRED = ("file", "date", "source")


def check_result_form(fields: Iterable[tuple[str, object]]) -> None:
    """Refuse a form that cannot be read as ``ResultForm``.

    Parameters
    ----------
    fields
        Name and content of each part of the form: text, or a file.

    Raises
    ------
    BadUpload
        With every field that is missing, unknown, given twice or of the wrong kind.
    NulCharacter
        If a text has a NUL.
    """
    given: dict[str, list[object]] = {}
    for name, content in fields:
        given.setdefault(name, []).append(content)
    problems = [(name, f"{name} is missing") for name in REQUIRED if name not in given]
    known = ", ".join(FIELDS)
    problems += [
        (name, f"there is no field {name[:40]!r} (the fields are {known})") for name in given if name not in FIELDS
    ]
    problems += [(name, f"{name} was given more than once") for name in FIELDS if len(given.get(name, ())) > 1]
    problems += [
        (name, problem)
        for name in FIELDS
        if name in given and (problem := _of_wrong_kind(name, given[name][0])) is not None
    ]
    if problems:
        said = "; ".join(problem for _, problem in problems)
        raise BadUpload(f"The form cannot be used: {said}.", problems[0][0])


def _of_wrong_kind(name: str, content: object) -> str | None:
    if name == "file":
        return None if isinstance(content, UploadFile) else "file must be a file, with a file name, not text"
    if not isinstance(content, str):
        return f"{name} must be text, not a file"
    refuse_nul(content, f"form field {name!r}")
    if name == "date":
        try:
            date.fromisoformat(content)
        except ValueError:
            return f"date must be a day such as 2026-11-03, got {content[:40]!r}"
    if name == "reason" and not 0 < len(content.strip()) <= MAX_REASON:
        return f"reason must have 1 to {MAX_REASON:,} letters"
    return None
