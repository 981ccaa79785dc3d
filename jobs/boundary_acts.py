"""Give a survey boundaries of its districts, or take them away. The acts are in the audit log."""

from datetime import datetime

from jobs import ledger
from polling.boundaries import read_boundaries
from polling.secrets import SecretsFile
from polling.store import boundaries, surveys
from polling.store.boundaries import BoundariesRecord
from polling.store.engine import Store

__all__ = ["remove", "store_boundaries"]


def store_boundaries(
    store: Store,
    secrets: SecretsFile,
    *,
    survey_id: str,
    content: bytes,
    code_property: str | None,
    projection: str | None,
    now: datetime,
    actor: str,
) -> tuple[BoundariesRecord, bool]:
    """Check a file of boundaries and store it; returns what the survey has now, and whether that is another.

    Raises
    ------
    SurveyNotFound
        If there is no such survey.
    BoundariesRefused
        If the file has faults; nothing is stored.
    """
    with store.read() as session:
        districts = surveys.get_survey(session, survey_id).bundle.districts
    names = dict(zip(districts["code"].to_list(), districts["name"].to_list(), strict=True))
    read = read_boundaries(content, names, code_property=code_property, projection=projection)
    with store.write() as session:
        stored, is_new = boundaries.set_boundaries(session, survey_id, read, actor=actor, now=now)
        if is_new:
            ledger.record(
                session,
                secrets,
                actor=actor,
                action="boundaries-stored",
                survey_id=survey_id,
                subject=stored.sha256,
                detail={"n_districts": stored.n_districts, "projection": stored.projection},
                now=now,
            )
    return stored, is_new


def remove(store: Store, secrets: SecretsFile, *, survey_id: str, now: datetime, actor: str) -> BoundariesRecord:
    """Take a survey's boundaries away; returns what it had.

    Raises
    ------
    BoundariesNotFound
        If it has none.
    """
    with store.write() as session:
        had = boundaries.remove_boundaries(session, survey_id, actor=actor, now=now)
        ledger.record(
            session,
            secrets,
            actor=actor,
            action="boundaries-removed",
            survey_id=survey_id,
            subject=had.sha256,
            detail={"n_districts": had.n_districts},
            now=now,
        )
    return had
