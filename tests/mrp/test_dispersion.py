"""Answers in clusters: densities by hand, what a fit makes of planted clusters, and what is refused."""

from functools import cache

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from mrp import NutsSettings, Priors, build_design, fit_model, parse_priors
from mrp.categorical import Options, build_categorical_design, coarsest_options, fit_categorical, option_draws
from mrp.categorical.counts import option_cells
from mrp.categorical.model import build_categorical_model
from mrp.categorical.nuts import categorical_form
from mrp.dispersion import log_likelihood, precision_of
from mrp.electorate import Electorate
from mrp.errors import CountsError, SamplingError
from mrp.model import build_model
from mrp.poststratification import area_draws
from mrp.warm_start import WarmStart
from mrp.whitened import whitened_form
from tests.recovery.calibration import assert_coverage

COUNTS = pl.DataFrame({"district": ["A", "A", "B"], "day": [1, 2, 1], "n": [4, 3, 5], "y": [3, 0, 2]})
OF_THREE = COUNTS.with_columns(
    **{"y[x]": pl.Series([3, 0, 2]), "y[y]": pl.Series([1, 1, 0]), "y[z]": pl.Series([0, 2, 3])}
).drop("y")


def electorate(codes: tuple[str, ...]) -> Electorate:
    districts = pl.DataFrame({"code": codes, "name": codes})
    frame = pl.DataFrame({"district": codes, "n_people": np.linspace(50, 100, len(codes))})
    return Electorate(frame, districts, "district", {})


SMALL = electorate(("A", "B"))


def test_the_density_of_two_answers_is_polyas_urn():
    """After an answer the next is the same with the probability (a p + 1) / (a + 1)."""
    a, p = np.float64(5), np.array([[0.2], [0.8]])
    found = [float(log_likelihood(y, p, a).eval()) for y in ([[2.0], [0.0]], [[1.0], [1.0]], [[0.0], [2.0]])]

    first, second = a * 0.2, a * 0.8
    by_hand = [first * (first + 1), first * second, second * (second + 1)]
    assert_allclose(np.exp(found), np.array(by_hand) / (a * (a + 1)), rtol=1e-10)


def test_an_option_that_does_not_stand_is_as_if_there_were_none():
    without = log_likelihood(np.array([[2.0], [1.0]]), np.array([[0.3], [0.7]]), 4.0)
    with_it = log_likelihood(np.array([[2.0], [0.0], [1.0]]), np.array([[0.3], [0.0], [0.7]]), 4.0)

    assert float(with_it.eval()) == pytest.approx(float(without.eval()), abs=1e-12)


