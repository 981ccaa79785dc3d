"""A frame extended by a variable that the census lacks: its draws, and estimates over them."""

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose
from polars.testing import assert_frame_equal

from mrp import Priors
from mrp.categorical.options import Options
from mrp.design import build_design
from mrp.electorate import Electorate
from mrp.errors import FrameError, ShapeMismatch
from mrp.frames import (
    FrameDraws,
    draws_over_frames,
    extend_cells,
    extended_electorate,
    fit_variable,
    frame_sd,
    modelled_joint,
)
from mrp.grouping import Grouping
from mrp.latents import LatentDraws
from mrp.outcomes import BinaryOutcome, CategoricalOutcome, Fitted, NumericOutcome, draws_many
from mrp.poststratification import cell_shares
from tests.mrp.frames.planted import BASE, OPINION_MODEL, PAST_MODEL, VOTES, Country, country
from tests.recovery.calibration import assert_coverage

TRUTH = country(3)


def fit_past(truth: Country, *, n: int, seed: int) -> Fitted:
    asked = truth.ask(n, seed=seed)
    return fit_variable(asked, BASE, variable="past", levels=VOTES, formula=PAST_MODEL, seed=1)


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    return fit_past(TRUTH, n=1500, seed=4)


def small(n_frames: int, *, seed: int) -> tuple[Electorate, FrameDraws]:
    """Two districts by past vote, with frames drawn around one."""
    rng = np.random.default_rng(seed)
    cells = pl.DataFrame({"district": ["A", "A", "A", "B", "B", "B"], "past": sorted(VOTES) * 2})
    share = np.concatenate([rng.dirichlet([20, 30, 50], n_frames), rng.dirichlet([9, 12, 9], n_frames)], axis=1)
    frames = FrameDraws(cells, share * np.repeat([1000.0, 300.0], 3))
    districts = pl.DataFrame({"code": ["A", "B"], "name": ["A", "B"]})
    return Electorate(frames.mean(), districts, "district", {"past": VOTES}), frames


# Estimates over frames


def small_draws(world: Electorate, n: int, *, sd: float, seed: int) -> tuple[LatentDraws, object]:
    design = build_design("(1|past) + (1|district)", world)
    at = np.random.default_rng(seed + 100).normal(0, 0.7, design.n_latents)
    draws = at + np.random.default_rng(seed).normal(0, sd, (n, design.n_latents))
    return LatentDraws(draws.astype(np.float32), design.latent_names), design


def test_each_draw_is_made_with_a_frame_of_its_own_as_loops_do():
    world, frames = small(3, seed=1)
    latents, design = small_draws(world, 8, sd=0.5, seed=2)
    nation, districts = draws_over_frames(latents, design, world, frames, [Grouping(), Grouping(by=("district",))])
    shares = cell_shares(latents, design, frames.cells)
    for s in range(8):
        people = frames.n_people[s % 3]
        assert nation.draws[s, 0, 0] == pytest.approx((shares[s] * people).sum() / people.sum(), rel=1e-5)
        for a in range(2):
            own = slice(3 * a, 3 * a + 3)
            assert districts.draws[s, a, 0] == pytest.approx((shares[s] * people)[own].sum() / people[own].sum(), 1e-5)
    assert_allclose(districts.areas["n_people"], [1000, 300])
    assert nation.fit == latents.fit


def test_one_frame_is_the_plain_estimate():
    world, frames = small(1, seed=1)
    latents, design = small_draws(world, 8, sd=0.5, seed=2)
    (over,) = draws_over_frames(latents, design, world, frames, [Grouping(by=("past",))])
    (plain,) = draws_many(latents, design, world, [Grouping(by=("past",))])
    assert_allclose(over.draws, plain.draws, rtol=1e-6)
    assert_frame_equal(over.areas, plain.areas)


