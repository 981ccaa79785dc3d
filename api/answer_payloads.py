"""The bodies that answer questions about shares and means, every field described.

Each says which release answers and how stale it is (`AnswerHead`), and what was asked; its rows say of which area and
group they are (`GroupRow`). Shares and differences of shares are on the scale of shares: 0.01 is one point; means, and
differences of means, are in the unit of the question.
"""

from datetime import date, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from api.payloads import ConfirmationPayload, QuestionId, SurveyId

__all__ = [
    "AnswerHead",
    "AreaEstimate",
    "AreaMean",
    "AreaNumber",
    "AreaProbability",
    "AreaRank",
    "EstimatesPayload",
    "GroupRow",
    "GroupsHead",
    "IntervalEnds",
    "MeansPayload",
    "Number",
    "PopulationPayload",
    "ProbabilityPayload",
    "RankPayload",
    "ReleaseReference",
    "SystematicErrorPayload",
    "ToldByPayload",
    "TotalEnds",
    "TotalHigh",
    "TotalLow",
    "TotalSd",
    "TwoIntervals",
    "WithheldGroup",
]

Share = Annotated[float, Meta(description="Posterior mean of the share who choose the option.")]
Low = Annotated[float, Meta(description="Lower end of the central interval.")]
High = Annotated[float, Meta(description="Upper end of the central interval.")]
Sd = Annotated[float, Meta(description="Posterior standard deviation.")]
McError = Annotated[float, Meta(description="Monte-Carlo standard error of `share`, or of `mean`.")]
ShareOrNull = Annotated[
    float | None,
    Meta(description="Posterior mean of the share who choose the option; null where means are answered."),
]
MeanOrNull = Annotated[
    float | None,
    Meta(description="Posterior mean of the mean answer, in `unit`; null where shares are answered."),
]
People = Annotated[float, Meta(description="People in the frame.")]
Interviews = Annotated[
    int | None,
    Meta(
        description="Interviews behind it, of every period of the fit (in a trend: of the one), perturbed for "
        "disclosure control; null below the smallest count shown."
    ),
]
Effective = Annotated[
    float | None,
    Meta(
        description="The same after weighting: divided by the release's design effect, one for all groups, where the "
        "model uses weights; 0 where it is told that there are none, null where their number is not shown."
    ),
]
Equivalent = Annotated[
    float | None,
    Meta(description="Interviews that alone would be as precise as the estimate; null if it does not vary."),
]
EquivalentError = Annotated[float, Meta(description="Monte-Carlo standard error of `n_equivalent`.")]
Pooling = Annotated[
    float | None,
    Meta(
        description="How much is borrowed from other groups and from predictors: 0 nothing, 1 everything. Null where "
        "the number of interviews is not shown."
    ),
]
PoolingError = Annotated[float | None, Meta(description="Monte-Carlo standard error of `pooling`, or null.")]
Flags = Annotated[
    list[str],
    Meta(
        description="no-interviews: a model estimate alone; few-interviews; does-not-stand: the option cannot be "
        "chosen there; stands-in-part: it can be where a part of the people live, see `part_standing`; "
        "known-total: met in every draw; cut-to-possible: of the truth behind reports, more than 1% of the draws would "
        "be below 0 or above 1 and are put there."
    ),
]
PartStanding = Annotated[
    float,
    Meta(
        description="Part of the people who live where the option stands: 1 for one that stands everywhere. The share "
        "is one of all people; 0, without an interval, where the option does not stand at all."
    ),
]
ShareLow = Annotated[
    float | None, Meta(description="Lower end of the central interval; null where the option does not stand.")
]
ShareHigh = Annotated[
    float | None, Meta(description="Upper end of the central interval; null where the option does not stand.")
]
ShareSd = Annotated[
    float | None, Meta(description="Posterior standard deviation; null where the option does not stand.")
]


class IntervalEnds(msgspec.Struct, frozen=True):
    """A central interval."""

    interval: Annotated[float, Meta(description="Its probability.")]
    low: Low
    high: High


