"""Fits of means: planted truth, both engines, units, merged cells, weights, what warns and what is refused."""

from dataclasses import replace
from functools import cache

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose

from mrp import NutsSettings, Priors, parse_priors, summarise
from mrp.agreement import agreement, moments
from mrp.diagnostics import diagnose
from mrp.errors import DrawsError, PriorError, SamplingError
from mrp.evidence import kept_tree
from mrp.grouping import Grouping
from mrp.laplace.engine import LaplaceSettings
from mrp.latents import LatentDraws
from mrp.numeric import (
    NumericDesign,
    NumericFit,
    Unit,
    answer_variances,
    build_numeric_design,
    collapse_numeric,
    default_numeric_estimates,
    describe_numeric_priors,
    fit_numeric,
    fit_numeric_laplace,
    numeric_draws,
    numeric_draws_many,
    numeric_latents,
    sample_numeric_nuts,
)
from mrp.numeric.fit import numeric_parity
from mrp.numeric.posterior import numeric_dataset
from mrp.verdict import judge_nuts
from tests.mrp.numeric.thermometer import RESIDUAL, WORLD, counted, design, poll, predictor, true_means
from tests.recovery.calibration import assert_coverage

DESIGN = design()
POLL = poll(DESIGN, n=1200, seed=7)
COUNTS = counted(DESIGN, POLL.interviews)
FEW = LaplaceSettings(points=200, draws=1000)


@cache
def fitted() -> NumericFit:
    return fit_numeric(DESIGN, WORLD, COUNTS, Priors(), engine="laplace", seed=1, laplace=FEW)


def district_means(fit: NumericFit) -> np.ndarray:
    return numeric_draws(fit.latents, fit.design, WORLD, by=("district",)).draws


def fit_of(interviews: pl.DataFrame, **settings: object) -> NumericFit:
    counts = counted(DESIGN, interviews)
    return fit_numeric(DESIGN, WORLD, counts, Priors(), engine="laplace", seed=1, laplace=FEW, **settings)


def test_a_fit_is_publishable_and_finds_the_planted_truth():
    fit = fitted()
    assert fit.verdict.publishable, fit.verdict.problems
    assert (fit.engine, fit.verdict.warnings, fit.design_effect) == ("laplace", (), 1.0)
    for column in ("district", "age"):
        estimate = numeric_draws(fit.latents, fit.design, WORLD, by=(column,))
        assert_coverage(estimate.draws, np.array(true_means(POLL.truth, estimate.areas, column)))
    residual = fit.latents.draws[:, -1] * fit.design.require_unit().scale
    # Of a normal sample's sd: sd / sqrt(2 n).
    assert residual.mean() == pytest.approx(RESIDUAL, abs=4 * RESIDUAL / np.sqrt(2 * 1200))
    table = summarise(estimate)
    assert table.columns == ["age", "n_people", "mean", "sd", "low", "high", "mc_error"]
    # All weights of the latents are equal, the best there is.
    assert fit.tree.attrs["k_hat_joint"] == -np.inf


def test_means_are_those_of_plain_loops_over_cells():
    rng = np.random.default_rng(3)
    at = rng.normal(0, 0.5, (2, DESIGN.n_latents)).astype(np.float32)
    of = replace(DESIGN, unit=Unit(40.0, 20.0))
    latents = LatentDraws(at, of.latent_names, link="identity")
    groupings = [Grouping(by=("district",)), Grouping(), Grouping(where={"sex": ("male",)})]
    by_district, nation, men = numeric_draws_many(latents, of, WORLD, groupings)
    variances = answer_variances(latents, of, WORLD, groupings)

    people, male = WORLD.frame["n_people"].to_numpy(), WORLD.frame["sex"].to_numpy() == "male"
    of_nation = []
    for s in range(2):
        cell = 40 + 20 * predictor(of, at[s].astype(np.float64), WORLD.frame)
        for a, code in enumerate(by_district.areas["district"]):
            own = WORLD.frame["district"].to_numpy() == code
            assert by_district.draws[s, a] == pytest.approx(people[own] @ cell[own] / people[own].sum(), rel=1e-9)
        whole = people @ cell / people.sum()
        assert nation.draws[s, 0] == pytest.approx(whole, rel=1e-9)
        assert men.draws[s, 0] == pytest.approx(people[male] @ cell[male] / people[male].sum(), rel=1e-9)
        of_nation.append((20 * float(at[s, -1])) ** 2 + people @ (cell - whole) ** 2 / people.sum())
    assert nation.kind == "mean"
    assert variances[1][0] == pytest.approx(np.mean(of_nation), rel=1e-9)
    assert [one.shape for one in variances] == [(10,), (1,), (1,)]


