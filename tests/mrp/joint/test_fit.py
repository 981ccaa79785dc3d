"""Several questions fitted: both engines, the questions' parts, their covariance, and what a planted truth gains."""

import json
from functools import cache

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mrp.agreement import agreement, moments
from mrp.contrast import lead
from mrp.errors import DrawsError, SamplingError
from mrp.evidence import Evidence, kept_tree
from mrp.fit import FittedModel, fit_model
from mrp.grouping import Grouping
from mrp.joint import (
    JointFit,
    build_joint_design,
    default_joint_estimates,
    fit_joint,
    fit_joint_laplace,
    joint_latents,
    question_latents,
    sample_joint_nuts,
)
from mrp.joint.fit import joint_parity
from mrp.known_totals import calibrate, moved_along
from mrp.laplace.engine import LaplaceSettings
from mrp.latents import LatentDraws
from mrp.nuts import NutsSettings
from mrp.outcomes import design_from_json, draws_many
from mrp.poststratification import area_draws
from mrp.priors import Priors, parse_priors
from tests.mrp.joint import questions
from tests.mrp.joint.questions import TWO, WORLD, two

DESIGN = two()
LATENTS = questions.planted(DESIGN, seed=11)
COUNTS = questions.poll(DESIGN, LATENTS, {"rail": 900, "roads": 200}, seed=12)
# A question that was not asked everywhere.
COUNTS["roads"] = COUNTS["roads"].filter(~pl.col("district").is_in(["D01", "D05"]))


@cache
def fitted() -> JointFit:
    return fit_joint(DESIGN, WORLD, COUNTS, Priors(), engine="laplace", seed=1)


def test_a_fit_passes_and_has_a_part_for_each_question():
    fit = fitted()

    assert fit.verdict.publishable, fit.verdict.problems
    assert fit.engine == "laplace"
    assert "(1|p|district): correlations between rail and roads ~ lkj(2)" in repr(fit)
    for question in TWO:
        part = fit.of(question)
        assert isinstance(part, FittedModel)
        assert part.latents.names == part.design.latent_names
        assert part.latents.fit == fit.latents.fit
        assert_array_equal(part.latents.draws, fit.latents.draws[:, DESIGN.parts[question]])
        posterior = part.tree["posterior"]
        assert_array_equal(posterior["(1|p|district)"].to_numpy()[0], part.latents.draws[:, part.design.blocks[-2][1]])
        assert part.verdict == fit.verdict
        assert part.diagnostics()["k_hat_joint"] <= 0.7
        assert f"FittedModel of {TWO[question]!r}" in repr(part)
    assert fit.of("roads").evidence.names == ("sd (1|p|district)", "sd (1|sex)")
    assert fit.of("roads").evidence.points.shape[1] == 2
    assert len(fit.diagnostics()["parameters"]) == DESIGN.n_latents + 5
    with pytest.raises(DrawsError, match="there is no question 'rods' in the fit; there are rail, roads"):
        fit.of("rods")
    with pytest.raises(DrawsError, match="use the design that was stored with the fit"):
        question_latents(fit.of("rail").latents, DESIGN, "rail")


def test_a_part_is_stored_and_asked_like_a_fit_of_one_question():
    part = fitted().of("roads")
    design = design_from_json(json.loads(json.dumps(part.design.to_json())))
    latents = LatentDraws.from_bytes(part.latents.to_bytes())

    (stored,) = draws_many(latents, design, WORLD, [Grouping(by=("district",))])

    assert stored.fit == fitted().latents.fit
    assert_array_equal(stored.draws[:, :, 0], area_draws(part.latents, part.design, WORLD, by=("district",)).draws)
    assert Evidence.from_bytes(part.evidence.to_bytes()).names == part.evidence.names
    kept = kept_tree(latents, part.evidence, part.design)
    assert_array_equal(kept["posterior"]["sd (1|p|district)"], part.evidence.hypers[None, :, 0])
    with pytest.raises(DrawsError, match=r"the design is of several questions; read it with mrp\.joint"):
        design_from_json(DESIGN.to_json())


def test_questions_are_compared_draw_by_draw():
    rail, roads = (fitted().of(question) for question in ("rail", "roads"))
    one, two_ = (area_draws(part.latents, part.design, WORLD, by=("district",)) for part in (rail, roads))

    leads = lead(one, two_)

    assert len(leads) == 8
    difference = one.draws[:, 0] - two_.draws[:, 0]
    assert leads[0].difference.mean == pytest.approx(difference.mean())
    # The district's effects go together, so that the difference is surer than of independent draws.
    covariance = [np.cov(one.draws[:, i], two_.draws[:, i])[0, 1] for i in (1, 5)]
    assert min(covariance) > 0


