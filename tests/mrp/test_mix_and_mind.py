import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrp.design import build_design
from mrp.errors import CountsError, ShapeMismatch
from mrp.latents import LatentDraws
from mrp.mix_and_mind import mix_and_mind, mix_and_mind_of_groups, opposite, swing_table
from mrp.poststratification import cell_shares
from tests.mrp.answers import estimate_of
from tests.mrp.worlds import FORMULA, electorate

BEFORE = pl.DataFrame({"age": ["old", "young"], "n": [60, 40], "y": [36, 10]})
AFTER = pl.DataFrame({"age": ["young", "old"], "n": [60, 40], "y": [18, 26]})


def source(n_draws: int):
    return estimate_of(np.zeros((n_draws, 1)))


def test_cells_of_two_polls_side_by_side():
    table = swing_table(BEFORE, AFTER.with_columns(age=pl.Series(["young", "middle"])), by=("age",))
    assert table.rows() == [("middle", 0, 0, 40, 26), ("old", 60, 36, 0, 0), ("young", 40, 10, 60, 18)]
    assert swing_table(BEFORE, AFTER, by=()).rows() == [(100, 46, 100, 44)]


def test_rows_of_one_cell_are_added_up():
    twice = pl.concat([BEFORE, BEFORE])
    assert swing_table(twice, AFTER, by=("age",)).rows() == [("old", 120, 72, 40, 26), ("young", 80, 20, 60, 18)]


def test_a_swing_by_hand():
    table = swing_table(BEFORE, AFTER, by=("age",))  # old, young
    found = mix_and_mind(table, np.array([[0.6, 0.25]]), np.array([[0.62, 0.3]]), source(1))
    assert found.raw_swing == pytest.approx(-0.02)
    assert found.mix.mean == pytest.approx(-0.2 * (0.6 + 0.62) / 2 + 0.2 * (0.25 + 0.3) / 2)
    assert found.mind.mean == pytest.approx(0.5 * 0.02 + 0.5 * 0.05)
    assert found.noise.mean == pytest.approx(-0.02 - found.mix.mean - found.mind.mean)


@st.composite
def swings(draw: st.DrawFn):
    n_cells, n_draws = draw(st.integers(1, 6)), draw(st.integers(1, 8))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = rng.integers(0, 50, (2, n_cells))
    n[:, 0] += 1
    y = rng.binomial(n, 0.4)
    table = pl.DataFrame({"n_before": n[0], "y_before": y[0], "n_after": n[1], "y_after": y[1]})
    return table, rng.random((n_draws, n_cells)), rng.random((n_draws, n_cells))


@settings(deadline=None)
@given(swings())
def test_parts_add_up_to_the_raw_swing_and_agree_with_loops(case):
    table, before, after = case
    found = mix_and_mind(table, before, after, source(len(before)))
    n1, n2 = table["n_before"].sum(), table["n_after"].sum()
    mixes, minds = [], []
    for p1, p2 in zip(before, after, strict=True):
        mix = mind = 0.0
        for cell, row in enumerate(table.iter_rows(named=True)):
            s1, s2 = row["n_before"] / n1, row["n_after"] / n2
            mix += (s2 - s1) * (p1[cell] + p2[cell]) / 2
            mind += (s1 + s2) / 2 * (p2[cell] - p1[cell])
        mixes.append(mix)
        minds.append(mind)
    assert found.mix.mean == pytest.approx(np.mean(mixes), abs=1e-12)
    assert found.mind.mean == pytest.approx(np.mean(minds), abs=1e-12)
    assert found.mix.mean + found.mind.mean + found.noise.mean == pytest.approx(found.raw_swing, abs=1e-12)
    raw = table["y_after"].sum() / n2 - table["y_before"].sum() / n1
    assert found.raw_swing == pytest.approx(raw)


@settings(deadline=None)
@given(swings())
def test_a_swing_back_is_the_opposite(case):
    table, before, after = case
    back = table.rename({"n_before": "n_after", "y_before": "y_after", "n_after": "n_before", "y_after": "y_before"})
    one, other = (
        mix_and_mind(table, before, after, source(len(before))),
        mix_and_mind(back, after, before, source(len(before))),
    )
    for part in ("mix", "mind", "noise"):
        assert getattr(one, part).mean == pytest.approx(-getattr(other, part).mean, abs=1e-12)


