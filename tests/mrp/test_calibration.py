"""The binomial band, by hand and by adding up probabilities."""

from math import comb

import pytest

from mrp.calibration import binomial_band


def test_the_band_by_hand():
    # Of 4 fair coins 0 and 4 heads have probability 1/16 each: without them 0.875 are left, less than 0.95.
    assert binomial_band(0.5, 4) == (0.0, 1.0)
    assert binomial_band(0.5, 4, probability=0.8) == (0.25, 0.75)


@pytest.mark.parametrize(("nominal", "n"), [(0.5, 14), (0.8, 14), (0.9, 50), (0.95, 32)])
def test_the_band_holds_what_it_says_and_no_more_than_it_must(nominal: float, n: int):
    low, high = binomial_band(nominal, n)
    p = [comb(n, k) * nominal**k * (1 - nominal) ** (n - k) for k in range(n + 1)]
    first, last = round(low * n), round(high * n)

    assert sum(p[first : last + 1]) >= 0.95
    assert sum(p[:first]) <= 0.025
    assert sum(p[last + 1 :]) <= 0.025


@pytest.mark.parametrize(("nominal", "n"), [(0.0, 5), (1.0, 5), (0.5, 0)])
def test_what_is_no_interval_is_refused(nominal: float, n: int):
    with pytest.raises(ValueError, match="a band needs"):
        binomial_band(nominal, n)
