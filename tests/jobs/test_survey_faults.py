"""What is wrong with a question is told once, at its key, beside what is wrong with its formula."""

from pathlib import Path

import pytest

from jobs.labels import formula_labels
from jobs.survey import load_survey
from polling.errors import SurveyRejected
from polling.faults import Fault
from tests.api.world import write_survey

PAST = '[questions.x.columns.past]\nRail = "income"\nTown = "income"\n'
SOUTH = 'region = ["South"]'
FORMULA = "gender + (1|district)"


def declared(
    kind: str, more: str = "", *, options: str | None = '["Rail", "Town", "Isles"]', model: str = FORMULA
) -> str:
    of = f"options = {options}\n" if options else ""
    return f'[questions.x]\ntext = "X?"\nkind = "{kind}"\n{of}model = "{model}"\n{more}\n'


def faults_of(tmp_path: Path, text: str) -> list[Fault]:
    """What is wrong with a survey that has these questions besides its own."""
    toml = write_survey(tmp_path / "survey") / "survey.toml"
    toml.write_text(toml.read_text() + text)
    try:
        load_survey(toml.parent)
    except SurveyRejected as rejected:
        return list(rejected.faults)
    return []


@pytest.mark.parametrize(
    ("text", "key", "reason"),
    [
        (declared("ordinal", "scores = [1, 2]"), "scores", "there are 2 scores for 3 options"),
        (declared("ordinal", "scores = [2, 2, 2]"), "scores", "every option has the same score"),
        (declared("categorical", options='["Rail"]'), "options", "needs 2 options or more"),
        (declared("ordinal", options=None), "options", "no options are declared"),
        (declared("binary"), "options", "a binary question has 2 options, here are 3"),
        (declared("categorial"), "kind", "'kind' must be one of"),
        (declared("categorical", PAST, model="own(past)"), "columns.past", "Isles has no column"),
        (declared("categorical", '[questions.x.only_in.Isle]\nregion = ["South"]'), "only_in.Isle", "is not an option"),
        (
            declared("categorical", '[questions.x.only_in.Isles]\nregion = ["Sout"]'),
            "only_in.Isles.region",
            "there is no such region",
        ),
        (
            declared("categorical", f"[questions.x.only_in.Isles]\n{SOUTH}\n[questions.x.only_in.Town]\n{SOUTH}"),
            "only_in",
            "fewer than two options stand in D1, D2, D3",
        ),
        (declared("categorical", model="gendr + (1|district)"), "model", "gendr names nothing"),
        (declared("categorical", PAST + 'Isle = "income"', model="own(past)"), "columns.past.Isle", "is not an option"),
        (declared("categorical", 'recode = {a = "Rail"}', options=None), "options", "no options are declared"),
        (declared("numeric", 'recode = {a = "Rail"}', options=None), "options", "a numeric question has no options"),
        (declared("ordinal", 'base = ["answered", "dont_know"]'), "base", "only answers to a question of kind ordinal"),
        (declared("ordinal").replace(f'model = "{FORMULA}"', ""), "model", "'model' is missing"),
    ],
)  # fmt: skip
def test_one_fault_is_told_once_at_its_key(tmp_path: Path, text: str, key: str, reason: str):
    (fault,) = faults_of(tmp_path, text)

    assert fault.column == f"questions.x.{key}"
    assert reason in fault.reason
    assert fault.count == 1


def test_a_formula_is_looked_at_beside_faulty_options(tmp_path: Path):
    faults = faults_of(tmp_path, declared("ordinal", "scores = [1, 2]", model="gendr + (1|district)"))

    assert [fault.column for fault in faults] == ["questions.x.model", "questions.x.scores"]
    assert "gendr names nothing" in faults[0].reason


@pytest.mark.parametrize("scores", ["[1, 3, 2]", "[2, 1, 2]"])
def test_scores_that_go_up_and_down_are_refused(tmp_path: Path, scores: str):
    (fault,) = faults_of(tmp_path, declared("ordinal", f"scores = {scores}"))

    assert fault.reason.startswith("the options are in order, and their scores go up and down: 'Rail' ")
    assert "Let scores rise or fall along the options" in fault.remedy


@pytest.mark.parametrize("scores", ["[1, 2, 3]", "[3, 0, -3]", "[0, 0, 1]", "[1, 0, 0]"])
def test_scores_may_rise_or_fall_and_be_equal_in_part(tmp_path: Path, scores: str):
    assert faults_of(tmp_path, declared("ordinal", f"scores = {scores}")) == []


@pytest.mark.parametrize("kind", ["categorical", "ordinal", "numeric"])
def test_a_label_is_refused_alike_of_every_kind_that_is_not_fitted_jointly(tmp_path: Path, kind: str):
    options = None if kind == "numeric" else '["Rail", "Town", "Isles"]'
    (fault,) = faults_of(tmp_path, declared(kind, options=options, model="gender + (1|p|district)"))

    assert fault.reason == (
        f"the label p correlates binary questions, and x is {kind}; write the term without a label"
    )  # fmt: skip


def test_a_label_beside_columns_of_options_is_seen():
    assert formula_labels("offset(log(past)) + own(x) + (1|p|district)") == {"p"}


def test_what_goes_for_questions_together_is_told_of_the_first(tmp_path: Path):
    two = '["yes", "no"]'
    text = declared("binary", options=two, model="(1|p|district)")
    text += declared("binary", options=two, model="(1|p|region)").replace("questions.x", "questions.v")
    text += declared("binary", options=two, model="(1|p|district)").replace("questions.x", "questions.w")
    (fault,) = faults_of(tmp_path, text)

    assert fault.column == "questions.x.model"
    assert "the label p has different groupings" in fault.reason


def test_weights_and_dispersion_are_a_fault_of_the_key(tmp_path: Path):
    faults = faults_of(tmp_path, declared("categorical", 'dispersion = true\nweights = "likelihood"'))

    assert [fault.column for fault in faults] == ["questions.x.dispersion", "questions.x.weights"]
