"""Forms of a table that is true of a day: everything that is wrong with the fields of one at once."""

from collections.abc import Callable, Iterable
from datetime import date

import msgspec
from litestar.datastructures import UploadFile

from api.errors import BadUpload
from api.strict import refuse_nul

__all__ = ["MAX_REASON", "check_dated_form"]

MAX_REASON = 1000


def check_dated_form(
    form: type[msgspec.Struct], *, day: str, required: tuple[str, ...]
) -> Callable[[Iterable[tuple[str, object]]], None]:
    """What refuses a form that cannot be read as ``form``.

    Parameters
    ----------
    form
        Its fields are ``file`` and texts.
    day
        The field that is a day.
    required
        Fields that have to be there.

    Returns
    -------
    Callable
        Takes name and content of each part: text, or a file. Raises `BadUpload` with every field that is missing,
        unknown, given twice or of the wrong kind, and `NulCharacter` if a text has a NUL.
    """
    names = form.__struct_fields__

    def check(fields: Iterable[tuple[str, object]]) -> None:
        given: dict[str, list[object]] = {}
        for name, content in fields:
            given.setdefault(name, []).append(content)
        problems = [(name, f"{name} is missing") for name in required if name not in given]
        known = ", ".join(names)
        problems += [
            (name, f"there is no field {name[:40]!r} (the fields are {known})") for name in given if name not in names
        ]
        problems += [(name, f"{name} was given more than once") for name in names if len(given.get(name, ())) > 1]
        problems += [
            (name, problem)
            for name in names
            if name in given and (problem := _of_wrong_kind(name, given[name][0], day)) is not None
        ]
        if problems:
            said = "; ".join(problem for _, problem in problems)
            raise BadUpload(f"The form cannot be used: {said}.", problems[0][0])

    return check


def _of_wrong_kind(name: str, content: object, day: str) -> str | None:
    if name == "file":
        return None if isinstance(content, UploadFile) else "file must be a file, with a file name, not text"
    if not isinstance(content, str):
        return f"{name} must be text, not a file"
    refuse_nul(content, f"form field {name!r}")
    if name == day:
        try:
            date.fromisoformat(content)
        except ValueError:
            return f"{day} must be a day such as 2026-11-03, got {content[:40]!r}"
    if name == "reason" and not 0 < len(content.strip()) <= MAX_REASON:
        return f"reason must have 1 to {MAX_REASON:,} letters"
    return None
