"""Seats by plurality: every district goes to the option with the largest share in it.

    winner[s, d] = argmax_o theta[s, d, o],      seats[s, o] = sum_d n_seats[d] 1[winner[s, d] = o]

per draw, so that errors that districts have in common make landslides as likely as they are; summing the probabilities
of winning would give the same mean and far too narrow a distribution. The *tipping* district of a draw is the one that
takes the option with a majority over the line when its districts are counted from its safest to its closest.

An option that ties for a district gets it in every other draw (in every third of three): no draw awards half a seat.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mrp.areas import area_names
from mrp.chances import stacked
from mrp.errors import ShapeMismatch
from mrp.poststratification import AreaDraws
from mrp.quantity import Probability, Quantity, probabilities, quantities
from mrp.summary import effective_draws

__all__ = ["OptionSeats", "SeatForecast", "seats"]

type Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class OptionSeats:
    """Seats of one option."""

    option: str
    seats: Quantity
    distribution: Floats
    """Probability of 0, 1, 2, ... seats, shape (all seats + 1,)."""
    distribution_mc_error: Floats
    """Standard error of each from the finite number of draws, as if every number of seats had the effective draws of
    their mean; shape (all seats + 1,)."""
    p_majority: Probability
    """Of more than half of the seats."""
    p_most: Probability
    """Of more seats than any other option; a tie is shared."""


@dataclass(frozen=True, slots=True)
class SeatForecast:
    """Seats of all options, and the districts that decide."""

    options: tuple[OptionSeats, ...]
    n_seats: int
    tipping: tuple[tuple[Mapping[str, str], Probability], ...]
    """Probability that a district tips the majority, all districts, most likely first. They add up to the probability
    that some option has a majority."""


def seats(
    options: Mapping[str, AreaDraws],
    *,
    n_seats: ArrayLike | None = None,
    interval: float = 0.9,
    also: tuple[float, ...] = (),
) -> SeatForecast:
    """Count seats in every draw.

    Parameters
    ----------
    options
        Shares of each option by district, joint draws of one fit; for a binary question see `mrp.areas.complement`.
    n_seats
        Seats of each district (electoral votes), whole numbers >= 0, shape (district,); None: one each.
    interval
        Probability of the interval of seats, in (0, 1).
    also
        Those of further intervals.

    Raises
    ------
    FrameError, DrawsError
        If the options do not belong together; see `mrp.chances.leads`.
    ShapeMismatch
        If ``n_seats`` has another number of districts.
    ValueError
        If ``interval`` is not inside (0, 1), or a number of seats is negative or not whole.
    """
    share = stacked(options)
    n_options, _, n_districts = share.shape
    per_district = np.ones(n_districts, dtype=np.int64) if n_seats is None else np.asarray(n_seats)
    if per_district.shape != (n_districts,):
        raise ShapeMismatch("n_seats", f"({n_districts},)", per_district.shape)
    if per_district.dtype.kind not in "iu":
        raise ValueError(f"n_seats are of type {per_district.dtype}; they have to be whole numbers")
    if (per_district < 0).any():
        raise ValueError(f"a district has {per_district.min()} seats; it needs 0 or more")
    source = next(iter(options.values()))
    total = int(per_district.sum())
    won = _winner(share) == np.arange(n_options)[:, None, None]
    count = (won @ per_district).astype(np.float64)  # (option, draw)
    majority = count > total / 2
    most = count == count.max(axis=0)
    sizes = quantities(count.T, source, interval=interval, also=also)
    p_majority = probabilities(majority.T.astype(np.float64), source, behind=count.T)
    p_most = probabilities((most / most.sum(axis=0)).T, source, behind=count.T)
    effective = effective_draws(count.T, n_chains=source.n_chains, points=source.points)
    forecast = tuple(
        OptionSeats(name, sizes[o], *_distribution(count[o], total, effective[o]), p_majority[o], p_most[o])
        for o, name in enumerate(options)
    )
    tips = _tipping(share, won, majority, per_district, total)
    chance = probabilities(tips, source)
    order = np.argsort([-p.value for p in chance], kind="stable")
    names = area_names(source)
    return SeatForecast(forecast, total, tuple((names[d], chance[d]) for d in order))


def _winner(share: Floats) -> NDArray[np.int64]:
    """Option that gets each district, shape (draw, district)."""
    best = share == share.max(axis=0)
    n_best = best.sum(axis=0)
    turn = 1 + np.arange(share.shape[1])[:, None] % n_best
    return np.asarray(np.argmax(np.cumsum(best, axis=0) == turn, axis=0), dtype=np.int64)


def _distribution(count: Floats, total: int, effective: float) -> tuple[Floats, Floats]:
    share = np.bincount(count.astype(np.int64), minlength=total + 1) / count.size
    n = min(effective, count.size)
    q = (n * share + 0.5) / (n + 1)  # as in mrp.quantity: what no draw shows is not impossible
    return share, np.sqrt(q * (1 - q) / n)


def _tipping(
    share: Floats,
    won: NDArray[np.bool_],
    majority: NDArray[np.bool_],
    per_district: NDArray[np.int64],
    total: int,
) -> Floats:
    """1 where a district tips the majority in a draw, shape (draw, district)."""
    tips = np.zeros(share.shape[1:])
    for option in range(len(share)):
        draws = np.flatnonzero(majority[option])
        mine = share[option, draws]
        margin = np.where(won[option, draws], mine - np.delete(share[:, draws], option, axis=0).max(axis=0), -np.inf)
        safest = np.argsort(-margin, axis=1, kind="stable")
        seats_so_far = np.cumsum((won[option, draws] * per_district)[np.arange(len(draws))[:, None], safest], axis=1)
        decisive = np.argmax(seats_so_far > total / 2, axis=1)
        tips[draws, safest[np.arange(len(draws)), decisive]] = 1
    return tips
