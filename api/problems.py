"""The one place where an error becomes an HTTP reply (RFC 9457 problem details).

``PROBLEMS`` maps every expected error to a status, a ``type`` slug and a title;
the error's own message is the ``detail``. The nearest class in the method
resolution order decides, so that a new domain error is at worst answered by
its base class. What is in no table is a bug: 500, logged without the message
of the exception, which may quote an answer of a respondent.
"""

import logging
from typing import Annotated, Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, InternalServerException, ValidationException
from litestar.openapi import ResponseSpec
from sqlalchemy.exc import OperationalError

from api import errors
from api.offending import MAX_ALLOWED, choices_in, nearest_of, offending_parameter, parameter_of
from jobs import logs
from jobs.errors import PicturesFailed, WebhookRefused
from polling import errors as polling_errors

__all__ = ["MEDIA_TYPE", "PROBLEMS", "Problem", "ProblemKind", "answer", "documented", "note_unexpected", "render"]

MEDIA_TYPE = "application/problem+json"
MAX_DETAIL = 2500
"""Letters; some messages quote what was sent."""
log = logging.getLogger("hustings.api")


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a request was not answered (RFC 9457)."""

    type: Annotated[str, msgspec.Meta(description="A slug that names the kind of problem; it does not change.")]
    title: Annotated[str, msgspec.Meta(description="The kind of problem in words.")]
    status: Annotated[int, msgspec.Meta(description="The HTTP status again.")]
    detail: Annotated[str, msgspec.Meta(description="What happened this time and what to do.")]
    faults: Annotated[
        list[dict[str, Any]] | None,
        msgspec.Meta(
            description="Faults of an upload, equal ones once, at most 100 kinds: file, row, column, value, reason, "
            "remedy, count, rows (the first)."
        ),
    ] = None
    n_faults: Annotated[int | None, msgspec.Meta(description="How many faults there are in all.")] = None
    n_rows: Annotated[int | None, msgspec.Meta(description="How many interviews the refused file has.")] = None
    allowed: Annotated[
        list[str] | None, msgspec.Meta(description="What would have been accepted instead; at most 200.")
    ] = None
    parameter: Annotated[
        str | None,
        msgspec.Meta(
            description="The parameter, field or header that was wrong, by its name: of the path, query or form as in "
            "this document, of a JSON body with its place, such as `waves[1]`."
        ),
    ] = None
    nearest: Annotated[
        str | None, msgspec.Meta(description="That of `allowed` which is nearest to what was sent, if one is near.")
    ] = None
    request_id: Annotated[
        str | None,
        msgspec.Meta(description="With a status of 500 or more: the `X-Request-Id` by which the log tells of it."),
    ] = None


class ProblemKind(msgspec.Struct, frozen=True):
    """Status, slug and title of one kind of problem."""

    status: int
    type: str
    title: str


PROBLEMS: dict[type[Exception], ProblemKind] = {
    errors.RequestRefused: ProblemKind(400, "bad-request", "The request cannot be understood"),
    errors.UnknownParameter: ProblemKind(400, "unknown-parameter", "Unknown query parameter"),
    errors.RepeatedParameter: ProblemKind(400, "repeated-parameter", "Query parameter given twice"),
    errors.NulCharacter: ProblemKind(400, "nul-character", "NUL character in the request"),
    errors.BadUpload: ProblemKind(400, "bad-upload", "The upload cannot be understood"),
    errors.BadIdempotencyKey: ProblemKind(400, "bad-idempotency-key", "The Idempotency-Key cannot be used"),
    errors.BadEventId: ProblemKind(400, "bad-event-id", "The id of the last event cannot be used"),
    errors.NotAcceptable: ProblemKind(406, "not-acceptable", "The answer has no form that is accepted"),
    errors.IdempotencyKeyReused: ProblemKind(409, "idempotency-key-reused", "The Idempotency-Key is taken"),
    errors.RequestInFlight: ProblemKind(409, "request-in-flight", "The same request is being worked on"),
    errors.NotMultipart: ProblemKind(415, "unsupported-media-type", "The wrong media type"),
    errors.NotJson: ProblemKind(415, "unsupported-media-type", "The wrong media type"),
    errors.NotGeoJson: ProblemKind(415, "unsupported-media-type", "The wrong media type"),
    errors.NotNdjson: ProblemKind(415, "unsupported-media-type", "The wrong media type"),
    errors.BodyRefused: ProblemKind(400, "bad-request", "The request cannot be understood"),
    errors.MomentOutOfRange: ProblemKind(400, "bad-request", "The request cannot be understood"),
    errors.MomentWithoutZone: ProblemKind(400, "moment-without-zone", "A time needs its time zone"),
    RecursionError: ProblemKind(400, "bad-request", "The request is nested too deeply"),
    errors.KeyMissing: ProblemKind(401, "key-missing", "An API key is needed"),
    errors.KeyNotAccepted: ProblemKind(401, "key-refused", "The API key is not accepted"),
    errors.TicketRefused: ProblemKind(401, "ticket-refused", "The ticket opens nothing any more"),
    polling_errors.KeyRefused: ProblemKind(401, "key-refused", "The API key is not accepted"),
    errors.RoleRefused: ProblemKind(403, "role-refused", "The key's role may not do this"),
    errors.PollsterRefused: ProblemKind(403, "pollster-refused", "The key speaks for another pollster"),
    errors.UndoUnclear: ProblemKind(422, "undo-unclear", "It is not clear what is to be undone"),
    errors.EstimateRefused: ProblemKind(422, "bad-estimate-query", "There is no such estimate"),
    errors.UnknownChoice: ProblemKind(422, "unknown-choice", "Not one of the possible values"),
    errors.IntervalOutOfRange: ProblemKind(422, "interval-out-of-range", "The interval is out of range"),
    errors.DistrictNotFound: ProblemKind(404, "district-not-found", "No such district"),
    errors.CursorRefused: ProblemKind(422, "bad-cursor", "The cursor does not continue this answer"),
    errors.TooManyGroups: ProblemKind(422, "too-many-groups", "The breakdown is too fine for one answer"),
    errors.EventsGone: ProblemKind(410, "events-gone", "The events after this one are not kept any more"),
    errors.TooManyStreams: ProblemKind(429, "too-many-streams", "Too many streams of events are open"),
    errors.NoReleaseYet: ProblemKind(404, "no-release-yet", "Nothing is published yet"),
    polling_errors.SurveyNotFound: ProblemKind(404, "survey-not-found", "No such survey"),
    polling_errors.QuestionNotFound: ProblemKind(404, "question-not-found", "No such question"),
    polling_errors.WaveNotFound: ProblemKind(404, "wave-not-found", "No such wave"),
    polling_errors.ReleaseNotFound: ProblemKind(404, "release-not-found", "No such release"),
    polling_errors.ReleaseRefused: ProblemKind(409, "release-refused", "This cannot be done with the release"),
    polling_errors.JobNotFound: ProblemKind(404, "job-not-found", "No such job"),
    polling_errors.ErasureNotFound: ProblemKind(404, "erasure-not-found", "No such erasure"),
    polling_errors.ErasedMeanwhile: ProblemKind(409, "erased-meanwhile", "A respondent was erased meanwhile"),
    polling_errors.RespondentsUnknown: ProblemKind(422, "respondents-unknown", "The survey stores no respondent's id"),
    polling_errors.DrawsNotFound: ProblemKind(410, "draws-gone", "The draws of this release are not kept any more"),
    polling_errors.WaveConflict: ProblemKind(409, "wave-conflict", "The wave contradicts one received before"),
    polling_errors.WaveWithdrawn: ProblemKind(409, "wave-withdrawn", "The wave was withdrawn and can be restored"),
    polling_errors.WaveStateRefused: ProblemKind(409, "wave-state", "The wave stands so that this cannot be done"),
    polling_errors.WaveRejected: ProblemKind(422, "wave-rejected", "The wave was not accepted"),
    polling_errors.BoundariesRefused: ProblemKind(422, "boundaries-refused", "The boundaries were not accepted"),
    polling_errors.BoundariesNotFound: ProblemKind(404, "boundaries-not-found", "The survey has no boundaries"),
    polling_errors.WebhookNotFound: ProblemKind(404, "webhook-not-found", "No such webhook"),
    polling_errors.DeliveryNotFound: ProblemKind(404, "delivery-not-found", "No such delivery"),
    polling_errors.ResultRejected: ProblemKind(422, "result-rejected", "The result was not accepted"),
    polling_errors.ResultConflict: ProblemKind(409, "result-conflict", "The result contradicts one that is known"),
    polling_errors.ResultNotFound: ProblemKind(404, "result-not-found", "No such known result"),
    polling_errors.PredictorsRejected: ProblemKind(422, "predictors-rejected", "The predictors were not accepted"),
    polling_errors.PredictorsNotFound: ProblemKind(404, "predictors-not-found", "No such upload of predictors"),
    WebhookRefused: ProblemKind(422, "webhook-refused", "Events are not sent there"),
    polling_errors.SchemaOutdated: ProblemKind(503, "database-not-ready", "The database cannot be used"),
    polling_errors.SchemaTooNew: ProblemKind(503, "database-not-ready", "The database cannot be used"),
    polling_errors.ReaderUnavailable: ProblemKind(503, "reader-unavailable", "Files cannot be read now"),
    polling_errors.SecretsError: ProblemKind(503, "secrets-unusable", "The secrets file cannot be used"),
    errors.TooManyRequests: ProblemKind(429, "too-many-requests", "Too many requests"),
    polling_errors.KeyScopeRefused: ProblemKind(422, "bad-key-request", "There is no such key"),
    polling_errors.KeyStateRefused: ProblemKind(409, "key-state", "The key stands so that this cannot be done"),
    polling_errors.KeyNotFound: ProblemKind(404, "key-not-found", "No such key"),
    PicturesFailed: ProblemKind(503, "pictures-failed", "The pictures of this fit cannot be made"),
    errors.ServiceBusy: ProblemKind(503, "busy", "Too many answers are being computed"),
    errors.DatabaseAway: ProblemKind(503, "database-unreachable", "The database cannot be reached"),
    OperationalError: ProblemKind(503, "database-unreachable", "The database cannot be reached"),
}

HTTP_KINDS = {
    400: ProblemKind(400, "bad-request", "The request cannot be understood"),
    401: ProblemKind(401, "key-refused", "The API key is not accepted"),
    403: ProblemKind(403, "forbidden", "This is not allowed"),
    404: ProblemKind(404, "not-found", "There is nothing here"),
    405: ProblemKind(405, "method-not-allowed", "This method is not allowed here"),
    413: ProblemKind(413, "too-large", "The request is too large"),
    415: ProblemKind(415, "unsupported-media-type", "The wrong media type"),
    503: ProblemKind(503, "unavailable", "The service is not available"),
}
"""Kinds for the framework's own refusals, by status."""

