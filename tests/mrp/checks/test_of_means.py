"""Means beside what a fit predicts of them: by plain simulation, seldom alarmed, and told what the model leaves out."""

from functools import cache, partial

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose

from mrp import Priors
from mrp.checks.concerns import house_concerns, misfit_concerns
from mrp.checks.margins import Margin, margins_of
from mrp.checks.misfit import judge_margins
from mrp.checks.of_means import SLOPE, predictive_of_means, size_in_unit
from mrp.errors import DrawsError
from mrp.laplace.engine import LaplaceSettings
from mrp.numeric import NumericFit, Unit, build_numeric_design, collapse_numeric, fit_numeric
from tests.mrp.numeric.thermometer import WORLD, design, poll, predictor

FEW = LaplaceSettings(points=100, draws=400)
COLUMNS = (*WORLD.cell_columns,)


def fitted(formula: str, interviews: pl.DataFrame) -> tuple[NumericFit, pl.DataFrame]:
    of = build_numeric_design(formula, WORLD)
    counts = collapse_numeric(interviews, by=COLUMNS, answer="warmth")
    return fit_numeric(of, WORLD, counts, Priors(), engine="laplace", seed=1, laplace=FEW), counts


@cache
def honest() -> tuple[NumericFit, pl.DataFrame]:
    return fitted("lean + sex + (1|district) + (1|age) + (1|sex:age)", poll(design(), n=1500, seed=41).interviews)


def test_groups_are_what_simulated_interviews_would_be():
    fit, counts = honest()
    (check,) = predictive_of_means(fit.latents, fit.design, WORLD, counts, [Margin(("age",))])

    rng, unit = np.random.default_rng(1), fit.design.require_unit()
    eta = np.stack([predictor(fit.design, z[:-1].astype(np.float64), counts) for z in fit.latents.draws])
    n, residual = counts["n"].to_numpy(), fit.latents.draws[:, -1].astype(np.float64)
    for group in check.groups:
        own = (counts["age"] == group.levels[0]).to_numpy()
        share = n[own] / n[own].sum()
        means = (eta[:, own] + residual[:, None] / np.sqrt(n[own]) * rng.standard_normal(eta[:, own].shape)) @ share / 2
        observed = (share @ counts["mean"].to_numpy()[own] - unit.centre) / (2 * unit.scale)
        assert group.n == n[own].sum()
        assert group.observed == pytest.approx(observed)
        error = group.sd / np.sqrt(len(means))
        assert group.predicted == pytest.approx(means.mean(), abs=4 * error)
        assert group.sd == pytest.approx(means.std(), rel=0.15)
        assert group.pit == pytest.approx((means < observed).mean(), abs=0.1)
        assert_allclose(group.high - group.low, 2 * 1.6449 * group.sd, rtol=1e-4)


def test_an_honest_fit_raises_no_alarm():
    fit, counts = honest()
    found = predictive_of_means(fit.latents, fit.design, WORLD, counts, margins_of(WORLD, counts))
    assert not any(one.is_misfit for one in judge_margins(found, fit.design.common))


def test_what_the_model_leaves_out_is_told_in_the_unit_of_the_question():
    interviews = poll(design(), n=2000, seed=43).interviews
    warmer = interviews.with_columns(pl.col("warmth") + 30 * ((pl.col("sex") == "male") & (pl.col("age") == "65+")))
    fit, counts = fitted("lean + sex + (1|district) + (1|age)", warmer)
    found = predictive_of_means(fit.latents, fit.design, WORLD, counts, margins_of(WORLD, counts))
    misfits = judge_margins(found, fit.design.common)

    first, *_ = misfit_concerns(misfits, fit.design.common, size=partial(size_in_unit, design=fit.design))

    assert set(first.columns) == {"sex", "age"}
    assert first.severity == "grave"
    assert first.advice == "add (1|sex:age) to the model"
    assert "point" not in first.sentence
    (told,) = (float(word) for word in first.sentence.split(" is ")[1].split()[:1])
    (worst, *_) = next(one.worst for one in misfits if set(one.check.margin.columns) == {"sex", "age"})
    # Told in steps of a factor of the root of 2, so right within a fifth.
    assert told == pytest.approx(abs(worst.difference) * 2 * fit.design.require_unit().scale, rel=0.25)
    assert 3 < told < 20


def test_a_size_has_two_digits_and_the_unit_of_the_question():
    of = build_numeric_design("1", WORLD, Unit(50_000.0, 30_000.0))
    assert size_in_unit(-0.0213, of) == "1,300"
    assert size_in_unit(0.5, build_numeric_design("1", WORLD, Unit(0.0, 0.0123))) == "0.012"


def test_draws_of_another_fit_are_refused():
    fit, counts = honest()
    with pytest.raises(DrawsError, match="not of the same fit"):
        predictive_of_means(fit.latents, build_numeric_design("sex", WORLD, Unit(0, 1)), WORLD, counts, [])


def test_a_pollster_that_is_far_from_the_others_is_named_in_the_unit_of_the_question():
    observed = {"pollster": ("Ask", "Bell", "Call")}
    of = build_numeric_design("(1|district) + (1|age) + house(pollster)", WORLD, observed=observed)
    interviews, rng = poll(design(), n=1500, seed=47).interviews, np.random.default_rng(3)
    interviews = interviews.with_columns(pollster=pl.Series(rng.choice(list(observed["pollster"]), 1500)))
    warmer = interviews.with_columns(pl.col("warmth") + 18 * (pl.col("pollster") == "Ask"))
    counts = collapse_numeric(warmer, by=of.count_columns, answer="warmth")
    fit = fit_numeric(of, WORLD, counts, Priors(), engine="laplace", seed=1, laplace=FEW)

    size = partial(size_in_unit, design=fit.design)
    first, *_ = house_concerns(fit.latents, fit.design.common, slope=SLOPE, size=size)

    # Three pollsters sum to zero: 18 (1 - 1/3) = 12.
    assert (first.columns, first.levels) == (("pollster",), ("Ask",))
    told = float(first.sentence.split("interviews are ")[1].split()[0])
    assert told == pytest.approx(12, abs=4)
    assert "higher than those of other pollsters" in first.sentence
