from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polling.bundle import SurveyBundle
from polling.declaration import Question, SurveyDeclaration
from polling.errors import SurveyRejected
from polling.faults import Fault, FaultLog
from polling.folder import load_survey_folder
from polling.frame_table import check_frame, check_frame_districts
from polling.tabular import Table


def faults_of(path: Path, **options: Any) -> list[Fault]:
    with pytest.raises(SurveyRejected) as caught:
        load_survey_folder(path, **options)
    assert all(fault.remedy for fault in caught.value.faults)
    return list(caught.value.faults)


def the_fault_of(path: Path, **options: Any) -> Fault:
    (fault,) = faults_of(path, **options)
    return fault


def test_a_right_folder_loads_in_canonical_form(folder):
    bundle = load_survey_folder(folder.path)

    assert bundle.declaration.geography.codes == ("01", "02")
    assert bundle.frame.schema == {"ward": pl.String, "age": pl.String, "sex": pl.String, "n_people": pl.Float64}
    assert bundle.frame["n_people"].sum() == 280.5
    assert bundle.frame.row(0) == ("01", "18-34", "F", 10.0)
    assert bundle.districts.schema == {
        "code": pl.String,
        "name": pl.String,
        "region": pl.String,
        "last_share": pl.Float64,
        "neighbours": pl.List(pl.String),
    }
    assert bundle.parents == ("region",)
    assert bundle.predictors == ("last_share",)


def test_the_declaration_may_be_named_itself_and_the_tables_lie_elsewhere(folder, tmp_path: Path):
    elsewhere = tmp_path / "data"
    elsewhere.mkdir()
    for name in ("frame.csv", "districts.csv"):
        (folder.path / name).rename(elsewhere / name)

    bundle = load_survey_folder(folder.path / "survey.toml", data_dir=elsewhere)

    assert bundle.declaration.id == "town"


def test_parquet_tables_make_the_same_bundle_as_csv(folder):
    from_csv = load_survey_folder(folder.path)
    frame = pl.read_csv(folder.path / "frame.csv", schema_overrides={"ward": pl.String})
    frame.with_columns(pl.col("ward", "age", "sex").cast(pl.Categorical)).write_parquet(folder.path / "frame.parquet")
    districts = pl.read_csv(folder.path / "districts.csv", schema_overrides={"code": pl.String})
    lists = pl.Series("neighbours", [["02"], ["01"]])
    districts.with_columns(lists).write_parquet(folder.path / "districts.parquet")
    folder.change("survey.toml", "districts.csv", "districts.parquet")
    folder.change("survey.toml", "frame.csv", "frame.parquet")

    bundle = load_survey_folder(folder.path)

    assert bundle.frame.equals(from_csv.frame)
    assert bundle.districts.equals(from_csv.districts)


def test_the_order_of_rows_and_columns_of_the_tables_does_not_matter(folder):
    before = load_survey_folder(folder.path)
    header, *lines = (folder.path / "frame.csv").read_text().splitlines()
    turned = [",".join(reversed(line.split(","))) for line in (header, *reversed(lines))]
    folder.write("frame.csv", "\n".join(turned) + "\n")

    assert load_survey_folder(folder.path).frame.equals(before.frame)


FRAME_FAULTS = [
    ("18-34,F,10", "18-34,F,-10", (2, "count", "-10", "the count is negative")),
    ("18-34,F,10", "18-34,F,", (2, "count", None, "the count is missing")),
    ("18-34,F,10", "18-34,F,ten", (2, "count", "ten", "the count is not a finite number")),
    ("18-34,F,10", "18-34,F,inf", (2, "count", "inf", "the count is not a finite number")),
    ("18-34,F,10", "18-34,,10", (2, "sex", None, "sex is blank")),
    ("18-34,F,10", "18-34,X,10", (2, "sex", "X", "not a declared level of sex (F, M), in 1 row")),
    ("01,18-34,M", "01,18-34,F", (3, None, "01 / 18-34 / F", "the same cell as in row 2")),
    ("ward,age,sex,count", "ward,age,gender,count", (1, "sex", None, "the column is missing")),
    ("ward,age,sex,count", "ward,age,sex,people", (1, "count", None, "the column is missing")),
    ("01,18-34,F,10", "03,18-34,F,10", (None, "ward", "03", "the district is not in the districts table")),
]