def test_the_same_seed_gives_the_same_draws_in_whatever_order_interviews_come():
    shuffled = fit_of(POLL.interviews.sample(fraction=1.0, shuffle=True, seed=3))
    assert np.array_equal(shuffled.latents.draws, fitted().latents.draws)
    assert shuffled.design.unit == fitted().design.unit


@pytest.mark.parametrize(("times", "plus"), [(100.0, 0.0), (1.8, 32.0), (-1.0, 0.0), (1e-6, 1e3)])
def test_another_unit_gives_the_same_estimates_in_that_unit(times: float, plus: float):
    other = fit_of(POLL.interviews.with_columns(pl.col("warmth") * times + plus))

    if times > 0:
        assert_allclose(district_means(other), times * district_means(fitted()) + plus, rtol=1e-5)
    else:  # the posterior is mirrored, its draws are others
        ours, theirs = district_means(fitted()), -district_means(other)
        error = ours.std(axis=0) / np.sqrt(fitted().tree.attrs["ess_sd"])
        assert (np.abs(ours.mean(axis=0) - theirs.mean(axis=0)) < 6 * error).all()


def test_interviews_one_by_one_or_merged_into_cells_give_the_same_posterior():
    each = POLL.interviews.select("district", "sex", "age", n=pl.lit(1), mean=pl.col("warmth"), ss=pl.lit(0.0))
    tree = fit_numeric_laplace(DESIGN, each, Priors(), seed=1, settings=FEW)
    assert_allclose(numeric_latents(tree, DESIGN).draws, fitted().latents.draws, rtol=1e-4, atol=1e-5)


def test_every_term_moves_its_cells_and_one_that_is_forgotten_is_found(monkeypatch: pytest.MonkeyPatch):
    assert numeric_parity(fitted().design, WORLD) == ()

    from mrp.numeric import poststratification

    whole = poststratification.incidence

    def without_age(of: object, table: pl.DataFrame) -> object:
        matrix = whole(of, table).tolil()
        matrix[:, DESIGN.common.offsets[1] : DESIGN.common.offsets[2]] = 0
        return matrix.tocsr()

    monkeypatch.setattr(poststratification, "incidence", without_age)
    (problem,) = numeric_parity(fitted().design, WORLD)
    assert problem.message.startswith("(1|age)[18-29] does not move the cells of the frame it belongs to")


def test_a_stored_design_and_draws_give_the_same_estimates():
    fit = fitted()
    design_again = NumericDesign.from_json(fit.design.to_json())
    draws_again = LatentDraws.from_bytes(fit.latents.to_bytes())

    again = numeric_draws(draws_again, design_again, WORLD, by=("district",))

    assert np.array_equal(again.draws, district_means(fit))
    assert design_again.unit == fit.design.unit
    assert DESIGN.unit is None
    assert NumericDesign.from_json(DESIGN.to_json()).unit is None


