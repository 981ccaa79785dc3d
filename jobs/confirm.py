"""Confirm a release: fit exactly what it was fitted on with NUTS, and compare (``mrp.agreement``).

Counts, frame, model and priors are those that are stored with the release's fit. Nothing is published: what comes of it
is stored beside the release, shown with its estimates, and a disagreement is an alarm. A run of NUTS that is not good
enough to be a reference settles nothing, and neither does one on another model than the stored one, which a newer
version of the program may build.

A confirmation gives way: when other work is due and no worker takes it, it stops and is begun again later. After a day
of that it does so no more, or a busy house would never hear of a wrong release.
"""

import hashlib
import io
import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import polars as pl
from sqlalchemy.orm import Session

from jobs.adjustments import frames_of, of_fit
from jobs.confirm_ask import CONFIRM, ask_next
from jobs.confirm_judge import Judgement, PreparedConfirmation, judge, settled_nothing
from jobs.errors import FitCancelled, FitProcessFailed, JobsError, WorkerStopping
from jobs.fit_request import FitProgress, FitRequest, FitResult
from jobs.giving_way import PAUSE, GivingWay
from jobs.heartbeat import beating
from jobs.outcomes import outcome_of
from jobs.partners import partners_fitted
from jobs.predictors import bundle_of_fit
from jobs.refit import electorate_of, laplace_settings, nuts_settings
from jobs.settings import Settings
from mrp.errors import MrpError
from mrp.latents import LatentDraws
from polling.errors import LeaseLost, PollingError, ReleaseNotFound
from polling.store import confirmations, fits, job_events, queue, releases, surveys
from polling.store.columns import Json
from polling.store.engine import Store
from polling.store.records import Claim

__all__ = ["confirm", "prepare_confirmation"]

LEAST_TUNE = 1000
"""Tuning steps of a reference, at least: nobody waits for it."""

log = logging.getLogger("hustings.worker")


def confirm(
    claim: Claim,
    store: Store,
    settings: Settings,
    *,
    fit: Callable[..., FitResult],
    beat: Callable[[FitProgress | None], bool],
    stop: threading.Event,
    clock: Callable[[], datetime],
) -> None:
    """Do a job of kind ``confirm``, and end it or give it back.

    Parameters
    ----------
    fit
        Runs one fit; see ``jobs.fit_run.run_fit``.
    beat
        Keeps the job; tells whether it was cancelled.

    Raises
    ------
    LeaseLost
        If the job belongs to another worker by now.
    """
    job = claim.job
    prepared: PreparedConfirmation | None = None
    keep_on = GivingWay(job, store, settings, beat=beat, besides=(CONFIRM,), clock=clock)
    try:
        with store.read() as session:
            prepared = prepare_confirmation(
                session, settings, survey_id=job.survey_id or "", question_id=job.question_id or ""
            )
        log.info("confirmation of release %d of %s, attempt %d", prepared.release.number, job.key, claim.attempt)
        result = fit(prepared.request, settings, beat=keep_on, stop=stop)
        with beating(lambda: beat(None), settings.heartbeat_s):
            judgement = judge(prepared, result)
        with store.write() as session:
            _keep(session, prepared, judgement, now=clock())
            code = {"agrees": "confirmed", "disagrees": "confirmation-failed"}.get(judgement.state, "not-confirmed")
            queue.finish(session, claim, now=clock(), code=code, detail=judgement.sentence)
            ask_next(session, settings, now=clock())
    except WorkerStopping:
        with store.write() as session:
            queue.give_back(session, claim, now=clock())
    except FitCancelled:
        if keep_on.gave_way:
            log.info("the confirmation of %s gives way to other work", job.key)
            with store.write() as session:
                queue.give_back(session, claim, now=clock(), after=PAUSE)
        else:
            _fail(claim, store, settings, "cancelled", "The confirmation was cancelled while it ran.", now=clock())
    except FitProcessFailed as error:
        _fail(claim, store, settings, "not-confirmed", error.detail, now=clock(), retry=error.retry, of=prepared)
    except LeaseLost:
        raise
    except (PollingError, MrpError, JobsError) as error:
        _fail(claim, store, settings, "confirmation-refused", str(error), now=clock())
    except Exception as error:
        log.exception("job %s failed", job.id)
        detail = f"An unexpected {type(error).__name__}; the log of the worker has the details."
        _fail(claim, store, settings, "internal-error", detail, now=clock(), retry=True)