UNEXPECTED = ProblemKind(500, "internal-error", "Something went wrong in the service")

DESCRIPTIONS = {
    400: "The request cannot be understood: an unknown or repeated parameter, a value of the wrong type, a NUL.",
    401: "No key, or a key (for a stream: a ticket) that is unknown, revoked or expired.",
    403: "The key's role or pollster may not do this.",
    404: "There is no such thing, or it lies outside the key's surveys.",
    406: "Accept admits none of the forms in which the answer can be sent; the detail names them.",
    409: "The wave, release or key stands so that this cannot be done, or the Idempotency-Key is in use.",
    410: "It was here once, and is not kept any more: draws of a release, or events.",
    413: "The file is larger than the service accepts.",
    415: "The body has another media type than the route takes.",
    422: "The request is clear, but cannot be carried out; the detail says why, and what is allowed.",
    429: "More, or more often, than a key, an address without one, or the server may.",
    500: "A fault of the service; it has been logged.",
    503: "The service cannot answer now.",
}


_GONE_AWAY = "client disconnected prematurely"
"""How the framework words its 500 for a body that ends early, which is no fault of the service."""
_COME_AGAIN = (
    errors.ServiceBusy,
    errors.RequestInFlight,
    errors.TooManyStreams,
    errors.DatabaseAway,
    OperationalError,
)
"""Answered with Retry-After."""


