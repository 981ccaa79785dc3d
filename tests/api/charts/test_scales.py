"""Axes: round ticks that hold everything that is drawn."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.charts.map_classes import map_classes
from api.charts.scales import count_scale, difference_scale, share_scale

SHARES = st.floats(0, 1)
CLOSE = 1e-9


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([0.22, 0.60], (0.2, 0.3, 0.4, 0.5, 0.6)),
        ([0.0, 1.0], (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)),
        ([0.5], (0.5, 0.5005)),
        ([1.0], (0.9995, 1.0)),
        ([], (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)),
    ],
)
def test_ticks_of_shares_are_round(values: list[float], ticks: tuple[float, ...]):
    assert share_scale(values).ticks == pytest.approx(ticks)


def test_differences_have_zero_among_their_ticks():
    assert difference_scale([0.021, 0.049]).ticks == pytest.approx((0.0, 0.01, 0.02, 0.03, 0.04, 0.05))
    assert difference_scale([-0.031, 0.012]).ticks == pytest.approx((-0.04, -0.03, -0.02, -0.01, 0.0, 0.01, 0.02))


def test_counts_begin_at_zero():
    assert count_scale([3, 60]).ticks == pytest.approx((0, 10, 20, 30, 40, 50, 60))
    assert count_scale([1]).ticks == (0, 1)


@given(st.lists(SHARES, min_size=1, max_size=5))
def test_any_shares_lie_between_the_ends_and_the_ends_within_shares(values: list[float]):
    scale = share_scale(values)

    assert 0 <= scale.low <= min(values) + CLOSE
    assert max(values) - CLOSE <= scale.high <= 1
    assert 2 <= len(scale.ticks) <= 7
    assert list(scale.ticks) == sorted(set(scale.ticks))


@given(st.lists(st.floats(-1, 1), max_size=5))
def test_any_differences_lie_between_the_ends(values: list[float]):
    scale = difference_scale(values)

    assert scale.low - CLOSE <= min((0, *values))
    assert max((0, *values)) <= scale.high + CLOSE
    assert any(abs(tick) < CLOSE for tick in scale.ticks)
    assert len(scale.ticks) <= 7


@given(st.lists(st.tuples(SHARES, SHARES), min_size=1, max_size=6))
def test_any_share_and_interval_has_a_colour_and_a_class_that_holds_it(pairs: list[tuple[float, float]]):
    shares, widths = ([pair[part] for pair in pairs] for part in (0, 1))
    classes = map_classes(shares, widths)

    for share, width in pairs:
        row, column = classes.of(share, width)
        low = classes.share_low + column * classes.share_step * 2**row
        assert low - 1e-6 <= share <= low + classes.share_step * 2**row + 1e-6
        # The first row whose classes are as wide as half the interval.
        assert row == 3 or classes.share_step * 2**row >= width / 2 - 1e-6
        assert row == 0 or classes.share_step * 2 ** (row - 1) < width / 2 + 1e-6
