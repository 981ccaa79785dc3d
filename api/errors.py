"""What the HTTP edge itself refuses, before or beside the domain.

* ApiError
  x RequestRefused            the request says something that means nothing
    + UnknownParameter        a query parameter that the route does not know
    + RepeatedParameter       a query parameter given twice
    + NulCharacter            a NUL, which one of the two databases cannot store
    + NotMultipart            an upload that is not multipart/form-data
    + NotJson                 a body that is not application/json
    + NotNdjson               a batch that is not application/x-ndjson
    + NotGeoJson              boundaries that are not application/geo+json
    + BodyRefused             a JSON body whose fields are not those that the route takes
    + MomentWithoutZone       a time without its offset from UTC
    + MomentOutOfRange        a time that there is not in UTC
    + BadUpload               a form field that cannot be used
    + BadIdempotencyKey       an Idempotency-Key that cannot be one
    + BadEventId              a Last-Event-ID that cannot be one
    + NotAcceptable           an Accept that admits none of the forms of an answer
  x IdempotencyKeyReused      the Idempotency-Key came with another request before
  x RequestInFlight           the same request is being worked on
  x UndoUnclear               it is not said which deliveries are to be undone
  x KeyMissing                no bearer key came with the request
  x KeyNotAccepted            the key is unknown, revoked or expired
  x TicketRefused             the ticket was used, has expired, or is none
  x RoleRefused               the key's role may not do this
  x PollsterRefused           a pollster's key was used to speak for another pollster
  x EstimateRefused           an estimate was asked for that cannot exist
    + UnknownChoice           a level, district, group, option or release that the survey does not have
    + IntervalOutOfRange      an interval outside (0, 1)
    + CursorRefused           a cursor that is none, or of another answer
    + TooManyGroups           a breakdown finer than the setting max_groups allows
    + DistrictNotFound        a path that names a district which the survey does not have
  x NoReleaseYet              the question has no published fit
  x TooManyRequests           a key, or an address without one, asks more often than it may
  x EventsGone                the events after an id are not kept any more, or the id is not known
  x TooManyStreams            the key, or the process, has as many streams of events as it may have
  x ServiceBusy               as many answers are being computed as the service can hold
  x DatabaseAway              the database does not answer, and memory cannot in its place
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence

__all__ = [
    "ApiError",
    "BadEventId",
    "BadIdempotencyKey",
    "BadUpload",
    "BodyRefused",
    "CursorRefused",
    "DatabaseAway",
    "DistrictNotFound",
    "EstimateRefused",
    "EventsGone",
    "IdempotencyKeyReused",
    "IntervalOutOfRange",
    "KeyMissing",
    "KeyNotAccepted",
    "MomentOutOfRange",
    "MomentWithoutZone",
    "NoReleaseYet",
    "NotAcceptable",
    "NotGeoJson",
    "NotJson",
    "NotMultipart",
    "NotNdjson",
    "NulCharacter",
    "PollsterRefused",
    "RepeatedParameter",
    "RequestInFlight",
    "RequestRefused",
    "RoleRefused",
    "ServiceBusy",
    "TicketRefused",
    "TooManyGroups",
    "TooManyRequests",
    "TooManyStreams",
    "UndoUnclear",
    "UnknownChoice",
    "UnknownParameter",
]

MAX_NAMED = 60


class ApiError(Exception):
    """Base class; a caller that catches this has caught every refusal made at the edge."""


class RequestRefused(ApiError):
    """The request is malformed."""


class UnknownParameter(RequestRefused):
    """A query parameter that the route does not know; ignoring it would answer another question."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.allowed = tuple(sorted(known))
        self.parameter = name[:80]
        nearest = difflib.get_close_matches(name, self.allowed, n=1, cutoff=0.5)
        self.nearest = nearest[0] if nearest else None
        if not self.allowed:
            hint = "This route takes no query parameters."
        elif nearest:
            hint = f"Did you mean {nearest[0]!r}? Known are {', '.join(self.allowed)}."
        else:
            hint = f"Known are {', '.join(self.allowed)}."
        super().__init__(f"There is no query parameter {name[:80]!r} here. {hint}")


class RepeatedParameter(RequestRefused):
    """A query parameter given twice: either value might have been meant."""

    def __init__(self, name: str) -> None:
        self.parameter = name
        super().__init__(
            f"The query parameter {name!r} was given more than once. Give it once; several values have commas between "
            "them, such as by=age,gender."
        )


class NulCharacter(RequestRefused):
    """A NUL character in a path, query or form field."""

    def __init__(self, place: str, parameter: str | None = None) -> None:
        self.parameter = parameter
        super().__init__(f"There is a NUL character in the {place}. Remove it: no name or label contains one.")


