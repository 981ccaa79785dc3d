"""Put pages together: templates, headers, the frame around what a page shows."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Response
from litestar.datastructures import Cookie
from markupsafe import Markup

from api.callers import Connection
from api.page import words
from api.page.addresses import question_address, survey_address
from api.page.assets import asset_url
from api.page_access import signed_in
from api.sessions import form_token
from api.validators import matches

__all__ = ["PAGE_TYPE", "Shown", "html", "part", "whole_page"]

PAGE_TYPE: Final = "text/html"
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    # Without it a browser would not say where a form comes from.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
KEPT: Final = {"Cache-Control": "private, no-cache", "Vary": "Cookie, Accept, Accept-Encoding"}


@dataclass(frozen=True, slots=True)
class Shown:
    """What a page shows, without its frame."""

    title: str
    main: Markup
    """The inside of ``<main>``."""
    survey_id: str | None = None
    """Whose events the page follows; None: it follows none."""
    question_id: str | None = None
    """The question whose releases change it; None: those of every question."""
    version: str = ""
    """Other for other content; tells the script whether there is something new."""
    announcement: str = ""
    """What is said when this takes the place of what was shown before."""
    extra: Mapping[str, Any] = field(default_factory=dict)


def part(template: str, /, **about: Any) -> Markup:
    """Fill in a template that is a part of a page."""
    # Escaped by the environment.
    return Markup(_ENVIRONMENT.get_template(template).render(**about))  # noqa: S704


def whole_page(connection: Connection, shown: Shown, *, status: int = 200) -> Response[str]:
    """A page as it is sent to whoever asks; 304 if the browser has it."""
    signed = signed_in(connection)
    text = part(
        "layout.html",
        shown=shown,
        signed=None if signed is None else signed.principal,
        token=None if signed is None else form_token(signed.secret),
        here=_here(connection),
        stream=None if shown.survey_id is None else f"/surveys/{quote(shown.survey_id)}/events",
    )
    tag = f'W/"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
    headers = {**HEADERS, **KEPT, "ETag": tag}
    if status == 200 and matches(connection.headers.get("if-none-match"), tag):
        return Response("", status_code=304, headers=headers)
    return Response(text, status_code=status, media_type=PAGE_TYPE, headers=headers)


def html(
    connection: Connection,
    shown: Shown,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    cookies: list[Cookie] | None = None,
) -> Response[str]:
    """A page that is of this moment alone, and kept by nobody."""
    signed = signed_in(connection)
    text = part(
        "layout.html",
        shown=shown,
        signed=None if signed is None else signed.principal,
        token=None if signed is None else form_token(signed.secret),
        here=_here(connection),
        stream=None,
    )
    about = {**HEADERS, "Cache-Control": "no-store", **(headers or {})}
    return Response(text, status_code=status, media_type=PAGE_TYPE, headers=about, cookies=cookies or [])


def _here(connection: Connection) -> str:
    """Path and query of the page, to come back to."""
    query = connection.scope.get("query_string", b"").decode("latin-1")
    path = quote(connection.scope["path"])
    return f"{path}?{query}" if query else path


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= {name: getattr(words, name) for name in words.__all__}
    environment.globals |= {
        "asset": asset_url,
        "question_address": question_address,
        "survey_address": survey_address,
    }
    return environment


_ENVIRONMENT: Final = _environment()
