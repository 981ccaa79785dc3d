"""Which boundaries a survey has: the last ones that were stored, unless they were taken away since."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from polling.boundaries import Boundaries
from polling.errors import BoundariesNotFound
from polling.store.columns import Json, canonical_json
from polling.store.dialect import insert_into
from polling.store.tables import BoundaryFile, SurveyBoundaries

__all__ = [
    "BoundariesRecord",
    "find_boundaries",
    "get_boundaries",
    "get_content",
    "list_hashes",
    "remove_boundaries",
    "set_boundaries",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundariesRecord:
    """Boundaries that a survey has."""

    version: int
    """Grows whenever the survey gets others, or loses them."""
    sha256: str
    at: datetime
    actor: str
    n_districts: int
    projection: str
    aspect: float
    code_property: str
    without_shape: tuple[str, ...]
    left_out: tuple[str, ...]


def set_boundaries(
    session: Session, survey_id: str, boundaries: Boundaries, *, actor: str, now: datetime
) -> tuple[BoundariesRecord, bool]:
    """Give a survey boundaries; returns them, and whether anything changed."""
    # Of all that a map is drawn from, so that the hash names the map.
    drawn_from = (boundaries.content, boundaries.drawn, boundaries.projection.encode())
    sha256 = hashlib.sha256(b"\n".join(drawn_from)).hexdigest()
    facts: dict[str, Json] = {
        "projection": boundaries.projection,
        "aspect": boundaries.aspect,
        "code_property": boundaries.code_property,
        "without_shape": list(boundaries.without_shape),
        "left_out": list(boundaries.left_out),
    }
    row = _newest(session, survey_id)
    if row is not None and row.sha256 == sha256 and canonical_json(row.facts) == canonical_json(facts):
        return _record(session, row), False
    new = insert_into(session, BoundaryFile).values(
        sha256=sha256, content=boundaries.content, drawn=boundaries.drawn, n_districts=boundaries.n_districts
    )
    session.execute(new.on_conflict_do_nothing())
    row = SurveyBoundaries(survey_id=survey_id, sha256=sha256, at=now, actor=actor, facts=facts)
    session.add(row)
    session.flush()
    return _record(session, row), True


def remove_boundaries(session: Session, survey_id: str, *, actor: str, now: datetime) -> BoundariesRecord:
    """Take a survey's boundaries away, so that its map is of tiles again; returns what it had.

    Raises
    ------
    BoundariesNotFound
        If it has none.
    """
    had = get_boundaries(session, survey_id)
    session.add(SurveyBoundaries(survey_id=survey_id, sha256=None, at=now, actor=actor, facts=None))
    session.flush()
    return had


def find_boundaries(session: Session, survey_id: str) -> BoundariesRecord | None:
    """The boundaries of a survey; None if it has none."""
    row = _newest(session, survey_id)
    return None if row is None or row.sha256 is None else _record(session, row)


def get_boundaries(session: Session, survey_id: str, sha256: str | None = None) -> BoundariesRecord:
    """The boundaries of a survey: those that it has, or those of a hash, which it had last if it has others by now.

    Raises
    ------
    BoundariesNotFound
        If it has none, or never had these.
    """
    row = _newest(session, survey_id, sha256)
    if row is None or row.sha256 is None:
        raise BoundariesNotFound(survey_id)
    return _record(session, row)


def list_hashes(session: Session) -> dict[str, str]:
    """Hash of the boundaries of every survey that has some."""
    newest = select(func.max(SurveyBoundaries.id)).group_by(SurveyBoundaries.survey_id)
    rows = select(SurveyBoundaries.survey_id, SurveyBoundaries.sha256).where(
        SurveyBoundaries.id.in_(newest), SurveyBoundaries.sha256.is_not(None)
    )
    return {row.survey_id: row.sha256 for row in session.execute(rows)}


def get_content(session: Session, sha256: str, *, drawn: bool = False) -> bytes:
    """Boundaries as they are given away, or as they are drawn; see `polling.boundaries.Boundaries`."""
    column = BoundaryFile.drawn if drawn else BoundaryFile.content
    return session.scalars(select(column).where(BoundaryFile.sha256 == sha256)).one()


def _newest(session: Session, survey_id: str, sha256: str | None = None) -> SurveyBoundaries | None:
    mine = select(SurveyBoundaries).where(SurveyBoundaries.survey_id == survey_id)
    if sha256 is not None:
        mine = mine.where(SurveyBoundaries.sha256 == sha256)
    return session.scalar(mine.order_by(SurveyBoundaries.id.desc()).limit(1))


def _record(session: Session, row: SurveyBoundaries) -> BoundariesRecord:
    assert row.sha256 is not None
    assert row.facts is not None
    n_districts = session.scalars(select(BoundaryFile.n_districts).where(BoundaryFile.sha256 == row.sha256)).one()
    return BoundariesRecord(
        version=row.id,
        sha256=row.sha256,
        at=row.at,
        actor=row.actor,
        n_districts=n_districts,
        projection=row.facts["projection"],
        aspect=row.facts["aspect"],
        code_property=row.facts["code_property"],
        without_shape=tuple(row.facts["without_shape"]),
        left_out=tuple(row.facts["left_out"]),
    )
