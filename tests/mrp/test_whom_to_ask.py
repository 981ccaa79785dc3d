"""Whom to ask next: exact for one answer, as a fit with the interviews would find, nothing where nothing is learned."""

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose
from scipy.stats import beta

from mrp.errors import DrawsError
from mrp.poststratification import AreaDraws
from mrp.whom_to_ask import Narrowing, expected_narrowing, expected_narrowing_of_options


def areas(draws: np.ndarray, name: str = "district") -> AreaDraws:
    labels = [f"{name} {i}" for i in range(draws.shape[1])]
    return AreaDraws(pl.DataFrame({name: labels, "n_people": [1.0] * draws.shape[1]}), draws, fit="one")


def test_two_draws_by_hand():
    # p and theta are 0.2 or 0.6 together. Of one answer: Var = 0.04, P(yes) = 0.4; theta given yes is
    # (0.2 * 0.2 + 0.6 * 0.6) / 0.8 = 0.5, given no (0.8 * 0.2 + 0.4 * 0.6) / 1.2 = 1/3. Variances that remain:
    # 0.4 * (0.3 * 0.1 ...) in all 0.04 - Var(0.5, 1/3) = 0.04 - 0.24 / 36. Repeated, so that the noise of a
    # covariance of draws is nothing.
    draws = np.tile([[0.2], [0.6]], (200_000, 1))
    found = expected_narrowing(areas(draws), areas(draws, "group"), n=1)
    assert_allclose(found.sd_before, 0.2)
    assert_allclose(found.sd_after, np.sqrt(0.04 - 0.24 / 36), rtol=1e-4)


@pytest.mark.parametrize("n", [1, 10, 200])
def test_a_share_that_is_asked_for_itself_has_the_variance_of_its_beta_posterior(n: int):
    a, b = 6.0, 9.0
    draws = beta(a, b).ppf((np.arange(50_000) + 0.5) / 50_000)
    draws = np.random.default_rng(1).permutation(draws)[:, None]
    found = expected_narrowing(areas(draws), areas(draws, "group"), n=n)
    # E Var(p | y) of a beta-binomial, in which the best rule is linear.
    remains = beta(a, b).var() * (a + b) / (a + b + n)
    assert_allclose(found.sd_after[0, 0] ** 2, remains, rtol=2e-3)


def test_groups_that_tell_nothing_do_not_look_as_if_they_did():
    rng = np.random.default_rng(2)
    theta, strange = rng.beta(20, 20, (1000, 30)), rng.beta(20, 20, (1000, 30))
    found = expected_narrowing(areas(theta), areas(strange, "group"), n=100)
    assert found.narrower.mean() < 0.001
    own = expected_narrowing(areas(theta), areas(theta, "group"), n=100)
    assert (np.diag(own.narrower) > 0.3).all()
    assert own.ranked()["target"].to_list() == [
        name.replace("group", "district") for name in own.ranked()["group"].to_list()
    ]


def test_more_interviews_tell_more_and_never_more_than_there_is_to_know():
    rng = np.random.default_rng(3)
    shared = rng.normal(0, 0.05, (2000, 1))
    draws = 0.5 + shared + rng.normal(0, 0.02, (2000, 3))
    before = np.inf
    for n in (1, 10, 100, 10_000):
        found = expected_narrowing(areas(draws), areas(draws[:, :1], "group"), n=n)
        assert (found.sd_after < before).all()
        assert (found.sd_after >= 0).all()
        before = found.sd_after
    assert found.ranked().columns == ["group", "n_people", "narrower", "most", "target"]


def test_draws_that_do_not_belong_together_are_refused():
    one = areas(np.full((10, 2), 0.5))
    with pytest.raises(DrawsError, match="different fits"):
        expected_narrowing(one, AreaDraws(one.areas, one.draws, fit="two"), n=1)
    with pytest.raises(DrawsError, match="from 1 on"):
        expected_narrowing(one, one, n=0)


