"""Refit one question: from stored waves to a request, from a result to a release.

This module knows both the store and the estimator. It holds no statistics and
no SQL. The counts are those of ``jobs.counting``. The seed follows
from a hash of counts, frame, districts, model and settings: the same interviews
give the same fit, in another database too.

A fit is saved whether or not it may be published; it is published if its verdict
has no problems and its disclosure statement lacks nothing. Saving, publishing
and closing the job happen in one transaction which begins by checking that the
job still belongs to this worker: no lease, no effect.
"""

import hashlib
import io
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, cast

import polars as pl
from sqlalchemy.orm import Session

from jobs.adjustments import adjustments_of, cannot_move, distant_totals, frames_of, noted_adjustments
from jobs.counted_parts import CountedParts
from jobs.counting import CountedInterviews, count_interviews
from jobs.erasure import finish_question
from jobs.fit_request import FitRequest, FitResult, Partner
from jobs.outcomes import outcome_of, without_astray
from jobs.partners import count_partners, hash_of_counts, partners_of
from jobs.predictors import known_predictors
from jobs.retention import LARGE_SHARE
from jobs.score_ask import ask_scores_of_new
from jobs.settings import Settings
from mrp.adjusted import Adjustments
from mrp.electorate import Electorate
from mrp.laplace.engine import LaplaceSettings
from mrp.nuts import NutsSettings
from mrp.verdict import FitVerdict
from polling.bundle import SurveyBundle
from polling.declaration import Question
from polling.disclosure import count_in_words, rounded_count
from polling.errors import DisclosureIncomplete, FitSuperseded, QuestionHeld
from polling.store import by_hand, erasure, fits, job_events, queue, releases, surveys
from polling.store.records import Claim, NewFit, StoredSurvey
from polling.store.wave_events import data_sequence
from polling.store.wave_records import WaveRecord

if TYPE_CHECKING:
    from mrp.fit import Engine

__all__ = [
    "PreparedRefit",
    "electorate_of",
    "fit_of",
    "laplace_settings",
    "nuts_settings",
    "prepare_refit",
    "store_result",
    "with_warnings",
]


_OF_COUNTS = ("waves", "base", "weights", "purged", "n_astray", "partners", "predictors")
"""Inputs that are in the counts, as far as they matter; of partners there is what a joint fit is described by, of
predictors the hash of their values."""
_AFTER = ("known_totals", "systematic_error", "frame_draws")
"""Inputs that change what is kept of a fit or made of it, and not the fit."""


@dataclass(frozen=True, slots=True)
class PreparedRefit:
    """A request with what the store has to know about it."""

    request: FitRequest
    survey: StoredSurvey
    question: Question
    waves: tuple[WaveRecord, ...]
    """The waves whose interviews are in the counts."""
    inputs: dict[str, Any]
    """Ids and hashes of everything that the counts come from."""
    data_sequence: int
    data_through: date | None
    n_interviews: int

    @property
    def settings(self) -> dict[str, Any]:
        """How it is fitted, as stored with the fit."""
        request = self.request
        return {"nuts": asdict(request.nuts), "laplace": asdict(request.laplace), "engine": request.engine}


def electorate_of(bundle: SurveyBundle) -> Electorate:
    """A survey's frame and districts, as the estimator takes them."""
    declaration = bundle.declaration
    return Electorate(
        frame=bundle.frame,
        districts=bundle.districts,
        district=declaration.geography.district,
        demographics=declaration.levels,
        ordered=declaration.ordered,
    )