def documented(*statuses: int) -> dict[int, ResponseSpec]:
    """The problems a route may answer, for its OpenAPI description; where it asks for a key 429, 500 and 503 too."""
    every = (*statuses, 429, 500, 503) if 401 in statuses else statuses
    return {
        status: ResponseSpec(Problem, generate_examples=False, description=DESCRIPTIONS[status], media_type=MEDIA_TYPE)
        for status in every
    }


def answer(error: Exception) -> tuple[Problem, dict[str, str]]:
    """The problem, and the headers, with which an error is answered."""
    headers: dict[str, str] = {}
    if isinstance(error, InternalServerException) and error.detail == _GONE_AWAY:
        error = errors.RequestRefused("The connection ended before the body did. Send it whole.")
    if isinstance(error, HTTPException):
        kind = HTTP_KINDS.get(error.status_code, ProblemKind(error.status_code, "http-error", "The request failed"))
        detail = _http_detail(error)
        headers = dict(error.headers or {})
    else:
        kind = next((PROBLEMS[c] for c in type(error).__mro__ if c in PROBLEMS), UNEXPECTED)
        detail = str(error)
        if isinstance(error, RecursionError):
            detail = "The body is nested too deeply to be read."
        if isinstance(error, OperationalError):  # its message has the statement and its values
            detail = "The database did not answer. Please try again."
        if isinstance(error, polling_errors.SecretsError):  # its message has a path of the server
            detail = "The service cannot read its secrets. `hustings doctor` says why."
        if kind is UNEXPECTED:
            detail = "The service has a fault. It has been logged; please try again later."
    if kind.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, _COME_AGAIN):
        headers["Retry-After"] = "5"
    if isinstance(error, errors.TooManyRequests):
        headers["Retry-After"] = str(error.retry_after_s)
    faults = getattr(error, "faults", None)
    allowed = getattr(error, "allowed", None)
    problem = Problem(
        type=kind.type,
        title=kind.title,
        status=kind.status,
        detail=detail if len(detail) <= MAX_DETAIL else f"{detail[:MAX_DETAIL]} ...",
        faults=[msgspec.to_builtins(fault) for fault in faults] if faults is not None else None,
        n_faults=getattr(error, "n_faults", None) if faults is not None else None,
        n_rows=getattr(error, "n_rows", None),
        allowed=list(allowed)[:MAX_ALLOWED] if allowed is not None else None,
        parameter=parameter_of(error),
        nearest=getattr(error, "nearest", None),
        request_id=logs.current_request_id() if kind.status >= 500 else None,
    )
    return problem, headers


