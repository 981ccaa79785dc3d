"""What a survey says of the quality of its waves: read with defaults, and every fault named."""

import pytest

from fixtures import write_demo
from polling.declaration import declaration_from_json, declaration_to_json
from polling.quality_limits import Quality
from polling.survey_toml import parse_declaration


@pytest.fixture(scope="module")
def content(tmp_path_factory) -> str:
    place = tmp_path_factory.mktemp("survey")
    write_demo(place)
    return (place / "survey.toml").read_text()


def parsed(content: str, more: str):
    return parse_declaration(f"{content}\n{more}\n".encode())


def test_a_survey_that_says_nothing_has_the_defaults(content):
    declaration, faults = parsed(content, "")

    assert not faults
    assert declaration.quality == Quality()
    assert (declaration.policy, declaration.quarantine_share) == ("reject", 0.05)


def test_limits_are_read_and_false_turns_one_off(content):
    demographic = parsed(content, "")[0].demographics[0]
    district = parsed(content, "")[0].geography.district
    more = f"""
[waves]
policy = "quarantine"
quarantine_share = 0.1
[quality]
duplicates = 0.02
drift = false
impossible = ["{district} = 'D1' and {demographic.name} = '{demographic.levels[0]}'"]
"""
    declaration, faults = parsed(content, more)

    assert not faults
    assert (declaration.policy, declaration.quarantine_share) == ("quarantine", 0.1)
    quality = declaration.quality
    assert (quality.duplicates, quality.drift, quality.overlap) == (0.02, None, 0.3)
    assert quality.impossible == (((district, "D1"), (demographic.name, demographic.levels[0])),)
    assert declaration_from_json(declaration_to_json(declaration)) == declaration


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ('[waves]\npolicy = "keep"', "must be one of reject, quarantine"),
        ("[waves]\nquarantine_share = 5", "must be a share below 1"),
        ("[quality]\nduplicates = 5", "is a share, at most 1"),
        ("[quality]\nduplicates = true", "must be a number above 0"),
        ("[quality]\nduplicate = 0.1", "is not a key of this section"),
        ("[quality]\nimpossible = [\"age = '18-29'\"]", "no combination of two or more levels"),
        ("[quality]\nimpossible = [\"__import__('os')\"]", "no combination of two or more levels"),
        ("[quality]\nimpossible = [\"agee = '1' and nothing = '2'\"]", "'agee' is no demographic"),
        ('[quality.batteries]\ntrust = ["a", "b", "c"]', "there is no question 'a'"),
    ],
)
def test_faults_say_what_is_wrong(content, more, reason):
    faults = parsed(content, more)[1].reported()

    assert any(reason in fault.reason for fault in faults), faults
    assert all(fault.row is not None for fault in faults)
