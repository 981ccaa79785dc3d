"""The density of means: against the PyMC model, dense algebra answer by answer, differences, and the sampled form."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from scipy.special import logsumexp

from mrp import Priors, parse_priors
from mrp.laplace import elimination
from mrp.laplace.engine import LaplaceSettings
from mrp.numeric import (
    NumericDesign,
    Unit,
    build_numeric_design,
    coarsest_numeric,
    fit_numeric_laplace,
    numeric_latents,
)
from mrp.numeric import conditional as conditional_module
from mrp.numeric.conditional import NumericConditional
from mrp.numeric.counts import in_unit
from mrp.numeric.model import build_numeric_model
from mrp.numeric.nuts import numeric_form
from mrp.numeric.residual import residual_space
from tests.mrp import polls
from tests.mrp.numeric.thermometer import WORLD, counted, design, poll

PRIORS = parse_priors({"lean": "normal(0.2, 0.7)", "(1|age)": "half_normal(1)", "residual": "half_normal(0.8)"})
PRIORS_OF_SLOPES = parse_priors({"residual": "half_normal(0.3)"})
INTERVIEWS = poll(design(), n=300, seed=3).interviews
COUNTS = counted(design(), INTERVIEWS)


def ready(of: NumericDesign, counts: pl.DataFrame) -> tuple[NumericDesign, pl.DataFrame]:
    return of.for_counts(counts), coarsest_numeric(of.common, counts)


def hyper_point(of: NumericDesign, space: object, hypers: np.ndarray) -> tuple[dict[str, np.ndarray], float]:
    """PyMC's values of the parameters, and their log prior density."""
    point, effects = {"sd residual_log__": np.log(hypers[-1])}, space.effects
    prior = stats.halfnorm.logpdf(hypers[-1], scale=space.residual_scale)
    prior += stats.halfnorm.logpdf(hypers[: effects.n_sds], scale=effects.scale).sum()
    for effect, own in zip(of.common.effects, effects.terms, strict=True):
        sd = hypers[own.sds]
        point[f"sd {effect.term}_log__"] = np.log(sd if len(effect.columns) > 1 else sd[0])
        if own.shapes:
            unit = (hypers[own.correlations] + 1) / 2
            name = "autocorrelation" if effect.kind == "ar1" else "correlation"
            point[f"unit {name} {effect.term}_logodds__"] = np.log(unit / (1 - unit))[0]
            prior += stats.beta.logpdf(unit, *np.array(own.shapes).T).sum()
    return point, float(prior)


def gaps(of: NumericDesign, counts: pl.DataFrame, priors: Priors, *, n: int) -> list[float]:
    """Log density of the PyMC model less that of the engine, at ``n`` points."""
    of, cells = ready(of, counts)
    log_density = build_numeric_model(of, counts, priors).compile_logp(jacobian=False, mode="FAST_COMPILE")
    conditional, common = NumericConditional(of, cells, priors), of.common
    space = residual_space(common, priors, in_unit(cells, of.require_unit()))
    found, rng = [], np.random.default_rng(3)
    for _ in range(n):
        free = np.concatenate([rng.normal(-0.7, 0.5, space.n_sds), rng.normal(0, 0.7, space.size - space.n_sds)])
        hypers = space.natural(space.working(free))
        # What is structured has to be what its coordinates can make.
        noise = rng.standard_normal((1, conditional.n_coordinates))
        latents = conditional.draw(hypers, conditional.mode(hypers), noise)[0][0]
        point, prior = hyper_point(of, space, hypers)
        point["intercept"] = latents[0]
        n_free = 1 + len(common.coefficient_names)
        if n_free > 1:
            point["coefficient"] = latents[1:n_free]
        for effect, offset in zip(common.effects, common.offsets, strict=True):
            values = latents[offset : offset + effect.size]
            match effect.kind:
                case "independent" | "ar1":
                    point[effect.term] = values
                case "zero-sum":
                    import pytensor.tensor as pt
                    from pymc.distributions.transforms import ZeroSumTransform

                    point[f"{effect.term}_zerosum__"] = ZeroSumTransform((-1,)).forward(pt.as_tensor(values)).eval()
                case "rw1" | "rw2" | "icar":
                    point[f"{effect.term} coordinate"] = np.linalg.lstsq(effect.basis, values, rcond=None)[0]
                case _:
                    point[f"{effect.term} by level"] = values.reshape(-1, len(effect.columns))
        engine = float(conditional.log_joint(latents[None], hypers)[0])
        found.append(float(log_density(point)) - engine - prior)
    return found


