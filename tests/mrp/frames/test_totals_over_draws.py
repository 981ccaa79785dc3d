"""Known totals over draws of a frame: met by each draw with its own frame, and what is not known of it stays told."""

from functools import cache

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from mrp.adjusted import Adjustments, Totals, adjust, second_design
from mrp.design import Design, build_design
from mrp.electorate import Electorate
from mrp.errors import FrameError
from mrp.frames.extension import FrameDraws
from mrp.frames.over_draws import draws_over_frames
from mrp.frames.totals_over_draws import calibrate_over_frames
from mrp.grouping import Grouping
from mrp.known_totals import calibrate
from mrp.latents import LatentDraws
from mrp.misreport import Misreport
from mrp.systematic import SystematicError
from tests.mrp.categorical import parties
from tests.mrp.test_known_totals import PARTIES, VOTES, WORLD, design, drawn, known
from tests.recovery.calibration import assert_coverage

SHARES = st.lists(st.floats(0.01, 0.99), min_size=4, max_size=4)


def frames_of(world: Electorate, n: int, *, seed: int) -> FrameDraws:
    """Frames that differ by a third in every cell."""
    cells = world.frame.select(world.cell_columns).sort(world.cell_columns)
    people = world.frame.sort(world.cell_columns)["n_people"].to_numpy()
    scatter = np.random.default_rng(seed).gamma(9, 1 / 9, (n, cells.height))
    return FrameDraws(cells, people * scatter)


@settings(deadline=None, max_examples=25)
@given(SHARES, st.integers(0, 1000), st.integers(1, 6))
def test_every_draw_meets_totals_with_its_own_frame_to_the_eighth_digit(totals: list[float], seed: int, n: int):
    latents, of, frames = drawn(design(), seed=seed), design(), frames_of(WORLD, n, seed=seed)
    met = calibrate_over_frames(latents, of, WORLD, known(*totals), frames=frames, by="district")

    # Before they are rounded, in plain sums.
    rows, draws = of.rows(frames.cells), latents.draws.astype(np.float64)
    at = [WORLD.codes.index(code) for code in frames.cells["district"]]
    for s, one in enumerate(draws):
        eta = one[0] + rows.x @ one[1 : 1 + rows.x.shape[1]] + (one[rows.index] * rows.weight).sum(axis=1)
        share = 1 / (1 + np.exp(-eta - met.delta[s, at, 0]))
        people = frames.n_people[s % n]
        assert np.abs(np.bincount(at, people * share) / np.bincount(at, people) - totals).max() < 1e-8
    # As they are stored, by the way of every estimate.
    (served,) = draws_over_frames(met.latents, met.design, WORLD, frames, [Grouping(("district",))])
    assert_allclose(served.draws[:, :, 0], np.tile(totals, (len(draws), 1)), atol=1e-5)
    again = calibrate_over_frames(met.latents, met.design, WORLD, known(*totals), frames=frames, by="district")
    assert_allclose(again.delta, 0, atol=1e-3)


def test_totals_of_several_options_are_met_too():
    frames, totals = frames_of(parties.WORLD, 3, seed=2), {"Green": dict.fromkeys(parties.WORLD.codes, 0.3)}
    met = calibrate_over_frames(VOTES, PARTIES, parties.WORLD, totals, frames=frames, by="district")

    (served,) = draws_over_frames(met.latents, met.design, parties.WORLD, frames, [Grouping(("district",))])
    assert_allclose(served.of("Green").draws, 0.3, atol=1e-5)


def test_frames_that_agree_are_one():
    one = FrameDraws(frames_of(WORLD, 1, seed=1).cells, np.tile(frames_of(WORLD, 1, seed=1).n_people, (3, 1)))
    world = WORLD.with_cells(one.mean())
    first = calibrate(drawn(design()), design(), world, known(0.3, 0.5, 0.7, 0.2), by="district")
    for frames in (one, None):
        met = calibrate_over_frames(
            drawn(design()), design(), world, known(0.3, 0.5, 0.7, 0.2), frames=frames, by="district"
        )
        assert_allclose(met.delta, first.delta, atol=1e-7)
        assert met.areas == first.areas