def test_a_district_without_interviews_on_a_question_is_told_by_the_other():
    """Of districts where roads was not asked, the effect on roads follows that on rail by the fitted correlation."""
    fit = fitted()
    rail, roads = (fit.latents.draws[:, questions.where(DESIGN, q, "(1|p|district)")] for q in TWO)
    covariances = fit.covariances("p")
    # Given the sds and correlation, E(roads | rail) = S_yx / S_xx rail: the residual has mean zero.
    slope = covariances[:, 1, 0] / covariances[:, 0, 0]
    left = covariances[:, 1, 1] - slope * covariances[:, 1, 0]
    for district in (1, 5):
        residual = (roads[:, district] - slope * rail[:, district]) / np.sqrt(left)
        assert abs(residual.mean()) < 0.2
        assert residual.std() == pytest.approx(1, abs=0.15)


def test_covariances_are_those_of_the_sds_and_correlation_of_each_draw():
    fit = fitted()
    posterior = fit.tree["posterior"]
    sd = posterior["sd (1|p|district)"].to_numpy()[0]
    r = posterior["correlation (1|p|district)"].to_numpy()[0]

    covariances = fit.covariances("p")

    assert covariances.shape == (2000, 2, 2)
    assert_allclose(covariances[:, 0, 0], sd[:, 0] ** 2, rtol=1e-5)
    assert_allclose(covariances[:, 1, 1], sd[:, 1] ** 2, rtol=1e-5)
    assert_allclose(covariances[:, 0, 1], sd[:, 0] * sd[:, 1] * r, rtol=1e-4, atol=1e-7)
    assert_array_equal(covariances[:, 0, 1], covariances[:, 1, 0])
    assert_allclose(fit.correlations("p")[:, 1, 0], r, rtol=1e-5)
    with pytest.raises(DrawsError, match="no term with the label 'q' is correlated across questions; labels are: p"):
        fit.covariances("q")


def test_covariances_of_three_questions_by_hand():
    from mrp.joint import question_correlations, question_covariances, question_slopes

    design = build_joint_design(dict.fromkeys("abc", "(1|p|district)"), WORLD)
    # Partial correlations (1, 0), (2, 0), (2, 1): r21 = r20 r10 + p sqrt(1 - r10^2) sqrt(1 - r20^2).
    hypers = np.array([[1.0, 2.0, 0.5, 0.6, -0.8, 0.5]], dtype=np.float32)
    evidence = Evidence(hypers, ("",) * 6, np.ones(3), np.ones((3, 2)))
    r21 = -0.8 * 0.6 + 0.5 * 0.8 * 0.6

    assert_allclose(
        question_correlations(evidence, design, "p"), [[[1, 0.6, -0.8], [0.6, 1, r21], [-0.8, r21, 1]]], atol=1e-6
    )
    assert_allclose(
        question_covariances(evidence, design, "p"),
        [[[1, 1.2, -0.4], [1.2, 4, r21], [-0.4, r21, 0.25]]],
        atol=1e-6,
    )
    # S_yx S_xx^-1 for y = b, of x = a and c together: 2 (0.6 - r21 (-0.8)) / (1 - 0.64) and so on.
    by_hand = [2 * (0.6 + 0.8 * r21) / 0.36, 2 * (r21 + 0.8 * 0.6) / 0.36 / 0.5]
    assert_allclose(question_slopes(evidence, design, "p", known=("a", "c")), [[by_hand]], atol=1e-5)
    assert_allclose(question_slopes(evidence, design, "p", known=("b",)), [[[0.3], [r21 / 4]]], atol=1e-6)
    with pytest.raises(DrawsError, match="'d' has no term with the label 'p'; a, b, c have it"):
        question_slopes(evidence, design, "p", known=("d",))
    with pytest.raises(DrawsError, match="of a, b, c some have to be known and some not"):
        question_slopes(evidence, design, "p", known=("a", "b", "c"))


def test_a_question_is_moved_by_the_known_totals_of_another():
    fit = fitted()
    rail, roads = (fit.of(question) for question in TWO)
    known = calibrate(rail.latents, rail.design, WORLD, {"share": {"D00": 0.7, "D03": 0.4}}, by="district")

    slope = fit.slopes("p", known=("rail",))[:, 0, 0]
    latents, design = moved_along(roads.latents, roads.design, WORLD, known, slope)

    covariances = fit.covariances("p")
    assert_allclose(slope, covariances[:, 1, 0] / covariances[:, 0, 0], rtol=1e-6)
    moved = latents.draws[:, len(roads.latents.names) :]
    assert_allclose(moved, known.delta[:, :, 0] * slope[:, None], rtol=1e-5, atol=1e-6)
    assert_array_equal(moved[:, 1], 0)
    assert area_draws(latents, design, WORLD, by=("district",)).draws.shape == (2000, 8)


def test_the_same_seed_gives_the_same_draws():
    again = fit_joint_laplace(DESIGN, COUNTS, Priors(), seed=1)
    assert_array_equal(joint_latents(again, DESIGN).draws, fitted().latents.draws)


def test_the_order_of_questions_gives_the_same_estimates():
    other = build_joint_design({question: TWO[question] for question in reversed(TWO)}, WORLD)
    latents = joint_latents(fit_joint_laplace(other, COUNTS, Priors(), seed=2), other)
    for question in TWO:
        ours, theirs = (
            moments(
                *(one for one in default_joint_estimates(of, design, WORLD) if one.areas["question"][0] == question)
            )
            for of, design in ((fitted().latents, DESIGN), (latents, other))
        )
        assert agreement(ours, theirs).problems == ()


