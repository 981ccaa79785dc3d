import datetime as dt
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polling import declaration as declaration_module
from polling.declaration import (
    LastResult,
    SurveyDeclaration,
    declaration_from_json,
    declaration_to_json,
)
from polling.errors import QuestionNotFound
from polling.faults import Fault
from polling.question_toml import parse_question
from polling.survey_toml import parse_declaration

BACKTEST = """
[backtest]
interviews = "i.parquet"
question = "vote"
last_result = "1 - last_share"
fieldwork_start = 2024-05-01
fieldwork_end = 2024-05-03

[backtest.keep]
turnout = "Voted"
vote = ["Lab", "Con"]
"""


@pytest.fixture
def faults(declare: Callable[..., SurveyDeclaration]) -> Callable[..., list[Fault]]:
    """Faults of the town's declaration after replacing one text by another."""
    text = (Path(__file__).parent / "conftest.py").read_text().split('SURVEY_TOML = """\\\n')[1].split('"""')[0]

    def check(old: str, new: str) -> list[Fault]:
        assert old in text
        return list(parse_declaration(text.replace(old, new, 1).encode())[1].reported())

    return check


def test_the_town_is_read(town: SurveyDeclaration):
    assert (town.id, town.title, town.universe) == ("town", "A town", "Adults of the town")
    assert town.levels == {"age": ("18-34", "35+"), "sex": ("F", "M")}
    assert town.ordered == {"age"}
    assert town.cell_columns == ("ward", "age", "sex")
    assert town.frame_count == "count"
    assert (town.time.period, town.time.window_days) == ("week", None)
    assert town.question("vote").options == ("Lab", "Con")
    assert town.question("trust").column == "trust"
    assert town.backtest is None


def test_a_survey_is_public_only_if_it_says_so(
    declare: Callable[..., SurveyDeclaration], faults: Callable[..., list[Fault]]
):
    line = 'universe = "Adults of the town"'
    assert not declare().public
    assert declare((line, f"{line}\npublic = true")).public
    (fault,) = faults(line, f'{line}\npublic = "yes"')
    assert "true or false" in fault.reason


def test_an_unknown_question_is_refused_with_those_that_are_asked(town: SurveyDeclaration):
    with pytest.raises(QuestionNotFound, match=r"has no question 'x'\. It asks vote, trust\."):
        town.question("x")


def test_a_pollster_has_its_own_columns_and_the_others_the_survey_s(town: SurveyDeclaration):
    own = town.columns_of("Acme")

    assert own["respondent"] == "ResponseID"
    assert own["vote"] == "Q1"
    assert own["sex"] == "sex"
    assert "weight" not in own
    assert town.columns_of("Other")["weight"] == "w"


def test_a_backtest_is_read(declare: Callable[..., SurveyDeclaration]):
    survey = declare(("[questions.trust]", f"{BACKTEST}\n[questions.trust]"))

    assert survey.backtest is not None
    assert survey.backtest.last_result == LastResult("last_share", complement=True)
    assert survey.backtest.keep == {"turnout": ("Voted",), "vote": ("Lab", "Con")}
    assert survey.backtest.fieldwork_end == dt.date(2024, 5, 3)


def test_the_stored_form_reads_back_and_does_not_depend_on_the_order_of_recodes(
    declare: Callable[..., SurveyDeclaration],
):
    one = declare(('recode = { "Labour" = "Lab" }', 'recode = { a = "Lab", b = "Con" }'))
    other = declare(('recode = { "Labour" = "Lab" }', 'recode = { b = "Con", a = "Lab" }'))

    assert declaration_from_json(declaration_to_json(one)) == one
    assert declaration_to_json(one) == declaration_to_json(other)


