"""The density of several options: against the PyMC model, differences, the binary model, and itself reordered."""

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose
from scipy import optimize, stats

from mrp.categorical import Options, build_categorical_design, coarsest_options, count_name
from mrp.categorical.conditional import CategoricalConditional
from mrp.categorical.design import CategoricalDesign, SharedSd
from mrp.categorical.hyper import option_space
from mrp.categorical.model import build_categorical_model
from mrp.design import build_design
from mrp.hyper import hyper_space
from mrp.laplace.conditional import Conditional
from mrp.priors import Priors, parse_priors
from mrp.structure import zero_sum_basis
from tests.mrp import maps, polls
from tests.mrp.categorical import parties
from tests.mrp.categorical.parties import PARTIES, WORLD, counted, design, reordered

PRIORS = parse_priors({"own(log(past))": "normal(1, 0.5)", "lean": "normal(0, 0.7)", "(1|age)": "half_normal(1)"})
DESIGN = design()
INTERVIEWS = parties.poll(DESIGN, n=400, seed=3).interviews
COUNTS = counted(DESIGN, INTERVIEWS)
BY_OPTION = design(sd="by option")
SD = np.array([0.5, 0.3])
MAP = maps.on_map(polls.WORLD, maps.EIGHT)


def free_values(vectors: np.ndarray, *, axes: int = 1) -> np.ndarray:
    """What PyMC moves in for a vector that sums to zero."""
    import pytensor.tensor as pt
    from pymc.distributions.transforms import ZeroSumTransform

    return np.asarray(ZeroSumTransform(tuple(range(-axes, 0))).forward(pt.as_tensor(vectors)).eval())


def gaps(of: CategoricalDesign, counts: pl.DataFrame, priors: Priors, *, n: int) -> list[float]:
    """Log density of the PyMC model less that of the engine, at ``n`` points."""
    log_density = build_categorical_model(of, counts, priors).compile_logp(jacobian=False, mode="FAST_COMPILE")
    conditional = CategoricalConditional(of, coarsest_options(of, counts), priors)
    space, k, rng = hyper_space(of.common, priors), of.n_options, np.random.default_rng(3)
    found = []
    for seed in range(n):
        sd = rng.uniform(0.1, 1.5, space.n_sds)
        r = rng.uniform(-0.7, 0.7, len(space.shapes))
        phi = rng.uniform(0.2, 0.8, len(space.mixings))
        at = parties.latents(of, seed=seed)
        # What is structured has to be what its coordinates can make.
        at = conditional.latents(conditional.points(at[None]))[0]
        vectors, own = at[: of.n_common * k].reshape(-1, k), at[of.n_common * k :]
        point = {"intercept_zerosum__": free_values(vectors[0])}
        n_free = 1 + len(of.common.coefficient_names)
        if n_free > 1:
            point["coefficient_zerosum__"] = free_values(vectors[1:n_free])
        if len(own):
            point["own"] = own
        prior = stats.halfnorm.logpdf(sd, scale=space.scale).sum()
        for effect, offset, hypers in zip(of.common.effects, of.common.offsets, space.terms, strict=True):
            term, values = effect.term, vectors[offset : offset + effect.size]
            own_sd = sd[hypers.sds]
            point[f"sd {term}_log__"] = np.log(own_sd if len(effect.columns) > 1 else own_sd[0])
            if hypers.shapes:
                own_r = r[hypers.correlations.start - space.n_sds : hypers.correlations.stop - space.n_sds]
                name = "autocorrelation" if effect.kind == "ar1" else "correlation"
                unit = (own_r + 1) / 2
                point[f"unit {name} {term}_logodds__"] = np.log(unit / (1 - unit))[0]
                prior += stats.beta.logpdf(unit, *np.array(hypers.shapes).T).sum()
            match effect.kind:
                case "independent":
                    point[f"{term}_zerosum__"] = free_values(values)
                case "zero-sum":
                    point[f"{term}_zerosum__"] = free_values(values, axes=2)
                case "rw1" | "rw2" | "icar" | "bym2":
                    coordinates = np.linalg.lstsq(effect.basis, values, rcond=None)[0]
                    point[f"{term} coordinate_zerosum__"] = free_values(coordinates)
                case _:
                    width = effect.size if effect.kind == "ar1" else len(effect.columns)
                    directions = (values @ zero_sum_basis(k)).reshape(-1, width, k - 1)
                    point[f"{term} coordinate"] = directions.transpose(0, 2, 1)
            if hypers.mixing is not None:
                point[f"mixing {term}_logodds__"] = np.log(phi / (1 - phi))[0]
                prior += float(hypers.mixing.log_density(phi[0]))
        engine = float(conditional.log_joint(at[None], np.concatenate([sd, r, phi]))[0])
        found.append(float(log_density(point)) - engine - prior)
    return found


