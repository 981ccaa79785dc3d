"""Check the release that is served: does its model describe the interviews, and what in it does not?

The model, its draws and its counts are those that are stored with the release's fit. Pollsters and periods are looked
at even where the formula reads neither: the waves are counted again, and if they are still the ones that were fitted,
the finer counts are used.

Nothing is published or taken back. What comes of it is stored beside the fit: figures for whoever wants to see them,
and concerns, short sentences that stand beside the release. It happens after the release, and never instead of it: an
honest fit must not be kept back by chance.
"""

import io
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from sqlalchemy.orm import Session

from jobs.check_ask import CHECK, kinds
from jobs.check_made import CHECKS, CheckedRelease, Made, not_alone
from jobs.check_refits import REFIT_CHECKS, Refits
from jobs.confirm_ask import CONFIRM
from jobs.counted_parts import CountedParts
from jobs.counting import count_interviews
from jobs.errors import FitCancelled, FitImpossible, JobsError, WorkerStopping
from jobs.fit_request import FitProgress, FitRequest, FitResult
from jobs.giving_way import PAUSE, GivingWay
from jobs.heartbeat import beating
from jobs.outcomes import counted_by, outcome_of, without_astray
from jobs.predictors import bundle_of_fit
from jobs.refit import electorate_of, laplace_settings, nuts_settings
from jobs.settings import Settings
from mrp.errors import MrpError
from mrp.evidence import Evidence
from mrp.heed import Heed, nobody
from mrp.latents import LatentDraws
from mrp.outcomes import design_from_json
from mrp.priors import parse_priors
from mrp.shifts import as_fitted
from polling.disclosure import DisclosureRules
from polling.errors import LeaseLost, PollingError, ReleaseNotFound
from polling.secrets import SecretsFile
from polling.store import checks, fits, job_events, queue, releases, surveys
from polling.store.engine import Store
from polling.store.fit_inputs import partners_noted
from polling.store.records import Claim, ReleaseRecord

__all__ = ["check", "prepare_check", "request_of"]

SHORT_S = 5.0
"""A fit that takes no longer is not ended in its middle."""

log = logging.getLogger("hustings.worker")


def check(
    claim: Claim,
    store: Store,
    settings: Settings,
    *,
    fit: Callable[..., FitResult],
    memory: CountedParts,
    beat: Callable[[FitProgress | None], bool],
    stop: threading.Event,
    clock: Callable[[], datetime],
) -> None:
    """Do a job of kind ``check``, and end it or give it back.

    Every kind of check is kept as soon as it is made. It gives way to other work, in the middle of a kind too, and goes
    on later with the first that was not made. Nothing is read or written while it computes.

    Parameters
    ----------
    fit
        Runs one fit; see ``jobs.fit_run.run_fit``.
    memory
        Of the counts of earlier checks; not that of refits.
    beat
        Keeps the job; tells whether it was cancelled.

    Raises
    ------
    LeaseLost
        If the job belongs to another worker by now.
    """
    job = claim.job
    keep_on = GivingWay(job, store, settings, beat=beat, besides=(CHECK, CONFIRM), clock=clock, refits_of=job.survey_id)
    try:
        with beating(lambda: beat(None), settings.heartbeat_s) as pulse:
            heed = keep_on.heeding(pulse, stop)
            with store.read() as session:
                checked = prepare_check(
                    session,
                    settings,
                    survey_id=job.survey_id or "",
                    question_id=job.question_id or "",
                    memory=memory,
                    heed=heed,
                )
                made = {one.kind: one.made_at for one in checks.checks_of(session, checked.release.fit_id)}
                request, took_s = request_of(session, settings, checked), _took_s(session, checked)
            wanted = kinds(settings, since=clock() - checked.release.published_at)
            again = _missing(wanted, made, since=job.first_asked_at)

            def keep(kind: str, found: Made) -> None:
                with store.write() as session:
                    _keep(session, checked.release, kind, found, now=clock())
                    queue.heartbeat(session, claim, now=clock(), lease=settings.lease)  # no lease, no effect

            for kind in (one for one in again if one in CHECKS):
                heed()
                keep(kind, CHECKS[kind](checked))
            run_fit = _fits(fit, keep_on, beat=beat, stop=stop, took_s=took_s)
            ends = time.monotonic() + settings.check_budget_s
            refits = Refits(request, run_fit, settings, ends=ends, expected_s=took_s)
            for kind in (one for one in again if one in REFIT_CHECKS):
                heed()
                keep(kind, not_alone(checked) or REFIT_CHECKS[kind](checked, refits))
        with store.write() as session:
            concerns = checks.concerns_of(session, checked.release.fit_id)
            code = "check-dropped" if concerns is None else "checked"
            queue.finish(session, claim, now=clock(), code=code, detail=_sentence(checked.release, concerns))
    except WorkerStopping:
        with store.write() as session:
            queue.give_back(session, claim, now=clock())
    except FitCancelled:
        if keep_on.gave_way:
            log.info("the check of %s gives way to other work", job.key)
            with store.write() as session:
                queue.give_back(session, claim, now=clock(), after=PAUSE)
        else:
            _fail(claim, store, "cancelled", "The check was cancelled while it ran.", now=clock())
    except LeaseLost:
        raise
    except (PollingError, MrpError, JobsError) as error:
        _fail(claim, store, "check-refused", str(error), now=clock())
    except Exception as error:
        log.exception("job %s failed", job.id)
        detail = f"An unexpected {type(error).__name__}; the log of the worker has the details."
        after = timedelta(seconds=settings.retry_backoff_s * 2 ** (claim.attempt - 1))
        _fail(claim, store, "internal-error", detail, now=clock(), retry_after=after)


