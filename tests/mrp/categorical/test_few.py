"""A model whose every look takes long is explored by few: the same posterior."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mrp.agreement import agreement, moments
from mrp.categorical.conditional import CategoricalConditional, option_space
from mrp.categorical.counts import coarsest_options
from mrp.categorical.fit import default_option_estimates, fit_categorical_laplace
from mrp.categorical.posterior import categorical_latents
from mrp.laplace.engine import LaplaceSettings
from mrp.laplace.search import find_mode
from mrp.priors import Priors
from tests.mrp.categorical.parties import PARTIES, WORLD, counted, design, poll

DESIGN = design("own(log(past)) + lean + (1|district) + (1|age) + (1|sex)")
POLL = poll(DESIGN, n=1500, seed=4)
COUNTS = counted(DESIGN, POLL.interviews)
SETTINGS = LaplaceSettings(points=400, draws=2000)


@pytest.fixture(scope="module")
def usual():
    return fit_categorical_laplace(DESIGN, COUNTS, Priors(), seed=1, settings=SETTINGS)


@pytest.fixture(params=["corrected", "as it is"])
def costly(request, monkeypatch):
    """As if a step took long, with the correction that thousands of latents have and without it."""
    if request.param == "corrected":
        monkeypatch.setattr("mrp.categorical.conditional._MANY", 1)
    monkeypatch.setattr("mrp.categorical.conditional._FIFTIETH", 1.0)


def estimates(tree):
    found = default_option_estimates(categorical_latents(tree, DESIGN), DESIGN, WORLD)
    return [moments(*(one.of(party) for one in found)) for party in PARTIES[:3]]


def test_few_looks_find_the_same_posterior(usual, costly):
    few = fit_categorical_laplace(DESIGN, COUNTS, Priors(), seed=2, settings=SETTINGS)
    assert few.attrs["evaluations"] < usual.attrs["evaluations"] / 2
    assert few.attrs["k_hat_sd"] < 0.7
    assert few.attrs["ess_sd"] > 0.4 * few.attrs["points"]
    for one, two in zip(estimates(few), estimates(usual), strict=True):
        assert agreement(one, two).problems == ()
    again = fit_categorical_laplace(DESIGN, COUNTS, Priors(), seed=2, settings=SETTINGS)
    for name, value in few["posterior"].data_vars.items():
        assert np.array_equal(value, again["posterior"][name])


def test_a_look_is_mode_slope_and_draw_at_once():
    conditional = CategoricalConditional(DESIGN, coarsest_options(DESIGN, COUNTS), Priors())
    hypers = np.full(3, 0.4)
    near = conditional.mode(hypers * 1.1)
    noise = np.random.default_rng(1).standard_normal((3, conditional.n_coordinates))
    look = conditional.look(hypers, near, noise)
    mode, slope = conditional.slope(hypers, near)
    latents, log_ratio = conditional.draw(hypers, near, noise)
    assert look.mode.log_likelihood == conditional.mode(hypers, near).log_likelihood
    assert_allclose(look.gradient, slope)
    assert_allclose(look.latents, latents)
    assert_allclose(look.log_ratio, log_ratio)
    (middle,) = conditional.between([near, mode], np.array([[0.5, 0.5]]))
    assert_allclose(middle.point, (near.point + mode.point) / 2)


def test_a_look_without_slope_draws_around_the_mean_that_is_foretold():
    conditional = CategoricalConditional(DESIGN, coarsest_options(DESIGN, COUNTS), Priors())
    one, two = np.full(3, 0.4), np.full(3, 0.5)
    noise = np.random.default_rng(1).standard_normal((3, conditional.n_coordinates))
    steep = conditional.look(one, conditional.mode(one), noise)
    other = conditional.look(two, steep.mode, noise)
    flat = conditional.look(one, steep.mode, noise, steep=False)
    assert np.isnan(flat.gradient).all()
    assert_allclose(flat.latents, steep.latents, atol=1e-4)
    assert_allclose(flat.log_ratio, steep.log_ratio, atol=1e-3)

    (middle,) = conditional.between([steep.mode, other.mode], np.array([[0.75, 0.25]]))
    assert_allclose(middle.shift, 0.75 * steep.mode.shift + 0.25 * other.mode.shift)
    assert conditional.between([steep.mode, conditional.mode(two)], np.array([[0.5, 0.5]]))[0].shift is None
    without = replace(steep.mode, shift=np.zeros_like(steep.mode.shift))
    assert np.abs(conditional.look(one, without, noise, steep=False).latents - steep.latents).max() > 0.01


def test_a_search_that_begins_with_a_part_of_the_cells_ends_where_one_of_all_does(monkeypatch: pytest.MonkeyPatch):
    space = option_space(DESIGN, Priors())
    monkeypatch.setattr("mrp.categorical.conditional._FIFTIETH", 1.0)
    conditional = CategoricalConditional(DESIGN, coarsest_options(DESIGN, COUNTS), Priors())
    assert conditional.part is None
    whole = find_mode(conditional, space)
    monkeypatch.setattr("mrp.categorical.conditional._OF_CELLS", 10)
    monkeypatch.setattr("mrp.categorical.conditional._PART", 3)
    assert conditional.part is not None
    both = find_mode(conditional, space)
    # Logarithms of sds that are known to 0.25 or so: a search ends where their slope is 0.3, a tenth of that away.
    assert_allclose(space.free(both.centre), space.free(whole.centre), atol=0.05)
