"""Checks of several options, scales and numbers: likelihoods answer by answer, priors as the terms mean them."""

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose
from scipy.stats import multinomial, norm

from mrp.categorical.cells import cell_options
from mrp.categorical.options import Options
from mrp.checks.answered import answered_cells, log_likelihood
from mrp.checks.concerns import Concern
from mrp.checks.estimate_scores import estimate_scores
from mrp.checks.left_out import leave_cells_out
from mrp.checks.prior_checks import prior_concerns, prior_conflicts, prior_predictive
from mrp.checks.prior_draws import prior_draws
from mrp.checks.sensitivity import log_priors, parameter_space
from mrp.latents import LatentDraws
from mrp.numeric.unit import Unit
from mrp.outcomes import CategoricalOutcome, NumericOutcome, OrdinalOutcome
from mrp.priors import Priors, parse_priors
from tests.mrp.checks.worlds import WORLD, interviews

PARTIES = ("X", "Y", "Z")
FORMULA = "sex + (1|district)"
SOUTH = CategoricalOutcome(Options(PARTIES, only_in={"Z": {"region": ("South",)}}))
NUMBERS = NumericOutcome((0.0, 100.0))


def asked(n: int = 400, seed: int = 4) -> pl.DataFrame:
    """Parties and numbers beside the answers of a small survey; Z where it stands."""
    rng = np.random.default_rng(seed)
    table = interviews(seed=seed, n=n)
    regions = dict(zip(WORLD.districts["code"], WORLD.districts["region"], strict=True))
    south = (table["district"].replace_strict(regions) == "South").to_numpy()
    party = np.where(south, rng.choice(PARTIES, n), rng.choice(PARTIES[:2], n))
    return table.with_columns(pl.Series("party", party), pl.Series("number", rng.normal(50, 20, n).clip(0, 100)))


def drawn(design, n: int = 60, link: str = "softmax", spread: float = 0.4) -> LatentDraws:
    draws = np.random.default_rng(1).normal(0, spread, (n, design.n_latents))
    if link == "identity":
        draws[:, -1] = np.abs(draws[:, -1]) + 0.5
    return LatentDraws(draws.astype(np.float32), design.latent_names, link=link)


def test_the_likelihood_of_options_is_multinomial_and_that_of_no_row_matters():
    design = SOUTH.build(FORMULA, WORLD)
    counts = SOUTH.collapse(asked(), by=(*WORLD.cell_columns, "pollster"), answer="party")
    latents = drawn(design)
    found = answered_cells(latents, design, WORLD, counts, most_draws=60)

    cells = found.cells.select(WORLD.cell_columns)
    shares = cell_options(latents, design, cells, most_draws=60).astype(float)
    whole = cells.join(SOUTH.add([counts.drop("pollster")], WORLD.cell_columns), on=WORLD.cell_columns, how="left")
    y = whole.select("y[X]", "y[Y]", "y[Z]").to_numpy()
    for cell in (0, 7, cells.height - 1):
        p = shares[:, :, cell].T
        expected = multinomial.logpmf(y[cell], y[cell].sum(), p / p.sum(axis=1, keepdims=True))
        assert_allclose(found.likelihood[:, cell], expected, atol=1e-4)
    assert_allclose(found.of["X"].observed, y[:, 0] / y.sum(axis=1))
    assert_allclose(found.of["X"].expected, shares[0], atol=1e-5)
    assert (~found.of["Z"].stands).sum() == cells.filter(~pl.Series(design.stands(cells)[:, 2])).height > 0
    assert_allclose(log_likelihood(latents, design, WORLD, counts), found.likelihood.sum(axis=1), rtol=1e-9)


def test_the_likelihood_of_numbers_is_that_of_every_answer():
    design = NUMBERS.build(FORMULA, WORLD)
    table = asked()
    counts = NUMBERS.collapse(table, by=WORLD.cell_columns, answer="number")
    latents = drawn(design, link="identity")
    found = answered_cells(latents, design, WORLD, counts, most_draws=60)

    expected = found.of["mean"].expected
    sd = 25 * latents.draws[:, -1].astype(float)
    for cell in (0, 5):
        own = table.join(found.cells[[cell]], on=WORLD.cell_columns, how="inner")["number"].to_numpy()
        each = norm.logpdf(own[:, None], expected[:, cell], sd).sum(axis=0)
        assert_allclose(found.likelihood[:, cell], each, rtol=1e-5)
        assert_allclose(found.of["mean"].observed[cell], own.mean())
    assert_allclose(found.of["mean"].variance, np.mean(sd**2))


