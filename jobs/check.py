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
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from sqlalchemy.orm import Session

from jobs.check_ask import PREDICTIVE
from jobs.check_shown import ShownCounts, told_misfits
from jobs.counted_parts import CountedParts
from jobs.counting import count_interviews
from jobs.errors import FitImpossible, JobsError
from jobs.heartbeat import beating
from jobs.refit import electorate_of
from jobs.settings import Settings
from mrp.checks.concerns import Concern, house_concerns, misfit_concerns, worst_first
from mrp.checks.margins import margins_of
from mrp.checks.misfit import judge_margins
from mrp.checks.predictive import GroupCheck, MarginCheck, posterior_predictive
from mrp.design import Design
from mrp.electorate import Electorate
from mrp.errors import MrpError
from mrp.latents import LatentDraws
from polling.disclosure import DisclosureRules
from polling.errors import LeaseLost, PollingError, ReleaseNotFound
from polling.secrets import SecretsFile
from polling.store import checks, fits, job_events, queue, releases, surveys
from polling.store.columns import Json
from polling.store.engine import Store
from polling.store.records import Claim, ReleaseRecord

__all__ = ["CheckedRelease", "check", "check_predictive", "prepare_check"]

log = logging.getLogger("hustings.worker")


@dataclass(frozen=True, slots=True)
class CheckedRelease:
    """A release with what its fit was made of."""

    release: ReleaseRecord
    electorate: Electorate
    design: Design
    latents: LatentDraws
    counts: pl.DataFrame
    """By the columns that were stored, and by pollster and period where the waves are still the ones that were fitted.
    Special-category data."""
    stored: tuple[str, ...]
    """Columns of the counts that were stored with the fit."""


def check(
    claim: Claim,
    store: Store,
    settings: Settings,
    *,
    memory: CountedParts,
    beat: Callable[[], bool],
    clock: Callable[[], datetime],
) -> None:
    """Do a job of kind ``check``, and end it.

    Parameters
    ----------
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
    try:
        with beating(beat, settings.heartbeat_s):
            with store.read() as session:
                checked = prepare_check(
                    session, survey_id=job.survey_id or "", question_id=job.question_id or "", memory=memory
                )
            content, concerns = check_predictive(checked, settings)
        with store.write() as session:
            kept = _keep(session, checked.release, PREDICTIVE, content, concerns, now=clock())
            detail = _sentence(checked.release, concerns) if kept else "Somebody in it was erased meanwhile."
            queue.finish(session, claim, now=clock(), code="checked" if kept else "check-dropped", detail=detail)
    except LeaseLost:
        raise
    except (PollingError, MrpError, JobsError) as error:
        _fail(claim, store, "check-refused", str(error), now=clock())
    except Exception as error:
        log.exception("job %s failed", job.id)
        detail = f"An unexpected {type(error).__name__}; the log of the worker has the details."
        after = timedelta(seconds=settings.retry_backoff_s * 2 ** (claim.attempt - 1))
        _fail(claim, store, "internal-error", detail, now=clock(), retry_after=after)


def prepare_check(
    session: Session, *, survey_id: str, question_id: str, memory: CountedParts | None = None
) -> CheckedRelease:
    """Read what the release that is served was fitted on.

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
    finer = None
    try:
        counted = count_interviews(
            session, declaration, declaration.question(question_id), memory=memory, also=("period", "pollster")
        )
        finer = counted.counts
    except (FitImpossible, PollingError) as error:  # waves that were fitted are gone, or do not fit the codebook now
        log.info("pollsters and periods of %s/%s are not checked: %s", survey_id, question_id, error)
    design: Any = fits.load_design(session, release.fit_id)
    return CheckedRelease(
        release=release,
        electorate=electorate_of(survey.bundle),
        design=Design.from_json(design),
        latents=LatentDraws.from_bytes(fits.load_draws(session, release.fit_id)),
        counts=finer if finer is not None and _are_same(finer, stored) else stored,
        stored=tuple(stored.columns),
    )


def check_predictive(checked: CheckedRelease, settings: Settings) -> tuple[dict[str, Json], tuple[Concern, ...]]:
    """Posterior predictive checks by every margin: what may be told of them, and what is wrong."""
    shown = ShownCounts(
        counts=checked.counts,
        stored=checked.stored,
        electorate=checked.electorate,
        survey=checked.release.survey_id,
        question=checked.release.question_id,
        key=SecretsFile(settings.secrets_file).disclosure_key(),
        rules=DisclosureRules(settings.min_people, settings.min_interviews),
    )
    margins = margins_of(checked.electorate, checked.counts)
    found = posterior_predictive(checked.latents, checked.design, checked.electorate, checked.counts, margins)
    told = {one.margin.columns: shown.of(one.margin.columns) for one in found}
    # What is judged is what may be told, and how large it is said to be comes from the perturbed counts.
    seen = [MarginCheck(one.margin, _told_groups(one.groups, told[one.margin.columns])) for one in found]
    misfits = judge_margins(seen, checked.design, least=0)
    share = float(np.clip(next((g.predicted for one in found[:1] for g in one.groups), 0.5), 0.01, 0.99))
    concerns = (
        *misfit_concerns(misfits, checked.design),
        *house_concerns(checked.latents, checked.design, share=share),
    )
    return told_misfits(misfits, told, rules=shown.rules), worst_first(concerns)


def _told_groups(groups: tuple[GroupCheck, ...], told: Any) -> tuple[GroupCheck, ...]:
    return tuple(replace(one, observed=told[one.levels][1]) for one in groups if one.levels in told)


def _are_same(finer: pl.DataFrame, stored: pl.DataFrame) -> bool:
    """Whether finer counts are of exactly the interviews that were fitted."""
    by = [column for column in stored.columns if column in finer.columns and column not in ("n", "y")]
    by = [column for column in by if not column.startswith("weight")]
    sums = [pl.col("n", "y").sum()]
    coarse = [table.group_by(by).agg(sums).sort(by) if by else table.select(sums) for table in (finer, stored)]
    return coarse[0].equals(coarse[1].cast(coarse[0].schema))


def _keep(
    session: Session,
    release: ReleaseRecord,
    kind: str,
    content: dict[str, Json],
    concerns: tuple[Concern, ...],
    *,
    now: datetime,
) -> bool:
    """Store a check, unless somebody in the fit was erased since it was read."""
    fit = fits.get_fit(session, release.fit_id)
    if fit.contains_erased_at is not None:
        return False
    told = [one.to_json() for one in concerns]
    checks.add_check(session, release, kind=kind, content=content, concerns=told, now=now)
    return True


def _sentence(release: ReleaseRecord, concerns: tuple[Concern, ...]) -> str:
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
