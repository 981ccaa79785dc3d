"""What two fits are compared by: the Monte-Carlo error of each quantity is what repeating the simulation shows."""

import numpy as np
import polars as pl
import pytest
from scipy import stats

from mrp.agreement import agreement, moments
from mrp.errors import ScoreError
from mrp.poststratify import AreaDraws

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