def test_questions_of_several_options_are_estimated_over_frames_too():
    world, frames = small(3, seed=1)
    design = CategoricalOutcome(Options(("a", "b", "c"))).build("(1|past)", world)
    values = np.random.default_rng(3).normal(0, 0.6, (6, design.n_latents))
    latents = LatentDraws(values.astype(np.float32), design.latent_names, link="softmax")
    (over,) = draws_over_frames(latents, design, world, frames, [Grouping()])
    rows = design.rows(frames.cells)
    for s in range(6):
        vectors, people = values[s].reshape(-1, 3), frames.n_people[s % 3]
        eta = vectors[0] + vectors[rows.common.index[:, 0]]
        share = np.exp(eta) / np.exp(eta).sum(axis=1, keepdims=True)
        assert_allclose(over.draws[s, 0], people @ share / people.sum(), rtol=1e-5)


def test_means_of_numbers_are_estimated_over_frames_too():
    world, frames = small(2, seed=1)
    design = NumericOutcome((0, 100)).build("(1|past)", world)
    values = np.abs(np.random.default_rng(3).normal(0, 0.2, (4, design.n_latents)))
    latents = LatentDraws(values.astype(np.float32), design.latent_names, link="identity")
    (over,) = draws_over_frames(latents, design, world, frames, [Grouping(by=("district",))])
    for f in range(2):
        one = world.with_cells(frames.cells.with_columns(pl.Series("n_people", frames.n_people[f])))
        some = LatentDraws(values[f::2].astype(np.float32), design.latent_names, link="identity")
        (plain,) = draws_many(some, design, one, [Grouping(by=("district",))])
        assert_allclose(over.draws[f::2], plain.draws, rtol=1e-6)
    assert (over.options, over.kind) == (plain.options, plain.kind)


def test_the_variance_grows_by_that_of_the_frames():
    world, frames = small(400, seed=5)
    latents, design = small_draws(world, 4000, sd=0.03, seed=6)
    by = [Grouping(by=("district",))]
    (over,) = draws_over_frames(latents, design, world, frames, by)
    shares = cell_shares(latents, design, frames.cells).astype(float)
    for a in range(2):
        own = slice(3 * a, 3 * a + 3)
        weight = frames.n_people[:, own] / frames.n_people[:, own].sum(axis=1, keepdims=True)
        fit_alone = (shares[:, own] @ weight.mean(axis=0)).var(ddof=1)
        frames_alone = (weight @ shares[:, own].mean(axis=0)).var(ddof=1)
        # Both sides have the same frames and draws: what is left is their covariance by chance, with a correlation of
        # 1 / sqrt(4000) at most 1.6% of the sum, and a product of small deviations.
        assert over.draws[:, a, 0].var(ddof=1) == pytest.approx(fit_alone + frames_alone, rel=0.05)
        assert frames_alone > 0.1 * fit_alone
        assert over.draws[:, a, 0].mean() == pytest.approx((shares[:, own] @ weight.mean(axis=0)).mean(), abs=1e-3)
        assert frame_sd(over, 400)[a, 0] == pytest.approx(np.sqrt(frames_alone), rel=0.15)


def test_frames_that_are_all_the_same_add_nothing():
    world, frames = small(1, seed=1)
    same = FrameDraws(frames.cells, np.repeat(frames.n_people, 10, axis=0))
    latents, design = small_draws(world, 2000, sd=0.3, seed=2)
    (over,) = draws_over_frames(latents, design, world, same, [Grouping()])
    assert frame_sd(over, 10)[0, 0] < 0.5 * over.draws.std() / np.sqrt(200) + 0.003


def test_frames_that_do_not_belong_are_refused():
    world, frames = small(9, seed=1)
    latents, design = small_draws(world, 8, sd=0.5, seed=2)
    with pytest.raises(FrameError, match="8 draws cannot use 9 frames"):
        draws_over_frames(latents, design, world, frames, [Grouping()])
    other = FrameDraws(frames.cells.with_columns(past=pl.lit("left") + pl.col("past")), frames.n_people[:2])
    with pytest.raises(FrameError, match="past 'leftleft', which the electorate has not"):
        draws_over_frames(latents, design, world, other, [Grouping()])
    gone = FrameDraws(frames.cells, frames.n_people[:2] * np.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0]]))
    with pytest.raises(FrameError, match="people in some of the frames only"):
        draws_over_frames(latents, design, world, gone, [Grouping(by=("district",))])
    with pytest.raises(FrameError, match="are too few"):
        frame_sd(draws_over_frames(latents, design, world, small(8, seed=1)[1], [Grouping()])[0], 8)
    with pytest.raises(ShapeMismatch):
        FrameDraws(frames.cells, frames.n_people[:, :3])