def test_the_sampled_density_is_that_of_the_beta_binomial_model_up_to_a_constant():
    design, priors = build_design("(1|district)", SMALL), parse_priors({"dispersion": "half_normal(0.4)"})
    model = build_model(design, COUNTS, priors, dispersion="beta-binomial")
    log_density = model.compile_logp(jacobian=False, mode="FAST_COMPILE")
    start = WarmStart(np.array([0.5]), np.zeros(3))
    form = whitened_form(design, COUNTS, priors, start, dispersion="beta-binomial")
    sampled = form.model().compile_logp(jacobian=False, mode="FAST_COMPILE")
    information, pull, rng, gaps = form.fixed["information"], form.fixed["pull"], np.random.default_rng(1), []
    for _ in range(3):
        sd, d, eps = rng.uniform(0.2, 1), rng.uniform(0.1, 0.6), rng.standard_normal(3)
        spread = np.array([1.5, sd, sd])
        lower = np.linalg.cholesky(np.eye(3) + spread[:, None] * information * spread)
        u = np.linalg.solve(lower.T, np.linalg.solve(lower, spread * pull) + eps)
        z = spread * u
        point = {"intercept": z[0], "(1|district)": z[1:], "sd (1|district)_log__": np.log(sd)}
        exact = float(log_density(point | {"dispersion_log__": np.log(d)}))
        by_hand = stats.norm.logpdf(z, 0, spread).sum() + stats.halfnorm.logpdf([sd, d], scale=[0.5, 0.4]).sum()
        share = 1 / (1 + np.exp(-(z[0] + z[[1, 1, 2]])))
        a = precision_of(d)
        by_hand += stats.betabinom.logpmf(COUNTS["y"], COUNTS["n"], a * share, a * (1 - share)).sum()
        assert exact == pytest.approx(by_hand, rel=1e-8)
        # In the sampler's coordinates, whose volume is that of eps.
        volume = np.log(spread).sum() - np.log(np.diag(lower)).sum()
        theirs = float(sampled({"sd_log__": np.log([sd]), "eps": eps, "dispersion_log__": np.log(d)}))
        gaps.append(theirs - exact - volume)
    assert_allclose(gaps, gaps[0], rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("sd", ["shared", "by option"])
def test_the_sampled_density_is_that_of_the_dirichlet_multinomial_model(sd: str):
    of = build_categorical_design("(1|district)", SMALL, Options(("x", "y", "z")), sd=sd)
    form = categorical_form(of, option_cells(of, OF_THREE, "dirichlet-multinomial"), Priors(), dispersion="x")
    sampled = form.model().compile_logp(jacobian=False, mode="FAST_COMPILE")
    model = build_categorical_model(of, OF_THREE, Priors(), dispersion="dirichlet-multinomial")
    rng, gaps, y = np.random.default_rng(1), [], OF_THREE.select("y[x]", "y[y]", "y[z]").to_numpy()
    n_sds = 1 if sd == "shared" else 3
    for _ in range(3):
        sds, d = rng.uniform(0.2, 1, n_sds), rng.uniform(0.1, 0.6)
        eps = rng.standard_normal(form.fixed["spread"].shape[0])
        u = form.fixed["middle"] + form.fixed["spread"] @ eps
        scale = np.stack([np.full(3, 1.5), *[np.broadcast_to(sds, 3)] * 2])
        vectors = scale * (u.reshape(3, -1) @ form.fixed["options"].T)
        eta = vectors[0] + vectors[[1, 1, 2]]
        share = np.exp(eta) / np.exp(eta).sum(axis=1, keepdims=True)
        a = precision_of(d)
        by_hand = sum(
            stats.dirichlet_multinomial.logpmf(row, a * p, row.sum()) for row, p in zip(y, share, strict=True)
        )
        by_hand += stats.halfnorm.logpdf(sds, scale=0.5).sum() + stats.halfnorm.logpdf(d, scale=0.3)
        point = {"sd_log__": np.log(sds), "eps": eps, "dispersion_log__": np.log(d)}
        gaps.append(float(sampled(point)) - by_hand + 0.5 * (u**2).sum())
    assert_allclose(gaps, gaps[0], rtol=1e-8, atol=1e-8)
    assert {"dispersion", "precision"} <= set(model.named_vars)


def test_without_dispersion_it_is_the_plain_model():
    y, p = np.array([[3.0, 1.0], [1.0, 4.0], [0.0, 1.0]]), np.array([[0.5, 0.2], [0.3, 0.5], [0.2, 0.3]])
    plain = (y * np.log(p)).sum()

    assert float(log_likelihood(y, p, precision_of(1e-3)).eval()) == pytest.approx(plain, abs=1e-4)
    # However small: differences of logarithms stay exact.
    assert float(log_likelihood(y, p, precision_of(1e-9)).eval()) == pytest.approx(plain, abs=1e-5)


def test_what_cannot_be_over_dispersed_is_refused():
    design, of = build_design("(1|district)", SMALL), build_categorical_design("1", SMALL, Options(("x", "y", "z")))
    settings = {"engine": "nuts", "seed": 1}
    with pytest.raises(
        SamplingError, match="no dispersion 'dirichlet-multinomial' of this kind of question; take 'beta"
    ):
        fit_model(design, SMALL, COUNTS, Priors(), dispersion="dirichlet-multinomial", **settings)
    with pytest.raises(SamplingError, match="no dispersion 'beta-binomial' of this kind of question; take 'dirichlet"):
        fit_categorical(of, SMALL, OF_THREE, Priors(), dispersion="beta-binomial", **settings)
    single = COUNTS.with_columns(n=pl.lit(1), y=pl.lit(1))
    with pytest.raises(CountsError, match="none of the 3 rows of the counts has two answers"):
        fit_model(design, SMALL, single, Priors(), dispersion="beta-binomial", **settings)
    weights = OF_THREE.with_columns(weight=pl.col("n") * 1.0)
    with pytest.raises(CountsError, match="weighted counts cannot be over-dispersed as well"):
        option_cells(of, weights.with_columns(**{f"weight[{o}]": 1.0 for o in "xyz"}, weight_square=1.0), DIRICHLET)


DIRICHLET, BETA = "dirichlet-multinomial", "beta-binomial"


def test_rows_of_clusters_stay_apart_and_in_one_order():
    of = build_categorical_design("1", SMALL, Options(("x", "y", "z")))
    rows = option_cells(of, OF_THREE, DIRICHLET)

    assert rows.rows() == [(3, 0, 1, 2), (4, 3, 1, 0), (5, 2, 0, 3)]
    assert option_cells(of, OF_THREE.reverse(), DIRICHLET).equals(rows)
    assert coarsest_options(of, OF_THREE).rows() == [(12, 5, 2, 5)]


N_DISTRICTS, N_CLUSTERS, SIZE = 40, 10, 12
SETTINGS = NutsSettings(chains=2, tune=400, draws=600)


@cache
def planted(k: int) -> tuple[Electorate, pl.DataFrame, np.ndarray]:
    """Districts with ten clusters of twelve answers each, much alike: rho is 0.2. Truth: (district, option).

    With few clusters all intervals of a survey hang on one standard deviation that it hardly knows.
    """
    rng = np.random.default_rng([8, k])
    codes = tuple(f"D{i:02d}" for i in range(N_DISTRICTS))
    eta = rng.normal(0, 0.4, (N_DISTRICTS, k))
    truth = np.exp(eta) / np.exp(eta).sum(axis=1, keepdims=True)
    rows = [
        (code, cluster, SIZE, *rng.multinomial(SIZE, rng.dirichlet(4 * share)))
        for code, share in zip(codes, truth, strict=True)
        for cluster in range(N_CLUSTERS)
    ]
    names = [f"y[o{i}]" for i in range(k)]
    counts = pl.DataFrame(rows, schema=["district", "cluster", "n", *names], orient="row")
    return electorate(codes), counts, truth


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("k", [2, 3])
def test_planted_clusters_are_found_and_intervals_cover_where_those_of_the_plain_model_do_not(k: int):
    world, counts, truth = planted(k)
    by, at = ("district",), {"seed": 2, "nuts": SETTINGS}
    if k == 2:
        design, binary = build_design("(1|district)", world), counts.rename({"y[o0]": "y"}).drop("y[o1]")
        fits = [
            fit_model(design, world, binary, Priors(), engine="laplace", dispersion=one, **at) for one in (BETA, "none")
        ]
        draws = [area_draws(fit.latents, design, world, by=by).draws for fit in fits]
        truth = truth[:, 0]
    else:
        of = build_categorical_design("(1|district)", world, Options(("o0", "o1", "o2")))
        fits = [
            fit_categorical(of, world, counts, Priors(), engine="laplace", dispersion=one, **at)
            for one in (DIRICHLET, "none")
        ]
        draws = [option_draws(fit.latents, of, world, by=by).draws[:, :, 0] for fit in fits]
        truth = truth[:, 0]
    dispersed, plain = fits
    assert (dispersed.engine, [problem.code for problem in dispersed.escalated]) == ("nuts", ["over-dispersed"])
    assert "sampled with NUTS" in dispersed.escalated[0].message
    assert plain.engine == "laplace"
    precision = dispersed.tree["posterior"]["precision"].to_numpy()
    assert np.quantile(precision, 0.005) < 4 < np.quantile(precision, 0.995)
    assert_coverage(draws[0], truth)
    covered = [
        ((np.quantile(one, 0.05, axis=0) < truth) & (truth < np.quantile(one, 0.95, axis=0))).mean() for one in draws
    ]
    assert covered[0] > covered[1]
    assert draws[0].std(axis=0).mean() > 1.1 * draws[1].std(axis=0).mean()
