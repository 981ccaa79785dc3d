"""Cells left out: as ArviZ has it, as a fit without the cell has it, by hand, and models in the right order."""

import math

import numpy as np
import polars as pl
import pytest
import xarray as xr
from numpy.testing import assert_allclose
from scipy.stats import binom, norm

from mrp.checks.estimate_scores import estimate_scores
from mrp.checks.left_out import LeftOut, elpd_difference, leave_cells_out
from mrp.errors import ScoreError
from mrp.latents import LatentDraws
from mrp.outcomes.designs import SHARE
from tests.mrp.checks.worlds import RIGHT, WORLD, counts_of, fit, fitted, interviews

CELL = ["district", "sex", "age"]


def left_out_of(formula: str, **planted: float) -> LeftOut:
    latents, design, counts = fitted(formula, **planted)
    return leave_cells_out(latents, design, WORLD, counts)[SHARE]


def test_the_score_of_the_model_is_that_of_arviz():
    import arviz_stats as azs

    latents, design, counts = fitted(RIGHT)
    coarse = counts.group_by(CELL, maintain_order=True).agg(pl.col("n", "y").sum())
    found = leave_cells_out(latents, design, WORLD, coarse)[SHARE]
    rows = design.rows(coarse)
    draws = latents.draws.astype(float)
    eta = draws[:, :1] + draws[:, 1:2] * rows.x[:, 0] + draws[:, rows.index].sum(axis=2)
    likelihood = binom.logpmf(coarse["y"].to_numpy(), coarse["n"].to_numpy(), 1 / (1 + np.exp(-eta)))
    tree = xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset({"x": (("chain", "draw"), draws[None, :, 0])}),
            "log_likelihood": xr.Dataset({"y": (("chain", "draw", "cell"), likelihood[None])}),
        }
    )

    with pytest.warns(UserWarning, match="Estimated shape parameter"):  # a cell of hundreds moves a small fit
        theirs = azs.loo(tree, reff=1.0, pointwise=True)

    assert_allclose(found.total, theirs.elpd, atol=1e-3)
    assert_allclose(found.se, theirs.se, rtol=1e-4)
    assert_allclose(found.n_parameters, theirs.p, rtol=1e-3)
    assert_allclose(found.k_hat, theirs.pareto_k.to_numpy(), atol=1e-3)


def test_a_cell_is_predicted_as_by_a_fit_without_it():
    latents, design, counts = fitted(RIGHT)
    found = leave_cells_out(latents, design, WORLD, counts)[SHARE]
    largest = int(np.argmax(np.where(found.k_hat <= 0.7, found.n, 0)))
    name = found.cells.row(largest, named=True)

    without = counts.filter(~pl.all_horizontal(*(pl.col(one) == name[one] for one in CELL)))
    again, _, _ = fit(RIGHT, without)

    rows = design.rows(found.cells[largest])
    draws = again.draws.astype(float)
    share = 1 / (1 + np.exp(-(draws[:, 0] + draws[:, 1] * rows.x[0, 0] + draws[:, rows.index[0]].sum(axis=1))))
    # Two means over 400 draws of few standard deviations, one of them weighted.
    error = share.std() * math.sqrt(2 / 100)
    assert abs(found.mean[largest] - share.mean()) < 3.5 * error


def test_scores_of_estimates_by_hand():
    cells = pl.DataFrame(
        {
            "district": ["D00", "D00", "D01"],
            "sex": ["female", "male", "female"],
            "age": ["18-29"] * 3,
            "region": ["North", "North", "South"],
        }
    )
    people = WORLD.frame.join(cells.drop("region"), on=CELL, how="inner")
    weight = [
        people.filter(**dict(zip(CELL, row, strict=True)))["n_people"][0] for row in cells.select(CELL).iter_rows()
    ]
    left_out = LeftOut(
        cells=cells,
        n=np.array([100.0, 50.0, 40.0]),
        observed=np.array([0.5, 0.6, 0.7]),
        mean=np.array([0.8, 0.7, 0.4]),
        share=np.array([[0.7, 0.7, 0.5], [0.7, 0.7, 0.5]]),  # no doubt
        elpd=np.zeros(3),
        density=np.zeros(3),
        k_hat=np.zeros(3),
    )

    nation, district, *_ = estimate_scores({SHARE: left_out}, WORLD)

    w = np.array(weight) / sum(weight)
    error, noise = w @ [0.3, 0.1, -0.3], w**2 @ [0.16 / 100, 0.21 / 50, 0.24 / 40]
    assert (nation.level, nation.n_areas) == ("nation", 1)
    assert_allclose([nation.bias, nation.noise], [error, math.sqrt(noise)])
    assert_allclose(nation.error, math.sqrt(max(0, error**2 - noise)))
    x = norm(error, math.sqrt(noise))
    grid = np.linspace(-1, 1, 400_001)
    assert_allclose(nation.crps, np.trapezoid((x.cdf(grid) - (grid >= 0)) ** 2, grid), rtol=1e-4)
    a = np.array(weight[:2]) / sum(weight[:2])
    first = (a @ [0.3, 0.1]) ** 2 - a**2 @ [0.16 / 100, 0.21 / 50]
    assert_allclose(district.error, math.sqrt((first + 0.09 - 0.24 / 40) / 2))


