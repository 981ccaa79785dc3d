"""Surveys and their versions.

A version is one declaration with its frame and districts. Versions are never
changed; tables that two versions share are stored once. Adding or updating
with the content that is the newest already adds nothing.
"""

from dataclasses import replace
from datetime import datetime

import polars as pl
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from polling.bundle import SurveyBundle
from polling.declaration import SurveyDeclaration, declaration_from_json, declaration_to_json
from polling.errors import SurveyExists, SurveyNotFound, SurveyVersionNotFound
from polling.store.blobs import table_from_bytes, table_sha256, table_to_bytes
from polling.store.columns import json_sha256
from polling.store.dialect import insert_into
from polling.store.records import StoredSurvey, SurveyVersionRecord
from polling.store.tables import DistrictTable, Frame, QuestionState, Survey, SurveyVersion

__all__ = [
    "add_survey",
    "get_declaration",
    "get_survey",
    "list_declarations",
    "list_surveys",
    "list_versions",
    "newest_version",
    "newest_versions",
    "update_survey",
]


def add_survey(session: Session, bundle: SurveyBundle, *, now: datetime) -> SurveyVersionRecord:
    """Store a survey as its version 1.

    Raises
    ------
    SurveyExists
        If the id is taken by other content. The same content is answered with
        the version that holds it.
    """
    bundle, survey_id = _with_hash(bundle), bundle.declaration.id
    new = insert_into(session, Survey).values(id=survey_id, version=0, data_sequence=0, created_at=now)
    if session.scalar(new.on_conflict_do_nothing().returning(Survey.id)) is None:
        newest = _newest(session, survey_id)
        if newest.content_sha256 != _content_sha256(bundle):
            raise SurveyExists(survey_id)
        return _version_record(newest, created=False)
    return _add_version(session, bundle, now=now)


def update_survey(session: Session, bundle: SurveyBundle, *, now: datetime) -> SurveyVersionRecord:
    """Store a new version of a survey, unless its newest version is the same.

    What is served rests on the old version until a refit: the caller asks for
    refits and marks questions stale, if ``created`` says so.

    Raises
    ------
    SurveyNotFound
        If the survey was never added.
    """
    bundle = _with_hash(bundle)
    # Locked, so that two updates cannot both become version n + 1.
    locked = session.scalar(select(Survey.id).where(Survey.id == bundle.declaration.id).with_for_update(key_share=True))
    if locked is None:
        raise SurveyNotFound(bundle.declaration.id)
    newest = _newest(session, bundle.declaration.id)
    if newest.content_sha256 == _content_sha256(bundle):
        return _version_record(newest, created=False)
    return _add_version(session, bundle, now=now)


def get_survey(session: Session, survey_id: str, version: int | None = None) -> StoredSurvey:
    """Load a survey with its tables: the newest version, or the one asked for.

    Raises
    ------
    SurveyNotFound
        If there is no such survey, or no such version of it.
    """
    row = _newest(session, survey_id) if version is None else session.get(SurveyVersion, (survey_id, version))
    if row is None:
        raise SurveyVersionNotFound(survey_id, version or 0)
    declaration = declaration_from_json(row.declaration.encode())
    of_draws = declaration.frame_draws_sha256
    bundle = SurveyBundle(
        declaration=declaration,
        frame=_load(session, Frame, row.frame_sha256),
        districts=_load(session, DistrictTable, row.districts_sha256),
        frame_draws=_load(session, Frame, of_draws) if of_draws else None,
    )
    return StoredSurvey(
        id=row.survey_id,
        version=row.version,
        bundle=bundle,
        frame_sha256=row.frame_sha256,
        districts_sha256=row.districts_sha256,
        created_at=row.created_at,
    )


def get_declaration(session: Session, survey_id: str, version: int | None = None) -> SurveyDeclaration:
    """A declaration of a survey, the newest or the one asked for, without its tables.

    Raises
    ------
    SurveyNotFound, SurveyVersionNotFound
        If there is no such survey, or it has no such version.
    """
    row = _newest(session, survey_id) if version is None else session.get(SurveyVersion, (survey_id, version))
    if row is None:
        raise SurveyVersionNotFound(survey_id, version or 0)
    return declaration_from_json(row.declaration.encode())


