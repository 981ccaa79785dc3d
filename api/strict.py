"""Refuse what would otherwise be silently ignored or misread.

A misspelt query parameter, one that is given twice, a NUL in a path or query,
an upload that is not a form: each would answer another question than the one
that was asked, or behave differently on the two databases.
"""

from datetime import datetime
from typing import Any

from litestar.connection import ASGIConnection, Request
from litestar.enums import RequestEncodingType
from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter

from api.errors import (
    ApiError,
    MomentWithoutZone,
    NotJson,
    NotMultipart,
    NotNdjson,
    NulCharacter,
    RepeatedParameter,
    UnknownParameter,
)

__all__ = ["is_strict", "query_parameters", "refuse_nul", "require_zone"]

NDJSON = ("application/x-ndjson", "application/ndjson", "application/jsonl")

type Connection = ASGIConnection[Any, Any, Any, Any]


async def is_strict(connection: Connection, handler: BaseRouteHandler) -> None:
    """Guard of every route: see the module's purpose."""
    if "\0" in connection.scope["path"]:
        raise NulCharacter("path")
    known = query_parameters(handler)
    given = connection.query_params
    for name in given:
        if name not in known:
            raise UnknownParameter(name, known)
        values = given.getall(name)
        if len(values) > 1:
            raise RepeatedParameter(name)
        refuse_nul(values[0], f"query parameter {name!r}")
    media_type = connection.headers.get("content-type", "").partition(";")[0].strip().lower()
    if handler.opt.get("json") and media_type != RequestEncodingType.JSON:
        raise NotJson(media_type)
    if handler.opt.get("ndjson") and media_type not in NDJSON:
        raise NotNdjson(media_type)
    if check_form := handler.opt.get("form"):
        if media_type != RequestEncodingType.MULTI_PART:
            raise NotMultipart(media_type)
        if isinstance(connection, Request):
            # All at once; the framework would name the first only, and ignore what it does not know.
            form = await connection.form()
            try:
                check_form(form.multi_items())
            except ApiError:
                await form.close()
                raise


def query_parameters(handler: BaseRouteHandler) -> frozenset[str]:
    """Names of the query parameters that a handler and its dependencies declare."""
    signatures = [
        handler.parsed_fn_signature,
        *(one.parsed_fn_signature for one in handler.resolve_dependencies().values()),
    ]
    fields = [item for signature in signatures for item in signature.parameters.items()]
    return frozenset(name for name, field in fields if isinstance(field.kwarg_definition, QueryParameter))


def require_zone(moment: datetime | None, name: str) -> datetime | None:
    """The moment, unless it does not say how far it is from UTC."""
    if moment is not None and moment.tzinfo is None:
        raise MomentWithoutZone(name)
    return moment


def refuse_nul(text: str, place: str) -> str:
    """The text, unless it contains a NUL."""
    if "\0" in text:
        raise NulCharacter(place)
    return text
