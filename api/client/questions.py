"""What every question about shares and means may say, and how it is written into a query."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict
from urllib.parse import quote

__all__ = ["Asked", "Who", "query_of", "question_path", "survey_path"]

type Who = Mapping[str, str | Sequence[str]]
"""Column -> its level, or levels of which any is meant, such as ``{"age": ["50-64", "65+"], "gender": "woman"}``."""


class Asked(TypedDict, total=False):
    """What every question about shares and means may say; what is left out is the service's default."""

    level: str
    """nation, a parent level, or district."""
    districts: Sequence[str]
    by: Sequence[str]
    """Demographics."""
    where: Who
    """Who is counted."""
    interval: float
    """Probability of the central intervals, above 0 and below 1."""
    option: str
    measure: str
    """share, or mean: of numbers, or of the scores of ordered options."""
    period: str
    population: str
    """everybody, or the id of a part of the population."""
    uncertainty: str
    """model, or total: with the systematic error, where one probability is given."""
    estimand: str
    """reports, or truth: what people did, turned back from reports that are wrong at declared rates."""
    release: str
    """Id of a release."""
    as_of: datetime
    """With a time zone."""


def query_of(asked: Asked, **more: Any) -> dict[str, Any]:
    """The query parameters of a question.

    Raises
    ------
    TypeError
        If something is asked that no question knows.
    ValueError
        If ``as_of`` has no time zone.
    """
    if unknown := asked.keys() - Asked.__annotations__.keys():
        raise TypeError(f"no question takes {', '.join(sorted(unknown))}; known are {', '.join(Asked.__annotations__)}")
    return {name: _written(name, value) for name, value in {**asked, **more}.items() if value is not None}


def survey_path(survey: str, *rest: str) -> str:
    return "/".join(("/v1/surveys", *(quote(part, safe="") for part in (survey, *rest))))


def question_path(survey: str, question: str, *rest: str) -> str:
    return survey_path(survey, "questions", question, *rest)


def _written(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        pairs = [(column, [levels] if isinstance(levels, str) else levels) for column, levels in value.items()]
        return ",".join(f"{column}:{level}" for column, levels in pairs for level in levels)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{name} needs a time zone, such as datetime(2026, 11, 23, tzinfo=UTC)")
        return value.isoformat()
    return value if isinstance(value, str | int | float) else ",".join(value)