def test_a_model_that_lacks_what_matters_scores_worse_at_the_level_where_it_matters():
    right, wrong = (left_out_of(formula) for formula in (RIGHT, "sex + (1|district)"))

    difference, se = elpd_difference(right, wrong)
    assert_allclose(difference, right.total - wrong.total)
    assert difference > 3 * se
    scores = {
        name: {s.level: s for s in estimate_scores({SHARE: one}, WORLD)} for name, one in (("r", right), ("w", wrong))
    }
    assert scores["w"]["age"].error > 0.03
    assert scores["r"]["age"].crps < scores["w"]["age"].crps
    assert scores["r"]["age"].error < 0.02


def test_rows_of_a_cell_are_left_out_together():
    latents, design, counts = fitted(RIGHT)
    coarse = counts.group_by(CELL, maintain_order=True).agg(pl.col("n", "y").sum())

    fine, whole = (leave_cells_out(latents, design, WORLD, one)[SHARE] for one in (counts, coarse))

    assert_allclose(fine.mean, whole.mean, rtol=1e-5)
    assert_allclose(fine.elpd, whole.elpd, atol=1e-4)
    assert_allclose(fine.k_hat, whole.k_hat, atol=1e-4)


def test_equal_weights_change_nothing_and_a_weighted_cell_counts_for_fewer():
    latents, design, counts = fitted(RIGHT)
    n, y = pl.col("n").cast(pl.Float64), pl.col("y").cast(pl.Float64)
    equal = counts.with_columns(weight=2 * n, weight_y=2 * y, weight_square=4 * n)
    uneven = equal.with_columns(weight_square=6 * n)

    plain, same, fewer = (leave_cells_out(latents, design, WORLD, one)[SHARE] for one in (counts, equal, uneven))

    assert_allclose(same.elpd, plain.elpd, rtol=1e-6)
    assert_allclose(fewer.n, plain.n * 4 / 6)


def test_one_opinion_and_one_cell_are_scored_too():
    latents, design, _ = fitted(RIGHT)
    counts = pl.DataFrame({"district": ["D00"], "sex": ["male"], "age": ["65+"], "n": [40], "y": [40]})

    found = leave_cells_out(latents, design, WORLD, counts)[SHARE]

    assert np.isfinite([found.total, found.n_parameters]).all()
    assert {one.level for one in estimate_scores({SHARE: found}, WORLD)} == {
        "nation",
        "district",
        "sex",
        "age",
        "region",
    }
    assert estimate_scores({SHARE: found}, WORLD, least=41) == ()


@pytest.mark.parametrize("n", [1, 2])
def test_a_district_that_is_one_cell_is_predicted_by_the_others_alone(n: int):
    # Every draw has its own opinion of the cell; what it says itself must not come back.
    _, design, _ = fitted("(1|district)")
    draws = np.zeros((400, design.n_latents), dtype=np.float32)
    draws[:, 1] = np.linspace(-2, 2, 400)
    sure = LatentDraws(draws, design.latent_names)
    counts = counts_of(interviews(seed=1, n=30)).head(0).select("district", "sex", "age", "n", "y")
    own = pl.DataFrame({"district": ["D00"], "sex": ["male"], "age": ["65+"], "n": [n], "y": [n]}).cast(counts.schema)

    found = leave_cells_out(sure, design, WORLD, pl.concat([counts, own]))[SHARE]

    # Draws are a uniform posterior; taking the likelihood away tilts it against what the cell said.
    assert found.mean[0] < found.share[:, 0].mean()


def test_scores_of_other_interviews_are_not_compared():
    latents, design, counts = fitted(RIGHT)

    with pytest.raises(ScoreError, match="not of the same interviews"):
        elpd_difference(*(leave_cells_out(latents, design, WORLD, one)[SHARE] for one in (counts, counts.head(40))))