Ends = Annotated[
    list[IntervalEnds], Meta(description="Every central interval that was asked for, `low` and `high` first.")
]


class SystematicErrorPayload(msgspec.Struct, frozen=True):
    """The error that polls share and no model can see, as the survey declares it."""

    national_sd: Annotated[
        float,
        Meta(description="Standard deviation of the nation's share of an option that has one half: 0.03 is 3 points."),
    ]
    correlation: Annotated[float, Meta(description="Of the errors of two districts.")]
    basis: Annotated[str, Meta(description="Where the scale comes from.")]
    meaning: Annotated[str, Meta(description="All of it in words.")]


class ToldByPayload(msgspec.Struct, frozen=True):
    """A release that tells who belongs to a population."""

    question: QuestionId
    release_id: Annotated[str, Meta(description="The release of this question that was served when the answer's was.")]
    release_number: Annotated[int, Meta(description="Its number.")]
    published_at: Annotated[datetime, Meta(description="When it was published.")]
    data_through: Annotated[date | None, Meta(description="Last day of interviewing in its data.")]
    newest_number: Annotated[
        int,
        Meta(description="Number of the release of the question that is served now; the next release answers with it."),
    ]


class PopulationPayload(msgspec.Struct, frozen=True):
    """Whom an answer is about."""

    id: Annotated[str, Meta(description="everybody, or the id of a part of the population.")]
    people: Annotated[str, Meta(description="Who they are.")]
    n_people: Annotated[float, Meta(description="How many they are expected to be, of all people in the frame.")]
    low: Annotated[float, Meta(description="Lower end of the interval of their number; of everybody `n_people`.")]
    high: Annotated[float, Meta(description="Upper end of the interval of their number.")]
    told_by: Annotated[
        list[ToldByPayload],
        Meta(description="The releases that tell who belongs to them, the largest part first; empty for everybody."),
    ]


class AnswerHead(msgspec.Struct, frozen=True):
    """Which release answers, and what to know of it."""

    survey: SurveyId
    question: QuestionId
    text: Annotated[str, Meta(description="The wording.")]
    population: PopulationPayload
    option: Annotated[
        str | None, Meta(description="The option whose share is given; null where those of several are, or means.")
    ]
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
    interval: Annotated[
        float, Meta(description="Probability of the intervals from `low` to `high`, e.g. 0.9: the first asked for.")
    ]
    release_id: Annotated[str, Meta(description="The release that answers.")]
    release_number: Annotated[int, Meta(description="Its number.")]
    published_at: Annotated[datetime, Meta(description="When it was published.")]
    data_through: Annotated[date | None, Meta(description="Last day of interviewing in its data.")]
    stale_since: Annotated[datetime | None, Meta(description="Since when it lacks something, or null.")]
    stale_reason: Annotated[str | None, Meta(description="What it lacks and why, or null.")]
    engine: Annotated[str, Meta(description="How the model was fitted.")]
    survey_version: Annotated[int, Meta(description="The version of the survey it used.")]
    warnings: Annotated[
        list[str], Meta(description="What to know of the fit although it is published, in words; usually empty.")
    ]
    data_notes: Annotated[
        list[str],
        Meta(description="What to know of its interviews: somebody was erased, waves were purged; usually empty."),
    ]
    estimand: Annotated[
        str | None,
        Meta(
            description="Of a question whose reports are wrong at declared rates: reports, or, if `estimand=truth` was "
            "asked, truth, turned back from reports. Null of others."
        ),
    ]
    of_reports: Annotated[
        bool,
        Meta(description="Whether estimates are of what people report of what they did, which is wrong at times."),
    ]
    confirmation: ConfirmationPayload
    uncertainty: Annotated[
        str,
        Meta(
            description="model: intervals and chances hold what the interviews and the model leave open. total: the "
            "systematic error besides."
        ),
    ]
    uncertainty_meaning: Annotated[str, Meta(description="What that is, in words.")]
    systematic_error: SystematicErrorPayload | None


