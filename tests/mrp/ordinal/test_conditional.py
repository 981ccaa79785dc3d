"""The density of an ordered scale: against the PyMC model, differences, the binary model, and itself reversed."""

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose
from scipy import linalg, optimize, stats
from scipy.special import expit

from mrp.categorical import count_name
from mrp.design import build_design
from mrp.hyper import hyper_space
from mrp.laplace import dense
from mrp.laplace.conditional import Conditional
from mrp.laplace.dense import DenseConditional
from mrp.ordinal import OrdinalDesign, build_ordinal_design, coarsest_ordinal
from mrp.ordinal.conditional import OrdinalLikelihood, ordinal_conditional
from mrp.ordinal.kernels import log_likelihood
from mrp.ordinal.model import build_ordinal_model
from mrp.priors import Priors, parse_priors
from tests.mrp import polls
from tests.mrp.maps import EIGHT, on_map
from tests.mrp.ordinal import scales
from tests.mrp.ordinal.scales import SCALE, WORLD, cell_shares, counted, design, latents, poll

PRIORS = parse_priors({"lean": "normal(0.2, 0.7)", "(1|age)": "half_normal(1)", "log_width": "normal(-0.2, 0.8)"})
DESIGN = design()
INTERVIEWS = poll(DESIGN, n=400, seed=3).interviews
COUNTS = coarsest_ordinal(DESIGN, counted(DESIGN, INTERVIEWS))
SD = np.array([0.5, 0.3])
MAP = on_map(polls.WORLD, EIGHT)


def conditional(of: OrdinalDesign = DESIGN, counts: pl.DataFrame = COUNTS, priors: Priors = PRIORS) -> DenseConditional:
    return ordinal_conditional(of, coarsest_ordinal(of, counts), priors)


def likelihood() -> OrdinalLikelihood:
    return OrdinalLikelihood(DESIGN, COUNTS)


def gaps(of: OrdinalDesign, counts: pl.DataFrame, priors: Priors, *, n: int) -> list[float]:
    """Log density of the PyMC model less that of the engine, at ``n`` points."""
    log_density = build_ordinal_model(of, counts, priors).compile_logp(jacobian=False, mode="FAST_COMPILE")
    engine, space, rng = conditional(of, counts, priors), hyper_space(of.common, priors), np.random.default_rng(3)
    n_free, found = 1 + len(of.common.coefficient_names), []
    for seed in range(n):
        sd, r = rng.uniform(0.1, 1.5, space.n_sds), rng.uniform(-0.7, 0.7, len(space.shapes))
        phi = rng.uniform(0.2, 0.9, len(space.mixings))
        at = latents(of, seed=seed, sd=0.8)
        # What is structured has to be what its coordinates can make.
        at = engine.latents(engine.points(at[None]))[0]
        point = {"intercept": at[0]}
        if n_free > 1:
            point["coefficient"] = at[1:n_free]
        if of.inner_options:
            point["log width"] = at[of.n_common :]
        prior = stats.halfnorm.logpdf(sd, scale=space.scale).sum()
        for effect, offset, hypers in zip(of.common.effects, of.common.offsets, space.terms, strict=True):
            term, values, own_sd = effect.term, at[offset : offset + effect.size], sd[hypers.sds]
            point[f"sd {term}_log__"] = np.log(own_sd if len(effect.columns) > 1 else own_sd[0])
            if hypers.shapes:
                own_r = r[hypers.correlations.start - space.n_sds : hypers.correlations.stop - space.n_sds]
                name, unit = "autocorrelation" if effect.kind == "ar1" else "correlation", (own_r + 1) / 2
                point[f"unit {name} {term}_logodds__"] = np.log(unit / (1 - unit))[0]
                prior += stats.beta.logpdf(unit, *np.array(hypers.shapes).T).sum()
            match effect.kind:
                case "independent" | "ar1":
                    point[term] = values
                case "zero-sum":
                    import pytensor.tensor as pt
                    from pymc.distributions.transforms import ZeroSumTransform

                    point[f"{term}_zerosum__"] = np.asarray(
                        ZeroSumTransform((-1,)).forward(pt.as_tensor(values)).eval()
                    )
                case "rw1" | "rw2" | "icar" | "bym2":
                    point[f"{term} coordinate"] = np.linalg.lstsq(effect.basis, values, rcond=None)[0]
                case _:
                    point[f"{term} by level"] = values.reshape(effect.n_groups, -1)
            if hypers.mixing is not None:
                point[f"mixing {term}_logodds__"] = np.log(phi / (1 - phi))[0]
                prior += float(hypers.mixing.log_density(phi[0]))
        exact = float(engine.log_joint(at[None], np.concatenate([sd, r, phi]))[0])
        found.append(float(log_density(point)) - exact - prior)
    return found


