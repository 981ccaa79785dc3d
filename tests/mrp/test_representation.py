"""Sample against frame: by hand, what holds for all of them, and how often chance alone is called a difference."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import binom

from mrp.errors import CountsError, FrameError, ShapeMismatch
from mrp.poststratification import AreaDraws
from mrp.representation import (
    balance,
    chance_dissimilarity,
    dissimilarity,
    interval_widths,
    share_without_interviews,
)


def test_by_hand():
    table = balance([60, 30, 10], [100, 100, 0], noise=[2.0, 1.0, 0.0])

    assert_allclose(table["frame_share"], [0.6, 0.3, 0.1])
    assert_allclose(table["sample_share"], [0.5, 0.5, 0])
    assert_allclose(table["difference"], [-0.1, 0.2, -0.1])
    assert_allclose(table["ratio"], [5 / 6, 5 / 3, 0])
    # sqrt(f (1 - f) / 200 + [(1 - f)^2 v + f^2 (3 - v)] / 200^2)
    assert_allclose(
        table["sd"] ** 2,
        [0.24 / 200 + (0.32 + 0.36) / 40_000, 0.21 / 200 + (0.49 + 0.18) / 40_000, 0.09 / 200 + 0.03 / 40_000],
    )
    assert table["standing"].to_list() == ["under", "over", "under"]
    assert dissimilarity(table) == pytest.approx(0.2)


def test_a_difference_within_chance_or_of_less_than_a_tenth_is_in_line():
    assert balance([50, 50], [12, 8])["standing"].to_list() == ["in line", "in line"]
    # Far beyond chance, but 4% more than there should be.
    assert balance([50, 50], [52_000, 48_000])["standing"].to_list() == ["in line", "in line"]
    assert balance([50, 50], [56_000, 44_000])["standing"].to_list() == ["over", "under"]


def test_a_level_without_people_has_no_ratio():
    table = balance([10, 0], [200, 40])

    assert table["ratio"].to_list() == [pytest.approx(200 / 240), None]
    assert table["standing"].to_list() == ["under", "over"]


LEVELS = st.lists(
    st.tuples(st.just(0.0) | st.floats(0.01, 1e6), st.integers(0, 500), st.floats(0, 5)), min_size=1, max_size=7
).filter(lambda rows: sum(row[0] for row in rows) > 1 and sum(row[1] for row in rows) > 0)


@settings(deadline=None)
@given(rows=LEVELS)
def test_shares_add_up_and_indices_are_shares(rows: list[tuple[float, int, float]]):
    people, n, noise = zip(*rows, strict=True)
    table = balance(people, n, noise=noise)

    for column in ("frame_share", "sample_share"):
        assert table[column].sum() == pytest.approx(1)
    assert table["difference"].sum() == pytest.approx(0, abs=1e-9)
    assert -1e-12 <= dissimilarity(table) <= 1 + 1e-12
    assert 0 <= chance_dissimilarity(table) <= 1


@settings(deadline=None)
@given(rows=LEVELS, times=st.integers(2, 50))
def test_merging_levels_adds_their_shares_and_never_raises_the_index(rows: list[tuple[float, int, float]], times: int):
    people, n, noise = (np.array(one, dtype=float) for one in zip(*rows, strict=True))
    merged = [np.append(one[:1].sum(), one[1:].sum()) for one in (people, n, noise)]
    fine, coarse = balance(people, n, noise=noise), balance(merged[0], merged[1], noise=merged[2])

    assert coarse["sample_share"][1] == pytest.approx(fine["sample_share"][1:].sum())
    assert coarse["frame_share"][1] == pytest.approx(fine["frame_share"][1:].sum())
    assert dissimilarity(coarse) <= dissimilarity(fine) + 1e-9
    # Only proportions of people matter.
    assert_allclose(balance(people * times, n)["sample_share"], fine["sample_share"])
    assert_allclose(balance(people * times, n)["frame_share"], fine["frame_share"])


def test_chance_alone_is_rarely_called_a_difference_and_the_sd_is_that_of_the_shares():
    rng = np.random.default_rng(11)
    people = np.array([50, 30, 15, 5])
    n_polls, called, z, indices = 2000, 0, [], []
    for _ in range(n_polls):
        true = rng.multinomial(400, people / people.sum())
        n = true + np.rint(rng.normal(0, 3, 4))
        table = balance(people, np.maximum(n, 0), noise=9 + 1 / 12)
        z.append(table["difference"].to_numpy() / table["sd"].to_numpy())
        called += table["standing"][1] != "in line"
        indices.append(dissimilarity(table))
    # Of a normal number 4.55% are beyond two standard deviations; fails by chance 1 in 1e4, twice that for the steps.
    assert called <= binom.isf(1e-4, n_polls, 0.055)
    assert_allclose(np.std(z, axis=0), 1, atol=4 / (2 * n_polls) ** 0.5)
    assert np.mean(indices) == pytest.approx(chance_dissimilarity(table), rel=0.05)


def test_people_in_cells_without_interviews():
    assert share_without_interviews([50, 30, 20], [3, 0, 0]) == pytest.approx(0.5)
    assert share_without_interviews([50, 50, 0], [1, 2, 0]) == 0


def test_widths_are_compared_with_the_narrowest():
    spread = np.linspace(-1, 1, 401)[:, None]
    draws = 0.5 + spread * np.array([[0.1, 0.2]])
    areas = AreaDraws(pl.DataFrame({"age": ["young", "old"], "n_people": [1.0, 1.0]}), draws)
    table = interval_widths(areas, interval=0.5)

    assert_allclose(table["width"], [0.1, 0.2], atol=1e-12)
    assert_allclose(table["width_ratio"], [1, 2])
    assert_allclose(table["high"] - table["low"], table["width"])
    certain = AreaDraws(areas.areas, np.full((9, 2), 0.5))
    assert interval_widths(certain)["width_ratio"].to_list() == [1, 1]


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(FrameError, match="people"):
        balance([0, 0], [1, 1])
    with pytest.raises(CountsError, match="interviews"):
        balance([1, 1], [0, 0])
    with pytest.raises(CountsError, match="interviews"):
        balance([1, 1], [1, 1], noise=-1)
    with pytest.raises(ShapeMismatch, match="n_interviews"):
        balance([1, 1], [1, 1, 1])
    with pytest.raises(ShapeMismatch, match="n_interviews"):
        share_without_interviews([1, 1], [1])
    with pytest.raises(FrameError, match="no people"):
        share_without_interviews([0], [1])
