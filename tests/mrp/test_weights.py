"""Weights in the likelihood: fractional counts, their design effect, and what both engines make of them."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from mrp.counts import coarsest, collapse, design_effect
from mrp.design import Design, build_design
from mrp.errors import CountsError
from mrp.hyper import hyper_space
from mrp.laplace.conditional import Conditional
from mrp.laplace.engine import LaplaceSettings, fit_laplace
from mrp.latents import from_datatree
from mrp.model import build_model
from mrp.poststratification import area_draws
from mrp.priors import Priors
from tests.mrp.laplace.test_terms import random_point
from tests.mrp.polls import WORLD, poll
from tests.mrp.worlds import electorate

BY_SEX = build_design("sex", WORLD)


def weighted(design: Design, interviews: pl.DataFrame, by: tuple[str, ...] | None = None) -> pl.DataFrame:
    by = design.count_columns if by is None else by
    return collapse(interviews, by=by, answer="answer", option="yes", weight="weight")


def test_a_cell_counts_as_its_interviews_over_the_design_effect_with_the_weighted_mean():
    interviews = pl.DataFrame(
        {"sex": ["female", "female", "male"], "answer": ["yes", "no", "yes"], "weight": [1.0, 3.0, 5.0]}
    )
    counts = weighted(BY_SEX, interviews)

    # Women: squares 10, square of the sum 16: (1 - 1/2) 10 / ((16 - 10) / 2). The single man says nothing of it.
    assert design_effect(BY_SEX, counts) == pytest.approx(5 / 3)
    assert counts.select("n", "y").rows() == [(2, 1), (1, 1)]
    assert_allclose(coarsest(BY_SEX, counts).select("n", "y").to_numpy(), [[1.2, 1.2 / 4], [0.6, 0.6]])


def slow(interviews: pl.DataFrame) -> tuple[float, dict[str, tuple[float, float]]]:
    """Design effect and fractional counts by sex, in loops."""
    cells: dict[str, list[tuple[float, bool]]] = {}
    for sex, answer, weight in interviews.select("sex", "answer", "weight").iter_rows():
        cells.setdefault(sex, []).append((weight, answer == "yes"))
    above = below = 0.0
    for cell in cells.values():
        n = len(cell)
        above += (1 - 1 / n) * sum(w * w for w, _ in cell)
        below += sum(w * v for i, (w, _) in enumerate(cell) for j, (v, _) in enumerate(cell) if i != j) / n
    effect = above / below if below else 1.0
    share = {sex: sum(w for w, yes in cell if yes) / sum(w for w, _ in cell) for sex, cell in cells.items()}
    return effect, {sex: (len(cell) / effect, len(cell) / effect * share[sex]) for sex, cell in sorted(cells.items())}


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["female", "male"]),
            st.sampled_from(["18-29", "30-44"]),
            st.sampled_from(["yes", "no"]),
            st.floats(0.01, 100),
        ),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from([10.0, 1e-200, 1e200]),
)
def test_agrees_with_loops_whatever_the_sum_of_weights_and_the_cells_counted_by(rows, factor: float):
    interviews = pl.DataFrame(rows, schema=["sex", "age", "answer", "weight"], orient="row")
    effect, expected = slow(interviews)

    for table in (interviews, interviews.with_columns(pl.col("weight") * factor)):
        for by in (("sex",), ("age", "sex")):
            counts = weighted(BY_SEX, table, by)
            assert design_effect(BY_SEX, counts) == pytest.approx(effect, rel=1e-9)
            assert effect >= 1 - 1e-9
            found = {sex: (n, y) for sex, n, y in coarsest(BY_SEX, counts).select("sex", "n", "y").iter_rows()}
            assert list(found) == list(expected)
            assert_allclose(list(found.values()), list(expected.values()), rtol=1e-9, atol=1e-12)


def test_equal_weights_change_nothing():
    interviews = poll(n=300).with_columns(weight=pl.lit(7.0))
    plain = collapse(interviews, by=("sex",), answer="answer", option="yes")

    assert_allclose(
        coarsest(BY_SEX, weighted(BY_SEX, interviews)).select("n", "y").to_numpy(), plain.select("n", "y").to_numpy()
    )


@pytest.mark.parametrize("bad", [0.0, -1.0, None, float("nan"), float("inf")])
def test_a_weight_that_is_no_number_above_0_is_refused(bad: float | None):
    interviews = pl.DataFrame({"sex": ["male"] * 2, "answer": ["yes"] * 2, "weight": [1.0, bad]})
    with pytest.raises(CountsError, match=r"1 of 2 interviews with an answer have a weight that is no number above 0"):
        weighted(BY_SEX, interviews)


def test_weights_that_are_not_applied_yet_are_not_ignored():
    with pytest.raises(CountsError, match="coarsest first"):
        build_model(BY_SEX, weighted(BY_SEX, poll(n=20).with_columns(weight=pl.lit(1.0))), Priors())


def test_both_engines_have_the_same_density_of_fractional_counts():
    rng = np.random.default_rng(1)
    design = build_design("lean + sex + (1|district) + (sex|age) + rw1(age)", WORLD)
    interviews = poll(n=300).with_columns(weight=rng.gamma(2, 1, 300))
    counts = coarsest(design, weighted(design, interviews))
    assert (counts["y"] % 1 > 0).any()
    model = build_model(design, counts, Priors())
    log_density = model.compile_logp(jacobian=False, mode="FAST_COMPILE")
    space, conditional = hyper_space(design, Priors()), Conditional(design, counts, Priors())
    gaps = []
    for _ in range(4):
        point, latents, hypers, prior = random_point(design, space, model, rng)
        gaps.append(float(log_density(point)) - float(conditional.log_joint(latents[None], hypers)[0]))
        gaps[-1] -= prior
    assert_allclose(gaps, gaps[0], rtol=1e-8)


def test_weights_mend_a_sample_that_leaves_a_group_out_of_the_model():
    """People with a trait that the frame does not know answer otherwise, and three times as readily."""
    rng = np.random.default_rng(2)
    world = electorate(n_districts=6)
    people = world.frame["n_people"].to_numpy()
    cell = rng.choice(people.size, 6000, p=people / people.sum())
    trait = rng.random(6000) < 0.75  # of those who answer; in the population it is half
    yes = rng.random(6000) < np.where(trait, 0.7, 0.3)
    interviews = world.frame.drop("n_people")[cell].with_columns(
        answer=pl.Series(np.where(yes, "yes", "no")), weight=pl.Series(np.where(trait, 2 / 3, 2.0))
    )
    design = build_design("sex + (1|district) + (1|age)", world)

    def nation(counts: pl.DataFrame) -> np.ndarray:
        tree = fit_laplace(design, counts, Priors(), seed=1, settings=LaplaceSettings(points=100, draws=500))
        return area_draws(from_datatree(tree, design), design, world).draws[:, 0]

    raw = nation(collapse(interviews, by=design.count_columns, answer="answer", option="yes"))
    mended = nation(weighted(design, interviews))

    # E w^2 / (E w)^2 with w = 2/3 three times as often as 2; the standard errors are binomial and design-based.
    effect = (0.75 * (2 / 3) ** 2 + 0.25 * 4) / (0.75 * 2 / 3 + 0.25 * 2) ** 2
    assert design_effect(design, weighted(design, interviews)) == pytest.approx(effect, rel=0.02)
    assert raw.mean() == pytest.approx(0.6, abs=3.5 * np.sqrt(0.24 / 6000))
    assert mended.mean() == pytest.approx(0.5, abs=3.5 * np.sqrt(effect * 0.25 / 6000))
    assert mended.std() / raw.std() == pytest.approx(np.sqrt(effect * 0.25 / 0.24), rel=0.15)
