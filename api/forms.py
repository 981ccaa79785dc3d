"""In which form an answer is sent: by ``format``, or by ``Accept`` (RFC 9110, section 12.5).

Of the forms that are offered the one with the largest quality is sent; of equal ones that which the header names most
exactly, then the one that is offered first. A range that is refused with ``q=0`` is not sent because of a wider one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from litestar.openapi.spec import OpenAPIMediaType, OpenAPIResponse, Operation, Schema
from litestar.openapi.spec.enums import OpenAPIFormat, OpenAPIType

from api.errors import NotAcceptable, UnknownChoice

__all__ = ["JSON", "TABLES", "InTableForms", "accepts_gzip", "add_forms", "find_form"]

JSON: Final = "json"

TABLES: Final[Mapping[str, str]] = {
    JSON: "application/json",
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.stream",
}
"""Forms of answers that have rows: name in ``format`` -> media type in ``Accept``; the first is the default."""


@dataclass
class InTableForms(Operation):
    """Describes what the annotation of a handler cannot: the other media types of an answer that has rows."""

    def __post_init__(self) -> None:
        add_forms(self, list(TABLES.values())[1:])


def add_forms(operation: Operation, media_types: Iterable[str]) -> None:
    """Describe that the answer is also sent as other media types than JSON."""
    answer = (operation.responses or {}).get("200")
    assert isinstance(answer, OpenAPIResponse)
    assert answer.content is not None
    for media_type in media_types:
        binary = None if media_type.startswith("text/") else OpenAPIFormat.BINARY
        answer.content[media_type] = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING, format=binary))


def find_form(named: str | None, accept: str | None, offered: Mapping[str, str] = TABLES) -> str:
    """The form that is asked for.

    Parameters
    ----------
    named
        The parameter ``format``, which goes before the header.
    accept
        The header ``Accept``; None or empty: anything will do.

    Raises
    ------
    UnknownChoice
        If ``format`` names no form.
    NotAcceptable
        If ``Accept`` admits none of those that there are.
    """
    if named is not None:
        if named not in offered:
            raise UnknownChoice("format", named, offered)
        return named
    if not accept or accept == "*/*":
        return next(iter(offered))
    form = _preferred(accept, tuple(offered.items()))
    if form is None:
        raise NotAcceptable(accept, offered)
    return form


@lru_cache(maxsize=256)
def accepts_gzip(header: str | None) -> bool:
    """Whether an ``Accept-Encoding`` admits gzip by name or ``*``; without the header nothing is encoded."""
    qualities = dict(_weighted(header or ""))
    return max(qualities.get("gzip", qualities.get("*", 0.0)), qualities.get("x-gzip", 0.0)) > 0


@lru_cache(maxsize=256)
def _preferred(accept: str, offered: tuple[tuple[str, str], ...]) -> str | None:
    ranges = [(name.partition(";")[0].strip(), quality) for name, quality in _weighted(accept)]
    best, form = (0.0, 0), None
    for name, media_type in offered:
        matching = [(_exactness(wanted, media_type), quality) for wanted, quality in ranges]
        exactness, quality = max((one for one in matching if one[0]), default=(0, 0.0))
        if quality and (quality, exactness) > best:
            best, form = (quality, exactness), name
    return form


def _exactness(wanted: str, media_type: str) -> int:
    """How exactly a range names a media type; 0 if it is another one."""
    ranges = ("*/*", f"{media_type.partition('/')[0]}/*", media_type)
    return ranges.index(wanted) + 1 if wanted in ranges else 0


def _weighted(header: str) -> list[tuple[str, float]]:
    """Each element of a header with its quality; what is no quality counts as 1."""
    found = []
    for element in header.lower().split(","):
        name, _, parameters = element.partition(";")
        quality = 1.0
        for parameter in parameters.split(";"):
            key, _, value = parameter.partition("=")
            if key.strip() == "q":
                try:
                    quality = min(max(float(value), 0.0), 1.0)
                except ValueError:
                    quality = 1.0
        found.append((name.strip(), quality))
    return found