def list_declarations(session: Session) -> dict[str, SurveyDeclaration]:
    """The newest declaration of every survey, without its tables, in order of ids."""
    newest = (SurveyVersion.survey_id == Survey.id) & (SurveyVersion.version == Survey.version)
    rows = session.execute(select(Survey.id, SurveyVersion.declaration).join(SurveyVersion, newest).order_by(Survey.id))
    return {row.id: declaration_from_json(row.declaration.encode()) for row in rows}


def list_surveys(session: Session) -> list[SurveyVersionRecord]:
    """The newest version of every survey, by id."""
    newest = (SurveyVersion.survey_id == Survey.id) & (SurveyVersion.version == Survey.version)
    rows = session.scalars(select(SurveyVersion).join(Survey, newest).order_by(Survey.id))
    return [_version_record(row, created=False) for row in rows]


def newest_version(session: Session, survey_id: str) -> int:
    """Number of the newest version of a survey.

    Raises
    ------
    SurveyNotFound
        If there is no such survey.
    """
    version = session.scalar(select(Survey.version).where(Survey.id == survey_id))
    if version is None:
        raise SurveyNotFound(survey_id)
    return version


def newest_versions(session: Session) -> dict[str, int]:
    """Survey -> number of its newest version, in order of ids."""
    rows = session.execute(select(Survey.id, Survey.version).order_by(Survey.id))
    return {row.id: row.version for row in rows}


def list_versions(session: Session, survey_id: str) -> list[SurveyVersionRecord]:
    """Every version of a survey, oldest first."""
    _newest(session, survey_id)
    mine = select(SurveyVersion).where(SurveyVersion.survey_id == survey_id).order_by(SurveyVersion.version)
    return [_version_record(row, created=False) for row in session.scalars(mine)]


def _add_version(session: Session, bundle: SurveyBundle, *, now: datetime) -> SurveyVersionRecord:
    survey_id = bundle.declaration.id
    if bundle.frame_draws is not None:
        _store(session, Frame, bundle.frame_draws)
    bump = update(Survey).where(Survey.id == survey_id).values(version=Survey.version + 1).returning(Survey.version)
    row = SurveyVersion(
        survey_id=survey_id,
        version=session.scalars(bump).one(),
        content_sha256=_content_sha256(bundle),
        declaration=declaration_to_json(bundle.declaration).decode(),
        frame_sha256=_store(session, Frame, bundle.frame),
        districts_sha256=_store(session, DistrictTable, bundle.districts),
        created_at=now,
    )
    session.add(row)
    session.flush()
    states = [
        {"survey_id": survey_id, "question_id": question.id, "version": 0, "last_number": 0}
        for question in bundle.declaration.questions
    ]
    session.execute(insert_into(session, QuestionState).values(states).on_conflict_do_nothing())
    return _version_record(row, created=True)


def _newest(session: Session, survey_id: str) -> SurveyVersion:
    newest = (SurveyVersion.survey_id == Survey.id) & (SurveyVersion.version == Survey.version)
    row = session.scalar(select(SurveyVersion).join(Survey, newest).where(Survey.id == survey_id))
    if row is None:
        raise SurveyNotFound(survey_id)
    return row


def _with_hash(bundle: SurveyBundle) -> SurveyBundle:
    """The declaration of a version names the draws of its frame."""
    sha256 = "" if bundle.frame_draws is None else table_sha256(bundle.frame_draws)
    return replace(bundle, declaration=replace(bundle.declaration, frame_draws_sha256=sha256))


def _content_sha256(bundle: SurveyBundle) -> str:
    return json_sha256(
        [
            declaration_to_json(bundle.declaration).decode(),
            table_sha256(bundle.frame),
            table_sha256(bundle.districts),
        ]
    )


def _store(session: Session, kind: type[Frame] | type[DistrictTable], table: pl.DataFrame) -> str:
    sha256 = table_sha256(table)
    new = insert_into(session, kind).values(sha256=sha256, n_rows=table.height, content=table_to_bytes(table))
    session.execute(new.on_conflict_do_nothing())
    return sha256


def _load(session: Session, kind: type[Frame] | type[DistrictTable], sha256: str) -> pl.DataFrame:
    return table_from_bytes(session.scalars(select(kind.content).where(kind.sha256 == sha256)).one())


def _version_record(row: SurveyVersion, *, created: bool) -> SurveyVersionRecord:
    return SurveyVersionRecord(
        survey_id=row.survey_id,
        version=row.version,
        content_sha256=row.content_sha256,
        frame_sha256=row.frame_sha256,
        districts_sha256=row.districts_sha256,
        created_at=row.created_at,
        created=created,
    )