def test_the_log_joint_is_that_of_the_pymc_model_up_to_one_constant():
    found = gaps(DESIGN, COUNTS, PRIORS, n=5)

    assert_allclose(found, found[0], rtol=1e-8)


@pytest.mark.parametrize(
    "formula",
    [
        "rw1(age) + house(pollster) + (1 + sex|age)",
        "ar1(period) + (0 + lean|region)",
        "(1|age) + (1 + sex|district) + rw1(period|district)",
        "icar(district) + (1|age)",
        "bym2(district) + (1|age)",
    ],
)
def test_so_it_is_with_every_kind_of_term(formula: str):
    options = Options(("yes", "no", "perhaps"))
    of = build_categorical_design(formula, MAP, options, observed=polls.OBSERVED)
    interviews = polls.poll(n=200, seed=4)
    third = np.random.default_rng(1).random(interviews.height) < 0.3
    interviews = interviews.with_columns(vote=pl.when(pl.Series(third)).then(pl.lit("perhaps")).otherwise("answer"))
    found = gaps(of, counted(of, interviews), Priors(), n=3)

    assert_allclose(found, found[0], rtol=1e-8)


def test_the_mode_and_the_gradient_are_those_of_the_density():
    conditional = CategoricalConditional(DESIGN, coarsest_options(DESIGN, COUNTS), PRIORS)
    mode, gradient = conditional.slope(SD)
    assert mode.n_steps < 8  # a wrong Newton step still gets there, uphill

    def minus(point: np.ndarray) -> float:
        return -float(conditional.log_joint(conditional.latents(point[None]), SD)[0])

    assert_allclose(optimize.approx_fprime(mode.point, minus, 1e-5), 0, atol=1e-2)
    step = 1e-4
    for j in range(SD.size):
        up, down = (conditional.mode(SD + sign * step * np.eye(2)[j]).log_likelihood for sign in (1, -1))
        assert gradient[j] == pytest.approx((up - down) / (2 * step), rel=1e-4)


def test_the_shift_is_the_third_order_error_of_the_mode():
    """Of one cell and three options, against the mean by quadrature: most of the mode's error is taken off."""
    of = build_categorical_design("1", WORLD, Options(("a", "b", "c")))
    counts = pl.DataFrame({"n": [12], "y[a]": [9], "y[b]": [2], "y[c]": [1]})
    conditional = CategoricalConditional(of, counts, Priors())
    grid = np.linspace(-5, 5, 201)
    points = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
    log_density = conditional.log_joint(conditional.latents(points), np.empty(0))
    weight = np.exp(log_density - log_density.max())
    mean = weight @ points / weight.sum()

    mode = conditional.mode(np.empty(0))
    drawn, _ = conditional.draw(np.empty(0), mode, np.zeros((1, 2)))

    left = np.abs(conditional.points(drawn)[0] - mean).max()
    assert left < 0.35 * np.abs(mode.point - mean).max()


def test_two_options_are_the_binary_model_with_sds_larger_by_the_root_of_two():
    formula = "lean + (1|district) + rw1(age)"
    of = build_categorical_design(formula, WORLD, Options(("Left", "Right")))
    binary = build_design(formula, WORLD)
    two = INTERVIEWS.filter(pl.col("vote").is_in(of.options))
    counts = coarsest_options(of, counted(of, two))
    of_left = counts.rename({count_name("Left"): "y"})
    half = parse_priors({"intercept": "normal(0, 1)", "coefficient": "normal(0, 0.5)"})
    root = np.sqrt(2)
    larger = parse_priors({"intercept": f"normal(0, {root})", "coefficient": f"normal(0, {root / 2})"})
    several, one = CategoricalConditional(of, counts, half), Conditional(binary, of_left, larger)

    differences = []
    for seed in range(4):
        at = several.latents(several.points(parties.latents(of, seed=seed)[None]))[0]
        sd = np.random.default_rng(seed).uniform(0.1, 1, 2)
        contrast = at.reshape(-1, 2) @ [1, -1]
        # A density in coordinates that are larger by the root of two; the normaliser does not say so.
        same = float(one.log_joint(contrast[None], root * sd)[0])
        differences.append(float(several.log_joint(at[None], sd)[0]) - same)
    sizes = several.n_coordinates * np.log(root)
    assert_allclose(differences, sizes, rtol=1e-8)
    marginal = several.mode(SD).log_likelihood - one.mode(root * SD).log_likelihood
    assert marginal == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("sd", ["shared", "by option"])
