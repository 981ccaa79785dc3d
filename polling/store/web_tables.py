"""The table of those who signed in on the web page.

api_key 1--n web_session           ends with its key, with a sign-out, and by itself
"""

from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from polling.store.base import Base

__all__ = ["WebSession"]


class WebSession(Base):
    """Somebody who signed in with a key, by the keyed hash of the browser's secret."""

    __tablename__ = "web_session"
    __table_args__ = (Index(None, "key_id"),)
    secret_hash: Mapped[str] = mapped_column(primary_key=True)
    key_id: Mapped[str] = mapped_column(ForeignKey("api_key.id"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    # The beginning of the hour in which it was last used.
    last_seen_at: Mapped[datetime]
