"""Do a job of kind ``score``: compare a question's releases with its known results, one pair after the other.

Each pair is written by itself, and what is written stays: the job can stop anywhere and is begun again where it
stopped. A release whose draws are gone has no scores, and that is written too.
"""

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from io import BytesIO
from typing import Any

import polars as pl
from sqlalchemy.orm import Session

from jobs.heartbeat import beating
from jobs.misreport import declared_misreport
from jobs.predictors import bundle_of_fit
from jobs.refit import electorate_of
from jobs.release_scores import ReleaseDraws, score_release
from jobs.settings import Settings
from jobs.turnout import turnout_of
from mrp.errors import MrpError
from mrp.frames.extension import FrameDraws
from mrp.latents import LatentDraws
from mrp.outcomes import design_from_json
from polling.disclosure import DisclosureRules, perturb_counts
from polling.errors import DrawsNotFound, LeaseLost
from polling.secrets import SecretsFile
from polling.store import fits, job_events, known_results, outbox, queue, releases, scores, surveys
from polling.store.columns import Json
from polling.store.engine import Store
from polling.store.records import Claim, ReleaseRecord

__all__ = ["score", "score_pair"]

log = logging.getLogger("hustings.worker")

GONE = "Its draws were not kept any more when the result was added."
APART = "Nothing that the result tells is estimated by it: its survey had other districts or levels."


def score(
    claim: Claim,
    store: Store,
    settings: Settings,
    *,
    beat: Callable[[], bool],
    stop: threading.Event,
    clock: Callable[[], datetime],
    pause: timedelta,
) -> None:
    """Score what is not scored yet, and end the job or give it back.

    Parameters
    ----------
    beat
        Keeps the job; tells whether it was cancelled.
    pause
        Before the next attempt, if this one fails.

    Raises
    ------
    LeaseLost
        If the job belongs to another worker by now.
    """
    survey_id, question_id = claim.job.survey_id or "", claim.job.question_id or ""
    try:
        with store.read() as session:
            pairs = scores.unscored(session, survey_id, question_id)
        with beating(beat, settings.heartbeat_s) as pulse:
            for release_id, result_id in pairs:
                if pulse.lost.is_set():
                    raise LeaseLost(f"Job '{claim.job.id}'")
                if stop.is_set():
                    break
                if pulse.cancelled.is_set():
                    _fail(claim, store, "cancelled", "The scoring was cancelled while it ran.", now=clock())
                    return
                score_pair(store, settings, release_id, result_id, now=clock())
        with store.write() as session:
            if stop.is_set():
                queue.give_back(session, claim, now=clock())
                return
            detail = f"{len(pairs):,} {'score' if len(pairs) == 1 else 'scores'} of releases."
            queue.finish(session, claim, now=clock(), code="scored", detail=detail)
            if pairs:
                event: Json = {"question_id": question_id, "scores": len(pairs)}
                outbox.append(session, "releases-scored", survey_id, event, clock())
    except LeaseLost:
        raise
    except Exception as error:
        log.exception("job %s failed", claim.job.id)
        detail = f"An unexpected {type(error).__name__}; the log of the worker has the details."
        _fail(claim, store, "internal-error", detail, now=clock(), retry_after=pause)


def score_pair(
    store: Store, settings: Settings, release_id: str, result_id: str, *, now: datetime, exact: bool = False
) -> None:
    """Compare a release with a result, and keep what comes of it.

    Parameters
    ----------
    exact
        Baselines are of the counts as they are, for whoever has the interviews anyway. Else of perturbed counts.
    """
    told: list[dict[str, Any]] | None = None
    why: str | None = None
    with store.read() as session:
        release = releases.get_release(session, release_id)
        try:
            draws = _load(session, None if exact else SecretsFile(settings.secrets_file), release)
        except DrawsNotFound:
            draws, why = None, GONE
        except MrpError as error:
            draws, why = None, f"It cannot be compared: {error}"
        result = known_results.load_table(session, result_id)
    if draws is not None:
        rules = DisclosureRules(settings.min_people, settings.min_interviews)
        try:
            told = score_release(draws, result, rules=rules) or None
            why = None if told else APART
        except MrpError as error:
            why = f"It cannot be compared: {error}"
    with store.write() as session:
        scores.add_score(session, release_id, result_id, scores=told, unscored=why, now=now)


def _load(session: Session, secrets: SecretsFile | None, release: ReleaseRecord) -> ReleaseDraws:
    """A release with its counts, perturbed if secrets are given."""
    survey = surveys.get_survey(session, release.survey_id, release.survey_version)
    declaration = survey.bundle.declaration
    fit = fits.get_fit(session, release.fit_id)
    electorate = electorate_of(bundle_of_fit(session, survey, fit.inputs))
    question = declaration.question(release.question_id)
    latents = LatentDraws.from_bytes(fits.load_draws(session, release.fit_id))
    second = fits.load_second(session, release.fit_id)
    design: Any = fits.load_design(session, release.fit_id)
    try:
        counts = pl.read_parquet(BytesIO(fits.load_counts(session, release.fit_id)))
    except DrawsNotFound:
        shown = None
    else:
        # The cells in which everything raw is told: the same noise as in every answer (``api.shown_counts``).
        by = (*electorate.cell_columns, *(["period"] if "period" in counts.columns else []))
        if secrets is not None:
            key = secrets.disclosure_key()
            counts = perturb_counts(counts, by=by, survey=release.survey_id, question=release.question_id, key=key)
        answers = [name for name in counts.columns if name == "y" or name.startswith("y[")]
        shown = counts.group_by(electorate.district).agg(pl.col("n", *answers).cast(pl.Int64).sum())
        # Noise may take more away from a small district than there was.
        shown = shown.with_columns(pl.col(answers).clip(0, pl.col("n"))).sort(electorate.district)
    scored = declaration.backtest
    return ReleaseDraws(
        frames=None if (draws := survey.bundle.frame_draws) is None else FrameDraws.from_table(draws),
        turnout=turnout_of(session, release, declaration),
        second=None if second is None else LatentDraws.from_bytes(second),
        second_turnout=() if second is None else turnout_of(session, release, declaration, erring=electorate),
        latents=latents,
        design=design_from_json(design),
        electorate=electorate,
        question=question,
        last_result=scored.last_result if scored else None,
        counts=shown,
        perturbed=secrets is not None,
        misreport=declared_misreport(fit),
    )


def _fail(
    claim: Claim, store: Store, code: str, detail: str, *, now: datetime, retry_after: timedelta | None = None
) -> None:
    """End the job badly, or try again; what is served is none the worse for it."""
    with store.write() as session:
        ended = queue.fail(session, claim, now=now, code=code, detail=detail, retry_after=retry_after)
        job_events.tell(session, ended, now=now)
    log.warning("job %s, attempt %d: %s: %s", claim.job.id, claim.attempt, code, detail)