def test_order_and_labels_of_options_change_nothing(sd: SharedSd):
    labels = ("z", "y", "x", "w")
    renamed = INTERVIEWS.with_columns(pl.col("vote").replace_strict(dict(zip(PARTIES, labels, strict=True))))
    order = (2, 0, 3, 1)
    other = design(options=reordered(order, labels), sd=sd)
    priors, first = Priors(), design(sd=sd)
    one = CategoricalConditional(first, coarsest_options(first, COUNTS), priors)
    two = CategoricalConditional(other, coarsest_options(other, counted(other, renamed)), priors)

    hypers = SD if sd == "shared" else np.linspace(0.2, 0.9, 8)
    theirs = hypers if sd == "shared" else hypers.reshape(2, 4)[:, order].ravel()
    mode, gradient = one.slope(hypers)
    mode_two, gradient_two = two.slope(theirs)

    assert mode_two.log_likelihood == pytest.approx(mode.log_likelihood, rel=1e-9)
    gradient = gradient if sd == "shared" else gradient.reshape(2, 4)[:, order].ravel()
    assert_allclose(gradient_two, gradient, rtol=1e-6)
    centre, ratio = one.draw(hypers, mode, np.zeros((1, one.n_coordinates)))
    centre_two, ratio_two = two.draw(theirs, mode_two, np.zeros((1, two.n_coordinates)))
    assert_allclose(ratio_two, ratio, rtol=1e-9)
    vectors = centre[0, : DESIGN.n_common * 4].reshape(-1, 4)
    assert_allclose(centre_two[0, : DESIGN.n_common * 4].reshape(-1, 4), vectors[:, order], atol=1e-6)
    assert_allclose(centre_two[0, -1], centre[0, -1], atol=1e-6)


@pytest.mark.parametrize("of", [DESIGN, BY_OPTION], ids=["shared", "by option"])
def test_a_sampled_form_has_the_density_of_the_model_up_to_a_constant(of: CategoricalDesign):
    from mrp.categorical.nuts import categorical_form

    counts = coarsest_options(of, COUNTS)
    form = categorical_form(of, counts, PRIORS)
    log_density = form.model().compile_logp(jacobian=False, mode="FAST_COMPILE")
    space, rng, found = option_space(of, PRIORS), np.random.default_rng(1), []
    own, y = PRIORS.for_predictor("own(log(past))"), counts.select(map(count_name, of.options)).to_numpy()
    over_options = zero_sum_basis(4) if of.sd == "shared" else np.eye(4) - 1 / 4
    for _ in range(4):
        sd = rng.uniform(0.1, 1.0, space.n_sds)
        eps = rng.standard_normal(of.n_common * over_options.shape[1] + 1)
        standard = form.fixed["middle"] + form.fixed["spread"] @ eps
        spread = np.repeat(sd.reshape(2, -1), [e.size for e in of.common.effects], axis=0)
        fixed = np.broadcast_to([[1.5], [0.7]], (2, spread.shape[1]))
        vectors = np.concatenate([fixed, spread]) * standard[:-1].reshape(of.n_common, -1) @ over_options.T
        latents = np.concatenate([vectors.ravel(), [own.mean + own.sd * standard[-1]]])
        shares = parties.cell_shares(of, latents, counts)
        exact = np.where(y > 0, y * np.log(np.where(y > 0, shares, 1)), 0).sum() - 0.5 * (standard**2).sum()
        exact += stats.halfnorm.logpdf(sd, scale=space.scale).sum()
        found.append(float(log_density({"sd_log__": np.log(sd), "eps": eps})) - exact)

    assert_allclose(found, found[0], rtol=1e-8, atol=1e-6)


