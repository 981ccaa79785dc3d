import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from mrp.design import Design, build_design
from mrp.electorate import Electorate
from mrp.errors import DrawsError, FormulaError, FrameError
from tests.mrp.worlds import FORMULA, electorate

WORLD = electorate()
DESIGN = build_design(FORMULA, WORLD)


def test_two_levels_are_coded_minus_and_plus_one_half():
    design = build_design("sex", WORLD)
    rows = design.rows(pl.DataFrame({"sex": ["female", "male", "female"]}))

    assert design.coefficient_names == ("sex[male]",)
    assert_allclose(rows.x, [[-0.5], [0.5], [-0.5]])


def test_more_levels_are_coded_by_contrasts_that_sum_to_zero():
    design = build_design("age", WORLD)
    rows = design.rows(pl.DataFrame({"age": list(WORLD.levels("age"))}))

    assert design.coefficient_names == ("age[18-29]", "age[30-44]", "age[45-64]")
    assert_allclose(rows.x, [[1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, -1, -1]])
    assert_allclose(rows.x.sum(axis=0), 0)


def test_a_parent_is_read_from_the_district():
    design = build_design("region + (1|region)", WORLD)
    rows = design.rows(pl.DataFrame({"district": ["D00", "D01", "D02", "D03"]}))

    assert design.cell_columns == ("district",)
    assert_allclose(rows.x, [[1, 0], [0, 1], [-1, -1], [1, 0]])
    assert_array_equal(rows.index[:, 0], [3, 4, 5, 3])


def test_a_numeric_predictor_is_centred_and_scaled_over_people():
    # 300 people at 1 and 100 at 5: mean 2, variance (300 * 1 + 100 * 9) / 400 = 3.
    frame = pl.DataFrame({"district": ["A", "B"], "n_people": [300.0, 100.0]})
    districts = pl.DataFrame({"code": ["B", "A"], "name": ["B", "A"], "income": [5.0, 1.0]})
    design = build_design("income", Electorate(frame, districts, "district", {}))

    assert design.predictors[0].centre == pytest.approx(2)
    assert design.predictors[0].scale == pytest.approx(np.sqrt(3))
    assert_allclose(design.rows(frame).x[:, 0], [-1 / np.sqrt(3), 3 / np.sqrt(3)])


def test_a_predictor_that_is_constant_where_people_live_is_refused():
    frame = pl.DataFrame({"district": ["A", "B"], "n_people": [300.0, 0.0]})
    districts = pl.DataFrame({"code": ["B", "A"], "name": ["B", "A"], "income": [5.0, 1.0]})

    with pytest.raises(FormulaError, match="the same in every district where people live"):
        build_design("income", Electorate(frame, districts, "district", {}))


def test_latents_are_intercept_coefficients_then_effects_of_all_combinations():
    names = DESIGN.latent_names

    assert names[:3] == ("intercept", "lean", "sex[male]")
    assert names[3:5] == ("(1|district)[D00]", "(1|district)[D01]")
    assert names[-8:-4] == tuple(f"(1|sex:age)[female:{age}]" for age in WORLD.levels("age"))
    assert len(names) == DESIGN.n_latents == 1 + 2 + 12 + 4 + 8
    assert DESIGN.blocks[-1] == ("(1|sex:age)", slice(19, 27))


@settings(deadline=None)
@given(st.lists(st.integers(0, WORLD.frame.height - 1), max_size=20))
def test_rows_are_those_of_a_loop_in_any_order(picked):
    table = WORLD.frame[picked]
    rows = DESIGN.rows(table)

    position = {name: i for i, name in enumerate(DESIGN.latent_names)}
    lean = dict(WORLD.districts.select("code", "lean").iter_rows())
    coding = DESIGN.predictors[0]
    for row, cell in enumerate(table.iter_rows(named=True)):
        expected = (lean[cell["district"]] - coding.centre) / coding.scale
        assert rows.x[row, 0] == pytest.approx(expected)
        assert rows.x[row, 1] == (0.5 if cell["sex"] == "male" else -0.5)
        labels = (cell["district"], cell["age"], f"{cell['sex']}:{cell['age']}")
        for k, (effect, label) in enumerate(zip(DESIGN.effects, labels, strict=True)):
            assert rows.index[row, k] == position[f"{effect.term}[{label}]"]


def test_a_model_of_one_constant_reads_no_column():
    design = build_design("1", WORLD)
    rows = design.rows(pl.DataFrame({"anything": [1, 2, 3]}))

    assert design.cell_columns == ()
    assert rows.x.shape == (3, 0)
    assert rows.index.shape == (3, 0)


def test_a_design_survives_json():
    again = Design.from_json(json.loads(json.dumps(DESIGN.to_json())))

    assert again.latent_names == DESIGN.latent_names
    assert again.blocks == DESIGN.blocks
    assert_array_equal(again.rows(WORLD.frame).index, DESIGN.rows(WORLD.frame).index)
    assert_allclose(again.rows(WORLD.frame).x, DESIGN.rows(WORLD.frame).x, rtol=0)


def test_a_design_of_another_format_is_refused():
    with pytest.raises(DrawsError, match="format version 99"):
        Design.from_json({**DESIGN.to_json(), "format_version": 99})


def test_an_unknown_level_or_a_missing_column_is_an_error():
    strange = WORLD.frame[:2].with_columns(age=pl.Series(["18-29", "100+"]))

    with pytest.raises(FrameError, match=r"1 rows have age '100\+'"):
        DESIGN.rows(strange)
    with pytest.raises(FrameError, match="no column 'age'"):
        DESIGN.rows(WORLD.frame.drop("age"))
    assert_array_equal(DESIGN.covers(strange), [True, False])


def test_a_faulty_formula_is_an_error_with_all_problems():
    with pytest.raises(FormulaError) as error:
        build_design("income + (1|lean)", WORLD)
    assert len(error.value.problems) == 2
