"""Known totals: met in every draw, by the smallest move, which nothing undoes; refused where they are impossible."""

import json
from functools import cache

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import brentq

from mrp.categorical.poststratification import option_draws
from mrp.design import Design, build_design
from mrp.electorate import Electorate
from mrp.errors import FrameError, ShapeMismatch
from mrp.known_totals import Calibrated, calibrate, moved_along
from mrp.latents import LatentDraws
from mrp.outcomes import design_from_json
from mrp.poststratification import area_draws, cell_shares
from mrp.shifts import shifted
from tests.mrp.categorical import parties
from tests.mrp.worlds import electorate

WORLD = electorate(n_districts=4)
FORMULA = "lean + (1|district) + (1|age)"
N_DRAWS = 6


@cache
def design(formula: str = FORMULA) -> Design:
    return build_design(formula, WORLD)


def drawn(of: Design, *, seed: int = 1, sd: float = 0.7) -> LatentDraws:
    draws = np.random.default_rng(seed).normal(0, sd, (N_DRAWS, of.n_latents))
    return LatentDraws(draws.astype(np.float32), of.latent_names)


def codes() -> tuple[str, ...]:
    return WORLD.codes


def known(*shares: float) -> dict[str, dict[str, float]]:
    return {"share": dict(zip(codes(), shares, strict=False))}


def test_two_cells_by_hand():
    # One district with 3 people at eta = 0 and 1 at eta = log 3: shares 1/2 and 3/4, together 9/16. With all odds
    # doubled they are 2/3 and 6/7, together 5/7.
    frame = pl.DataFrame({"district": ["A", "A"], "age": ["young", "old"], "n_people": [3.0, 1.0]})
    one = Electorate(frame, pl.DataFrame({"code": ["A"], "name": ["A"]}), "district", {"age": ("young", "old")})
    of = build_design("(1|age)", one)
    latents = LatentDraws(np.array([[0, 0, np.log(3)]], dtype=np.float32), of.latent_names)
    assert_allclose(area_draws(latents, of, one).draws, 9 / 16, rtol=1e-6)

    met = calibrate(latents, of, one, {"share": {"A": 5 / 7}}, by="district")

    assert_allclose(met.delta, np.log(2), rtol=1e-6)
    assert_allclose(area_draws(met.latents, met.design, one).draws, 5 / 7, rtol=1e-6)


@pytest.mark.parametrize("by", ["district", "region", None])
def test_the_shift_is_the_root_that_a_plain_search_finds(by: str | None):
    latents = drawn(design())
    areas = {"district": WORLD.codes, "region": WORLD.levels("region"), None: ("all",)}[by]
    totals = dict(zip(areas, (0.2, 0.6, 0.45, 0.9), strict=False))
    met = calibrate(latents, design(), WORLD, {"share": totals}, by=by)

    cells = WORLD.frame.join(WORLD.districts.select(district="code", region="region"), on="district")
    etas = np.log(1 / (1 / cell_shares(latents, design(), cells).astype(np.float64) - 1))
    people = cells["n_people"].to_numpy()
    for a, area in enumerate(areas):
        here = np.ones(cells.height, bool) if by is None else (cells[by] == area).to_numpy()
        for s in range(N_DRAWS):

            def gap(shift: float, s: int = s, here: np.ndarray = here, area: str = area) -> float:
                share = 1 / (1 + np.exp(-etas[s, here] - shift))
                return float(people[here] @ share / people[here].sum() - totals[area])

            assert_allclose(met.delta[s, a, 0], brentq(gap, -20, 20), atol=2e-5)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(1e-4, 1 - 1e-4), min_size=4, max_size=4), st.integers(0, 1000), st.floats(0.01, 1))