@pytest.mark.parametrize("kind", ["party", "number"])
def test_equal_weights_change_nothing(kind: str):
    outcome, link = (SOUTH, "softmax") if kind == "party" else (NUMBERS, "identity")
    design = outcome.build(FORMULA, WORLD)
    table = asked().with_columns(weight=pl.lit(3.0))
    plain = outcome.collapse(table, by=WORLD.cell_columns, answer=kind)
    same = outcome.collapse(table, by=WORLD.cell_columns, answer=kind, weight="weight")
    latents = drawn(design, link=link)
    one, other = (answered_cells(latents, design, WORLD, counts, most_draws=60) for counts in (plain, same))

    assert_allclose(one.likelihood, other.likelihood, rtol=1e-6, atol=1e-6)


def test_scores_of_several_options_are_told_together_and_of_each_where_it_stands():
    design = SOUTH.build(FORMULA, WORLD)
    counts = SOUTH.collapse(asked(2000), by=WORLD.cell_columns, answer="party")
    left_out = leave_cells_out(drawn(design, 200, spread=0.1), design, WORLD, counts)
    scores = estimate_scores(left_out, WORLD)

    regions = {one.option: one for one in scores if one.level == "region"}
    n_south = WORLD.districts.filter(pl.col("region") == "South").height
    assert regions["Z"].n_areas == 1
    assert regions["X"].n_areas == WORLD.districts["region"].n_unique()
    districts = {one.option: one for one in scores if one.level == "district"}
    assert districts["Z"].n_areas <= n_south
    n = np.array([districts[one].n_areas for one in PARTIES])
    squares = n @ np.array([districts[one].error ** 2 for one in PARTIES]) / n.sum()
    assert districts[None].error == pytest.approx(np.sqrt(squares))
    assert [one.option for one in scores[:6]] == [None] * 5 + ["X"]
    assert len({id(one.elpd) for one in left_out.values()}) == 1


def test_vectors_over_options_are_drawn_as_their_prior_says():
    n = 40_000
    draws = prior_draws(SOUTH.build(FORMULA, WORLD), Priors(), n=n, seed=1).draws.reshape(n, -1, 3).astype(float)

    assert_allclose(draws.sum(axis=2), 0, atol=1e-4)
    of_intercept = np.cov(draws[:, 0].T)
    error = 5 * np.sqrt(2 / n)  # of a variance, as a part of it
    assert_allclose(of_intercept, 1.5**2 * (np.eye(3) - 1 / 3), atol=1.5**2 * error)
    # Effects share their sd: given it normal, their variance is that of the half-normal's square, 0.25 on average.
    effect = draws[:, 2]
    assert_allclose(np.cov(effect.T), 0.25 * (np.eye(3) - 1 / 3), atol=0.25 * 2.5 * error)
    assert np.corrcoef(np.square(effect[:, 0]), np.square(draws[:, 3, 0]))[0, 1] > 0.1


def test_one_sd_for_each_option_makes_effects_of_one_option_alike_in_size():
    n = 40_000
    by_option = CategoricalOutcome(Options(PARTIES), "by option").build(FORMULA, WORLD)
    draws = prior_draws(by_option, Priors(), n=n, seed=1).draws.reshape(n, -1, 3).astype(float)

    assert_allclose(draws.sum(axis=2), 0, atol=1e-4)
    own = np.corrcoef(np.square(draws[:, 2, 0]), np.square(draws[:, 3, 0]))[0, 1]
    other = np.corrcoef(np.square(draws[:, 2, 0]), np.square(draws[:, 3, 1]))[0, 1]
    assert own > other + 0.05


def test_widths_of_a_scale_and_the_residual_of_numbers_are_drawn():
    n = 20_000
    scale = prior_draws(OrdinalOutcome(("a", "b", "c", "d")).build("sex", WORLD), Priors(), n=n, seed=1)
    width = Priors().log_width
    assert_allclose(scale.draws[:, -2:].mean(axis=0), width.mean, atol=5 * width.sd / np.sqrt(n))
    assert_allclose(scale.draws[:, -2:].std(axis=0), width.sd, rtol=0.03)
    numbers = prior_draws(NUMBERS.build("sex", WORLD), Priors(), n=n, seed=1).draws[:, -1]
    assert (numbers > 0).all()
    assert_allclose(np.mean(np.square(numbers, dtype=float)), Priors().residual.scale ** 2, rtol=0.05)


def said(outcome, priors: dict[str, str], **observed: float) -> tuple[Concern, ...]:
    return prior_concerns(
        prior_predictive(outcome.build(FORMULA, WORLD), WORLD, parse_priors(priors), seed=1, observed=observed), ()
    )