def prepare_refit(
    session: Session,
    settings: Settings,
    *,
    survey_id: str,
    question_id: str,
    seed: int | None = None,
    memory: CountedParts | None = None,
) -> PreparedRefit:
    """Count the interviews of every accepted wave and build the request.

    Parameters
    ----------
    seed
        Fixes the seed; by default it follows from the inputs.
    memory
        Of counts made before.

    Raises
    ------
    SurveyNotFound, QuestionNotFound
        If either does not exist (any more).
    FitImpossible
        If there is nothing to fit, or a stored wave no longer fits the codebook.
    """
    survey = surveys.get_survey(session, survey_id)
    declaration = survey.bundle.declaration
    question = declaration.question(question_id)
    outcome = outcome_of(question)
    every = partners_of(question, declaration.questions)
    counted = count_interviews(session, declaration, question, memory=memory, beside=[one.id for one in every])
    partners = count_partners(session, declaration, question, memory=memory)
    known = known_predictors(
        session,
        survey,
        [question, *(one for one in every if one.id in partners)],
        data_through=_last_day([counted, *(of for _, of in partners.values())]),
    )
    electorate = electorate_of(known.bundle)
    counts, n_astray = without_astray(counted.counts, question, electorate)
    nuts, laplace = nuts_settings(settings), laplace_settings(settings)
    inputs = {
        "waves": list(counted.inputs),
        "frame_sha256": survey.frame_sha256,
        "districts_sha256": survey.districts_sha256,
        **_frame_draws(survey.bundle),
        "counts_sha256": hash_of_counts(counts),
        **({"option": question.options[0]} if question.kind == "binary" else {"outcome": outcome.to_json()}),
        "base": list(question.base),
        "weights": question.weights,
        "window_days": declaration.time.window_days,
        **({"purged": counted.purged} if counted.purged else {}),
        **({"n_astray": n_astray} if n_astray else {}),
        **noted_adjustments(question, known.bundle, partners=partners, uploads=known.noted),
        **({"predictors": list(known.noted)} if known.noted else {}),
        # Those without interviews too: their first wave changes this fit.
        **({"partners": {one.id: _of_partner(partners.get(one.id)) for one in every}} if every else {}),
    }
    # Ids and pseudonyms differ between installations; what the likelihood sees does not. The counts know the rest.
    seen = {name: value for name, value in inputs.items() if name not in (*_OF_COUNTS, *_AFTER)}
    described = {**seen, "formula": question.model, "priors": dict(question.priors)}
    if partners:  # the same of each of them: their draws are those of one fit
        of = {question.id: described} | {name: _described(one) for name, (one, _) in partners.items()}
        mine = ("counts_sha256", "formula", "priors")
        questions = {name: {key: told[key] for key in mine} for name, told in sorted(of.items())}
        described = {"questions": questions} | {key: inputs[key] for key in ("frame_sha256", "districts_sha256")}
    if known.hashes:
        described |= {"predictors": known.hashes}
    described |= {"nuts": asdict(nuts), "laplace": asdict(laplace)}
    request = FitRequest(
        outcome=outcome,
        formula=question.model,
        priors=question.priors,
        seed=_seed({**described, "engine": settings.engine}) if seed is None else seed,
        engine=cast("Engine", settings.engine),  # the settings have checked it
        nuts=nuts,
        laplace=laplace,
        electorate=electorate,
        counts=counts,
        question=question.id,
        partners=tuple(
            replace(one, adjustments=_of_part(known.bundle, question.id, name, partners))
            for name, (one, _) in partners.items()
        ),
        adjustments=adjustments_of(question, known.bundle, partners=partners),
        frames=frames_of(survey.bundle),
    )
    return PreparedRefit(
        request=request,
        survey=survey,
        question=question,
        waves=counted.waves,
        inputs=inputs,
        data_sequence=data_sequence(session, survey_id),
        data_through=counted.data_through,
        n_interviews=int(counts["n"].sum()),
    )


