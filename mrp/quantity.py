r"""A number or an event known through draws, with how far the simulation itself may be off.

    mean:         m = sum_s x_s / S,                   mc_error = sd / sqrt(ess(x))
    probability:  p = sum_s 1[x_s] / S (ties: 1/2),    mc_error = sqrt(q (1 - q) / n),   q = (n p + 1/2) / (n + 1)

where ``n`` is the effective number of draws of the event itself. ``q`` instead of ``p`` keeps the error of "it happened
in every draw" above zero: with n independent draws that only says p > 1 - 1/n or so. An event that is the same in all
draws has no correlations of its own, so n then is that of the number behind it.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mrp.summary import effective_draws

__all__ = [
    "Probability",
    "Quantity",
    "Simulated",
    "central_intervals",
    "probabilities",
    "quantities",
    "require_interval",
]

type Floats = NDArray[np.float64]


class Simulated(Protocol):
    """Anything that says how its draws depend on each other: `AreaDraws`, `LatentDraws`."""

    @property
    def n_chains(self) -> int: ...
    @property
    def points(self) -> NDArray[np.int32] | None: ...


@dataclass(frozen=True, slots=True)
class Quantity:
    """Posterior mean, spread and central interval, in the unit of the number."""

    mean: float
    sd: float
    low: float
    high: float
    mc_error: float
    """Standard error of ``mean`` from the finite number of draws."""
    further: tuple[tuple[float, float], ...] = ()
    """Lower and upper end of other central intervals, where more than one was asked for."""


@dataclass(frozen=True, slots=True)
class Probability:
    """Posterior probability of an event."""

    value: float
    """In [0, 1]."""
    mc_error: float
    """Standard error of ``value`` from the finite number of draws; never 0."""


def quantities(
    values: Floats, source: Simulated, *, interval: float = 0.9, also: tuple[float, ...] = ()
) -> tuple[Quantity, ...]:
    """Summarise numbers computed draw by draw.

    Parameters
    ----------
    values
        Shape (draw, number), at least one draw.
    source
        The draws they were computed from.
    interval
        Probability of the central interval, in (0, 1).
    also
        Those of further intervals.

    Raises
    ------
    ValueError
        If an interval is not inside (0, 1).
    """
    ends = central_intervals(values, (interval, *also))
    if not values.size:
        return ()
    (low, high), more = ends[0], ends[1:]
    sd = values.std(axis=0)
    error = sd / np.sqrt(effective_draws(values, n_chains=source.n_chains, points=source.points))
    mean = values.mean(axis=0)
    of_each = [tuple((ends[0], ends[1]) for ends in one) for one in more.transpose(2, 0, 1).tolist()]
    columns = (mean.tolist(), sd.tolist(), low.tolist(), high.tolist(), error.tolist())
    return tuple(
        Quantity(m, s, below, above, off, further)
        for m, s, below, above, off, further in zip(*columns, of_each, strict=True)
    )


def central_intervals(values: Floats, intervals: tuple[float, ...], *, whole: bool = False) -> Floats:
    """Ends of several central intervals of numbers computed draw by draw.

    Parameters
    ----------
    values
        Shape (draw, number).
    intervals
        Their probabilities, in (0, 1).
    whole
        Whether an end has to be a value that occurs, rounded outwards.

    Returns
    -------
    numpy.ndarray
        Lower and upper ends, shape (interval, 2, number).

    Raises
    ------
    ValueError
        If an interval is not inside (0, 1).
    """
    for interval in intervals:
        require_interval(interval)
    if not values.size or not intervals:  # a quantile over no numbers at all is not defined for NumPy
        return np.empty((len(intervals), 2, values.shape[1]))
    below = [(1 - interval) / 2 for interval in intervals]
    above = [(1 + interval) / 2 for interval in intervals]
    if whole:
        low = np.quantile(values, below, axis=0, method="lower")
        high = np.quantile(values, above, axis=0, method="higher")
        return np.stack([low, high], axis=1)
    ends = np.quantile(values, [*below, *above], axis=0)
    return np.ascontiguousarray(ends.reshape(2, len(intervals), -1).swapaxes(0, 1))


def probabilities(events: Floats, source: Simulated, *, behind: Floats | None = None) -> tuple[Probability, ...]:
    """Probabilities of events judged draw by draw.

    Parameters
    ----------
    events
        1 where it happens, 0 where not, a part where it is shared (ties), shape (draw, event).
    source
        The draws they were judged from.
    behind
        The numbers that decide the events, shape (draw, event).
    """
    if not events.size:
        return ()
    p = events.mean(axis=0)
    n = effective_draws(events, n_chains=source.n_chains, points=source.points)
    constant = np.ptp(events, axis=0) == 0
    if behind is not None and constant.any():
        n[constant] = effective_draws(behind[:, constant], n_chains=source.n_chains, points=source.points)
    # An event cannot be known better than from as many independent draws: chains that alternate are no evidence of it.
    n = np.minimum(n, len(events))
    q = (n * p + 0.5) / (n + 1)
    error = np.sqrt(q * (1 - q) / n)
    return tuple(Probability(float(value), float(off)) for value, off in zip(p, error, strict=True))


def require_interval(interval: float) -> None:
    """Raise `ValueError` unless ``interval`` is a probability inside (0, 1)."""
    if not 0 < interval < 1:
        raise ValueError(f"interval must be above 0 and below 1, got {interval}; write 0.9 for 90%")
