"""District predictors that were uploaded: kept for ever, each with the day that it describes.

Of a column the newest upload by that day holds, and of the same day the one that was received last: a correction is
sent again for the same day. What was uploaded before stays, for the fits that used it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from uuid import uuid4

import polars as pl
from sqlalchemy import select
from sqlalchemy.orm import Session

from polling.errors import PredictorsNotFound, SurveyNotFound
from polling.store.blobs import table_from_bytes, table_sha256, table_to_bytes
from polling.store.tables import PredictorUpload, Survey

__all__ = [
    "NewPredictors",
    "PredictorRecord",
    "add_predictors",
    "get_predictors",
    "known_by",
    "list_predictors",
    "load_table",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPredictors:
    """Predictors to be stored."""

    survey_id: str
    survey_version: int
    as_of: date
    source: str
    content_sha256: str
    table: pl.DataFrame
    """See ``polling.predictor_file``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictorRecord:
    """One upload, without its numbers."""

    id: str
    survey_id: str
    number: int
    """Its place among the uploads of the survey, from 1 on."""
    as_of: date
    """The day that the numbers describe."""
    source: str
    columns: tuple[str, ...]
    content_sha256: str
    """Of the file as it was sent."""
    sha256: str
    """Of what it says."""
    n_districts: int
    survey_version: int
    received_at: datetime
    actor: str


def add_predictors(session: Session, new: NewPredictors, *, actor: str, now: datetime) -> tuple[PredictorRecord, bool]:
    """Store predictors; the same numbers, day and source that hold already are not stored again.

    Returns
    -------
    tuple
        The upload, and whether it is new.

    Raises
    ------
    SurveyNotFound
        If there is no such survey.
    """
    # Locked, so that two uploads cannot both become number n + 1.
    locked = session.scalar(select(Survey.id).where(Survey.id == new.survey_id).with_for_update(key_share=True))
    if locked is None:
        raise SurveyNotFound(new.survey_id)
    columns = [name for name in new.table.columns if name != "code"]
    sha256 = table_sha256(new.table)
    before = list_predictors(session, new.survey_id)
    holds = next((one for one in before if one.as_of == new.as_of and set(one.columns) & set(columns)), None)
    if holds is not None and (holds.sha256, holds.source) == (sha256, new.source):
        return holds, False
    row = PredictorUpload(
        id=uuid4().hex,
        survey_id=new.survey_id,
        number=len(before) + 1,
        as_of=new.as_of,
        source=new.source,
        columns=columns,
        content_sha256=new.content_sha256,
        sha256=sha256,
        payload=table_to_bytes(new.table),
        n_districts=new.table.height,
        survey_version=new.survey_version,
        received_at=now,
        actor=actor,
    )
    session.add(row)
    session.flush()
    return _record(row), True


def list_predictors(session: Session, survey_id: str) -> list[PredictorRecord]:
    """All uploads of a survey, the last received first."""
    mine = select(PredictorUpload).where(PredictorUpload.survey_id == survey_id)
    return [_record(row) for row in session.scalars(mine.order_by(PredictorUpload.number.desc()))]


def get_predictors(session: Session, survey_id: str, upload_id: str) -> PredictorRecord:
    """One upload.

    Raises
    ------
    PredictorsNotFound
        If the survey has none of this id.
    """
    row = session.get(PredictorUpload, upload_id)
    if row is None or row.survey_id != survey_id:
        raise PredictorsNotFound(survey_id, upload_id)
    return _record(row)


def known_by(
    session: Session, survey_id: str, columns: Collection[str], day: date, *, received_by: datetime | None = None
) -> dict[str, PredictorRecord]:
    """Column -> the upload that holds for it on a day; columns of which nothing was uploaded by then are left out.

    Parameters
    ----------
    received_by
        Uploads that were received later do not count; None: all count.
    """
    found = list_predictors(session, survey_id)
    if received_by is not None:
        found = [one for one in found if one.received_at <= received_by]
    by_day = sorted((one for one in found if one.as_of <= day), key=lambda one: (one.as_of, one.number))
    return {column: one for one in by_day for column in one.columns if column in columns}


def load_table(session: Session, upload_id: str) -> pl.DataFrame:
    """The numbers of an upload: ``code`` and its columns, by code."""
    payload = session.scalars(select(PredictorUpload.payload).where(PredictorUpload.id == upload_id)).one()
    return table_from_bytes(payload)


def _record(row: PredictorUpload) -> PredictorRecord:
    return PredictorRecord(
        id=row.id,
        survey_id=row.survey_id,
        number=row.number,
        as_of=row.as_of,
        source=row.source,
        columns=tuple(row.columns),
        content_sha256=row.content_sha256,
        sha256=row.sha256,
        n_districts=row.n_districts,
        survey_version=row.survey_version,
        received_at=row.received_at,
        actor=row.actor,
    )
