"""The body that puts raw, weighted and model shares or means side by side. Every field described."""

from typing import Annotated

import msgspec
from msgspec import Meta

from api.answer_payloads import Ends, Flags, GroupRow, GroupsHead, Interviews, Number, People

__all__ = ["AreaMethods", "MethodsPayload", "SampleNumber", "WeightingPayload"]


class SampleNumber(msgspec.Struct, frozen=True):
    """The share or the mean among those interviewed, from counts and sums perturbed for disclosure control."""

    share: Annotated[float | None, Meta(description="Their share who chose the option; null where means are answered.")]
    mean: Annotated[float | None, Meta(description="Mean of their answers, in `unit`; null where shares are answered.")]
    low: Annotated[
        float,
        Meta(description="Lower end of its interval: chance (of shares Wilson's) and the noise of what is shown."),
    ]
    high: Annotated[float, Meta(description="Upper end of its interval.")]
    intervals: Ends
    n_effective: Annotated[
        float,
        Meta(
            description="Interviews of a simple random sample that would be as precise: the noise in the counts, and "
            "weights, cost some."
        ),
    ]
    design_effect: Annotated[float, Meta(description="What the weights alone cost (Kish); 1 without weights.")]


class WeightingPayload(msgspec.Struct, frozen=True):
    """How the weighted shares or means were weighted: raked to margins of the frame, from equal weights."""

    raked_to: Annotated[list[str], Meta(description="The columns whose margins the weighted interviews have.")]
    converged: Annotated[bool, Meta(description="Whether they have them.")]
    design_effect: Annotated[
        float | None, Meta(description="What the weights cost over everybody (Kish); null without interviews.")
    ]
    n_effective: Annotated[float | None, Meta(description="Interviews of everybody after weighting, or null.")]
    largest_weight: Annotated[
        float | None, Meta(description="Of an interview, where 1 is the mean, to two digits; or null.")
    ]


class AreaMethods(GroupRow, frozen=True):
    """Three answers for one area or group."""

    n_people: People
    n_interviews: Interviews
    flags: Flags
    raw: Annotated[
        SampleNumber | None,
        Meta(description="Of the interviews as they came; null where too few are shown, or means cannot be told."),
    ]
    weighted: Annotated[
        SampleNumber | None,
        Meta(
            description="Of the interviews raked to the frame; null where too few are shown, or means cannot be told."
        ),
    ]
    mrp: Number
    raw_minus_mrp: Annotated[float | None, Meta(description="The raw share or mean minus the estimate; or null.")]
    weighted_minus_mrp: Annotated[
        float | None, Meta(description="The weighted share or mean minus the estimate; or null.")
    ]
    apart: Annotated[
        bool | None, Meta(description="Whether they differ by more than both of their intervals allow; or null.")
    ]
    sentence: Annotated[str, Meta(description="How the three differ, and what explains it.")]


class MethodsPayload(GroupsHead, frozen=True):
    """Raw, weighted and MRP shares or means of one question from one release."""

    weighting: WeightingPayload
    methods: Annotated[list[AreaMethods], Meta(description="One per area and group, sorted like estimates.")]
