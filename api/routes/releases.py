"""What was published, and why it should be believed."""

from typing import Any, cast

import msgspec
from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.orm import Session

from api.check_payloads import describe_concerns
from api.confirmed import describe_confirmation
from api.data_notes import data_notes
from api.list_pages import LISTED, ListPage
from api.misreport import words_of
from api.payloads import (
    DiagnosticCheck,
    DiagnosticsPayload,
    ReleaseList,
    ReleasePayload,
    RestatedWavePayload,
    UsedPredictors,
)
from api.problems import documented
from api.services import Services
from mrp.diagnosis import Diagnosis, diagnosis_in_words
from mrp.verdict import FitVerdict
from polling.disclosure import rounded_count
from polling.errors import ReleaseNotFound
from polling.store import checks, confirmations, fits, pins, releases, surveys
from polling.store.fit_inputs import predictors_noted
from polling.store.records import FitRecord, ReleaseRecord
from polling.store.restatement import restated_waves

__all__ = ["describe_release", "diagnosis_of", "diagnostics_of", "find_release", "releases_routes"]


@get(
    "/v1/surveys/{survey_id:str}/questions/{question_id:str}/releases",
    operation_id="listReleases",
    summary="A question's releases",
    tags=["releases"],
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404, 422),
    dependencies=LISTED,
)
def list_releases(
    survey_id: FromPath[str],
    question_id: FromPath[str],
    page: NamedDependency[ListPage],
    services: NamedDependency[Services],
) -> ReleaseList:
    """Releases of a question, newest first; none before the first one."""
    floor = services.settings.min_interviews
    basis = ("releases", survey_id, question_id)
    after = page.after(*basis)
    with services.store.read() as session:
        releases.question_state(session, survey_id, question_id)
        found, last = page.cut(
            releases.list_releases(
                session, survey_id, question_id, before=after.start if after else None, limit=page.limit + 1
            )
        )
        described = [describe_release(session, one, min_interviews=floor) for one in found]
    next_cursor = page.next_cursor(last.id, last.number, *basis) if last else None
    return ReleaseList(survey=survey_id, question=question_id, releases=described, next_cursor=next_cursor)


@get(
    "/v1/surveys/{survey_id:str}/releases/{release_id:str}",
    operation_id="getRelease",
    summary="One release",
    tags=["releases"],
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404),
)
def get_release(
    survey_id: FromPath[str], release_id: FromPath[str], services: NamedDependency[Services]
) -> ReleasePayload:
    """When it was published and what it was made from: data, model, priors, seed."""
    floor = services.settings.min_interviews
    with services.store.read() as session:
        return describe_release(session, find_release(session, survey_id, release_id), min_interviews=floor)


@get(
    "/v1/surveys/{survey_id:str}/releases/{release_id:str}/diagnostics",
    operation_id="getDiagnostics",
    summary="A release's diagnostics",
    tags=["releases"],
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404),
)
def get_diagnostics(
    survey_id: FromPath[str], release_id: FromPath[str], services: NamedDependency[Services]
) -> DiagnosticsPayload:
    """The verdict on its fit, and the numbers behind the verdict."""
    with services.store.read() as session:
        return diagnostics_of(session, find_release(session, survey_id, release_id))


def find_release(session: Session, survey_id: str, release_id: str) -> ReleaseRecord:
    """A release of this survey.

    Raises
    ------
    SurveyNotFound
        If there is no such survey.
    ReleaseNotFound
        If there is no such release, or it is another survey's.
    """
    try:
        release = releases.get_release(session, release_id)
    except ReleaseNotFound:
        surveys.list_versions(session, survey_id)
        raise
    if release.survey_id != survey_id:
        surveys.list_versions(session, survey_id)
        raise ReleaseNotFound(f"'{release_id}'")
    return release


def describe_release(session: Session, release: ReleaseRecord, *, min_interviews: int) -> ReleasePayload:
    """A release with what its fit was made from."""
    fit = fits.get_fit(session, release.fit_id)
    state = releases.question_state(session, release.survey_id, release.question_id)
    used = fit.inputs.get("waves", []) if isinstance(fit.inputs, dict) else []
    base = f"/v1/surveys/{release.survey_id}"
    return ReleasePayload(
        id=release.id,
        survey=release.survey_id,
        question=release.question_id,
        number=release.number,
        current=state.release_id == release.id,
        published_at=release.published_at,
        data_through=release.data_through,
        fit_id=release.fit_id,
        engine=release.engine,
        survey_version=release.survey_version,
        formula=fit.formula,
        priors=fit.priors,
        seed=fit.seed,
        answers=release.has_draws,
        pinned_since=pin.at if (pin := pins.find_pin(session, release.id)) else None,
        warnings=list(FitVerdict.from_json(cast(dict[str, Any], fit.verdict)).warnings),
        data_notes=[*data_notes(fit, has_draws=release.has_draws), *words_of(fit)],
        confirmation=describe_confirmation(release, confirmations.find_confirmation(session, release.fit_id)),
        concerns=None if (found := checks.concerns_of(session, release.fit_id)) is None else describe_concerns(found),
        n_waves=len(used) if isinstance(used, list) else 0,
        predictors=msgspec.convert(predictors_noted(fit.inputs), list[UsedPredictors]),
        restates=[
            RestatedWavePayload(
                wave_id=one.wave_id,
                pollster=one.pollster,
                reference=one.reference,
                change=one.kind,
                version=one.version,
                at=one.at,
                reason=one.reason,
                text=one.text,
            )
            for one in restated_waves(session, release)
        ],
        n_interviews=rounded_count(release.n_interviews) if release.n_interviews >= min_interviews else None,
        url=f"{base}/releases/{release.id}",
        estimates_url=f"{base}/questions/{release.question_id}/estimates?release={release.id}",
    )


def diagnostics_of(session: Session, release: ReleaseRecord) -> DiagnosticsPayload:
    """The verdict on a release's fit, and what it rests on."""
    fit = fits.get_fit(session, release.fit_id)
    said = confirmations.find_confirmation(session, fit.id)
    numbers: Any = fits.load_diagnostics(session, fit.id)
    said_of_it = diagnosis_of(fit, numbers)
    return DiagnosticsPayload(
        release_id=release.id,
        fit_id=fit.id,
        engine=fit.engine,
        publishable=fit.publishable,
        verdict=fit.verdict,
        headline=said_of_it.headline,
        checks=[DiagnosticCheck(one.name, one.passed, one.text) for one in said_of_it.checks],
        variation=list(said_of_it.variation),
        diagnostics=numbers,
        versions=fit.versions,
        seconds=fit.seconds,
        confirmation=None if said is None else said.numbers,
    )


def diagnosis_of(fit: FitRecord, diagnostics: Any) -> Diagnosis:
    """A fit in words."""
    verdict = FitVerdict.from_json(cast(dict[str, Any], fit.verdict))
    problems = [problem.message for problem in verdict.problems]
    return diagnosis_in_words(fit.engine, diagnostics or {}, problems)


releases_routes = Router("/", route_handlers=[list_releases, get_release, get_diagnostics])
