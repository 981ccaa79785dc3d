"""The body that says whom to ask next, every field described."""

from typing import Annotated

import msgspec
from msgspec import Meta

from api.answer_payloads import GroupRow, GroupsHead, Interviews, People

__all__ = ["GroupNarrowing", "NarrowedTarget", "WhomToAskPayload"]

Narrower = Annotated[float, Meta(description="Part of its width that an interval is expected to lose, from 0 to 1.")]


class NarrowedTarget(msgspec.Struct, frozen=True):
    """An estimate that would become narrower: of all targets the one that would gain the most."""

    area: Annotated[str, Meta(description="Code of the area; 'all' for the whole.")]
    area_name: Annotated[str, Meta(description="Name of the area.")]
    groups: Annotated[dict[str, str], Meta(description="The level of each demographic named in `targets`.")]
    option: Annotated[str | None, Meta(description="Whose share; null for means.")]
    narrower: Narrower


class GroupNarrowing(GroupRow, frozen=True):
    """What further interviews in one area or group would do."""

    narrower: Annotated[
        float, Meta(description="Part of their width that intervals of the targets are expected to lose, on average.")
    ]
    most: NarrowedTarget
    sentence: Annotated[str, Meta(description="The same in words.")]
    n_people: People
    n_interviews: Interviews
    flags: Annotated[list[str], Meta(description="no-interviews or few-interviews, as of estimates; usually empty.")]


class WhomToAskPayload(GroupsHead, frozen=True):
    """What further interviews would narrow, by the group in which they are done."""

    n: Annotated[int, Meta(description="Further interviews in one group, of people drawn at random from it.")]
    targets: Annotated[list[str], Meta(description="What is to become narrower: a level, demographics, or both.")]
    n_targets: Annotated[int, Meta(description="How many estimates that are.")]
    groups: Annotated[list[GroupNarrowing], Meta(description="Where interviews narrow the most first.")]
