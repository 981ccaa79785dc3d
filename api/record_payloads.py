"""The bodies that tell what happened, and how close releases came to it, every field described.

Errors are estimate minus what happened, on the scale of shares: 0.01 is one point. Of all scores but the coverage and
the correlation smaller is better.
"""

import datetime as dt
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from api.payloads import JobLink, QuestionId, SurveyId

if TYPE_CHECKING:
    from polling.store.known_results import KnownResultRecord

__all__ = [
    "AddedResultPayload",
    "CalibrationRow",
    "KnownResultList",
    "KnownResultPayload",
    "ScoreRow",
    "TrackRecordPayload",
    "TransformRow",
    "UnscoredRelease",
    "WithdrawBody",
    "result_payload",
]

Level = Annotated[str, Meta(description="nation, district, or the name of a larger area's column.")]
By = Annotated[list[str], Meta(description="The demographics whose groups are scored; empty: everybody.")]
Of = Annotated[
    str,
    Meta(description="all: every release. last: of each result the last release whose interviews ended by its day."),
]

OwnMethod = Annotated[
    str,
    Meta(
        description="mrp: intervals of the model alone; mrp_with_systematic_error: those that have the error that "
        "polls share besides, where it is declared. The two are never pooled."
    ),
]


class WithdrawBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a result is taken back."""

    reason: Annotated[str, Meta(description="Why; kept beside the result.", min_length=1, max_length=1000)]


class KnownResultPayload(msgspec.Struct, frozen=True):
    """One version of what is known to have happened."""

    id: Annotated[str, Meta(description="The result's id.")]
    date: Annotated[dt.date, Meta(description="The day of which it is true, such as that of the election.")]
    version: Annotated[int, Meta(description="Which version of the result of that day.")]
    state: Annotated[str, Meta(description="current, replaced or withdrawn. Releases are scored against current ones.")]
    source: Annotated[str, Meta(description="Who says so.")]
    content_sha256: Annotated[str, Meta(description="SHA-256 of the file as it was sent.")]
    n_rows: Annotated[int, Meta(description="Shares that it tells.")]
    added_at: Annotated[dt.datetime, Meta(description="When it was added.")]
    reason: Annotated[str | None, Meta(description="Why it took the place of the version before; null for the first.")]
    ended_at: Annotated[dt.datetime | None, Meta(description="When it was replaced or withdrawn, or null.")]
    ended_reason: Annotated[str | None, Meta(description="Why, or null.")]


class KnownResultList(msgspec.Struct, frozen=True):
    """What is known to have happened."""

    survey: SurveyId
    question: QuestionId
    results: Annotated[
        list[KnownResultPayload], Meta(description="The latest day first, of one day the newest version first.")
    ]


class AddedResultPayload(msgspec.Struct, frozen=True):
    """What became of a result that was sent."""

    result: KnownResultPayload
    created: Annotated[bool, Meta(description="False if the very same was known already; nothing was changed then.")]
    job: Annotated[
        JobLink | None, Meta(description="The job that scores releases against it; null if there is nothing to score.")
    ]


class ScoreRow(msgspec.Struct, frozen=True):
    """How close one release, or a simpler method on its interviews, came to one result at one level."""

    result_id: Annotated[str, Meta(description="Id of the result.")]
    date: Annotated[dt.date, Meta(description="Its day.")]
    release_id: Annotated[str, Meta(description="Id of the release.")]
    release_number: Annotated[int, Meta(description="Its number.")]
    published_at: Annotated[dt.datetime, Meta(description="When it was published.")]
    data_through: Annotated[dt.date | None, Meta(description="Last day of its interviews, or null.")]
    lead_days: Annotated[
        int | None,
        Meta(description="Lead time: days from there to the result; negative if interviews are later. Null: unknown."),
    ]
    engine: Annotated[str, Meta(description="laplace or nuts.")]
    n_interviews: Annotated[int, Meta(description="Its interviews, rounded to two digits.")]
    method: Annotated[
        str,
        Meta(
            description="mrp: the estimates; mrp_with_systematic_error: the same, whose intervals have the error that "
            "polls share besides, where it is declared. Else a baseline on the same interviews, such as raw (by "
            "district only where raw shares are told), national_mean, predictors_alone, last_result or uniform_swing."
        ),
    ]
    option: Annotated[str, Meta(description="The option whose share was compared.")]
    level: Level
    by: By
    derived: Annotated[
        bool,
        Meta(
            description="True: what happened at this level was not told, and is the mean of districts over their "
            "people in the frame."
        ),
    ]
    n_areas: Annotated[int, Meta(description="Areas or groups that were compared.")]
    rmse: Annotated[float, Meta(description="Root of the mean squared error.")]
    mae: Annotated[float, Meta(description="Mean absolute error.")]
    bias: Annotated[float, Meta(description="Mean error: above 0, the option was overestimated.")]
    correlation: Annotated[
        float | None, Meta(description="Pearson's with what happened; null below three areas or without variation.")
    ]
    coverage_50: Annotated[float, Meta(description="Share of areas inside their 50% interval.")]
    coverage_80: Annotated[float, Meta(description="Share of areas inside their 80% interval.")]
    coverage_90: Annotated[float, Meta(description="Share of areas inside their 90% interval.")]
    coverage_95: Annotated[float, Meta(description="Share of areas inside their 95% interval.")]
    interval_score: Annotated[float, Meta(description="Of 90% intervals (Gneiting and Raftery 2007).")]
    mean_width: Annotated[float, Meta(description="Of 90% intervals.")]
    crps: Annotated[float, Meta(description="Continuous ranked probability score.")]
    n_calls: Annotated[int, Meta(description="Areas where the share was above or below one half.")]
    n_right_calls: Annotated[int, Meta(description="Those of them where that had more than half of the probability.")]
    brier: Annotated[
        float | None,
        Meta(description="Mean squared error of the probability of more than one half; null without calls."),
    ]
    log_score: Annotated[float | None, Meta(description="Mean -log of the probability of what happened, likewise.")]


class CalibrationRow(msgspec.Struct, frozen=True):
    """How often the intervals of estimates held what happened, beside what they promise."""

    of: Of
    method: OwnMethod
    level: Level
    by: By
    interval: Annotated[float, Meta(description="Nominal coverage: the probability of the intervals.")]
    observed: Annotated[float, Meta(description="Share of the intervals that held what happened.")]
    n_intervals: Annotated[int, Meta(description="Intervals compared: an area counts once for each release.")]
    n_areas: Annotated[int, Meta(description="Areas compared: one counts once for each result.")]
    low: Annotated[
        float,
        Meta(description="Lower end of the 95% binomial band of `observed`, if `n_areas` intervals were independent."),
    ]
    high: Annotated[float, Meta(description="Upper end of that band.")]


class TransformRow(msgspec.Struct, frozen=True):
    """How many areas had what happened at this place of an estimate's distribution; calibrated, all are alike."""

    of: Of
    method: OwnMethod
    level: Level
    by: By
    low: Annotated[float, Meta(description="Between this share of the distribution below what happened ...")]
    high: Annotated[float, Meta(description="... and this one.")]
    n: Annotated[int, Meta(description="Areas, once for each release.")]
    expected: Annotated[float, Meta(description="How many there would be on average.")]


