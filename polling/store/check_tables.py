"""The table of checks of fits, as a mapped class; see ``polling.store.tables``.

fit 1--n fit_check                        what a check of a kind found
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from polling.store.base import Base

__all__ = ["FitCheck"]


class FitCheck(Base):
    """What one kind of check found of a fit; a later one of its kind takes its place.

    Nothing in it is an exact count, or a share of a group that is too small to be told.
    """

    __tablename__ = "fit_check"
    fit_id: Mapped[str] = mapped_column(ForeignKey("fit.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    made_at: Mapped[datetime]
    # Short and read with every first screen; the content is neither.
    concerns: Mapped[Any]
    content: Mapped[Any] = mapped_column(deferred=True)
