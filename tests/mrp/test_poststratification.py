import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from mrp.design import build_design
from mrp.electorate import Electorate
from mrp.errors import DrawsError, FrameError, ShapeMismatch, UncoveredPopulation
from mrp.latents import LatentDraws
from mrp.poststratification import area_draws, cell_shares, poststratify
from tests.mrp.worlds import FORMULA, electorate

FRAME = pl.DataFrame(
    {
        "region": ["North", "North", "South", "Isles"],
        "age": ["18-34", "35+", "35+", "35+"],
        "n_people": [100.0, 300.0, 50.0, 0.0],
    }
)
WORLD = electorate()
DESIGN = build_design(FORMULA, WORLD)


def some_latents(n_draws: int = 7, seed: int = 5) -> LatentDraws:
    draws = np.random.default_rng(seed).normal(0, 0.5, (n_draws, DESIGN.n_latents))
    return LatentDraws(draws.astype(np.float32), DESIGN.latent_names)


def test_area_share_is_the_population_weighted_mean_of_its_cells():
    share = np.array([[0.2, 0.6, 0.9, 0.5]])  # one draw

    north_south = poststratify(share, FRAME, by=("region",))

    # North: (100 * 0.2 + 300 * 0.6) / 400; South has a single cell.
    assert north_south.areas["region"].to_list() == ["North", "South"]
    assert north_south.areas["n_people"].to_list() == [400, 50]
    assert_allclose(north_south.draws, [[0.5, 0.9]])


def test_area_without_people_is_left_out_rather_than_reported_as_zero():
    areas = poststratify(np.full((1, 4), 0.5), FRAME, by=("region",)).areas

    assert "Isles" not in areas["region"]


def test_whole_population_is_one_area():
    estimate = poststratify(np.array([[0.2, 0.6, 0.9, 0.5]]), FRAME)

    assert estimate.draws.shape == (1, 1)
    assert_allclose(estimate.draws, (20 + 180 + 45) / 450)


def test_people_in_a_cell_without_draws_are_an_error_not_a_gap():
    with pytest.raises(UncoveredPopulation, match=r"300 people .* North / 35\+"):
        poststratify(np.array([[0.2, np.nan, 0.9, 0.5]]), FRAME, by=("region",))


def test_a_cell_where_nobody_lives_needs_no_draws():
    estimate = poststratify(np.array([[0.2, 0.6, 0.9, np.nan]]), FRAME, by=("region",))
    assert_allclose(estimate.draws, [[0.5, 0.9]])


def test_shares_must_have_one_column_per_cell():
    with pytest.raises(ShapeMismatch, match=r"cell_share must have shape \(draw, 4\), got \(1, 3\)"):
        poststratify(np.full((1, 3), 0.5), FRAME)


@pytest.mark.parametrize("bad", [-1.0, float("nan"), None])
def test_a_count_that_is_no_count_is_an_error(bad: float | None):
    frame = FRAME.with_columns(n_people=pl.Series([100.0, bad, 50.0, 0.0]))
    with pytest.raises(FrameError, match="finite and >= 0"):
        poststratify(np.full((1, 4), 0.5), frame)


def test_an_area_column_that_is_not_there_is_an_error():
    with pytest.raises(FrameError, match="no column 'town'"):
        poststratify(np.full((1, 4), 0.5), FRAME, by=("town",))


@st.composite
def frames_with_draws(draw: st.DrawFn):
    n = draw(st.integers(1, 12))
    frame = pl.DataFrame(
        {
            "region": draw(st.lists(st.sampled_from("ABCD"), min_size=n, max_size=n)),
            "n_people": draw(st.lists(st.sampled_from([0.0, 0.5, 1.0, 1e3, 123456.0]), min_size=n, max_size=n)),
        }
    )
    seed = draw(st.integers(0, 2**32 - 1))
    return frame, np.random.default_rng(seed).random((draw(st.integers(1, 3)), n))


def reference_poststratify(share, frame):
    """The definition, written as loops: slow, obvious, independent of the real one."""
    totals: dict[str, list[float]] = {}
    people: dict[str, float] = {}
    for cell, (region, n) in enumerate(frame.iter_rows()):
        people[region] = people.get(region, 0.0) + n
        for s in range(share.shape[0]):
            totals.setdefault(region, [0.0] * share.shape[0])[s] += n * share[s, cell]
    return {r: [t / people[r] for t in totals[r]] for r in totals if people[r] > 0}


@settings(deadline=None)
@given(frames_with_draws())
def test_agrees_with_the_reference_on_any_frame(case):
    frame, share = case
    result = poststratify(share, frame, by=("region",))
    expected = reference_poststratify(share, frame)

    assert result.areas["region"].to_list() == sorted(expected)
    for column, region in enumerate(result.areas["region"]):
        assert_allclose(result.draws[:, column], expected[region], rtol=1e-9)


