"""Keys of questions that not every kind of question has."""

from collections.abc import Callable

import pytest

from polling.declaration import SurveyDeclaration, declaration_from_json, declaration_to_json
from polling.errors import SurveyRejected
from polling.faults import Fault
from polling.folder import load_survey_folder
from polling.survey_toml import parse_declaration
from tests.polling.conftest import SURVEY_TOML, Folder

PARTIES = """
[questions.party]
text = "Which party?"
kind = "categorical"
options = ["Lab", "Con", "SNP"]
sd = "by option"
dispersion = true
model = "own(log(past)) + (1|ward)"

[questions.party.columns.past]
Lab = "last_share"
Con = "last_share"
SNP = "last_share"

[questions.party.only_in.SNP]
region = ["Up"]
ward = ["01"]
"""
SCALE = """
[questions.scale]
text = "How much?"
kind = "ordinal"
options = ["little", "some", "much"]
scores = [0, 5, 10.5]
model = "(1|ward)"
"""
WARMTH = """
[questions.warmth]
text = "How warm?"
kind = "numeric"
unit = "degrees"
range = [0, 100]
model = "(1|ward)"
"""
ALL = SURVEY_TOML + PARTIES + SCALE + WARMTH


def faults_of(old: str, new: str) -> list[Fault]:
    assert old in ALL
    return list(parse_declaration(ALL.replace(old, new, 1).encode())[1].reported())


def test_the_keys_of_every_kind_are_read_and_stored():
    survey, faults = parse_declaration(ALL.encode())

    assert survey is not None
    assert not faults
    party, scale, warmth = survey.question("party"), survey.question("scale"), survey.question("warmth")
    assert party.own_columns == {"past": {"Lab": "last_share", "Con": "last_share", "SNP": "last_share"}}
    assert party.only_in == {"SNP": {"region": ("Up",), "ward": ("01",)}}
    assert (party.sd, party.dispersion) == ("by option", True)
    assert scale.scores == (0, 5, 10.5)
    assert (warmth.unit, warmth.range) == ("degrees", (0, 100))
    assert declaration_from_json(declaration_to_json(survey)) == survey


def test_what_is_not_declared_is_as_it_was(town: SurveyDeclaration):
    vote = town.question("vote")

    assert (vote.own_columns, vote.only_in, vote.sd, vote.dispersion) == ({}, {}, "shared", False)
    assert (vote.scores, vote.unit, vote.range) == ((), None, None)


@pytest.mark.parametrize(
    ("old", "new", "column", "reason"),
    [
        (
            'SNP = "last_share"',
            'SPN = "last_share"',
            "questions.party.columns.past.SPN",
            "'SPN' is not an option",
        ),
        ('SNP = "last_share"\n', "", "questions.party.columns.past", "SNP has no column"),
        ('SNP = "last_share"', "SNP = 3", "questions.party.columns.past.SNP", "'SNP' must be text in quotes"),
        ("[questions.party.columns.past]", "[questions.party.columns]", "questions.party.columns.Lab", "'Lab' must be"),
        (
            "columns.past",
            'columns."the past"',
            "questions.party.columns.the past",
            "this name cannot stand in a formula",
        ),
        ("columns.past", "columns.period", "questions.party.columns.period", "this name cannot stand in a formula"),
        ("only_in.SNP", "only_in.SPN", "questions.party.only_in.SPN", "'SPN' is not an option"),
        ('region = ["Up"]\nward = ["01"]', "", "questions.party.only_in.SNP", "nothing says where 'SNP' stands"),
        ('["01"]', "[]", "questions.party.only_in.SNP.ward", "'SNP' stands nowhere"),
        ('["01"]', "[1]", "questions.party.only_in.SNP.ward", "'ward' holds something that is not text"),
        ('"by option"', '"per option"', "questions.party.sd", "'sd' must be one of shared, by option"),
        ("dispersion = true", 'dispersion = "yes"', "questions.party.dispersion", "'dispersion' must be true or false"),
        (
            "sd =",
            'dont_know = ["?"]\nbase = ["answered", "dont_know"]\nsd =',
            "questions.party.base",
            "shares of several options add up to 1",
        ),
        ("[0, 5, 10.5]", "[0, 5]", "questions.scale.scores", "there are 2 scores for 3 options"),
        ("[0, 5, 10.5]", "[5, 5, 5]", "questions.scale.scores", "every option has the same score"),
        ("[0, 5, 10.5]", '[0, 5, "10"]', "questions.scale.scores", "'scores' holds something that is no number"),
        ("[0, 5, 10.5]", "[0, 5, nan]", "questions.scale.scores", "'scores' holds something that is no number"),
        ("[0, 5, 10.5]", "3", "questions.scale.scores", "'scores' must be a list of numbers"),
        ("[0, 100]", "[100, 0]", "questions.warmth.range", "'range' must be the least and the greatest answer"),
        ("[0, 100]", "[0]", "questions.warmth.range", "'range' must be the least and the greatest answer"),
        ("[0, 100]", "[5, 5]", "questions.warmth.range", "'range' must be the least and the greatest answer"),
        ("[0, 100]", "[0, true]", "questions.warmth.range", "'range' holds something that is no number"),
        ('unit = "degrees"', 'sd = "shared"', "questions.warmth.sd", "'sd' is a key of categorical questions, this "),
        ('unit = "degrees"', "scores = [1]", "questions.warmth.scores", "'scores' is a key of ordinal questions, "),
        ("scores = [0", "range = [0, 1]\nscores = [0", "questions.scale.range", "'range' is a key of numeric "),
        ("scores = [0", 'unit = "cm"\nscores = [0', "questions.scale.unit", "'unit' is a key of numeric questions"),
        ("scores = [0", "dispersion = true\nscores = [0", "questions.scale.dispersion", "'dispersion' is a key of "),
        ("[questions.scale]", "[questions.scale.only_in.much]\nward = ['01']\n[questions.scale]", None, ""),
    ],
)
def test_a_fault_of_a_kind_s_keys_names_its_key(old: str, new: str, column: str | None, reason: str):
    if column is None:  # a table that stands before its parent
        column, reason = "questions.scale.only_in", "'only_in' is a key of categorical questions, this one is ordinal"
    found = faults_of(old, new)

    assert (column, True) in [(fault.column, fault.reason.startswith(reason)) for fault in found]
    assert all(fault.remedy for fault in found)