@pytest.mark.parametrize(("old", "new", "expected"), FRAME_FAULTS)
def test_a_fault_of_the_frame_has_row_column_value_and_reason(folder, old: str, new: str, expected: tuple):
    folder.change("frame.csv", old, new)

    found = [
        (fault.row, fault.column, fault.value, fault.reason)
        for fault in faults_of(folder.path)
        if fault.file == "frame.csv"
    ]

    assert expected in found


def test_a_level_that_is_wrong_everywhere_is_one_fault_and_the_one_it_replaced_another(folder):
    text = (folder.path / "frame.csv").read_text()
    folder.write("frame.csv", text.replace("35+", "35 plus"))

    missing, strange = faults_of(folder.path)

    assert strange.reason == "not a declared level of age (18-34, 35+), in 4 rows"
    assert (strange.row, strange.value) == (4, "35 plus")
    assert (missing.value, missing.reason) == ("35+", "the level is declared and missing from the frame")


def test_an_extra_column_of_the_frame_is_a_fault_unless_it_is_ignored(folder):
    text = (folder.path / "frame.csv").read_text()
    folder.write("frame.csv", "\n".join(f"{line},{n or 'n_rows'}" for n, line in enumerate(text.splitlines())) + "\n")

    assert the_fault_of(folder.path).reason == "the column is not declared"
    folder.change("survey.toml", 'file = "frame.csv"', 'file = "frame.csv"\nignore = ["n_rows"]')
    assert "n_rows" not in load_survey_folder(folder.path).frame.columns


def test_a_frame_in_which_nobody_lives_is_refused(folder):
    rows = [line.rpartition(",")[0] + ",0" for line in (folder.path / "frame.csv").read_text().splitlines()[1:]]
    folder.write("frame.csv", "\n".join(["ward,age,sex,count", *rows]))

    assert the_fault_of(folder.path).reason == "nobody lives in the frame: every count is 0"


@pytest.mark.parametrize("name", ["frame.csv", "districts.csv"])
def test_a_table_without_rows_is_refused(folder, name: str):
    folder.write(name, (folder.path / name).read_text().splitlines()[0] + "\n")

    fault = the_fault_of(folder.path)

    assert (fault.file, fault.reason) == (name, "the table has no rows")


DISTRICT_FAULTS = [
    ("02,South,Down,0.6", "02,South,Down,", (3, "last_share", "the predictor is missing for district '02'")),
    ("02,South,Down,0.6", "02,South,Down,nan", (3, "last_share", "the predictor is missing for district '02'")),
    ("02,South,Down,0.6", "02,South,Down,high", (3, "last_share", "not a number, in a column of numbers")),
    ("02,South,Down,0.6", "02,South,,0.6", (3, "region", "the district belongs to no region")),
    ("02,South,Down,0.6", "02,,Down,0.6", (3, "name", "the district has no name")),
    ("02,South,Down,0.6", ",South,Down,0.6", (3, "code", "the district has no code")),
    ("02,South,Down,0.6", "01,South,Down,0.6", (3, "code", "the district is in the table more than once")),
    ("02,South,Down,0.6", "03,South,Down,0.6", (None, "code", "the district has no cell in the frame")),
    ("code,name", "id,name", (1, "code", "the column is missing")),
    ("code,name", "code,title", (1, "name", "the column is missing")),
    ("region", "age", (None, "age", "the name is taken by the district, a demographic or a question")),
    ("region", "vote", (None, "vote", "the name is taken by the district, a demographic or a question")),
    ("region", "weight", (None, "weight", "the program uses this word itself")),
    ("region", "the region", (None, "the region", "this name cannot stand in a formula")),
    ("0.4,02", "0.4,05", (2, "neighbours", "the neighbour is not a district")),
    ("0.4,02", "0.4,01;02", (2, "neighbours", "a district is its own neighbour")),
    ("0.4,02", "0.4,", (3, "neighbours", "'01' does not have '02' as its neighbour")),
]


