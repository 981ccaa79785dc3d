"""Formulas and names are checked beside faulty tables, and nothing is made up about them."""

from pathlib import Path

import pytest

from jobs.survey import load_survey
from polling.errors import SurveyRejected
from polling.faults import Fault

BACKTEST = """
[backtest]
interviews = "frame.csv"
question = "vote"
last_result = "{}"
"""


def faults_of(path: Path) -> list[Fault]:
    with pytest.raises(SurveyRejected) as caught:
        load_survey(path)
    return list(caught.value.faults)


def spoil(folder) -> None:
    folder.change("survey.toml", '"(1|ward) + (1|age)"', '"1 + ("')
    folder.change("survey.toml", 'model = "(1|ward)"', 'model = "(1|ward) + (1|agee)"')
    folder.write("survey.toml", (folder.path / "survey.toml").read_text() + BACKTEST.format("nope"))


FORMULAS = {"questions.vote.model", "questions.trust.model"}


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [("frame.csv", "18-34,F,10", "18-34,F,-10"), ("districts.csv", "0.4", "some"), ("districts.csv", "North", "")],
)
def test_a_fault_of_a_table_hides_none_of_the_formulas(folder, file: str, old: str, new: str):
    spoil(folder)
    folder.change(file, old, new)

    faults = faults_of(folder.path)

    assert {fault.column for fault in faults if fault.file == "survey.toml"} == FORMULAS | {"backtest.last_result"}
    assert file in {fault.file for fault in faults}


@pytest.mark.parametrize("missing", ["frame.csv", "districts.csv"])
def test_a_table_that_is_not_there_hides_no_formula_that_cannot_be_read(folder, missing: str):
    spoil(folder)
    folder.change("survey.toml", 'interviews = "frame.csv"', 'interviews = "survey.toml"')
    (folder.path / missing).unlink()

    columns = {fault.column for fault in faults_of(folder.path)}

    assert "questions.vote.model" in columns
    assert ("questions.trust.model" in columns) == (missing == "frame.csv")  # agee might be a column of the districts


@pytest.mark.parametrize("model", ["last_share + (1|ward)", "region + (1|age:sex)", "(1|region) + age", "1"])
@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("frame.csv", "18-34,F,10", "18-34,F,-10"),
        ("frame.csv", "35+", "36+"),
        ("districts.csv", "02,South", ",South"),
        ("districts.csv", "0.4,02", "0.4,09"),
        ("districts.csv", "0.6", "?"),
        ("districts.csv", "code,name", "code,label"),
    ],
)
def test_a_right_formula_is_not_blamed_for_a_faulty_table(folder, model: str, file: str, old: str, new: str):
    folder.change("survey.toml", '"(1|ward) + (1|age)"', f'"{model}"')
    folder.write("survey.toml", (folder.path / "survey.toml").read_text() + BACKTEST.format("1 - last_share"))
    text = (folder.path / file).read_text()
    folder.write(file, text.replace(old, new))

    assert {fault.file for fault in faults_of(folder.path)} <= {"frame.csv", "districts.csv"}


def test_a_name_that_is_taken_is_a_fault_and_no_formula_is_judged_beside_a_faulty_table(folder):
    text = (folder.path / "survey.toml").read_text()
    folder.write("survey.toml", text.replace("demographics.age", "demographics.ward"))
    folder.change("frame.csv", "18-34,F,10", "18-34,F,-10")

    faults = faults_of(folder.path)

    assert "'ward' is the district already" in [fault.reason for fault in faults]
    assert not {fault.column for fault in faults} & FORMULAS