def test_two_options_together_are_one_option_by_itself():
    rng = np.random.default_rng(4)
    draws = np.clip(0.5 + rng.normal(0, 0.05, (2000, 1)) + rng.normal(0, 0.02, (2000, 3)), 0, 1)
    alone = expected_narrowing(areas(draws), areas(draws[:, :2], "group"), n=50)
    both = expected_narrowing_of_options(
        {"yes": areas(draws), "no": areas(1 - draws)},
        {"yes": areas(draws[:, :2], "group"), "no": areas(1 - draws[:, :2], "group")},
        n=50,
    )
    assert both.targets["option"].to_list() == ["yes"] * 3 + ["no"] * 3
    assert_allclose(both.narrower[:, :3], alone.narrower, rtol=1e-6)
    assert_allclose(both.narrower[:, 3:], alone.narrower, rtol=1e-6)


@pytest.mark.parametrize("n", [1, 25, 400])
def test_shares_that_are_asked_for_themselves_have_the_variances_of_their_dirichlet_posterior(n: int):
    a = np.array([5.0, 8.0, 3.0])
    draws = np.random.default_rng(5).dirichlet(a, 200_000)
    shares = {name: areas(draws[:, [k]]) for k, name in enumerate("abc")}
    found = expected_narrowing_of_options(shares, shares, n=n)
    # Given n answers the posterior is Dirichlet again, in which the mean is linear in the counts.
    before = a / a.sum() * (1 - a / a.sum()) / (a.sum() + 1)
    assert_allclose(found.sd_after[0] ** 2, before * a.sum() / (a.sum() + n), rtol=0.02)


def test_an_option_that_does_not_stand_there_changes_nothing():
    rng = np.random.default_rng(6)
    p = np.clip(0.5 + rng.normal(0, 0.05, (2000, 1)), 0, 1)
    nothing = areas(np.zeros_like(p))
    for order in ("yes,no,isles", "yes,isles,no", "isles,yes,no"):
        every = {"yes": areas(p), "no": areas(1 - p), "isles": nothing}
        shares = {name: every[name] for name in order.split(",")}
        found = expected_narrowing_of_options(shares, shares, n=30)
        one = expected_narrowing(areas(p), areas(p), n=30).narrower[0, 0]
        lost = dict(zip(found.targets["option"], found.narrower[0], strict=True))
        assert_allclose([lost["yes"], lost["no"], lost["isles"]], [one, one, 0], rtol=1e-6)


@pytest.mark.parametrize("n", [1, 20, 500])
def test_a_mean_that_is_asked_for_itself_is_known_as_of_a_normal_sample(n: int):
    draws = 40 + 3 * np.random.default_rng(7).standard_normal((100_000, 1))
    means = AreaDraws(pl.DataFrame({"district": ["A"], "n_people": [1.0]}), draws, fit="one", kind="mean")
    found = expected_narrowing(means, means, n=n, answer_variance=np.array([15.0**2]))
    assert_allclose(found.sd_after[0, 0] ** 2, 1 / (1 / 9 + n / 225), rtol=0.02)
    with pytest.raises(DrawsError, match="answer_variance is needed"):
        expected_narrowing(means, means, n=n)


def test_an_error_that_interviews_do_not_narrow_stays_by_hand():
    # Variances 0.04 and 0.01 with errors of 0.05 and 0: 0.09 and 0.01. Interviews take 0.03 and 0.0075 off.
    areas_of = pl.DataFrame({"district": ["a", "b"], "n_people": [1.0, 1.0]})
    found = Narrowing(areas_of[:1], areas_of, 10, np.array([0.2, 0.1]), np.array([[0.1, 0.05]]))
    total = found.with_error(np.array([0.3, 0.1]))
    assert_allclose(total.sd_before, [0.3, 0.1])
    assert_allclose(total.sd_after, np.sqrt([[0.09 - 0.03, 0.01 - 0.0075]]))
    assert_allclose(total.narrower[0], [1 - np.sqrt(2 / 3), 0.5])
    # Draws of a small error may vary less than those without it.
    assert_allclose(found.with_error(np.array([0.19, 0.1])).sd_after, found.sd_after)
