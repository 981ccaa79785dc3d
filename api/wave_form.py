"""The form of an upload: its fields, and everything that is wrong with one at once."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Annotated

import msgspec
from litestar.datastructures import UploadFile
from msgspec import Meta

from api.errors import BadUpload
from api.strict import refuse_nul

__all__ = ["WaveForm", "check_form"]


class WaveForm(msgspec.Struct):
    """The form fields of an upload."""

    file: Annotated[UploadFile, Meta(description="The interviews: CSV (UTF-8) or Parquet.")]
    reference: Annotated[str, Meta(description="Your own name for the wave; the same one again is the same wave.")]
    fieldwork_start: Annotated[str, Meta(description="First day of interviewing, as 2026-11-23.")]
    fieldwork_end: Annotated[str, Meta(description="Last day of interviewing.")]
    pollster: Annotated[str | None, Meta(description="Who sends it. Default: the pollster of the key.")] = None


FIELDS = WaveForm.__struct_fields__
REQUIRED = ("file", "reference", "fieldwork_start", "fieldwork_end")
DAYS = ("fieldwork_start", "fieldwork_end")


def check_form(fields: Iterable[tuple[str, object]]) -> None:
    """Refuse a form that cannot be read as ``WaveForm``.

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
    problems = [f"{name} is missing" for name in REQUIRED if name not in given]
    problems += [
        f"there is no field {name[:40]!r} (the fields are {', '.join(FIELDS)})" for name in given if name not in FIELDS
    ]
    problems += [f"{name} was given more than once" for name in FIELDS if len(given.get(name, ())) > 1]
    problems += _of_wrong_kind({name: given[name][0] for name in FIELDS if name in given})
    if problems:
        raise BadUpload(f"The form cannot be used: {'; '.join(problems)}.")


def _of_wrong_kind(first: Mapping[str, object]) -> list[str]:
    problems = []
    for name, content in first.items():
        if name == "file":
            if not isinstance(content, UploadFile):
                problems.append("file must be a file, with a file name, not text")
        elif not isinstance(content, str):
            problems.append(f"{name} must be text, not a file")
        elif name in DAYS and not _is_day(content):
            problems.append(f"{name} must be a day such as 2026-11-23, got {content[:40]!r}")
        else:
            refuse_nul(content, f"form field {name!r}")
    return problems


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
