"""The definition against loops, and the sampled form against the definition."""

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from mrp.counts import collapse
from mrp.design import build_design
from mrp.errors import CountsError, PriorError
from mrp.identified import identify
from mrp.model import build_model, build_sampling_model
from mrp.priors import Priors, parse_priors
from mrp.warm_start import warm_start
from tests.mrp.worlds import electorate, interview, plant

WORLD = electorate(n_districts=6)
FORMULA = "lean + sex + (1|district) + (1|age) + (1|sex:age)"
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


def test_the_definition_has_the_density_it_says():
    model = build_model(DESIGN, COUNTS, PRIORS)
    log_density = model.compile_logp(jacobian=False, mode="FAST_COMPILE")
    rng = np.random.default_rng(3)
    rows = DESIGN.rows(COUNTS)
    for _ in range(3):
        latents = rng.normal(0, 0.5, DESIGN.n_latents)
        sd = rng.uniform(0.2, 0.9, 3)
        point = {"intercept": latents[0], "coefficient": latents[1:3]}
        expected = log_prior_of_sds(sd)
        expected += stats.norm.logpdf(latents[0], 0.2, 1.5)
        expected += stats.norm.logpdf(latents[1], 0.1, 0.7) + stats.norm.logpdf(latents[2], 0, 1)
        eta = latents[0] + rows.x @ latents[1:3]
        for k, (effect, offset) in enumerate(zip(DESIGN.effects, DESIGN.offsets, strict=True)):
            own = latents[offset : offset + effect.size]
            point |= {effect.term: own, f"sd {effect.term}_log__": np.log(sd[k])}
            expected += stats.norm.logpdf(own, 0, sd[k]).sum()
            eta = eta + latents[rows.index[:, k]]
        assert log_density(point) == pytest.approx(expected + log_likelihood(eta), rel=1e-8)


def test_variables_are_named_by_term_and_level():
    model = build_model(DESIGN, COUNTS, PRIORS)

    assert {variable.name for variable in model.free_RVs} == {
        "intercept",
        "coefficient",
        *(f"{prefix}(1|{g})" for prefix in ("", "sd ") for g in ("district", "age", "sex:age")),
    }
    assert model.coords["(1|sex:age) level"][0] == "female:18-29"
    assert model.named_vars_to_dims["(1|sex:age)"] == ("(1|sex:age) level",)


def test_the_sampled_form_has_the_density_of_the_totals_up_to_a_constant():
    identified = identify(DESIGN, PRIORS)
    start = warm_start(identified, DESIGN, COUNTS, PRIORS)
    model = build_sampling_model(identified, start, DESIGN, COUNTS, PRIORS)
    log_density = model.compile_logp(jacobian=False, mode="FAST_COMPILE")
    rng = np.random.default_rng(4)
    rows = identified.design.rows(COUNTS)
    first_level = 1 + len(identified.design.coefficient_names)
    offsets = []
    for _ in range(6):
        sd = rng.uniform(0.05, 1.5, 3)
        free_z, z = rng.normal(size=start.centre.size), rng.normal(size=start.pull.size)
        found = float(log_density({"free": free_z, "z": z, "sd_log__": np.log(sd)}))

        free = start.centre + start.root @ free_z
        variance = identified.fixed + identified.shares @ sd**2
        expected = log_prior_of_sds(sd) + stats.norm.logpdf(free[0], 0.2, np.sqrt(variance[0]))
        expected += stats.norm.logpdf(free[1], 0.1, 0.7)  # the coefficient of sex is part of a total
        levels, at = [], 0
        for b, basis in enumerate(start.bases):
            v, information = variance[1 + b], start.information[b]
            pull = start.pull[at : at + basis.shape[1]]
            # The change of variables again, written as the posterior of a normal observation.
            precision = 1 / v + information
            value = pull / precision + z[at : at + basis.shape[1]] / np.sqrt(precision)
            at += basis.shape[1]
            expected += stats.norm.logpdf(value, 0, np.sqrt(v)).sum() - 0.5 * np.log(precision).sum()
            levels.append(basis @ value)
        eta = free[0] + rows.x @ free[1:] + np.concatenate(levels)[rows.index - first_level].sum(axis=1)
        offsets.append(found - expected - log_likelihood(eta))
    assert_allclose(offsets, offsets[0], rtol=1e-8)


