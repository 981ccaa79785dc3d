import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from mrp.errors import CountsError, FrameError
from mrp.raking import frame_margin, rake
from tests.mrp.worlds import electorate

SEX = pl.DataFrame({"sex": ["f", "m"], "n_people": [60.0, 40.0]})
AGE = pl.DataFrame({"age": ["old", "young"], "n_people": [30.0, 70.0]})


def people(*groups: tuple[str, str, int]) -> pl.DataFrame:
    rows = [(sex, age) for sex, age, n in groups for _ in range(n)]
    return pl.DataFrame(rows, schema=["sex", "age"], orient="row")


def reference(interviews: pl.DataFrame, margins: list[pl.DataFrame], n_rounds: int = 300) -> list[float]:
    """Raking in loops over interviews."""
    weight = [1.0] * interviews.height
    rows = interviews.to_dicts()
    for _ in range(n_rounds):
        for margin in margins:
            (column,) = [c for c in margin.columns if c != "n_people"]
            total = margin["n_people"].sum()
            for level, n in margin.select(column, "n_people").iter_rows():
                members = [i for i, row in enumerate(rows) if row[column] == level]
                if members:
                    factor = n / total * len(rows) / sum(weight[i] for i in members)
                    for i in members:
                        weight[i] *= factor
    return weight


def test_one_margin_by_hand():
    raked = rake(people(("f", "old", 1), ("m", "old", 3)), [SEX])
    assert_allclose(raked.weight, [0.6 * 4, *[0.4 * 4 / 3] * 3])
    assert raked.converged
    assert raked.gaps[0].margin == ("sex",)
    assert raked.gaps[0].gap == pytest.approx(0, abs=1e-12)


def test_stalled_is_not_converged():
    """An empty cell: nobody interviewed is male and young, so that both margins cannot be had at once."""
    raked = rake(people(("f", "old", 10), ("f", "young", 10), ("m", "old", 10)), [SEX, AGE])
    assert not raked.converged
    assert max(gap.gap for gap in raked.gaps) > 0.05
    assert raked.n_rounds <= 1000


def test_a_level_with_people_and_without_interviews_is_a_gap():
    raked = rake(people(("f", "old", 5), ("m", "old", 5)), [SEX, AGE])
    assert not raked.converged
    assert raked.gaps[1].gap == pytest.approx(0.7)
    assert raked.gaps[0].gap == pytest.approx(0, abs=1e-9)
    assert np.isfinite(raked.weight).all()


def test_people_nowhere_but_where_nobody_was_asked():
    raked = rake(people(("f", "old", 5)), [AGE.with_columns(n_people=pl.Series([0.0, 10.0]))])
    assert not raked.converged
    assert raked.gaps[0].gap == 1


def test_interviews_where_nobody_lives_weigh_nothing():
    nobody_old = AGE.with_columns(n_people=pl.Series([0.0, 10.0]))
    raked = rake(people(("f", "old", 2), ("m", "young", 2)), [nobody_old])
    assert_allclose(raked.weight, [0, 0, 2, 2])
    assert raked.converged


@st.composite
def polls(draw: st.DrawFn):
    groups = [(s, a, draw(st.integers(1, 9))) for s in "fm" for a in ("old", "young")]
    margins = [
        table.with_columns(n_people=pl.Series([draw(st.floats(1, 100)), draw(st.floats(1, 100))]))
        for table in (SEX, AGE)
    ]
    return people(*groups), margins


@settings(deadline=None, max_examples=40)
@given(polls(), st.randoms(use_true_random=False))
def test_margins_are_met_in_any_order_of_rows_and_from_any_scale(case, random):
    interviews, margins = case
    raked = rake(interviews, margins, tolerance=1e-9)
    assert raked.converged
    assert raked.weight.mean() == pytest.approx(1)
    for margin in margins:
        column = margin.columns[0]
        for level, n in margin.iter_rows():
            share = raked.weight[(interviews[column] == level).to_numpy()].sum() / interviews.height
            assert share == pytest.approx(n / margin["n_people"].sum(), abs=1e-8)

    order = list(range(interviews.height))
    random.shuffle(order)
    larger = [margin.with_columns(pl.col("n_people") * 10) for margin in margins]
    again = rake(interviews[order], larger, weight=np.full(interviews.height, 10.0), tolerance=1e-9)
    assert_allclose(again.weight, raked.weight[order], rtol=1e-6)


def test_agrees_with_loops():
    interviews = people(("f", "old", 7), ("f", "young", 2), ("m", "old", 4), ("m", "young", 9))
    assert_allclose(rake(interviews, [SEX, AGE], tolerance=1e-12).weight, reference(interviews, [SEX, AGE]), rtol=1e-8)


def test_starting_weights_are_kept_within_a_cell():
    interviews = people(("f", "old", 2), ("m", "young", 2), ("f", "young", 1), ("m", "old", 1))
    raked = rake(interviews, [SEX, AGE], weight=np.array([1.0, 3.0, 1.0, 1.0, 1.0, 0.0]))
    assert raked.weight[1] == pytest.approx(3 * raked.weight[0])
    assert raked.weight[5] == 0
    assert_allclose(rake(interviews, [SEX, AGE], weight=[1, 3, 1, 1, 1, 0]).weight, raked.weight)


def test_margins_of_a_frame_add_up():
    world = electorate()
    region = frame_margin(world, ("region", "age"))
    assert region["n_people"].sum() == pytest.approx(world.frame["n_people"].sum())
    assert region.columns == ["region", "age", "n_people"]


@pytest.mark.parametrize(
    ("margins", "weight", "error", "message"),
    [
        ([], None, FrameError, "nothing to rake to"),
        ([SEX.rename({"sex": "gender"})], None, CountsError, "no column 'gender'"),
        ([SEX[:1]], None, CountsError, "1 interviews have sex m, which the margin does not have"),
        ([pl.concat([SEX, SEX])], None, FrameError, "has a level twice"),
        ([SEX.with_columns(n_people=0.0)], None, FrameError, "somewhere above 0"),
        ([SEX.with_columns(n_people=pl.Series([1.0, None]))], None, FrameError, "must be >= 0"),
        ([SEX.drop("n_people")], None, FrameError, "levels and n_people"),
        ([SEX], np.array([1.0, -1.0]), CountsError, "finite and >= 0"),
        ([SEX], np.zeros(2), CountsError, "not all 0"),
        ([SEX], "weight", CountsError, r"got 'weight'; pass a column itself: interviews\['weight'\]"),
    ],
)
def test_raking_to_nonsense_is_refused(margins, weight, error, message):
    with pytest.raises(error, match=message):
        rake(people(("f", "old", 1), ("m", "young", 1)), margins, weight=weight)
