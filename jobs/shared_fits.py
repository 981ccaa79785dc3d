"""One joint fit for all of its questions: who is fitted first keeps it for its partners, who need not fit again.

Partners whose data are the same have the same joint model and the same seed, and so the same fit. When the first of
them has it, the part of every other one is stored as a fit of that question, which nothing serves: with its own
inputs, counts and verdict, found by whoever erases a respondent, and deleted like every fit that was never published.
The refit of the partner, whose job has its own lease and whose question its own holds, then finds it and decides on its
publication. Whatever changed meanwhile - a wave, the formula, the program - makes other inputs, and a fit of its own.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from jobs.counted_parts import CountedParts
from jobs.errors import FitImpossible
from jobs.fit_request import FitResult
from jobs.refit import PreparedRefit, fit_of, prepare_refit, with_warnings
from jobs.settings import Settings
from jobs.versions import versions
from polling.errors import DrawsNotFound
from polling.store import erasure, fits

__all__ = ["find_shared", "prepare_partners", "save_for_partners"]


def prepare_partners(
    session: Session, settings: Settings, prepared: PreparedRefit, *, memory: CountedParts | None = None
) -> dict[str, PreparedRefit]:
    """The refits of the partners of a question that would be the same joint fit, by id.

    Parameters as of ``jobs.refit.prepare_refit``; in the same transaction, so that all see the same waves.
    """
    own = prepared.request
    found = {}
    for partner in own.partners:
        try:
            other = prepare_refit(
                session,
                settings,
                survey_id=prepared.survey.id,
                question_id=partner.id,
                seed=own.seed,
                memory=memory,
            )
        except FitImpossible:  # which its own refit says; this one goes on without it
            continue
        if _model(other) == _model(prepared):
            found[partner.id] = other
    return found


def save_for_partners(
    session: Session, partners: Mapping[str, PreparedRefit], result: FitResult, *, now: datetime
) -> None:
    """Store what a joint fit says of the partners, in the transaction in which it is stored itself."""
    for name, prepared in partners.items():
        if (other := result.others.get(name)) is not None:
            # A fit that has seen nothing yet: if the partner's own job is lost, it is asked for again.
            new = fit_of(prepared, with_warnings(prepared, other), data_sequence=0)
            erasure.mark_if_late(session, fits.save_fit(session, new, now=now))


def find_shared(session: Session, prepared: PreparedRefit) -> FitResult | None:
    """What a partner's joint fit left for a question, if it is exactly the one that is wanted now."""
    if not prepared.request.partners:
        return None
    record = fits.find_fit(
        session,
        prepared.survey.id,
        prepared.question.id,
        survey_version=prepared.survey.version,
        seed=prepared.request.seed,
        inputs=prepared.inputs,
    )
    if record is None or record.formula != prepared.request.formula or record.versions != versions():
        return None
    if record.settings != prepared.settings or record.contains_erased_at is not None:
        return None
    try:
        draws = fits.load_draws(session, record.id)
    except DrawsNotFound:
        return None
    diagnostics: Any = fits.load_diagnostics(session, record.id)
    return FitResult(
        engine=record.engine,
        draws=draws,
        design=fits.load_design(session, record.id),
        verdict=record.verdict,
        diagnostics=diagnostics,
        priors=record.priors,
        versions=versions(),
        seconds=record.seconds,  # type: ignore[arg-type]
        evidence=fits.load_evidence(session, record.id),
        second=fits.load_second(session, record.id),
    )


def _model(prepared: PreparedRefit) -> dict[str, str]:
    """Every question of a joint model with the hash of what is fitted of it, and that of what is known of districts."""
    request = prepared.request
    districts = hashlib.sha256(request.electorate.districts.write_json().encode()).hexdigest()
    of = {request.question: (request.counts, request.formula, request.priors)}
    of |= {one.id: (one.counts, one.formula, one.priors) for one in request.partners}
    return {"": districts} | {
        name: hashlib.sha256(f"{formula}|{sorted(priors.items())}|{counts.write_csv()}".encode()).hexdigest()
        for name, (counts, formula, priors) in sorted(of.items())
    }