def test_a_misspelt_option_is_told_its_neighbour():
    remedies = {fault.column: fault.remedy for fault in faults_of('SNP = "last_share"', 'SPN = "last_share"')}

    assert remedies["questions.party.columns.past.SPN"] == "Did you mean 'SNP'?"


@pytest.mark.parametrize(
    ("old", "new", "column", "remedy"),
    [
        ('"last_share"', '"last_shares"', "questions.party.columns.past.Lab", "Did you mean 'last_share'?"),
        ('region = ["Up"]', 'regoin = ["Up"]', "questions.party.only_in.SNP.regoin", "Did you mean 'region'?"),
        ('["Up"]', '["UpUp"]', "questions.party.only_in.SNP.region", "Did you mean 'Up'?"),
        ('ward = ["01"]', 'ward = ["03"]', "questions.party.only_in.SNP.ward", "Known here: 01, 02."),
    ],
)
def test_columns_and_areas_of_options_are_looked_for_in_the_districts(
    folder: Folder, old: str, new: str, column: str, remedy: str
):
    asked = list[str]()
    folder.write("survey.toml", ALL)
    load_survey_folder(folder.path, check_formula=lambda question, _: asked.append(question.id) or ())
    assert asked == ["vote", "trust", "party", "scale", "warmth"]

    folder.write("survey.toml", SURVEY_TOML + PARTIES.replace(old, new, 1))
    asked.clear()
    with pytest.raises(SurveyRejected) as refused:
        load_survey_folder(folder.path, check_formula=lambda question, _: asked.append(question.id) or ())

    (fault,) = refused.value.faults
    assert fault.column == column
    assert remedy in fault.remedy
    # Without columns a formula would be refused for them once more; where options stand it can be looked at.
    assert asked == ["vote", "trust", *([] if ".columns." in column else ["party"])]


def test_a_number_out_of_range_is_a_fault(declare: Callable[..., SurveyDeclaration]):
    import polars as pl

    from polling.codebook import convert

    survey, _ = parse_declaration((SURVEY_TOML + WARMTH).encode())
    assert survey is not None
    received = pl.DataFrame(
        {
            "id": ["1", "2", "3", "4"],
            "day": ["2024-05-01"] * 4,
            "w": ["1"] * 4,
            "ward": ["01"] * 4,
            "age": ["35+"] * 4,
            "sex": ["F"] * 4,
            "warmth": ["0", "100.0", "100.5", "-1"],
        }
    )
    read = convert(received, survey, pollster="Other")

    assert read.interviews["warmth"].to_list() == [0.0, 100.0, None, None]
    assert [(fault.row, fault.reason) for fault in read.faults] == [
        (4, "outside the range of warmth, 0 to 100 degrees"),
        (5, "outside the range of warmth, 0 to 100 degrees"),
    ]
    assert str(read.faults[0]) == (
        "row 4, column 'warmth': outside the range of warmth, 0 to 100 degrees (found '100.5'). Correct the number, or "
        "the range in [questions.warmth]; declare there what stands for no answer: dont_know, refused or not_asked."
    )