def test_what_does_not_belong_together_is_refused():
    fit = fitted()
    with pytest.raises(DrawsError, match="no unit before it is fitted; use the design of the fit"):
        numeric_draws(fit.latents, DESIGN, WORLD)
    with pytest.raises(DrawsError, match="the design has 3 with 'identity'"):
        numeric_draws(fit.latents, build_numeric_design("sex", WORLD, Unit(0, 1)), WORLD)
    with pytest.raises(DrawsError, match=r"of kind None .* not 'numeric' and 1; refit the question"):
        NumericDesign.from_json(DESIGN.common.to_json())
    with pytest.raises(SamplingError, match="no engine 'advi'"):
        fit_numeric(DESIGN, WORLD, COUNTS, Priors(), engine="advi", seed=1)
    with pytest.raises(PriorError, match=r"a prior for \(1\|region\), which is not a term"):
        fit_numeric(DESIGN, WORLD, COUNTS, parse_priors({"(1|region)": "half_normal(1)"}), engine="laplace", seed=1)


def test_a_model_that_nuts_cannot_hold_is_fitted_by_the_fast_engine_alone(monkeypatch: pytest.MonkeyPatch):
    from mrp.numeric import fit

    monkeypatch.setattr(fit, "MOST_COORDINATES", 15)
    with pytest.raises(SamplingError, match=r"too large for nuts: 22 effects, limit 15; \(1\|district\) has 10"):
        fit_numeric(DESIGN, WORLD, COUNTS, Priors(), engine="nuts", seed=1)
    assert fit_of(POLL.interviews).verdict.publishable


def test_the_evidence_and_what_is_kept_of_the_fit_name_every_parameter():
    fit = fitted()
    evidence = fit.evidence
    assert evidence.names == ("sd (1|district)", "sd (1|age)", "sd (1|sex:age)")
    assert evidence.points is not None
    assert evidence.points.shape[1] == 3
    kept = kept_tree(fit.latents, evidence, fit.design.common, named=lambda z, h: numeric_dataset(fit.design, z, h))
    assert_allclose(kept["posterior"]["sd residual"].to_numpy().ravel(), fit.latents.draws[:, -1])
    assert_allclose(kept["posterior"]["(1|age)"].to_numpy()[0], fit.tree["posterior"]["(1|age)"].to_numpy()[0])


def test_priors_are_told_in_the_unit_of_the_question():
    words = describe_numeric_priors(parse_priors({"residual": "half_normal(2)"}), DESIGN.common, Unit(50.0, 25.0))
    assert words["intercept"] == "normal(0, 1.5) in units of 25 around 50"
    assert words["residual"] == "normal(0, sd) with sd ~ half_normal(2) in units of 25"
    assert words["(1|age)"] == "normal(0, sd) with sd ~ half_normal(0.5)"


def test_a_binary_question_has_no_residual():
    from mrp.priors import require_priors

    with pytest.raises(PriorError, match="only answers that are numbers have a residual"):
        require_priors(parse_priors({"residual": "half_normal(2)"}), DESIGN.common)


def test_one_answer_far_from_all_others_is_told_of_without_saying_whose():
    one = POLL.interviews.with_columns(
        pl.when(pl.int_range(pl.len()) == 5).then(5000.0).otherwise("warmth").alias("warmth")
    )
    (warning,) = fit_of(one).verdict.warnings
    assert warning.startswith("1 of 69 cells have answers so far from all others (more than 10 standard deviations)")
    assert not any(code in warning for code in WORLD.codes)


def test_where_no_cell_has_two_interviews_and_effects_abound_a_warning_says_so():
    of = design("(1|district:sex:age)")
    alone = POLL.interviews.unique(["district", "sex", "age"], keep="first", maintain_order=True)
    tree = fit_numeric_laplace(of, counted(of, alone), Priors(), seed=1, settings=FEW)
    (warning,) = diagnose(tree)["warnings"]
    assert warning.startswith("no cell has two interviews, and the model has 81 effects for ")