def store_result(session: Session, claim: Claim, prepared: PreparedRefit, result: FitResult, *, now: datetime) -> str:
    """Save the fit, publish it if it deserves that, and close the job. Returns the id of the fit.

    Raises
    ------
    LeaseLost
        If the job belongs to another worker by now; the caller's transaction is rolled back.
    """
    result = with_warnings(prepared, result)
    verdict = FitVerdict.from_json(result.verdict)
    survey_id, question_id = prepared.survey.id, prepared.question.id
    fit_id = fits.save_fit(session, fit_of(prepared, result), now=now)
    erasure.mark_if_late(session, fit_id)
    n_waves = len(prepared.waves)
    # Readers are told it, where it is why nothing new is served.
    basis = f"about {rounded_count(prepared.n_interviews):,} interviews in {n_waves} wave{'s' if n_waves != 1 else ''}"
    if not verdict.publishable:
        reason = f"A fit on {basis} was not published: {_sentence(verdict)}"
        releases.mark_stale(session, survey_id, question_id, now, reason)
        ended = queue.fail(session, claim, now=now, code="fit-rejected", detail=reason, fit_id=fit_id)
        job_events.tell(session, ended, now=now)
        return fit_id
    # Before the publication, which has the outbox in hand from then on.
    releases.lock_state(session, survey_id, question_id)
    ask_scores_of_new(session, survey_id=survey_id, question_id=question_id, now=now)
    try:
        release = releases.publish(session, fit_id=fit_id, now=now)
        finish_question(session, survey_id=survey_id, question_id=question_id, now=now)
    except FitSuperseded as superseded:
        queue.finish(session, claim, now=now, code="superseded", detail=str(superseded), fit_id=fit_id)
    except DisclosureIncomplete as incomplete:
        reason = f"A fit on {basis} was not published: {incomplete}"
        releases.mark_stale(session, survey_id, question_id, now, reason)
        queue.fail(session, claim, now=now, code="disclosure-incomplete", detail=reason, fit_id=fit_id)
    except QuestionHeld as held:
        by_hand.keep_back(session, fit_id)
        queue.finish(session, claim, now=now, code="held", detail=str(held), fit_id=fit_id)
    else:
        queue.finish(
            session,
            claim,
            now=now,
            code="published",
            detail=" ".join((f"Release {release.number}: {basis}.", *_warnings(verdict))),
            fit_id=fit_id,
        )
    return fit_id


def with_warnings(prepared: PreparedRefit, result: FitResult) -> FitResult:
    """A result whose verdict says what is to be known of its inputs, too."""
    told: Sequence[str] = result.verdict.get("warnings", ())
    own = (*_left_out(prepared), *_astray(prepared), *_partners_missing(prepared), *_not_moved(prepared))
    own += tuple(distant_totals(prepared.survey.bundle.declaration, prepared.inputs))
    if not (more := [one for one in own if one not in told]):
        return result
    return replace(result, verdict=result.verdict | {"warnings": [*told, *more]})


def fit_of(prepared: PreparedRefit, result: FitResult, *, data_sequence: int | None = None) -> NewFit:
    """What is stored of a fit.

    Parameters
    ----------
    data_sequence
        Of the newest change of waves that it counts as having seen; default: that of the refit.
    """
    request = prepared.request
    return NewFit(
        survey_id=prepared.survey.id,
        survey_version=prepared.survey.version,
        question_id=prepared.question.id,
        engine=result.engine,
        seed=request.seed,
        formula=request.formula,
        priors=result.priors,
        settings=prepared.settings,
        versions=dict(result.versions),
        inputs=prepared.inputs,
        data_sequence=prepared.data_sequence if data_sequence is None else data_sequence,
        data_through=prepared.data_through,
        n_interviews=prepared.n_interviews,
        n_cells=request.counts.height,
        verdict=result.verdict,
        publishable=FitVerdict.from_json(result.verdict).publishable,
        seconds=dict(result.seconds),
        design=result.design,
        diagnostics=result.diagnostics,
        counts=_parquet(request.counts),
        draws=result.draws,
        evidence=result.evidence,
        second=result.second,
    )


def nuts_settings(settings: Settings) -> NutsSettings:
    """How NUTS samples."""
    return NutsSettings(
        chains=settings.nuts_chains,
        tune=settings.nuts_tune,
        draws=settings.nuts_draws,
        target_accept=settings.nuts_target_accept,
        retry_target_accept=settings.nuts_retry_target_accept,
        cores=settings.fit_cores,
    )


def laplace_settings(settings: Settings) -> LaplaceSettings:
    """How the Laplace engine fits."""
    return LaplaceSettings(points=settings.laplace_points, draws=settings.laplace_draws, threads=settings.fit_cores)


