"""Weights in the likelihood of an ordered scale: a fraction of the interviews, with weighted shares."""

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose

from mrp import Priors
from mrp.categorical import count_name
from mrp.laplace.engine import LaplaceSettings
from mrp.ordinal import build_ordinal_design, coarsest_ordinal, collapse_ordinal, fit_ordinal, ordinal_draws
from mrp.ordinal.conditional import ordinal_conditional
from mrp.ordinal.model import build_ordinal_model
from tests.mrp.ordinal import scales
from tests.mrp.ordinal.scales import SCALE, WORLD, counted, design

DESIGN = design("1")
INTERVIEWS = scales.poll(design(), n=600, seed=3).interviews
FEW = LaplaceSettings(points=60, draws=1000)


def weighted(interviews: pl.DataFrame, of=DESIGN) -> pl.DataFrame:
    return collapse_ordinal(interviews, by=of.count_columns, answer="view", options=of.options, weight="weight")


def heavy(option: str, times: float) -> pl.DataFrame:
    """Weights that tell nothing but that interviews with one answer count for more."""
    return INTERVIEWS.with_columns(weight=pl.when(pl.col("view") == option).then(times).otherwise(1.0))


def test_equal_weights_change_nothing():
    of = design()
    plain = coarsest_ordinal(of, counted(of, INTERVIEWS))
    same = coarsest_ordinal(of, weighted(INTERVIEWS.with_columns(weight=pl.lit(7.0)), of))

    names = ["n", *map(count_name, of.options)]
    assert_allclose(same.select(names).to_numpy(), plain.select(names).to_numpy(), rtol=1e-12)


def test_weights_move_the_shares_and_cost_interviews():
    """One cell: n = sum(w)^2 / sum(w^2) by hand, as nothing else tells interviews apart."""
    interviews = heavy(SCALE[-1], 3.0)
    w = interviews["weight"].to_numpy()
    cells = coarsest_ordinal(DESIGN, weighted(interviews))
    share = (w * (interviews["view"] == SCALE[-1]).to_numpy()).sum() / w.sum()
    n = w.sum() ** 2 / (w**2).sum()

    assert cells["n"][0] == pytest.approx(n, rel=2 / len(w))
    assert cells[count_name(SCALE[-1])][0] / cells["n"][0] == pytest.approx(share)

    fit = fit_ordinal(DESIGN, WORLD, weighted(interviews), Priors(), engine="laplace", seed=1, laplace=FEW)
    drawn = ordinal_draws(fit.latents, DESIGN, WORLD).of(SCALE[-1]).draws[:, 0]
    assert fit.verdict.publishable, fit.verdict.problems
    assert fit.diagnostics()["design_effect"] == pytest.approx(len(w) / n, rel=2 / len(w))
    assert drawn.mean() == pytest.approx(share, abs=0.01)
    assert drawn.std() == pytest.approx(np.sqrt(share * (1 - share) / n), rel=0.1)


def test_the_log_joint_of_weighted_counts_is_that_of_the_pymc_model_up_to_one_constant():
    of = build_ordinal_design("1", WORLD, SCALE)
    counts = weighted(heavy("agree", 2.5), of)
    log_density = build_ordinal_model(of, counts, Priors()).compile_logp(jacobian=False, mode="FAST_COMPILE")
    engine = ordinal_conditional(of, coarsest_ordinal(of, counts), Priors())
    found = []
    for seed in range(3):
        at = scales.latents(of, seed=seed)
        exact = float(engine.log_joint(at[None], np.empty(0))[0])
        found.append(float(log_density({"intercept": at[0], "log width": at[1:]})) - exact)
    assert_allclose(found, found[0], rtol=1e-8, atol=1e-7)
