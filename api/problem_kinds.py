"""Which types of problems each operation may answer, for the OpenAPI document; an example of every type.

The rules read the description of an operation: what its path holds, which parameters and which body it takes. The tests
hold every answer that they provoke to them.
"""

from collections.abc import Callable, Mapping
from typing import Any

from litestar.exceptions import HTTPException
from msgspec import to_builtins

from api import errors
from api.problems import HTTP_KINDS, PROBLEMS, UNEXPECTED, answer
from jobs.errors import PicturesFailed, WebhookRefused
from polling import errors as polling_errors
from polling.faults import Fault

__all__ = ["PROBLEM_TYPES", "examples", "types_of"]

PROBLEM_TYPES = tuple(sorted({kind.type for kind in (*PROBLEMS.values(), *HTTP_KINDS.values(), UNEXPECTED)}))

type Operation = Mapping[str, Any]
type Rule = Callable[[str, Operation], bool]
"""Operation id and description -> whether it may answer so."""


def in_path(name: str) -> Rule:
    return lambda _, operation: any(one["in"] == "path" and one["name"] == name for one in _parameters(operation))


def takes(*names: str) -> Rule:
    return lambda _, operation: any(one["in"] != "path" and one["name"] in names for one in _parameters(operation))


def of(*operations: str) -> Rule:
    return lambda name, _: name in operations


def tagged(tag: str) -> Rule:
    return lambda _, operation: tag in operation.get("tags", ())


def either(*rules: Rule) -> Rule:
    return lambda name, operation: any(rule(name, operation) for rule in rules)


def always(_name: str, _operation: Operation) -> bool:
    return True


def asks_for_key(_name: str, operation: Operation) -> bool:
    return bool(operation["security"])


ASKS_FOR_SHARES = either(tagged("estimates"), of("getRepresentation"))
CHANGES_WAVES = of(
    "receiveWave",
    "receiveBatch",
    "openWave",
    "closeWave",
    "undoWaves",
    "withdrawWave",
    "restoreWave",
    "letWaveThrough",
    "releaseQuarantine",
)

SHOWS_DRAWS = ("getFigure", "getDataTree")