def _missing(wanted: Sequence[str], made: Mapping[str, datetime], *, since: datetime) -> list[str]:
    """Kinds that are to be made: those that were not; if all were, all that were made before somebody asked again."""
    return [kind for kind in wanted if kind not in made] or [kind for kind in wanted if made[kind] < since]


def _took_s(session: Session, checked: CheckedRelease) -> float | None:
    """Seconds that the release's fit took, if it was one by the engine that fits again."""
    fit = fits.get_fit(session, checked.release.fit_id)
    seconds: Any = fit.seconds
    return float(sum(seconds.values())) if fit.engine == "laplace" and seconds else None


def _fits(
    fit: Callable[..., FitResult],
    keep_on: GivingWay,
    *,
    beat: Callable[[FitProgress | None], bool],
    stop: threading.Event,
    took_s: float | None,
) -> Callable[[FitRequest, Settings], FitResult]:
    """Fits that give way: between two of them, and a long one in its middle.

    To end a fit costs whoever waits the start of another process, three seconds; a short one ends sooner by itself.
    """
    within = took_s is None or took_s > SHORT_S

    def fit_once(one: FitRequest, limits: Settings) -> FitResult:
        if keep_on(None):
            raise FitCancelled("The check gives way.")
        return fit(one, limits, beat=keep_on if within else beat, stop=stop)

    return fit_once


def prepare_check(
    session: Session,
    settings: Settings,
    *,
    survey_id: str,
    question_id: str,
    memory: CountedParts | None = None,
    heed: Heed = nobody,
) -> CheckedRelease:
    """Read what the release that is served was fitted on.

    Parameters
    ----------
    heed
        Called while it is read, and by the checks; see ``mrp.heed``.

    Raises
    ------
    ReleaseNotFound
        If nothing is served.
    DrawsNotFound
        If its draws or counts are not kept any more.
    """
    release = releases.current_release(session, survey_id, question_id)
    if release is None:
        raise ReleaseNotFound(f"of question '{question_id}' any more")
    survey = surveys.get_survey(session, survey_id, release.survey_version)
    stored = pl.read_parquet(io.BytesIO(fits.load_counts(session, release.fit_id)))
    declaration = survey.bundle.declaration
    fit = fits.get_fit(session, release.fit_id)
    electorate = electorate_of(bundle_of_fit(session, survey, fit.inputs))
    finer, partners = None, tuple(partners_noted(fit.inputs))
    heed()
    try:
        counted = count_interviews(
            session,
            declaration,
            declaration.question(question_id),
            memory=memory,
            also=("period", "pollster"),
            beside=partners,
        )
        finer, _ = without_astray(counted.counts, declaration.question(question_id), electorate)
    except (FitImpossible, PollingError) as error:  # waves that were fitted are gone, or do not fit the codebook now
        log.info("pollsters and periods of %s/%s are not checked: %s", survey_id, question_id, error)
    heed()
    design: Any = fits.load_design(session, release.fit_id)
    evidence = fits.load_evidence(session, release.fit_id)
    latents, fitted = as_fitted(
        LatentDraws.from_bytes(fits.load_draws(session, release.fit_id)), design_from_json(design)
    )
    return CheckedRelease(
        release=release,
        electorate=electorate,
        fitted=fitted,
        priors=parse_priors(declaration.question(question_id).priors),
        latents=latents,
        hypers=None if evidence is None else Evidence.from_bytes(evidence).hypers,
        counts=finer if finer is not None and _are_same(finer, stored) else stored,
        stored=tuple(stored.columns),
        seed=fit.seed,
        partners=tuple(name for name, of in partners_noted(fit.inputs).items() if of is not None),
        rules=DisclosureRules(settings.min_people, settings.min_interviews),
        key=SecretsFile(settings.secrets_file).disclosure_key(),
        heed=heed,
    )