def test_the_log_likelihood_is_that_of_a_table_made_by_hand():
    """Cutpoints at 0 - 0.5 and 0 + 0.5 for two cells of equal opinion: sums of logarithms of three shares."""
    of = build_ordinal_design("1", WORLD, ("low", "middle", "high"))
    counts = pl.DataFrame({"n": [6], "y[low]": [1], "y[middle]": [3], "y[high]": [2]})
    engine = conditional(of, counts, Priors())
    at = np.zeros((1, 2))  # intercept 0, log width 0
    low = 1 / (1 + np.exp(0.5))
    by_hand = 1 * np.log(low) + 3 * np.log(1 - 2 * low) + 2 * np.log(low)
    priors = -2 * np.log([1.5, 1.0]).sum() / 2  # the normalisers of two normal densities at their mean

    assert engine.log_joint(at, np.empty(0))[0] == pytest.approx(by_hand + priors, rel=1e-12)


def test_the_log_joint_is_that_of_the_pymc_model_up_to_one_constant():
    found = gaps(DESIGN, COUNTS, PRIORS, n=5)

    assert_allclose(found, found[0], rtol=1e-8)


@pytest.mark.parametrize(
    "formula",
    [
        "rw1(age) + house(pollster) + (1 + sex|age)",
        "ar1(period) + (0 + lean|region)",
        "(1|age) + rw1(period|district)",
        "icar(district) + (1|age)",
        "bym2(district) + (1|age)",
    ],
)
def test_so_it_is_with_every_kind_of_term(formula: str):
    of = build_ordinal_design(formula, MAP, ("no", "perhaps", "yes"), observed=polls.OBSERVED)
    interviews = polls.poll(n=200, seed=4)
    third = np.random.default_rng(1).random(interviews.height) < 0.3
    interviews = interviews.with_columns(view=pl.when(pl.Series(third)).then(pl.lit("perhaps")).otherwise("answer"))
    found = gaps(of, counted(of, interviews), Priors(), n=3)

    assert_allclose(found, found[0], rtol=1e-8)


def test_gradient_hessian_and_third_order_are_those_of_differences():
    own, engine = likelihood(), conditional()
    point = np.random.default_rng(2).normal(0, 0.5, engine.n_coordinates)
    steps = 1e-5 * np.eye(point.size)
    value, gradient, whole, excess = own.curvature(point)
    hessian = whole - np.diag(excess)

    def slope(at: np.ndarray) -> np.ndarray:
        return own.curvature(at)[1]

    assert value == pytest.approx(own.value(point), rel=1e-12)
    assert np.linalg.eigvalsh(whole).min() > -1e-9
    assert_allclose(gradient, optimize.approx_fprime(point, own.value, 1e-6), atol=1e-3)
    numeric = [-(slope(point + step) - slope(point - step)) / 2e-5 for step in steps]
    assert_allclose(hessian, numeric, atol=1e-6)

    precision, _ = engine.prior(SD)

    def half_log_det(at: np.ndarray) -> float:
        _, _, whole, excess = own.curvature(at)
        return 0.5 * np.linalg.slogdet(whole - np.diag(excess) + precision)[1]

    found = own.third_order(point, np.linalg.inv(hessian + precision))
    numeric = [(half_log_det(point + 10 * step) - half_log_det(point - 10 * step)) / 2e-4 for step in steps]
    assert_allclose(found, numeric, atol=1e-6)


def test_the_mode_and_the_gradient_are_those_of_the_density():
    engine = conditional()
    mode, gradient = engine.slope(SD)
    assert mode.n_steps < 8  # a wrong Newton step still gets there, uphill

    def minus(point: np.ndarray) -> float:
        return -float(engine.log_joint(engine.latents(point[None]), SD)[0])

    assert_allclose(optimize.approx_fprime(mode.point, minus, 1e-5), 0, atol=1e-2)
    step = 1e-4
    for j in range(SD.size):
        up, down = (engine.mode(SD + sign * step * np.eye(2)[j]).log_likelihood for sign in (1, -1))
        assert gradient[j] == pytest.approx((up - down) / (2 * step), rel=1e-4)