def test_both_sets_of_draws_meet_what_would_be_reported_with_each_frame():
    frames, told = frames_of(WORLD, 4, seed=3), Misreport(0.9, 0.95)
    totals = Totals("rail", "district", known(0.3, 0.5, 0.7, 0.2), told.sensitivity, told.specificity)
    declared = Adjustments(totals, SystematicError(0.03, 0.5))
    kept = adjust(drawn(design()), design(), WORLD, declared, seed=1, frames=frames)

    assert kept.second is not None
    for latents, of in ((kept.latents, kept.design), (kept.second, second_design(kept.design, WORLD))):
        (served,) = draws_over_frames(latents, of, WORLD, frames, [Grouping(("district",))])
        reported = [told.reported(one) for one in (0.3, 0.5, 0.7, 0.2)]
        assert_allclose(served.draws[:, :, 0], np.tile(reported, (len(served.draws), 1)), atol=1e-5)


def test_more_frames_than_draws_are_refused():
    frames = frames_of(WORLD, 7, seed=1)
    with pytest.raises(FrameError, match="6 draws cannot use 7 frames"):
        calibrate_over_frames(drawn(design()), design(), WORLD, known(0.3, 0.5, 0.7, 0.2), frames=frames, by="district")


DISTRICTS = tuple(f"D{number:03}" for number in range(150))
N_FRAMES = 100
EFFECT = 1.6


@cache
def planted() -> tuple[LatentDraws, Design, Electorate, FrameDraws, dict[str, float], np.ndarray]:
    """Who voted how is known of 30 people of every district, and the result exactly; what voters of the one side think.

    Posteriors are exact: of the shares of the two sides by Bayes' rule, of opinions by a flat prior, next to nothing of
    a district's level and nearly all of what the sides differ by. Districts then err apart from each other.
    """
    rng = np.random.default_rng(8)
    n = len(DISTRICTS)
    part = rng.beta(6, 6, n)  # of the other side
    asked = rng.binomial(30, part)
    parts = rng.beta(6 + asked, 6 + 30 - asked, (N_FRAMES, n))
    cells = pl.DataFrame(
        [(code, side) for code in DISTRICTS for side in ("one", "other")], schema=["district", "side"], orient="row"
    )
    frames = FrameDraws(cells, 1000 * np.stack([1 - parts, parts], axis=2).reshape(N_FRAMES, 2 * n))
    world = Electorate(
        frames.mean(), pl.DataFrame({"code": DISTRICTS, "name": DISTRICTS}), "district", {"side": ("one", "other")}
    )
    level = rng.normal(0, 0.7, n)
    share = 1 / (1 + np.exp(-(level[:, None] + EFFECT * np.array([-0.5, 0.5]))))
    known_of = dict(zip(DISTRICTS, ((1 - part) * share[:, 0] + part * share[:, 1]).tolist(), strict=True))
    of = build_design("(1|district) + (1|side)", world)
    at = {name: i for i, name in enumerate(of.latent_names)}
    draws = np.zeros((4 * N_FRAMES, len(at)))
    places = [at[f"(1|district)[{code}]"] for code in DISTRICTS]
    draws[:, places] = level + rng.normal(0, 0.8, n) + rng.normal(0, 0.8, (len(draws), n))
    half = (EFFECT + rng.normal(0, 0.02) + rng.normal(0, 0.02, len(draws))) / 2
    draws[:, at["(1|side)[one]"]], draws[:, at["(1|side)[other]"]] = -half, half
    return LatentDraws(draws.astype(np.float32), of.latent_names), of, world, frames, known_of, share[:, 1]


def test_what_the_frames_do_not_agree_on_is_in_the_intervals_of_groups():
    latents, of, world, frames, totals, truth = planted()
    met = calibrate_over_frames(latents, of, world, {"share": totals}, frames=frames, by="district")

    (drawn_,) = draws_over_frames(
        met.latents, met.design, world, frames, [Grouping(("district",), {"side": ("other",)})]
    )
    shares = drawn_.draws[:, :, 0]
    assert_coverage(shares, truth)
    assert abs((shares.mean(axis=0) - truth).mean()) <= 3.5 * np.sqrt(shares.var(axis=0).sum()) / truth.size


def test_with_their_mean_instead_totals_are_missed_and_intervals_too_narrow():
    latents, of, world, frames, totals, truth = planted()
    met = calibrate(latents, of, world, {"share": totals}, by="district")

    (whole, group) = draws_over_frames(
        met.latents, met.design, world, frames, [Grouping(("district",)), Grouping(("district",), {"side": ("other",)})]
    )
    missed = np.abs(whole.draws[:, :, 0] - np.array([totals[code] for code in whole.areas["district"]]))
    assert missed.mean() > 0.01
    with pytest.raises(AssertionError, match="intervals covered"):
        assert_coverage(group.draws[:, :, 0], truth)