def test_with_a_correlation_pinned_at_zero_questions_are_as_if_fitted_apart():
    pinned = parse_priors({"correlation": "lkj(1000000)"})
    joint = fit_joint(DESIGN, WORLD, COUNTS, pinned, engine="laplace", seed=3)
    assert np.abs(joint.correlations("p")[:, 0, 1]).max() < 0.01
    for question in TWO:
        part, design = joint.of(question), DESIGN.of(question)
        alone = fit_model(design, WORLD, COUNTS[question], Priors(), engine="laplace", seed=4)
        for by in (("district",), ("sex",)):
            ours, theirs = (moments(area_draws(of.latents, design, WORLD, by=by)) for of in (part, alone))
            assert agreement(ours, theirs).problems == (), question


def test_a_question_that_few_answered_gains_from_one_that_many_did():
    """Sixty districts whose effects on two questions have the correlation 0.8; four interviews each on one of them."""
    world = questions.electorate(n_districts=60, seed=3)
    formulas = dict.fromkeys(("known", "rare"), "(1|p|district)")
    design = build_joint_design(formulas, world)
    latents = questions.planted(design, seed=5, sd=0.7)
    counts = questions.poll(design, latents, {"known": 9000, "rare": 240}, seed=6, world=world)
    settings = LaplaceSettings(points=200, draws=1000)

    joint = fit_joint(design, world, counts, Priors(), engine="laplace", seed=7, laplace=settings)
    alone = fit_model(design.of("rare"), world, counts["rare"], Priors(), engine="laplace", seed=8, laplace=settings)

    people = world.frame.filter(pl.col("n_people") > 0)
    truth = people.with_columns(share=pl.Series(questions.cell_shares(design, "rare", latents, people)))
    truth = truth.group_by("district").agg(pl.col("share").first()).sort("district")["share"].to_numpy()
    estimates = [area_draws(of.latents, of.design, world, by=("district",)).draws for of in (joint.of("rare"), alone)]
    ours, theirs = ((draws.mean(axis=0) - truth) ** 2 for draws in estimates)
    gain = theirs - ours
    # Three standard errors of the mean gain over districts: chance alone has it once in 700.
    assert gain.mean() > 3 * gain.std(ddof=1) / np.sqrt(gain.size)
    r = joint.correlations("p")[:, 0, 1]
    low, high = np.quantile(r, [0.025, 0.975])
    assert low < 0.8 < high
    # The 2.5% quantile itself is near 0, and of 200 points uncertain by 0.1.
    assert np.quantile(r, 0.1) > 0


def test_every_term_of_every_question_moves_its_cells_and_one_that_is_forgotten_is_found(
    monkeypatch: pytest.MonkeyPatch,
):
    assert joint_parity(DESIGN, WORLD) == ()

    from mrp import cell_pass

    kept = cell_pass.linear_predictor
    forgotten = DESIGN.of("roads").n_latents

    def forgets(by_latent, *args, **options):
        if len(by_latent) == forgotten:
            by_latent = by_latent.copy()
            by_latent[-2:] = 0
        return kept(by_latent, *args, **options)

    monkeypatch.setattr(cell_pass, "linear_predictor", forgets)
    (problem,) = joint_parity(DESIGN, WORLD)
    assert problem.code == "term-parity"
    assert problem.message.startswith("roads: (1|sex)[female] does not move the cells")


def test_what_cannot_be_fitted_is_refused(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(SamplingError, match="there is no engine 'lapace'; take 'laplace' or 'nuts'"):
        fit_joint(DESIGN, WORLD, COUNTS, Priors(), engine="lapace", seed=1)
    with pytest.raises(SamplingError, match="seed"):
        fit_joint(DESIGN, WORLD, COUNTS, Priors(), engine="laplace", seed=-1)
    from mrp import size

    monkeypatch.setattr(size, "MOST_EFFECTS", 20)
    with pytest.raises(
        SamplingError, match=r"the model is too large for nuts: 25 effects, .* \(1\|p\|district\) has 16"
    ):
        fit_joint(DESIGN, WORLD, COUNTS, Priors(), engine="nuts", seed=1)


@pytest.fixture(scope="session")
def sampled():
    return sample_joint_nuts(DESIGN, COUNTS, Priors(), seed=1, settings=NutsSettings(chains=2, tune=400, draws=1500))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_engines_agree(sampled):
    latents = joint_latents(sampled, DESIGN)
    theirs = moments(*default_joint_estimates(latents, DESIGN, WORLD))
    ours = moments(*default_joint_estimates(fitted().latents, DESIGN, WORLD))

    assert int(sampled["sample_stats"]["diverging"].sum()) == 0
    assert agreement(ours, theirs).problems == ()
    r, r_theirs = fitted().correlations("p")[:, 0, 1], sampled["posterior"]["correlation (1|p|district)"].to_numpy()
    assert r.mean() == pytest.approx(r_theirs.mean(), abs=0.05)
    assert r.std() == pytest.approx(r_theirs.std(), rel=0.15)
