"""The bodies of what analysts do with releases, every field described."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from api.payloads import JobLink, QuestionId, SurveyId

__all__ = ["ActReason", "HoldPayload", "PinPayload", "PinReason", "RollBackBody", "ServedNowPayload"]

Reason = Annotated[str, Meta(description="Why; shown beside the estimates.", min_length=1, max_length=1000)]


class ActReason(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why it is done."""

    reason: Reason


class RollBackBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which release is to be served again, and why."""

    release: Annotated[str, Meta(description="Id of a release that was published before.", max_length=100)]
    reason: Reason


class PinReason(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a release is pinned, or not any more."""

    reason: Annotated[str, Meta(description="Why; kept in the audit log.", min_length=1, max_length=1000)]


class PinPayload(msgspec.Struct, frozen=True):
    """Whether the draws of a release are kept however old it gets."""

    release: Annotated[str, Meta(description="The release's id.")]
    changed: Annotated[bool, Meta(description="False if it stood so already.")]
    pinned_since: Annotated[datetime | None, Meta(description="Since when, or null if it is not pinned.")]
    reason: Annotated[str | None, Meta(description="Why, or null.")]


class HoldPayload(msgspec.Struct, frozen=True):
    """Why new fits of a question are kept back."""

    since: Annotated[datetime, Meta(description="Since when.")]
    by: Annotated[str, Meta(description="By whom.")]
    reason: Annotated[str, Meta(description="Why.")]
    taken_back: Annotated[int | None, Meta(description="Number of the release that was taken back, or null.")]
    waiting_fit: Annotated[str | None, Meta(description="The fit that is published when the hold ends, or null.")]


class ServedNowPayload(msgspec.Struct, frozen=True):
    """What is served for a question after an act."""

    survey: SurveyId
    question: QuestionId
    changed: Annotated[bool, Meta(description="False if it stood so already.")]
    release_id: Annotated[str | None, Meta(description="The release that is served, if there is one.")]
    release_number: Annotated[int | None, Meta(description="Its number.")]
    published: Annotated[int | None, Meta(description="Number of the release that the act published, or null.")]
    held: HoldPayload | None
    stale_since: Annotated[datetime | None, Meta(description="Since when what is served lacks something, or null.")]
    stale_reason: Annotated[str | None, Meta(description="What it lacks and why, or null.")]
    jobs: Annotated[list[JobLink], Meta(description="The refits that were asked for.")]
