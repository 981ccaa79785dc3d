"""The judge of ranks: exact, and as strict as the envelope that ArviZ draws."""

import numpy as np
import pytest
from scipy import stats

from tests.recovery.uniformity import outside_envelope, p_value

GRID = np.arange(1, 51) / 51


def test_one_point_of_a_grid_is_a_binomial_test():
    values = np.concatenate([np.full(30, 0.2), np.full(70, 0.8)])

    # 30 of 100 below a half; 70 of 100 would be as unlikely.
    assert p_value(values, np.array([0.5])) == pytest.approx(2 * stats.binom.cdf(30, 100, 0.5))


def test_uniform_values_are_called_wrong_as_often_as_stated():
    rng = np.random.default_rng(1)
    found = np.array([p_value(rng.random(100), GRID) for _ in range(800)])

    for level in (0.01, 0.05, 0.2, 0.5):
        assert (found <= level).sum() <= stats.binom.ppf(0.999, 800, level)
        assert (found <= level).sum() >= stats.binom.ppf(0.001, 800, 0.8 * level)  # few values are possible


def test_it_is_the_envelope_of_arviz():
    from arviz_stats.ecdf_utils import ecdf_pit

    rng = np.random.default_rng(2)
    samples = rng.random((200, 100))
    points, _, low, high = ecdf_pit(samples[0], 0.8, 2000, rng=np.random.default_rng(3))
    shares = (samples[:, :, None] <= points).mean(axis=1)
    inside = ((shares >= low) & (shares <= high)).all(axis=1)
    found = np.array([p_value(values, points[1:-1]) for values in samples])

    # Its level is simulated, and ours exact: they differ in what is close to the level.
    clear = np.abs(found - 0.2) > 0.06
    assert clear.mean() > 0.8
    assert (inside == (found > 0.2))[clear].all()


def test_uniform_ranks_pass_and_others_do_not():
    rng = np.random.default_rng(43)
    fair = {str(i): rng.random(200) for i in range(7)}

    assert outside_envelope(fair, n_draws=100) == {}
    assert set(outside_envelope(fair | {"narrow": rng.beta(0.6, 0.6, 200)}, n_draws=100)) == {"narrow"}
    assert set(outside_envelope(fair | {"low": rng.beta(1, 1.6, 200)}, n_draws=100)) == {"low"}
    assert set(outside_envelope(fair | {"never": np.full(200, 0.999)}, n_draws=100)) == {"never"}