RULES: dict[str, Rule] = {
    "bad-request": always,
    "unknown-parameter": always,
    "repeated-parameter": lambda _, operation: any(one["in"] == "query" for one in _parameters(operation)),
    "nul-character": lambda _, operation: bool(_parameters(operation)) or "requestBody" in operation,
    "bad-upload": of("receiveWave", "openWave", "addKnownResult", "addPredictors"),
    "bad-idempotency-key": takes("Idempotency-Key"),
    "bad-event-id": of("followEvents"),
    "moment-without-zone": either(takes("as_of"), of("undoWaves")),
    "key-missing": asks_for_key,
    "key-refused": asks_for_key,
    "ticket-refused": of("followEvents"),
    "role-refused": asks_for_key,
    "pollster-refused": of("receiveWave", "openWave", "undoWaves"),
    "survey-not-found": in_path("survey_id"),
    "question-not-found": in_path("question_id"),
    "no-release-yet": either(ASKS_FOR_SHARES, of("confirmRelease")),
    "release-not-found": either(in_path("release_id"), takes("release", "before"), of("rollBack", "confirmRelease")),
    "district-not-found": in_path("district"),
    "wave-not-found": either(in_path("wave_id"), of("undoWaves", "receiveWave")),
    "job-not-found": in_path("job_id"),
    "key-not-found": in_path("prefix"),
    "erasure-not-found": in_path("case_number"),
    "result-not-found": in_path("result_id"),
    "result-conflict": of("addKnownResult", "withdrawKnownResult"),
    "result-rejected": of("addKnownResult"),
    "predictors-not-found": in_path("upload_id"),
    "predictors-rejected": of("addPredictors"),
    "webhook-not-found": in_path("webhook_id"),
    "delivery-not-found": in_path("event_id"),
    "idempotency-key-reused": takes("Idempotency-Key"),
    "request-in-flight": takes("Idempotency-Key"),
    "wave-conflict": either(CHANGES_WAVES),
    "wave-state": CHANGES_WAVES,
    "wave-withdrawn": CHANGES_WAVES,
    "erased-meanwhile": either(CHANGES_WAVES),
    "release-refused": of("holdQuestion", "endHold", "rollBack", "confirmRelease", "pinRelease", "unpinRelease"),
    "key-state": of("rotateKey", "revokeKey"),
    "not-acceptable": always,
    "bad-cursor": takes("cursor"),
    "draws-gone": either(ASKS_FOR_SHARES, of("pinRelease", "confirmRelease", "getDraws", *SHOWS_DRAWS)),
    "pictures-failed": of(*SHOWS_DRAWS),
    "events-gone": of("followEvents"),
    "too-large": always,
    "unsupported-media-type": always,
    "bad-estimate-query": ASKS_FOR_SHARES,
    "interval-out-of-range": ASKS_FOR_SHARES,
    "too-many-groups": ASKS_FOR_SHARES,
    "unknown-choice": either(ASKS_FOR_SHARES, takes("format", "projection"), of("createKey", "getFigure")),
    "bad-key-request": of("createKey", "rotateKey"),
    "respondents-unknown": of("eraseRespondent", "readRespondent"),
    "undo-unclear": of("undoWaves"),
    "wave-rejected": either(CHANGES_WAVES),
    "webhook-refused": of("createWebhook"),
    "boundaries-refused": of("putBoundaries"),
    "boundaries-not-found": of("getBoundaries", "deleteBoundaries"),
    "too-many-requests": asks_for_key,
    "too-many-streams": of("followEvents"),
    "busy": either(ASKS_FOR_SHARES, of("getDraws")),
    "database-unreachable": always,
    "internal-error": asks_for_key,
    "database-not-ready": of("ready"),
    "reader-unavailable": of("receiveWave", "receiveBatch", "addKnownResult", "addPredictors"),
    "secrets-unusable": asks_for_key,
}
"""Type -> who may answer it, where the status is documented. The others are of no route: unknown paths and methods."""


def types_of(name: str, operation: Operation, status: int) -> list[str]:
    """The types of problems that an operation may answer with a status."""
    found = [
        kind.type
        for kind in (*PROBLEMS.values(), *HTTP_KINDS.values(), UNEXPECTED)
        if kind.status == status and kind.type in RULES and RULES[kind.type](name, operation)
    ]
    return sorted(set(found))


def examples() -> dict[str, dict[str, Any]]:
    """Type -> a problem of that type."""
    made = [to_builtins(answer(error)[0]) for error in _refusals()]
    made.append(to_builtins(answer(RuntimeError())[0]))
    return {problem["type"]: problem for problem in made}