def test_the_log_joint_is_that_of_the_pymc_model_up_to_one_constant():
    found = gaps(design(), COUNTS, PRIORS, n=5)

    assert_allclose(found, found[0], rtol=1e-8)


def test_so_it_is_with_every_kind_of_term():
    formula = "rw1(age) + house(pollster) + ar1(period) + (1 + sex|age)"
    of = build_numeric_design(formula, polls.WORLD, observed=polls.OBSERVED)
    interviews = polls.poll(n=200, seed=4)
    warmth = np.random.default_rng(1).normal(50, 20, interviews.height)
    found = gaps(of, counted(of, interviews.with_columns(warmth=pl.Series(warmth))), Priors(), n=4)

    assert_allclose(found, found[0], rtol=1e-8)


def test_the_gradient_is_that_of_the_likelihood_and_draws_have_equal_weights():
    of, cells = ready(design("lean + (1|district) + rw1(age)"), COUNTS)
    conditional = NumericConditional(of, cells, Priors())
    hypers = np.array([0.4, 0.2, 0.9])

    mode, gradient = conditional.slope(hypers)

    step = 1e-5
    for j in range(3):
        up, down = (conditional.mode(hypers + sign * step * np.eye(3)[j]).log_likelihood for sign in (1, -1))
        assert gradient[j] == pytest.approx((up - down) / (2 * step), rel=1e-6)
    noise = np.random.default_rng(1).standard_normal((50, conditional.n_coordinates))
    latents, ratio = conditional.draw(hypers, mode, noise)
    # A normal posterior is what it is drawn from: exact over normal density is the likelihood, in every draw.
    assert_allclose(ratio, mode.log_likelihood, rtol=1e-11)
    assert (latents[:, -1] == 0.9).all()


@pytest.mark.parametrize(
    "formula", ["(1 + sex|district:age) + rw1(age|district) + sex", "(1|district) + (1 + sex|age)"]
)
def test_blocks_that_are_taken_apart_give_what_the_dense_matrix_gives(formula: str, monkeypatch: pytest.MonkeyPatch):
    of, cells = ready(design(formula), COUNTS)
    apart = NumericConditional(of, cells, Priors())
    monkeypatch.setattr(
        conditional_module, "choose_elimination", lambda effects, _: elimination._laid_out((), (), effects)
    )
    dense = NumericConditional(of, cells, Priors())
    # Sds of the terms, the correlation, the residual sd.
    hypers = np.array([0.4, 0.3, 0.6, 0.25, 0.9])

    (one, slope), (two, slope_two) = apart.slope(hypers), dense.slope(hypers)

    assert one.log_likelihood == pytest.approx(two.log_likelihood, rel=1e-12)
    assert_allclose(slope, slope_two, rtol=1e-8)
    noise = np.random.default_rng(1).standard_normal((4000, apart.n_coordinates))
    drawn, others = apart.draw(hypers, one, noise)[0], dense.draw(hypers, two, noise)[0]
    still = np.zeros((1, apart.n_coordinates))
    assert_allclose(apart.draw(hypers, one, still)[0], dense.draw(hypers, two, still)[0], atol=1e-9)
    # Other draws of the same distribution.
    assert_allclose(np.cov(drawn.T), np.cov(others.T), atol=6 * np.sqrt(2 / 4000) * drawn.var(axis=0).max())


def dense_posterior(y: np.ndarray, groups: np.ndarray, grid: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, ...]:
    """Of y ~ Normal(intercept + effect[group], s) answer by answer, on a grid of (sd, s): by the definition alone.

    Returns the log marginal likelihood, and mean and covariance of (intercept, effects) for every pair.
    """
    n_groups = groups.max() + 1
    z = np.column_stack([np.ones(y.size), np.eye(n_groups)[groups]])
    out = []
    for sd in grid[0]:
        for s in grid[1]:
            prior = np.diag([1.5**2, *[sd**2] * n_groups])
            marginal = z @ prior @ z.T + s**2 * np.eye(y.size)
            gain = np.linalg.solve(marginal, z @ prior).T
            value = -0.5 * (np.linalg.slogdet(marginal)[1] + y @ np.linalg.solve(marginal, y))
            out.append((value, gain @ y, prior - gain @ z @ prior))
    return tuple(np.array(part) for part in zip(*out, strict=True))