class UnscoredRelease(msgspec.Struct, frozen=True):
    """A release that cannot be scored, or not yet."""

    result_id: Annotated[str, Meta(description="Id of the result.")]
    release_id: Annotated[str, Meta(description="Id of the release.")]
    release_number: Annotated[int, Meta(description="Its number.")]
    reason: Annotated[str, Meta(description="Why.")]


class TrackRecordPayload(msgspec.Struct, frozen=True):
    """How close the releases of a question came to what happened."""

    survey: SurveyId
    question: QuestionId
    text: Annotated[str, Meta(description="The question as it is asked.")]
    option: Annotated[
        str | None, Meta(description="The option whose share is compared; null where answers are numbers.")
    ]
    results: Annotated[list[KnownResultPayload], Meta(description="The results that hold, the latest day first.")]
    scores: Annotated[
        list[ScoreRow],
        Meta(description="By result, release (oldest first), level and method. In a table these are the rows."),
    ]
    calibration: Annotated[list[CalibrationRow], Meta(description="Coverage, nominal and observed.")]
    transforms: Annotated[
        list[TransformRow], Meta(description="Histogram of the probability integral transforms, in ten parts.")
    ]
    unscored: Annotated[list[UnscoredRelease], Meta(description="Releases without scores.")]
    notes: Annotated[list[str], Meta(description="What to know when reading it.")]


def result_payload(result: "KnownResultRecord") -> KnownResultPayload:
    """A result as it is told."""
    return KnownResultPayload(
        id=result.id,
        date=result.refers_to,
        version=result.version,
        state=result.state,
        source=result.source,
        content_sha256=result.content_sha256,
        n_rows=result.n_rows,
        added_at=result.added_at,
        reason=result.reason,
        ended_at=result.ended_at,
        ended_reason=result.ended_reason,
    )
