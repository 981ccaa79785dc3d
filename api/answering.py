"""Answer a question about shares over HTTP: find the release, compare validators, take a turn, compute, remember.

The body depends on nothing but the release, its state, the query and the form, so that it may be cached: ``ETag``
names it. The numbers are computed once, as JSON; other forms and compressed bodies are made from that, and kept too.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Protocol, cast
from urllib.parse import quote, urlencode

import msgspec
from litestar import Request, Response
from litestar.openapi import ResponseSpec
from msgspec import Struct

from api.cursors import read_cursor, write_cursor
from api.errors import CursorRefused, EstimateRefused
from api.forms import JSON, TABLES, accepts_gzip, find_form
from api.paging import Page
from api.problems import documented
from api.replies import repeatable
from api.served import Served, find_served
from api.services import Services
from api.strict import require_zone
from api.table_files import file_name
from api.validators import matches
from api.variants import COMPRESSED, GZIP, Encoded, PageBytes, Variant, is_gzip
from jobs.settings import Settings
from polling.errors import DrawsNotFound, ReleaseNotFound
from polling.store.telling import TellingRelease

__all__ = ["ANSWERS", "TABLE_ANSWERS", "Found", "Which", "answer", "body_of", "entity_tag", "find", "ids_of"]

FORM = 10
"""Version of the form of the answers."""

ANSWERS = {
    304: ResponseSpec(None, description="What If-None-Match names is still the answer."),
    **documented(400, 401, 403, 404, 410, 422, 503),
}
"""What every route that answers from draws may answer besides."""

TABLE_ANSWERS = {**ANSWERS, **documented(406)}
"""The same of those that answer in every form of `api.forms.TABLES`."""

MOST_ROWS = 1_000_000
"""Of a page."""

LARGE = 1_000_000
"""Bytes of JSON from which on another form of it takes long to make."""


class Understood(Protocol):
    """A query whose every word is understood."""

    @property
    def is_large(self) -> bool: ...


class Found:
    """A release that answers and need not be looked for. No dataclass: the framework would look into its records."""

    def __init__(self, served: Served) -> None:
        self.served = served


@dataclass(frozen=True, slots=True)
class Which:
    """Whose answer is wanted, the current release's, one by name, or that of a moment; and how it is sent."""

    survey_id: str
    question_id: str
    release_id: str | None = None
    as_of: datetime | None = None
    form: str | None = None
    """A name in `api.forms.TABLES`; None: what Accept prefers."""
    limit: int | None = None
    """Rows of a page; None: all."""
    cursor: str | None = None
    """Where the page begins; None: with the first row."""
    found: Found | None = None
    """The current release, where it was found for another query already."""

    @property
    def takes_current(self) -> bool:
        """Whether no release and no moment is named, nor found."""
        return self.release_id is None and self.as_of is None and self.found is None


def answer[P: Understood, B: Struct](
    request: Request[Any, Any, Any],
    services: Services,
    which: Which,
    query: object,
    *,
    prepare: Callable[..., P],
    make: Callable[[P, Settings], B],
    served: tuple[Served, ...] = (),
) -> Response[B]:
    """The answer of a release to a query, as it is sent.

    Parameters
    ----------
    query
        What is asked; equal for equal questions, with a ``repr`` that tells others apart.
    prepare, make
        Understand the query, which may refuse it, and compute the body.
    served
        The releases that answer, if they are found already: that of ``which``, and those that it is compared with.
    """
    asked = partial(_answer, request, services, which, query, prepare=prepare, make=make)
    if served or not which.takes_current:
        return asked(served=served or (find(services, which),))
    current = find(services, which)
    try:
        return asked(served=(current,))
    except DrawsNotFound:
        # It may have given way since, and its draws have gone with somebody who was erased.
        newer = find(services, which)
        if newer.release.id == current.release.id:
            raise
        return asked(served=(newer,))


def _answer[P: Understood, B: Struct](
    request: Request[Any, Any, Any],
    services: Services,
    which: Which,
    query: object,
    *,
    prepare: Callable[..., P],
    make: Callable[[P, Settings], B],
    served: tuple[Served, ...],
) -> Response[B]:
    headers = request.headers
    form = find_form(which.form, headers.get("accept"))
    basis = _basis(served, query, services.settings)
    page = _page(which, basis)
    variant = Variant(form, form in COMPRESSED and accepts_gzip(headers.get("accept-encoding")), page)
    whole = entity_tag(served, query, services.settings)
    tag = variant.tag(whole)
    are_there = all(one.release.has_draws for one in served)  # else it is refused, whatever somebody has of it
    if are_there and matches(headers.get("if-none-match"), tag):
        return Response(cast("B", None), status_code=304, headers=_headers(tag))

    ids = ids_of(served, query)
    turn = _turn(services, served, query, prepare, make)

    @contextmanager
    def turn_into_variant() -> Iterator[Callable[[], bytes]]:
        _, body = services.answers.get(whole, turn, of=ids)
        assert isinstance(body, Encoded)
        slots = services.releases.large_slots if len(body) > LARGE else services.releases.slots
        with slots.take():
            yield lambda: variant.make(body, lambda start: write_cursor(served[0].release.id, start, basis))

    # Who names a release, a moment, a page or the answer that he has already wants none but the newest; and the name of
    # a file has the number of its release.
    takes_any = which.takes_current and which.cursor is None and headers.get("if-none-match") is None
    asked = (which.survey_id, which.question_id, query, variant) if takes_any and form == JSON else None
    right = tag
    tag, body = services.answers.get(tag, turn if variant.is_whole else turn_into_variant, asked=asked, of=ids)
    if tag == right and which.as_of is None:
        repeatable(request.scope, lambda: services.answers.note_right(asked, tag))
    about = _headers(tag)
    if is_gzip(body):
        about["Content-Encoding"] = GZIP
    if isinstance(body, PageBytes) and body.next_cursor is not None:
        about["Link"] = f'<{_page_url(request, body.next_cursor)}>; rel="next"'
    if variant.form != JSON:
        what = request.scope["path"].rpartition("/")[2]
        name = file_name(variant.form, which.survey_id, which.question_id, what, served[0].release.number)
        about["Content-Disposition"] = f'attachment; filename="{name}"'
    # Encoded here, once; the annotation is what the OpenAPI document is made from.
    return Response(cast("B", body), media_type=TABLES[variant.form], headers=about)


