"""The tables of boundaries, as mapped classes; see ``polling.store.tables``.

boundary_file                        boundaries by their hash
survey 1--n survey_boundaries        which of them a survey has had from when on; the last row holds, only added
"""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Integer
from sqlalchemy.orm import Mapped, mapped_column

from polling.store.base import Base

__all__ = ["BoundaryFile", "SurveyBoundaries"]


class BoundaryFile(Base):
    """Boundaries of districts."""

    __tablename__ = "boundary_file"
    sha256: Mapped[str] = mapped_column(primary_key=True)
    # GeoJSON, and the simpler shapes that are drawn.
    content: Mapped[bytes]
    drawn: Mapped[bytes]
    n_districts: Mapped[int]


class SurveyBoundaries(Base):
    """From ``at`` on a survey has these boundaries, or none."""

    __tablename__ = "survey_boundaries"
    __table_args__ = (Index(None, "survey_id", "id"), {"sqlite_autoincrement": True})
    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    survey_id: Mapped[str] = mapped_column(ForeignKey("survey.id"))
    sha256: Mapped[str | None] = mapped_column(ForeignKey("boundary_file.sha256"))
    at: Mapped[datetime]
    actor: Mapped[str]
    # Null where there are none: projection, aspect, code_property, without_shape, left_out.
    facts: Mapped[Any | None]