WORLD = electorate()
WEEKS = ("1", "2", "3")


@pytest.mark.parametrize("formula", [f"{FORMULA} + (1|period)", "rw1(period)", "(1|region) + ar1(period)"])
def test_groups_are_split_in_one_pass_as_each_alone(formula: str):
    design = build_design(formula, WORLD, observed={"period": WEEKS})
    rng = np.random.default_rng(7)
    draws = rng.normal(0, 0.5, (9, design.n_latents)).astype(np.float32)
    latents = LatentDraws(draws, design.latent_names)
    designs = design.at_period("1"), design.at_period("3")
    cells = WORLD.frame.join(WORLD.districts.select(pl.col("code").alias("district"), "region"), on="district")
    polls = []
    for _ in range(2):
        n = rng.integers(0, 9, cells.height)
        polls.append(cells.with_columns(n=pl.Series(n), y=pl.Series(rng.binomial(n, 0.4))).filter(pl.col("n") > 0))
    parts = [tuple(poll.filter(pl.col("region") == region) for poll in polls) for region in ("North", "South", "West")]
    tables = [swing_table(before, after, by=design.cell_columns) for before, after in parts]

    together = mix_and_mind_of_groups(tables, latents, *designs, interval=0.8, also=(0.5,))
    assert len(together) == 3
    for table, found in zip(tables, together, strict=True):
        opinions = [cell_shares(latents, one, table).astype(float) for one in designs]
        alone = mix_and_mind(table, *opinions, latents, interval=0.8, also=(0.5,))
        assert found.raw_swing == alone.raw_swing
        for name in ("mix", "mind", "noise"):
            one, other = getattr(found, name), getattr(alone, name)
            numbers = [(q.mean, q.sd, q.low, q.high, *q.further[0]) for q in (one, other)]
            np.testing.assert_allclose(*numbers, atol=1e-6)
    assert mix_and_mind_of_groups([], latents, *designs) == ()
    with pytest.raises(CountsError, match="they have 0 and"):
        mix_and_mind_of_groups([tables[0].with_columns(n_before=0)], latents, *designs)


@settings(deadline=None)
@given(swings())
def test_the_swing_of_the_other_option_is_the_opposite(case):
    table, before, after = case
    others = table.with_columns(
        y_before=pl.col("n_before") - pl.col("y_before"), y_after=pl.col("n_after") - pl.col("y_after")
    )
    found = opposite(mix_and_mind(table, before, after, source(len(before)), also=(0.5,)))
    other = mix_and_mind(others, 1 - before, 1 - after, source(len(before)), also=(0.5,))
    assert found.raw_swing == pytest.approx(other.raw_swing, abs=1e-12)
    for name in ("mix", "mind", "noise"):
        one, two = getattr(found, name), getattr(other, name)
        assert (one.mean, one.low, one.high) == pytest.approx((two.mean, two.low, two.high), abs=1e-12)
        assert one.further[0] == pytest.approx(two.further[0], abs=1e-12)


def test_a_sample_of_other_people_is_all_mix_and_chance_is_all_noise():
    """Nobody changes their mind; the second poll reaches the young. 20,000 interviews each, four standard errors."""
    rng = np.random.default_rng(1)
    opinion = np.array([0.6, 0.3])
    n1, n2 = np.array([14_000, 6_000]), np.array([6_000, 14_000])
    y1, y2 = rng.binomial(n1, opinion), rng.binomial(n2, opinion)
    table = pl.DataFrame({"n_before": n1, "y_before": y1, "n_after": n2, "y_after": y2})
    believed = np.tile(opinion, (100, 1))
    found = mix_and_mind(table, believed, believed, source(100))
    assert found.mind.mean == 0
    assert found.mix.mean == pytest.approx(-0.4 * 0.3)
    assert abs(found.noise.mean) < 4 * np.sqrt(2 * 0.25 / 20_000)


def test_swings_that_cannot_be_are_refused():
    table = swing_table(BEFORE, AFTER, by=("age",))
    with pytest.raises(ShapeMismatch, match=r"after must have shape \(1, 2\), got \(1, 3\)"):
        mix_and_mind(table, np.ones((1, 2)), np.ones((1, 3)), source(1))
    with pytest.raises(CountsError, match="they have 0 and 100"):
        mix_and_mind(table.with_columns(n_before=0), np.ones((1, 2)), np.ones((1, 2)), source(1))
