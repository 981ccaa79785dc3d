"""Answer many queries of a survey at once, each as its GET would be, all of a question from one release.

A query that is refused, or fails, does not take the others with it: its problem stands in its place.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec
from litestar import Request

from api.answering import Found, find
from api.errors import EstimateRefused, RequestRefused
from api.labels import one_of
from api.offending import offending_parameter
from api.problems import Problem, log_unexpected
from api.problems import answer as problem_of
from api.query_kinds import KINDS
from api.query_parameters import Asked, asked
from api.services import Services
from api.strict import refuse_nul

__all__ = ["answer_queries"]

MOST_BYTES: Final = 50_000_000
"""Of all answers together; what comes after has to be asked for by itself."""


def answer_queries(services: Services, survey_id: str, queries: Sequence[Mapping[str, Any]], *, path: str) -> bytes:
    """The encoded `api.query_payloads.QueriesPayload`.

    Parameters
    ----------
    path
        Of the request, for the log.
    """
    one_by_one = _OneRelease(services, survey_id)
    answers = [{"status": status, "body": msgspec.Raw(body)} for status, body in _answered(one_by_one, queries, path)]
    return msgspec.json.encode({"answers": answers})


def _answered(survey: "_OneRelease", queries: Sequence[Mapping[str, Any]], path: str) -> Iterator[tuple[int, bytes]]:
    n_bytes = 0
    for query in queries:
        try:
            if n_bytes > MOST_BYTES:
                raise EstimateRefused(
                    "The answers before this one fill the reply. Ask for this one in another request."
                )
            status, body = survey.ask(query)
        except Exception as error:  # as at the edge of a GET
            problem = _named(problem_of(error)[0], query)
            if problem.status == 500:
                log_unexpected(error, method="POST", path=path)
            status, body = problem.status, msgspec.json.encode(problem)
        n_bytes += len(body)
        yield status, body


def _named(problem: Problem, query: Mapping[str, Any]) -> Problem:
    """The problem, with the field of the query that it is about, as a GET names its parameter."""
    parameter = problem.parameter
    if parameter is None and problem.status in (400, 404, 422):
        given = {name: str(value) for name, value in query.items() if value is not None}
        of_path: dict[str, str] = {name: given.pop(name) for name in ("question", "kind", "district") if name in given}
        parameter = offending_parameter(problem.detail, of_path, given)
    return msgspec.structs.replace(problem, parameter="question" if parameter == "question_id" else parameter)


@dataclass(slots=True)
class _OneRelease:
    """A survey whose questions answer from the releases that were current when they were first asked."""

    services: Services
    survey_id: str
    _current: dict[str, Found] = field(default_factory=dict)

    def ask(self, query: Mapping[str, Any]) -> tuple[int, bytes]:
        """Status and body of one query; raises what its GET would."""
        question, name = (_text(query, needed) for needed in ("question", "kind"))
        kind = KINDS[one_of("kind", name, KINDS)]
        shared, own = kind.read({key: value for key, value in query.items() if key not in ("question", "kind")})
        understood = asked(services=self.services, survey_id=self.survey_id, question_id=question, **shared)
        reply = kind.ask(request=_plain_get(), asked=self._of_current(understood), **own)
        return int(reply.status_code or 200), bytes(reply.content)

    def _of_current(self, understood: Asked) -> Asked:
        which = understood.which
        if not which.takes_current:
            return understood
        if which.question_id not in self._current:
            self._current[which.question_id] = Found(find(self.services, which))
        return replace(understood, which=replace(which, found=self._current[which.question_id]))


def _text(query: Mapping[str, Any], name: str) -> str:
    value = query.get(name)
    if not isinstance(value, str):
        raise RequestRefused(f"A query needs {name}, as text.")
    return refuse_nul(value, name)


def _plain_get() -> Request[Any, Any, Any]:
    """A request that says nothing of forms, compression or what is known already."""
    return Request({"type": "http", "method": "GET", "path": "", "headers": [], "query_string": b""})  # type: ignore[arg-type]
