"""Answer a question about shares over HTTP: find the release, compare validators, take a turn, compute, remember.

The body depends on nothing but the release, its state and the query, so that it may be cached: ``ETag`` names it.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, cast

from litestar import MediaType, Request, Response
from litestar.openapi import ResponseSpec
from msgspec import Struct
from msgspec.json import encode

from api.errors import EstimateRefused
from api.problems import documented
from api.served import Served, find_served
from api.services import Services
from api.strict import require_zone
from jobs.settings import Settings

__all__ = ["ANSWERS", "Which", "answer", "entity_tag", "find"]

FORM = 5
"""Version of the form of the answers."""

ANSWERS = {
    304: ResponseSpec(None, description="What If-None-Match names is still the answer."),
    **documented(400, 401, 403, 404, 410, 422, 503),
}
"""What every route that answers from draws may answer besides."""


class Understood(Protocol):
    """A query whose every word is understood."""

    @property
    def is_large(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Which:
    """Whose answer is wanted: the current release's, one by name, or the one that was current at a moment."""

    survey_id: str
    question_id: str
    release_id: str | None = None
    as_of: datetime | None = None

    @property
    def takes_current(self) -> bool:
        """Whether no release and no moment is named."""
        return self.release_id is None and self.as_of is None


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
    served = served or (find(services, which),)
    tag = entity_tag(served, query, services.settings)
    are_there = all(one.release.has_draws for one in served)  # else it is refused, whatever somebody has of it
    if are_there and _matches(request.headers.get("if-none-match"), tag):
        return Response(cast("B", None), status_code=304, headers=_headers(tag))

    @contextmanager
    def turn() -> Iterator[Callable[[], bytes]]:
        prepared = prepare(services.releases, *served, query, services.settings)
        slots = services.releases.large_slots if prepared.is_large else services.releases.slots
        with slots.take():
            yield lambda: encode(make(prepared, services.settings))

    # Who names a release, a moment or the answer that he has already wants none but the newest.
    takes_any = which.takes_current and request.headers.get("if-none-match") is None
    asked = (which.survey_id, which.question_id, query) if takes_any else None
    tag, body = services.answers.get(tag, turn, asked=asked, of=tuple(one.release.id for one in served))
    # Encoded here, once; the annotation is what the OpenAPI document is made from.
    return Response(cast("B", body), media_type=MediaType.JSON, headers=_headers(tag))


def entity_tag(served: tuple[Served, ...], query: object, settings: Settings) -> str:
    """A strong validator: the same for the same answer, other for any other."""
    basis = (
        FORM,
        *(
            (one.release.id, one.release.has_draws, one.state.version, one.stale_since, one.data_notes)
            for one in served
        ),
        query,
        settings.min_people,
        settings.min_interviews,
    )
    return f'"{hashlib.sha256(repr(basis).encode()).hexdigest()[:32]}"'


def find(services: Services, which: Which) -> Served:
    """The release that answers; raises as `api.served.find_served`, and if two things name a release."""
    if which.release_id is not None and which.as_of is not None:
        raise EstimateRefused("release and as_of both name a release. Give one of them.")
    if which.takes_current:
        return services.memory.find_served(which.survey_id, which.question_id)
    at = require_zone(which.as_of, "as_of")
    with services.store.read() as session:
        return find_served(session, which.survey_id, which.question_id, which.release_id, at=at)


def _headers(tag: str) -> dict[str, str]:
    return {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Authorization"}


def _matches(header: str | None, tag: str) -> bool:
    if not header:
        return False
    given = {part.strip().removeprefix("W/") for part in header.split(",")}
    return tag in given or "*" in given