def render(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """Answer an error; log it if it was not expected."""
    problem, headers = answer(error)
    problem = _with_parameter(request, error, problem)
    if problem.status == 413:
        limit = request.route_handler.opt.get("too_large", "It is larger than this route accepts.")
        problem = msgspec.structs.replace(problem, detail=limit)
    note_unexpected(request, error, problem)
    return Response(problem, status_code=problem.status, headers=headers, media_type=MEDIA_TYPE)


def note_unexpected(request: Request[Any, Any, Any], error: Exception, problem: Problem) -> None:
    """Log an error if it was not expected."""
    if problem.status >= 500 and not isinstance(error, HTTPException | errors.ServiceBusy | errors.DatabaseAway):
        log_unexpected(error, method=request.method, path=request.url.path)


def _with_parameter(request: Request[Any, Any, Any], error: Exception, problem: Problem) -> Problem:
    """The problem, with the parameter that it is about, if one can be found."""
    parameter, allowed, nearest = problem.parameter, problem.allowed, problem.nearest
    if isinstance(error, ValidationException) and isinstance(error.extra, list) and error.extra:
        # The framework's own: a value of the wrong type.
        parameter = error.extra[0].get("key")
        field = request.route_handler.parsed_fn_signature.parameters.get(parameter or "")
        if field is not None and (choices := choices_in(field.annotation)):
            allowed, nearest = list(choices), nearest_of(request.query_params.get(parameter, ""), choices)
    elif parameter is None and problem.status in (400, 404, 422):
        parameter = offending_parameter(problem.detail, request.path_params, request.query_params)
    if parameter == "wave_id" and parameter not in request.path_params:
        parameter = "waves"
    return msgspec.structs.replace(problem, parameter=parameter, allowed=allowed, nearest=nearest)


def log_unexpected(error: BaseException, *, method: str, path: str) -> None:
    """Log where an error happened, not what it says: messages of parsers quote the data."""
    log.error("unexpected %s in %s %s%s", type(error).__qualname__, method, path, logs.places_of(error))


NO_MOMENT, A_MOMENT = "Invalid RFC3339 encoded datetime", "not a moment such as 2026-03-02T12:00:00Z"


def _http_detail(error: HTTPException) -> str:
    if not isinstance(error.extra, list):
        return f"{error.detail}."
    # Litestar's own list names the parameter; its headline names only the URL.
    parts = [f"{one['key']}: {one['message']}" if one.get("key") else str(one["message"]) for one in error.extra]
    return f"{'; '.join(parts)}.".replace(NO_MOMENT, A_MOMENT)