def test_frame_draws_are_written_and_read():
    _, frames = small(4, seed=1)
    table = frames.to_table()
    assert table.columns == ["district", "past", "draw", "n_people"]
    read = FrameDraws.from_table(table.sample(fraction=1, shuffle=True, seed=1))
    assert_frame_equal(read.cells, frames.cells)
    assert_allclose(read.n_people, frames.n_people)
    with pytest.raises(FrameError, match="different cells"):
        FrameDraws.from_table(table[1:])


# Extension


def test_every_frame_keeps_the_people_of_the_cells(fitted: Fitted):
    frames = extend_cells(fitted, BASE, variable="past", n_draws=5)
    assert frames.n_people.shape == (5, BASE.frame.height * 3)
    for s in range(5):
        cells = frames.cells.with_columns(pl.Series("n_people", frames.n_people[s]))
        back = cells.group_by(BASE.cell_columns).agg(pl.col("n_people").sum()).sort(BASE.cell_columns)
        assert_allclose(back["n_people"], BASE.frame.sort(BASE.cell_columns)["n_people"], rtol=1e-9)
    assert frames.n_people.std(axis=0).max() > 0


def test_the_shares_of_a_frame_are_those_of_its_draw(fitted: Fitted):
    """By loops over the design's own rows, for the last draw."""
    frames = extend_cells(fitted, BASE, variable="past", n_draws=2)
    rows, draw = fitted.design.rows(BASE.frame), fitted.latents.draws[-1].astype(float)
    vectors = draw.reshape(-1, 3)
    found = frames.cells.with_columns(pl.Series("n_people", frames.n_people[1]))
    for i in (0, 17, BASE.frame.height - 1):
        eta = vectors[0] + rows.common.x[i] @ vectors[1 : 1 + rows.common.x.shape[1]]
        for index, weight in zip(rows.common.index[i], rows.common.weight[i], strict=True):
            eta = eta + weight * vectors[index]
        share = np.exp(eta) / np.exp(eta).sum()
        *levels, n = BASE.frame.select(*BASE.cell_columns, "n_people").row(i)
        here = found.filter(pl.all_horizontal(pl.col(c) == v for c, v in zip(BASE.cell_columns, levels, strict=True)))
        by_vote = dict(here.select("past", "n_people").iter_rows())
        assert_allclose([by_vote[vote] for vote in VOTES], n * share, rtol=1e-4)


def test_every_frame_meets_totals_that_are_known(fitted: Fitted):
    known = TRUTH.frame.group_by("district", "past").agg(pl.col("n_people").sum())
    frames = extend_cells(fitted, BASE, variable="past", n_draws=3, margins={"result": known})
    for s in range(3):
        cells = frames.cells.with_columns(pl.Series("n_people", frames.n_people[s]))
        got = cells.group_by("district", "past").agg(pl.col("n_people").sum()).sort("district", "past")
        assert_allclose(got["n_people"], known.sort("district", "past")["n_people"], rtol=1e-4)


def test_of_a_result_in_votes_only_the_proportions_need_to_count(fitted: Fitted):
    votes = TRUTH.frame.group_by("district", "past").agg(pl.col("n_people").sum() * 0.01)
    with pytest.raises(FrameError, match="'the frame' and 'result' contradict each other in D00"):
        extend_cells(fitted, BASE, variable="past", n_draws=1, margins={"result": votes})
    frames = extend_cells(fitted, BASE, variable="past", n_draws=1, margins={"result": votes}, proportions=["result"])
    got = frames.mean().group_by("district", "past").agg(pl.col("n_people").sum()).sort("district", "past")
    assert_allclose(got["n_people"], 100 * votes.sort("district", "past")["n_people"], rtol=1e-4)


