"""The bodies that the HTTP interface sends, every field described.

Dates are ISO 8601, times UTC with offset, shares lie in [0, 1]. The
descriptions appear in the OpenAPI document.
"""

from datetime import date, datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from api.check_payloads import ConcernPayload

__all__ = [
    "ConfirmationPayload",
    "DeclaredPopulation",
    "DemographicPayload",
    "DiagnosticCheck",
    "DiagnosticsPayload",
    "DistrictList",
    "DistrictPayload",
    "HealthPayload",
    "JobLink",
    "JobList",
    "JobPayload",
    "QuestionList",
    "QuestionPayload",
    "ReadyPayload",
    "ReleaseList",
    "ReleasePayload",
    "RestatedWavePayload",
    "SurveyList",
    "SurveyPayload",
    "SurveySummary",
    "UsedPredictors",
]

NextCursor = Annotated[str | None, Meta(description="The `cursor` of the next page; null if this is the last.")]
SurveyId = Annotated[str, Meta(description="The survey's id, as in the URL.")]
QuestionId = Annotated[str, Meta(description="The question's id, as in the URL.")]


class HealthPayload(msgspec.Struct, frozen=True):
    """The process is alive."""

    status: Annotated[str, Meta(description="Always 'ok'.")]
    version: Annotated[str, Meta(description="Version of the service.")]


class ReadyPayload(msgspec.Struct, frozen=True):
    """The service can answer."""

    status: Annotated[str, Meta(description="Always 'ready'; a service that is not answers 503.")]
    database: Annotated[str, Meta(description="Kind of database: sqlite or postgresql.")]


class SurveySummary(msgspec.Struct, frozen=True):
    """One survey that the key may see."""

    id: SurveyId
    title: Annotated[str, Meta(description="What the survey is called.")]
    version: Annotated[int, Meta(description="Version of its declaration, from 1.")]
    url: Annotated[str, Meta(description="Where to read more.")]


class SurveyList(msgspec.Struct, frozen=True):
    """The surveys that the key may see."""

    surveys: list[SurveySummary]


class DemographicPayload(msgspec.Struct, frozen=True):
    """A demographic that estimates may be broken down by."""

    id: Annotated[str, Meta(description="Name to use in `by`.")]
    levels: Annotated[list[str], Meta(description="Its levels in declared order.")]
    ordered: Annotated[bool, Meta(description="Whether the order of levels has a meaning.")]


class DeclaredPopulation(msgspec.Struct, frozen=True):
    """A part of the population that estimates may be about."""

    id: Annotated[str, Meta(description="Name to use in `population`.")]
    people: Annotated[str, Meta(description="Who they are.")]
    question: Annotated[str, Meta(description="The question whose first option says that somebody belongs to them.")]
    within: Annotated[str | None, Meta(description="The population of whom the question was asked; null: everybody.")]
    validated: Annotated[bool, Meta(description="Whether its answers are records, not what respondents say.")]


class SurveyPayload(msgspec.Struct, frozen=True):
    """A survey's declaration."""

    id: SurveyId
    title: Annotated[str, Meta(description="What the survey is called.")]
    universe: Annotated[str, Meta(description="Whom it speaks about.")]
    version: Annotated[int, Meta(description="Version of its declaration, from 1.")]
    facts: Annotated[dict[str, Any], Meta(description="Sponsor, mode, sample source and other declared facts.")]
    district: Annotated[str, Meta(description="What a district is, e.g. 'state'.")]
    levels: Annotated[list[str], Meta(description="Levels that `level` may name, from the whole to the district.")]
    n_districts: Annotated[int, Meta(description="Number of districts.")]
    n_people: Annotated[float, Meta(description="People in the poststratification frame.")]
    demographics: Annotated[list[DemographicPayload], Meta(description="Demographics that `by` may name.")]
    questions: Annotated[list[str], Meta(description="Ids of the questions.")]
    populations: Annotated[list[DeclaredPopulation], Meta(description="Whom `population` may name besides everybody.")]


class QuestionPayload(msgspec.Struct, frozen=True):
    """A question and the state of its estimates."""

    id: QuestionId
    text: Annotated[str, Meta(description="The wording.")]
    kind: Annotated[str, Meta(description="binary, categorical, ordinal or numeric.")]
    options: Annotated[list[str], Meta(description="The options; the first is the default of `option`.")]
    base: Annotated[
        list[str],
        Meta(
            description="The denominator of shares: answered, and what counts as not having chosen the option "
            "(dont_know, refused, not_asked)."
        ),
    ]
    weights: Annotated[
        str, Meta(description="What the model does with weights: ignored, or likelihood (fractional counts).")
    ]
    model: Annotated[str, Meta(description="The model, as a formula.")]
    population: Annotated[str, Meta(description="Whom its answers are about by default: everybody, or a population.")]
    release_id: Annotated[str | None, Meta(description="The release that is served now, if there is one.")]
    held_since: Annotated[
        datetime | None, Meta(description="Since when an analyst keeps new fits back, or null; see stale_reason.")
    ]
    stale_since: Annotated[datetime | None, Meta(description="Since when the release lacks something, or null.")]
    stale_reason: Annotated[str | None, Meta(description="What it lacks and why, or null.")]
    url: Annotated[str, Meta(description="Where its estimates are.")]


