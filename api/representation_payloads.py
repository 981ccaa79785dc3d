"""The body that tells who was interviewed and who there is. Every field described."""

from datetime import date
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from api.answer_payloads import GroupRow, GroupsHead, People

__all__ = [
    "ColumnAccuracy",
    "ColumnBalance",
    "LevelBalance",
    "MissingPeople",
    "RepresentationPayload",
    "SampleBalance",
    "ThinGroup",
    "WidthSpread",
]

Standing = Annotated[
    Literal["over", "under", "in line", "few", "nobody"],
    Meta(
        description="over or under: its share of the sample is beyond chance and a tenth away from that of the people; "
        "few: too few interviews to tell more (which may be none); nobody: an area without interviews."
    ),
]
FrameShare = Annotated[float, Meta(description="Its share of the people in the frame.")]
Column = Annotated[str, Meta(description="A demographic, a parent level, or the district column.")]
Index = Annotated[
    float | None,
    Meta(
        description="Index of dissimilarity, 0 to 1: the part of the sample that would have to be other people to look "
        "like the frame; null where too few interviews are shown."
    ),
]
ByChance = Annotated[
    float | None, Meta(description="What chance and the noise of the counts alone would make of `dissimilarity`.")
]


class LevelBalance(GroupRow, frozen=True):
    """One level of a demographic, or one area: of people and of sample."""

    column: Column
    level: Annotated[str, Meta(description="The level; of areas the code.")]
    n_people: People
    frame_share: FrameShare
    n_interviews: Annotated[
        int | None, Meta(description="Interviews, perturbed for disclosure control; null where few are shown.")
    ]
    sample_share: Annotated[float | None, Meta(description="Its share of the interviews; null with `n_interviews`.")]
    ratio: Annotated[float | None, Meta(description="Sample share by frame share; 1 is in proportion; or null.")]
    difference: Annotated[float | None, Meta(description="Sample share minus frame share; or null.")]
    difference_sd: Annotated[
        float | None,
        Meta(
            description="Standard deviation of `difference` if people were drawn by lot: sampling and noise; or null."
        ),
    ]
    standing: Standing
    share_sd: Annotated[
        float | None,
        Meta(description="Posterior sd of the option's share; null if too few people, without draws, or of means."),
    ]
    mean_sd: Annotated[float | None, Meta(description="The same of the mean, where that is asked for.")]
    width: Annotated[float | None, Meta(description="Width of the estimate's interval, or null.")]
    width_ratio: Annotated[float | None, Meta(description="The same by that of the column's narrowest; or null.")]
    known_share: Annotated[
        float | None, Meta(description="The option's share according to the latest known result, where there is one.")
    ]
    error: Annotated[float | None, Meta(description="The estimate minus `known_share`; or null.")]
    held: Annotated[bool | None, Meta(description="Whether the estimate's interval holds `known_share`; or null.")]


class ColumnBalance(msgspec.Struct, frozen=True):
    """One column as a whole."""

    column: Column
    n_levels: Annotated[int, Meta(description="Its levels with people.")]
    n_few: Annotated[int, Meta(description="Of these, those with few interviews or none.")]
    dissimilarity: Index
    dissimilarity_by_chance: ByChance


class SampleBalance(msgspec.Struct, frozen=True):
    """The sample as a whole."""

    n_interviews: Annotated[int | None, Meta(description="All interviews, perturbed; null where too few.")]
    dissimilarity: Index
    dissimilarity_by_chance: ByChance
    raked_to: Annotated[list[str], Meta(description="The columns whose margins the sample can be weighted to.")]
    converged: Annotated[bool, Meta(description="Whether weights exist that give it these margins.")]
    design_effect: Annotated[
        float | None, Meta(description="What such weights cost (Kish): interviews by effective ones; or null.")
    ]
    n_effective: Annotated[float | None, Meta(description="Interviews that are left after such weighting; or null.")]


class ThinGroup(GroupRow, frozen=True):
    """People of whom few or none were interviewed."""

    n_people: People
    frame_share: FrameShare


class MissingPeople(msgspec.Struct, frozen=True):
    """Who is missing."""

    share_in_cells_without: Annotated[
        float | None,
        Meta(
            description="Share of the people in combinations of district and demographics without an interview in the "
            "perturbed counts, where one interview may be shown as none."
        ),
    ]
    areas: Annotated[list[ThinGroup], Meta(description="Areas where nobody was interviewed, most people first.")]
    groups: Annotated[
        list[ThinGroup],
        Meta(description="The largest crossings of two demographics with few interviews or none, most people first."),
    ]


class WidthSpread(msgspec.Struct, frozen=True):
    """How wide the intervals of districts are."""

    n_districts: Annotated[int, Meta(description="Districts with an estimate.")]
    narrowest: Annotated[float, Meta(description="Width of the narrowest interval.")]
    lower_quartile: Annotated[float, Meta(description="A quarter are narrower.")]
    median: Annotated[float, Meta(description="Half are narrower.")]
    upper_quartile: Annotated[float, Meta(description="Three quarters are narrower.")]
    widest: Annotated[float, Meta(description="Width of the widest interval.")]


class ColumnAccuracy(msgspec.Struct, frozen=True):
    """How right the estimates of a column's levels were, where it is known what happened."""

    column: Column
    refers_to: Annotated[date, Meta(description="The day of the known result.")]
    n_levels: Annotated[int, Meta(description="Levels that are compared.")]
    mean_error: Annotated[float, Meta(description="Mean of their errors: above 0, the option was overestimated.")]
    mean_absolute_error: Annotated[float, Meta(description="Mean size of their errors.")]
    coverage: Annotated[float, Meta(description="Share of their intervals that hold what happened.")]


class RepresentationPayload(GroupsHead, frozen=True):
    """Sample against frame, what weighting would cost, who is missing, and how sure estimates are by group."""

    summary: Annotated[list[str], Meta(description="The same for laypeople, in a few sentences.")]
    sample: SampleBalance
    columns: Annotated[list[ColumnBalance], Meta(description="Demographics, then areas from the largest on.")]
    missing: MissingPeople
    district_widths: Annotated[WidthSpread | None, Meta(description="Of the intervals of districts; or null.")]
    accuracy: Annotated[
        list[ColumnAccuracy],
        Meta(description="Errors by column against the latest known result; empty where none is known."),
    ]
    levels: Annotated[list[LevelBalance], Meta(description="Every level of every column, in order.")]
