"""What two fits are compared by: the Monte-Carlo error of each quantity is what repeating the simulation shows."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy import stats

from mrp.agreement import Agreement, Moments, agreement, differences, moments, reference_quality
from mrp.errors import ScoreError
from mrp.poststratification import AreaDraws

N_REPEATS = 400


def chains(phi: float, rng: np.random.Generator) -> AreaDraws:
    """400 repetitions as so many areas: four chains of 500 draws of a skewed share, each draw remembering the last."""
    z = rng.standard_normal((4, 500, N_REPEATS))
    for t in range(1, 500):
        z[:, t] = phi * z[:, t - 1] + np.sqrt(1 - phi**2) * z[:, t]
    share = stats.beta(4, 12).ppf(stats.norm.cdf(z)).reshape(-1, N_REPEATS)
    return AreaDraws(areas_of(N_REPEATS), share, n_chains=4)


def clusters(rng: np.random.Generator) -> AreaDraws:
    """Draws that share points, with two thirds of their variance between points."""
    point = np.repeat(np.arange(250), 8)
    z = np.sqrt(2 / 3) * rng.standard_normal((250, N_REPEATS))[point]
    z += np.sqrt(1 / 3) * rng.standard_normal((2000, N_REPEATS))
    share = stats.beta(4, 12).ppf(stats.norm.cdf(z))
    return AreaDraws(areas_of(N_REPEATS), share, points=point.astype(np.int32))


def areas_of(n: int) -> pl.DataFrame:
    return pl.DataFrame({"area": [str(i) for i in range(n)], "n_people": [1.0] * n})


@pytest.mark.parametrize("how", ["independent", "sluggish", "antithetic", "clustered"])
def test_stated_errors_are_those_of_repeated_simulations(how: str):
    rng = np.random.default_rng(5)
    phi = {"independent": 0.0, "sluggish": 0.7, "antithetic": -0.5}
    found = moments(clusters(rng) if how == "clustered" else chains(phi[how], rng))

    # The sd of 400 repetitions is known to 3.5%; four of these errors, and a little for the estimate of the error.
    for values, errors in (
        (found.mean, found.mean_error),
        (found.sd, found.sd_error),
        (found.quantile[0], found.quantile_error[0]),
        (found.quantile[1], found.quantile_error[1]),
    ):
        assert np.sqrt(np.mean(errors**2)) == pytest.approx(values.std(), rel=0.18)


def test_estimates_are_named_and_other_estimates_are_refused():
    draws = np.random.default_rng(1).random((100, 2))
    areas = pl.DataFrame({"period": ["1", "1"], "sex": ["f", "m"], "n_people": [1.0, 1.0]})
    one = moments(AreaDraws(areas, draws))

    assert one.names == ("period 1, sex f", "period 1, sex m")
    assert agreement(one, one).agrees
    with pytest.raises(ScoreError, match="only one of them has 'period 1, sex f'"):
        agreement(one, moments(AreaDraws(areas.drop("period"), draws)))


def nuts(rng: np.random.Generator, *, shift: float = 0.0, n: int = 1000, bound: float = 0.0) -> AreaDraws:
    """Four chains of a thousand draws of two areas; one chain of the second lies aside, its draws remember the last."""
    z = rng.standard_normal((4, n, 2))
    for t in range(1, n):
        z[:, t, 1] = bound * z[:, t - 1, 1] + np.sqrt(1 - bound**2) * z[:, t, 1]
    z[0, :, 1] += shift
    return AreaDraws(areas_of(2), 0.5 + 0.02 * z.reshape(-1, 2), n_chains=4)


def test_a_reference_has_to_be_known_itself():
    rng = np.random.default_rng(7)
    good = reference_quality(nuts(rng))
    apart, bound, short = (
        reference_quality(*one) for one in ([nuts(rng, shift=0.3)], [nuts(rng, bound=0.6)], [nuts(rng, n=3)])
    )

    assert good.problems == ()
    assert good.effective == pytest.approx(4000, rel=0.1)
    # Half chains 0.3 sds away, two of eight: between = 0.3^2 * 12 / 56, within = 1.
    assert apart.r_hat == pytest.approx(np.sqrt(0.998 + 0.3**2 * 12 / 56), abs=0.003)
    assert apart.problems[0].startswith(f"R-hat of area 1 is {apart.r_hat:.4f}, limit 1.005")
    # An autoregression with phi is worth (1 - phi) / (1 + phi) of its draws.
    assert bound.effective == pytest.approx(1000, rel=0.2)
    assert "area 1 has" in bound.problems[-1]
    assert "need 2,000" in bound.problems[-1]
    assert short.problems[0].startswith("R-hat of area 0 is nan")


def test_the_worst_of_each_is_named():
    rng = np.random.default_rng(8)
    one = moments(nuts(rng))
    other = moments(nuts(rng, shift=3.0))
    found = agreement(other, one)

    assert not found.agrees
    assert {found.worst_mean_of, found.worst_log_sd_of, found.worst_quantile_of} == {"area 1"}


def test_few_estimates_that_are_apart_by_little_more_than_the_limit_may_be_so_by_chance():
    one = moments(nuts(np.random.default_rng(9)))  # errors of 0.016 sds each, so that 0.022 of a difference are noise

    def apart(sds: float) -> Agreement:
        moved = {name: getattr(one, name) + sds * one.sd for name in ("mean", "quantile")}
        return agreement(replace(one, **moved), one)

    assert [apart(sds).agrees for sds in (0.04, 0.062, 0.09, 0.5)] == [True, False, False, False]
    assert [apart(sds).may_be_chance for sds in (0.04, 0.062, 0.09, 0.5)] == [False, True, False, False]
    # sqrt(0.05^2 + 3.5 sqrt(2) 2 / 4000)
    assert apart(0.062).typical_by_chance == pytest.approx(0.0706, abs=0.003)


def test_how_far_estimates_are_apart_is_told_in_units_of_their_uncertainty():
    nothing, tails = np.zeros(3), np.zeros((2, 3))

    def told(mean: list[float], sd: list[float]) -> Moments:
        return Moments(("a", "b", "c"), np.array(mean), nothing, np.array(sd), nothing, tails, tails)

    apart = differences(told([0.42, 0.3, 0.5], [0.02, 0.01, 0.0]), told([0.4, 0.33, 0.5], [0.02, 0.02, 0.0]))

    # (0.42 - 0.40) / 0.02 and (0.30 - 0.33) / 0.02; log(0.01 / 0.02). The last does not vary.
    assert apart == {"difference": [1.0, -1.5, 0.0], "log_sd_ratio": [0.0, -0.6931, 0.0]}
