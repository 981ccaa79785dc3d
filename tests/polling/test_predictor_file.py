"""An upload of predictors: all districts and nothing of persons, or every fault."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polling.declaration import SurveyDeclaration
from polling.errors import PredictorsRejected
from polling.predictor_file import read_predictors
from polling.survey_toml import parse_declaration

DISTRICTS = pl.DataFrame(
    {
        "code": ["D1", "D2", "D3"],
        "name": ["One", "Two", "Three"],
        "region": ["N", "N", "S"],
        "turnout": [0.5, 0.6, 0.7],
        "money": [1.0, 2.0, 3.0],
    }
)
TOML = b"""
[survey]
id = "town"
title = "Town"
universe = "Adults"
[columns]
respondent = "caseid"
[geography]
district = "ward"
districts = "districts.csv"
[geography.recode]
"Ward one" = "D1"
[demographics.age]
levels = ["young", "old"]
[frame]
file = "frame.csv"
[questions.rail]
text = "Rail?"
kind = "binary"
options = ["yes", "no"]
model = "turnout + (1|ward)"
"""


@pytest.fixture(scope="module")
def declaration() -> SurveyDeclaration:
    declared, log = parse_declaration(TOML, file="survey.toml")
    assert declared is not None, log.reported()
    return declared


def refused(content: str | bytes, declaration: SurveyDeclaration) -> list[str]:
    sent = content.encode() if isinstance(content, str) else content
    with pytest.raises(PredictorsRejected) as error:
        read_predictors(sent, declaration, DISTRICTS, file="new.csv")
    return [str(fault) for fault in error.value.faults]


def test_numbers_come_by_district_whatever_the_order_and_the_names(declaration: SurveyDeclaration):
    content = b"ward,name,money,region\nD3,Three,30,S\nWard one,One,10,N\nD2,Two,2e1,N\n"
    read = read_predictors(content, declaration, DISTRICTS, file=None)
    assert read.to_dict(as_series=False) == {"code": ["D1", "D2", "D3"], "money": [10.0, 20.0, 30.0]}


def test_a_decimal_comma_and_parquet_are_read_too(declaration: SurveyDeclaration, tmp_path: Path):
    by_comma = read_predictors(b"code;turnout\nD1;0,4\nD2;0,5\nD3;0,6\n", declaration, DISTRICTS, file=None)
    table = pl.DataFrame({"code": ["D1", "D2", "D3"], "turnout": [0.4, 0.5, 0.6]})
    table.write_parquet(tmp_path / "new.parquet")
    typed = read_predictors((tmp_path / "new.parquet").read_bytes(), declaration, DISTRICTS, file=None)
    assert by_comma.equals(typed)
    assert typed.equals(table)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("code,turnout\nD1,1\nD1,0\nD2,1\nD3,0\nD3,1\nD3,1\n", "2 districts have several rows, D3 has 3"),
        ("code,caseid,turnout\nD1,7,1\nD2,8,0\nD3,9,1\n", "a column 'caseid'"),
        ("code,donor_id,turnout\nD1,7,1\nD2,8,0\nD3,9,1\n", "a column 'donor_id'"),
        ("code,turnout,mail\nD1,1,a@b.org\nD2,2,c@d.org\nD3,3,e@f.org\n", "e-mail addresses"),
        ("code,turnout,surname\nD1,1,Miller\nD2,2,Smith\nD3,3,Jones\n", "names of persons"),
        # Under the name of a predictor too.
        ("code,turnout\nD1,a@b.org\nD2,c@d.org\nD3,e@f.org\n", "e-mail addresses"),
        # Nothing else is told, and no value is quoted.
        ("code,turnout,caseid\nD9,x,11111\nD9,y,22222\n", "a column 'caseid'"),
    ],
)
def test_what_is_of_persons_is_refused_in_one_clear_error(content: str, said: str, declaration: SurveyDeclaration):
    [fault] = refused(content, declaration)
    assert "the table looks individual-level" in fault
    assert said in fault
    assert "one row per district" in fault
    assert not any(value in fault for value in ("@", "Miller", "11111"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("code,turnout\nD1,0.4\nD2,0.5\n", "1 of the 3 districts is missing (found 'D3')"),
        ("code,turnout\nD1,0.4\nD2,0.5\nD3,0.6\nD4,1\n", "row 5, column 'code': the survey has no such district"),
        ("code,turnout\nD1,0.4\nD2,\nD3,0.6\n", "row 3, column 'turnout': the predictor is missing for district 'D2'"),
        ("code,turnout\nD1,0.4\nD2,many\nD3,0.6\n", "the predictor is no number for district 'D2' (found 'many')"),
        ("code,turnout\nD1,0.4\nD2,inf\nD3,0.6\n", "the predictor is no number for district 'D2' (found 'inf')"),
        ("code,turnuot\nD1,0.4\nD2,0.5\nD3,0.6\n", "no predictor of this name. Did you mean 'turnout'?"),
        ("code,name\nD1,One\nD2,Two\nD3,Three\n", "there is no column of a predictor"),
        ("place,turnout\nD1,1\nD2,2\nD3,3\n", "Call the column with their codes 'code', or 'ward'"),
    ],
)
def test_faults_say_where_and_what_to_do(content: str, said: str, declaration: SurveyDeclaration):
    assert any(said in fault for fault in refused(content, declaration)), refused(content, declaration)


def test_all_faults_come_at_once(declaration: SurveyDeclaration):
    assert len(refused("code,turnout,moneys\nD1,x,1\nD4,2,2\nD3,,3\n", declaration)) == 5


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(-1e9, 1e9), min_size=3, max_size=3), st.permutations([0, 1, 2]))
def test_any_numbers_come_back_as_they_are_in_any_order(values: list[float], order: list[int]):
    declared, _ = parse_declaration(TOML, file="survey.toml")
    assert declared is not None
    rows = [f"D{place + 1},{values[place]!r}" for place in order]
    read = read_predictors("\n".join(["code,money", *rows]).encode(), declared, DISTRICTS, file=None)
    assert read["money"].to_list() == values
