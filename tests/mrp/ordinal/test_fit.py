"""Fits of an ordered scale: planted truth, exact posteriors, the binary model, the order turned, both engines."""

from functools import cache

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose

from mrp import NutsSettings, Priors, collapse, fit_model, summarise
from mrp.agreement import agreement, moments
from mrp.design import build_design
from mrp.errors import CountsError, DrawsError, PriorError, SamplingError
from mrp.evidence import Evidence, kept_tree
from mrp.laplace.engine import LaplaceSettings
from mrp.latents import LatentDraws
from mrp.ordinal import (
    OrdinalDesign,
    OrdinalFit,
    build_ordinal_design,
    coarsest_ordinal,
    default_ordinal_estimates,
    fit_ordinal,
    fit_ordinal_laplace,
    mean_scores,
    ordinal_draws,
    ordinal_latents,
    poststratification,
)
from mrp.ordinal.conditional import ordinal_conditional
from mrp.ordinal.fit import ordinal_parity
from mrp.ordinal.posterior import ordinal_dataset
from mrp.poststratification import area_draws
from mrp.priors import parse_priors
from tests.mrp import polls
from tests.mrp.ordinal import scales
from tests.mrp.ordinal.scales import SCALE, WORLD, cell_shares, counted, design, latents
from tests.recovery.calibration import assert_coverage

DESIGN = design()
POLL = scales.poll(DESIGN, n=1500, seed=7)
COUNTS = counted(DESIGN, POLL.interviews)
FEW = LaplaceSettings(points=200, draws=1000)
PEOPLE = WORLD.frame["n_people"].to_numpy()


@cache
def fitted() -> OrdinalFit:
    return fit_ordinal(DESIGN, WORLD, COUNTS, Priors(), engine="laplace", seed=1, laplace=FEW)


def draws_of(of: OrdinalDesign, values: np.ndarray) -> LatentDraws:
    return LatentDraws(values.astype(np.float32), of.latent_names, link="cumulative-logit")


def estimates_of(fit: OrdinalFit) -> list:
    return [one.by_option() for one in default_ordinal_estimates(fit.latents, fit.design, WORLD)]


def test_shares_are_those_of_plain_loops_over_cells():
    at = np.stack([latents(DESIGN, seed=seed, sd=1.0) for seed in (1, 2)])
    estimate = ordinal_draws(draws_of(DESIGN, at), DESIGN, WORLD, by=("district",))

    for s in range(2):
        shares = cell_shares(DESIGN, at[s], WORLD.frame)
        for a, code in enumerate(estimate.areas["district"]):
            own = WORLD.frame["district"].to_numpy() == code
            assert_allclose(estimate.draws[s, a], PEOPLE[own] @ shares[own] / PEOPLE[own].sum(), rtol=2e-5)
    assert_allclose(estimate.draws.sum(axis=2), 1, rtol=1e-12)


def test_shares_of_options_with_next_to_nothing_are_not_negative():
    at = np.stack([latents(DESIGN, seed=seed, sd=1.0) for seed in range(20)])
    at[:, 0] += np.linspace(-30, 30, 20)
    at[:, -2] = -25.0
    shares = ordinal_draws(draws_of(DESIGN, at), DESIGN, WORLD, by=("district", "age")).draws

    assert (shares >= 0).all()
    assert_allclose(shares.sum(axis=2), 1, rtol=1e-12)
    # As rounding may have it, however seldom.
    assert_allclose(poststratification.between(np.array([1.0000001, 0.3, 0.3000001, -1e-9])), [0, 0.7, 0, 0.3, 0])


