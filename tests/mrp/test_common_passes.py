"""Fits of many questions with one design: what they have in common is found once, and changes no number."""

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_array_equal

from mrp.common_passes import common_passes
from mrp.design import build_design
from mrp.errors import DrawsError, FrameError
from mrp.grouping import Grouping
from mrp.latents import LatentDraws
from mrp.parity import term_parity
from mrp.poststratification import area_draws_many, frame_pass
from tests.mrp.worlds import FORMULA, electorate

WORLD = electorate()
DESIGN = build_design(FORMULA, WORLD)


def draws_of(seed: int, n: int = 30) -> LatentDraws:
    draws = np.random.default_rng(seed).normal(0.0, 0.7, (n, DESIGN.n_latents)).astype(np.float32)
    return LatentDraws(draws, DESIGN.latent_names)


def test_a_pass_that_several_fits_go_gives_what_each_would_find_by_itself():
    asked = [Grouping(), Grouping(by=(WORLD.district,)), Grouping(by=tuple(WORLD.demographics))]
    once = frame_pass(DESIGN, WORLD, asked)

    for seed, n in ((1, 30), (2, 7), (3, 1)):
        latents = draws_of(seed, n)
        for shared, own in zip(once.of(latents), area_draws_many(latents, DESIGN, WORLD, asked), strict=True):
            assert shared.areas.equals(own.areas)
            assert_array_equal(shared.draws, own.draws)
            assert shared.fit == latents.fit


def test_the_first_estimates_are_the_nation_all_districts_and_every_demographic():
    found = common_passes(DESIGN, WORLD).estimates.of(draws_of(4))

    assert [one.areas.columns for one in found] == [
        ["n_people"],
        [WORLD.district, "n_people"],
        *([name, "n_people"] for name in WORLD.demographics),
    ]


def test_a_fault_of_the_prediction_is_found_for_all_of_them(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("mrp.poststratification.add_up", lambda *_: None)

    assert common_passes(DESIGN, WORLD).parity == term_parity(DESIGN, WORLD) != ()


def test_draws_of_another_design_are_refused():
    other = build_design("1", WORLD)

    with pytest.raises(DrawsError, match="use the design that was stored with the fit"):
        common_passes(other, WORLD).estimates.of(draws_of(5))


def test_passes_of_another_design_or_population_are_refused():
    common = common_passes(DESIGN, WORLD)
    fewer = WORLD.with_cells(WORLD.frame.filter(pl.int_range(pl.len()) > 0))

    common.require(DESIGN, WORLD)
    for design, world in ((build_design("1", WORLD), WORLD), (DESIGN, fewer)):
        with pytest.raises(FrameError, match="another design or electorate"):
            common.require(design, world)
