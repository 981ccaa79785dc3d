"""Every kind of term in the Laplace engine: the density is that of the PyMC model, draws are where they should be."""

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from scipy.special import logit

from mrp.coding import EffectKind
from mrp.counts import coarsest
from mrp.design import Design, build_design
from mrp.electorate import Electorate
from mrp.hyper import HyperSpace, correlation_name, hyper_space, mixing_name
from mrp.laplace import kernels
from mrp.laplace.conditional import Conditional
from mrp.laplace.engine import LaplaceSettings, fit_laplace
from mrp.model import build_model
from mrp.priors import Normal, Priors, parse_priors
from tests.mrp.polls import FORMULAS, OBSERVED, WORLD, effect_draw, fit_inputs, poll, working_values
from tests.mrp.worlds import electorate

PRIORS = parse_priors({"intercept": "normal(0.2, 1.4)", "sd": "half_normal(0.7)", "correlation": "lkj(3)"})


def random_hypers(space: HyperSpace, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Natural values and their log prior density, constants included."""
    sd = rng.uniform(0.1, 1.2, space.n_sds)
    r = rng.uniform(-0.8, 0.8, len(space.shapes))
    phi = rng.uniform(0.05, 0.95, len(space.mixings))
    prior = stats.halfnorm.logpdf(sd, scale=space.scale).sum()
    prior += stats.beta.logpdf((r + 1) / 2, *space.shapes.T).sum() if r.size else 0.0
    prior += sum(float(own.log_density(one)) for own, one in zip(space.mixings, phi, strict=True))
    return np.concatenate([sd, r, phi]), float(prior)


def random_point(design: Design, space: HyperSpace, model: Any, rng: np.random.Generator) -> tuple[Any, ...]:
    """Values of the variables of the PyMC model, the latents and hypers they mean, and the hypers' log prior."""
    import pytensor.tensor as pt

    hypers, prior = random_hypers(space, rng)
    n_free = 1 + len(design.coefficient_names)
    latents = rng.normal(0, 0.5, design.n_latents)
    point: dict[str, Any] = {"intercept": latents[0]}
    if n_free > 1:
        point["coefficient"] = latents[1:n_free]
    for effect, offset, terms in zip(design.effects, design.offsets, space.terms, strict=True):
        sd, r = hypers[terms.sds], hypers[terms.correlations]
        point[f"sd {effect.term}_log__"] = np.log(sd if sd.size > 1 else sd[0])
        if r.size:
            odds = np.log((1 + r) / (1 - r))
            point[f"unit {correlation_name(effect.term)}_logodds__"] = odds if r.size > 1 else odds[0]
        if effect.n_mixings:
            point[f"{mixing_name(effect.term)}_logodds__"] = logit(hypers[terms.mixings][0])
        coordinates, effects = effect_draw(effect, rng)
        latents[offset : offset + effect.size] = effects
        match effect.kind:
            case "rw1" | "rw2" | "icar" | "bym2":
                point[f"{effect.term} coordinate"] = coordinates
            case "slopes" | "correlated slopes":
                point[f"{effect.term} by level"] = effects.reshape(-1, len(effect.columns))
            case "zero-sum":
                transform = model.rvs_to_transforms[model[effect.term]]
                point[f"{effect.term}_zerosum__"] = transform.forward(pt.as_tensor(effects)).eval()
            case _:
                point[effect.term] = effects
    return point, latents, hypers, prior


def density_gaps(formula: str, engine_priors: Priors = PRIORS) -> tuple[np.ndarray, np.ndarray]:
    """Log densities of the PyMC model at random points, and how far above the engine's they are."""
    design, counts = fit_inputs(formula, n=300)
    model = build_model(design, counts, PRIORS)
    log_density = model.compile_logp(jacobian=False, mode="FAST_COMPILE")
    space, conditional = hyper_space(design, PRIORS), Conditional(design, counts, engine_priors)
    rng = np.random.default_rng(3)
    sizes, gaps = [], []
    for _ in range(4):
        point, latents, hypers, prior = random_point(design, space, model, rng)
        sizes.append(float(log_density(point)))
        gaps.append(sizes[-1] - float(conditional.log_joint(latents[None], hypers)[0]) - prior)
    return np.array(sizes), np.array(gaps)


@pytest.mark.parametrize("formula", FORMULAS)
def test_the_log_joint_is_that_of_the_pymc_model_up_to_one_constant(formula: str):
    sizes, gaps = density_gaps(formula)

    assert np.ptp(gaps) <= 1e-8 * np.abs(sizes).min()


def test_every_kind_of_effect_is_among_the_formulas():
    kinds = {effect.kind for formula in FORMULAS for effect in fit_inputs(formula, n=300)[0].effects}

    assert kinds == set(get_args(EffectKind.__value__))


def test_a_prior_that_is_a_hundredth_wider_is_found():
    slightly_wider = replace(PRIORS, coefficient=Normal(0, 1.01))
    sizes, gaps = density_gaps("lean + sex + region", slightly_wider)

    assert np.ptp(gaps) > 1e-8 * np.abs(sizes).max()


@pytest.mark.parametrize("formula", FORMULAS)
def test_draws_are_around_the_mode_and_their_ratio_is_exact_joint_over_normal_density(formula: str):
    design, counts = fit_inputs(formula, n=300)
    conditional = Conditional(design, counts, PRIORS)
    hypers, _ = random_hypers(hyper_space(design, PRIORS), np.random.default_rng(4))
    noise = np.random.default_rng(6).standard_normal((40, conditional.n_coordinates))
    mode = conditional.mode(hypers)
    drawn, ratio = conditional.draw(hypers, mode, noise)
    at_mode = conditional.log_joint(conditional.latents(mode)[None], hypers)

    expected = conditional.log_joint(drawn, hypers) + 0.5 * (noise**2).sum(axis=1)
    assert_allclose(ratio - ratio[0], expected - expected[0], atol=1e-6)
    # With the joint density of the mode, and no noise, that would be the Laplace approximation itself.
    assert_allclose(ratio - mode.log_likelihood, expected - at_mode, atol=1e-3)
    # The density falls from the mode by about half a chi-square, in every direction.
    assert (conditional.log_joint(drawn, hypers) < at_mode).all()
    assert np.abs(ratio - mode.log_likelihood).max() < 5


@pytest.mark.parametrize("formula", FORMULAS)
def test_the_gradient_is_what_differences_of_the_density_say(formula: str):
    design, counts = fit_inputs(formula, n=300)
    conditional, space = Conditional(design, counts, PRIORS), hyper_space(design, PRIORS)
    rng = np.random.default_rng(4)
    hypers, _ = random_hypers(space, rng)
    free = space.free(working_values(space, hypers))
    start, slope = conditional.slope(hypers)

    def log_density(free: np.ndarray) -> float:
        working = space.working(free)
        mode = start
        for _ in range(3):  # to full precision: Newton's method stops where differences would still notice
            mode = conditional.mode(space.natural(working), mode)
        return float(mode.log_likelihood + space.log_prior(working) + space.log_volume(working))

    gradient = space.gradient(space.working(free), slope)
    for _ in range(3):
        way = rng.normal(size=space.size)
        way /= np.linalg.norm(way)
        difference = (log_density(free + 1e-3 * way) - log_density(free - 1e-3 * way)) / 2e-3
        assert gradient @ way == pytest.approx(difference, abs=2e-3)


def marginal(formula: str, world: Electorate, hypers: np.ndarray) -> float:
    design = build_design(formula, world, observed=OBSERVED)
    interviews = poll(n=300)
    counts = interviews.group_by(design.count_columns).agg(
        n=pl.len().cast(pl.Int64), y=(pl.col("answer") == "yes").sum().cast(pl.Int64)
    )
    return Conditional(design, coarsest(design, counts), Priors()).mode(hypers).log_likelihood


@pytest.mark.parametrize(
    ("formula", "hypers"),
    [("rw1(age)", [0.5]), ("rw2(age)", [0.5]), ("(lean|age)", [0.5, 0.2, 0.4]), ("(1|sex) + rw1(age|sex)", [0.3, 0.5])],
)
def test_ages_from_old_to_young_have_the_same_likelihood(formula: str, hypers: list[float]):
    reversed_ages = {**WORLD.demographics, "age": WORLD.demographics["age"][::-1]}
    turned = Electorate(WORLD.frame, WORLD.districts, "district", reversed_ages, WORLD.ordered)

    assert marginal(formula, turned, np.array(hypers)) == pytest.approx(marginal(formula, WORLD, np.array(hypers)))


@pytest.mark.parametrize(
    ("formula", "hypers"), [("(lean|age)", [0.5, 0.2, 0.4]), ("(lean||age)", [0.5, 0.2]), ("house(pollster)", [0.4])]
)
def test_the_order_of_levels_that_have_none_does_not_matter(formula: str, hypers: list[float]):
    levels = WORLD.demographics["age"]
    shuffled = {**WORLD.demographics, "age": (levels[2], levels[0], levels[3], levels[1])}
    other = Electorate(WORLD.frame, WORLD.districts, "district", shuffled)

    assert marginal(formula, other, np.array(hypers)) == pytest.approx(marginal(formula, WORLD, np.array(hypers)))


@pytest.mark.parametrize(
    ("formula", "hypers"),
    [("icar(district)", [0.6]), ("sex + bym2(district)", [0.6, 0.7]), ("bym2(district)", [0.9, 0.1])],
)
def test_neither_the_names_nor_the_order_of_districts_matter_to_a_map(formula: str, hypers: list[float]):
    new = dict(zip(WORLD.codes, ("D05", "D02", "D07", "D00", "D06", "D03", "D01", "D04"), strict=True))

    def renamed(table: pl.DataFrame, column: str) -> pl.DataFrame:
        return table.with_columns(pl.col(column).replace_strict(new))

    names = [";".join(new[name] for name in text.split(";") if name) for text in WORLD.districts["neighbours"]]
    districts = renamed(WORLD.districts, "code").with_columns(neighbours=pl.Series(names)).sort("code")
    other = Electorate(renamed(WORLD.frame, "district"), districts, "district", WORLD.demographics, WORLD.ordered)
    marginals = []
    for world, interviews in ((WORLD, poll(n=300)), (other, renamed(poll(n=300), "district"))):
        design = build_design(formula, world)
        counts = interviews.group_by(design.count_columns).agg(
            n=pl.len().cast(pl.Int64), y=(pl.col("answer") == "yes").sum().cast(pl.Int64)
        )
        marginals.append(Conditional(design, counts, Priors()).mode(np.array(hypers)).log_likelihood)

    assert marginals[0] == pytest.approx(marginals[1], abs=1e-6)


def test_the_order_of_ages_matters_to_a_walk():
    levels = WORLD.demographics["age"]
    shuffled = {**WORLD.demographics, "age": (levels[2], levels[0], levels[3], levels[1])}
    other = Electorate(WORLD.frame, WORLD.districts, "district", shuffled, WORLD.ordered)

    assert abs(marginal("rw1(age)", other, np.array([0.5])) - marginal("rw1(age)", WORLD, np.array([0.5]))) > 0.01


def test_structured_effects_come_back_summing_to_zero_and_named():
    formula = "house(pollster) + rw1(period|region) + (sex|age)"
    design, counts = fit_inputs(formula)
    tree = fit_laplace(design, counts, Priors(), seed=1, settings=LaplaceSettings(points=60, draws=200))
    draws = tree["posterior"]

    assert_allclose(draws["house(pollster)"].sum("house(pollster) level"), 0, atol=1e-6)
    by_region = draws["rw1(period|region)"].to_numpy().reshape(200, 3, 5)
    assert_allclose(by_region.sum(axis=2), 0, atol=1e-6)  # single precision
    assert list(draws["sd (1+sex|age)"].coords["(1+sex|age) column"].to_numpy()) == ["1", "sex[male]"]
    assert draws["correlation (1+sex|age)"].dims == ("chain", "draw")
    assert list(draws["rw1(period|region)"].coords["rw1(period|region) level"].to_numpy())[:2] == [
        "North:2024-W01",
        "North:2024-W02",
    ]


def test_effects_on_a_map_come_back_summing_to_zero_over_each_part_of_it():
    design, counts = fit_inputs("icar(district) + (1|age)")
    draws = fit_laplace(design, counts, Priors(), seed=1, settings=LaplaceSettings(points=60, draws=200))["posterior"]
    effects = draws["icar(district)"].to_numpy()[0]

    assert_allclose(effects[:, :5].sum(axis=1), 0, atol=1e-6)
    assert_allclose(effects[:, 5:7].sum(axis=1), 0, atol=1e-6)
    assert effects[:, 7].std() > 0.1  # the island has an effect of its own
    assert list(draws["icar(district)"].coords["icar(district) level"].to_numpy()) == list(WORLD.codes)


def test_a_mixing_comes_back_named_and_between_0_and_1():
    design, counts = fit_inputs("bym2(district)", n=300)
    tree = fit_laplace(design, counts, Priors(), seed=1, settings=LaplaceSettings(points=60, draws=200))
    mixing = tree["posterior"]["mixing bym2(district)"]

    assert mixing.dims == ("chain", "draw")
    assert float(mixing.min()) > 0
    assert float(mixing.max()) < 1
    assert float(mixing.std()) > 0.1


def test_a_planted_walk_slope_and_house_effect_are_found():
    """Answers that follow the model with large effects: every planted value within 4.5 posterior sds, effects clear."""
    world = electorate(n_districts=10, empty=0.0)
    rng = np.random.default_rng(11)
    n = 6000
    cells = world.frame.drop("n_people")
    people = cells[rng.integers(0, cells.height, n)]
    people = people.with_columns(pl.Series(name, rng.choice(levels, n)) for name, levels in OBSERVED.items())
    walk = dict(zip(world.demographics["age"], (-0.9, -0.3, 0.2, 1.0), strict=True))
    slope = dict(zip(world.demographics["age"], (0.8, -0.8, 0.4, -0.4), strict=True))
    house = {"Ask": 0.6, "Bell": -0.1, "Call": -0.5}
    sex = np.where(people["sex"] == "male", 0.5, -0.5)
    eta = people["age"].replace_strict(walk).to_numpy() + people["pollster"].replace_strict(house).to_numpy()
    eta = eta + sex * people["age"].replace_strict(slope).to_numpy()
    answered = people.with_columns(y=pl.Series((rng.random(n) < 1 / (1 + np.exp(-eta))).astype(np.int64)))
    design = build_design("rw1(age) + (0 + sex|age) + house(pollster)", world, observed=OBSERVED)
    counts = answered.group_by(design.count_columns).agg(n=pl.len().cast(pl.Int64), y=pl.col("y").sum())
    draws = fit_laplace(design, counts, Priors(), seed=1)["posterior"]

    truths = {"rw1(age)": walk, "(0+sex|age)": slope, "house(pollster)": house}
    for term, truth in truths.items():
        found = draws[term].to_numpy().reshape(-1, len(truth))
        distance = (found.mean(axis=0) - list(truth.values())) / found.std(axis=0)
        assert np.abs(distance).max() < 4.5, term
        assert found.std(axis=0).max() < 0.2, term


def test_a_model_of_one_nuisance_effect_has_the_exact_posterior_mean_and_sd():
    """Intercept, one contrast and its sd: their posterior by sums over a grid."""
    design, counts = fit_inputs("mode(mode)")
    found = fit_laplace(design, counts, Priors(), seed=1)
    n, y = counts["n"].to_numpy(), counts["y"].to_numpy()
    intercept, contrast, sd = np.linspace(-1.5, 1.5, 301), np.linspace(-1.2, 1.2, 241), np.linspace(0.005, 2.5, 250)
    sign = design.effects[0].basis[design.rows(counts).index[:, 0] - design.offsets[0], 0]
    eta = intercept[:, None, None] + contrast[:, None] * sign
    log_density = (y * eta - n * np.logaddexp(0, eta)).sum(axis=2) - 0.5 * (intercept[:, None] / 1.5) ** 2
    scale = np.exp(-0.5 * (contrast / sd[:, None]) ** 2 - 0.5 * (sd[:, None] / 0.5) ** 2) / sd[:, None]
    weight = np.exp(log_density - log_density.max()) * scale.sum(axis=0)
    weight = weight.sum(axis=1) / weight.sum()
    mean = float(weight @ intercept)
    exact_sd = float(np.sqrt(weight @ (intercept - mean) ** 2))

    draws = found["posterior"]["intercept"].to_numpy().ravel()
    error = exact_sd / np.sqrt(found.attrs["ess_joint"])
    assert abs(draws.mean() - mean) < 4 * error
    assert draws.std() == pytest.approx(exact_sd, rel=4 / np.sqrt(2 * found.attrs["ess_joint"]))


def test_every_model_calls_the_kernels_with_the_same_types():
    """So that compiling them once, at set-up, is enough."""
    for formula in ("1", "lean", "(1|district)", FORMULAS[-1]):
        design, counts = fit_inputs(formula, n=50)
        conditional = Conditional(design, counts, PRIORS)
        hypers, _ = random_hypers(hyper_space(design, PRIORS), np.random.default_rng(4))
        mode, _ = conditional.slope(hypers)
        conditional.log_joint(conditional.draw(hypers, mode, np.zeros((2, conditional.n_coordinates)))[0], hypers)

    for kernel in (kernels.climb, kernels.draw, kernels.log_joint, kernels.third_order):
        assert len(kernel.signatures) == 1, kernel.__name__