Y = np.array([-1.2, 0.3, 0.8, 1.9, -0.4, 0.1, 0.6, -0.2, 1.1, -1.5])
AGE = np.array([0, 0, 1, 1, 1, 2, 2, 3, 3, 3])
AGES = WORLD.demographics["age"]
TINY = pl.DataFrame({"age": [AGES[g] for g in AGE], "warmth": Y})
TINY_DESIGN = build_numeric_design("(1|age)", WORLD, Unit(0.0, 1.0))


def test_the_likelihood_of_the_parameters_is_that_of_dense_algebra_answer_by_answer():
    of, cells = ready(TINY_DESIGN, counted(TINY_DESIGN, TINY))
    conditional = NumericConditional(of, cells, Priors())
    grid = np.array([0.1, 0.5, 1.3]), np.array([0.4, 1.0, 2.0])
    value, mean, covariance = dense_posterior(Y, AGE, grid)
    points = [np.array([sd, s]) for sd in grid[0] for s in grid[1]]

    modes = [conditional.mode(point) for point in points]

    differences = np.array([mode.log_likelihood for mode in modes]) - value
    assert_allclose(differences, differences[0], atol=1e-11)
    many = np.random.default_rng(2).standard_normal((20_000, 5))
    for point, mode, m, v in zip(points, modes, mean, covariance, strict=True):
        assert_allclose(conditional.draw(point, mode, np.zeros((1, 5)))[0][0, :-1], m, atol=1e-12)
        drawn = conditional.draw(point, mode, many)[0][:, :-1]
        assert_allclose(np.cov(drawn.T), v, atol=6 * np.sqrt(2 / 20_000) * np.diag(v).max())


def test_a_fit_of_a_handful_of_answers_has_the_exact_posterior():
    grid = np.exp(np.linspace(-5, 1.2, 50)), np.exp(np.linspace(-1.2, 1.2, 40))
    value, mean, covariance = dense_posterior(Y, AGE, grid)
    sd, s = (part.ravel() for part in np.meshgrid(*grid, indexing="ij"))
    # On grids of logs: densities of logs.
    log_weight = value - 0.5 * (sd / 0.5) ** 2 - 0.5 * s**2 + np.log(sd) + np.log(s)
    weight = np.exp(log_weight - logsumexp(log_weight))
    exact_mean = weight @ mean
    exact_sd = np.sqrt(weight @ (np.diagonal(covariance, axis1=1, axis2=2) + (mean - exact_mean) ** 2))

    settings = LaplaceSettings(points=1000, draws=4000)
    tree = fit_numeric_laplace(TINY_DESIGN, counted(TINY_DESIGN, TINY), Priors(), seed=1, settings=settings)
    latents = numeric_latents(tree, TINY_DESIGN)

    draws = latents.draws[:, :5].astype(np.float64)
    # Draws of one point share it, so that they are worth as many as there are points.
    error = exact_sd / np.sqrt(tree.attrs["ess_sd"])
    assert (np.abs(draws.mean(axis=0) - exact_mean) < 4 * error).all()
    assert_allclose(draws.std(axis=0), exact_sd, rtol=4 * 1 / np.sqrt(tree.attrs["ess_sd"]))
    residual = latents.draws[:, 5]
    assert residual.mean() == pytest.approx(weight @ s, abs=4 * residual.std() / np.sqrt(tree.attrs["ess_sd"]))


