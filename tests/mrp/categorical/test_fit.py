"""Fits of several options: planted truth, options that nobody chose or that stand nowhere near, order, both engines."""

from functools import cache

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose

from mrp import NutsSettings, Priors, collapse, fit_model, summarise
from mrp.agreement import agreement, moments
from mrp.categorical import (
    CategoricalFit,
    Options,
    build_categorical_design,
    categorical_latents,
    default_option_estimates,
    fit_categorical,
    fit_categorical_laplace,
    option_draws,
    sample_categorical_nuts,
)
from mrp.categorical.cells import OptionRows
from mrp.categorical.fit import categorical_parity
from mrp.design import build_design
from mrp.errors import DrawsError, SamplingError
from mrp.laplace.engine import LaplaceSettings
from mrp.latents import LatentDraws
from mrp.poststratification import area_draws
from mrp.priors import parse_priors
from tests.mrp.categorical import parties
from tests.mrp.categorical.parties import PARTIES, WORLD, cell_shares, counted, design, latents, reordered
from tests.recovery.calibration import assert_coverage

DESIGN = design()
POLL = parties.poll(DESIGN, n=1500, seed=7)
COUNTS = counted(DESIGN, POLL.interviews)
FEW = LaplaceSettings(points=200, draws=1000)


@cache
def fitted() -> CategoricalFit:
    return fit_categorical(DESIGN, WORLD, COUNTS, Priors(), engine="laplace", seed=1, laplace=FEW)


def draws_of(of: object, values: np.ndarray) -> LatentDraws:
    return LatentDraws(values.astype(np.float32), of.latent_names, link="softmax")


def test_shares_are_those_of_plain_loops_over_cells():
    at = np.stack([latents(DESIGN, seed=seed) for seed in (1, 2)])
    estimate = option_draws(draws_of(DESIGN, at), DESIGN, WORLD, by=("district",))

    people = WORLD.frame["n_people"].to_numpy()
    for s in range(2):
        shares = cell_shares(DESIGN, at[s], WORLD.frame)
        for a, code in enumerate(estimate.areas["district"]):
            own = WORLD.frame["district"].to_numpy() == code
            assert_allclose(estimate.draws[s, a], people[own] @ shares[own] / people[own].sum(), rtol=1e-5)
    assert_allclose(estimate.draws.sum(axis=2), 1, rtol=1e-5)


def test_an_option_has_no_share_where_it_does_not_stand():
    estimate = option_draws(fitted().latents, DESIGN, WORLD, by=("region",))
    league = estimate.of("South League")
    outside = league.areas["region"].to_numpy() != "South"

    assert (league.draws[:, outside] == 0).all()
    assert (league.draws[:, ~outside] > 0).all()
    with pytest.raises(DrawsError, match="there is no option 'League'; there are Left"):
        estimate.of("League")


def test_a_fit_is_publishable_and_finds_the_planted_truth():
    fit = fitted()
    assert fit.verdict.publishable, fit.verdict.problems
    assert fit.engine == "laplace"
    estimate = option_draws(fit.latents, DESIGN, WORLD, by=("district",)).by_option()
    people, truth = WORLD.frame["n_people"].to_numpy(), []
    for code, option in estimate.areas.select("district", "option").iter_rows():
        own = WORLD.frame["district"].to_numpy() == code
        truth.append(people[own] @ POLL.truth[own, PARTIES.index(option)] / people[own].sum())
    varies = estimate.draws.std(axis=0) > 0
    assert_coverage(estimate.draws[:, varies], np.array(truth)[varies])
    table = summarise(estimate)
    assert table.columns == ["district", "option", "n_people", "share", "sd", "low", "high", "mc_error"]
    assert fit.diagnostics()["k_hat_joint"] <= 0.7


def test_the_same_seed_gives_the_same_draws():
    again = fit_categorical_laplace(DESIGN, COUNTS, Priors(), seed=1, settings=FEW)
    assert np.array_equal(categorical_latents(again, DESIGN).draws, fitted().latents.draws)


def test_an_order_of_options_gives_the_same_estimates():
    order = (3, 1, 0, 2)
    other = design(options=reordered(order))
    tree = fit_categorical_laplace(other, counted(other, POLL.interviews), Priors(), seed=2, settings=FEW)
    theirs = default_option_estimates(categorical_latents(tree, other), other, WORLD)
    ours = default_option_estimates(fitted().latents, DESIGN, WORLD)
    for party in PARTIES[:3]:
        # The South League has districts without draws that vary.
        one, two = (moments(*(part.of(party) for part in estimates)) for estimates in (ours, theirs))
        assert agreement(one, two).problems == ()


