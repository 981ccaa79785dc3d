import polars as pl
import pytest

from mrp.electorate import Electorate
from mrp.errors import FrameError
from tests.mrp.worlds import electorate

WORLD = electorate()


def changed(*, frame: pl.DataFrame = WORLD.frame, districts: pl.DataFrame = WORLD.districts) -> Electorate:
    return Electorate(frame, districts, WORLD.district, WORLD.demographics)


def test_text_columns_of_the_districts_are_parents_and_numbers_predictors():
    assert WORLD.parents == ("region",)
    assert WORLD.predictors == ("lean",)


def test_a_text_column_with_gaps_is_no_parent():
    gappy = WORLD.districts.with_columns(town=pl.when(pl.col("code") == "D01").then(None).otherwise(pl.lit("T")))

    assert changed(districts=gappy).parents == ("region",)


def test_levels_are_in_declared_order_and_areas_sorted():
    assert WORLD.levels("age") == ("18-29", "30-44", "45-64", "65+")
    assert WORLD.levels("region") == ("North", "South", "West")
    assert WORLD.levels("district")[:2] == ("D00", "D01")


def test_levels_of_something_else_are_an_error():
    with pytest.raises(FrameError, match="'lean' is not a district, parent area or demographic"):
        WORLD.levels("lean")


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (WORLD.frame.drop("age"), "the frame has no column 'age'"),
        (WORLD.frame.drop("n_people"), "the frame has no column 'n_people'"),
        (WORLD.frame.with_columns(n_people=pl.lit(-1.0)), "finite number >= 0"),
        (WORLD.frame.with_columns(n_people=pl.lit(float("nan"))), "finite number >= 0"),
        (WORLD.frame.with_columns(n_people=pl.lit(None, dtype=pl.Float64)), "finite number >= 0"),
        (WORLD.frame.with_columns(n_people=pl.lit(0.0)), "nobody lives in the frame"),
        (pl.concat([WORLD.frame, WORLD.frame[:1]]), "more than one row for the cell D00 / female / 18-29"),
        (WORLD.frame.with_columns(age=pl.lit("young")), "age 'young', which is not one of 18-29"),
        (WORLD.frame.with_columns(district=pl.lit(None, dtype=pl.String)), "district None"),
    ],
)
def test_a_frame_that_cannot_be_used_is_refused_with_the_reason(frame: pl.DataFrame, message: str):
    with pytest.raises(FrameError, match=message):
        changed(frame=frame)


@pytest.mark.parametrize(
    ("districts", "message"),
    [
        (WORLD.districts.drop("name"), "no column 'name'"),
        (pl.concat([WORLD.districts, WORLD.districts[:1]]), "district 'D00' has more than one row"),
        (WORLD.districts.with_columns(code=pl.lit(None, dtype=pl.String)), "without a code|more than one row"),
    ],
)
def test_districts_that_cannot_be_used_are_refused_with_the_reason(districts: pl.DataFrame, message: str):
    with pytest.raises(FrameError, match=message):
        changed(districts=districts)
