import numpy as np
import pytest
from hypothesis import given, settings
from numpy.testing import assert_allclose
from scipy import stats

from mrp.areas import complement
from mrp.chances import leads
from mrp.errors import FrameError, ShapeMismatch
from mrp.seats import seats
from tests.mrp.answers import contests, estimate_of, options_of


def binary(draws):
    return {"yes": estimate_of(draws), "no": complement(estimate_of(draws))}


def test_seats_by_hand():
    # Three districts; "yes" wins 3, 2 (A, C), 1 (A) of them.
    forecast = seats(binary([[0.9, 0.6, 0.55], [0.9, 0.4, 0.6], [0.6, 0.3, 0.2]]))
    yes, no = forecast.options
    assert_allclose(yes.distribution, [0, 1 / 3, 1 / 3, 1 / 3])
    assert_allclose(no.distribution, [1 / 3, 1 / 3, 1 / 3, 0])
    assert (yes.seats.mean, no.seats.mean) == pytest.approx((2, 1))
    assert (yes.p_majority.value, yes.p_most.value) == pytest.approx((2 / 3, 2 / 3))
    # Tipping: B (safest A, then B) for yes, C for yes, and B for no (safest C by 0.6, then B by 0.4).
    assert {area["district"]: p.value for area, p in forecast.tipping} == pytest.approx(
        {"A": 0, "B": 2 / 3, "C": 1 / 3}
    )
    assert forecast.tipping[0][0] == {"district": "B"}


def reference(share, n_seats):
    """Seats of every option and the tipping district of every draw, in loops; no ties."""
    n_options, n_draws, n_areas = share.shape
    count, tipping = np.zeros((n_draws, n_options)), []
    for s in range(n_draws):
        won = {o: [] for o in range(n_options)}
        for d in range(n_areas):
            ordered = sorted(range(n_options), key=lambda o: -share[o, s, d])
            won[ordered[0]].append((share[ordered[0], s, d] - share[ordered[1], s, d], d))
            count[s, ordered[0]] += n_seats[d]
        tip = None
        for districts in won.values():
            if sum(n_seats[d] for _, d in districts) * 2 > sum(n_seats):
                so_far = 0
                for _, d in sorted(districts, reverse=True):
                    so_far += n_seats[d]
                    if tip is None and so_far * 2 > sum(n_seats):
                        tip = d
        tipping.append(tip)
    return count, tipping


@pytest.mark.parametrize("n_options", [2, 3, 4])
@pytest.mark.parametrize("weighted", [False, True])
def test_agrees_with_loops(n_options, weighted):
    rng = np.random.default_rng(n_options)
    share = rng.random((n_options, 60, 7))
    n_seats = rng.integers(0, 20, 7) if weighted else np.ones(7, dtype=int)
    count, tipping = reference(share, n_seats)

    forecast = seats(options_of(share), n_seats=n_seats)

    assert forecast.n_seats == n_seats.sum()
    for o, option in enumerate(forecast.options):
        assert option.seats.mean == pytest.approx(count[:, o].mean())
        assert option.p_majority.value == pytest.approx((count[:, o] > n_seats.sum() / 2).mean())
        assert_allclose(option.distribution, [(count[:, o] == k).mean() for k in range(n_seats.sum() + 1)])
    for area, p in forecast.tipping:
        assert p.value == pytest.approx(np.mean([t == ord(area["district"]) - ord("A") for t in tipping]))


@settings(deadline=None)
@given(contests())
def test_every_seat_goes_to_somebody(share):
    options = options_of(share)
    forecast = seats(options)
    n_districts = share.shape[2]
    assert sum(option.seats.mean for option in forecast.options) == pytest.approx(n_districts)
    assert sum(option.p_most.value for option in forecast.options) == pytest.approx(1)
    for option in forecast.options:
        assert option.distribution.sum() == pytest.approx(1)
        assert option.distribution @ np.arange(n_districts + 1) == pytest.approx(option.seats.mean)
    assert sum(p.value for _, p in forecast.tipping) == pytest.approx(
        sum(option.p_majority.value for option in forecast.options)
    )


@settings(deadline=None)
@given(contests())
def test_expected_seats_are_the_sum_of_chances_to_lead(share):
    # Up to the draws in which options tie: there a seat is whole.
    untied = share + np.random.default_rng(1).random(share.shape) * 1e-6
    options = options_of(untied)
    for option, chances in zip(seats(options).options, leads(options).values(), strict=True):
        assert option.seats.mean == pytest.approx(sum(p.value for p in chances))


def test_districts_that_tie_in_every_draw_are_shared_over_the_draws():
    yes, no = seats(binary(np.full((10, 3), 0.5))).options
    assert (yes.seats.mean, no.seats.mean) == (1.5, 1.5)
    assert_allclose(yes.distribution, [0.5, 0, 0, 0.5])


def test_common_errors_make_landslides_as_likely_as_they_are():
    """100 districts at 50% with an error in common: any number of seats, not always 50."""
    rng = np.random.default_rng(2)
    common = rng.normal(0, 0.03, (4000, 1))
    alone = rng.normal(0, 0.01, (4000, 100))
    yes = seats(binary(0.5 + common + alone)).options[0]
    draws = stats.norm.cdf(rng.normal(0, 0.03, 100_000) / 0.01)  # share of districts won given the common error
    assert yes.seats.sd == pytest.approx(np.sqrt(1e4 * draws.var() + 100 * np.mean(draws * (1 - draws))), rel=0.04)
    assert abs(yes.p_majority.value + yes.distribution[50] / 2 - 0.5) < 4 * yes.p_majority.mc_error


def test_seats_that_make_no_sense_are_refused():
    options = binary(np.full((4, 3), 0.6))
    with pytest.raises(ShapeMismatch, match=r"n_seats must have shape \(3,\)"):
        seats(options, n_seats=np.ones(2, dtype=int))
    with pytest.raises(ValueError, match="a district has -1 seats"):
        seats(options, n_seats=np.array([1, -1, 1]))
    with pytest.raises(ValueError, match="n_seats are of type float64; they have to be whole numbers"):
        seats(options, n_seats=[1.5, 1, 1])
    with pytest.raises(FrameError, match="at least two"):
        seats({"yes": options["yes"]})


def test_half_of_the_seats_is_no_majority_and_no_district_tips_it():
    forecast = seats(binary([[0.9, 0.1], [0.8, 0.3]]))
    for option in forecast.options:
        assert (option.p_majority.value, option.p_most.value) == (0, 0.5)
    assert [p.value for _, p in forecast.tipping] == [0, 0]


def test_stated_errors_of_the_distribution_are_the_errors_made():
    """200 forecasts of 4 even districts from 500 draws: 0 to 4 seats are binomial; 1 in 1,000, and 15%."""
    rng = np.random.default_rng(7)
    truth = stats.binom.pmf(np.arange(5), 4, 0.5)
    z = []
    for _ in range(200):
        yes = seats(binary(rng.normal(0.5, 0.05, (500, 4)))).options[0]
        z.append((yes.distribution[2] - truth[2]) / yes.distribution_mc_error[2])
    low, high = stats.chi2.interval(0.999, 200)
    assert low * 0.85 < np.square(z).sum() < high * 1.15


def test_seats_of_districts_may_be_a_list():
    options = binary(np.full((4, 3), 0.6))
    assert seats(options, n_seats=[3, 1, 1]).n_seats == 5
