"""What charts take where no payload of the API has it: plain rows."""

from dataclasses import dataclass

__all__ = [
    "CoveragePoint",
    "LeadTimePoint",
    "LearningPoint",
    "MethodNumber",
    "PredictedShare",
    "SampleShare",
    "WaveMark",
]


@dataclass(frozen=True, slots=True)
class WaveMark:
    """A wave in a trend."""

    period: str
    """One of the trend's periods."""
    name: str
    """Of pollster and wave, for readers."""


@dataclass(frozen=True, slots=True)
class CoveragePoint:
    """How often intervals of one probability held the truth."""

    nominal: float
    """The intervals' probability."""
    observed: float
    """The share of them that held the truth."""
    n: int
    """How many of them tell something of their own, for the band: areas, whatever the number of releases."""
    series: str = ""
    """Of what: a level, an engine; "" where there is one only."""


@dataclass(frozen=True, slots=True)
class LeadTimePoint:
    """The error of one release, some days before the truth was known."""

    days: float
    """Before the truth, >= 0."""
    error: float
    """Root mean squared or absolute error of shares."""
    name: str
    """Of the release, for readers."""
    series: str = ""


@dataclass(frozen=True, slots=True)
class LearningPoint:
    """The error of fits on so many interviews."""

    n_interviews: int
    error: float
    low: float
    high: float
    """An interval over repetitions; the error itself where there is one."""
    series: str = ""


@dataclass(frozen=True, slots=True)
class SampleShare:
    """How large a group is among those interviewed, and in the frame."""

    demographic: str
    level: str
    sample: float | None
    """Share of the interviews; None where it is withheld."""
    frame: float
    """Share of the people."""


@dataclass(frozen=True, slots=True)
class PredictedShare:
    """What was observed in a group, and what the model expects there."""

    name: str
    observed: float
    low: float
    high: float
    """The predictive interval."""
    group: str = ""
    """What kind of group: "district", "age"; rows of one are kept together."""


@dataclass(frozen=True, slots=True)
class MethodNumber:
    """A share or a mean by one method."""

    name: str
    """Of the area or group."""
    method: str
    """For readers: "Raw", "Weighted", "MRP"."""
    value: float | None
    low: float | None
    high: float | None
    """None where it is withheld."""
