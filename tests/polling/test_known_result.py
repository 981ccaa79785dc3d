"""What happened, read from a table: what is understood, and every fault by its row."""

from dataclasses import replace

import polars as pl
import pytest

from polling.declaration import Demographic, Geography, Question, SurveyDeclaration
from polling.errors import ResultRejected
from polling.known_result import read_known_result

QUESTION = Question(
    id="vote",
    column="vote",
    text="?",
    kind="binary",
    options=("yes", "no"),
    model="(1|place)",
    recode={"Yea": "yes", "Nay": "no", "Spoilt": "no"},
)
DECLARATION = SurveyDeclaration(
    id="demo",
    title="Demo",
    universe="Adults",
    geography=Geography(district="place", column="place", districts_file="d", recode={"Aton": "A"}),
    demographics=(
        Demographic(name="age", column="age", levels=("young", "old"), recode={"18-39": "young"}),
        Demographic(name="sex", column="sex", levels=("f", "m")),
    ),
    questions=(QUESTION,),
    frame_file="f",
)
DISTRICTS = pl.DataFrame(
    {"code": ["A", "B", "North"], "name": ["Aton", "Bton", "Nton"], "region": ["North", "North", "South"]}
)


def read(*lines: str, header: str = "geography,option,share", **changes: object) -> pl.DataFrame:
    content = "\n".join((header, *lines)).encode()
    return read_known_result(content, DECLARATION, replace(QUESTION, **changes), DISTRICTS, file="truth.csv")


def faults(*lines: str, header: str = "geography,option,share") -> list[tuple[int | None, str | None, str]]:
    with pytest.raises(ResultRejected) as refused:
        read(*lines, header=header)
    return [(one.row, one.column, one.reason) for one in refused.value.faults]


def test_districts_larger_areas_and_the_nation_are_told_apart():
    found = read("B,yes,0.4", "all,yes,0.5", "South,yes,0.6", "A,yes,0.7")

    assert found.select("level", "area", "option", "share").rows() == [
        ("nation", "all", "yes", 0.5),
        ("place", "A", "yes", 0.7),
        ("place", "B", "yes", 0.4),
        ("region", "South", "yes", 0.6),
    ]
    assert found["se"].to_list() == [None] * 4


def test_labels_of_pollsters_are_understood_and_those_of_one_option_added_up():
    found = read("Aton,Yea,0.5", "Aton,Nay,0.4", "Aton,Spoilt,0.1")

    assert found.select("area", "option").rows() == [("A", "no"), ("A", "yes")]
    assert found["share"].to_list() == pytest.approx([0.5, 0.5])


def test_standard_errors_are_kept_and_of_labels_that_are_added_up_too():
    found = read("A,Yea,0.5,0.02", "A,Nay,0.4,0.03", "A,Spoilt,0.1,0.04", header="geography,option,share,se")
    assert found["se"].to_list() == pytest.approx([0.05, 0.02])

    part = read("A,Yea,0.5,", "B,Yea,0.4,0.03", header="geography,option,share,se")
    assert part["se"].to_list() == [None, 0.03]


def test_groups_are_columns_and_blank_is_everybody():
    found = read("all,yes,0.5,,", "all,yes,0.4,18-39,", "all,yes,0.3,old,m", header="geography,option,share,age,sex")
    assert found.select("age", "sex", "share").rows() == [(None, None, 0.5), ("old", "m", 0.3), ("young", None, 0.4)]


def test_a_name_of_two_areas_needs_its_level():
    assert faults("North,yes,0.5") == [(2, "geography", "the name is of a place and of a region")]
    found = read("North,yes,0.5,region", "North,yes,0.4,place", header="geography,option,share,level")
    assert found.select("level", "share").rows() == [("place", 0.4), ("region", 0.5)]


def test_other_columns_are_not_read_and_parquet_keeps_its_types(tmp_path):
    table = pl.DataFrame({"geography": ["A"], "option": ["yes"], "share": [0.5], "votes": [17]})
    table.write_parquet(tmp_path / "truth.parquet")
    content = (tmp_path / "truth.parquet").read_bytes()
    assert read_known_result(content, DECLARATION, QUESTION, DISTRICTS, file=None)["share"].to_list() == [0.5]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["C,yes,0.5"], (2, "geography", "not a geography of the survey")),
        ([",yes,0.5"], (2, "geography", "the geography is blank")),
        (["A,maybe,0.5"], (2, "option", "not an option of the question")),
        (["A,yes,52.3"], (2, "share", "the share is above 1: is it in percent?")),
        (["A,yes,5230"], (2, "share", "the share is above 1")),
        (["A,yes,-0.1"], (2, "share", "the share is below 0")),
        (["A,yes,half"], (2, "share", "the share is not a number")),
        (["A,yes,nan"], (2, "share", "the share is not a number")),
        (["A,yes,"], (2, "share", "the share is missing")),
        (["A,yes,0.5", "A,no,0.4"], (2, "share", "the shares of all options add up to 0.9")),
        (["A,no,0.4"], (2, None, "the share of 'yes' is not given")),
        (["A,yes,0.5", "A,yes,0.5"], (3, None, "the same geography, group and option as in row 2")),
        (["A,yes,0.5", "Aton,yes,0.5"], (3, None, "the same geography, group and option as in row 2")),
    ],
)
def test_every_fault_has_its_row_and_reason(lines: list[str], expected: tuple[int, str | None, str]):
    assert faults(*lines) == [expected]


def test_faults_of_groups_levels_and_errors():
    header = "geography,level,option,share,se,age"
    assert faults("A,place,yes,0.5,5,young", "A,plaec,yes,0.5,,old", "all,nation,yes,0.5,,yung", header=header) == [
        (2, "se", "the standard error is above 0.5: is it in percent?"),
        (3, "level", "there is no such level"),
        (4, "age", "not a level of age"),
    ]


def test_all_faults_are_told_at_once_with_the_nearest_that_would_do():
    with pytest.raises(ResultRejected) as refused:
        read("A,yess,52", "Bton,no,0.4", "Noth,yes,0.1")
    assert refused.value.n_faults == 4
    said = "\n".join(map(str, refused.value.faults))
    assert "Did you mean 'yes'?" in said
    assert "Did you mean 'North'?" in said


def test_rounded_shares_may_miss_one_a_little():
    assert read("A,yes,0.523", "A,no,0.478").height == 2


def test_a_table_that_is_none():
    assert faults("1,2", header="a,b") == [
        (1, "geography", "the column is missing"),
        (1, "option", "the column is missing"),
        (1, "share", "the column is missing"),
    ]
    assert faults()[0][2] == "the table has no rows"