def request_of(session: Session, settings: Settings, checked: CheckedRelease) -> FitRequest:
    """What the release was fitted on, for the fast engine."""
    fit = fits.get_fit(session, checked.release.fit_id)
    survey = surveys.get_survey(session, fit.survey_id, fit.survey_version)
    question = survey.bundle.declaration.question(fit.question_id)
    return FitRequest(
        outcome=outcome_of(question),
        formula=fit.formula,
        priors=question.priors,
        seed=fit.seed,
        engine="laplace",
        nuts=nuts_settings(settings),
        laplace=laplace_settings(settings),
        electorate=checked.electorate,
        counts=checked.counts,
    )


def _are_same(finer: pl.DataFrame, stored: pl.DataFrame) -> bool:
    """Whether finer counts are of exactly the interviews that were fitted."""
    by = [column for column in counted_by(stored.columns) if column in finer.columns]
    whole = [column for column in stored.columns if column in ("n", "y") or column.startswith("y[")]
    sums = [pl.col(whole).sum()]
    # Of numbers their total too, which adds up in another order.
    sums += [(pl.col("n") * pl.col("mean")).sum().alias("total")] if "mean" in stored.columns else []
    coarse = [table.group_by(by).agg(sums).sort(by) if by else table.select(sums) for table in (finer, stored)]
    own, theirs = (table.select(*by, *whole) for table in coarse)
    if not own.equals(theirs.cast(own.schema)):
        return False
    if "mean" not in stored.columns:
        return True
    totals = [table["total"].to_numpy() for table in coarse]
    return np.allclose(totals[0], totals[1], rtol=1e-9)


def _keep(session: Session, release: ReleaseRecord, kind: str, found: Made, *, now: datetime) -> None:
    """Store a check, unless somebody in the fit was erased since it was read."""
    if fits.get_fit(session, release.fit_id).contains_erased_at is not None:
        return
    content, concerns = found
    checks.add_check(
        session, release, kind=kind, content=content, concerns=[one.to_json() for one in concerns], now=now
    )
    checks.tell(session, release, now=now)


def _sentence(release: ReleaseRecord, concerns: tuple[checks.ConcernRecord, ...] | None) -> str:
    if concerns is None:
        return "Somebody in it was erased meanwhile."
    if not concerns:
        return f"Release {release.number} was checked: nothing is outside chance."
    more = f" And {len(concerns) - 1} more." if len(concerns) > 1 else ""
    return f"Release {release.number} was checked. {concerns[0].sentence}{more}"


def _fail(
    claim: Claim, store: Store, code: str, detail: str, *, now: datetime, retry_after: timedelta | None = None
) -> None:
    """End the job badly, or try again; what is served is none the worse for it."""
    with store.write() as session:
        ended = queue.fail(session, claim, now=now, code=code, detail=detail, retry_after=retry_after)
        job_events.tell(session, ended, now=now)
    log.warning("job %s, attempt %d: %s: %s", claim.job.id, claim.attempt, code, detail)
