"""What the outside is told of what happened, and who is told.

The outbox notes everything with its reasons, for those who run the service. An event, here, is what of that may leave:
ids, names, states and links, of the kinds that ``KINDS`` declares and with the fields that it names. No reasons, which
are somebody's own words; no sentences, which may have counts; no counts, answers or anything of a respondent.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy.orm import Session

from polling.store import outbox, waves
from polling.store.columns import Json
from polling.store.records import OutboxEvent
from polling.store.wave_events import whose

__all__ = ["ROLES", "TYPES", "Event", "Page", "Viewer", "kinds_of", "read_events", "viewer_of"]

TYPES: Final = ("wave", "job", "release", "question", "survey")
"""What events are about."""

ROLES: Final[Mapping[str, frozenset[str]]] = {
    "reader": frozenset({"release"}),
    # Its own waves, and releases of the questions that they ask.
    "pollster": frozenset({"wave", "release"}),
    "dpo": frozenset({"wave", "release"}),
    "analyst": frozenset(TYPES),
    "admin": frozenset(TYPES),
}
"""Role -> types that it is told of."""

_WAVE: Final = {"wave_id": "wave", "questions": "questions", "version": "version", "state": "state"}
_JOB: Final = {"job_id": "job", "question_id": "question", "work": "work", "attempt": "attempt", "code": "code"}
_RELEASE: Final = {"question_id": "question", "release_id": "release", "number": "number"}
_QUESTION: Final = {"question_id": "question", "release_id": "release"}

KINDS: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    **{
        f"wave-{kind}": ("wave", _WAVE)
        for kind in (
            "received",
            "replaced",
            "held",
            "let-through",
            "withdrawn",
            "restored",
            "requarantined",
            "opened",
            "batch",
            "closed",
            "erased",
            "purged",
        )
    },
    **{f"job-{state}": ("job", _JOB) for state in ("queued", "running", "succeeded", "failed")},
    "release-published": ("release", _RELEASE),
    "release-rolled-back": ("release", {**_RELEASE, "taken_back_id": "taken_back"}),
    "release-checked": ("release", _RELEASE),
    "release-confirmed": ("release", _RELEASE),
    "confirmation-failed": ("release", _RELEASE),
    "confirmation-inconclusive": ("release", _RELEASE),
    "question-held": ("question", _QUESTION),
    "question-released": ("question", _QUESTION),
    "question-stale": ("question", {**_QUESTION, "stale_since": "stale_since"}),
    "interviews-left-out": ("question", {"question_id": "question", "wave_id": "wave"}),
    "result-added": ("question", {"question_id": "question"}),
    "result-withdrawn": ("question", {"question_id": "question"}),
    "releases-scored": ("question", {"question_id": "question"}),
    "survey-added": ("survey", {"version": "version"}),
    "survey-updated": ("survey", {"version": "version"}),
}
"""Kind of the outbox -> type of the event, and the fields that leave: their names there and here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened in a survey, as the outside may know it."""

    id: int
    """Its place in the order of all events."""
    type: str
    """One of ``TYPES``."""
    kind: str
    survey_id: str
    at: datetime
    pollster: str | None
    """Whose wave it is about, if it is about one."""
    questions: tuple[str, ...]
    """The questions it is about."""
    fields: Mapping[str, Json]

    def to_json(self) -> dict[str, Json]:
        """The body of the event."""
        about: dict[str, Json] = {"id": self.id, "kind": self.kind, "survey": self.survey_id, "at": _utc(self.at)}
        return about | dict(self.fields)


@dataclass(slots=True)
class Viewer:
    """Who follows the events of one survey, and what it may know."""

    survey_id: str
    role: str
    pollster: str | None = None
    """The pollster that it speaks for, if it does for one alone."""
    questions: set[str] = field(default_factory=set)
    """What that pollster's waves ask; grows with the waves that it is told of."""

    def sees(self, event: Event) -> bool:
        """Whether the event is for this viewer; call it once for every event, in their order."""
        if event.survey_id != self.survey_id or event.type not in ROLES.get(self.role, ()):
            return False
        if self.role != "pollster":
            return True
        if event.type == "wave":
            mine = self.pollster is not None and event.pollster == self.pollster
            if mine:
                self.questions.update(event.questions)
            return mine
        return not self.questions.isdisjoint(event.questions)


@dataclass(frozen=True, slots=True)
class Page:
    """Events, and the id up to which nothing is missing among them."""

    events: tuple[Event, ...]
    through: int
    is_last: bool
    """Whether there was nothing more to read."""


def kinds_of(types: Collection[str]) -> tuple[str, ...]:
    """The kinds of events that are of some types."""
    return tuple(kind for kind, (type_, _) in KINDS.items() if type_ in types)


def viewer_of(session: Session, survey_id: str, *, role: str, pollster: str | None) -> Viewer:
    """A viewer, with what its pollster's waves have asked so far."""
    viewer = Viewer(survey_id, role, pollster)
    if role == "pollster":
        listed = waves.list_waves(session, survey_id, pollster) if pollster is not None else ()
        viewer.questions.update(question for wave in listed for question in wave.questions)
    return viewer


def read_events(
    session: Session, after: int, *, survey_id: str | None = None, through: int | None = None, limit: int = 500
) -> Page:
    """Events after an id, oldest first.

    Parameters
    ----------
    survey_id
        Of this survey alone; None for every survey.
    through
        The last id that is wanted; None for no end.
    limit
        How many entries of the outbox are read at most.
    """
    found = outbox.read_after(session, after, limit, survey_id=survey_id, through=through)
    told = [one for one in found if one.kind in KINDS and one.survey_id is not None]
    named = whose(session, (str(about["wave_id"]) for one in told if "wave_id" in (about := _payload(one))))
    events = tuple(_event(one, named) for one in told)
    is_last = len(found) < limit
    end = found[-1].id if found else after
    return Page(events, max(end, through) if is_last and through is not None else end, is_last)


def _event(entry: OutboxEvent, named: Mapping[str, tuple[str, str]]) -> Event:
    type_, names = KINDS[entry.kind]
    payload = _payload(entry)
    fields: dict[str, Json] = {name: payload[of] for of, name in names.items() if payload.get(of) is not None}
    pollster, reference = named.get(str(payload.get("wave_id")), (None, None))
    base = f"/v1/surveys/{entry.survey_id}"
    if type_ == "wave" and pollster is not None:
        fields |= {"pollster": pollster, "reference": reference}
    if "wave" in fields:
        fields["url"] = f"{base}/waves/{fields['wave']}"
    if "job" in fields:
        fields["url"] = f"{base}/jobs/{fields['job']}"
    if "release" in fields:
        fields["url"] = f"{base}/releases/{fields['release']}"
    asked = payload.get("questions", [payload["question_id"]] if "question_id" in payload else [])
    return Event(
        id=entry.id,
        type=type_,
        kind=entry.kind,
        survey_id=str(entry.survey_id),
        at=entry.created_at,
        pollster=pollster,
        questions=tuple(asked),
        fields=fields,
    )


def _payload(entry: OutboxEvent) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", entry.payload) if isinstance(entry.payload, Mapping) else {}


def _utc(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
