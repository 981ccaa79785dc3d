"""The bodies that answer about districts: a profile, seats, and the closest of them. Every field described."""

from typing import Annotated

import msgspec
from msgspec import Meta

from api.answer_payloads import AreaEstimate, AreaNumber, AreaRank, Ends, GroupsHead

__all__ = [
    "BattlegroundPayload",
    "BattlegroundRow",
    "DistrictProfile",
    "OptionSeatsPayload",
    "ProfilePayload",
    "SeatChance",
    "SeatsPayload",
    "TippingDistrict",
]


class DistrictProfile(AreaRank, frozen=True):
    """Estimate and rank of a district, and its chance to lead."""

    p_lead: Annotated[
        float | None, Meta(description="Posterior probability that more than half choose the option; null of means.")
    ]
    p_lead_mc_error: Annotated[
        float | None, Meta(description="Monte-Carlo standard error of `p_lead`; never 0; null of means.")
    ]


class ProfilePayload(GroupsHead, frozen=True):
    """Everything that is known of one district."""

    code: Annotated[str, Meta(description="The district's code.")]
    name: Annotated[str, Meta(description="Its name.")]
    parents: Annotated[dict[str, str], Meta(description="The larger areas it lies in, by level.")]
    district: DistrictProfile | None
    groups: Annotated[
        list[AreaNumber],
        Meta(description="Groups within it: those of `by`, by default the levels of each demographic in turn."),
    ]


class SeatChance(msgspec.Struct, frozen=True):
    """How probable a number of seats is."""

    seats: Annotated[int, Meta(description="Number of seats.")]
    probability: Annotated[float, Meta(description="Posterior probability of just that many.")]
    mc_error: Annotated[float, Meta(description="Monte-Carlo standard error of `probability`; never 0.")]


class OptionSeatsPayload(msgspec.Struct, frozen=True):
    """Seats of one option."""

    option: Annotated[str, Meta(description="The option.")]
    seats: Annotated[float, Meta(description="Posterior mean of its seats.")]
    low: Annotated[float, Meta(description="Lower end of the central interval of seats.")]
    high: Annotated[float, Meta(description="Upper end of the central interval of seats.")]
    intervals: Ends
    sd: Annotated[float, Meta(description="Posterior standard deviation.")]
    mc_error: Annotated[float, Meta(description="Monte-Carlo standard error of `seats`.")]
    p_majority: Annotated[float, Meta(description="Posterior probability of more than half of the seats.")]
    p_majority_mc_error: Annotated[float, Meta(description="Monte-Carlo standard error of `p_majority`; never 0.")]
    p_most: Annotated[float, Meta(description="Posterior probability of more seats than the other; a tie is shared.")]
    p_most_mc_error: Annotated[float, Meta(description="Monte-Carlo standard error of `p_most`; never 0.")]
    distribution: Annotated[list[SeatChance], Meta(description="The numbers of seats that occur in some draw.")]


class TippingDistrict(msgspec.Struct, frozen=True):
    """A district that may decide."""

    area: Annotated[str, Meta(description="Its code.")]
    area_name: Annotated[str, Meta(description="Its name.")]
    probability: Annotated[float, Meta(description="Posterior probability that it takes an option over the majority.")]
    mc_error: Annotated[float, Meta(description="Monte-Carlo standard error of `probability`; never 0.")]


class SeatsPayload(GroupsHead, frozen=True):
    """Seats by plurality in every draw. Districts in `withheld` are not counted."""

    n_seats: Annotated[int, Meta(description="All seats.")]
    options: Annotated[list[OptionSeatsPayload], Meta(description="The option that was asked for, then the other.")]
    tipping: Annotated[list[TippingDistrict], Meta(description="Districts that tip the majority, most probable first.")]


class BattlegroundRow(AreaEstimate, frozen=True):
    """How close a district is."""

    n_seats: Annotated[int, Meta(description="Its seats.")]
    p_win: Annotated[float, Meta(description="Posterior probability that more than half choose the option.")]
    p_win_mc_error: Annotated[float, Meta(description="Monte-Carlo standard error of `p_win`; never 0.")]
    lead: Annotated[
        float, Meta(description="Posterior mean of the lead over the other option, a difference of shares.")
    ]
    lead_low: Annotated[float, Meta(description="Lower end of the central interval of the lead.")]
    lead_high: Annotated[float, Meta(description="Upper end of the central interval of the lead.")]
    lead_intervals: Ends
    lead_mc_error: Annotated[float, Meta(description="Monte-Carlo standard error of `lead`.")]
    p_tipping: Annotated[float, Meta(description="Posterior probability that it tips the majority of seats.")]
    p_tipping_mc_error: Annotated[float, Meta(description="Monte-Carlo standard error of `p_tipping`; never 0.")]


class BattlegroundPayload(GroupsHead, frozen=True):
    """Districts by closeness."""

    versus: Annotated[
        str | None,
        Meta(description="The other option; null if there are several: then the lead is over the strongest of them."),
    ]
    districts: Annotated[
        list[BattlegroundRow], Meta(description="The closest first: by how far `p_win` is from a half, then the lead.")
    ]
