"""Shares from noisy counts: by hand, without noise as interviews give them, and intervals that cover with it."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import binom

from mrp.direct import direct_estimates
from mrp.errors import CountsError
from mrp.perturbed_shares import perturbed_shares
from polling.disclosure import ANSWER_NOISE_VARIANCE, COUNT_NOISE_VARIANCE, OPTION_NOISE_VARIANCE, perturb_counts


def table(n: list[float], y: list[float], weight: list[float] | None = None, place: str = "a") -> pl.DataFrame:
    ones = [1.0] * len(n)
    return pl.DataFrame({"place": [place] * len(n), "n": n, "y": y, "weight": weight or ones, "noisy": [1] * len(n)})


def test_by_hand():
    row = perturbed_shares(table([10, 30], [4, 6], [2.0, 1.0]), count_noise=0.5, answer_noise=1.5).row(0, named=True)

    # Weighted answers 14 of 50; sum w^2 n = 70, so that sampling is worth 2500 / 70 interviews.
    assert row["share"] == pytest.approx(0.28)
    assert row["n_interviews"] == 40
    assert row["design_effect"] == pytest.approx(40 * 70 / 2500)
    s = (14 / 50 * 2500 / 70 + 2) / (2500 / 70 + 4)
    noise = 5 * (1.5 + s**2 * 0.5) / (s * (1 - s))
    assert row["n_effective"] == pytest.approx(2500 / (70 + noise))
    # The noise has the variance noise s (1 - s) / 2500 in the share; Wilson's interval of 2500 / 70 interviews is from
    # 0.1753 to 0.4156, and each end is moved out by it.
    spread = 1.6449**2 * noise * s * (1 - s) / 2500
    assert row["low"] == pytest.approx(0.28 - ((0.28 - 0.1753) ** 2 + spread) ** 0.5, abs=2e-4)
    assert row["high"] == pytest.approx(0.28 + ((0.4156 - 0.28) ** 2 + spread) ** 0.5, abs=2e-4)


COUNTS = st.lists(
    st.integers(1, 9).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.floats(0.1, 5))),
    min_size=1,
    max_size=6,
)


@settings(deadline=None, max_examples=50)
@given(counts=COUNTS)
def test_without_noise_it_is_what_interviews_give(counts: list[tuple[int, int, float]]):
    n, y, w = (list(one) for one in zip(*counts, strict=True))
    told = perturbed_shares(table(n, y, w), by=("place",), count_noise=0, answer_noise=0)
    interviews = pl.DataFrame(
        [("a", "yes" if i < y_c else "no", w_c) for n_c, y_c, w_c in counts for i in range(n_c)],
        schema=["place", "vote", "w"],
        orient="row",
    )
    expected = direct_estimates(interviews, by=("place",), answer="vote", option="yes", weight=interviews["w"])

    for column in ("n_interviews", "n_effective", "design_effect", "share", "low", "high"):
        assert_allclose(told[column].to_numpy(), expected[column].to_numpy(), rtol=1e-9, atol=1e-9)


@settings(deadline=None, max_examples=50)
@given(counts=COUNTS, noise=st.floats(0.1, 3))
def test_noise_widens_the_interval_and_never_leaves_the_shares(counts: list[tuple[int, int, float]], noise: float):
    n, y, w = (list(one) for one in zip(*counts, strict=True))
    with_it = perturbed_shares(table(n, [one + 9 for one in y], w), count_noise=noise, answer_noise=noise).row(
        0, named=True
    )
    without = perturbed_shares(table(n, [one + 9 for one in y], w), count_noise=0, answer_noise=0).row(0, named=True)

    assert 0 <= with_it["low"] <= with_it["share"] + 1e-12
    assert with_it["share"] - 1e-12 <= with_it["high"] <= 1
    assert with_it["n_effective"] < without["n_effective"]
    assert with_it["low"] <= without["low"]
    assert with_it["high"] >= without["high"]


def test_intervals_cover_with_the_noise_in_them_and_not_without():
    # 400 polls of 300 people in 60 cells. Wilson's interval covers about as often as it says; fails by chance 1 in 1e6.
    rng = np.random.default_rng(7)
    covered = dict.fromkeys((True, False), 0)
    for _ in range(400):
        n = rng.multinomial(300, np.full(60, 1 / 60))
        y = rng.binomial(n, 0.35)
        n_noise = np.where(n > 0, rng.integers(-1, 2, 60), 0)
        y_noise = np.where(n > 0, rng.geometric(2 / 3, 60) - rng.geometric(2 / 3, 60), 0)
        poll = table((n + n_noise).tolist(), (y + y_noise).tolist()).with_columns(noisy=pl.Series((n > 0).astype(int)))
        for known in covered:
            noise = {"count_noise": 2 / 3, "answer_noise": 3 / 2} if known else {"count_noise": 0, "answer_noise": 0}
            row = perturbed_shares(poll, interval=0.9, **noise).row(0, named=True)
            covered[known] += row["low"] <= 0.35 <= row["high"]
    least, most = binom.interval(1 - 1e-6, 400, 0.9)

    assert least <= covered[True] <= most
    assert covered[False] < least


@pytest.mark.parametrize(("cells", "n"), [(1, 30), (20, 100)])
@pytest.mark.parametrize("chosen", [0.0, 0.03, 0.5, 1.0])
@pytest.mark.parametrize("answer", ["y", "y[Isles]"])
def test_the_share_among_those_interviewed_is_inside_for_all_but_few_keys(
    cells: int, n: int, chosen: float, answer: str
):
    # The same interviews under 200 keys, as they are shown; fails by chance 1 in 1e6 each at most.
    sizes = np.full(cells, n // cells)
    exact = pl.DataFrame(
        {"cell": np.arange(cells), "n": sizes, answer: np.diff(np.round(chosen * np.append(0, np.cumsum(sizes))))}
    ).cast(pl.Int64)
    share = exact[answer].sum() / exact["n"].sum()
    shown = pl.concat(
        perturb_counts(exact, by=("cell",), survey="s", question="q", key=f"key {i}".encode()).with_columns(key=i)
        for i in range(200)
    ).with_columns(y=pl.col(answer), weight=1.0, noisy=(pl.col("n") > 0).cast(pl.Int64))
    noise = ANSWER_NOISE_VARIANCE if answer == "y" else OPTION_NOISE_VARIANCE
    for interval in (0.5, 0.9, 0.95):
        told = perturbed_shares(
            shown, by=("key",), count_noise=COUNT_NOISE_VARIANCE, answer_noise=noise, interval=interval
        )
        inside = ((told["low"] - 1e-12 <= share) & (share <= told["high"] + 1e-12)).sum()

        assert inside >= binom.ppf(1e-6, 200, interval)


def test_the_share_among_the_people_is_inside_as_often_as_is_said():
    # 400 polls of 40 people in 8 cells, of one option among several; fails by chance 1 in 1e6 for each share.
    rng = np.random.default_rng(20)
    for share in (0.15, 0.4):
        n = rng.multinomial(40, np.full(8, 1 / 8), size=400)
        polls = pl.DataFrame(
            {
                "poll": np.repeat(np.arange(400), 8),
                "cell": np.tile(np.arange(8), 400),
                "n": n.ravel(),
                "y[Isles]": rng.binomial(n, share).ravel(),
            }
        )
        shown = perturb_counts(polls, by=("poll", "cell"), survey="s", question="q", key=b"key").with_columns(
            y=pl.col("y[Isles]"), weight=1.0, noisy=(pl.col("n") > 0).cast(pl.Int64) + (pl.col("n") == 1).cast(pl.Int64)
        )
        told = perturbed_shares(
            shown, by=("poll",), count_noise=COUNT_NOISE_VARIANCE, answer_noise=OPTION_NOISE_VARIANCE, interval=0.9
        )
        inside = ((told["low"] <= share) & (share <= told["high"])).sum()

        assert told.height == 400
        assert inside >= binom.ppf(1e-6, 400, 0.9)


def test_cells_where_nobody_can_have_given_the_answer_have_no_noise_in_it():
    poll = table([20, 20, 20], [9, 0, 0])
    noise = {"count_noise": 2 / 3, "answer_noise": 6.5}
    every, some = (
        perturbed_shares(one, **noise).row(0, named=True)
        for one in (poll, poll.with_columns(noisy_y=pl.Series([1, 0, 0])))
    )

    assert some["share"] == every["share"]
    # Of three cells' noise in the answers one is left; l and u of sampling alone are the same.
    low = perturbed_shares(poll, count_noise=0, answer_noise=0).row(0, named=True)["low"]
    s = (9 + 2) / (60 + 4)
    left, all_ = ((9 / 60 - one["low"]) ** 2 - (9 / 60 - low) ** 2 for one in (some, every))
    assert left / all_ == pytest.approx((6.5 + 3 * s**2 * 2 / 3) / (3 * 6.5 + 3 * s**2 * 2 / 3))


def test_groups_are_sorted_and_one_that_weighs_nothing_has_no_row():
    both = pl.concat([table([40], [10], place="b"), table([50], [10], place="a"), table([9], [3], [0.0], place="c")])

    assert perturbed_shares(both, by=("place",), count_noise=0, answer_noise=0)["place"].to_list() == ["a", "b"]
    assert perturbed_shares(both.clear(), by=("place",), count_noise=0, answer_noise=0).height == 0


def test_a_missing_column_is_named():
    with pytest.raises(CountsError, match="no column 'noisy'"):
        perturbed_shares(table([1], [1]).drop("noisy"), count_noise=0, answer_noise=0)