@pytest.mark.parametrize(("old", "new", "expected"), DISTRICT_FAULTS)
def test_a_fault_of_the_districts_has_row_column_and_reason(folder, old: str, new: str, expected: tuple):
    folder.change("districts.csv", old, new)

    found = [(f.row, f.column, f.reason) for f in faults_of(folder.path) if f.file == "districts.csv"]

    assert expected in found


def test_text_that_looks_like_numbers_is_a_parent_if_it_is_declared_one(folder):
    folder.change("districts.csv", "Up", "1")
    folder.change("districts.csv", "Down", "2")
    assert load_survey_folder(folder.path).parents == ()

    folder.change("survey.toml", 'districts = "districts.csv"', 'districts = "districts.csv"\nparents = ["region"]')
    bundle = load_survey_folder(folder.path)

    assert bundle.parents == ("region",)
    assert bundle.districts["region"].to_list() == ["1", "2"]


def test_with_declared_parents_every_other_text_must_be_ignored(folder):
    folder.change("survey.toml", 'districts = "districts.csv"', 'districts = "districts.csv"\nparents = []')
    assert the_fault_of(folder.path).reason == "the column is neither a declared parent nor numbers"

    folder.change("survey.toml", "parents = []", 'parents = []\nignore = ["region"]')
    assert load_survey_folder(folder.path).parents == ()


def test_a_column_to_be_ignored_must_exist_lest_a_slip_load_it(folder):
    folder.change("survey.toml", 'districts = "districts.csv"', 'districts = "districts.csv"\nignore = ["last_shar"]')

    fault = the_fault_of(folder.path)

    assert (fault.column, fault.reason) == ("last_shar", "the column to be ignored is missing")
    assert fault.remedy.startswith("Did you mean 'last_share'?")


def test_a_recode_to_a_district_that_does_not_exist_is_a_fault(folder):
    folder.change("survey.toml", '"North ward" = "01"', '"North ward" = "1"')

    fault = the_fault_of(folder.path)

    assert (fault.column, fault.value) == ("geography.recode.North ward", "1")


def test_what_the_formula_checker_says_is_reported_at_the_model(folder):
    seen: list[str] = []

    def check(question: Question, bundle: SurveyBundle) -> tuple[str, ...]:
        seen.append(question.id)
        assert bundle.predictors == ("last_share",)
        return ("'agee' names nothing. ", "'x' neither") if question.id == "vote" else ()

    first, second = faults_of(folder.path, check_formula=check)

    assert seen == ["vote", "trust"]
    assert (first.file, first.column, first.value) == ("survey.toml", "questions.vote.model", "(1|ward) + (1|age)")
    assert second.reason == "'x' neither"


def test_formulas_are_checked_with_a_map_although_the_map_is_at_fault(folder):
    maps: list[list[int]] = []

    def check(_: Question, bundle: SurveyBundle) -> tuple[str, ...]:
        maps.append(bundle.districts["neighbours"].list.len().to_list())
        return ()

    folder.change("districts.csv", "0.4,02", "0.4,05")
    faults = faults_of(folder.path, check_formula=check)

    assert {fault.column for fault in faults} == {"neighbours"}
    assert all(min(n) == 1 for n in maps)
    assert maps


def test_a_last_result_must_be_a_predictor_that_is_a_share(folder):
    folder.write("i.csv", "x\n1\n")
    text = (folder.path / "survey.toml").read_text()
    backtest = '\n[backtest]\ninterviews = "i.csv"\nquestion = "vote"\nlast_result = "{}"\n'
    folder.write("survey.toml", text + backtest.format("last_shar"))
    assert the_fault_of(folder.path).reason == "no predictor of the districts has this name"

    folder.write("survey.toml", text + backtest.format("last_share"))
    load_survey_folder(folder.path)
    folder.change("districts.csv", "0.4", "40")
    assert the_fault_of(folder.path).reason == "'last_share' is no share: it has values outside 0 and 1"