def test_the_mean_of_scores_is_that_of_shares():
    drawn = ordinal_draws(fitted().latents, DESIGN, WORLD, by=("region",))
    mean = drawn.mean()
    by_hand = sum((1 + k) * drawn.of(option).draws for k, option in enumerate(SCALE))

    assert_allclose(mean.draws, by_hand)
    assert (mean.areas.rows(), mean.fit) == (drawn.areas.rows(), drawn.fit)
    assert_allclose(mean_scores(drawn, (-2, -1, 0, 1, 2)).draws, mean.draws - 3)
    assert summarise(mean)["mean"].is_between(1, 5).all()
    wanted = "5 finite numbers are needed, one for each of strongly disagree, disagree"
    with pytest.raises(DrawsError, match=rf"the scores are \[1, 2\]; {wanted}"):
        drawn.mean((1, 2))
    with pytest.raises(DrawsError, match=wanted):
        drawn.mean((1, 2, 3, 4, np.inf))


def test_a_fit_is_publishable_and_finds_the_planted_truth():
    fit = fitted()
    assert fit.verdict.publishable, fit.verdict.problems
    assert fit.engine == "laplace"
    estimate = ordinal_draws(fit.latents, DESIGN, WORLD, by=("district",))
    truth = []
    for code in estimate.areas["district"]:
        own = WORLD.frame["district"].to_numpy() == code
        truth.append(PEOPLE[own] @ POLL.truth[own] / PEOPLE[own].sum())
    assert_coverage(estimate.by_option().draws, np.array(truth).ravel())
    planted = latents(DESIGN, seed=8)[DESIGN.n_common :]
    drawn = fit.latents.draws[:, DESIGN.n_common :]
    assert (np.abs(drawn.mean(axis=0) - planted) < 4 * drawn.std(axis=0)).all()
    table = summarise(estimate.by_option())
    assert table.columns == ["district", "option", "n_people", "share", "sd", "low", "high", "mc_error"]
    assert fit.diagnostics()["k_hat_joint"] <= 0.7
    assert fit.tree["posterior"]["cutpoint"].dims == ("chain", "draw", "cutpoint name")


def test_the_same_seed_gives_the_same_draws():
    again = fit_ordinal_laplace(DESIGN, COUNTS, Priors(), seed=1, settings=FEW)
    assert np.array_equal(ordinal_latents(again, DESIGN).draws, fitted().latents.draws)


def test_draws_are_those_of_the_posterior_by_quadrature():
    """Three options and no term: the shares' means and sds by a grid over intercept and log width."""
    of = build_ordinal_design("1", WORLD, ("a", "b", "c"))
    counts = pl.DataFrame({"n": [30], "y[a]": [17], "y[b]": [9], "y[c]": [4]})
    conditional = ordinal_conditional(of, coarsest_ordinal(of, counts), Priors())
    grid = np.meshgrid(np.linspace(-4, 2, 181), np.linspace(-3, 3, 181), indexing="ij")
    points = np.stack(grid, axis=-1).reshape(-1, 2)
    log_density = conditional.log_joint(points, np.empty(0))
    weight = np.exp(log_density - log_density.max())
    weight /= weight.sum()
    shares = ordinal_draws(draws_of(of, points), of, WORLD).draws[:, 0]
    mean = weight @ shares
    sd = np.sqrt(weight @ (shares - mean) ** 2)

    tree = fit_ordinal_laplace(of, counts, Priors(), seed=1, settings=LaplaceSettings(draws=4000))
    drawn = ordinal_draws(ordinal_latents(tree, of), of, WORLD).draws[:, 0]

    assert tree.attrs["k_hat_joint"] < 0.7
    # Of 4,000 draws, most of them effective: 3.5 errors of mean and sd.
    assert (np.abs(drawn.mean(axis=0) - mean) < 3.5 * sd / np.sqrt(3000)).all()
    assert_allclose(drawn.std(axis=0), sd, rtol=3.5 / np.sqrt(2 * 1500))


def test_the_scale_reversed_gives_the_same_estimates():
    turned = design(options=SCALE[::-1])
    tree = fit_ordinal_laplace(turned, counted(turned, POLL.interviews), Priors(), seed=2, settings=FEW)
    theirs = default_ordinal_estimates(ordinal_latents(tree, turned), turned, WORLD)
    ours = default_ordinal_estimates(fitted().latents, DESIGN, WORLD)
    for option in SCALE:
        one, two = (moments(*(part.of(option) for part in estimates)) for estimates in (ours, theirs))
        found = agreement(one, two)
        assert found.agrees or found.may_be_chance, found.problems


