"""Fits: what was estimated, from what, and how well it went.

A fit is named by its content: the same survey version, question, engine, seed,
formula, priors, settings, library versions and inputs are the same fit. Every
fit is stored, publishable or not, so that a rejected one can be examined.
"""

from datetime import datetime

from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from polling.errors import DrawsNotFound, FitNotFound
from polling.store.columns import Json, json_sha256
from polling.store.dialect import insert_into
from polling.store.records import FitRecord, NewFit
from polling.store.tables import Fit, FitDraws

__all__ = [
    "find_fit",
    "get_fit",
    "has_draws",
    "has_seen",
    "list_fits",
    "load_counts",
    "load_design",
    "load_diagnostics",
    "load_draws",
    "load_evidence",
    "load_figures",
    "load_second",
    "save_figures",
    "save_fit",
]


def save_fit(session: Session, fit: NewFit, *, now: datetime) -> str:
    """Store a fit with its draws, or find the identical one.

    An identical fit keeps what was stored first. Only ``data_sequence`` moves
    up: the same inputs turned out to be all there is at a later moment too.

    Returns
    -------
    str
        Id of the fit, 64 hexadecimal characters.
    """
    fit_id = _fit_id(fit)
    new = insert_into(session, Fit).values(
        id=fit_id,
        survey_id=fit.survey_id,
        survey_version=fit.survey_version,
        question_id=fit.question_id,
        engine=fit.engine,
        seed=fit.seed,
        formula=fit.formula,
        priors=fit.priors,
        settings=fit.settings,
        versions=fit.versions,
        inputs=fit.inputs,
        inputs_sha256=json_sha256(fit.inputs),
        data_sequence=fit.data_sequence,
        data_through=fit.data_through,
        n_interviews=fit.n_interviews,
        n_cells=fit.n_cells,
        verdict=fit.verdict,
        publishable=fit.publishable,
        seconds=fit.seconds,
        created_at=now,
        design=fit.design,
        diagnostics=fit.diagnostics,
        counts=fit.counts,
    )
    if session.scalar(new.on_conflict_do_nothing().returning(Fit.id)) is None:
        known = update(Fit).where(Fit.id == fit_id, Fit.data_sequence < fit.data_sequence)
        session.execute(known.values(data_sequence=fit.data_sequence))
        # Forgotten with its draws, and needed with them again.
        session.execute(update(Fit).where(Fit.id == fit_id, Fit.counts.is_(None)).values(counts=fit.counts))
    if fit.draws is not None:
        draws = insert_into(session, FitDraws).values(
            fit_id=fit_id, content=fit.draws, evidence=fit.evidence, second=fit.second
        )
        session.execute(draws.on_conflict_do_nothing())
    return fit_id


def get_fit(session: Session, fit_id: str) -> FitRecord:
    """One fit.

    Raises
    ------
    FitNotFound
        If no fit has this id.
    """
    row = session.get(Fit, fit_id, populate_existing=True)
    if row is None:
        raise FitNotFound(fit_id)
    return _record(row)


def list_fits(session: Session, survey_id: str, question_id: str) -> list[FitRecord]:
    """Fits of a question, newest first."""
    mine = select(Fit).where(Fit.survey_id == survey_id, Fit.question_id == question_id)
    return [_record(row) for row in session.scalars(mine.order_by(Fit.created_at.desc(), Fit.id))]


def find_fit(
    session: Session, survey_id: str, question_id: str, *, survey_version: int, seed: int, inputs: Json
) -> FitRecord | None:
    """The newest fit of a question on exactly these inputs, with this seed; None if there is none."""
    mine = select(Fit).where(
        Fit.survey_id == survey_id,
        Fit.question_id == question_id,
        Fit.survey_version == survey_version,
        Fit.seed == seed,
        Fit.inputs_sha256 == json_sha256(inputs),
    )
    row = session.scalars(mine.order_by(Fit.created_at.desc(), Fit.id).limit(1)).one_or_none()
    return None if row is None else _record(row)