def test_totals_are_met_odds_ratios_kept_and_a_second_time_changes_nothing(totals: list[float], seed: int, sd: float):
    latents = drawn(design(), seed=seed, sd=sd)
    met = calibrate(latents, design(), WORLD, known(*totals), by="district")

    served = area_draws(met.latents, met.design, WORLD, by=("district",)).draws
    assert_allclose(served, np.tile(totals, (N_DRAWS, 1)), atol=1e-5)  # of single precision
    logits = [
        np.log(1 / (1 / cell_shares(one, of, WORLD.frame).astype(np.float64) - 1))
        for one, of in ((latents, design()), (met.latents, met.design))
    ]
    at = [WORLD.codes.index(code) for code in WORLD.frame["district"]]
    inside = np.maximum(*map(np.abs, logits)) < 6  # beyond, a share in single precision says little of its odds
    assert_allclose((logits[1] - logits[0] - met.delta[:, at, 0])[inside], 0, atol=2e-3)

    again = calibrate(met.latents, met.design, WORLD, known(*totals), by="district")
    assert_allclose(again.delta, 0, atol=1e-3)
    assert again.design.latent_names == met.design.latent_names


def test_the_totals_are_met_to_the_ninth_digit_before_they_are_rounded():
    met = calibrate(drawn(design()), design(), WORLD, known(0.3, 0.5, 0.7, 0.2), by="district")
    rows = design().rows(WORLD.frame)
    draws = drawn(design()).draws.astype(np.float64)
    at = [WORLD.codes.index(code) for code in WORLD.frame["district"]]
    people = WORLD.frame["n_people"].to_numpy()
    for s in range(N_DRAWS):
        eta = (
            draws[s, 0] + rows.x @ draws[s, 1 : 1 + rows.x.shape[1]] + (draws[s][rows.index] * rows.weight).sum(axis=1)
        )
        share = 1 / (1 + np.exp(-eta - met.delta[s, at, 0]))
        total = np.bincount(at, people * share) / np.bincount(at, people)
        assert np.abs(total - [0.3, 0.5, 0.7, 0.2]).max() < 1e-8


def test_areas_of_which_nothing_is_known_are_left_as_they_are():
    latents = drawn(design())
    met = calibrate(latents, design(), WORLD, known(0.3), by="district")
    before = area_draws(latents, design(), WORLD, by=("district",)).draws
    after = area_draws(met.latents, met.design, WORLD, by=("district",)).draws
    assert_allclose(after[:, 1:], before[:, 1:], atol=1e-6)
    assert_allclose(after[:, 0], 0.3, atol=1e-6)
    assert (met.delta[:, 1:] == 0).all()
    assert (met.moved[1:] == 0).all()
    assert met.moved[0] > 0


def test_the_shifted_design_can_be_stored():
    met = calibrate(drawn(design()), design(), WORLD, known(0.3, 0.4, 0.5, 0.6), by="district")
    read = design_from_json(json.loads(json.dumps(met.design.to_json())))
    assert read.latent_names == met.design.latent_names
    stored = LatentDraws.from_bytes(met.latents.to_bytes())
    served = area_draws(stored, read, WORLD, by=("district",)).draws
    assert_allclose(served, np.tile([0.3, 0.4, 0.5, 0.6], (N_DRAWS, 1)), atol=1e-6)


PARTIES = parties.design()
VECTORS = np.stack([parties.latents(PARTIES, seed=seed) for seed in range(N_DRAWS)])
VOTES = LatentDraws(VECTORS.astype(np.float32), PARTIES.latent_names, link="softmax")


def votes(*options: str) -> Calibrated:
    """Calibrated to the share of each of these options in another set of draws: totals that are possible."""
    others = np.stack([parties.latents(PARTIES, seed=seed) for seed in range(90, 90 + N_DRAWS)])
    other = LatentDraws(others.astype(np.float32), PARTIES.latent_names, link="softmax")
    shares = option_draws(other, PARTIES, parties.WORLD, by=("district",)).draws[0]
    where = {
        option: {
            code: float(share)
            for code, share in zip(parties.WORLD.codes, shares[:, PARTIES.options.index(option)], strict=True)
        }
        for option in options
    }
    met = calibrate(VOTES, PARTIES, parties.WORLD, where, by="district")
    served = option_draws(met.latents, met.design, parties.WORLD, by=("district",)).draws
    for option, of in where.items():
        for code, total in of.items():
            at = parties.WORLD.codes.index(code)
            assert_allclose(served[:, at, PARTIES.options.index(option)], total, atol=3e-6)
    assert_allclose(served.sum(axis=2), 1, atol=1e-5)
    return met