def test_the_shift_is_the_third_order_error_of_the_mode():
    """Of one cell and three options, against the mean by quadrature: most of the mode's error is taken off."""
    of = build_ordinal_design("1", WORLD, ("a", "b", "c"))
    engine = conditional(of, pl.DataFrame({"n": [12], "y[a]": [9], "y[b]": [2], "y[c]": [1]}), Priors())
    points = np.stack(np.meshgrid(np.linspace(-8, 5, 261), np.linspace(-6, 5, 221)), axis=-1).reshape(-1, 2)
    log_density = engine.log_joint(engine.latents(points), np.empty(0))
    weight = np.exp(log_density - log_density.max())
    mean = weight @ points / weight.sum()

    mode = engine.mode(np.empty(0))
    drawn, _ = engine.draw(np.empty(0), mode, np.zeros((1, 2)))

    left = np.abs(engine.points(drawn)[0] - mean).max()
    assert left < 0.35 * np.abs(mode.point - mean).max()


def test_the_mode_is_found_from_where_the_density_is_not_concave():
    """An intercept far below what anybody answered: there the Hessian by log widths points the wrong way."""
    from dataclasses import replace

    engine = conditional()
    mode = engine.mode(SD)
    far = mode.point.copy()
    far[0] -= 6.0
    _, _, whole, excess = likelihood().curvature(far)
    assert np.linalg.eigvalsh(whole - np.diag(excess) + engine.prior(SD)[0]).min() < 0

    again = engine.mode(SD, replace(mode, point=far))
    assert_allclose(again.point, mode.point, atol=1e-3)


def test_draws_with_two_sds_have_the_weights_of_their_density():
    """Nobody chose the highest: weights of the draws average to the same as those of normal draws, and vary less."""
    interviews = scales.poll(DESIGN, n=600, seed=3).interviews.filter(pl.col("view") != SCALE[-1])
    engine = conditional(DESIGN, counted(DESIGN, interviews), Priors())
    noise = np.random.default_rng(1).standard_normal((4000, engine.n_coordinates))
    _, log_ratio = engine.draw(SD, engine.mode(SD), noise)
    weight = np.exp(log_ratio - log_ratio.max())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dense, "_SKEW", np.inf)
        _, of_normal = engine.draw(SD, engine.mode(SD), noise)
    plain = np.exp(of_normal - log_ratio.max())

    error = np.hypot(plain.std(), weight.std()) / np.sqrt(4000)
    assert abs(plain.mean() - weight.mean()) < 4 * error
    assert weight.std() / weight.mean() < 0.5 < plain.std() / plain.mean()


def test_two_options_are_the_binary_model():
    formula = "lean + (1|district) + rw1(age)"
    of, binary = build_ordinal_design(formula, WORLD, ("no", "yes")), build_design(formula, WORLD)
    two = INTERVIEWS.with_columns(view=pl.when(pl.col("view") == SCALE[-1]).then(pl.lit("yes")).otherwise(pl.lit("no")))
    counts = coarsest_ordinal(of, counted(of, two))
    ordinal = conditional(of, counts, Priors())
    one = Conditional(binary, counts.rename({count_name("yes"): "y"}), Priors())
    for seed in range(4):
        at = ordinal.latents(ordinal.points(latents(of, seed=seed)[None]))
        sd = np.random.default_rng(seed).uniform(0.1, 1, 2)
        assert ordinal.log_joint(at, sd)[0] == pytest.approx(one.log_joint(at, sd)[0], rel=1e-10)
    mode, gradient = ordinal.slope(SD)
    same, gradient_one = one.slope(SD)
    assert mode.log_likelihood == pytest.approx(same.log_likelihood, abs=1e-5)
    assert_allclose(gradient, gradient_one, rtol=1e-4)


@pytest.mark.parametrize("options", [SCALE, SCALE[:4], SCALE[:3]])
def test_the_scale_reversed_is_the_same_model_with_the_signs_turned(options: tuple[str, ...]):
    of, turned = design(options=options), design(options=options[::-1])
    interviews = INTERVIEWS.filter(pl.col("view").is_in(options))
    one, two = (conditional(each, counted(each, interviews), Priors()) for each in (of, turned))

    at = latents(of, seed=5)
    mirrored = np.concatenate([-at[: of.n_common], at[of.n_common :][::-1]])

    assert_allclose(cell_shares(turned, mirrored, WORLD.frame), cell_shares(of, at, WORLD.frame)[:, ::-1], atol=1e-12)
    assert two.log_joint(mirrored[None], SD)[0] == pytest.approx(one.log_joint(at[None], SD)[0], rel=1e-10)
    mode, gradient = one.slope(SD)
    mode_two, gradient_two = two.slope(SD)
    assert mode_two.log_likelihood == pytest.approx(mode.log_likelihood, rel=1e-9)
    assert_allclose(gradient_two, gradient, rtol=1e-5)


@pytest.mark.parametrize("nobody", range(5))
def test_an_option_that_nobody_chose_has_a_mode_with_its_share_small(nobody: int):
    interviews = INTERVIEWS.filter(pl.col("view") != SCALE[nobody])
    engine = conditional(DESIGN, counted(DESIGN, interviews), Priors())
    mode = engine.mode(SD)
    share = cell_shares(DESIGN, engine.latents(mode.point[None])[0], WORLD.frame)[:, nobody]

    assert (share > 0).all()
    assert share.mean() < 0.03