def _frame_draws(bundle: SurveyBundle) -> dict[str, Any]:
    """What a fit notes of the draws of its frame, where there are several."""
    if bundle.frame_draws is None:
        return {}
    facts = bundle.declaration.facts
    about = {name: facts[f"frame_{name}"] for name in ("source", "date") if f"frame_{name}" in facts}
    sha256, n = bundle.declaration.frame_draws_sha256, bundle.frame_draws["draw"].n_unique()
    return {"frame_draws": {"sha256": sha256, "n": n, **about}}


def _last_day(counted: Sequence[CountedInterviews]) -> date:
    """The last day of all interviews of a fit; of waves that do not tell, the day on which they were received."""
    days = [one.data_through for one in counted if one.data_through is not None]
    return max(days or [wave.received_at.date() for one in counted for wave in one.waves])


def _of_part(bundle: SurveyBundle, question: str, partner: str, partners: Collection[str]) -> Adjustments:
    """What is done to the draws of a partner, whose partners are the others."""
    return adjustments_of(
        bundle.declaration.question(partner), bundle, partners=[question, *(one for one in partners if one != partner)]
    )


def _described(partner: Partner) -> dict[str, Any]:
    """What the likelihood and the priors of a partner are."""
    counts_sha256 = hash_of_counts(partner.counts)
    return {"counts_sha256": counts_sha256, "formula": partner.formula, "priors": dict(partner.priors)}


def _of_partner(counted: tuple[Partner, CountedInterviews] | None) -> dict[str, Any] | None:
    """What a fit notes of a partner; None: it has no interviews yet."""
    return None if counted is None else {**_described(counted[0]), "waves": list(counted[1].inputs)}


def _seed(described: dict[str, Any]) -> int:
    canonical = json.dumps(described, sort_keys=True, separators=(",", ":"))
    return int.from_bytes(hashlib.sha256(canonical.encode()).digest()[:4])


def _parquet(table: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.write_parquet(buffer, compression="zstd")
    return buffer.getvalue()


def _left_out(prepared: PreparedRefit) -> Iterator[str]:
    """What to know of a fit for which much was left out with small cells; rounded, as no exact count leaves."""
    purged: Any = prepared.inputs.get("purged")
    n_left_out = purged["n_dropped"] if purged else 0
    share = n_left_out / max(1, n_left_out + prepared.n_interviews)
    if share > LARGE_SHARE:
        percent = 5 * round(20 * share)
        yield (
            f"about {percent}% of the interviews are left out: their waves were reduced to counts after the retention, "
            f"and they were in cells of fewer than {purged['min_cell']}. The rest may differ from them; end [time] "
            "window_days before the retention, so that such waves do not count"
        )


def _astray(prepared: PreparedRefit) -> Iterator[str]:
    if n := prepared.inputs.get("n_astray"):
        yield (
            f"{count_in_words(n)} interviews are left out: they chose an option where it does not stand, by "
            f"[questions.{prepared.question.id}.only_in]"
        )


def _partners_missing(prepared: PreparedRefit) -> Iterator[str]:
    partners: Any = prepared.inputs.get("partners", {})
    if missing := [name for name, of in partners.items() if of is None]:
        have = "has" if len(missing) == 1 else "have"
        yield (
            f"{', '.join(missing)}, which the formula's labels name as fitted with {prepared.question.id}, {have} no "
            "part in this fit, for want of interviews"
        )


def _not_moved(prepared: PreparedRefit) -> Iterator[str]:
    question = prepared.question
    together = [one.id for one in prepared.request.partners]
    if question.moved_by is not None and cannot_move(question, partners=together):
        yield (
            f"the known totals of {question.moved_by.question} do not move {question.id} in this fit, as nobody was "
            f"asked {question.moved_by.question} yet"
        )


def _warnings(verdict: FitVerdict) -> list[str]:
    return [f"Warning: {text}." for text in verdict.warnings]


def _sentence(verdict: FitVerdict) -> str:
    messages: Sequence[str] = [problem.message.rstrip(".") for problem in verdict.problems]
    return "; ".join(messages) + "."
