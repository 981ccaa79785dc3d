"""Estimates among voters over several frames, draw by draw."""

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose
from polars.testing import assert_frame_equal

from mrp.categorical.options import Options
from mrp.design import Design, build_design
from mrp.electorate import Electorate
from mrp.errors import FrameError
from mrp.frames import FrameDraws, voters_over_frames
from mrp.frames.over_draws import people_by_draw
from mrp.grouping import Grouping
from mrp.latents import LatentDraws
from mrp.outcomes import CategoricalOutcome
from mrp.poststratification import cell_shares
from mrp.turnout import Turnout, voter_draws_many

VOTES = ("left", "none", "right")
CELLS = pl.DataFrame({"district": ["A", "A", "A", "B", "B", "B"], "past": VOTES * 2})
DISTRICTS = pl.DataFrame({"code": ["A", "B"], "name": ["A", "B"]})
BY = [Grouping(), Grouping(("district",)), Grouping(("past",), where={"district": ("B",)})]


def world_of(n_frames: int, *, seed: int = 1, sd: float = 0.5) -> tuple[Electorate, FrameDraws]:
    """Two districts by past vote; frames differ in how many people there are, too."""
    people = 1000 * np.exp(np.random.default_rng(seed).normal(0, sd, (n_frames, CELLS.height)))
    frames = FrameDraws(CELLS, people)
    return Electorate(frames.mean(), DISTRICTS, "district", {"past": VOTES}), frames


def drawn(formula: str, world: Electorate, n: int, *, seed: int, sd: float = 0.8) -> tuple[LatentDraws, Design]:
    design = build_design(formula, world)
    values = np.random.default_rng(seed).normal(0, sd, (n, design.n_latents))
    return LatentDraws(values.astype(np.float32), design.latent_names), design


@pytest.mark.parametrize("n_turnout", [8, 4, 24])
def test_each_draw_has_a_frame_and_a_turnout_of_its_own_as_loops_do(n_turnout: int):
    world, frames = world_of(3)
    latents, design = drawn("(1|past) + (1|district)", world, 8, seed=2)
    of_turnout, turnout_design = drawn("(1|past)", world, n_turnout, seed=3)
    found = voters_over_frames(latents, design, world, [Turnout(of_turnout, turnout_design)], BY, frames=frames)
    share, votes = cell_shares(latents, design, CELLS), cell_shares(of_turnout, turnout_design, CELLS)
    inside = [[[0, 1, 2, 3, 4, 5]], [[0, 1, 2], [3, 4, 5]], [[3], [4], [5]]]
    for s in range(8):
        for one, areas in zip(found, inside, strict=True):
            for a, cells in enumerate(areas):
                people = [frames.n_people[s % 3, j] for j in cells]
                voters = [n * votes[s * n_turnout // 8, j] for n, j in zip(people, cells, strict=True)]
                yes = sum(v * share[s, j] for v, j in zip(voters, cells, strict=True))
                assert one.drawn.draws[s, a, 0] == pytest.approx(yes / sum(voters), rel=1e-5)
                assert one.turnout.draws[s, a] == pytest.approx(sum(voters) / sum(people), rel=1e-5)
    assert_allclose(found[0].drawn.areas["n_people"], [frames.n_people.sum(axis=1).mean()])
    assert_allclose(people_by_draw(frames, 8), [frames.n_people[s % 3].sum() for s in range(8)])


def test_one_frame_is_the_plain_estimate_among_voters_and_its_draws_depend_on_each_other_alike():
    world, frames = world_of(1)
    latents, design = drawn("(1|past) + (1|district)", world, 8, seed=2)
    of_turnout, turnout_design = drawn("(1|past)", world, 16, seed=3)
    turnout = [Turnout(of_turnout, turnout_design)]
    over = voters_over_frames(latents, design, world, turnout, BY, frames=frames)
    for one, plain in zip(over, voter_draws_many(latents, design, world, turnout, BY), strict=True):
        assert_allclose(one.drawn.draws, plain.drawn.draws, rtol=1e-6)
        assert_allclose(one.turnout.draws, plain.turnout.draws, rtol=1e-6)
        assert_frame_equal(one.drawn.areas, plain.drawn.areas)
        assert (one.drawn.fit, one.drawn.n_chains) == (plain.drawn.fit, plain.drawn.n_chains)
        assert (one.turnout.fit, one.turnout.n_chains) == (plain.turnout.fit, plain.turnout.n_chains)


def test_what_is_not_known_of_the_frame_is_in_the_spread_of_several_options_and_of_the_number_of_voters():
    world, frames = world_of(40)
    design = CategoricalOutcome(Options(("a", "b", "c"))).build("(1|past)", world)
    same = np.random.default_rng(4).normal(0, 1.5, design.n_latents)
    latents = LatentDraws(np.tile(same, (80, 1)).astype(np.float32), design.latent_names, link="softmax")
    one, turnout_design = drawn("(1|past)", world, 1, seed=3)
    turnout = [Turnout(LatentDraws(np.repeat(one.draws, 80, axis=0), one.names), turnout_design)]
    (nation,) = voters_over_frames(latents, design, world, turnout, [Grouping()], frames=frames)
    # Neither opinion nor turnout varies: all the spread is that of the frames.
    vote = cell_shares(one, turnout_design, CELLS)[0]
    voters = frames.n_people * vote
    assert_allclose(nation.turnout.draws[:40, 0], voters.sum(axis=1) / frames.n_people.sum(axis=1), rtol=1e-5)
    vectors, rows = same.reshape(-1, 3), design.rows(CELLS)
    share = np.exp(vectors[0] + vectors[rows.common.index[:, 0]])
    share /= share.sum(axis=1, keepdims=True)
    expected = voters @ share / voters.sum(axis=1, keepdims=True)
    assert_allclose(nation.drawn.draws[:, 0], np.tile(expected, (2, 1)), rtol=1e-5)
    assert (nation.drawn.draws[:, 0].std(axis=0) > 1e-3).all()


def test_frames_that_do_not_belong_are_refused_of_voters_too():
    world, frames = world_of(9)
    latents, design = drawn("(1|past)", world, 8, seed=2)
    turnout = [Turnout(latents, design)]
    with pytest.raises(FrameError, match="8 draws cannot use 9 frames"):
        voters_over_frames(latents, design, world, turnout, BY, frames=frames)
    gone = FrameDraws(CELLS, frames.n_people[:2] * np.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0]]))
    with pytest.raises(FrameError, match="people in some of the frames only"):
        voters_over_frames(latents, design, world, turnout, [Grouping(("district",))], frames=gone)
