"""Models that are too large, and those that only seem so."""

import polars as pl
import pytest

import mrp
from mrp.design import Design, build_design
from mrp.electorate import Electorate
from mrp.errors import SamplingError
from mrp.fit import fit_model
from mrp.parity import term_parity
from mrp.priors import Priors
from mrp.size import MOST_EFFECTS, too_large


def wide(n_districts: int) -> Electorate:
    """Many districts in regions of ten, twelve ages."""
    codes = [f"D{i:04d}" for i in range(n_districts)]
    districts = pl.DataFrame({"code": codes, "name": codes, "region": [f"R{i // 10:03d}" for i in range(n_districts)]})
    ages = tuple(f"{15 + 5 * i}" for i in range(12))
    frame = pl.DataFrame({"district": codes}).join(pl.DataFrame({"age": ages}), how="cross")
    return Electorate(frame.with_columns(n_people=pl.lit(10.0)), districts, "district", {"age": ages})


WORLD = wide(1_100)


def crossed() -> Electorate:
    """A small frame with two demographics of 115 levels, which have more combinations than there are people."""
    levels = tuple(f"{i:03d}" for i in range(115))
    frame = WORLD.frame.with_columns(
        job=pl.Series([levels[i % 115] for i in range(WORLD.frame.height)]),
        town=pl.Series([levels[i % 113] for i in range(WORLD.frame.height)]),
    )
    return Electorate(frame, WORLD.districts, "district", {**WORLD.demographics, "job": levels, "town": levels})


@pytest.mark.parametrize("engine", ["laplace", "nuts"])
def test_a_model_that_no_memory_holds_is_refused_before_the_fit_with_the_terms_to_blame(engine: mrp.fit.Engine):
    world = crossed()
    design = build_design("(1|district:age) + (1|job:town)", world)
    counts = world.frame.select(*design.count_columns, n=pl.lit(1), y=pl.lit(0))
    with pytest.raises(SamplingError) as error:
        fit_model(design, world, counts, Priors(), engine=engine, seed=1)

    assert f"too large for {engine}" in str(error.value)
    assert "(1|job:town) has 13,225 effects, (1|district:age) has 13,200 effects" in str(error.value)


def test_terms_of_one_district_are_no_burden_to_the_engine_that_keeps_them_apart():
    design = build_design("(1|district:age) + (0 + age|district)", WORLD)
    assert design.n_latents > 2 * MOST_EFFECTS
    assert too_large(design, "laplace") is None
    assert (too_large(design, "nuts") or "").startswith("the model is too large for nuts")


def test_parity_finds_one_wrong_cell_among_many_effects(monkeypatch):
    world = wide(40)
    design = build_design("(1|region/district) + (1|district:age)", world)
    assert term_parity(design, world) == ()

    rows = Design.rows

    def wrong(self: Design, table: pl.DataFrame):
        coded = rows(self, table)
        coded.index[-1, -1] = coded.index[-2, -1]
        return coded

    monkeypatch.setattr(Design, "rows", wrong)
    (problem,) = term_parity(design, world)
    assert problem.message.startswith("(1|district:age)[D0039:")