def test_an_option_that_nobody_chose_has_a_small_share_with_an_honest_interval():
    of = design("(1|district) + (1|age)", Options((*PARTIES[:3], "Nobody")))
    votes = POLL.interviews.filter(pl.col("vote") != "South League")
    fit = fit_categorical(of, WORLD, counted(of, votes), Priors(), engine="laplace", seed=3, laplace=FEW)

    assert fit.verdict.publishable, fit.verdict.problems
    share = option_draws(fit.latents, of, WORLD).of("Nobody").draws[:, 0]
    # Of n people none: with a flat prior on the share the mean is below 1 / n, and here the prior says more than 0.
    assert 0 < share.mean() < 3 / votes.height
    assert np.quantile(share, 0.95) > share.mean()


def test_two_options_have_the_posterior_of_the_binary_model():
    formula = "lean + (1|district) + (1|age)"
    two = POLL.interviews.filter(pl.col("vote").is_in(["Left", "Right"]))
    of = build_categorical_design(formula, WORLD, Options(("Left", "Right")))
    root = np.sqrt(2)
    larger = {"intercept": 1.5 * root, "coefficient": root}
    priors = parse_priors(
        {name: f"normal(0, {sd})" for name, sd in larger.items()} | {"sd": f"half_normal({root / 2})"}
    )
    several = fit_categorical(of, WORLD, counted(of, two), Priors(), engine="laplace", seed=4)
    binary = build_design(formula, WORLD)
    counts = collapse(two, by=binary.count_columns, answer="vote", option="Left", options=("Left", "Right"))
    one = fit_model(binary, WORLD, counts, priors, engine="laplace", seed=5)

    by = ("district",)
    ours = moments(option_draws(several.latents, of, WORLD, by=by).of("Left"))
    assert agreement(ours, moments(area_draws(one.latents, binary, WORLD, by=by))).problems == ()


def test_every_term_moves_its_cells_and_one_that_is_forgotten_is_found(monkeypatch: pytest.MonkeyPatch):
    assert categorical_parity(DESIGN, WORLD) == ()

    kept = OptionRows.latents
    of_age = slice(DESIGN.common.offsets[1] * DESIGN.n_options, DESIGN.n_common * DESIGN.n_options)

    def forgets(self: OptionRows, draws: np.ndarray, option: int) -> np.ndarray:
        draws = draws.copy()
        draws[:, of_age] = 0
        return kept(self, draws, option)

    monkeypatch.setattr(OptionRows, "latents", forgets)
    (problem,) = categorical_parity(DESIGN, WORLD)
    assert problem.code == "term-parity"
    assert "(1|age)" in problem.message


def test_a_model_that_is_too_large_is_refused_with_the_term_to_blame(monkeypatch: pytest.MonkeyPatch):
    from mrp.categorical import fit

    monkeypatch.setattr(fit, "MOST_COORDINATES", 8)
    with pytest.raises(
        SamplingError,
        match=r"for laplace: 12 effects of 4 options beside those of \(1\|district\), limit 8; \(1\|age\) has 4",
    ):
        fit_categorical(DESIGN, WORLD, COUNTS, Priors(), engine="laplace", seed=1)
    with pytest.raises(SamplingError, match=r"for nuts: 30 effects of 4 options, limit 8; \(1\|district\) has 6"):
        fit_categorical(DESIGN, WORLD, COUNTS, Priors(), engine="nuts", seed=1)
    with pytest.raises(SamplingError, match="there is no engine 'lapace'"):
        fit_categorical(DESIGN, WORLD, COUNTS, Priors(), engine="lapace", seed=1)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_engines_agree():
    settings = NutsSettings(tune=500, draws=1500)
    tree = sample_categorical_nuts(DESIGN, COUNTS, Priors(), seed=1, settings=settings)
    theirs = default_option_estimates(categorical_latents(tree, DESIGN, max_draws=6000), DESIGN, WORLD)
    ours = default_option_estimates(fitted().latents, DESIGN, WORLD)

    assert int(tree["sample_stats"]["diverging"].sum()) == 0
    for party in PARTIES[:3]:
        one, two = (moments(*(part.of(party) for part in estimates)) for estimates in (ours, theirs))
        assert agreement(one, two).problems == ()