@pytest.mark.parametrize(
    ("old", "new", "column", "reason"),
    [
        ('id = "town"', 'id = "The Town"', "survey.id", "this cannot be an id"),
        ('id = "town"', "", "survey.id", "'id' is missing"),
        ('title = "A town"', 'title = " "', "survey.title", "'title' is empty"),
        ('title = "A town"', "title = 3", "survey.title", "'title' must be text in quotes"),
        ('title = "A town"', 'titel = "A town"', "survey.titel", "'titel' is not a key of this section"),
        ("[questions.vote]", "[question.vote]", "question", "'question' is not a key of this section"),
        ("[questions.vote]", "[questions.Vote]", "questions.Vote", "this cannot be an id"),
        ("[questions.trust]", "[questions.age]", "questions.age", "'age' names something else already"),
        ("[questions.trust]", "[questions.weight]", "questions.weight", "'weight' names something else already"),
        ('kind = "binary"', 'kind = "binry"', "questions.vote.kind", "'kind' must be one of binary, "),
        ('["Lab", "Con"]', "[]", "questions.vote.options", "no options are declared"),
        ('["Lab", "Con"]', '["Lab"]', "questions.vote.options", "a binary question has 2 options, here are 1"),
        ('["Lab", "Con"]', '["Lab", "Con", "LD"]', "questions.vote.options", "a binary question has 2 options, "),
        ('["Lab", "Con"]', '["Lab", "Lab"]', "questions.vote.options", "'options' names Lab more than once"),
        ('["Lab", "Con"]', '["Lab", 2]', "questions.vote.options", "'options' holds something that is not text"),
        ('["Lab", "Con"]', '["Lab", ""]', "questions.vote.options", "'options' holds an empty text"),
        ('"Labour" = "Lab"', '"Labour" = "Lib"', "questions.vote.recode.Labour", "the target is not an option of vote"),
        ('"Labour" = "Lab"', '"Con" = "Lab"', "questions.vote.recode.Con", "'Con' is an option of vote itself"),
        ('["-99"]', '["Don\'t know"]', "questions.vote.refused", "'Don't know' is dont_know already"),
        ('["-99"]', '["Lab"]', "questions.vote.refused", "'Lab' is an answer that is counted already"),
        ('["-99"]', '["-99"]\nbase = ["dont_know"]', "questions.vote.base", "the base leaves out those who answered"),
        (
            '["-99"]',
            '["-99"]\nbase = ["answered", "blank"]',
            "questions.vote.base",
            "this is nothing that an interview can say",
        ),
        (
            'options = ["yes", "no"]',
            'options = ["yes", "no"]\nbase = ["answered", "refused"]',
            "questions.trust.base",
            "the base counts refused, but no label means it",
        ),
        (
            'options = ["Lab", "Con"]',
            'options = ["refused", "Con"]\nbase = ["answered", "refused"]',
            "questions.vote.base",
            "'refused' is an option already",
        ),
        (
            'kind = "binary"',
            'kind = "ordinal"\nbase = ["answered", "refused"]',
            "questions.vote.base",
            "only answers to a question of kind ordinal can be counted",
        ),
        (
            '["-99"]',
            '["-99"]\nweights = "yes"',
            "questions.vote.weights",
            "'weights' must be one of ignored, likelihood",
        ),
        (
            'weight = "w"\n',
            '[questions.opinion]\nweights = "likelihood"\n[columns.Other]\n',
            "questions.opinion.weights",
            "no column of weights is declared",
        ),
        ('model = "(1|ward)"', "", "questions.trust.model", "'model' is missing"),
        ('levels = ["F", "M"]', "", "demographics.sex.levels", "sex has no levels"),
        ('"18 to 34" = "18-34"', '"18 to 34" = "18"', "demographics.age.recode.18 to 34", "the target is not a level"),
        ("ordered = true", 'ordered = "yes"', "demographics.age.ordered", "'ordered' must be true or false"),
        ('blank = "exclude"', 'blank = "drop"', "demographics.sex.blank", "'blank' must be one of fault, exclude"),
        ("[demographics.sex]", "[demographics.date]", "demographics.date", "'date' is a word the program uses itself"),
        (
            "[demographics.sex]",
            '[demographics."the sex"]',
            "demographics.the sex",
            "this name cannot stand in a formula",
        ),
        ("[demographics.sex]", "[demographics.ward]", "demographics.ward", "'ward' is the district already"),
        ('district = "ward"', 'district = "my ward"', "geography.district", "this name cannot stand in a formula"),
        ('age = "AgeBand"', 'agee = "AgeBand"', "columns.Acme.agee", "'agee' is nothing that a pollster can send"),
        ("weight = false", "weight = 3", "columns.Acme.weight", "'weight' must be text in quotes"),
        ("[frame]", "[time]\nwindow_days = 0\n[frame]", "time.window_days", "'window_days' must be a whole number"),
        ("[frame]", "[time]\nwindow_days = true\n[frame]", "time.window_days", "'window_days' must be a whole number"),
        ("[frame]", '[time]\nperiod = "year"\n[frame]', "time.period", "'period' must be one of week, "),
        ('respondent = "id"', 'respondent = "sex"', "columns.respondent", "column 'sex' is the respondent's id and "),
        ('id = "town"', 'id = "a\\u0000"', None, "a text contains a NUL character"),
    ],
)
def test_a_fault_of_the_declaration_names_its_key(
    faults: Callable[..., list[Fault]], old: str, new: str, column: str | None, reason: str
):
    found = faults(old, new)

    assert (column, True) in [(fault.column, fault.reason.startswith(reason)) for fault in found]
    assert all(fault.remedy and fault.file == "survey.toml" for fault in found)