def has_seen(session: Session, survey_id: str, question_id: str, *, survey_version: int, data_sequence: int) -> bool:
    """Whether some fit of this version of a survey has seen its data up to a change, published or not."""
    seen = exists().where(
        Fit.survey_id == survey_id,
        Fit.question_id == question_id,
        Fit.survey_version == survey_version,
        Fit.data_sequence >= data_sequence,
    )
    return bool(session.scalar(select(seen)))


def load_draws(session: Session, fit_id: str) -> bytes:
    """The latent draws of a fit.

    Raises
    ------
    FitNotFound
        If no fit has this id.
    DrawsNotFound
        If the fit has no draws, or they were purged.
    """
    draws = session.scalar(select(FitDraws.content).where(FitDraws.fit_id == fit_id))
    if draws is None:
        get_fit(session, fit_id)
        raise DrawsNotFound(fit_id, "draws")
    return draws


def load_evidence(session: Session, fit_id: str) -> bytes | None:
    """What is kept beside the draws of a fit; None if it is older than that, or its draws are gone."""
    return session.scalar(select(FitDraws.evidence).where(FitDraws.fit_id == fit_id))


def load_second(session: Session, fit_id: str) -> bytes | None:
    """The draws of a fit with the systematic error; None where none was declared, or its draws are gone."""
    return session.scalar(select(FitDraws.second).where(FitDraws.fit_id == fit_id))


def load_figures(session: Session, fit_id: str) -> bytes | None:
    """Pictures of a fit, as they were given to ``save_figures``; None if nobody made them, or the draws are gone."""
    return session.scalar(select(FitDraws.figures).where(FitDraws.fit_id == fit_id))


def save_figures(session: Session, fit_id: str, content: bytes | None) -> None:
    """Keep pictures of a fit for as long as its draws; None: what there is has become old."""
    session.execute(update(FitDraws).where(FitDraws.fit_id == fit_id).values(figures=content))


def has_draws(session: Session, fit_id: str) -> bool:
    """Whether the latent draws of a fit are kept."""
    return bool(session.scalar(select(exists().where(FitDraws.fit_id == fit_id))))


def load_counts(session: Session, fit_id: str) -> bytes:
    """Interviews per cell that a fit used. Special-category data: never served, never exported.

    Raises
    ------
    FitNotFound, DrawsNotFound
        If there is no such fit, or it keeps no counts.
    """
    get_fit(session, fit_id)
    counts = session.scalar(select(Fit.counts).where(Fit.id == fit_id))
    if counts is None:
        raise DrawsNotFound(fit_id, "counts")
    return counts


def load_design(session: Session, fit_id: str) -> Json:
    """The design of a fit, as it was given to ``save_fit``."""
    return _member(session, fit_id)[0]


def load_diagnostics(session: Session, fit_id: str) -> Json:
    """The diagnostics of a fit, as they were given to ``save_fit``."""
    return _member(session, fit_id)[1]


def _member(session: Session, fit_id: str) -> tuple[Json, Json]:
    row = session.execute(select(Fit.design, Fit.diagnostics).where(Fit.id == fit_id)).one_or_none()
    if row is None:
        raise FitNotFound(fit_id)
    return row.design, row.diagnostics


def _fit_id(fit: NewFit) -> str:
    return json_sha256(
        {
            "survey": [fit.survey_id, fit.survey_version, fit.question_id],
            "model": [fit.formula, fit.priors],
            "engine": [fit.engine, fit.seed, fit.settings, fit.versions],
            "inputs": fit.inputs,
        }
    )


def _record(row: Fit) -> FitRecord:
    return FitRecord(
        id=row.id,
        survey_id=row.survey_id,
        survey_version=row.survey_version,
        question_id=row.question_id,
        engine=row.engine,
        seed=row.seed,
        formula=row.formula,
        priors=row.priors,
        settings=row.settings,
        versions=row.versions,
        inputs=row.inputs,
        inputs_sha256=row.inputs_sha256,
        data_sequence=row.data_sequence,
        data_through=row.data_through,
        n_interviews=row.n_interviews,
        n_cells=row.n_cells,
        verdict=row.verdict,
        publishable=row.publishable,
        seconds=row.seconds,
        created_at=row.created_at,
        contains_erased_at=row.contains_erased_at,
    )
