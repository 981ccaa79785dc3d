"""What calibrated intervals would have covered: the binomial band around a nominal coverage.

Of n independent intervals with probability p, Binomial(n, p) cover. The band holds the shares that 95% of such counts
have, so that an observed share outside it is a surprise to whoever believes the intervals. Districts of one election
are not independent: they are wrong together, and even calibrated intervals then leave the band more often than that.
"""

from typing import Final

__all__ = ["BAND", "binomial_band"]

BAND: Final = 0.95
"""Probability that the share covered lies in the band."""


def binomial_band(nominal: float, n: int, *, probability: float = BAND) -> tuple[float, float]:
    """Least and largest share of n independent intervals that cover, but for the surprising ones.

    Parameters
    ----------
    nominal
        Probability of each interval, in (0, 1).
    n
        How many intervals, at least 1.
    probability
        Of the band, in (0, 1); it holds at least that.

    Returns
    -------
    tuple of float
        Two shares in [0, 1].

    Raises
    ------
    ValueError
        If one of them is out of range.

    Examples
    --------
    >>> binomial_band(0.5, 4)
    (0.0, 1.0)
    """
    if not 0 < nominal < 1 or not 0 < probability < 1 or n < 1:
        raise ValueError(
            f"a band needs probabilities inside (0, 1) and an interval at least, got {nominal}, {probability}, {n}"
        )
    from scipy import stats  # slow to import, and the web process is to be ready soon

    low, high = stats.binom.interval(probability, n, nominal)
    return float(low) / n, float(high) / n
