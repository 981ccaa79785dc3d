"""What a survey says about the quality of its waves: limits, and what is needed to measure.

A limit is the largest value that passes; None: not looked at. Over one the wave waits for an analyst.

=========================  ======================================================================================
key of [quality]           meaning
=========================  ======================================================================================
duplicates                 share of interviews that equal an earlier one in every column, beyond chance (0.1); not
                           looked at in waves of more than 200,000
overlap                    share of respondents that are in another wave of the pollster whose fieldwork overlaps (0.3);
                           from 0.9 on the wave is refused as a repetition
speeders                   share of interviews that took less than ``fast_share`` of the median (0.1); needs
                           columns.timing
fast_share, fast_seconds   which interview is too fast: shorter than this share of the median (1/3), or than these
                           seconds
batteries.<name>           three or more questions with the same options that are asked together
straight_lining            share of interviews with the same answer throughout a battery (0.5)
impossible                 combinations that nobody can have, as ``"age = '18-29' and status = 'pensioner'"``: two or
                           more of the district, demographics and questions with their levels or options
impossible_share           share of interviews with one of them (0.01)
weight_ratio               the largest weight over the mean (25)
design_effect              Kish's design effect of the weights (5)
composition                distance of the sample from the frame, per demographic and for the district, beyond chance
                           (0.4): half the sum of the differences of shares
drift                      the same from the pollster's own earlier waves (0.25)
surprise                   chance that answers are so far from what the current release predicts, or farther (0.001):
                           see ``mrp.surprise``; below it the wave waits
house_sd, error_sd         how polls err beside sampling, standard deviations on the scale of the logit (0.08, 0.12)
=========================  ======================================================================================

``false`` instead of a number: not looked at.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["LIMITS", "Quality"]

type Combination = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """Limits of a survey; see the table above."""

    duplicates: float | None = 0.1
    overlap: float | None = 0.3
    speeders: float | None = 0.1
    straight_lining: float | None = 0.5
    impossible_share: float | None = 0.01
    weight_ratio: float | None = 25.0
    design_effect: float | None = 5.0
    composition: float | None = 0.4
    drift: float | None = 0.25
    surprise: float | None = 0.001
    fast_share: float = 1 / 3
    fast_seconds: float | None = None
    house_sd: float = 0.08
    error_sd: float = 0.12
    batteries: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Name -> ids of questions."""
    impossible: tuple[Combination, ...] = ()
    """Each two or more pairs of a name and its level or option, all of which an interview has."""


LIMITS = (
    "duplicates",
    "overlap",
    "speeders",
    "straight_lining",
    "impossible_share",
    "weight_ratio",
    "design_effect",
    "composition",
    "drift",
    "surprise",
)
"""The keys that can be false; shares, but for ``weight_ratio`` and ``design_effect``."""
