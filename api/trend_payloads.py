"""The bodies that tell of shares and means over time, every field described."""

from typing import Annotated

from msgspec import Meta

from api.answer_payloads import AreaNumber, GroupsHead, TotalEnds, TotalHigh, TotalLow, TotalSd

__all__ = ["TrendPayload", "TrendPoint"]


class TrendPoint(AreaNumber, frozen=True):
    """The share or the mean in one area or group in one period.

    Interviews are those of the period alone, so that `pooling` counts what is borrowed from other periods too. A period
    has no-interviews only of the whole population, everywhere else few-interviews.
    """

    period: Annotated[str, Meta(description="The period.")]
    total_low: TotalLow
    total_high: TotalHigh
    total_intervals: TotalEnds
    total_sd: TotalSd


class TrendPayload(GroupsHead, frozen=True):
    """Shares or means over the periods of one fit. `period` of the head is the last of them."""

    periods: Annotated[list[str], Meta(description="The periods, in order of time, also those without interviews.")]
    points: Annotated[
        list[TrendPoint],
        Meta(description="One per area and group and period: sorted like estimates, those of each in order of time."),
    ]
