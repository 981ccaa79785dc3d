"""The latents given the sds: against the PyMC model, plain dense algebra, a general optimiser, quadrature."""

import itertools

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose
from scipy import optimize, stats
from scipy.special import logsumexp

from mrp.counts import collapse
from mrp.design import build_design
from mrp.laplace.conditional import Conditional
from mrp.model import build_model
from mrp.priors import Priors, parse_priors
from tests.mrp import polls
from tests.mrp.laplace.dense import dense, eliminated
from tests.mrp.worlds import electorate, interview, plant

WORLD = electorate(n_districts=6)
DESIGN = build_design("lean + sex + (1|district) + (1|age) + (1|sex:age)", WORLD)
PRIORS = parse_priors({"intercept": "normal(0.2, 1.5)", "lean": "normal(0.1, 0.7)", "(1|age)": "half_normal(1)"})
COUNTS = collapse(
    interview(WORLD, plant(DESIGN, WORLD.frame, seed=1), n=400, seed=2),
    by=WORLD.cell_columns,
    answer="answer",
    option="yes",
)
SD = np.array([0.4, 0.3, 0.2])


def dense_hessian(conditional: Conditional, at: np.ndarray, sd: np.ndarray, step: float = 1e-3) -> np.ndarray:
    """Negative Hessian of the log joint density by central differences."""
    n = at.size
    shifts = step * np.eye(n)
    hessian = np.empty((n, n))
    for i, j in itertools.product(range(n), range(n)):
        corners = np.array([at + a * shifts[i] + b * shifts[j] for a in (1, -1) for b in (1, -1)])
        up, left, right, down = conditional.log_joint(corners, sd)
        hessian[i, j] = -(up - left - right + down) / (4 * step**2)
    return hessian


@pytest.mark.parametrize(
    ("formula", "apart"),
    [
        ("rw1(period|district)", {"rw1(period|district)"}),
        ("lean + (1|district) + rw1(period) + rw1(period|district:sex)", {"(1|district)", "rw1(period|district:sex)"}),
        ("(1|age) + rw1(age|district) + rw1(age|sex)", {"rw1(age|district)"}),
        ("sex + rw1(age|sex) + (1|district:age)", {"(1|district:age)"}),
        ("rw1(age)", set()),
    ],
)
@pytest.mark.parametrize("n_periods", [2, 3])
def test_groups_kept_apart_give_what_dense_algebra_gives(formula: str, apart: set[str], n_periods: int):
    periods = polls.PERIODS[:n_periods]
    design = build_design(formula, polls.WORLD, observed=polls.OBSERVED | {"period": periods})
    interviews = polls.poll(n=300, seed=4).filter(pl.col("period").is_in(periods))
    counts = collapse(interviews, by=design.count_columns, answer="answer", option="yes")
    conditional = Conditional(design, counts, PRIORS)
    assert conditional.n_own == sum(effect.n_coordinates for effect in design.effects if effect.term in apart)
    sd = np.linspace(0.7, 0.3, len(design.effects))
    assert conditional.mode(sd).n_steps < 8  # a wrong Newton step still gets there, uphill

    found, expected = eliminated(conditional, sd), dense(design, counts, PRIORS, sd)

    for name, value in expected.items():
        assert_allclose(found[name], value, rtol=1e-10, atol=1e-10, err_msg=name)
    centre, ratio = conditional.draw(sd, conditional.mode(sd), np.zeros((1, conditional.n_coordinates)))
    assert_allclose(
        ratio, conditional.log_joint(centre, sd) - np.subtract(found["joint"], found["marginal"]), atol=1e-9
    )