class NotMultipart(RequestRefused):
    """An upload with another media type than multipart/form-data."""

    def __init__(self, media_type: str) -> None:
        given = repr(media_type[:80]) if media_type else "nothing"
        super().__init__(f"A wave is sent as multipart/form-data, but the Content-Type says {given}.")


class NotJson(RequestRefused):
    """A body with another media type than application/json."""

    def __init__(self, media_type: str) -> None:
        given = repr(media_type[:80]) if media_type else "nothing"
        super().__init__(f"The body is sent as application/json, in UTF-8, but the Content-Type says {given}.")


class NotNdjson(RequestRefused):
    """A batch with another media type than application/x-ndjson."""

    def __init__(self, media_type: str) -> None:
        given = repr(media_type[:80]) if media_type else "nothing"
        super().__init__(f"A batch is sent as application/x-ndjson, but the Content-Type says {given}.")


class NotGeoJson(RequestRefused):
    """Boundaries with another media type than application/geo+json."""

    def __init__(self, media_type: str) -> None:
        given = repr(media_type[:80]) if media_type else "nothing"
        super().__init__(
            f"Boundaries are sent as application/geo+json or application/json, but the Content-Type says {given}."
        )


class BodyRefused(RequestRefused):
    """A field of a JSON body is missing, unknown or of the wrong type."""

    def __init__(
        self, why: str, field: str | None, *, allowed: tuple[str, ...] = (), nearest: str | None = None
    ) -> None:
        self.parameter = field
        self.allowed = allowed or None
        self.nearest = nearest
        super().__init__(f"{field}: {why}." if field else f"{why}.")


class MomentWithoutZone(RequestRefused):
    """A time that does not say how far it is from UTC."""

    def __init__(self, name: str) -> None:
        self.parameter = name
        super().__init__(
            f"{name} has no time zone. Write it as 2026-11-23T12:00:00Z, or with an offset (in a URL, + is %2B)."
        )


class MomentOutOfRange(RequestRefused):
    """A time that falls out of the calendar when it is converted to UTC."""

    def __init__(self, name: str) -> None:
        self.parameter = name
        super().__init__(f"{name} lies outside the years 1 to 9999 in UTC.")


class BadUpload(RequestRefused):
    """A form field of an upload that is missing or cannot be used."""

    def __init__(self, message: str, parameter: str | None = None) -> None:
        self.parameter = parameter
        super().__init__(message)


class BadIdempotencyKey(RequestRefused):
    """The header Idempotency-Key cannot be used."""

    def __init__(self, most: int) -> None:
        super().__init__(f"The Idempotency-Key must have 1 to {most} printable ASCII characters.")


class BadEventId(RequestRefused):
    """The id of the last event that was seen is none."""

    def __init__(self, given: str) -> None:
        super().__init__(
            f"The id of the last event is a number that came with it; got {given[:80]!r}. Leave it out to begin "
            "now, or send 0 for every event that is kept."
        )


class NotAcceptable(RequestRefused):
    """The header Accept admits none of the forms in which the answer can be sent."""

    def __init__(self, accept: str, offered: Mapping[str, str]) -> None:
        self.allowed = tuple(offered.values())
        names = ", ".join(f"{media_type} ({name})" for name, media_type in offered.items())
        super().__init__(
            f"Accept admits none of the forms of this answer; got {accept[:80]!r}. There are {names}: name one of them "
            "in Accept or in the parameter format, or leave both out."
        )


class IdempotencyKeyReused(ApiError):
    """Another request was answered under the same Idempotency-Key."""

    def __init__(self) -> None:
        super().__init__(
            "This Idempotency-Key came with another request in the last 24 hours. Take a new one for a new request, or "
            "repeat the first request to see its reply."
        )


class RequestInFlight(ApiError):
    """The same request is being worked on."""

    def __init__(self) -> None:
        super().__init__(
            "A request with this Idempotency-Key is still being worked on. Send it again in a few seconds to see its "
            "reply."
        )


class UndoUnclear(ApiError):
    """It is not said, or said twice, which deliveries are to be undone."""

    def __init__(self, remedy: str) -> None:
        super().__init__(f"It is not clear which deliveries are to be undone: {remedy}")


class KeyMissing(ApiError):
    """No bearer key came with the request."""

    def __init__(self) -> None:
        super().__init__("Send an API key as 'Authorization: Bearer hust_...'. `hustings key create` makes one.")


class KeyNotAccepted(ApiError):
    """The key is unknown, revoked or expired."""


class TicketRefused(ApiError):
    """The ticket opens nothing, or nothing any more."""

    def __init__(self) -> None:
        super().__init__(
            "This ticket was used, has expired, or is not for this survey: it opens one stream, within 60 seconds. "
            "Ask for another one with POST /v1/surveys/{survey}/events/ticket."
        )