class QuestionList(msgspec.Struct, frozen=True):
    """The questions of a survey."""

    survey: SurveyId
    questions: list[QuestionPayload]


class DistrictPayload(msgspec.Struct, frozen=True):
    """One district."""

    code: Annotated[str, Meta(description="Code to use in `districts`.")]
    name: Annotated[str, Meta(description="Its name.")]
    parents: Annotated[dict[str, str], Meta(description="The larger areas it lies in, by level.")]
    predictors: Annotated[dict[str, float | None], Meta(description="Its district-level predictors.")]
    n_people: Annotated[float, Meta(description="People in the frame.")]


class DistrictList(msgspec.Struct, frozen=True):
    """The districts of a survey, sorted by code."""

    survey: SurveyId
    district: Annotated[str, Meta(description="What a district is, e.g. 'state'.")]
    districts: list[DistrictPayload]


class JobLink(msgspec.Struct, frozen=True):
    """A job that a wave asked for."""

    id: Annotated[str, Meta(description="The job's id.")]
    question: Annotated[str | None, Meta(description="The question it refits.")]
    state: Annotated[str, Meta(description="queued, running, succeeded or failed.")]
    url: Annotated[str, Meta(description="Where to follow it.")]


class JobPayload(msgspec.Struct, frozen=True):
    """A piece of work in the queue."""

    id: Annotated[str, Meta(description="The job's id.")]
    survey: Annotated[str | None, Meta(description="The survey it works for.")]
    question: Annotated[str | None, Meta(description="The question it refits.")]
    kind: Annotated[str, Meta(description="What it does, e.g. 'refit'.")]
    state: Annotated[str, Meta(description="queued, running, succeeded or failed.")]
    code: Annotated[str | None, Meta(description="How it ended, as a code.")]
    detail: Annotated[str | None, Meta(description="The same in a sentence.")]
    progress: Annotated[float | None, Meta(description="Share of the work done, in [0, 1].")]
    stage: Annotated[str | None, Meta(description="What it is doing.")]
    expected_end_at: Annotated[
        datetime | None,
        Meta(description="When it should have ended, by its own account or by earlier jobs; null if nobody can tell."),
    ]
    cancel_requested: Annotated[bool, Meta(description="Whether it was asked to stop.")]
    asked: Annotated[int, Meta(description="How often it was asked for before it started.")]
    attempt: Annotated[int, Meta(description="Attempts so far.")]
    run_after: Annotated[datetime | None, Meta(description="It does not start before this.")]
    started_at: Annotated[datetime | None, Meta(description="When it started.")]
    finished_at: Annotated[datetime | None, Meta(description="When it ended.")]
    queued_s: Annotated[
        float | None, Meta(description="Seconds from the first request to the start of the last attempt.")
    ]
    ran_s: Annotated[float | None, Meta(description="Seconds that the last attempt took.")]
    fit_id: Annotated[str | None, Meta(description="The fit that it made.")]
    url: Annotated[str, Meta(description="Where to follow it.")]


class JobList(msgspec.Struct, frozen=True):
    """Jobs of a survey, newest first."""

    survey: SurveyId
    jobs: list[JobPayload]
    next_cursor: NextCursor


class RestatedWavePayload(msgspec.Struct, frozen=True):
    """A wave that a release counts otherwise than the release before."""

    wave_id: Annotated[str, Meta(description="The wave's id.")]
    pollster: Annotated[str, Meta(description="Who sent it.")]
    reference: Annotated[str, Meta(description="The pollster's own name for the wave.")]
    change: Annotated[str, Meta(description="What happened to it last: replaced, withdrawn, restored ...")]
    version: Annotated[int, Meta(description="The version that stands since.")]
    at: Annotated[datetime, Meta(description="When.")]
    reason: Annotated[str | None, Meta(description="Why, or null.")]
    text: Annotated[str, Meta(description="The same in a sentence.")]


class ConfirmationPayload(msgspec.Struct, frozen=True):
    """Whether NUTS, the reference, agrees with a release."""

    state: Annotated[str, Meta(description="none (it was not asked), agrees, disagrees, or inconclusive.")]
    at: Annotated[datetime | None, Meta(description="When it was asked, or null.")]
    sentence: Annotated[str, Meta(description="The same in a sentence.")]