class ReleaseReference(msgspec.Struct, frozen=True):
    """Another release of the question."""

    release_id: Annotated[str, Meta(description="Its id.")]
    release_number: Annotated[int, Meta(description="Its number.")]
    published_at: Annotated[datetime, Meta(description="When it was published.")]
    data_through: Annotated[date | None, Meta(description="Last day of interviewing in its data.")]
    engine: Annotated[str, Meta(description="How its model was fitted.")]
    survey_version: Annotated[int, Meta(description="The version of the survey it used.")]


TotalLow = Annotated[float | None, Meta(description="Lower end of the interval with the systematic error.")]
TotalHigh = Annotated[float | None, Meta(description="Upper end of it.")]
TotalEnds = Annotated[
    list[IntervalEnds] | None, Meta(description="Every interval that was asked for, with the systematic error.")
]
TotalSd = Annotated[float | None, Meta(description="Standard deviation with the systematic error.")]


class GroupRow(msgspec.Struct, frozen=True):
    """An area, or a group in it."""

    area: Annotated[str, Meta(description="Code of the area; 'all' for the whole.")]
    area_name: Annotated[str, Meta(description="Name of the area.")]
    groups: Annotated[dict[str, str], Meta(description="The level of each demographic named in `by`.")]


class Number(msgspec.Struct, frozen=True):
    """The share of the option among some people, or the mean of their answers."""

    share: ShareOrNull
    mean: MeanOrNull
    low: ShareLow
    high: ShareHigh
    intervals: Ends
    sd: ShareSd
    mc_error: McError
    n_people: People
    n_interviews: Interviews
    n_effective: Effective
    n_equivalent: Equivalent
    n_equivalent_mc_error: EquivalentError
    pooling: Pooling
    pooling_mc_error: PoolingError
    flags: Flags
    part_standing: PartStanding


class AreaNumber(GroupRow, frozen=True):
    """The share or the mean in one area or group."""

    option: Annotated[str | None, Meta(description="The option whose share it is; null of means.")]
    share: ShareOrNull
    mean: MeanOrNull
    low: ShareLow
    high: ShareHigh
    intervals: Ends
    sd: ShareSd
    mc_error: McError
    n_people: People
    n_interviews: Interviews
    n_effective: Effective
    n_equivalent: Equivalent
    n_equivalent_mc_error: EquivalentError
    pooling: Pooling
    pooling_mc_error: PoolingError
    flags: Flags
    part_standing: PartStanding


class AreaEstimate(GroupRow, frozen=True):
    """The estimate for one area or group."""

    option: Annotated[str, Meta(description="The option whose share it is.")]
    share: Share
    low: ShareLow
    high: ShareHigh
    intervals: Ends
    sd: ShareSd
    mc_error: McError
    n_people: People
    n_interviews: Interviews
    n_effective: Effective
    n_equivalent: Equivalent
    n_equivalent_mc_error: EquivalentError
    pooling: Pooling
    pooling_mc_error: PoolingError
    flags: Flags
    part_standing: PartStanding


class TwoIntervals(AreaEstimate, frozen=True):
    """The estimate for one area or group, with a second interval where a systematic error is declared; else nulls."""

    total_low: TotalLow
    total_high: TotalHigh
    total_intervals: TotalEnds
    total_sd: TotalSd


class WithheldGroup(GroupRow, frozen=True):
    """A group for which no estimate is given."""

    reason: Annotated[str, Meta(description="Why.")]


