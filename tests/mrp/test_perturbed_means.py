"""Means from noisy sums: by hand, without noise as interviews give them, and intervals that cover with it."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import binom

from mrp.errors import CountsError
from mrp.perturbed_means import perturbed_means

ALL = pl.DataFrame({"place": ["a", "b", "c"], "answer_variance": [25.0, 25.0, 25.0]})
QUIET = {"within": (0.0, 20.0), "count_noise": 0.0, "total_noise": 0.0}


def table(n: list[float], total: list[float], weight: list[float] | None = None, place: str = "a") -> pl.DataFrame:
    ones = [1.0] * len(n)
    return pl.DataFrame(
        {"place": [place] * len(n), "n": n, "total": total, "weight": weight or ones, "noisy": [1] * len(n)}
    )


def test_by_hand():
    cells = table([10, 30], [40, -60], [2.0, 1.0])
    row = perturbed_means(cells, ALL.head(1), within=(0, 20), count_noise=0.5, total_noise=200).row(0, named=True)

    # About 10, the middle: weighted sums 80 - 60 of 50, so that the mean is 10.4; sum w^2 n = 70.
    assert row["mean"] == pytest.approx(10.4)
    assert row["n_interviews"] == 40
    assert row["design_effect"] == pytest.approx(40 * 70 / 2500)
    noise = (4 + 1) * (200 + 0.4**2 * 0.5) / 25
    assert row["n_effective"] == pytest.approx(2500 / (70 + noise))
    assert row["high"] - row["mean"] == pytest.approx(1.6448536 * 5 / np.sqrt(2500 / (70 + noise)))


ANSWERS = st.lists(
    st.tuples(st.lists(st.floats(0, 20), min_size=1, max_size=5), st.floats(0.1, 5)), min_size=1, max_size=5
)


@settings(deadline=None, max_examples=50)
@given(answers=ANSWERS)
def test_without_noise_it_is_the_weighted_mean_of_the_answers(answers: list[tuple[list[float], float]]):
    n = [float(len(some)) for some, _ in answers]
    total = [sum(some) - 10 * len(some) for some, _ in answers]
    weights = [weight for _, weight in answers]
    row = perturbed_means(table(n, total, weights), ALL, by=("place",), **QUIET).row(0, named=True)

    every = np.array([one for some, _ in answers for one in some])
    of_each = np.repeat(weights, [len(some) for some, _ in answers])
    assert_allclose(row["mean"], np.average(every, weights=of_each), rtol=1e-9, atol=1e-9)
    assert_allclose(row["n_effective"], of_each.sum() ** 2 / (of_each**2).sum(), rtol=1e-9)


@settings(deadline=None, max_examples=50)
@given(answers=ANSWERS, noise=st.floats(0.1, 900), off=st.floats(-500, 500))
def test_noise_widens_the_interval_and_never_leaves_the_range(
    answers: list[tuple[list[float], float]], noise: float, off: float
):
    n = [float(len(some)) for some, _ in answers]
    total = [sum(some) - 10 * len(some) + off for some, _ in answers]
    cells, loud = table(n, total), QUIET | {"count_noise": noise, "total_noise": noise}
    with_it, without = (perturbed_means(cells, ALL, by=("place",), **one).row(0, named=True) for one in (loud, QUIET))

    assert 0 <= with_it["low"] <= with_it["mean"] <= with_it["high"] <= 20
    assert with_it["n_effective"] < without["n_effective"]


def test_intervals_cover_with_the_noise_in_them_and_not_without():
    # 400 polls of 300 people in 60 cells, whose answers are uniform; fails by chance 1 in 1e6.
    rng = np.random.default_rng(11)
    covered = dict.fromkeys((True, False), 0)
    rate = np.log(3) / 20
    variance = 2 * np.exp(-rate) / np.expm1(-rate) ** 2
    uniform = pl.DataFrame({"answer_variance": [20**2 / 12]})
    for _ in range(400):
        n = rng.multinomial(300, np.full(60, 1 / 60))
        total = np.array([(rng.uniform(0, 20, one) - 10).sum() for one in n])
        n_noise = np.where(n > 0, rng.integers(-1, 2, 60), 0)
        p = -np.expm1(-rate)
        noise = np.where(n > 0, rng.geometric(p, 60) - rng.geometric(p, 60), 0)
        poll = table((n + n_noise).tolist(), (total + noise).tolist()).with_columns(
            noisy=pl.Series((n > 0).astype(int))
        )
        for known in covered:
            told = {"count_noise": 2 / 3, "total_noise": variance} if known else {"count_noise": 0, "total_noise": 0}
            row = perturbed_means(poll, uniform, within=(0, 20), interval=0.9, **told).row(0, named=True)
            covered[known] += row["low"] <= 10 <= row["high"]
    least, most = binom.interval(1 - 1e-6, 400, 0.9)

    assert least <= covered[True] <= most
    assert covered[False] < least


def test_groups_are_sorted_and_one_that_weighs_nothing_or_has_no_variance_has_no_row():
    both = pl.concat(
        [
            table([40], [10], place="b"),
            table([50], [10], place="a"),
            table([9], [3], [0.0], place="c"),
            table([9], [3], place="d"),
        ]
    )

    assert perturbed_means(both, ALL, by=("place",), **QUIET)["place"].to_list() == ["a", "b"]


@pytest.mark.parametrize(("lacks", "told"), [("noisy", "the cells have no column 'noisy'"), ("", "the variances have")])
def test_a_missing_column_is_named(lacks: str, told: str):
    variances = ALL if lacks else ALL.drop("answer_variance")
    with pytest.raises(CountsError, match=told):
        perturbed_means(table([1], [1]).drop(lacks, strict=False), variances, by=("place",), **QUIET)