def body_of[P: Understood, B: Struct](
    services: Services,
    served: tuple[Served, ...],
    query: object,
    *,
    prepare: Callable[..., P],
    make: Callable[[P, Settings], B],
    kind: type[B],
) -> B:
    """The body with which ``answer`` would answer, from the same memory, for who shows it in another way.

    Parameters
    ----------
    kind
        The type of the body.
    """
    turn, ids = _turn(services, served, query, prepare, make), ids_of(served, query)
    _, body = services.answers.get(entity_tag(served, query, services.settings), turn, of=ids)
    return msgspec.json.decode(body, type=kind)


def _turn[P: Understood, B: Struct](
    services: Services,
    served: tuple[Served, ...],
    query: object,
    prepare: Callable[..., P],
    make: Callable[[P, Settings], B],
) -> Callable[[], AbstractContextManager[Callable[[], bytes]]]:
    """What makes a body, as ``Answers.get`` takes it: understood first, computed when it is its turn."""

    @contextmanager
    def turn() -> Iterator[Callable[[], bytes]]:
        prepared = prepare(services.releases, *served, query, services.settings)
        slots = services.releases.large_slots if prepared.is_large else services.releases.slots
        with slots.take():
            yield lambda: Encoded.of(make(prepared, services.settings))

    return turn


def entity_tag(served: tuple[Served, ...], query: object, settings: Settings) -> str:
    """A strong validator: the same for the same answer, other for any other."""
    basis = (
        FORM,
        *(
            (one.release.id, one.release.has_draws, one.state.version, one.stale_since, one.data_notes)
            for one in served
        ),
        _telling(served, query),
        query,
        settings.min_people,
        settings.min_interviews,
    )
    return f'"{hashlib.sha256(repr(basis).encode()).hexdigest()[:32]}"'


def find(services: Services, which: Which) -> Served:
    """The release that answers; raises as `api.served.find_served`, and if two things name a release."""
    if which.release_id is not None and which.as_of is not None:
        raise EstimateRefused("release and as_of both name a release. Give one of them.")
    if which.found is not None:
        return which.found.served
    if which.cursor is not None and which.takes_current:
        return _find_again(services, which, read_cursor(which.cursor).key)
    if which.takes_current:
        return services.memory.find_served(which.survey_id, which.question_id)
    at = require_zone(which.as_of, "as_of")
    with services.store.read() as session:
        return find_served(session, which.survey_id, which.question_id, which.release_id, at=at)


def _find_again(services: Services, which: Which, release_id: str) -> Served:
    """The release of the page before, whichever is current by now."""
    served = services.memory.find_served(which.survey_id, which.question_id)
    if served.release.id == release_id:
        return served
    with services.store.read() as session:
        try:
            return find_served(session, which.survey_id, which.question_id, release_id)
        except ReleaseNotFound:
            raise CursorRefused("It belongs to another question, or was altered") from None


def _basis(served: tuple[Served, ...], query: object, settings: Settings) -> tuple[Any, ...]:
    """What all pages of an answer have in common, however stale it has become meanwhile."""
    return (FORM, *ids_of(served, query), query, settings.min_people, settings.min_interviews)


def _telling(served: tuple[Served, ...], query: object) -> tuple[TellingRelease, ...]:
    """The releases that tell whom an answer is about; none where it is about everybody."""
    asked: str | None = getattr(query, "population", None)
    return tuple(told for one in served for told in one.populations.used(asked))


def ids_of(served: tuple[Served, ...], query: object) -> tuple[str, ...]:
    """Ids of all releases that an answer rests on."""
    return (*(one.release.id for one in served), *(told.release.id for told in _telling(served, query)))


def _page(which: Which, basis: tuple[Any, ...]) -> Page | None:
    if which.limit is not None and not 1 <= which.limit <= MOST_ROWS:
        raise EstimateRefused(f"limit must be a number of rows, from 1 to {MOST_ROWS:,}.")
    if which.cursor is None:
        return None if which.limit is None else Page(0, which.limit)
    cursor = read_cursor(which.cursor)
    cursor.require(basis)
    return Page(cursor.start, which.limit)


def _page_url(request: Request[Any, Any, Any], cursor: str) -> str:
    parameters = [(name, value) for name, value in request.query_params.items() if name != "cursor"]
    path = quote(request.scope.get("root_path", "") + request.scope["path"])
    return f"{path}?{urlencode([*parameters, ('cursor', cursor)])}"


def _headers(tag: str) -> dict[str, str]:
    return {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Accept, Accept-Encoding, Authorization"}
