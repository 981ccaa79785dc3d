"""Which parameter a refusal is about, and what would have been accepted: for programs, what sentences say to people.

Some refusals know their parameter. The others name it, or quote its value, in their sentence; it is read from there, so
that the two cannot differ.
"""

import difflib
import re
from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

from api import errors
from jobs.errors import WebhookRefused
from polling import errors as polling_errors

__all__ = ["MAX_ALLOWED", "choices_in", "nearest_of", "offending_parameter", "parameter_of"]

MAX_ALLOWED = 200
"""Values that a problem lists at most; the nearest to what was sent is told apart."""

PARAMETERS: dict[type[Exception], str] = {
    polling_errors.SurveyNotFound: "survey_id",
    polling_errors.QuestionNotFound: "question_id",
    polling_errors.WaveNotFound: "wave_id",
    polling_errors.JobNotFound: "job_id",
    polling_errors.ErasureNotFound: "case_number",
    polling_errors.KeyNotFound: "prefix",
    polling_errors.WebhookNotFound: "webhook_id",
    polling_errors.DeliveryNotFound: "event_id",
    polling_errors.PredictorsNotFound: "upload_id",
    polling_errors.ResultNotFound: "result_id",
    WebhookRefused: "url",
    errors.DistrictNotFound: "district",
    errors.IntervalOutOfRange: "interval",
    errors.PollsterRefused: "pollster",
    errors.BadEventId: "last_event_id",
    errors.EventsGone: "last_event_id",
    errors.BadIdempotencyKey: "Idempotency-Key",
    errors.TicketRefused: "ticket",
}
"""Refusals that are always about the same parameter."""


def parameter_of(error: Exception) -> str | None:
    """The parameter that a refusal itself knows to be about."""
    known: str | None = getattr(error, "parameter", None)
    return known or next((PARAMETERS[one] for one in type(error).__mro__ if one in PARAMETERS), None)


def offending_parameter(detail: str, path: Mapping[str, Any], query: Mapping[str, str]) -> str | None:
    """The parameter whose value a sentence quotes, or else the first given one that it names.

    Parameters
    ----------
    detail
        The sentence.
    path, query
        What was sent.
    """
    sent = [(name, str(value)) for name, value in (*path.items(), *query.items())]
    # A whole value before a part of one: both may be quoted by the same words.
    for parts_of in (lambda value: [value], _pieces):
        places = {detail.find(f"'{part}'"): name for name, value in sent for part in parts_of(value)}
        places.pop(-1, None)
        if places:
            return places[min(places)]
    named = {found.start(): name for name in query if (found := re.search(rf"\b{re.escape(name)}\b", detail))}
    return named[min(named)] if named else None


def nearest_of(value: str, allowed: tuple[str, ...], *, cutoff: float = 0.6) -> str | None:
    """The accepted value that a value was perhaps meant to be."""
    found = difflib.get_close_matches(value, allowed, n=1, cutoff=cutoff)
    return found[0] if found else None


def choices_in(annotation: Any) -> tuple[str, ...]:
    """The values of the ``Literal`` in an annotation; none if there is none."""
    annotation = getattr(annotation, "__value__", annotation)
    if get_origin(annotation) is Literal:
        return tuple(map(str, get_args(annotation)))
    return tuple(choice for one in get_args(annotation) for choice in choices_in(one))


def _pieces(value: str) -> list[str]:
    return [piece for part in re.split(r"[,:|=]", value) if (piece := part.strip())]
