"""What is done to draws before they are kept: totals are met in both sets, and undone for who looks at the fit."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from mrp.adjusted import LARGE_MOVE, NOTHING, Adjustments, Along, Totals, adjust, second_design
from mrp.categorical.poststratification import option_draws
from mrp.errors import FrameError
from mrp.latents import LatentDraws
from mrp.ordinal.design import build_ordinal_design
from mrp.outcomes.designs import AnyDesign, default_draws
from mrp.poststratification import area_draws
from mrp.shifts import as_fitted
from mrp.systematic import TERM, SystematicError
from tests.mrp.categorical import parties
from tests.mrp.test_known_totals import PARTIES as PARTY_DESIGN
from tests.mrp.test_known_totals import VOTES, WORLD, design, drawn, known

ERROR = SystematicError(0.03, 0.6)


def totals(*shares: float, **more: float) -> Totals:
    return Totals("past", "district", known(*shares), **({"sensitivity": 1.0, "specificity": 1.0} | more))


@settings(deadline=None, max_examples=20)
@given(st.lists(st.floats(0.01, 0.99), min_size=4, max_size=4), st.integers(0, 1000))
def test_totals_are_met_in_both_sets_of_draws(shares: list[float], seed: int):
    kept = adjust(drawn(design()), design(), WORLD, Adjustments(totals(*shares), ERROR), seed=seed)

    assert kept.second is not None
    for latents, of in ((kept.latents, kept.design), (kept.second, second_design(kept.design, WORLD))):
        served = area_draws(latents, of, WORLD, by=("district",)).draws
        assert_allclose(served, np.tile(shares, (served.shape[0], 1)), atol=1e-5)  # of single precision


def test_the_error_is_there_where_nothing_is_known():
    kept = adjust(drawn(design()), design(), WORLD, Adjustments(None, ERROR), seed=3)

    assert kept.second is not None
    assert_array_equal(kept.latents.draws, drawn(design()).draws)
    shift = kept.second.draws[:, design().n_latents :]
    assert (np.abs(shift) > 0).all()
    assert_array_equal(kept.second.draws[:, : design().n_latents], kept.latents.draws)
    again = adjust(drawn(design()), design(), WORLD, Adjustments(None, ERROR), seed=3)
    assert again.second is not None
    assert again.second.fit == kept.second.fit


def test_without_declarations_nothing_changes():
    kept = adjust(drawn(design()), design(), WORLD, NOTHING, seed=1)

    assert (kept.second, kept.diagnostics, kept.warnings) == (None, None, ())
    assert_array_equal(kept.latents.draws, drawn(design()).draws)


def test_reports_that_are_wrong_at_known_rates_are_met_as_they_are_reported():
    # Of half of the people 80% say so, and of the other half 10%: 45% say that they did.
    told = Adjustments(totals(0.5, 0.5, 0.5, 0.5, sensitivity=0.8, specificity=0.9))
    kept = adjust(drawn(design()), design(), WORLD, told, seed=1)

    assert_allclose(area_draws(kept.latents, kept.design, WORLD, by=("district",)).draws, 0.45, atol=1e-6)
    assert not any("remembered" in warning for warning in kept.warnings)


def test_reports_of_which_nobody_says_how_right_they_are_are_warned_of():
    silent = replace(totals(0.5, 0.5, 0.5, 0.5), sensitivity=None, specificity=None)
    warnings = adjust(drawn(design()), design(), WORLD, Adjustments(silent), seed=1).warnings

    assert any("as if all of them remembered" in warning and "sensitivity" in warning for warning in warnings)


def test_how_far_areas_were_moved_is_told_and_far_is_warned_of():
    first = adjust(drawn(design(), sd=0.01), design(), WORLD, Adjustments(totals(0.9, 0.5, 0.5, 0.5)), seed=1)

    assert first.diagnostics is not None
    moved = first.diagnostics["moved"]
    assert list(moved) == list(WORLD.codes)
    assert moved[WORLD.codes[0]] == pytest.approx(np.log(9), abs=0.1)
    assert max(moved[code] for code in WORLD.codes[1:]) < LARGE_MOVE
    (warning,) = first.warnings
    assert warning.startswith("1 of 4 areas had to be moved by more than 0.5")
    assert WORLD.codes[0] in warning


def test_a_question_that_moves_along_keeps_its_whole_error():
    other, slope = drawn(design(), seed=9), np.linspace(0.2, 1.2, 6)
    told = Adjustments(replace(totals(0.3, 0.6, 0.5, 0.4), question="past"), ERROR)
    kept = adjust(drawn(design()), design(), WORLD, told, seed=1, along=Along(other, design(), slope))
    alone = adjust(other, design(), WORLD, Adjustments(told.totals), seed=1)

    n = design().n_latents
    moved, of_other = kept.latents.draws[:, n:], alone.latents.draws[:, n:]
    assert_allclose(moved, of_other * slope[:, None], rtol=1e-5, atol=1e-6)
    assert kept.second is not None
    assert_array_equal(kept.second.draws[:, : n + 4], kept.latents.draws)
    assert kept.diagnostics is not None
    assert kept.diagnostics["question"] == "past"


def test_an_option_that_does_not_stand_in_an_area_has_a_total_of_nothing_there():
    others = np.stack([parties.latents(PARTY_DESIGN, seed=seed) for seed in range(90, 96)])
    other = LatentDraws(others.astype(np.float32), PARTY_DESIGN.latent_names, link="softmax")
    shares = option_draws(other, PARTY_DESIGN, parties.WORLD, by=("district",)).draws[0].astype(np.float64)
    shares /= shares.sum(axis=1, keepdims=True)
    assert (shares[:, 3] == 0).any()
    where = {
        option: dict(zip(parties.WORLD.codes, map(float, shares[:, k]), strict=True))
        for k, option in enumerate(PARTY_DESIGN.options)
    }
    told = Adjustments(Totals("party", "district", where, 1.0, 1.0), ERROR)
    kept = adjust(VOTES, PARTY_DESIGN, parties.WORLD, told, seed=1)

    assert kept.second is not None
    for latents, of in ((kept.latents, kept.design), (kept.second, second_design(kept.design, parties.WORLD))):
        served = option_draws(latents, of, parties.WORLD, by=("district",)).draws
        assert_allclose(served, np.tile(shares, (served.shape[0], 1, 1)), atol=1e-5)


def ordinal() -> tuple[LatentDraws, AnyDesign]:
    of = build_ordinal_design("(1|district)", WORLD, ("no", "perhaps", "yes"))
    draws = np.random.default_rng(4).normal(0, 0.5, (6, of.n_latents)).astype(np.float32)
    return LatentDraws(draws, of.latent_names, link="cumulative-logit"), of


def test_a_scale_errs_too_and_its_shares_still_sum_to_one():
    latents, of = ordinal()
    kept = adjust(latents, of, WORLD, Adjustments(None, SystematicError(0.1)), seed=1)

    assert kept.second is not None
    (nation, *_) = default_draws(kept.second, second_design(of, WORLD), WORLD)
    (before, *_) = default_draws(latents, of, WORLD)
    assert_allclose(nation.draws.sum(axis=2), 1, atol=1e-6)
    assert (np.abs(nation.draws - before.draws) > 1e-4).any()
    with pytest.raises(FrameError, match="options of a scale"):
        adjust(latents, of, WORLD, Adjustments(Totals("q", "district", {"yes": {WORLD.codes[0]: 0.4}})), seed=1)


@pytest.mark.parametrize("kind", ["binary", "categorical", "ordinal"])
def test_the_draws_of_the_fit_are_found_again(kind: str):
    world = parties.WORLD if kind == "categorical" else WORLD
    latents, of = {
        "binary": (drawn(design()), design()),
        "categorical": (VOTES, PARTY_DESIGN),
        "ordinal": ordinal(),
    }[kind]
    kept = adjust(latents, of, world, Adjustments(None, ERROR), seed=1)
    assert kept.second is not None
    found, plain = as_fitted(kept.second, second_design(of, world))

    assert_array_equal(found.draws, latents.draws)
    assert found.names == latents.names
    assert json.dumps(plain.to_json()) == json.dumps(of.to_json())
    assert not any(shift.term == TERM for shift in plain.common.shifts)


def test_declarations_are_written_down_and_read():
    told = Adjustments(totals(0.3, 0.5, 0.2, 0.4), ERROR)
    assert Adjustments.from_json(json.loads(json.dumps(told.to_json()))) == told
    assert Adjustments.from_json(json.loads(json.dumps(NOTHING.to_json()))) == NOTHING
