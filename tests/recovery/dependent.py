"""What is asserted of planted surveys whose estimates share errors: the districts of one country, and its options.

The interviews of a survey move all its districts together, so that a thousand intervals are no thousand trials. How
much they move together the fit says itself: where it is calibrated, the truth is as one of its draws. So every draw in
turn is taken for the truth, the same number is computed of it, and what the truths of all surveys add up to has to be
what one draw of each survey at random adds up to. Surveys are independent; nothing in them is taken to be. Seats are
whole numbers, whose closed intervals cover more often than they say: those of draws do so too.

Draws that are too narrow or in the wrong place depend on each other as before, so that no such fault widens what is
allowed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Planted", "assert_centred", "assert_covered", "assert_winners"]

type Floats = NDArray[np.float64]

_TIMES = 20_000
"""So often one draw of each survey is chosen at random."""


@dataclass(frozen=True, slots=True)
class Planted:
    """One survey."""

    draws: Floats
    """Shape (draw, estimate)."""
    truth: Floats
    """Shape (estimate,)."""


def assert_covered(surveys: Sequence[Planted], *, interval: float = 0.9, alpha: float = 1e-3) -> float:
    """Fail if central intervals cover the truth less or more often than they cover draws; return the share covered.

    Parameters
    ----------
    alpha
        Chance of failing when the model is exactly calibrated.
    """
    found, of_draws = 0.0, []
    for one in surveys:
        low, high = np.quantile(one.draws, [(1 - interval) / 2, (1 + interval) / 2], axis=0)
        found += float(((low <= one.truth) & (one.truth <= high)).sum())
        of_draws.append(((low <= one.draws) & (one.draws <= high)).sum(axis=1))
    n = sum(one.truth.size for one in surveys)
    least, most = _allowed(of_draws, alpha)
    assert least <= found <= most, (
        f"{interval:.0%} intervals covered {found:.0f} of {n} truths, expected {least:.0f} to {most:.0f}"
    )
    return found / n


def assert_centred(surveys: Sequence[Planted], *, alpha: float = 1e-3) -> float:
    """Fail if truths are above or below their posterior means more than draws are; return by how many sds on average.

    Parameters
    ----------
    alpha
        Chance of failing when the model is exactly calibrated.
    """
    found, of_draws = 0.0, []
    for one in surveys:
        mean, sd = one.draws.mean(axis=0), one.draws.std(axis=0)
        found += float(((one.truth - mean) / sd).sum())
        of_draws.append(((one.draws - mean) / sd).sum(axis=1))
    n = sum(one.truth.size for one in surveys)
    least, most = (bound / n for bound in _allowed(of_draws, alpha))
    assert least <= found / n <= most, (
        f"truths are {found / n:+.3f} sds above posterior means, expected {least:+.3f} to {most:+.3f}"
    )
    return found / n


def assert_winners(
    means: Sequence[Floats], truths: Sequence[Floats], *, lead: float = 0.05, least: float = 0.95
) -> tuple[int, int]:
    """Fail if the option with the highest mean is too seldom the one that won, where the win was clear.

    Parameters
    ----------
    means, truths
        Shares of one survey each, shape (district, option).
    lead
        Of the winner over the second, from which a win is clear.
    least
        Share of clear wins that have to be right, of all surveys together.

    Returns
    -------
    right, clear
        Numbers of districts.
    """
    right = clear = 0
    for mean, truth in zip(means, truths, strict=True):
        second, first = np.sort(truth, axis=1)[:, -2:].T
        is_clear = first - second > lead
        clear += int(is_clear.sum())
        right += int((mean.argmax(axis=1) == truth.argmax(axis=1))[is_clear].sum())
    assert clear, f"no district has a lead of more than {lead}"
    assert right >= least * clear, f"the winner is right in {right} of {clear} districts, expected {least:.0%} or more"
    return right, clear


def _allowed(of_draws: Sequence[NDArray[np.number]], alpha: float) -> tuple[float, float]:
    """What the sum over surveys of a draw's number is between, but for a chance of ``alpha``."""
    rng = np.random.default_rng(0)
    total = sum(rng.choice(numbers, _TIMES) for numbers in of_draws)
    least, most = np.quantile(total, [alpha / 2, 1 - alpha / 2])
    return float(least), float(most)