@settings(deadline=None)
@given(frames_with_draws())
def test_areas_add_up_to_the_whole(case):
    frame, share = case
    if frame["n_people"].sum() == 0:
        return
    parts = poststratify(share, frame, by=("region",))
    whole = poststratify(share, frame)

    weight = parts.areas["n_people"].to_numpy() / parts.areas["n_people"].sum()
    assert_allclose(parts.draws @ weight, whole.draws[:, 0], rtol=1e-9)


@settings(deadline=None)
@given(frames_with_draws(), st.randoms(use_true_random=False))
def test_order_of_cells_and_scale_of_counts_do_not_matter(case, random):
    frame, share = case
    order = list(range(frame.height))
    random.shuffle(order)
    shuffled = frame[order].with_columns(pl.col("n_people") * 10)

    once, again = poststratify(share, frame, by=("region",)), poststratify(share[:, order], shuffled, by=("region",))

    assert_allclose(again.draws, once.draws, rtol=1e-9)


def test_a_cell_share_is_the_inverse_logit_of_a_sum_over_terms():
    latents = some_latents(3)
    at = {name: i for i, name in enumerate(latents.names)}
    lean = DESIGN.predictors[0]
    cell = WORLD.frame.filter(district="D04", sex="male", age="65+")
    value = WORLD.districts.filter(code="D04")["lean"][0]
    eta = (
        latents.draws[:, at["intercept"]]
        + latents.draws[:, at["lean"]] * (value - lean.centre) / lean.scale
        + latents.draws[:, at["sex[male]"]] * 0.5
        + latents.draws[:, at["(1|district)[D04]"]]
        + latents.draws[:, at["(1|age)[65+]"]]
        + latents.draws[:, at["(1|sex:age)[male:65+]"]]
    )

    assert_allclose(cell_shares(latents, DESIGN, cell)[:, 0], 1 / (1 + np.exp(-eta)), rtol=1e-5)


@pytest.mark.parametrize(
    "by", [(), ("district",), ("region",), ("age",), ("region", "sex"), ("district", "sex", "age")]
)
@pytest.mark.parametrize("chunk", [1, 50, 10_000])
def test_chunks_of_latents_give_what_all_cells_at_once_give(by: tuple[str, ...], chunk: int, monkeypatch):
    monkeypatch.setattr("mrp.cell_pass._CHUNK", chunk)
    latents = some_latents()
    regions = WORLD.districts.select(pl.col("code").alias("district"), "region")
    frame = WORLD.frame.join(regions, on="district", maintain_order="left")

    expected = poststratify(cell_shares(latents, DESIGN, frame).astype(np.float64), frame, by=by)
    found = area_draws(latents, DESIGN, WORLD, by=by)

    position = {area[:-1]: column for column, area in enumerate(found.areas.iter_rows())}
    order = [position[area[:-1]] for area in expected.areas.iter_rows()]
    assert sorted(order) == list(range(found.areas.height))
    assert_allclose(found.areas["n_people"].to_numpy()[order], expected.areas["n_people"])
    assert_allclose(found.draws[:, order], expected.draws, atol=1e-6)


def test_groups_come_in_declared_order_and_chains_are_passed_on():
    latents = some_latents(8)
    found = area_draws(LatentDraws(latents.draws, latents.names, n_chains=4), DESIGN, WORLD, by=("age",))

    assert found.areas["age"].to_list() == list(WORLD.levels("age"))
    assert found.areas.schema["age"] == pl.String
    assert found.n_chains == 4


def test_a_model_of_one_constant_is_the_same_everywhere():
    design = build_design("1", WORLD)
    found = area_draws(LatentDraws(np.zeros((2, 1), dtype=np.float32), ("intercept",)), design, WORLD, by=("region",))

    assert_allclose(found.draws, 0.5)


def test_a_level_the_model_has_not_seen_is_an_error_if_people_live_there():
    young = WORLD.frame.filter(age="18-29").with_columns(age=pl.lit("16-17"))
    demographics = {**WORLD.demographics, "age": ("16-17", *WORLD.demographics["age"])}
    wider = Electorate(pl.concat([WORLD.frame, young]), WORLD.districts, "district", demographics)
    empty = Electorate(
        pl.concat([WORLD.frame, young.with_columns(n_people=pl.lit(0.0))]), WORLD.districts, "district", demographics
    )

    with pytest.raises(UncoveredPopulation, match="16-17"):
        area_draws(some_latents(), DESIGN, wider)
    assert area_draws(some_latents(), DESIGN, empty).draws.shape == (7, 1)


def test_areas_that_mean_nothing_are_refused():
    with pytest.raises(FrameError, match="'town' is not a district"):
        area_draws(some_latents(), DESIGN, WORLD, by=("town",))
    with pytest.raises(FrameError, match="named twice"):
        area_draws(some_latents(), DESIGN, WORLD, by=("age", "age"))


def test_draws_of_another_design_are_refused():
    with pytest.raises(DrawsError, match="use the design that was stored with the fit"):
        area_draws(some_latents(), build_design("lean", WORLD), WORLD)
