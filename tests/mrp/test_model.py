"""The definition against loops."""

import numpy as np
import polars as pl
import pytest
from scipy import stats

from mrp.counts import collapse
from mrp.design import build_design
from mrp.errors import CountsError, PriorError
from mrp.model import build_model
from mrp.priors import parse_priors
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