def test_two_options_are_a_binary_question():
    formula = "lean + (1|district) + (1|age)"
    of, binary = build_ordinal_design(formula, WORLD, ("no", "yes")), build_design(formula, WORLD)
    is_high = pl.col("view").is_in(SCALE[3:])
    two = POLL.interviews.with_columns(view=pl.when(is_high).then(pl.lit("yes")).otherwise(pl.lit("no")))
    ordinal = fit_ordinal(of, WORLD, counted(of, two), Priors(), engine="laplace", seed=4, laplace=FEW)
    counts = collapse(two, by=binary.count_columns, answer="view", option="yes", options=("no", "yes"))
    one = fit_model(binary, WORLD, counts, Priors(), engine="laplace", seed=5, laplace=FEW)

    assert ordinal.verdict.publishable
    by = ("district",)
    ours = moments(ordinal_draws(ordinal.latents, of, WORLD, by=by).of("yes"))
    found = agreement(ours, moments(area_draws(one.latents, binary, WORLD, by=by)))
    assert found.agrees or found.may_be_chance, found.problems


@pytest.mark.parametrize("nobody", [0, 2, 4])
def test_an_option_that_nobody_chose_has_a_small_share_that_is_not_none(nobody: int):
    interviews = POLL.interviews.filter(pl.col("view") != SCALE[nobody])
    fit = fit_ordinal(DESIGN, WORLD, counted(DESIGN, interviews), Priors(), engine="laplace", seed=1, laplace=FEW)
    share = ordinal_draws(fit.latents, DESIGN, WORLD).of(SCALE[nobody]).draws

    assert fit.verdict.publishable, fit.verdict.problems
    assert 0 < share.mean() < 0.01
    assert share.max() < 0.03


@pytest.mark.parametrize("answer", SCALE)
def test_all_the_same_answer_is_fitted(answer: str):
    interviews = POLL.interviews[:40].with_columns(view=pl.lit(answer))
    tree = fit_ordinal_laplace(DESIGN, counted(DESIGN, interviews), Priors(), seed=1, settings=FEW)
    share = ordinal_draws(ordinal_latents(tree, DESIGN), DESIGN, WORLD).of(answer).draws

    assert tree.attrs["k_hat_joint"] < 0.7
    assert 0.75 < share.mean() < 0.99


def test_one_interview_is_fitted():
    tree = fit_ordinal_laplace(DESIGN, counted(DESIGN, POLL.interviews[:1]), Priors(), seed=1, settings=FEW)
    assert np.isfinite(ordinal_latents(tree, DESIGN).draws).all()
    none = counted(DESIGN, POLL.interviews[:0])
    with pytest.raises(CountsError, match="there is no answer to fit"):
        fit_ordinal_laplace(DESIGN, none, Priors(), seed=1)


def test_structured_and_nuisance_terms_are_fitted():
    of = build_ordinal_design(
        "rw1(period) + house(pollster) + (1 + sex|age)", polls.WORLD, SCALE, observed=polls.OBSERVED
    )
    asked = polls.poll(n=400, seed=4)
    views = pl.Series([SCALE[i] for i in np.random.default_rng(2).integers(0, 5, asked.height)])
    fit = fit_ordinal(
        of, polls.WORLD, counted(of, asked.with_columns(view=views)), Priors(), engine="laplace", seed=1, laplace=FEW
    )
    assert fit.verdict.publishable, fit.verdict.problems
    first = of.common.observed["period"][0]
    then = ordinal_draws(fit.latents, of, polls.WORLD, at={"period": first})
    assert not np.array_equal(then.draws, ordinal_draws(fit.latents, of, polls.WORLD).draws)


