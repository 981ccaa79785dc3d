"""What checks of a fit found, every field described."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

if TYPE_CHECKING:
    from polling.store.checks import ConcernRecord

__all__ = ["CheckPayload", "ChecksPayload", "ConcernPayload", "describe_concerns"]


class ConcernPayload(msgspec.Struct, frozen=True):
    """Something about a fit that somebody should look at."""

    check: Annotated[str, Meta(description="The kind of check that found it.")]
    kind: Annotated[str, Meta(description="What it is: misfit, interaction, house-effect, prior-conflict ...")]
    severity: Annotated[str, Meta(description="grave or notable.")]
    columns: Annotated[list[str], Meta(description="What it is about; empty: everybody.")]
    levels: Annotated[
        list[str], Meta(description="Where it is worst, a level for each column; empty: nowhere in particular.")
    ]
    size: Annotated[float, Meta(description="How large it is; of shares observed minus expected, to whole points.")]
    sentence: Annotated[str, Meta(description="It in words.")]
    advice: Annotated[str, Meta(description="What to do about it.")]


class CheckPayload(msgspec.Struct, frozen=True):
    """What one kind of check found."""

    kind: Annotated[str, Meta(description="posterior-predictive ...")]
    made_at: Annotated[datetime, Meta(description="When it was made.")]
    content: Annotated[
        Any, Meta(description="Its figures; observed shares and interviews are those of perturbed counts.")
    ]


class ChecksPayload(msgspec.Struct, frozen=True):
    """Whether the model of a release describes its interviews, and what in it does not."""

    release_id: Annotated[str, Meta(description="The release's id.")]
    fit_id: Annotated[str, Meta(description="The fit behind it.")]
    checked: Annotated[bool, Meta(description="False as long as nothing was looked at.")]
    concerns: Annotated[list[ConcernPayload], Meta(description="What to look at, the worst first.")]
    checks: Annotated[list[CheckPayload], Meta(description="What was found, by kind.")]


def describe_concerns(concerns: "tuple[ConcernRecord, ...]") -> list[ConcernPayload]:
    """Concerns as they are shown; how they are ordered is seen in their order."""
    return [
        ConcernPayload(
            check=one.check,
            kind=one.kind,
            severity=one.severity,
            columns=list(one.columns),
            levels=list(one.levels),
            size=one.size,
            sentence=one.sentence,
            advice=one.advice,
        )
        for one in concerns
    ]