def test_a_warm_start_is_the_mode_of_the_joint_density():
    """At the returned sds, no coordinate of the totals can be moved to a higher density."""
    identified = identify(DESIGN, PRIORS)
    start = warm_start(identified, DESIGN, COUNTS, PRIORS)
    rows = identified.design.rows(COUNTS)
    variance = identified.fixed + identified.shares @ start.sd**2
    first_level = 1 + len(identified.design.coefficient_names)

    def value_at_mode(b: int) -> np.ndarray:
        width = start.bases[b].shape[1]
        at = sum(basis.shape[1] for basis in start.bases[:b])
        pull = start.pull[at : at + width]
        return start.bases[b] @ (pull / (1 / variance[1 + b] + start.information[b]))

    levels = np.concatenate([value_at_mode(b) for b in range(len(start.bases))])
    mode = np.concatenate([start.centre, levels])

    def log_joint(totals: np.ndarray) -> float:
        eta = totals[0] + rows.x @ totals[1:first_level] + totals[rows.index].sum(axis=1)
        value = log_likelihood(eta) - 0.5 * (totals[0] - 0.2) ** 2 / variance[0]
        value -= 0.5 * ((totals[1] - 0.1) / 0.7) ** 2
        at = first_level
        for b, basis in enumerate(start.bases):
            own = totals[at : at + basis.shape[0]]
            value -= 0.5 * own @ own / variance[1 + b]
            at += basis.shape[0]
        return value

    best = log_joint(mode)
    rng = np.random.default_rng(5)
    for _ in range(30):
        step = rng.normal(0, 0.01, first_level).tolist()
        for basis in start.bases:  # totals sum to zero: only such steps are in the model
            step += list(basis @ rng.normal(0, 0.01, basis.shape[1]))
        assert log_joint(mode + np.array(step)) < best


@pytest.mark.parametrize("formula", ["1", "lean + age", "(1|district)", "lean + (1|region) + (1|district)"])
@pytest.mark.parametrize("answers", ["some", "all", "none"])
def test_a_warm_start_is_finite_for_any_model_and_any_answers(formula: str, answers: str):
    design = build_design(formula, WORLD)
    y = {"some": COUNTS["y"], "all": COUNTS["n"], "none": COUNTS["n"] * 0}[answers]
    start = warm_start(identify(design, Priors()), design, COUNTS.with_columns(y=y), Priors())

    for array in (start.sd, start.centre, start.root, start.pull, *start.bases, *start.information):
        assert np.isfinite(array).all()


def test_counts_and_priors_that_do_not_fit_are_refused_before_anything_is_built():
    with pytest.raises(CountsError, match="no answer to fit"):
        build_model(DESIGN, COUNTS[:0], PRIORS)
    with pytest.raises(PriorError, match="not a term"):
        build_model(DESIGN, COUNTS, parse_priors({"income": "normal(0, 1)"}))


def test_cells_and_the_order_of_rows_do_not_change_the_density():
    shuffled = COUNTS.sample(fraction=1.0, shuffle=True, seed=1)
    point = build_model(DESIGN, COUNTS, PRIORS).initial_point()
    one = build_model(DESIGN, COUNTS, PRIORS).compile_logp(mode="FAST_COMPILE")(point)
    other = build_model(DESIGN, shuffled, PRIORS).compile_logp(mode="FAST_COMPILE")(point)

    assert float(other) == pytest.approx(float(one), rel=1e-12)
    assert isinstance(shuffled, pl.DataFrame)