def test_the_log_joint_is_that_of_the_pymc_model_up_to_one_constant():
    log_density = build_model(DESIGN, COUNTS, PRIORS).compile_logp(jacobian=False, mode="FAST_COMPILE")
    conditional = Conditional(DESIGN, COUNTS, PRIORS)
    rng = np.random.default_rng(3)
    gaps = []
    for _ in range(10):
        latents = rng.normal(0, 0.7, DESIGN.n_latents)
        sd = rng.uniform(0.05, 1.5, 3)
        point = {"intercept": latents[0], "coefficient": latents[1:3]}
        for k, (effect, offset) in enumerate(zip(DESIGN.effects, DESIGN.offsets, strict=True)):
            point |= {effect.term: latents[offset : offset + effect.size], f"sd {effect.term}_log__": np.log(sd[k])}
        prior = stats.halfnorm.logpdf(sd, scale=[PRIORS.for_sd(effect.term).scale for effect in DESIGN.effects]).sum()
        gaps.append(float(log_density(point)) - float(conditional.log_joint(latents[None], sd)[0]) - prior)

    assert_allclose(gaps, gaps[0], rtol=1e-8)


def test_the_mode_is_where_a_general_optimiser_finds_it():
    conditional = Conditional(DESIGN, COUNTS, PRIORS)
    ours = conditional.latents(conditional.mode(SD))

    found = optimize.minimize(
        lambda latents: -conditional.log_joint(latents[None], SD)[0],
        np.zeros(DESIGN.n_latents),
        method="L-BFGS-B",
        options={"ftol": 1e-15, "gtol": 1e-9, "maxiter": 5000, "maxfun": 10**6},
    )

    assert_allclose(ours, found.x, atol=1e-4)


def test_the_marginal_is_the_laplace_formula_with_a_dense_hessian():
    conditional = Conditional(DESIGN, COUNTS, PRIORS)
    mode = conditional.mode(SD)
    at = conditional.latents(mode)

    _, log_det = np.linalg.slogdet(dense_hessian(conditional, at, SD))

    assert mode.log_likelihood == pytest.approx(conditional.log_joint(at[None], SD)[0] - 0.5 * log_det, abs=1e-3)


def test_the_gradient_is_that_of_the_dense_laplace_formula():
    conditional = Conditional(DESIGN, COUNTS, PRIORS)
    _, gradient = conditional.slope(SD)

    def log_likelihood(sd: np.ndarray) -> float:
        # The mode to full precision: Newton's stops where differences would still notice.
        mode = conditional.mode(sd)
        for _ in range(4):
            mode = conditional.mode(sd, mode)
        return mode.log_likelihood

    for k, step in enumerate(1e-3 * np.eye(3)):
        difference = (log_likelihood(SD + step) - log_likelihood(SD - step)) / 2e-3
        assert gradient[k] == pytest.approx(difference, abs=1e-3), k


def test_draws_are_around_the_mean_to_third_order():
    """Which is nearer to the exact mean than the mode is: few interviews, one latent, and the integral on a grid."""
    design = build_design("1", WORLD)
    counts = COUNTS.head(1).with_columns(n=pl.lit(6), y=pl.lit(5))
    conditional = Conditional(design, counts, PRIORS)
    none = np.empty(0)
    grid = np.linspace(-9, 9, 2000)
    density = np.exp(conditional.log_joint(grid[:, None], none))
    exact = (grid * density).sum() / density.sum()

    mode = conditional.mode(none)
    centre, _ = conditional.draw(none, mode, np.zeros((1, 1)))

    assert abs(centre[0, 0] - exact) < 0.3 * abs(conditional.latents(mode)[0] - exact)


def test_draws_have_the_covariance_of_the_dense_hessian():
    conditional = Conditional(DESIGN, COUNTS, PRIORS)
    n = 4000
    noise = np.random.default_rng(5).standard_normal((n, DESIGN.n_latents))
    mode = conditional.mode(SD)
    centre, _ = conditional.draw(SD, mode, np.zeros((1, DESIGN.n_latents)))
    drawn, _ = conditional.draw(SD, mode, noise)

    hessian = dense_hessian(conditional, conditional.latents(mode), SD)
    away = drawn - centre
    distance = np.einsum("si,ij,sj->s", away, hessian, away)
    # Mahalanobis distances of normal draws are chi-square; the Kolmogorov test fails a right covariance once in 1,000.
    assert stats.kstest(distance, stats.chi2(DESIGN.n_latents).cdf).pvalue > 1e-3
    # The draws whitened by the Hessian must be white in every pair of directions, not only in length.
    white = away @ np.linalg.cholesky(hessian)
    worst = np.abs(white.T @ white / n - np.eye(DESIGN.n_latents)).max()
    pairs = DESIGN.n_latents * (DESIGN.n_latents + 1) / 2
    assert worst < stats.norm.isf(1e-3 / 2 / pairs) * np.sqrt(2 / n)