@pytest.mark.parametrize("formula", ["lean + rw1(age) + bym2(district)", "1", "(1 + sex|district) + ar1(period)"])
def test_a_sampled_form_has_the_density_of_the_model_up_to_a_constant(formula: str):
    of = build_numeric_design(formula, polls.WORLD, observed=polls.OBSERVED)
    interviews = polls.poll(n=150, seed=6)
    warmth = np.random.default_rng(2).normal(50, 20, interviews.height)
    of, cells = ready(of, counted(of, interviews.with_columns(warmth=pl.Series(warmth))))
    told = {"lean": "normal(0.2, 0.7)"} if "lean" in formula else {}
    priors = parse_priors(told | {"residual": "half_normal(0.8)"})
    form = numeric_form(of, cells, priors)
    log_density = form.model().compile_logp(jacobian=False, mode="FAST_COMPILE")
    conditional = NumericConditional(of, cells, priors)
    space = residual_space(of.common, priors, in_unit(cells, of.require_unit()))
    effects, rng, found = space.effects, np.random.default_rng(1), []
    for _ in range(4):
        free = np.concatenate([rng.normal(-0.7, 0.5, space.n_sds), rng.normal(0, 0.7, space.size - space.n_sds)])
        hypers, eps = space.natural(space.working(free)), rng.standard_normal(conditional.n_coordinates)
        point = {"residual_log__": np.log(hypers[-1]), "eps": eps}
        prior = stats.halfnorm.logpdf(hypers[-1], scale=0.8)
        if space.n_sds:
            point["sd_log__"] = np.log(hypers[: space.n_sds])
            prior += stats.halfnorm.logpdf(hypers[: space.n_sds], scale=space.scale).sum()
        if len(effects.shapes):
            unit = (hypers[space.n_sds : effects.first_mixing] + 1) / 2
            point["unit_logodds__"] = np.log(unit / (1 - unit))
            prior += stats.beta.logpdf(unit, *effects.shapes.T).sum()
        for mixing, phi in zip(effects.mixings, hypers[effects.first_mixing : -1], strict=True):
            point["phi_interval__"] = np.log(phi / (1 - phi))
            prior += float(mixing.log_density(phi))
        # eps is standard normal whatever the parameters: what is left of the density is their likelihood.
        exact = conditional.mode(hypers).log_likelihood + prior - 0.5 * eps @ eps
        found.append(float(log_density(point)) - exact)
    assert_allclose(found, found[0], rtol=1e-8, atol=1e-8)


def test_the_gradient_of_the_posterior_is_that_of_differences_on_the_free_scale():
    of, cells = ready(design("lean + (1|district) + (1 + sex|age)"), COUNTS)
    conditional = NumericConditional(of, cells, PRIORS_OF_SLOPES)
    space = residual_space(of.common, PRIORS_OF_SLOPES, in_unit(cells, of.require_unit()))

    def log_density(free: np.ndarray) -> float:
        working = space.working(free)
        value = conditional.mode(space.natural(working)).log_likelihood
        return float(value + space.log_prior(working) + space.log_volume(working))

    free = np.array([-0.5, -1.0, -0.7, 0.3, 1.5])
    assert_allclose(space.free(space.working(free)), free, rtol=1e-12)
    _, slope = conditional.slope(space.natural(space.working(free)))
    step = 1e-5
    found = [(log_density(free + step * one) - log_density(free - step * one)) / (2 * step) for one in np.eye(5)]
    assert_allclose(space.gradient(space.working(free), slope), found, rtol=1e-5)


def test_where_the_residual_is_looked_for_changes_nothing():
    """Its prior is that of the sd itself: on the scale that is explored, with the Jacobian."""
    of, cells = ready(TINY_DESIGN, counted(TINY_DESIGN, TINY))
    space = residual_space(of.common, Priors(), in_unit(cells, of.require_unit()))
    other = replace(space, near=3 * space.near, spread=2 * space.spread)
    s = np.array([0.3, 0.9, 2.0])
    values = []
    for one in (space, other):
        x = np.log(s / one.near) / one.spread
        working = np.column_stack([np.full(3, 0.4), x])
        assert_allclose(one.natural(working), np.column_stack([np.full(3, 0.4), s]), rtol=1e-12)
        # Density of s: that of x over ds / dx = s times the spread.
        values.append(one.log_prior(working) - np.log(s))
    assert_allclose(values[0], values[1], rtol=1e-12)
    assert_allclose(np.diff(values[0]), np.diff(stats.halfnorm.logpdf(s)), rtol=1e-12)
