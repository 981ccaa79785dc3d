"""The error that all polls share: as large as declared, alike between districts as declared, nowhere counted twice."""

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose
from scipy.stats import chi2

from mrp.categorical import Options, build_categorical_design
from mrp.categorical.poststratification import option_draws
from mrp.design import build_design
from mrp.electorate import Electorate
from mrp.errors import FrameError, ShapeMismatch
from mrp.latents import LatentDraws
from mrp.poststratification import area_draws
from mrp.systematic import SystematicError, national_sd_of, with_systematic_error
from tests.mrp.worlds import electorate

WORLD = electorate(n_districts=6)
DESIGN = build_design("(1|district)", WORLD)
N = 4000


def still(names: tuple[str, ...], link: str = "logit") -> LatentDraws:
    """A fit that is sure of one half everywhere."""
    return LatentDraws(np.zeros((N, len(names)), dtype=np.float32), names, link=link)


def assert_sd(values: np.ndarray, sd: float) -> None:
    """The variance of independent normal values is within what chance allows once in a million times."""
    low, high = chi2.interval(1 - 1e-6, values.size - 1) / np.array(values.size - 1)
    ratio = values.var(ddof=1) / sd**2
    assert low < ratio < high, f"variance is {ratio:.3f} times that wanted, expected {low:.3f} to {high:.3f}"


@pytest.mark.parametrize("correlation", [0.5, 1.0])
def test_the_nation_and_the_districts_err_as_declared(correlation: float):
    error = SystematicError(0.01, correlation)  # small: there the logit is straight
    latents, design = with_systematic_error(still(DESIGN.latent_names), DESIGN, WORLD, error, seed=1)
    nation = area_draws(latents, design, WORLD).draws[:, 0] - 0.5
    assert_sd(nation, 0.01)
    districts = area_draws(latents, design, WORLD, by=("district",))
    weight = districts.areas["n_people"].to_numpy()
    weight = weight / weight.sum()
    own = districts.draws - 0.5 - nation[:, None]
    # R less its mean over people: Var = c (1 - 2 w + sum w^2).
    spread = (1 - correlation) / correlation * (1 - 2 * weight + (weight**2).sum())
    for d in range(6):
        if correlation == 1:
            assert_allclose(own[:, d], 0, atol=2e-6)
        else:
            assert_sd(own[:, d], 0.01 * np.sqrt(spread[d]))


def test_two_options_err_like_a_binary_question_and_several_sum_to_nothing():
    error = SystematicError(0.01)
    two = build_categorical_design("(1|district)", WORLD, Options(("yes", "no")))
    latents, design = with_systematic_error(still(two.latent_names, "softmax"), two, WORLD, error, seed=1)
    drawn = option_draws(latents, design, WORLD).draws[:, 0]
    assert_sd(drawn[:, 0] - 0.5, 0.01)
    binary, of = with_systematic_error(still(DESIGN.latent_names), DESIGN, WORLD, error, seed=1)
    assert_allclose(area_draws(binary, of, WORLD).draws[:, 0], drawn[:, 0], atol=1e-6)

    five = build_categorical_design("(1|district)", WORLD, Options(tuple("ABCDE")))
    latents, design = with_systematic_error(still(five.latent_names, "softmax"), five, WORLD, error, seed=2)
    drawn = option_draws(latents, design, WORLD).draws[:, 0]
    assert_allclose(drawn.sum(axis=1), 1, atol=1e-5)
    # dp = p (s - sum p s), p = 1/5, s summing to zero with variance sigma^2 (1 - 1/5), sigma = 0.01 * 4 / sqrt 2.
    for k in range(5):
        assert_sd(drawn[:, k] - 0.2, 0.2 * 0.01 * 4 / np.sqrt(2) * np.sqrt(0.8))


def test_the_same_seed_gives_the_same_draws_and_it_is_not_added_twice():
    error = SystematicError(0.03)
    one, design = with_systematic_error(still(DESIGN.latent_names), DESIGN, WORLD, error, seed=1)
    two, _ = with_systematic_error(still(DESIGN.latent_names), DESIGN, WORLD, error, seed=1)
    other, _ = with_systematic_error(still(DESIGN.latent_names), DESIGN, WORLD, error, seed=2)
    assert (one.draws == two.draws).all()
    assert (one.draws != other.draws).any()
    with pytest.raises(FrameError, match="already"):
        with_systematic_error(one, design, WORLD, error, seed=1)


def test_a_district_where_nobody_lives_has_no_say():
    frame = pl.DataFrame({"district": ["A", "B"], "age": ["young", "young"], "n_people": [3.0, 0.0]})
    districts = pl.DataFrame({"code": ["A", "B"], "name": ["A", "B"]})
    world = Electorate(frame, districts, "district", {"age": ("young",)})
    design = build_design("1", world)
    error = SystematicError(0.01, 0.3)
    latents, shifted = with_systematic_error(still(design.latent_names), design, world, error, seed=3)
    assert_sd(area_draws(latents, shifted, world, by=("district",)).draws[:, 0] - 0.5, 0.01)


def test_a_scale_from_a_record_by_hand():
    # Errors of 4 and -2 points on halves, fits that expected 1 point: sqrt((16 + 4) / 2 - 1) = 3 points.
    assert_allclose(national_sd_of([0.04, -0.02], [0.5, 0.5], [0.01, 0.01]), 0.03)
    # On a share of one tenth the same error is 1 / 0.36 as large; beside one half it counts 0.36^2 as much.
    assert_allclose(national_sd_of([0.04, 0.04], [0.1, 0.1], [0.0, 0.0]), 0.04 / 0.36)
    assert_allclose(national_sd_of([0.03, 0.04], [0.5, 0.1], [0.0, 0.0]), np.sqrt((0.0009 + 0.0016) / (1 + 0.36**2)))
    assert national_sd_of([0.01, -0.01], [0.5, 0.5], [0.02, 0.02]) == 0


def test_impossible_numbers_are_refused():
    with pytest.raises(FrameError, match=r"three points are 0\.03"):
        SystematicError(3)
    with pytest.raises(FrameError, match="correlation of the systematic error is 0"):
        SystematicError(0.03, 0)
    with pytest.raises(FrameError, match="too few"):
        national_sd_of([0.1], [0.5], [0.1])
    with pytest.raises(ShapeMismatch, match="shares"):
        national_sd_of([0.1, 0.2], [0.5], [0.1, 0.1])