def test_default_priors_are_no_concern_and_those_that_say_too_much_are_named_in_words_of_their_kind():
    for outcome in (SOUTH, OrdinalOutcome(("a", "b", "c")), NUMBERS):
        assert said(outcome, {}) == ()
    (one,) = said(SOUTH, {"intercept": "normal(0, 12)"})
    assert "the priors expect a national share above 95%" in one.sentence
    assert one.sentence[:3] in {"X: ", "Y: ", "Z: "}
    (one,) = said(NUMBERS, {"intercept": "normal(0, 5)"})
    assert "a national mean below 0 or above 100" in one.sentence
    wide = said(NUMBERS, {"(1|district)": "half_normal(8)"})
    assert any("means of districts to differ by" in one.sentence for one in wide)
    contradicted, fixed = said(
        SOUTH, {"intercept": "normal(0, 0.02)", "(1|district)": "half_normal(0.01)", "sex": "normal(0, 0.01)"}, X=0.9
    )
    assert fixed.sentence.startswith(("X: ", "Y: "))
    assert "The interviews contradict the priors" in contradicted.sentence


def test_conflicts_of_options_are_those_of_their_coordinates():
    design = CategoricalOutcome(Options(PARTIES)).build("(1|district)", WORLD)
    draws = np.zeros((5, design.n_common, 3))
    draws[:, 0] = [3.0, -3.0, 0.0]  # one coordinate, 3 sqrt(2) long
    draws[:, 1:] = [0.5, -0.5, 0.0]
    latents = LatentDraws(draws.reshape(5, -1).astype(np.float32), design.latent_names, link="softmax")
    intercept, district = prior_conflicts(latents, design, parse_priors({"intercept": "normal(0, 1)"}))

    assert intercept.distance == pytest.approx(3 * np.sqrt(2), rel=1e-6)
    # Squares 0.5 and 0 of two coordinates, over the scale of 0.5.
    assert district.distance == pytest.approx(np.sqrt(0.25) / 0.5, rel=1e-6)


def test_log_priors_of_options_have_every_parameter():
    design = CategoricalOutcome(Options(PARTIES), "by option").build(FORMULA, WORLD)
    latents = prior_draws(design, Priors(), n=30, seed=2)
    size = parameter_space(design, Priors()).size
    hypers = np.random.default_rng(2).gamma(2, 0.2, (30, size))
    found = log_priors(latents, design, Priors(), hypers)

    sds = [f"sd (1|district)[{party}]" for party in PARTIES]
    assert list(found) == ["intercept", "sex[male]", *sds]
    vectors = latents.draws[:, :3].astype(float)
    # Of a vector that sums to zero the coordinates are as long as itself.
    assert_allclose(found["intercept"], -0.5 * np.square(vectors).sum(axis=1) / 1.5**2, rtol=1e-5)
    assert_allclose(found[sds[1]], -0.5 * (hypers[:, 1] / 0.5) ** 2)
    numbers = NUMBERS.build(FORMULA, WORLD)
    assert numbers.unit == Unit(50.0, 25.0)
    of_numbers = log_priors(drawn(numbers, 5, "identity"), numbers, Priors(), np.ones((5, 1)))
    assert list(of_numbers) == ["intercept", "sex[male]", "sd (1|district)", "sd residual"]


def test_an_option_that_stands_in_part_is_compared_with_the_interviews_from_there():
    design = SOUTH.build(FORMULA, WORLD)
    people = WORLD.frame.join(WORLD.districts, left_on="district", right_on="code")
    south = people.filter(pl.col("region") == "South")["n_people"].sum() / people["n_people"].sum()
    assert 0.1 < south < 0.5
    # A prior that expects a third of every option where three stand.
    tight = parse_priors({"intercept": "normal(0, 0.1)"})
    found = prior_predictive(design, WORLD, tight, seed=1, observed={"X": 0.45, "Z": 1 / 3})

    assert not found["Z"].everywhere
    assert found["X"].everywhere
    assert found["Z"].nation["0.5"] == pytest.approx(1 / 3, abs=0.02)
    assert found["Z"].surprise is not None
    assert found["Z"].surprise > 0.2
    # Among everybody it would be far less.
    assert south / 3 < found["Z"].nation["0.05"]
    wrong = prior_predictive(design, WORLD, tight, seed=1, observed={"Z": 0.02})["Z"]
    assert "local (where the option stands) share" in prior_concerns({"Z": wrong}, ())[0].sentence