def test_a_poll_of_one_interview_is_answered_from_the_prior():
    of = replace(design("(1|district)"), unit=Unit.of_range(0, 100))
    one = POLL.interviews.head(1).with_columns(warmth=90.0)
    fit = fit_numeric(of, WORLD, counted(of, one), Priors(), engine="laplace", seed=1, laplace=FEW)
    estimate = numeric_draws(fit.latents, fit.design, WORLD)
    assert 50 < estimate.draws.mean() < 90
    assert estimate.draws.std() > 10


def test_weights_move_means_and_cost_interviews():
    heavy = POLL.interviews.with_columns(w=pl.when(pl.col("warmth") > 50).then(3.0).otherwise(1.0))
    counts = collapse_numeric(heavy, by=DESIGN.count_columns, answer="warmth", weight="w")
    fit = fit_numeric(DESIGN, WORLD, counts, Priors(), engine="laplace", seed=1, laplace=FEW)

    # Half of the weights are 3, the others 1: E[w^2] / E[w]^2 = 5 / 4.
    assert fit.design_effect == pytest.approx(1.25, abs=0.03)
    plain, weighted = district_means(fitted()).mean(), district_means(fit).mean()
    raw = POLL.interviews["warmth"].to_numpy()
    w = np.where(raw > 50, 3.0, 1.0)
    assert weighted - plain == pytest.approx(np.average(raw, weights=w) - raw.mean(), rel=0.15)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_both_engines_agree():
    """Compiling takes most of it."""
    settings = NutsSettings(chains=2, tune=500, draws=2000)
    tree = sample_numeric_nuts(DESIGN, COUNTS, Priors(), seed=5, settings=settings)
    assert judge_nuts(tree).problems == ()
    of = fitted().design
    reference = moments(*default_numeric_estimates(numeric_latents(tree, of), of, WORLD))
    whole = fit_numeric(DESIGN, WORLD, COUNTS, Priors(), engine="laplace", seed=2)
    ours = default_numeric_estimates(whole.latents, whole.design, WORLD)
    assert agreement(moments(*ours), reference).problems == ()
    residual = tree["posterior"]["sd residual"].to_numpy()
    laplace = whole.latents.draws[:, -1]
    assert residual.mean() == pytest.approx(laplace.mean(), abs=0.15 * residual.std())
    assert residual.std() == pytest.approx(laplace.std(), rel=0.15)


def test_a_model_of_time_and_pollsters_answers_at_periods_and_for_no_pollster():
    from mrp.change import change_between_periods
    from tests.mrp import polls

    of = build_numeric_design("(1|district) + house(pollster) + rw1(period)", polls.WORLD, observed=polls.OBSERVED)
    people = polls.poll(n=1500, seed=9)
    rng = np.random.default_rng(2)
    late, hers = people["period"] == polls.PERIODS[-1], people["pollster"] == "Ask"
    warmth = 50 + 12 * late.to_numpy() + 15 * hers.to_numpy() + 20 * rng.standard_normal(people.height)
    counts = counted(of, people.with_columns(warmth=pl.Series(warmth)))
    fit = fit_numeric(of, polls.WORLD, counts, Priors(), engine="laplace", seed=1, laplace=FEW)
    assert fit.verdict.publishable, fit.verdict.problems

    first, last = (
        numeric_draws(fit.latents, fit.design, polls.WORLD, at={"period": one}) for one in polls.PERIODS[::2]
    )
    (change,) = change_between_periods(first, last)
    assert change.direction == "rise"
    # A walk of a few periods smooths a jump a little.
    assert 8 < change.difference.mean < 14
    # Without a period the last; a third of the interviews are by the pollster that is 15 degrees warmer.
    latest = numeric_draws(fit.latents, fit.design, polls.WORLD)
    assert np.array_equal(latest.draws, last.draws)
    assert latest.draws.mean() == pytest.approx(62 + 15 / 3, abs=3)
    house = fit.tree["posterior"]["house(pollster)"].mean(("chain", "draw")).to_numpy()
    assert house[0] * fit.design.require_unit().scale == pytest.approx(10, abs=2.5)