def test_the_ratio_of_a_draw_is_exact_joint_over_normal_density():
    conditional = Conditional(DESIGN, COUNTS, PRIORS)
    mode = conditional.mode(SD)
    noise = np.random.default_rng(6).standard_normal((5, DESIGN.n_latents))
    drawn, ratio = conditional.draw(SD, mode, noise)

    expected = conditional.log_joint(drawn, SD) + 0.5 * (noise**2).sum(axis=1)
    # With the joint density of the mode, and no noise, that would be the Laplace approximation itself.
    at_mode = conditional.log_joint(conditional.latents(mode)[None], SD)
    assert_allclose(ratio - mode.log_likelihood, expected - at_mode, atol=1e-3)
    assert_allclose(ratio - ratio[0], expected - expected[0], atol=1e-6)


def test_weighted_draws_integrate_to_the_exact_likelihood():
    """Two latents, so that the integral over them can be done on a grid."""
    design = build_design("lean", WORLD)
    counts = collapse(
        interview(WORLD, plant(design, WORLD.frame, seed=1), n=12, seed=2),
        by=WORLD.cell_columns,
        answer="answer",
        option="yes",
    )
    conditional = Conditional(design, counts, Priors())
    none = np.empty(0)
    grid = np.linspace(-9, 9, 400)
    points = np.array(list(itertools.product(grid, grid)))
    # The constant is that of a density over 2 pi: see `mrp.laplace.kernels.draw`.
    exact = logsumexp(conditional.log_joint(points, none)) + 2 * np.log(grid[1] - grid[0]) - np.log(2 * np.pi)

    n = 20_000
    _, ratio = conditional.draw(none, conditional.mode(none), np.random.default_rng(7).standard_normal((n, 2)))
    weight = np.exp(ratio - exact)

    error = weight.std() / np.sqrt(n)
    assert abs(weight.mean() - 1) < stats.norm.isf(5e-4) * error + 1e-3
    # The plain Laplace approximation is off by more than that: the correction is needed, and is what is tested.
    assert abs(np.exp(conditional.mode(none).log_likelihood - exact) - 1) > 4 * error


def test_cells_in_any_order_and_split_in_two_have_the_same_mode():
    first = COUNTS.with_columns(n=pl.col("n") // 2).with_columns(y=pl.min_horizontal("n", "y"))
    second = COUNTS.with_columns(n=COUNTS["n"] - first["n"], y=COUNTS["y"] - first["y"])
    halves = pl.concat([first.filter(pl.col("n") > 0), second])
    assert halves.height > COUNTS.height

    one = Conditional(DESIGN, halves.sample(fraction=1, shuffle=True, seed=1), PRIORS).mode(SD)
    two = Conditional(DESIGN, COUNTS.sample(fraction=1, shuffle=True, seed=2), PRIORS).mode(SD)

    assert_allclose(one.rest, two.rest, atol=1e-6)
    assert_allclose(one.own, two.own, atol=1e-6)


def test_the_start_does_not_matter():
    conditional = Conditional(DESIGN, COUNTS, PRIORS)
    far = conditional.mode(np.array([2.0, 2.0, 2.0]))

    assert conditional.mode(SD, far).log_likelihood == pytest.approx(conditional.mode(SD).log_likelihood, abs=1e-4)


@pytest.mark.parametrize("answer", [0, 1])
def test_separation_has_a_mode_because_the_priors_are_proper(answer: int):
    same = COUNTS.with_columns(y=pl.col("n") * answer)
    mode = Conditional(DESIGN, same, PRIORS).mode(SD)

    assert np.isfinite(mode.log_likelihood)
    assert (mode.rest[0] > 0) == bool(answer)


def test_a_million_interviews_in_one_cell_have_a_mode():
    many = COUNTS.with_columns(n=pl.lit(1_000_000), y=pl.lit(900_000))
    assert np.isfinite(Conditional(DESIGN, many, PRIORS).mode(SD).log_likelihood)
