"""Observed beside predicted: by hand, against plain loops and exact tails, weighted counts, what does not matter."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import binom

from mrp.checks.margins import Margin, margins_of
from mrp.checks.predictive import posterior_predictive, predict_counts
from mrp.design import build_design
from mrp.errors import CountsError, DrawsError
from mrp.latents import LatentDraws
from tests.mrp.checks.worlds import WORLD, counts_of, interviews
from tests.mrp.worlds import FORMULA

EVERYBODY, SEX = Margin(()), Margin(("sex",))


def known(formula: str, draws: list[list[float]], **observed):
    design = build_design(formula, WORLD, observed=observed)
    return LatentDraws(np.array(draws, dtype=np.float32), design.latent_names), design


def random_fit(formula: str = FORMULA, *, n_draws: int = 100, seed: int = 1, sd: float = 0.3, **observed):
    design = build_design(formula, WORLD, observed=observed)
    draws = np.random.default_rng(seed).normal(0, sd, (n_draws, design.n_latents))
    return LatentDraws(draws.astype(np.float32), design.latent_names), design


def test_two_groups_by_hand():
    logit = np.log(0.6 / 0.4)
    latents, design = known("sex", [[0.0, -2 * logit]])  # women (coded -0.5) 60%, men 40%, for certain
    counts = pl.DataFrame({"district": ["D00"] * 2, "sex": ["female", "male"], "n": [100, 50], "y": [50, 30]})

    (everybody,), women_and_men = (
        one.groups for one in posterior_predictive(latents, design, WORLD, counts, [EVERYBODY, SEX])
    )
    women, men = women_and_men

    assert [one.levels for one in women_and_men] == [("female",), ("male",)]
    assert (women.n, men.n, everybody.n) == (100, 50, 150)
    assert_allclose([women.observed, men.observed, everybody.observed], [0.5, 0.6, 80 / 150])
    assert_allclose([women.predicted, men.predicted, everybody.predicted], [0.6, 0.4, 80 / 150], rtol=1e-6)
    assert_allclose(women.sd, np.sqrt(0.24 / 100), rtol=1e-6)
    assert_allclose(everybody.sd, np.sqrt(100 * 0.24 + 50 * 0.24) / 150, rtol=1e-6)
    assert_allclose(women.pit, binom.cdf(49, 100, 0.6) + binom.pmf(50, 100, 0.6) / 2, rtol=1e-4)
    assert_allclose(men.pit, binom.cdf(29, 50, 0.4) + binom.pmf(30, 50, 0.4) / 2, rtol=1e-4)
    assert_allclose(np.exp(women.log_chance), 2 * women.pit, rtol=1e-6)
    assert (women.z < 0, men.z > 0) == (True, True)


def test_agrees_with_plain_loops_on_any_margin():
    latents, design = random_fit(
        "sex + (1|district) + (1|age) + house(pollster)", pollster=("Blue", "Green", "Grey", "Red")
    )
    counts = counts_of(interviews(seed=3, n=300))
    rows = design.rows(counts)
    margins = margins_of(WORLD, counts)

    found = posterior_predictive(latents, design, WORLD, counts, margins)

    region = dict(zip(WORLD.districts["code"], WORLD.districts["region"], strict=True))
    table = [row | {"region": region[row["district"]]} for row in counts.to_dicts()]
    for margin, check in zip(margins, found, strict=True):
        for group in check.groups[:3]:
            mine = [i for i, row in enumerate(table) if tuple(row[c] for c in margin.columns) == group.levels]
            n, expected, noise = sum(table[i]["n"] for i in mine), [], []
            for draw in latents.draws.astype(float):
                e = v = 0.0
                for i in mine:
                    eta = draw[0] + sum(rows.x[i, j] * draw[1 + j] for j in range(rows.x.shape[1]))
                    eta += sum(draw[k] * w for k, w in zip(rows.index[i], rows.weight[i], strict=True))
                    p = 1 / (1 + np.exp(-eta))
                    e, v = e + table[i]["n"] * p, v + table[i]["n"] * p * (1 - p)
                expected.append(e / n)
                noise.append(v / n**2)
            assert group.n == n
            assert_allclose(group.observed, sum(table[i]["y"] for i in mine) / n)
            assert_allclose(group.predicted, np.mean(expected), rtol=1e-5)
            assert_allclose(group.sd, np.sqrt(np.var(expected) + np.mean(noise)), rtol=1e-4)


def test_tails_are_averages_over_draws_also_where_the_normal_distribution_is_wrong():
    latents, design = random_fit("(1|district)", n_draws=50, sd=0.5)
    latents.draws[:, 0] -= 3.0  # an opinion of 5%
    counts = pl.DataFrame({"district": ["D00"], "n": [40], "y": [6]})

    (group,) = posterior_predictive(latents, design, WORLD, counts, [Margin(("district",))])[0].groups

    p = 1 / (1 + np.exp(-(latents.draws[:, 0] + latents.draws[:, 1]).astype(float)))
    above = (binom.sf(6, 40, p) + binom.pmf(6, 40, p) / 2).mean()
    assert_allclose(np.exp(group.log_chance), 2 * above, rtol=1e-3)
    assert group.z < (group.observed - group.predicted) / group.sd  # which would say a smaller chance


def test_weights_move_the_observed_share_and_its_noise():
    latents, design = known("sex", [[0.0, 0.0]])
    counts = pl.DataFrame(
        {
            "district": ["D00"],
            "sex": ["female"],
            "n": [4],
            "y": [2],
            # Weights 3, 1, 1, 1, and the first said yes, with one more.
            "weight": [6.0],
            "weight_y": [4.0],
            "weight_square": [12.0],
        }
    )

    (group,) = posterior_predictive(latents, design, WORLD, counts, [EVERYBODY])[0].groups

    assert_allclose(group.observed, 4 / 6)
    assert_allclose(group.sd, np.sqrt(0.25 * 12 / 36), rtol=1e-6)  # 3 equal ones would have the same noise


def test_equal_weights_change_nothing():
    latents, design = random_fit()
    plain = counts_of(interviews(seed=2, n=200))
    n, y = pl.col("n").cast(pl.Float64), pl.col("y").cast(pl.Float64)
    weighted = plain.with_columns(weight=2 * n, weight_y=2 * y, weight_square=4 * n)
    margins = margins_of(WORLD, plain)

    one, other = (posterior_predictive(latents, design, WORLD, c, margins) for c in (plain, weighted))

    assert [g.levels for m in one for g in m.groups] == [g.levels for m in other for g in m.groups]
    assert_allclose([g.log_chance for m in one for g in m.groups], [g.log_chance for m in other for g in m.groups])


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_neither_the_order_of_rows_nor_finer_counts_matter(seed: int):
    latents, design = random_fit(n_draws=20)
    fine = counts_of(interviews(seed=seed, n=60))
    coarse = fine.group_by("district", "sex", "age").agg(pl.col("n", "y").sum())
    margins = margins_of(WORLD, coarse)

    one = posterior_predictive(latents, design, WORLD, fine, margins)
    other = posterior_predictive(latents, design, WORLD, coarse.sample(fraction=1, shuffle=True, seed=seed), margins)

    for a, b in zip((g for m in one for g in m.groups), (g for m in other for g in m.groups), strict=True):
        assert (a.levels, a.n) == (b.levels, b.n)
        assert_allclose([a.observed, a.predicted, a.sd, a.pit], [b.observed, b.predicted, b.sd, b.pit], rtol=1e-4)


def test_one_interview_all_of_one_opinion_and_a_gap_in_a_column_are_no_trouble():
    latents, design = random_fit("(1|district)")
    counts = pl.DataFrame(
        {"district": ["D00", "D01", "D01"], "sex": ["female", None, "male"], "n": [1, 500, 2], "y": [1, 500, 0]}
    )

    district, sex = posterior_predictive(latents, design, WORLD, counts, [Margin(("district",)), SEX])

    assert [(g.levels, g.n) for g in sex.groups] == [(("female",), 1), (("male",), 2)]
    numbers = [getattr(g, name) for g in (*district.groups, *sex.groups) for name in ("z", "pit", "log_chance", "sd")]
    assert np.isfinite(numbers).all()


def test_a_million_to_one_is_still_a_number():
    latents, design = known("sex", [[4.0, 0.0]])
    counts = pl.DataFrame({"sex": ["female"], "district": ["D00"], "n": [100_000], "y": [0]})

    (group,) = posterior_predictive(latents, design, WORLD, counts, [EVERYBODY])[0].groups

    assert np.isfinite(group.z)
    assert group.log_chance < -1000


def test_margins_are_everybody_columns_and_pairs():
    counts = counts_of(interviews(seed=1, n=50)).with_columns(pollster=pl.lit("Blue"))

    names = [one.name for one in margins_of(WORLD, counts)]

    # One pollster is no margin; a district and a demographic have too few interviews to be one.
    assert names == [
        "everybody", "district", "sex", "age", "region", "period", "sex and age", "region and sex", "region and age",
    ]  # fmt: skip


def test_draws_of_another_design_and_counts_without_a_column_are_refused():
    latents, design = random_fit()
    counts = counts_of(interviews(seed=1, n=20))
    other = build_design("sex", WORLD)

    with pytest.raises(DrawsError, match="not of the same fit"):
        posterior_predictive(latents, other, WORLD, counts, [EVERYBODY])
    with pytest.raises(CountsError, match="'y'"):
        posterior_predictive(latents, design, WORLD, counts.drop("y"), [EVERYBODY])


def test_of_many_draws_some_are_used():
    latents, design = random_fit(n_draws=1000)
    counts = counts_of(interviews(seed=1, n=20))

    assert predict_counts(latents, design, WORLD, counts, most_draws=100).share.shape[0] == 100