def test_cells_far_from_all_cutpoints_have_a_finite_density():
    engine = likelihood()
    point = np.zeros(conditional().n_coordinates)
    for value in (-800.0, 800.0):
        point[0] = value
        assert np.isfinite(engine.value(point))
    point[0], point[-1] = 0.0, 20.0
    assert all(np.isfinite(part).all() for part in engine.curvature(point))
    assert np.isfinite(engine.third_order(point, np.eye(point.size))).all()


def test_fractional_counts_have_the_density_of_whole_ones_in_proportion():
    own = likelihood()
    point = np.random.default_rng(2).normal(0, 0.5, conditional().n_coordinates)
    half = tuple(part / 2 if i in (3, 5) else part for i, part in enumerate(own._data))

    assert log_likelihood(point, half) == pytest.approx(own.value(point) / 2, rel=1e-12)


@pytest.mark.parametrize("formula", [scales.FORMULA, "bym2(district)"])
def test_a_sampled_form_has_the_density_of_the_model_up_to_a_constant(formula: str):
    from mrp.ordinal.nuts import ordinal_form

    of = build_ordinal_design(formula, on_map(WORLD, ((0, 1), (1, 2), (2, 3), (3, 4))), SCALE)
    priors = PRIORS if formula == scales.FORMULA else Priors()
    counts = coarsest_ordinal(of, counted(of, INTERVIEWS))
    form = ordinal_form(of, counts, priors)
    model = form.model()
    log_density = model.compile_logp(jacobian=False, mode="FAST_COMPILE")
    (expression,) = model.replace_rvs_by_values([model["moved"]])
    moved = model.compile_fn(expression, inputs=model.value_vars, on_unused_input="ignore", mode="FAST_COMPILE")
    engine, space, rng = conditional(of, counts, priors), hyper_space(of.common, priors), np.random.default_rng(1)
    latents_of = linalg.block_diag(form.fixed["basis"], np.eye(3)).T
    turned = engine.points(latents_of).T

    def values(free: np.ndarray, eps: np.ndarray) -> dict[str, np.ndarray]:
        named = {"sd_log__": free[: space.n_sds], "eps": eps}
        return named | ({"phi_interval__": free[-1]} if space.mixings else {})

    def hypers(free: np.ndarray) -> np.ndarray:
        return np.concatenate([np.exp(free[: space.n_sds]), expit(free[space.n_sds :])])

    # At 0, and at the parameters where it starts, is the mode: only speed depends on it.
    n, start = space.size, form.start[: space.size]
    centre = np.asarray(moved(values(start, form.start[n:]))) + form.fixed["mean"]
    assert_allclose(turned @ centre, engine.mode(hypers(start)).point, atol=2e-3)
    found = []
    for _ in range(4):
        free, eps = start + rng.normal(0, 0.3, n), rng.standard_normal(len(form.start) - n)
        point = np.asarray(moved(values(free, eps))) + form.fixed["mean"]
        exact = float(engine.log_joint((point @ latents_of)[None], hypers(free))[0])
        # Volume of eps: coordinates are R L'^-1 eps and a shift, R R' their prior covariance and L L' = 1 + R'HR.
        away = linalg.inv(turned)
        covariance = away @ linalg.inv(engine.prior(hypers(free))[0]) @ away.T
        pulled = np.eye(len(covariance)) + form.fixed["information"] @ covariance
        exact += 0.5 * (np.linalg.slogdet(covariance)[1] - np.linalg.slogdet(pulled)[1])
        sd, phi = np.split(hypers(free), [space.n_sds])
        exact += stats.halfnorm.logpdf(sd, scale=space.scale).sum()
        exact += sum(float(prior.log_density(one)) for prior, one in zip(space.mixings, phi, strict=True))
        found.append(float(log_density(values(free, eps))) - exact)

    assert_allclose(found, found[0], rtol=1e-8, atol=1e-7)


def test_words_tell_the_priors_of_the_cutpoints():
    from mrp.ordinal.model import describe_ordinal_priors

    words = describe_ordinal_priors(PRIORS, DESIGN)
    assert words["intercept"] == "normal(0, 1.5) on the logit scale, of answers above the middle of the scale"
    around = "of the distance between the cutpoints around each option, disagree to agree"
    assert words["log_width"] == f"normal(-0.2, 0.8), {around}"
    assert "log_width" not in describe_ordinal_priors(PRIORS, scales.design(options=("no", "yes")))
