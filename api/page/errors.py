"""Answer a browser with a page where a program gets a problem: the same status, the same words, and what to do next."""

from typing import Any, Final

from litestar import Request, Response
from litestar.exceptions import HTTPException

from api import problems
from api.errors import KeyMissing, KeyNotAccepted
from api.page.render import Shown, html, part
from api.page.signing import sign_in_page

__all__ = ["exception_handlers", "render_either", "wants_page"]

PROGRAMS: Final = ("/v1", "/docs", "/openapi.json", "/health", "/ready", "/metrics", "/page/")
"""Beginnings of paths that are no pages."""
OWN_WORDS: Final = {
    404: "There is nothing here, or it is not for the key that you signed in with.",
    405: "This address is not meant to be used in this way.",
}


def wants_page(request: Request[Any, Any, Any]) -> bool:
    """Whether a refusal is read by a person."""
    path = request.scope["path"]
    return not path.startswith(PROGRAMS) and "text/html" in request.headers.get("accept", "")


def render_either(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Answer an error with a page or a problem; log it if it was not expected."""
    if not wants_page(request):
        return problems.render(request, error)
    problem, headers = problems.answer(error)
    if isinstance(error, KeyMissing | KeyNotAccepted):
        return sign_in_page(request, status=401)
    problems.note_unexpected(request, error, problem)
    detail = OWN_WORDS.get(problem.status, problem.detail) if isinstance(error, HTTPException) else problem.detail
    main = part("problem.html", problem=problem, detail=detail)
    return html(request, Shown(problem.title, main), status=problem.status, headers=headers)


exception_handlers: dict[int | type[Exception], Any] = {HTTPException: render_either, Exception: render_either}