class GroupsHead(AnswerHead, frozen=True):
    """The head of an answer by areas and groups."""

    measure: Annotated[Literal["share", "mean"], Meta(description="What is answered: shares of options, or means.")]
    unit: Annotated[
        str | None,
        Meta(
            description="What means are counted in: the declared unit of numbers, or points on the scale of scores; "
            "null of shares, and where none is declared."
        ),
    ]
    scores: Annotated[
        dict[str, float],
        Meta(description="In means of ordered options, the number that each counts as; else empty."),
    ]
    period: Annotated[
        str | None,
        Meta(description="The period that is looked at; null where the model has none and pools its waves."),
    ]
    level: Annotated[str, Meta(description="nation, a parent level or district.")]
    by: Annotated[list[str], Meta(description="Demographics of the breakdown.")]
    where: Annotated[
        dict[str, list[str]], Meta(description="Who is counted: of each column named, these levels; empty: everybody.")
    ]
    merge: Annotated[
        dict[str, dict[str, list[str]]],
        Meta(description="Levels taken together: of each column, new names and the levels in them; usually empty."),
    ]
    withheld: Annotated[
        list[WithheldGroup],
        Meta(description="Groups too small to be answered, or left out because the option does not stand there."),
    ]
    next_cursor: Annotated[
        str | None, Meta(description="With `limit`: the `cursor` of the next page; null if this is the last.")
    ]


class EstimatesPayload(GroupsHead, frozen=True):
    """Estimates of one question from one release."""

    estimates: Annotated[
        list[TwoIntervals], Meta(description="One per area, group and option, sorted; options as they are declared.")
    ]


class AreaMean(GroupRow, frozen=True):
    """The mean in one area or group, with a second interval where a systematic error is declared; else nulls."""

    mean: Annotated[float, Meta(description="Posterior mean of the mean answer, in the unit of the question.")]
    low: Low
    high: High
    intervals: Ends
    sd: Sd
    mc_error: Annotated[float, Meta(description="Monte-Carlo standard error of `mean`.")]
    n_people: People
    n_interviews: Interviews
    n_effective: Effective
    n_equivalent: Equivalent
    n_equivalent_mc_error: EquivalentError
    pooling: Pooling
    pooling_mc_error: PoolingError
    flags: Flags
    total_low: TotalLow
    total_high: TotalHigh
    total_intervals: TotalEnds
    total_sd: TotalSd


class MeansPayload(GroupsHead, frozen=True):
    """Means of one question from one release."""

    means: Annotated[list[AreaMean], Meta(description="One per area and group, sorted.")]


class AreaProbability(AreaNumber, frozen=True):
    """How probable it is that the share or the mean of an area or group is above a threshold."""

    probability: Annotated[float, Meta(description="Posterior probability that it is above the threshold.")]
    probability_mc_error: Annotated[float, Meta(description="Monte-Carlo standard error of `probability`; never 0.")]


class ProbabilityPayload(GroupsHead, frozen=True):
    """Probabilities of shares or means above a threshold."""

    threshold: Annotated[
        float, Meta(description="The threshold: of shares from 0 to 1, 0.5 is a majority; of means in `unit`.")
    ]
    probabilities: Annotated[list[AreaProbability], Meta(description="One per area and group, sorted.")]


class AreaRank(AreaNumber, frozen=True):
    """Where an area or group stands among those it is ranked with; 1 is the largest share or mean."""

    n_ranked: Annotated[int, Meta(description="How many are ranked together.")]
    rank: Annotated[float, Meta(description="Posterior mean of the rank.")]
    rank_low: Annotated[float, Meta(description="Lower end of the interval of ranks: at least `interval` lies in it.")]
    rank_high: Annotated[float, Meta(description="Upper end of the interval of ranks.")]
    rank_intervals: Ends
    rank_mc_error: Annotated[float, Meta(description="Monte-Carlo standard error of `rank`.")]
    p_first: Annotated[float, Meta(description="Posterior probability that its share or mean is the largest.")]
    p_first_mc_error: Annotated[float, Meta(description="Monte-Carlo standard error of `p_first`; never 0.")]


class RankPayload(GroupsHead, frozen=True):
    """Ranks of areas, or of groups of the nation."""

    ranked: Annotated[
        str, Meta(description="areas: areas of the level, within each group of `by`; groups: those of `by`.")
    ]
    ranks: Annotated[list[AreaRank], Meta(description="One per area and group, sorted like estimates.")]
