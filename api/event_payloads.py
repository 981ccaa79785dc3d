"""The bodies of tickets, every field described."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

__all__ = ["TicketPayload"]


class TicketPayload(msgspec.Struct, frozen=True):
    """What opens one stream of events, once."""

    ticket: Annotated[str, Meta(description="Goes into the query of the stream: `?ticket=...`.")]
    expires_at: Annotated[datetime, Meta(description="Connect before this moment; the stream itself lasts on.")]
    url: Annotated[str, Meta(description="The stream, with the ticket; add `&last_event_id=...` to resume.")]