def prepare_confirmation(
    session: Session, settings: Settings, *, survey_id: str, question_id: str
) -> PreparedConfirmation:
    """Read what the release that is served was fitted on.

    Raises
    ------
    ReleaseNotFound
        If nothing is served.
    DrawsNotFound
        If its draws or counts are not kept any more.
    FitImpossible
        If it was fitted together with questions whose interviews are not those of the fit any more.
    """
    release = releases.current_release(session, survey_id, question_id)
    if release is None:
        raise ReleaseNotFound(f"of question '{question_id}' any more")
    fit = fits.get_fit(session, release.fit_id)
    survey = surveys.get_survey(session, survey_id, fit.survey_version)
    tries = confirmations.n_inconclusive(session, fit.id)
    nuts = nuts_settings(settings)
    question = survey.bundle.declaration.question(question_id)
    bundle = bundle_of_fit(session, survey, fit.inputs)
    request = FitRequest(
        outcome=outcome_of(question),
        formula=fit.formula,
        priors=question.priors,
        # Another seed than the release's, and each time another one.
        seed=int.from_bytes(hashlib.sha256(f"{fit.id}/{tries}".encode()).digest()[:4]),
        engine="nuts",
        nuts=replace(nuts, tune=max(nuts.tune, LEAST_TUNE), draws=settings.confirm_draws * 2**tries),
        laplace=laplace_settings(settings),
        electorate=electorate_of(bundle),
        counts=pl.read_parquet(io.BytesIO(fits.load_counts(session, fit.id))),
        question=question_id,
        partners=partners_fitted(session, survey.bundle.declaration, question, fit),
        adjustments=of_fit(fit.inputs, bundle, question),
        frames=frames_of(survey.bundle),
    )
    return PreparedConfirmation(
        request=request,
        release=release,
        fit=fit,
        latents=LatentDraws.from_bytes(fits.load_draws(session, fit.id)),
        design=fits.load_design(session, fit.id),
    )


def _keep(session: Session, prepared: PreparedConfirmation, judgement: Judgement, *, now: datetime) -> None:
    confirmations.add_confirmation(
        session,
        prepared.release,
        state=judgement.state,
        sentence=judgement.sentence,
        numbers=judgement.numbers,
        now=now,
    )
    if judgement.state == "disagrees":
        log.warning("%s: %s", prepared.release.survey_id, judgement.sentence)


def _fail(
    claim: Claim,
    store: Store,
    settings: Settings,
    code: str,
    detail: str,
    *,
    now: datetime,
    retry: bool = False,
    of: PreparedConfirmation | None = None,
) -> None:
    """End the job badly, or try again; what is served is none the worse for it."""
    after = timedelta(seconds=settings.retry_backoff_s * 2 ** (claim.attempt - 1)) if retry else None
    with store.write() as session:
        ended = queue.fail(session, claim, now=now, code=code, detail=detail, retry_after=after)
        if ended.state == "failed":
            if of is not None:
                numbers: dict[str, Json] = {"draws_per_chain": of.request.nuts.draws}
                _keep(session, of, Judgement("inconclusive", settled_nothing(of.release, [detail]), numbers), now=now)
            ask_next(session, settings, now=now)
        job_events.tell(session, ended, now=now)
    log.warning("job %s, attempt %d: %s: %s", claim.job.id, claim.attempt, code, detail)
