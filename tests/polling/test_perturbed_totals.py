"""Sums of answers as they may leave: unbiased, the same in every query, and hardly telling of anybody."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polling.perturbed_totals import STEPS, perturb_totals, total_noise_variance

KEY = bytes(range(32))
WHOSE = {"by": ("district", "age"), "survey": "town", "question": "minutes", "key": KEY}


def cells(n: int, mean: float, *, many: int = 1) -> pl.DataFrame:
    return pl.DataFrame(
        {"district": [f"D{i}" for i in range(many)], "age": ["old"] * many, "n": [n] * many, "mean": [mean] * many}
    )


def shown(table: pl.DataFrame, within: tuple[float, float] = (0, 60), **other: object) -> list[float]:
    return perturb_totals(table, within=within, **WHOSE | other)["total"].to_list()


def test_sums_are_about_the_middle_and_have_noise_of_the_variance_that_is_said():
    # 4,000 cells of three people whose mean is 40: 30 above the middle together, in steps of 0.06.
    told = np.array(shown(cells(3, 40.0, many=4000)))
    sd = math.sqrt(total_noise_variance((0, 60)))

    assert sd == pytest.approx(math.sqrt(2) * 60 / math.log(3), rel=1e-3)
    assert abs(told.mean() - 30) < 5 * sd / math.sqrt(4000)
    # The fourth moment of a Laplace distribution is 6 times the square of its variance.
    assert abs(told.var() / sd**2 - 1) < 5 * math.sqrt(5 / 4000)
    assert np.allclose(told / 0.06, np.round(told / 0.06), atol=1e-6)


@settings(max_examples=100, deadline=None)
@given(st.floats(0, 1), st.floats(0, 1), st.integers(-3000, 3000), st.integers(1, 5))
def test_another_answer_of_one_person_makes_what_is_told_three_times_as_probable_at_most(
    answer: float, other: float, told: int, n: int
):
    # What is told is the sum in steps and two-sided geometric noise; the answers of the n - 1 others are the same.
    rate = math.log(3) / STEPS
    rest = (n - 1) * 0.25
    steps = [round((rest + one - n / 2) * STEPS) for one in (answer, other)]
    first, second = (-rate * abs(told - one) for one in steps)

    assert abs(first - second) <= math.log(3) + 1e-12


def test_it_follows_from_the_cell_its_number_and_its_sum():
    one = cells(3, 40.0, many=50)
    assert shown(one) == shown(one.sample(fraction=1, shuffle=True, seed=3)) == shown(one.select(reversed(one.columns)))
    assert shown(one.head(1)) == shown(one)[:1]
    assert shown(one)[0] != shown(cells(3, 40.2, many=50))[0]
    for other in ({"survey": "city"}, {"question": "hours"}, {"key": bytes(32)}):
        assert shown(one) != shown(one, **other)


def test_rows_of_one_cell_are_added_before_they_are_perturbed():
    apart = pl.concat([cells(1, 10.0), cells(3, 50.0)])

    assert shown(apart) == shown(cells(4, 40.0))
    assert shown(pl.concat([apart, cells(0, 5.0)])) == shown(apart)


def test_a_range_of_any_size_is_told_in_its_own_steps():
    small, large = (np.array(shown(cells(3, 0.7 * size, many=200), within=(0, size))) for size in (1e-3, 1e6))

    assert np.ptp(small) < 0.1 < 1e6 < np.ptp(large)