def test_missing_files_are_all_named_with_the_nearest_file(folder):
    folder.change("survey.toml", 'file = "frame.csv"', 'file = "fram.csv"')
    folder.change("survey.toml", "districts.csv", "nowhere.parquet")
    text = (folder.path / "survey.toml").read_text()
    folder.write("survey.toml", text + '\n[backtest]\ninterviews = "i.csv"\nquestion = "vote"\n')

    found = {fault.column: fault for fault in faults_of(folder.path)}

    assert set(found) == {"frame.file", "geography.districts", "backtest.interviews"}
    assert found["frame.file"].remedy.startswith("Did you mean 'frame.csv'?")


def test_tables_that_lie_elsewhere_are_asked_for_in_words_of_the_folder_that_was_looked_in(folder, tmp_path: Path):
    empty, nowhere = tmp_path / "empty", tmp_path / "nowhere"
    empty.mkdir()
    for data_dir, words in ((empty, f"{empty} has no files."), (nowhere, f"There is no folder {nowhere}.")):
        with pytest.raises(SurveyRejected) as error:
            load_survey_folder(folder.path, data_dir=data_dir)
        assert next(fault.remedy for fault in error.value.faults) == f"{words} Or say where the tables lie with --data."


@pytest.mark.parametrize("name", ["/etc/passwd", "../frame.csv"])
def test_a_file_outside_the_folder_is_refused(folder, name: str):
    folder.change("survey.toml", 'file = "frame.csv"', f'file = "{name}"')

    assert the_fault_of(folder.path).reason == "the file lies outside the folder"


def test_a_folder_without_a_declaration_is_refused(tmp_path: Path):
    assert the_fault_of(tmp_path).reason == "there is no such file"
    assert the_fault_of(tmp_path / "nowhere").reason == "there is no such file"


def test_faults_of_all_files_come_in_one_reply(folder):
    folder.change("survey.toml", 'title = "A town"', 'titel = "A town"')
    folder.change("frame.csv", "18-34,F,10", "18-34,F,-10")
    folder.change("districts.csv", "0.6", "")

    found = faults_of(folder.path)

    assert [fault.file for fault in found] == ["survey.toml", "survey.toml", "districts.csv", "frame.csv"]


def test_an_unreadable_toml_is_one_fault_with_its_line(folder):
    folder.change("survey.toml", "[columns]", "[columns")

    fault = the_fault_of(folder.path)

    assert fault.row == 6
    assert fault.reason.startswith("this is not TOML")


CELLS = st.lists(
    st.tuples(
        st.sampled_from(["01", "02"]),
        st.sampled_from(["18-34", "35+"]),
        st.sampled_from(["F", "M"]),
        st.integers(0, 1000),
    ),
    min_size=1,
    max_size=12,
)


@settings(deadline=None, max_examples=60)
@given(cells=CELLS)
def test_a_frame_is_accepted_exactly_if_cells_are_unique_and_every_level_and_district_lives(
    town: SurveyDeclaration, cells: list[tuple[str, str, str, int]]
):
    table = pl.DataFrame(cells, schema=["ward", "age", "sex", "count"], orient="row")
    districts = pl.DataFrame({"code": ["01", "02"]})
    log = FaultLog()
    frame = check_frame(Table(table, tuple(table.columns), typed=True), town, log)
    assert frame is not None
    check_frame_districts(frame, districts, town, log, log)

    unique = len({cell[:3] for cell in cells}) == len(cells)
    complete = all(len({cell[place] for cell in cells}) == 2 for place in range(3))
    inhabited = any(cell[3] > 0 for cell in cells)
    assert (not log) == (unique and complete and inhabited)
    assert frame["n_people"].sum() == sum(cell[3] for cell in cells)


def test_every_kind_of_fault_is_told_however_often_one_occurs(folder):
    header, *_ = (folder.path / "districts.csv").read_text().splitlines()
    many = [f"{n},Name,Up,0.4,North of {n - 1}" for n in range(10, 500)]
    folder.write("districts.csv", "\n".join([header, *many]) + "\n")
    folder.change("frame.csv", "18-34,F,10", "18-34,F,-10")

    with pytest.raises(SurveyRejected) as caught:
        load_survey_folder(folder.path)

    faults = caught.value.faults
    assert "the count is negative" in [fault.reason for fault in faults]
    assert sum(fault.count for fault in faults) == caught.value.n_faults > 900
    assert any(fault.column == "neighbours" and "semicolons" in fault.remedy for fault in faults)
