"""What is said about growth: of memory that climbs, that goes up and down, and that was looked at too briefly."""

import random

import pytest

from tests.faults.replicas_watch import LEAST_WINDOWS, WINDOW_S, growth_of

MINUTES = 30


def looked(level, *, minutes=MINUTES, every_s=2.0):
    return [(n * every_s, level(n * every_s / 60)) for n in range(int(minutes * 60 / every_s))]


def test_a_straight_line_grows_by_what_it_climbs_over_its_last_two_thirds():
    # From minute 10 to minute 29, each told by its last look: 19 minutes of 3 MB each, around 100 + 3 * 20.5 less 0.1.
    grown, middle = growth_of(looked(lambda minute: 100 + 3 * minute))

    assert grown == pytest.approx(57)
    assert middle == pytest.approx(100 + 3 * (20 + 58 / 60 - 0.5), abs=0.1)


def test_what_fills_in_the_first_third_does_not_grow():
    grown, middle = growth_of(looked(lambda minute: 100 + 20 * min(minute, 9)))

    assert (grown, middle) == (0, 280)


def test_fits_that_come_and_go_do_not_grow_though_one_is_large():
    chance = random.Random(3)
    grown, _ = growth_of(looked(lambda minute: 5000 if 27 < minute < 28 else chance.choice((0, 390, 400))))

    assert grown == 0


def test_a_leak_is_seen_through_the_noise():
    chance = random.Random(4)
    grown, middle = growth_of(looked(lambda minute: 400 + 2 * minute + chance.uniform(-10, 10)))

    # 38 MB; the highest of thirty even deviations is within 2 of 10 in all but a few minutes.
    assert grown == pytest.approx(38, abs=4)
    assert grown > 0.05 * middle


def test_a_short_look_says_nothing():
    assert growth_of([]) is None
    assert growth_of(looked(lambda _: 1.0, minutes=2)) is None
    enough = WINDOW_S / 60 * (LEAST_WINDOWS * 1.5 + 1)
    assert growth_of(looked(lambda _: 1.0, minutes=enough)) is not None