@pytest.mark.parametrize(
    ("old", "new", "column", "reason"),
    [
        ('question = "vote"', "", "backtest.question", "the survey has several questions"),
        ('question = "vote"', 'question = "voet"', "backtest.question", "no such question"),
        ("2024-05-03", "2024-04-03", "backtest.fieldwork_end", "the fieldwork ends before it starts"),
        ("fieldwork_end = 2024-05-03", "", "backtest", "one of fieldwork_start and fieldwork_end is missing"),
        ("2024-05-03", '"2024-05-03"', "backtest.fieldwork_end", "'fieldwork_end' must be a date such as 2018-11-06"),
        ("2024-05-03", "2024-05-03T10:00:00", "backtest.fieldwork_end", "'fieldwork_end' must be a date without"),
        ('turnout = "Voted"', "turnout = []", "backtest.keep.turnout", "no value is kept"),
        ("[backtest.keep]", "wave_parts = 2\nwave_days = 7\n[backtest.keep]", "backtest.wave_parts", "interviews are"),
        ("[backtest.keep]", "wave_days = 0\n[backtest.keep]", "backtest.wave_days", "'wave_days' must be"),
    ],
)
def test_a_fault_of_the_backtest_names_its_key(
    faults: Callable[..., list[Fault]], old: str, new: str, column: str, reason: str
):
    assert old in BACKTEST
    (fault,) = faults("[questions.trust]", BACKTEST.replace(old, new) + "[questions.trust]")

    assert fault.column == column
    assert fault.reason.startswith(reason)


def test_every_fault_of_the_file_is_reported_with_its_line():
    text = b"""[survey]
id = "A B"
universe = "x"
titel = "y"

[demographics.age]
levels = ["a"]
colour = 1
"""
    found = [(fault.row, fault.column) for fault in parse_declaration(text)[1].reported()]

    assert (1, "survey.title") in found
    assert (2, "survey.id") in found
    assert (4, "survey.titel") in found
    assert (8, "demographics.age.colour") in found
    assert {column for _, column in found} >= {"geography.district", "frame.file", "questions"}


def test_toml_that_cannot_be_read_is_one_fault_with_its_line():
    declaration, log = parse_declaration(b'[survey]\nid = "x\n')

    assert declaration is None
    (fault,) = log.reported()
    assert fault.row == 2
    assert fault.reason.startswith("this is not TOML")


@pytest.mark.parametrize("content", [b"\xff\xfe[\x00", b"a\n\xff", b"a = " + b"[" * 50_000])
def test_other_bytes_are_one_fault(content: bytes):
    declaration, log = parse_declaration(content)

    assert declaration is None
    assert log.total == 1


def test_an_empty_file_lacks_every_section():
    found = {fault.column for fault in parse_declaration(b"")[1].reported()}

    assert found >= {"survey.id", "geography.district", "frame.file", "demographics", "questions"}


KEYS = ["survey", "columns", "time", "geography", "demographics", "frame", "questions", "backtest", "levels", "recode"]


@settings(deadline=None, max_examples=200)
@given(
    tree=st.recursive(
        st.none() | st.booleans() | st.integers() | st.sampled_from(["", "x", "age"]) | st.lists(st.text(max_size=2)),
        lambda children: st.dictionaries(st.sampled_from(KEYS), children, max_size=5),
        max_leaves=20,
    )
)
def test_no_shape_of_a_toml_file_breaks_the_parser(tree: object):
    declaration, log = parse_declaration(
        "\n".join(_toml(tree if isinstance(tree, dict) else {"survey": tree})).encode()
    )

    assert log
    assert declaration is None or isinstance(declaration, SurveyDeclaration)


def _toml(tree: dict[str, object]) -> list[str]:
    return [f"{key} = {_inline(value)}" for key, value in tree.items()]


def _inline(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(_toml(value)) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_inline(item) for item in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value % 2**63)
    return '"' + "".join(f"\\u{ord(c):04x}" for c in str(value) if ord(c) < 0xD800) + '"'


def test_every_key_that_is_read_is_in_the_documented_table():
    documented = declaration_module.__doc__ or ""
    modules = [Path(reads.__code__.co_filename) for reads in (parse_declaration, parse_question)]
    source = "".join(module.read_text() for module in modules)
    read = set(
        re.findall(
            r"section\.(?:text|maybe_text|texts|flag|labels|choice|positive|date|numbers|sections)\(\"(\w+)\"", source
        )
    )

    assert len(read) > 25
    assert [key for key in sorted(read) if not re.search(rf"\b{key}\b", documented)] == []


def test_a_wording_that_is_no_table_is_told_to_be_one_key_per_question():
    from tests.polling.conftest import SURVEY_TOML

    source = (
        '[[sources]]\nname = "a"\npollster = "A"\nkind = "folder"\npath = "/a"\n[sources.facts]\nwording = "Why?"\n'
    )

    _, log = parse_declaration((SURVEY_TOML + source).encode())

    (fault,) = log.reported()
    assert "one key per question" in fault.remedy
