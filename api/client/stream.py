"""Follow a survey's events: read Server-Sent Events, and come back with the last id when the connection ends."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec

from api.client.questions import survey_path
from api.client.transport import Transport

__all__ = ["Event", "follow"]

SILENCE_S = 45.0
"""The service sends a comment every 15 seconds: after three of them the connection is dead."""


class Event(msgspec.Struct, frozen=True):
    """Something that happened in a survey."""

    id: int
    """Come back with it, and nothing is missed."""
    type: str
    """wave, job, release, question or survey."""
    kind: str
    """What happened, such as release-published."""
    data: dict[str, Any]
    """The ids, names and states that it is about; ``url`` is where to read more."""


def follow(transport: Transport, survey: str, *, after: int | None) -> Iterator[Event]:
    """Events in order, each once, for as long as somebody takes them.

    Parameters
    ----------
    after
        Id of the last event that was seen; 0: every event that is kept; None: begin now.
    """
    pause = 2.0
    while True:
        headers = {} if after is None else {"Last-Event-ID": str(after)}
        try:
            with transport.stream(survey_path(survey, "events"), headers, silence_s=SILENCE_S) as reply:
                for fields in _messages(reply):
                    if "retry" in fields:
                        pause = int(fields["retry"]) / 1000
                    if "id" not in fields:
                        continue
                    after = int(fields["id"])
                    if fields.get("event") != "ready":  # that one only tells the id to come back with
                        data = msgspec.json.decode(fields["data"], type=dict[str, Any])
                        yield Event(after, fields["event"], str(data["kind"]), data)
        except httpx.TransportError:
            pass
        time.sleep(pause)


def _messages(reply: httpx.Response) -> Iterator[dict[str, str]]:
    """Fields of each message; comments are none."""
    fields: dict[str, str] = {}
    for line in reply.iter_lines():
        if not line:
            if fields:
                yield fields
            fields = {}
            continue
        name, _, value = line.partition(":")
        if name:
            fields[name] = value.removeprefix(" ")
