"""Refuse what would otherwise be silently ignored or misread.

A misspelt query parameter, one that is given twice, a NUL in a path or query,
an upload that is not a form, JSON that says a thing twice: each would answer another question than the one
that was asked, or behave differently on the two databases.
"""

import re
from datetime import UTC, datetime
from typing import Any

import msgspec
from litestar.connection import ASGIConnection, Request
from litestar.enums import RequestEncodingType
from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter

from api.errors import (
    ApiError,
    BodyRefused,
    MomentOutOfRange,
    MomentWithoutZone,
    NotGeoJson,
    NotJson,
    NotMultipart,
    NotNdjson,
    NulCharacter,
    RepeatedParameter,
    UnknownParameter,
)
from api.offending import choices_in, nearest_of
from api.strict_json import refuse_bad_json

__all__ = ["is_strict", "query_parameters", "refuse_nul", "require_zone"]

GEOJSON = ("application/geo+json", "application/vnd.geo+json", "application/json")
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
        refuse_nul(values[0], f"query parameter {name!r}", parameter=name)
    media_type, _, parameters = connection.headers.get("content-type", "").partition(";")
    media_type = media_type.strip().lower()
    if handler.opt.get("json"):
        if media_type != RequestEncodingType.JSON:
            raise NotJson(media_type)
        refuse_charset(parameters)
        if isinstance(connection, Request):
            body = await connection.body()
            refuse_bad_json(body, "body")
            refuse_other_fields(body, handler)
    refuse_other_raw(media_type, handler)
    if check_form := handler.opt.get("form"):
        if media_type != RequestEncodingType.MULTI_PART:
            raise NotMultipart(media_type)
        if isinstance(connection, Request):
            # All at once; the framework would name the first only, and ignore what it does not know.
            form = await connection.form()
            try:
                check_form(form.items())
            except ApiError:
                await form.close()
                raise


def refuse_other_raw(media_type: str, handler: BaseRouteHandler) -> None:
    """Refuse a raw body of another media type than the handler reads.

    Raises
    ------
    NotNdjson, NotGeoJson
        If it is one.
    """
    if handler.opt.get("ndjson") and media_type not in NDJSON:
        raise NotNdjson(media_type)
    if handler.opt.get("geojson") and media_type not in GEOJSON:
        raise NotGeoJson(media_type)


def refuse_charset(parameters: str) -> None:
    """Refuse JSON in another charset than the one that it has.

    Raises
    ------
    NotJson
        If the parameters of a Content-Type name one.
    """
    for one in parameters.split(";"):
        name, _, value = one.partition("=")
        if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in ("utf-8", "utf8", "us-ascii"):
            raise NotJson(f"application/json;{parameters}")


def refuse_other_fields(body: bytes, handler: BaseRouteHandler) -> None:
    """Refuse a body that is not exactly what the handler takes; the framework takes "5" for 5.

    Raises
    ------
    BodyRefused
        If it is not; names the field.
    """
    field = handler.parsed_data_field
    assert field is not None
    try:
        msgspec.json.decode(body, type=field.annotation)
    except msgspec.ValidationError as error:
        why, _, place = str(error).partition(" - at ")
        named = re.search(r"field `(.*)`", why)
        at = place.strip("`").removeprefix("$").removeprefix(".") or (named[1] if named else None)
        choices = _choices(field.annotation, at)
        raise BodyRefused(why, at, allowed=choices, nearest=nearest_of(_quoted(why), choices)) from None


def _choices(struct: Any, place: str | None) -> tuple[str, ...]:
    """What the field at a place of a body may be, if that is a closed list; at a place of its own, its fields."""
    fields = {one.name: one.type for one in msgspec.structs.fields(struct)}
    name = re.split(r"[.\[]", place)[0] if place else ""
    return choices_in(fields[name]) if name in fields else tuple(fields)


def _quoted(why: str) -> str:
    found = re.search("[`'](.*)[`']", why)
    return found[1] if found else ""


def query_parameters(handler: BaseRouteHandler) -> frozenset[str]:
    """Names of the query parameters that a handler and its dependencies declare."""
    signatures = [
        handler.parsed_fn_signature,
        *(one.parsed_fn_signature for one in handler.resolve_dependencies().values()),
    ]
    fields = [item for signature in signatures for item in signature.parameters.items()]
    return frozenset(name for name, field in fields if isinstance(field.kwarg_definition, QueryParameter))


def require_zone(moment: datetime | None, name: str) -> datetime | None:
    """The moment, unless it does not say how far it is from UTC, or there is no such moment in UTC."""
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise MomentWithoutZone(name)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise MomentOutOfRange(name) from None


def refuse_nul(text: str, place: str, *, parameter: str | None = None) -> str:
    """The text, unless it contains a NUL."""
    if "\0" in text:
        raise NulCharacter(place, parameter)
    return text
