import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from mrp.design import build_design
from mrp.electorate import Electorate
from mrp.errors import FrameError, UncoveredPopulation
from mrp.grouping import Grouping
from mrp.latents import LatentDraws
from mrp.poststratification import AreaDraws, area_draws, area_draws_many, cell_shares, poststratify
from tests.mrp.worlds import FORMULA, electorate

WORLD = electorate()
DESIGN = build_design(FORMULA, WORLD)
LATENTS = LatentDraws(
    np.random.default_rng(5).normal(0, 0.5, (6, DESIGN.n_latents)).astype(np.float32), DESIGN.latent_names
)
REGION = dict(WORLD.districts.select("code", "region").iter_rows())


def reference(by, where, merge):
    """The definition in loops: {labels: (people, share in each draw)}."""
    shares = cell_shares(LATENTS, DESIGN, WORLD.frame).astype(float)
    found: dict[tuple[str, ...], tuple[float, np.ndarray]] = {}
    for cell, row in enumerate(WORLD.frame.iter_rows(named=True)):
        values = {**row, "region": REGION[row["district"]]}
        if any(values[column] not in levels for column, levels in where.items()) or row["n_people"] == 0:
            continue
        labels = []
        for column in by:
            label = values[column]
            for name, members in merge.get(column, {}).items():
                if values[column] in members:
                    label = name
            labels.append(label)
        people, total = found.get(tuple(labels), (0.0, np.zeros(shares.shape[0])))
        found[tuple(labels)] = (people + row["n_people"], total + row["n_people"] * shares[:, cell])
    return {labels: (people, total / people) for labels, (people, total) in found.items()}


def as_table(estimate: AreaDraws) -> dict[tuple[str, ...], tuple[float, np.ndarray]]:
    return {row[:-1]: (row[-1], estimate.draws[:, i]) for i, row in enumerate(estimate.areas.iter_rows())}


YOUNG = {"age": {"18-44": ("18-29", "30-44")}}
BASIN = {"district": {"Basin": ("D01", "D05", "D11")}}
LEVELS = {"sex": WORLD.levels("sex"), "age": WORLD.levels("age"), "region": WORLD.levels("region")}


@st.composite
def groupings(draw: st.DrawFn) -> Grouping:
    by = tuple(draw(st.permutations(["district", "region", "sex", "age"]))[: draw(st.integers(0, 3))])
    filtered = draw(st.lists(st.sampled_from(["sex", "age", "region"]), unique=True, max_size=2))
    where = {
        column: tuple(draw(st.lists(st.sampled_from(LEVELS[column]), unique=True, min_size=1))) for column in filtered
    }
    merge = {column: groups for column, groups in {**YOUNG, **BASIN}.items() if column in by and draw(st.booleans())}
    return Grouping(by, where, merge)


@settings(deadline=None, max_examples=60)
@given(st.lists(groupings(), min_size=1, max_size=4))
def test_any_breakdowns_in_one_pass_agree_with_the_reference(chosen: list[Grouping]):
    for grouping, estimate in zip(chosen, area_draws_many(LATENTS, DESIGN, WORLD, chosen), strict=True):
        expected = reference(grouping.by, grouping.where, grouping.merge)
        found = as_table(estimate)
        assert found.keys() == expected.keys()
        for labels, (people, shares) in expected.items():
            assert found[labels][0] == pytest.approx(people)
            assert_allclose(found[labels][1], shares, atol=2e-6)


@settings(deadline=None, max_examples=30)
@given(st.randoms(use_true_random=False))
def test_order_of_cells_and_scale_of_counts_do_not_matter(random):
    order = list(range(WORLD.frame.height))
    random.shuffle(order)
    frame = WORLD.frame[order].with_columns(pl.col("n_people") * 10)
    again = Electorate(frame, WORLD.districts, WORLD.district, WORLD.demographics, WORLD.ordered)
    chosen = (Grouping(("region", "age"), {"sex": ("male",)}, YOUNG), Grouping())

    for one, other in zip(
        area_draws_many(LATENTS, DESIGN, WORLD, chosen), area_draws_many(LATENTS, DESIGN, again, chosen), strict=True
    ):
        assert one.areas.drop("n_people").equals(other.areas.drop("n_people"))
        assert_allclose(other.areas["n_people"], one.areas["n_people"] * 10)
        assert_allclose(other.draws, one.draws, atol=2e-6)


def test_merged_groups_add_up_to_the_whole():
    parts, whole = area_draws_many(LATENTS, DESIGN, WORLD, (Grouping(("age",), {}, YOUNG), Grouping()))
    weight = parts.areas["n_people"].to_numpy()
    assert_allclose(parts.draws @ weight / weight.sum(), whole.draws[:, 0], atol=1e-6)
    assert weight.sum() == pytest.approx(whole.areas["n_people"][0])


def test_a_merged_level_stands_where_its_first_level_was():
    assert area_draws(LATENTS, DESIGN, WORLD, by=("age",), merge=YOUNG).areas["age"].to_list() == [
        "18-44",
        "45-64",
        "65+",
    ]


def test_a_filter_that_leaves_nobody_leaves_no_group():
    frame = WORLD.frame.with_columns(n_people=pl.when(pl.col("sex") == "male").then(0.0).otherwise(pl.col("n_people")))
    women = Electorate(frame, WORLD.districts, WORLD.district, WORLD.demographics)
    assert area_draws(LATENTS, DESIGN, women, where={"sex": ("male",)}).draws.shape == (6, 0)


