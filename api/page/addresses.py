"""Where pages are: like the routes under /v1 that they show, without /v1."""

from typing import Any
from urllib.parse import quote, urlencode

__all__ = ["address", "local_address", "question_address", "survey_address"]


def address(path: str, /, **parameters: Any) -> str:
    """An address on this server, with the parameters that are told."""
    given = {name: value for name, value in parameters.items() if value not in (None, "", ())}
    return f"{path}?{urlencode(given)}" if given else path


def question_address(survey_id: str, question_id: str, *more: str, **parameters: Any) -> str:
    """The address of a page of a question."""
    parts = ("surveys", survey_id, "questions", question_id, *more)
    return address("/" + "/".join(quote(one, safe="") for one in parts), **parameters)


def survey_address(survey_id: str, *more: str, **parameters: Any) -> str:
    """The address of a page of a survey."""
    return address("/" + "/".join(quote(one, safe="") for one in ("surveys", survey_id, *more)), **parameters)


def local_address(given: str | None) -> str:
    """Where to go after signing in: a page of this server, whatever was asked for."""
    # "//host" and "/\\host" would lead to another server.
    if not given or not given.startswith("/") or given[1:2] in ("/", "\\") or not given.isprintable():
        return "/"
    return "/" if given.startswith(("/v1", "/sign-")) else given
