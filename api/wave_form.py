"""The form of an upload: its fields, and everything that is wrong with one at once."""

import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Annotated, Any

import msgspec
from litestar.datastructures import UploadFile
from msgspec import Meta

from api.errors import BadUpload, RequestRefused
from api.strict import refuse_nul
from api.strict_json import refuse_bad_json
from polling.declaration import WAVE_FACTS
from polling.store.columns import Json

__all__ = ["WaveForm", "check_form", "facts_given"]


class WaveForm(msgspec.Struct):
    """The form fields of an upload."""

    file: Annotated[
        UploadFile,
        Meta(description="The interviews: CSV (UTF-8), NDJSON, Parquet, SPSS, Stata or .xlsx, also with gzip or zstd."),
    ]
    fieldwork_start: Annotated[str, Meta(description="First day of interviewing, as 2026-11-23.")]
    fieldwork_end: Annotated[str, Meta(description="Last day of interviewing.")]
    reference: Annotated[
        str | None,
        Meta(description="Your own name for the wave; the same one again is the same wave. Needed without replaces."),
    ] = None
    pollster: Annotated[str | None, Meta(description="Who sends it. Default: the pollster of the key.")] = None
    replaces: Annotated[
        str | None, Meta(description="Reference or id of the wave that this corrects: its interviews, dates or facts.")
    ] = None
    reason: Annotated[str | None, Meta(description="Why it is corrected; needed with replaces.")] = None
    mode: Annotated[str | None, Meta(description="How interviews were done, e.g. phone.")] = None
    sponsor: Annotated[str | None, Meta(description="Who paid for them.")] = None
    sample_source: Annotated[str | None, Meta(description="Where respondents came from.")] = None
    universe: Annotated[
        str | None, Meta(description="Whom they stand for, e.g. adults, registered voters, likely voters.")
    ] = None
    language: Annotated[str | None, Meta(description="In which language they were asked.")] = None
    facts: Annotated[
        str | None,
        Meta(description='The same facts as one JSON object, with {"wording": {"<question id>": "<text as asked>"}}.'),
    ] = None


FIELDS = WaveForm.__struct_fields__
REQUIRED = ("file", "fieldwork_start", "fieldwork_end")
TEXT_FACTS = tuple(name for name in WAVE_FACTS if name in FIELDS)
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
    if "reference" not in given and "replaces" not in given:
        problems.append("reference is missing")
    problems += [
        f"there is no field {name[:40]!r} (the fields are {', '.join(FIELDS)})" for name in given if name not in FIELDS
    ]
    problems += [f"{name} was given more than once" for name in FIELDS if len(given.get(name, ())) > 1]
    problems += _of_wrong_kind({name: given[name][0] for name in FIELDS if name in given})
    if problems:
        first = re.match(r"there is no field '(.*?)'|(\w+)", problems[0])
        raise BadUpload(f"The form cannot be used: {'; '.join(problems)}.", first and (first[1] or first[2]))


def _of_wrong_kind(first: Mapping[str, object]) -> list[str]:
    problems = []
    for name, content in first.items():
        if name == "file":
            if not isinstance(content, UploadFile):
                problems.append("file must be a file, with a file name, not text")
        elif not isinstance(content, str):
            problems.append(f"{name} must be text, not a file")
        elif name == "facts" and not isinstance(_json(content), dict):
            problems.append(f"facts must be a JSON object, got {content[:40]!r}")
        elif name == "facts" and (why := _why_refused(content)):
            problems.append(f"facts cannot be used: {why}")
        elif name == "facts" and (twice := [one for one in _json(content) if one in first]):
            problems.append(f"{', '.join(twice)} was given in facts too")
        elif name in DAYS and not _is_day(content):
            problems.append(f"{name} must be a day such as 2026-11-23, got {content[:40]!r}")
        else:
            refuse_nul(content, f"form field {name!r}")
    return problems


def facts_given(form: WaveForm) -> dict[str, Json]:
    """The facts that a form tells, one by one or in one object."""
    told: dict[str, Json] = {name: value for name in TEXT_FACTS if (value := getattr(form, name)) is not None}
    return told if form.facts is None else told | _json(form.facts)


def _why_refused(text: str) -> str:
    try:
        refuse_bad_json(text, "object")
    except RequestRefused as error:
        return str(error).rstrip(".")
    return ""


def _json(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return None


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
