import polars as pl
import pytest

from mrp.electorate import Electorate
from mrp.errors import FrameError
from mrp.formula_check import check_formula
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


NAMES = dict.fromkeys(WORLD.codes, "") | {"D00": "D01;D02", "D01": " D00 ", "D02": "D00;"}


def neighbouring(names: dict[str, str]) -> pl.Series:
    return WORLD.districts["code"].replace_strict(NAMES | names).alias("neighbours")


def test_neighbours_are_read_from_lists_and_from_text_and_are_no_parent():
    text = neighbouring({})
    for column in (text, text.str.split(";").list.eval(pl.element().str.strip_chars().filter(pl.element() != ""))):
        world = changed(districts=WORLD.districts.with_columns(column).reverse())

        assert world.neighbours == ((0, 1), (0, 2))
        assert world.parents == ("region",)
    assert WORLD.neighbours is None
    assert changed(districts=WORLD.districts.with_columns(neighbours=pl.lit(None))).neighbours == ()


@pytest.mark.parametrize(
    ("neighbours", "message"),
    [
        (neighbouring({"D03": "D99"}), "'neighbours' of the districts: D03 has the neighbour 'D99', which is not a"),
        (neighbouring({"D03": "D03"}), "D03 is its own neighbour; remove it"),
        (neighbouring({"D03": "D00"}), "D03 has the neighbour D00, which does not have D03; name both or neither"),
        (neighbouring({"D03": "D9", "D04": "D9;D04;D8"}), "D03 .*; D04 is its own .*; D04 .*; and 1 more"),
        (pl.Series("neighbours", [1] * 12), "is of type Int64; it has to be lists of codes, or text with semicolons"),
        (pl.Series("neighbours", [[1]] * 12), r"is of type List\(Int64\); it has to be"),
    ],
)
def test_neighbours_that_cannot_be_used_are_refused_with_the_reason(neighbours: pl.Series, message: str):
    with pytest.raises(FrameError, match=message):
        changed(districts=WORLD.districts.with_columns(neighbours))


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
        (
            WORLD.frame.with_columns(age=pl.lit(18)),
            r"'age' of the frame is of type Int32, it has to be text; write .*cast",
        ),
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
        (
            WORLD.districts.with_columns(code=pl.int_range(pl.len())),
            "'code' of the table of districts is of type Int64",
        ),
        (WORLD.districts.rename({"lean": "age"}), "is called 'age', as is a demographic in the frame; rename it"),
        (WORLD.districts.rename({"region": "sex"}), "is called 'sex', as is a demographic"),
        (WORLD.districts.rename({"lean": "district"}), "is called 'district', as is the district in the frame"),
        (WORLD.districts.rename({"lean": "intercept"}), "is called 'intercept', which means something else"),
        (WORLD.districts.with_columns(code=pl.lit(None, dtype=pl.String)), "without a code|more than one row"),
    ],
)
def test_districts_that_cannot_be_used_are_refused_with_the_reason(districts: pl.DataFrame, message: str):
    with pytest.raises(FrameError, match=message):
        changed(districts=districts)


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        (("female", "male", "male"), "sex has the level 'male' more than once"),
        ((1, 2), "sex has the level 1, which is int; write it as text"),
        ("male", r"the levels of sex must be a list, got 'male'; write \('male',\)"),
    ],
)
def test_levels_that_cannot_be_used_are_refused_with_the_reason(levels: tuple[str, ...], message: str):
    with pytest.raises(FrameError, match=message):
        Electorate(WORLD.frame, WORLD.districts, WORLD.district, {**WORLD.demographics, "sex": levels})


def test_a_column_of_the_districts_that_is_no_parent_says_why():
    gap = pl.when(pl.col("code") != "D01").then(pl.lit("T"))
    world = changed(districts=WORLD.districts.with_columns(town=gap, coast=pl.col("lean") > 0.5))

    assert world.parents == ("region",)
    (no_text,) = check_formula("(1|town)", world)
    assert "town in (1|town) is a column of the districts that cannot be used: it has no value in D01" in no_text
    (no_number,) = check_formula("coast", world)
    assert "type Boolean, and a parent area needs text (String), a predictor numbers; cast it" in no_number
    with pytest.raises(
        FrameError, match=r"'town' is not a district, .* \(it has no value in D01.*\); use one of district, sex"
    ):
        world.levels("town")


def test_tables_of_another_library_and_an_order_of_nothing_are_refused():
    with pytest.raises(FrameError, match=r"frame is a LazyFrame, it has to be a polars\.DataFrame"):
        changed(frame=WORLD.frame.lazy())  # type: ignore[arg-type]
    with pytest.raises(FrameError, match="'agee' is ordered, but not one of the demographics sex, age"):
        Electorate(WORLD.frame, WORLD.districts, WORLD.district, WORLD.demographics, frozenset({"agee"}))


def test_some_of_the_cells_make_an_electorate_like_any_other():
    part, checked = WORLD.with_cells(WORLD.frame.head(5)), changed(frame=WORLD.frame.head(5))

    assert part.frame.equals(checked.frame)
    assert part.districts.equals(checked.districts)
    assert (part.codes, part.demographics) == (checked.codes, checked.demographics)