class RoleRefused(ApiError):
    """The key is good, but its role may not do this."""

    def __init__(self, role: str, allowed: Iterable[str]) -> None:
        self.allowed = tuple(sorted(allowed))
        super().__init__(f"A key with the role {role!r} may not do this; it takes one of {', '.join(self.allowed)}.")


class PollsterRefused(ApiError):
    """A key speaks for one pollster and was used for another."""

    def __init__(self, named: str, own: str) -> None:
        super().__init__(
            f"This key speaks for the pollster {own!r}, not for {named[:80]!r}. "
            "Leave 'pollster' out, or use a key of that pollster."
        )


class EstimateRefused(ApiError):
    """The question is clear, but no estimate can answer it."""


class UnknownChoice(EstimateRefused):
    """A value outside a closed list; ``allowed`` is the list, ``nearest`` that of it which was perhaps meant."""

    def __init__(self, what: str, value: str, allowed: Iterable[str], *, parameter: str | None = None) -> None:
        self.parameter = parameter
        self.allowed = tuple(allowed)
        named = ", ".join(self.allowed[:MAX_NAMED])
        rest = len(self.allowed) - MAX_NAMED
        nearest = difflib.get_close_matches(value, self.allowed, n=1)
        self.nearest = nearest[0] if nearest else None
        hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
        super().__init__(
            f"There is no {what} {value[:80]!r}.{hint} Allowed: {named}{f' and {rest} more' if rest > 0 else ''}."
        )


class IntervalOutOfRange(EstimateRefused):
    """An interval's probability must lie strictly between 0 and 1."""

    def __init__(self, values: Sequence[str]) -> None:
        named = ", ".join(values[:MAX_NAMED])
        super().__init__(
            f"interval must be above 0 and below 1, such as 0.9, or several such as 0.5,0.9; got {named[:200]}."
        )


class CursorRefused(EstimateRefused):
    """A cursor that does not continue this answer."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"This cursor does not continue this answer. {why}: repeat the query that gave it, with nothing changed "
            "but format and limit, or leave cursor out to begin anew."
        )


class TooManyGroups(EstimateRefused):
    """A breakdown with more groups than one answer may have."""

    def __init__(self, n_groups: int, limit: int) -> None:
        super().__init__(
            f"This breakdown has {n_groups:,} groups; one answer has at most {limit:,} (setting max_groups). "
            "Name fewer demographics in by, take a higher level, or name some districts at a time."
        )


class DistrictNotFound(UnknownChoice):
    """A path that names a district which the survey does not have."""

    def __init__(self, code: str, allowed: Iterable[str]) -> None:
        super().__init__("district", code, allowed)


class NoReleaseYet(ApiError):
    """A question without a published fit; the message says what is being done about it."""


class TooManyRequests(ApiError):
    """A caller has used up what it may ask for now."""

    def __init__(self, *, rate: float, burst: int, retry_after_s: int) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(
            f"This caller may make {rate:g} requests a second, and {burst:,} at once after a pause. Please go on in "
            f"{retry_after_s} s, as Retry-After says, and ask for many groups in one request."
        )


class EventsGone(ApiError):
    """What came after an event cannot be told without a gap."""

    def __init__(self, after: int, *, unknown: bool = False) -> None:
        why = (
            f"There is no event {after} here: the database may have been restored from a backup."
            if unknown
            else f"Not every event after {after} is kept any more (setting event_days)."
        )
        super().__init__(
            f"{why} Read the survey's waves, jobs and releases as they are now, then connect without a last id; 0 "
            "gives every event that is kept."
        )


class TooManyStreams(ApiError):
    """One more stream of events than there may be."""

    def __init__(self, per_key: int | None) -> None:
        super().__init__(
            "This server has as many streams of events as it may have (setting max_streams). Try again later."
            if per_key is None
            else f"This key has {per_key:,} streams of events open, as many as it may have (setting streams_per_key). "
            "Close one, or let the readers of one application share a stream."
        )


class ServiceBusy(ApiError):
    """Nothing is wrong with the request, but others came first."""

    def __init__(self) -> None:
        super().__init__("The service is computing as many answers as it can. Please try again in a few seconds.")


class DatabaseAway(ApiError):
    """The database does not answer; what was asked is not in memory, or what is there is too old to be told."""

    def __init__(self, memory_s: float | None = None) -> None:
        super().__init__(
            "The database does not answer, and this is not in memory. Please try again later."
            if memory_s is None
            else f"The database has not answered for more than {memory_s:g} s (setting memory_s), so that nothing is "
            "answered from memory any more. Please try again later."
        )
