"""The bodies of what admins do with API keys, every field described."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from api.payloads import SurveyId

__all__ = ["CreateKeyBody", "KeyList", "KeyPayload", "NewKeyPayload", "RotateKeyBody"]


class CreateKeyBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a new key may do."""

    role: Annotated[str, Meta(description="pollster, reader, analyst, dpo, monitor or admin.", max_length=20)]
    pollster: Annotated[
        Annotated[str, Meta(max_length=100)] | None,
        Meta(description="The pollster that a pollster's key speaks for; of no other key."),
    ] = None
    days: Annotated[
        Annotated[int, Meta(ge=1, le=36_500)] | None, Meta(description="Days until it expires. Default: never.")
    ] = None
    label: Annotated[str, Meta(description="A note on who has it.", max_length=200)] = ""


class RotateKeyBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long the old key lives on."""

    overlap_hours: Annotated[
        float, Meta(description="Hours for which the old key stays valid beside the new one.", ge=0, le=720)
    ] = 24.0


class KeyPayload(msgspec.Struct, frozen=True):
    """A key, without its secret."""

    prefix: Annotated[str, Meta(description="Its visible part, by which it is named.")]
    role: Annotated[str, Meta(description="What it may do.")]
    pollster: Annotated[str | None, Meta(description="The pollster it speaks for, or null.")]
    label: Annotated[str, Meta(description="A note on who has it.")]
    state: Annotated[str, Meta(description="usable, expired or revoked.")]
    created_at: Annotated[datetime, Meta(description="When it was made.")]
    expires_at: Annotated[datetime | None, Meta(description="When it expires or expired; null: never.")]
    revoked_at: Annotated[datetime | None, Meta(description="When it was revoked, or null.")]
    replaces: Annotated[str | None, Meta(description="Prefix of the key whose place it took, or null.")]
    last_used_at: Annotated[
        datetime | None,
        Meta(description="Beginning of the hour in which it was last used; noted within minutes; null: never."),
    ]


class NewKeyPayload(msgspec.Struct, frozen=True):
    """A key that was just made."""

    key: Annotated[str, Meta(description="The key itself: told this once, and stored nowhere.")]
    about: KeyPayload
    replaced: Annotated[KeyPayload | None, Meta(description="The key whose place it takes, or null.")]


class KeyList(msgspec.Struct, frozen=True):
    """The keys of a survey, oldest first; keys of every survey are not among them."""

    survey: SurveyId
    keys: list[KeyPayload]
