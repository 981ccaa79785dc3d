"""How far a wave is from the prediction: by hand, well-specified waves at the stated rate, shifts, exchanged labels."""

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose
from scipy.stats import binom

from mrp.design import build_design
from mrp.errors import CountsError, DrawsError
from mrp.latents import LatentDraws
from mrp.surprise import PollingError, surprise
from tests.mrp.worlds import FORMULA, electorate

WORLD = electorate()
NONE = PollingError(0, 0, 0)
N_DRAWS = 400


def release(formula: str = FORMULA, *, sd: float = 0.1, contrasts: float = 0.4, seed: int = 3):
    """A release that is rather sure of a world with contrasts."""
    design = build_design(formula, WORLD)
    rng = np.random.default_rng(seed)
    mean = rng.normal(0, contrasts, design.n_latents)
    mean[0] = 0.0
    draws = (mean + rng.normal(0, sd, (N_DRAWS, design.n_latents))).astype(np.float32)
    return LatentDraws(draws, design.latent_names), design


def wave(latents, design, *, n: int, seed: int, shift: float = 0.0, error: PollingError | None = None) -> pl.DataFrame:
    """A wave of people of one draw, with the errors of a poll."""
    rng = np.random.default_rng(seed)
    error = PollingError() if error is None else error
    cells = WORLD.frame.filter(pl.col("n_people") > 0).select(design.cell_columns).unique(maintain_order=True)
    rows = design.rows(cells)
    every = latents.draws.astype(float)
    eta = np.stack([_eta(one, rows) for one in every])
    mean = (1 / (1 + np.exp(-eta))).mean(axis=0)
    x = np.log(mean / (1 - mean))
    x = x - np.average(x, weights=mean * (1 - mean))
    true = eta[rng.integers(len(every))] + shift + rng.normal(0, np.hypot(error.house_sd, error.error_sd))
    true = true + rng.normal(0, error.slope_sd) * x
    size = rng.multinomial(n, np.full(cells.height, 1 / cells.height))
    y = rng.binomial(size, 1 / (1 + np.exp(-true)))
    return cells.with_columns(n=pl.Series(size), y=pl.Series(y)).filter(pl.col("n") > 0)


def _eta(latents, rows):
    k = rows.x.shape[1]
    return latents[0] + rows.x @ latents[1 : 1 + k] + (latents[rows.index] * rows.weight).sum(axis=1)


def test_two_cells_by_hand():
    design = build_design("sex", WORLD)
    logit = np.log(0.6 / 0.4)  # women (coded -0.5) 60%, men 40%
    latents = LatentDraws(np.array([[0.0, -2 * logit]], dtype=np.float32), design.latent_names)
    counts = pl.DataFrame({"sex": ["female", "male"], "n": [100, 100], "y": [55, 48]})

    found = {one.name: one for one in surprise(latents, design, counts, seed=1, error=NONE).measures}

    #   cell    n   m    v    x       y - n m
    #   female  100 0.6  24   0.4055  -5
    #   male    100 0.4  24  -0.4055   8
    assert_allclose(found["total"].observed, 103 / 200)
    assert_allclose([found["total"].expected, found["total"].sd], [0.5, np.sqrt(48) / 200], rtol=1e-5)
    scale = 48 * logit**2
    assert_allclose(found["slope"].observed, 1 - 13 * logit / scale, rtol=1e-5)
    assert_allclose([found["slope"].expected, found["slope"].sd], [1, 1 / np.sqrt(scale)], rtol=1e-5)
    assert_allclose(found["total"].chance, 0.6650, atol=5e-4)  # |z| = 0.4330


def test_rows_of_one_cell_are_added_up_and_their_order_does_not_matter():
    latents, design = release()
    counts = wave(latents, design, n=500, seed=1)
    halves = pl.concat([counts.with_columns(pl.col("n", "y") * 0), counts]).reverse()

    assert surprise(latents, design, halves, seed=2) == surprise(latents, design, counts, seed=2)


@pytest.mark.parametrize("n", [60, 1500])
def test_well_specified_waves_are_flagged_at_the_stated_rate(n: int):
    latents, design = release()
    found = [surprise(latents, design, wave(latents, design, n=n, seed=seed), seed=seed) for seed in range(200)]

    for name in ("total", "slope", "cells"):
        chances = np.array([one.chance for wave_ in found for one in wave_.measures if one.name == name])
        least, most = binom.interval(1 - 1e-3, len(chances), 0.1)
        assert least <= (chances < 0.1).sum() <= most, name
    # Of three measures the worst, with Bonferroni: at most the stated rate.
    assert sum(one.chance < 0.1 for one in found) <= binom.ppf(1 - 1e-3, len(found), 0.1)


def test_a_planted_shift_is_found_by_the_total():
    latents, design = release()
    shifted = [surprise(latents, design, wave(latents, design, n=1500, seed=s, shift=1.2), seed=s) for s in range(20)]

    assert all(one.measures[0].chance < 0.001 for one in shifted)
    assert sum(one.measures[1].chance < 0.01 for one in shifted) <= 2  # the slope does not mind


def test_exchanged_labels_near_one_half_move_no_total_and_are_found_by_the_slope():
    latents, design = release(sd=0.05, contrasts=0.2)
    found = []
    for seed in range(20):
        counts = wave(latents, design, n=3000, seed=seed)
        found.append(surprise(latents, design, counts.with_columns(y=pl.col("n") - pl.col("y")), seed=seed))

    slopes = [one.measures[1] for one in found]
    assert np.mean([one.observed for one in slopes]) < -1 + 0.1
    assert all(one.chance < 0.001 for one in slopes)
    assert sum(one.measures[0].chance < 0.01 for one in found) <= 1


def test_answers_that_scatter_between_cells_are_found_by_the_cells():
    latents, design = release()
    counts = wave(latents, design, n=4000, seed=1)
    rng = np.random.default_rng(1)
    wild = counts.with_columns(y=pl.Series(np.where(rng.random(counts.height) < 0.5, 0, counts["n"])))

    assert surprise(latents, design, wild, seed=1).measures[2].chance < 1e-6


def test_a_release_that_predicts_the_same_for_everybody_has_no_slope():
    design = build_design("1", WORLD)
    latents = LatentDraws(np.zeros((50, 1), dtype=np.float32), design.latent_names)

    found = surprise(latents, design, pl.DataFrame({"n": [10], "y": [5]}), seed=1)

    assert [one.name for one in found.measures] == ["total", "cells"]


def test_cells_that_the_release_does_not_know_are_left_out_and_counted():
    latents, design = release()
    counts = wave(latents, design, n=100, seed=1)
    strange = counts.head(1).with_columns(district=pl.lit("elsewhere"), n=pl.lit(7, pl.Int64), y=pl.lit(3, pl.Int64))

    both = surprise(latents, design, pl.concat([counts, strange.select(counts.columns)]), seed=1)
    alone = surprise(latents, design, strange, seed=1)

    assert (both.n_interviews, both.n_left_out) == (100, 7)
    assert (alone.n_left_out, alone.measures, alone.chance) == (7, (), 1.0)


def test_what_does_not_belong_together_is_refused():
    latents, design = release()
    with pytest.raises(CountsError, match="no column 'sex'"):
        surprise(latents, design, pl.DataFrame({"district": ["D00"], "age": ["65+"], "n": [1], "y": [1]}), seed=1)
    with pytest.raises(DrawsError):
        surprise(latents, build_design("sex", WORLD), pl.DataFrame({"sex": ["male"], "n": [1], "y": [1]}), seed=1)