def _refusals() -> list[Exception]:
    fault = Fault("wave.csv", 7, "gender", "wman", "not one of the labels of gender", "Correct it, or add a recode.")
    shape = Fault(None, 4, None, "Point", "the feature of 'D7' has no area", "A district is a Polygon or MultiPolygon.")
    statuses = [HTTPException(detail=detail, status_code=status) for status, detail in _OF_THE_FRAMEWORK.items()]
    return [
        *statuses,
        errors.RequestRefused("The body is not JSON: Expecting value, line 1, column 12."),
        errors.UnknownParameter("levle", ["level", "by", "interval"]),
        errors.RepeatedParameter("level"),
        errors.NulCharacter("query parameter 'option'", "option"),
        errors.BadUpload("The form cannot be used: reference is missing.", "reference"),
        errors.BadIdempotencyKey(255),
        errors.BadEventId("yesterday"),
        errors.IdempotencyKeyReused(),
        errors.RequestInFlight(),
        errors.NotJson("text/plain"),
        errors.MomentWithoutZone("as_of"),
        errors.KeyMissing(),
        errors.KeyNotAccepted("Key abcd2345 was revoked. Ask for a new one."),
        errors.TicketRefused(),
        errors.RoleRefused("reader", ["analyst", "admin"]),
        errors.PollsterRefused("Beta", "Alpha"),
        errors.UndoUnclear("name waves, or give since: one of the two."),
        errors.EstimateRefused("release and as_of both name a release. Give one of them."),
        errors.UnknownChoice("district", "GA-6", ["GA-05", "GA-06", "GA-07"], parameter="districts"),
        errors.NotAcceptable("image/png", {"json": "application/json", "csv": "text/csv"}),
        errors.CursorRefused("It was altered"),
        errors.IntervalOutOfRange(["90"]),
        errors.DistrictNotFound("GA-6", ["GA-05", "GA-06", "GA-07"]),
        errors.TooManyGroups(43_200, 20_000),
        errors.EventsGone(41),
        errors.TooManyStreams(100),
        errors.NoReleaseYet("Question 'rail' has no release yet: its first fit is waiting."),
        errors.TooManyRequests(rate=200, burst=1000, retry_after_s=1),
        PicturesFailed("it took more than 120 seconds"),
        errors.ServiceBusy(),
        errors.DatabaseAway(),
        polling_errors.SurveyNotFound("dmeo"),
        polling_errors.QuestionNotFound("demo", "rial", ["rail", "tax"]),
        polling_errors.WaveNotFound("demo", "w9"),
        polling_errors.ReleaseNotFound("'0190'"),
        polling_errors.ReleaseRefused(4, "it is served already."),
        polling_errors.JobNotFound("0190"),
        polling_errors.ErasureNotFound("demo", "E-1"),
        polling_errors.ErasedMeanwhile(),
        polling_errors.RespondentsUnknown("demo"),
        polling_errors.DrawsNotFound("0190", "draws", "they are kept for 7 days"),
        polling_errors.WaveConflict("w9", "it holds another file. Say what it replaces, and why."),
        polling_errors.WaveWithdrawn("w9", "it has this file and was withdrawn. Restore it instead."),
        polling_errors.WaveStateRefused("w9", "it is not open."),
        polling_errors.WaveRejected([fault], n_rows=1000),
        polling_errors.ResultNotFound("rail", "0190"),
        polling_errors.ResultConflict("A result of 2026-11-03 is known already. Say why this one takes its place."),
        polling_errors.ResultRejected([_IN_A_RESULT]),
        polling_errors.PredictorsNotFound("demo", "0190"),
        polling_errors.PredictorsRejected([_IN_PREDICTORS]),
        polling_errors.BoundariesRefused([shape]),
        polling_errors.BoundariesNotFound("demo"),
        polling_errors.WebhookNotFound("0190"),
        polling_errors.DeliveryNotFound(41),
        WebhookRefused("Events are sent to https addresses only. Write it as https://host/path."),
        polling_errors.SchemaOutdated("0001", "0002"),
        polling_errors.ReaderUnavailable(),
        polling_errors.SecretsError(""),
        polling_errors.KeyScopeRefused("A pollster's key needs the pollster it speaks for."),
        polling_errors.KeyStateRefused("Key abcd2345 was rotated already."),
        polling_errors.KeyNotFound("abcd2345"),
    ]


_IN_A_RESULT = Fault(
    "truth.csv", 7, "share", "52.3", "the share is above 1: is it in percent?", "Divide percent by 100."
)

_IN_PREDICTORS = Fault(
    "turnout.csv",
    3,
    None,
    None,
    "the table looks individual-level: 12 districts have several rows, D07 has 214",
    "Predictors are aggregates: send one row per district with its totals, means or shares, and nothing of one person.",
)

_OF_THE_FRAMEWORK = {
    403: "This is not allowed",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "A wave file may have 64 MB at most (setting max_upload_mb)",
    503: "Please try again later",
}


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    return list(operation.get("parameters", ()))