def test_a_joint_by_the_model_is_nearer_to_the_truth_than_a_product(fitted: Fitted):
    """Past vote differs by age, which the table of districts does not tell."""
    from mrp.frames import product_joint

    known = TRUTH.frame.group_by("district", "past").agg(pl.col("n_people").sum())
    columns = [*BASE.cell_columns, "past"]
    truth = TRUTH.frame.sort(columns)["n_people"].to_numpy()
    lived = BASE.frame.filter(pl.col("n_people") > 0)
    product = product_joint(lived, known, rounding=0.01).cells
    joint = modelled_joint(fitted, BASE, variable="past", margins={"result": known})

    def away(cells: pl.DataFrame) -> float:
        whole = TRUTH.frame.select(columns).join(cells, on=columns, how="left").sort(columns)
        return float(np.abs(whole["n_people"].fill_null(0.0).to_numpy() - truth).sum() / truth.sum() / 2)

    assert away(joint.cells) < 0.5 * away(product)
    assert any("what the model" in said for said in joint.assumptions)
    assert "no interval" in modelled_joint(fitted, BASE, variable="past").warnings[0]


def test_what_cannot_be_extended_is_refused(fitted: Fitted):
    with pytest.raises(FrameError, match="has 'age' already"):
        fit_variable(TRUTH.ask(10, seed=1), BASE, variable="age", levels=("a", "b"), formula="1", seed=1)
    with pytest.raises(FrameError, match="0 frames cannot be made"):
        extend_cells(fitted, BASE, variable="past", n_draws=0)


def estimates(truth: Country, *, seed: int, n_past: int, n_opinion: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws of the nation and every district, over frames and over their mean; each of shape (draw, 1 + district)."""
    frames = extend_cells(fit_past(truth, n=n_past, seed=seed), BASE, variable="past")
    world = extended_electorate(BASE, frames, variable="past", levels=VOTES)
    outcome = BinaryOutcome(("yes", "no"))
    design = outcome.build(OPINION_MODEL, world)
    asked = truth.ask(n_opinion, seed=seed + 1)
    counts = outcome.collapse(asked, by=design.count_columns, answer="answer")
    opinion = outcome.fit(design, world, counts, Priors(), engine="laplace", seed=seed)
    mean = FrameDraws(frames.cells, frames.n_people.mean(axis=0, keepdims=True))
    groupings = [Grouping(), Grouping(by=("district",))]
    over, alone = (draws_over_frames(opinion.latents, design, world, one, groupings) for one in (frames, mean))
    # A fit that escalated to another engine has another number of draws.
    kept = np.linspace(0, len(over[0].draws) - 1, 1000).round().astype(int)
    first, second = (np.concatenate([one.draws[kept, :, 0] for one in drawn], axis=1) for drawn in (over, alone))
    return first, second


def test_opinion_by_a_variable_that_the_census_lacks_is_found():
    drawn, _ = estimates(TRUTH, seed=20, n_past=1500, n_opinion=1500)
    truth = np.concatenate([TRUTH.truth(), TRUTH.truth("district")])
    z = (drawn.mean(axis=0) - truth) / drawn.std(axis=0)
    # Of nine estimates that are not independent the largest of a calibrated fit is above 3.3 once in a hundred times.
    assert np.abs(z).max() < 3.3


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_estimates_with_a_variable_that_the_census_lacks_are_calibrated_and_unbiased():
    """The survey that has the variable is small: most of what is not known of the nation is then in the frames."""
    n, nation, first, alone, truth, of_first = 60, [], [], [], [], []
    for i in range(n):
        planted = country(1000 + i)
        over, by_mean = estimates(planted, seed=5000 + 10 * i, n_past=150, n_opinion=4000)
        nation.append(over[:, 0])
        first.append(over[:, 1 + i % 8])
        alone.append(by_mean[:, 0])
        truth.append(planted.truth()[0])
        of_first.append(planted.truth("district")[i % 8])
    for draws, true in ((nation, truth), (first, of_first)):
        drawn, at = np.array(draws).T, np.array(true)
        assert_coverage(drawn, at)
        z = (drawn.mean(axis=0) - at) / drawn.std(axis=0)
        assert abs(z.mean()) < 3.3 / np.sqrt(n)
    # What the mean of the frames leaves out shows: the same test refuses its intervals.
    with pytest.raises(AssertionError, match="90% intervals covered"):
        assert_coverage(np.array(alone).T, np.array(truth))
