"""The bodies that compare shares or means: groups, areas and options, releases, periods. Every field described.

Differences of shares are on the scale of shares: 0.01 is one point; those of means are in the unit of the question.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from api.answer_payloads import Ends, GroupRow, GroupsHead, High, Low, Number, ReleaseReference, Sd

__all__ = [
    "AreaChange",
    "AreaContrast",
    "AreaRevision",
    "ChangePayload",
    "ComparedWavePayload",
    "ContrastPayload",
    "MixAndMindPayload",
    "RevisionPayload",
    "SwingPart",
]

DifferenceError = Annotated[float, Meta(description="Monte-Carlo standard error of `difference`.")]
Sentence = Annotated[str, Meta(description="The same in a sentence.")]


class AreaContrast(GroupRow, frozen=True):
    """How much larger the first share or mean is than the second, in one area or group."""

    first: Number
    second: Number
    difference: Annotated[float, Meta(description="Posterior mean of the first minus the second.")]
    low: Low
    high: High
    intervals: Ends
    sd: Sd
    mc_error: DifferenceError
    p_larger: Annotated[float, Meta(description="Posterior probability that the first is larger; a tie counts half.")]
    p_larger_mc_error: Annotated[float, Meta(description="Monte-Carlo standard error of `p_larger`; never 0.")]
    words: Annotated[
        str, Meta(description="'larger' if `p_larger` >= 0.95, 'smaller' if <= 0.05, else 'no clear difference'.")
    ]
    sentence: Sentence


class ContrastPayload(GroupsHead, frozen=True):
    """Differences between two groups, two areas or two options."""

    first: Annotated[dict[str, list[str]], Meta(description="Who, or which option, comes first: levels by column.")]
    second: Annotated[dict[str, list[str]], Meta(description="With whom, or which option, it is compared.")]
    contrasts: Annotated[list[AreaContrast], Meta(description="One per area and group, sorted.")]


class ComparedWavePayload(msgspec.Struct, frozen=True):
    """A wave that two releases use differently."""

    wave_id: Annotated[str, Meta(description="The wave's id.")]
    pollster: Annotated[str, Meta(description="Who sent it.")]
    reference: Annotated[str, Meta(description="The pollster's own name for the wave.")]
    change: Annotated[
        str,
        Meta(
            description="added; removed (withdrawn, held, left behind by the window); corrected (another version); "
            "altered (other interviews of one version: a batch, an erasure, a purge)."
        ),
    ]
    text: Sentence


class AreaRevision(GroupRow, frozen=True):
    """What a later release says differently of one area or group."""

    before: Number
    after: Number
    difference: Annotated[float, Meta(description="After minus before; no probability belongs to it.")]
    mc_error: DifferenceError
    beyond_simulation: Annotated[
        bool,
        Meta(description="Whether it is more than twice its Monte-Carlo error: more than the simulation explains."),
    ]
    sentence: Sentence


class RevisionPayload(GroupsHead, frozen=True):
    """What a release says differently from an earlier one, and why. The head is that of the later one."""

    before: ReleaseReference
    causes: Annotated[
        list[str], Meta(description="What differs: data, frame, model; simulation if nothing of these does.")
    ]
    waves: Annotated[list[ComparedWavePayload], Meta(description="The waves that the two use differently.")]
    reasons: Annotated[list[str], Meta(description="What differs in frame and model, in sentences.")]
    revisions: Annotated[list[AreaRevision], Meta(description="One per area and group that both answer, sorted.")]


class SwingPart(msgspec.Struct, frozen=True):
    """A part of a raw swing."""

    part: Annotated[float, Meta(description="Posterior mean.")]
    low: Low
    high: High
    intervals: Ends
    sd: Sd
    mc_error: Annotated[float, Meta(description="Monte-Carlo standard error of `part`.")]


class MixAndMindPayload(msgspec.Struct, frozen=True):
    """The swing between the interviews of two periods, split (Kitagawa 1955): its three parts add up to it."""

    raw_swing: Annotated[
        float,
        Meta(
            description="The unweighted share of the option among those interviewed in the period after, minus that "
            "before, from counts perturbed for disclosure control. No estimate for the population."
        ),
    ]
    mix: Annotated[SwingPart, Meta(description="Other people were interviewed.")]
    mind: Annotated[SwingPart, Meta(description="People of the same kind answer differently.")]
    noise: Annotated[SwingPart, Meta(description="The rest: chance within kinds of people.")]


class AreaChange(GroupRow, frozen=True):
    """How the share or the mean changed in one area or group."""

    before: Number
    after: Number
    difference: Annotated[float, Meta(description="Posterior mean of what is after minus what was before.")]
    low: Low
    high: High
    intervals: Ends
    sd: Sd
    mc_error: DifferenceError
    p_rise: Annotated[float, Meta(description="Posterior probability that it rose; a tie counts half.")]
    p_rise_mc_error: Annotated[float, Meta(description="Monte-Carlo standard error of `p_rise`; never 0.")]
    words: Annotated[str, Meta(description="'rise' if `p_rise` >= 0.95, 'fall' if <= 0.05, else 'no clear change'.")]
    sentence: Sentence
    mix_and_mind: Annotated[MixAndMindPayload | None, Meta(description="The raw swing beside it, split; or null.")]
    mix_and_mind_reason: Annotated[str | None, Meta(description="Why `mix_and_mind` is null, or null.")]


class ChangePayload(GroupsHead, frozen=True):
    """Change between two periods of one fit, or between two releases that share no interview."""

    between: Annotated[str, Meta(description="periods (of this release) or releases.")]
    since: Annotated[str | None, Meta(description="The period before; `period` is the one after; or null.")]
    before: Annotated[ReleaseReference | None, Meta(description="The earlier release, or null.")]
    changes: Annotated[list[AreaChange], Meta(description="One per area and group, sorted.")]
