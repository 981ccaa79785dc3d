"""Sizes are right within a fifth, and tell no count: groups whose counts differ by one are nearly always told alike."""

import math

import pytest

from mrp.checks.told import told_size, told_strength


@pytest.mark.parametrize("z", [3.6, 4.9, 6.0, 9.0, 25.0, 45.0])
def test_a_size_is_right_within_a_fifth(z: float):
    assert told_size(z, 0.02) == pytest.approx(z * 0.02, rel=0.2)
    assert told_size(-z, 0.02) == -told_size(z, 0.02)


def test_one_answer_more_of_thirty_is_nearly_always_told_as_the_same():
    sd = math.sqrt(0.25 / 30)
    sizes = [told_size((y / 30 - 0.5) / sd, sd) for y in range(15, 31)]

    assert len(set(sizes)) <= 4


def test_strength_grows_with_the_steps_alone():
    assert told_strength(5.0) == told_strength(6.9)
    assert told_strength(5.0) < told_strength(7.0) < told_strength(100.0)
    assert told_strength(1.0) == 0.0
    assert told_strength(5.0) == pytest.approx(6.2, abs=0.1)  # P(|z| > 5) = 5.7e-7
