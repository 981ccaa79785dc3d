"""A handful of interviews: posteriors far from normal, known by quadrature."""

import numpy as np
import polars as pl
import pytest
from scipy.special import log_expit

from mrp import build_design, parse_priors
from mrp.laplace.engine import LaplaceSettings, fit_laplace
from tests.mrp.worlds import electorate

N_DRAWS = 20_000


@pytest.mark.parametrize(("yes", "n", "prior_sd"), [(3, 3, 1.5), (0, 3, 1.5), (4, 5, 2.5), (9, 10, 2.5)])
def test_draws_from_a_handful_of_interviews_have_the_exact_distribution(yes: int, n: int, prior_sd: float):
    design = build_design("1", electorate(n_districts=2))
    priors = parse_priors({"intercept": f"normal(0, {prior_sd})"})
    settings = LaplaceSettings(draws=N_DRAWS)
    tree = fit_laplace(design, pl.DataFrame({"n": [n], "y": [yes]}), priors, seed=1, settings=settings)
    drawn = np.sort(tree["posterior"]["intercept"].to_numpy().ravel())

    grid = np.linspace(-8 * prior_sd, 8 * prior_sd, 40_001)
    log_density = yes * log_expit(grid) + (n - yes) * log_expit(-grid) - 0.5 * (grid / prior_sd) ** 2
    distribution = np.cumsum(np.exp(log_density - log_density.max()))
    distribution /= distribution[-1]
    # The largest distance of the two distribution functions, as Kolmogorov and Smirnov measure it.
    gap = np.abs(np.interp(drawn, grid, distribution) - (np.arange(N_DRAWS) + 0.5) / N_DRAWS).max()
    assert tree.attrs["k_hat_joint"] < 0.7
    assert gap * np.sqrt(tree.attrs["ess_joint"]) < 1.95  # one case in a thousand