def test_what_is_kept_of_a_fit_makes_its_draws_again():
    fit = fitted()
    evidence = Evidence.from_bytes(fit.evidence.to_bytes())
    kept = kept_tree(fit.latents, evidence, DESIGN.common, named=lambda *parts: ordinal_dataset(DESIGN, *parts))
    for name, ours in fit.tree["posterior"].data_vars.items():
        assert ours.dims == kept["posterior"][name].dims
        assert_allclose(ours, kept["posterior"][name], rtol=1e-4, atol=1e-5)


def test_every_term_moves_its_cells_and_one_that_is_forgotten_is_found(monkeypatch: pytest.MonkeyPatch):
    assert ordinal_parity(DESIGN, WORLD) == ()
    assert ordinal_parity(design(options=("no", "yes")), WORLD) == ()

    kept = poststratification.linear_predictor

    def forgets(by_latent, rows, start, stop, *, out):
        by_latent = by_latent.copy()
        by_latent[DESIGN.common.offsets[1] :] = 0
        return kept(by_latent, rows, start, stop, out=out)

    monkeypatch.setattr(poststratification, "linear_predictor", forgets)
    (problem,) = ordinal_parity(DESIGN, WORLD)
    assert problem.code == "term-parity"
    assert "(1|age)" in problem.message


def test_a_width_that_is_forgotten_is_found(monkeypatch: pytest.MonkeyPatch):
    kept = poststratification.spacing

    def forgets(n_options: int) -> np.ndarray:
        matrix = kept(n_options).copy()
        matrix[:, 1] = 0
        return matrix

    monkeypatch.setattr(poststratification, "spacing", forgets)
    assert "log width[neither]" in " ".join(one.message for one in ordinal_parity(DESIGN, WORLD))


def test_what_cannot_be_fitted_is_refused_in_words(monkeypatch: pytest.MonkeyPatch):
    from mrp.ordinal import fit

    def attempt(*, engine="laplace", seed=1, priors=None):
        return fit_ordinal(DESIGN, WORLD, COUNTS, priors or Priors(), engine=engine, seed=seed)

    with pytest.raises(SamplingError, match="there is no engine 'lapace'; take 'laplace' or 'nuts'"):
        attempt(engine="lapace")
    with pytest.raises(SamplingError, match="seed"):
        attempt(seed=-1)
    with pytest.raises(PriorError, match=r"there is a prior for \(1\|county\), which is not a term"):
        attempt(priors=parse_priors({"(1|county)": "half_normal(1)"}))
    other = LatentDraws(fitted().latents.draws, DESIGN.latent_names, link="softmax")
    with pytest.raises(DrawsError, match="the link 'softmax' and the design has 15 with 'cumulative-logit'"):
        ordinal_draws(other, DESIGN, WORLD)
    monkeypatch.setattr(fit, "MOST_COORDINATES", 8)
    with pytest.raises(SamplingError, match=r"the model is too large: 10 effects, limit 8; \(1\|district\) has 6"):
        attempt()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_engines_agree():
    fit = fit_ordinal(DESIGN, WORLD, COUNTS, Priors(), engine="nuts", seed=1, nuts=NutsSettings(tune=500, draws=1500))
    assert fit.verdict.publishable, fit.verdict.problems
    assert (fit.engine, fit.latents.link, fit.latents.n_chains) == ("nuts", "cumulative-logit", 4)
    drawn = fit.latents
    theirs = [one.by_option() for one in default_ordinal_estimates(drawn, DESIGN, WORLD)]

    assert int(fit.tree["sample_stats"]["diverging"].sum()) == 0
    found = agreement(moments(*estimates_of(fitted())), moments(*theirs))
    assert found.problems == ()
    means = [one.mean((-2, -1, 0, 1, 2)) for one in default_ordinal_estimates(drawn, DESIGN, WORLD)]
    ours = [one.mean((-2, -1, 0, 1, 2)) for one in default_ordinal_estimates(fitted().latents, DESIGN, WORLD)]
    assert agreement(moments(*ours), moments(*means)).problems == ()
