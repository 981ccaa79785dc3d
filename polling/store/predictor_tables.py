"""The table of district predictors that were uploaded.

survey 1--n predictor_upload         numbers of all districts, and the day that they describe; only added
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from polling.store.base import Base

__all__ = ["PredictorUpload"]


class PredictorUpload(Base):
    """Predictors of every district as somebody tells them of a day; never changed."""

    __tablename__ = "predictor_upload"
    __table_args__ = (UniqueConstraint("survey_id", "number"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    survey_id: Mapped[str] = mapped_column(ForeignKey("survey.id"))
    number: Mapped[int]
    # What the numbers describe, and who says so.
    as_of: Mapped[date]
    source: Mapped[str]
    columns: Mapped[Any]
    # Of the file as it was sent; then of what it says, which is kept as Parquet.
    content_sha256: Mapped[str]
    sha256: Mapped[str]
    payload: Mapped[bytes] = mapped_column(deferred=True)
    n_districts: Mapped[int]
    # Whose districts it was read with.
    survey_version: Mapped[int]
    received_at: Mapped[datetime]
    actor: Mapped[str]
