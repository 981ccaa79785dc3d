r"""Did opinion change? Between two periods of one fit, or between two fits that share no interview.

Within one fit draws are joint, d[s] = after[s] - before[s]. Fits without a common interview are independent, so that
every draw of one belongs to every draw of the other:

    P(rise) = sum_{s, t} (1[after_t > before_s] + 1[after_t = before_s] / 2) / (S T)

with the variance of a two-sample U-statistic, Var_s(F(before_s)) / n_before + Var_t(G(after_t)) / n_after, where F and
G are what one draw says when compared with all of the other fit (Lehmann 1951). The interval is that of all differences
between 256 evenly spaced quantiles of either.

**The rule of the words.** "rise" if P(rise) >= 0.95, "fall" if P(rise) <= 0.05, otherwise "no clear change" (the limit
is ``sure``). "No clear change" does not say that nothing changed: look at the interval.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mrp.areas import area_names, require_joint, require_same_areas
from mrp.contrast import differences
from mrp.errors import DrawsError
from mrp.poststratification import AreaDraws
from mrp.quantity import Probability, Quantity, central_intervals, probabilities, quantities, require_interval
from mrp.words import direction, in_points, require_sure

__all__ = ["Change", "change_between_fits", "change_between_periods"]

type Floats = NDArray[np.float64]
type Direction = Literal["rise", "fall", "no clear change"]

_QUANTILES = (np.arange(256) + 0.5) / 256


@dataclass(frozen=True, slots=True)
class Change:
    """Change of one area's share or mean."""

    area: Mapping[str, str]
    difference: Quantity
    """After minus before, on the scale of shares, or in the unit of means."""
    p_rise: Probability
    direction: Direction
    interval: float
    """Probability of the interval of ``difference``."""
    kind: Literal["share", "mean"] = "share"

    @property
    def sentence(self) -> str:
        """For people, e.g. "rise: +2.1 points (90% interval +0.3 to +3.9), P(rise) 0.97"."""
        return self.in_words()

    def in_words(self, unit: str = "") -> str:
        """The same with the unit of means: "rise: +2.1 minutes (90% interval ...), P(rise) 0.97"."""
        size = in_points(self.difference, self.interval, kind=self.kind, unit=unit)
        return f"{self.direction}: {size}, P(rise) {self.p_rise.value:.2f}"


def change_between_periods(
    before: AreaDraws,
    after: AreaDraws,
    *,
    interval: float = 0.9,
    also: tuple[float, ...] = (),
    sure: float = 0.95,
) -> tuple[Change, ...]:
    """Change between two periods of one fit, area by area.

    Parameters
    ----------
    before, after
        Estimates at two periods (`mrp.poststratification.area_draws` with ``at``), from the same draws.
    interval
        Probability of the interval, in (0, 1).
    also
        Those of further intervals.
    sure
        P(rise) from which it is called a rise, in (0.5, 1).

    Raises
    ------
    FrameError
        If the two are for other areas.
    DrawsError
        If they are not joint draws of one fit.
    ValueError
        If ``interval`` or ``sure`` is out of range.
    """
    require_sure(sure)
    require_same_areas(before, after)
    require_joint(before, after)
    found = differences(after.draws - before.draws, before, interval=interval, also=also)
    names = area_names(before)
    return tuple(
        Change(name, d, p, _word(p, sure), interval, before.kind) for name, (d, p) in zip(names, found, strict=True)
    )


def change_between_fits(
    before: AreaDraws,
    after: AreaDraws,
    *,
    waves_before: Collection[str],
    waves_after: Collection[str],
    interval: float = 0.9,
    also: tuple[float, ...] = (),
    sure: float = 0.95,
) -> tuple[Change, ...]:
    """Change between two fits that share no interview, area by area.

    Parameters
    ----------
    before, after
        Estimates of the two fits; the numbers of draws may differ.
    waves_before, waves_after
        Ids of the waves that each fit used.
    interval, also, sure
        As in `change_between_periods`.

    Raises
    ------
    DrawsError
        If the fits share a wave: they are not independent, and there is no probability of a change between them. Also
        if one id is given in place of several.
    FrameError
        If the two are for other areas.
    ValueError
        If ``interval`` or ``sure`` is out of range.
    """
    require_sure(sure)
    for one in (interval, *also):
        require_interval(one)
    for argument, waves in (("waves_before", waves_before), ("waves_after", waves_after)):
        if isinstance(waves, str):
            raise DrawsError(f"{argument} must be a list of ids, got {waves!r}; write [{waves!r}]")
    if shared := sorted(set(waves_before) & set(waves_after)):
        raise DrawsError(
            f"the fits have {len(shared)} wave(s) in common, such as {shared[0]}, so that they are not independent; "
            "ask for their revision, or for the change between periods of one fit"
        )
    require_same_areas(before, after)
    first, second = quantities(before.draws, before), quantities(after.draws, after)
    changes = []
    for column, (name, b, a) in enumerate(zip(area_names(before), first, second, strict=True)):
        gaps = np.quantile(after.draws[:, column], _QUANTILES)[:, None] - np.quantile(
            before.draws[:, column], _QUANTILES
        )
        (low, high), *further = central_intervals(gaps.reshape(-1, 1), (interval, *also))[:, :, 0].tolist()
        error = float(np.hypot(a.mc_error, b.mc_error))
        sd = float(np.hypot(a.sd, b.sd))
        difference = Quantity(a.mean - b.mean, sd, low, high, error, tuple((ends[0], ends[1]) for ends in further))
        p = _p_rise(before, after, column)
        changes.append(Change(name, difference, p, _word(p, sure), interval, before.kind))
    return tuple(changes)


def _p_rise(before: AreaDraws, after: AreaDraws, column: int) -> Probability:
    x, y = before.draws[:, column], after.draws[:, column]
    above, below = 1 - _place(x, y), _place(y, x)  # both have the mean P(rise)
    (of_before,), (of_after,) = quantities(above, before), quantities(below, after)
    error = float(np.hypot(of_before.mc_error, of_after.mc_error))
    if np.ptp(above) == np.ptp(below) == 0:  # every draw of one fit says the same: as certain as that many draws allow
        (p_before,) = probabilities(above, before, behind=x[:, None])
        (p_after,) = probabilities(below, after, behind=y[:, None])
        error = float(np.hypot(p_before.mc_error, p_after.mc_error))
    return Probability(of_after.mean, error)


def _place(values: Floats, others: Floats) -> Floats:
    """Share of ``others`` below each value, ties by half, shape (draw, 1)."""
    ordered = np.sort(others)
    place = (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")) / (2 * others.size)
    return np.asarray(place, dtype=np.float64)[:, None]


def _word(p: Probability, sure: float) -> Direction:
    return direction(p, "rise", "fall", "no clear change", sure=sure)