def test_no_breakdown_asked_no_estimate_given():
    assert area_draws_many(LATENTS, DESIGN, WORLD, ()) == ()


def test_only_people_who_are_asked_for_need_a_model():
    young = WORLD.frame.filter(age="18-29").with_columns(age=pl.lit("16-17"))
    demographics = {**WORLD.demographics, "age": ("16-17", *WORLD.demographics["age"])}
    wider = Electorate(pl.concat([WORLD.frame, young]), WORLD.districts, "district", demographics)
    adults = {"age": WORLD.levels("age")}

    with pytest.raises(UncoveredPopulation):
        area_draws(LATENTS, DESIGN, wider)
    assert_allclose(area_draws(LATENTS, DESIGN, wider, where=adults).draws, area_draws(LATENTS, DESIGN, WORLD).draws)


def test_small_shares_keep_their_relative_precision():
    design = build_design("1", WORLD)
    draws = np.array([[-100.0], [-20.0], [0.0], [20.0], [100.0]], dtype=np.float32)
    found = area_draws(LatentDraws(draws, ("intercept",)), design, WORLD).draws[:, 0]
    assert_allclose(found, [0, np.exp(-20), 0.5, 1, 1], rtol=1e-5)


@pytest.mark.parametrize(
    ("grouping", "message"),
    [
        (Grouping(("age",), {"sex": ("other",)}), "sex has no level 'other'; it has female, male"),
        (Grouping(("age",), {"sex": "male"}), r"must be a list, got 'male'"),  # type: ignore[dict-item]
        (Grouping(("age",), {"sex": ()}), "sex is given no level; name those that are meant, or leave sex out"),
        (Grouping(("age",), {}, {"age": {"none": ()}}), "age is given no level"),
        (Grouping((), {"town": ("X",)}), "'town' is not a district"),
        (Grouping((), {}, YOUNG), "'age' are merged, but it is not one of by"),
        (Grouping(("age",), {}, {"age": {"x": ("18-29", "1-2")}}), "age has no level '1-2'"),
        (Grouping(("age",), {}, {"age": {"x": ("18-29",), "y": ("18-29", "65+")}}), "'18-29' is merged into 'x' and"),
        (
            Grouping(("age",), {}, {"age": {"65+": ("45-64", "65+"), "y": ("65+",)}}),
            "'65\\+' is merged into '65\\+' and",
        ),
        (Grouping(("age",), {}, {"age": {"65+": ("18-29", "30-44")}}), "'65\\+' is a level of its own"),
    ],
)
def test_groups_that_mean_nothing_are_refused(grouping: Grouping, message: str):
    with pytest.raises(FrameError, match=message):
        area_draws_many(LATENTS, DESIGN, WORLD, (grouping,))


def test_one_column_in_place_of_a_list_is_refused():
    with pytest.raises(FrameError, match=r"by must be a list of columns, got 'age'; write \('age',\)"):
        area_draws(LATENTS, DESIGN, WORLD, by="age")  # type: ignore[arg-type]
    with pytest.raises(FrameError, match="by must be a list of columns, got 'age'"):
        poststratify(np.full((1, WORLD.frame.height), 0.5), WORLD.frame, by="age")  # type: ignore[arg-type]


def test_a_column_of_the_population_is_filtered_not_fixed():
    with pytest.raises(FrameError, match="choose its levels by a filter"):
        area_draws(LATENTS, DESIGN, WORLD, at={"age": "65+"})


def test_a_level_merged_into_a_group_of_its_own_name_stays_in_it():
    same = {"age": {"65+": ("45-64", "65+")}}
    found = as_table(area_draws(LATENTS, DESIGN, WORLD, by=("age",), merge=same))
    expected = reference(("age",), {}, same)
    assert found.keys() == expected.keys()
    assert_allclose(found["65+",][1], expected["65+",][1], atol=2e-6)


def by_period() -> Electorate:
    """The same people in each of two periods."""
    frame = pl.concat([WORLD.frame.with_columns(period=pl.lit(period)) for period in ("p1", "p2")])
    return Electorate(frame, WORLD.districts, "district", {**WORLD.demographics, "period": ("p1", "p2")})


def test_a_model_with_periods_is_asked_at_one_of_them():
    design = build_design("lean + (1|district) + (1|period) + (1|period:age)", by_period())
    latents = LatentDraws(
        np.random.default_rng(6).normal(0, 0.5, (5, design.n_latents)).astype(np.float32), design.latent_names
    )
    for period in ("p1", "p2"):
        at_once = area_draws(latents, design, by_period(), by=("region", "age"), where={"period": (period,)})
        found = area_draws(latents, design, WORLD, by=("region", "age"), at={"period": period})
        assert found.areas.drop("n_people").equals(at_once.areas.drop("n_people"))
        assert_allclose(found.draws, at_once.draws, atol=2e-6)

    with pytest.raises(FrameError, match=r"the model reads 'period', .*; give its level in at"):
        area_draws(latents, design, WORLD)
    with pytest.raises(UncoveredPopulation):
        area_draws(latents, design, WORLD, at={"period": "p3"})
