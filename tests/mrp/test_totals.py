"""The coordinates of models of varying intercepts: the density of the totals, around their mode."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from mrp.counts import collapse
from mrp.design import build_design
from mrp.errors import SamplingError
from mrp.identified import identify, totals_of
from mrp.laplace.conditional import Conditional
from mrp.priors import Priors, parse_priors
from mrp.totals import totals_form
from mrp.warm_start import warm_start
from tests.mrp.worlds import FORMULA, electorate, interview, plant

WORLD = electorate(n_districts=6)
DESIGN = build_design(FORMULA, WORLD)
PRIORS = parse_priors({"intercept": "normal(0.2, 1.5)", "lean": "normal(0.1, 0.7)", "(1|age)": "half_normal(1)"})
COUNTS = collapse(
    interview(WORLD, plant(DESIGN, WORLD.frame, seed=1), n=400, seed=2),
    by=WORLD.cell_columns,
    answer="answer",
    option="yes",
)


def log_prior_of_sds(sd: np.ndarray) -> float:
    scales = [PRIORS.for_sd(effect.term).scale for effect in DESIGN.effects]
    return float(stats.halfnorm.logpdf(sd, scale=scales).sum())


def log_likelihood(eta: np.ndarray) -> float:
    return float(stats.binom.logpmf(COUNTS["y"].to_numpy(), COUNTS["n"].to_numpy(), 1 / (1 + np.exp(-eta))).sum())


def test_the_sampled_form_has_the_density_of_the_totals_up_to_a_constant():
    form = totals_form(DESIGN, COUNTS, PRIORS, warm_start(DESIGN, COUNTS, PRIORS))
    identified, data = form.identified, form.sampled.fixed
    log_density = form.sampled.model().compile_logp(jacobian=False, mode="FAST_COMPILE")
    rng = np.random.default_rng(4)
    rows = identified.design.rows(COUNTS)
    first_level = 1 + len(identified.design.coefficient_names)
    offsets = []
    for _ in range(6):
        sd = rng.uniform(0.05, 1.5, 3)
        free_z, z = rng.normal(size=data["centre"].size), rng.normal(size=data["pull"].size)
        found = float(log_density({"free": free_z, "z": z, "sd_log__": np.log(sd)}))

        free = data["centre"] + data["root"] @ free_z
        variance = identified.fixed + identified.shares @ sd**2
        expected = log_prior_of_sds(sd) + stats.norm.logpdf(free[0], 0.2, np.sqrt(variance[0]))
        expected += stats.norm.logpdf(free[1], 0.1, 0.7)  # the coefficient of sex is part of a total
        levels, at = [], 0
        for b, basis in enumerate(form.bases):
            v, information = variance[1 + b], data["information"][at : at + basis.shape[1]]
            pull = data["pull"][at : at + basis.shape[1]]
            # The change of variables again, written as the posterior of a normal observation.
            precision = 1 / v + information
            value = pull / precision + z[at : at + basis.shape[1]] / np.sqrt(precision)
            at += basis.shape[1]
            expected += stats.norm.logpdf(value, 0, np.sqrt(v)).sum() - 0.5 * np.log(precision).sum()
            levels.append(basis @ value)
        eta = free[0] + rows.x @ free[1:] + np.concatenate(levels)[rows.index - first_level].sum(axis=1)
        offsets.append(found - expected - log_likelihood(eta))
    assert_allclose(offsets, offsets[0], rtol=1e-8)


def test_a_warm_start_is_the_mode_of_the_joint_density_of_the_totals():
    """At the returned sds, no coordinate of the totals can be moved to a higher density."""
    identified = identify(DESIGN, PRIORS)
    start = warm_start(DESIGN, COUNTS, PRIORS)
    rows = identified.design.rows(COUNTS)
    variance = identified.fixed + identified.shares @ start.hypers**2
    first_level = 1 + len(identified.design.coefficient_names)
    mode = totals_of(identified, DESIGN, start.latents)
    full = DESIGN.rows(COUNTS)
    eta = start.latents[0] + full.x @ start.latents[1:3] + start.latents[full.index].sum(axis=1)
    assert_allclose(mode[0] + rows.x @ mode[1:first_level] + mode[rows.index].sum(axis=1), eta, atol=1e-12)

    def log_joint(totals: np.ndarray) -> float:
        eta = totals[0] + rows.x @ totals[1:first_level] + totals[rows.index].sum(axis=1)
        value = log_likelihood(eta) - 0.5 * (totals[0] - 0.2) ** 2 / variance[0]
        value -= 0.5 * ((totals[1] - 0.1) / 0.7) ** 2
        at = first_level
        for b, basis in enumerate(identified.bases):
            own = totals[at : at + basis.shape[0]]
            value -= 0.5 * own @ own / variance[1 + b]
            at += basis.shape[0]
        return value

    best = log_joint(mode)
    rng = np.random.default_rng(5)
    for _ in range(30):
        step = rng.normal(0, 0.01, first_level).tolist()
        for basis in identified.bases:  # totals sum to zero: only such steps are in the model
            step += list(basis @ rng.normal(0, 0.01, basis.shape[1]))
        assert log_joint(mode + np.array(step)) < best


@pytest.mark.parametrize("formula", ["1", "lean + age", "(1|district)", "lean + (1|region) + (1|district)"])
@pytest.mark.parametrize("answers", ["some", "all", "none"])
def test_a_warm_start_is_finite_for_any_model_and_any_answers(formula: str, answers: str):
    design = build_design(formula, WORLD)
    y = {"some": COUNTS["y"], "all": COUNTS["n"], "none": COUNTS["n"] * 0}[answers]
    counts = COUNTS.with_columns(y=y)
    form = totals_form(design, counts, Priors(), warm_start(design, counts, Priors())).sampled

    assert np.isfinite(form.numbers).all()
    assert np.isfinite(form.start).all()


def test_sampling_starts_from_the_prior_where_newton_s_method_fails(monkeypatch: pytest.MonkeyPatch):
    """It is what sampling is the way out of."""

    def fail(*_: object) -> None:
        raise SamplingError("no mode")

    monkeypatch.setattr(Conditional, "mode", fail)
    start = warm_start(DESIGN, COUNTS, PRIORS)

    assert start.latents[:2].tolist() == [0.2, 0.1]
    assert_allclose(start.hypers, [PRIORS.for_sd(effect.term).scale / 2 for effect in DESIGN.effects])
    assert np.isfinite(totals_form(DESIGN, COUNTS, PRIORS, start).sampled.numbers).all()