class UsedPredictors(msgspec.Struct, frozen=True):
    """An upload of predictors that a fit used."""

    id: Annotated[str, Meta(description="The upload's id.")]
    number: Annotated[int, Meta(description="Its place among the uploads of the survey.")]
    as_of: Annotated[date, Meta(description="The day that the numbers describe.")]
    source: Annotated[str, Meta(description="Where they come from.")]
    sha256: Annotated[str, Meta(description="Hash of the numbers.")]
    received_at: Annotated[datetime, Meta(description="When it was received.")]
    columns: Annotated[list[str], Meta(description="The predictors that the fit took from it.")]


class ReleasePayload(msgspec.Struct, frozen=True):
    """A published fit."""

    id: Annotated[str, Meta(description="The release's id.")]
    survey: SurveyId
    question: QuestionId
    number: Annotated[int, Meta(description="1 for the question's first release, and so on.")]
    current: Annotated[bool, Meta(description="Whether it is the one served by default.")]
    published_at: Annotated[datetime, Meta(description="When it was published.")]
    data_through: Annotated[date | None, Meta(description="Last day of interviewing in its data.")]
    fit_id: Annotated[str, Meta(description="The fit behind it.")]
    engine: Annotated[str, Meta(description="How the model was fitted.")]
    survey_version: Annotated[int, Meta(description="The version of the survey it used.")]
    formula: Annotated[str, Meta(description="The model.")]
    priors: Annotated[Any, Meta(description="The priors in words.")]
    seed: Annotated[int, Meta(description="The seed, with which the fit can be repeated.")]
    answers: Annotated[bool, Meta(description="Whether its estimates can be asked for: its draws are kept.")]
    pinned_since: Annotated[datetime | None, Meta(description="Since when its draws are kept for good, or null.")]
    warnings: Annotated[
        list[str], Meta(description="What to know of the fit although it is published, in words; usually empty.")
    ]
    data_notes: Annotated[
        list[str],
        Meta(description="What to know of its interviews: somebody was erased, waves were purged; usually empty."),
    ]
    confirmation: ConfirmationPayload
    concerns: Annotated[
        list[ConcernPayload] | None,
        Meta(description="What checks found that one should look at, the worst first; null before they were made."),
    ]
    n_waves: Annotated[int, Meta(description="Waves it rests on.")]
    predictors: Annotated[
        list[UsedPredictors],
        Meta(description="Uploads that its district predictors come from; others are of the survey's own table."),
    ]
    restates: Annotated[
        list[RestatedWavePayload],
        Meta(description="Waves that were corrected, withdrawn or restored since the release before."),
    ]
    n_interviews: Annotated[
        int | None, Meta(description="Interviews it rests on, to two digits; null below the smallest count shown.")
    ]
    url: Annotated[str, Meta(description="Where it is.")]
    estimates_url: Annotated[str, Meta(description="Where its estimates are.")]


class ReleaseList(msgspec.Struct, frozen=True):
    """The releases of a question, newest first."""

    survey: SurveyId
    question: QuestionId
    releases: list[ReleasePayload]
    next_cursor: NextCursor


class DiagnosticCheck(msgspec.Struct, frozen=True):
    """One check of how a fit was computed."""

    name: Annotated[str, Meta(description="r-hat, ess, divergences, e-bfmi; or k-hat-sd, k-hat-joint, newton.")]
    passed: Annotated[bool, Meta(description="Whether it is within its limit.")]
    text: Annotated[str, Meta(description="What was found, against which limit, and what it means.")]


class DiagnosticsPayload(msgspec.Struct, frozen=True):
    """Why a release should be believed."""

    release_id: Annotated[str, Meta(description="The release's id.")]
    fit_id: Annotated[str, Meta(description="The fit behind it.")]
    engine: Annotated[str, Meta(description="How the model was fitted.")]
    publishable: Annotated[bool, Meta(description="The verdict; always true for a release.")]
    verdict: Annotated[Any, Meta(description="The problems that were found, each with code and message.")]
    headline: Annotated[str, Meta(description="What the diagnostics come to, in a sentence.")]
    checks: Annotated[list[DiagnosticCheck], Meta(description="What was looked at, and what it means, in words.")]
    variation: Annotated[list[str], Meta(description="Which terms of the model tell people apart, in words.")]
    diagnostics: Annotated[Any, Meta(description="R-hat, ESS, Monte-Carlo error and the like, by parameter.")]
    versions: Annotated[Any, Meta(description="Versions of the software that made the fit.")]
    seconds: Annotated[Any, Meta(description="Time spent, by stage.")]
    confirmation: Annotated[
        Any, Meta(description="How far NUTS on the same data is from it, and how good that run was; null if not asked.")
    ]
