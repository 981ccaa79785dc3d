"""Shares beside their limits."""

import pytest

from polling.quality.flag import percents


@pytest.mark.parametrize(
    ("measured", "limit", "told"),
    [
        (2 / 193, 0.01, ("1.04%", "1.00%")),
        (0.01, 0.01, ("1.0%", "1.0%")),
        (0.2, 0.1, ("20.0%", "10.0%")),
        (0.1000001, 0.1, ("10.00001%", "10.00000%")),
    ],
)
def test_a_share_over_its_limit_is_told_with_the_digits_that_it_takes(
    measured: float, limit: float, told: tuple[str, str]
):
    assert percents(measured, limit) == told