@pytest.mark.parametrize("options", [("Green",), ("Left", "Right"), parties.PARTIES])
def test_totals_of_several_options_are_met(options: tuple[str, ...]):
    met = votes(*options)
    others = [i for i, option in enumerate(PARTIES.options) if option not in options]
    assert (met.delta[:, :, others] == 0).all()


def test_options_without_a_total_keep_their_odds_against_each_other():
    met = votes("Green")
    at = slice(0, 40)
    table = parties.WORLD.frame[at]
    shares = [
        parties.cell_shares(of, latents.draws[0].astype(np.float64), table)
        for of, latents in ((PARTIES, VOTES), (met.design, met.latents))
    ]
    assert_allclose(shares[1][:, 0] / shares[1][:, 1], shares[0][:, 0] / shares[0][:, 1], rtol=1e-4)
    assert (np.abs(shares[1][:, 2] / shares[0][:, 2] - 1) > 1e-3).any()


def test_a_question_moves_along_with_another_as_their_districts_hang_together():
    x, y = drawn(design(), seed=1), drawn(design(), seed=2)
    met = calibrate(x, design(), WORLD, known(0.3, 0.4, 0.5, 0.6), by="district")
    slope = np.linspace(-1, 1, N_DRAWS)
    latents, longer = moved_along(y, design(), WORLD, met, slope)
    alone, of = shifted(y, design(), WORLD, slope[:, None] * met.delta[:, :, 0], by="district", term="known")
    assert (latents.draws == alone.draws).all()
    assert longer.latent_names == of.latent_names
    moved = (
        area_draws(latents, longer, WORLD, by=("district",)).draws
        - area_draws(y, design(), WORLD, by=("district",)).draws
    )
    assert (np.sign(moved[[0, -1]]) == np.sign(np.stack([-met.delta[0, :, 0], met.delta[-1, :, 0]]))).all()


@pytest.mark.parametrize(
    ("totals", "by", "words"),
    [
        ({}, "district", "no total is given"),
        ({"Blue": {"D1": 0.3}}, "district", "'Blue' is given, which is not estimated"),
        ({"share": {"Nowhere": 0.3}}, "district", "'Nowhere' is given, which is no district"),
        ({"share": {"all": 1.0}}, None, "must be above 0 and below 1"),
        ({"share": {"all": float("nan")}}, None, "must be above 0 and below 1"),
        ({"share": {"all": 0.5}}, "age", "'age' is no kind of area"),
    ],
)
def test_impossible_totals_are_refused(totals: dict[str, dict[str, float]], by: str | None, words: str):
    with pytest.raises(FrameError, match=words):
        calibrate(drawn(design()), design(), WORLD, totals, by=by)


def test_impossible_totals_of_several_options_are_refused():
    code = parties.WORLD.codes[0]
    with pytest.raises(FrameError, match=r"sum to 1\.1; they must sum to less than 1"):
        calibrate(VOTES, PARTIES, parties.WORLD, {"Left": {code: 0.5}, "Right": {code: 0.6}}, by="district")
    with pytest.raises(FrameError, match="none of 'Right'"):
        calibrate(VOTES, PARTIES, parties.WORLD, {"Left": {code: 0.5}, "Right": {}}, by="district")
    with pytest.raises(FrameError, match=r"they must sum to 1$"):
        calibrate(VOTES, PARTIES, parties.WORLD, {one: {"all": 0.2} for one in parties.PARTIES}, by=None)
    north = next(c for c, region in parties.WORLD.districts.select("code", "region").iter_rows() if region != "South")
    with pytest.raises(FrameError, match="does not stand there, and must have a total of 0"):
        calibrate(VOTES, PARTIES, parties.WORLD, {"South League": {north: 0.2}}, by="district")


def test_a_shift_of_another_shape_or_by_other_areas_is_refused():
    latents, of = shifted(drawn(design()), design(), WORLD, np.zeros((N_DRAWS, 4)), by="district", term="known")
    with pytest.raises(ShapeMismatch):
        shifted(latents, of, WORLD, np.zeros((N_DRAWS, 3)), by="district", term="known")
    with pytest.raises(FrameError, match="by district already"):
        shifted(latents, of, WORLD, np.zeros((N_DRAWS, 1)), by=None, term="known")
