"""Populations that a question tells: read, kept, and refused where they make no sense."""

import pytest

from polling.declaration import SurveyDeclaration, declaration_from_json, declaration_to_json
from polling.population import Population, chain_of
from polling.survey_toml import parse_declaration
from tests.polling.conftest import SURVEY_TOML

TURNOUT = """
[questions.turnout]
text = "Did you vote?"
kind = "binary"
options = ["voted", "did not"]
model = "(1|ward)"

[questions.listed]
text = "Are you registered?"
kind = "binary"
options = ["yes", "no"]
model = "(1|ward)"

[populations.registered]
people = "registered voters"
question = "listed"
validated = true

[populations.likely_voters]
people = "likely voters"
question = "turnout"
within = "registered"
"""


def declared(text: str = TURNOUT, **of_vote: str) -> SurveyDeclaration:
    declaration, log = parse(text, **of_vote)
    assert log == []
    return declaration


def parse(text: str, **of_vote: str) -> tuple[SurveyDeclaration, list[str]]:
    keys = "".join(f'{key} = "{value}"\n' for key, value in of_vote.items())
    whole = SURVEY_TOML.replace("[questions.vote]\n", f"[questions.vote]\n{keys}", 1) + text
    declaration, log = parse_declaration(whole.encode())
    assert declaration is not None
    return declaration, [f"{fault.column}: {fault.reason}" for fault in log.reported()]


def test_populations_are_read_and_kept():
    declaration = declared(population="likely_voters")
    registered, voters = declaration.populations
    assert registered == Population("registered", "registered voters", "listed", validated=True)
    assert voters == Population("likely_voters", "likely voters", "turnout", within="registered")
    assert declaration.question("vote").population == "likely_voters"
    assert declaration.question("turnout").population is None
    assert declaration_from_json(declaration_to_json(declaration)) == declaration


def test_a_population_within_another_makes_a_chain_from_the_largest_on():
    populations = declared().populations
    assert [one.id for one in chain_of(populations, "likely_voters")] == ["registered", "likely_voters"]
    assert [one.id for one in chain_of(populations, "registered")] == ["registered"]
    with pytest.raises(KeyError):
        chain_of(populations, "martians")


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('question = "turnout"', 'question = "turnuot"', "populations.likely_voters.question: no such question"),
        ('question = "turnout"', "", "populations.likely_voters.question: 'question' is missing"),
        ('people = "likely voters"\n', "", "populations.likely_voters.people: 'people' is missing"),
        ('within = "registered"', 'within = "adults"', "populations.likely_voters.within: no such population"),
        ('within = "registered"', 'inside = "registered"', "populations.likely_voters.inside:"),
        ("[populations.registered]", "[populations.everybody]", "'everybody' means all people of the frame"),
        ("[populations.registered]", "[populations.Reg]", "populations.Reg: this cannot be an id"),
        ("validated = true", 'within = "likely_voters"', "registered, likely_voters would be within each other"),
        ('kind = "binary"\noptions = ["voted", "did not"]', 'kind = "numeric"', "'turnout' is numeric, and one of two"),
    ],
)
def test_what_cannot_be_is_a_fault(old: str, new: str, fault: str) -> None:
    assert old in TURNOUT
    _, faults = parse(TURNOUT.replace(old, new, 1))
    assert any(fault in one for one in faults), faults


def test_a_question_can_be_about_a_declared_population_or_everybody():
    assert declared(population="everybody").question("vote").population == "everybody"
    _, faults = parse(TURNOUT, population="likely")
    assert faults == ["questions.vote.population: no such population"]
    of_itself = TURNOUT.replace("[questions.turnout]\n", '[questions.turnout]\npopulation = "registered"\n')
    _, faults = parse(of_itself)
    (fault,) = faults
    assert fault.startswith("questions.turnout.population: this question tells who belongs to a population")