def by_option_gaps(of: CategoricalDesign, counts: pl.DataFrame, *, n: int) -> list[float]:
    """As `gaps`, for a model of which the options have sds of their own."""
    log_density = build_categorical_model(of, counts, Priors()).compile_logp(jacobian=False, mode="FAST_COMPILE")
    conditional = CategoricalConditional(of, coarsest_options(of, counts), Priors())
    space, k, rng = option_space(of, Priors()), of.n_options, np.random.default_rng(3)
    found = []
    for _ in range(n):
        sd, others = rng.uniform(0.2, 1.5, space.n_sds), rng.uniform(0.2, 0.7, space.size - space.n_sds)
        point, prior, vectors = {}, stats.halfnorm.logpdf(sd, scale=space.scale).sum(), []
        intercept = rng.standard_normal(k)
        vectors.append((intercept - intercept.mean())[None])
        point["intercept_zerosum__"] = free_values(vectors[0][0])
        n_coefficients = len(of.common.coefficient_names)
        if n_coefficients:
            coefficients = rng.standard_normal((n_coefficients, k))
            vectors.append(coefficients - coefficients.mean(axis=1, keepdims=True))
            point["coefficient_zerosum__"] = free_values(vectors[1])
        for effect, hypers in zip(of.common.effects, space.terms, strict=True):
            term, several = effect.term, len(effect.columns) > 1
            own_sd = sd[hypers.sds]
            point[f"sd {term}_log__"] = np.log(own_sd.reshape(-1, k) if several else own_sd)
            together = {"ar1": effect.size, "slopes": len(effect.columns), "correlated slopes": len(effect.columns)}
            width = together.get(effect.kind, 1)
            coordinate = rng.standard_normal((effect.n_coordinates, k - 1))
            point[f"{term} coordinate"] = coordinate.reshape(-1, width * (k - 1))
            if hypers.shapes:
                r = others[hypers.correlations.start - space.n_sds : hypers.correlations.stop - space.n_sds]
                name, unit = "autocorrelation" if effect.kind == "ar1" else "correlation", (r + 1) / 2
                point[f"unit {name} {term}_logodds__"] = np.log(unit / (1 - unit))[0]
                prior += stats.beta.logpdf(unit, *np.array(hypers.shapes).T).sum()
            values = coordinate
            if hypers.mixing is not None:
                phi = others[hypers.mixings.start - space.n_sds]
                point[f"mixing {term}_logodds__"] = np.log(phi / (1 - phi))
                prior += float(hypers.mixing.log_density(phi))
                spread = np.sqrt(1 - phi + phi * effect.directions)
                # The engine's density is that of effects along the map, which vary by this.
                prior -= -(k - 1) * np.log(spread).sum()
                values = spread[:, None] * coordinate
            basis = np.eye(effect.size) if effect.basis is None else effect.basis
            vectors.append(basis @ values @ zero_sum_basis(k).T)
        latents = np.concatenate(vectors).ravel()
        engine = float(conditional.log_joint(latents[None], np.concatenate([sd, others]))[0])
        found.append(float(log_density(point)) - engine - prior)
    return found


@pytest.mark.parametrize(
    "formula",
    [
        "lean + (1|district) + rw1(age) + house(pollster)",
        "(1 + sex|age) + ar1(period) + (0 + lean|region)",
        "bym2(district) + (1|age)",
    ],
)
def test_with_sds_by_option_the_log_joint_and_the_gradient_are_those_of_the_pymc_model(formula: str):
    options = Options(("yes", "no", "perhaps"))
    of = build_categorical_design(formula, MAP, options, sd="by option", observed=polls.OBSERVED)
    interviews = polls.poll(n=200, seed=4)
    third = np.random.default_rng(1).random(interviews.height) < 0.3
    interviews = interviews.with_columns(vote=pl.when(pl.Series(third)).then(pl.lit("perhaps")).otherwise("answer"))
    counts = counted(of, interviews)
    found = by_option_gaps(of, counts, n=3)
    assert_allclose(found, found[0], rtol=1e-8)

    conditional = CategoricalConditional(of, coarsest_options(of, counts), Priors())
    space = option_space(of, Priors())
    at = np.concatenate([np.linspace(0.2, 0.9, space.n_sds), np.full(space.size - space.n_sds, 0.4)])
    _, gradient = conditional.slope(at)
    for j in range(space.size):
        step = 1e-4 * (np.arange(space.size) == j)
        up, down = (conditional.mode(at + sign * step).log_likelihood for sign in (1, -1))
        assert gradient[j] == pytest.approx((up - down) / 2e-4, rel=1e-3, abs=2e-3)


def test_sds_by_option_that_are_the_same_are_one_shared_sd():
    shared, own = (CategoricalConditional(of, coarsest_options(of, COUNTS), PRIORS) for of in (DESIGN, BY_OPTION))
    mode, gradient = shared.slope(SD)
    same, by_option = own.slope(np.repeat(SD, 4))

    assert same.log_likelihood == pytest.approx(mode.log_likelihood, rel=1e-10)
    assert_allclose(by_option.reshape(2, 4).sum(axis=1), gradient, rtol=1e-8)
