"""What a release has to tell before it is published: by the survey once, or by every wave."""

from dataclasses import replace

import pytest

from polling.declaration import SurveyDeclaration
from polling.disclosure_items import REQUIRED_ITEMS, missing_items, untold_items
from polling.survey_toml import parse_declaration
from tests.polling.store.conftest import small_bundle

ALL = dict.fromkeys(REQUIRED_ITEMS, "told")


def declared(*facts: str, required: tuple[str, ...] = ()) -> SurveyDeclaration:
    told = dict.fromkeys(facts, "told")
    return replace(small_bundle().declaration, facts=told, required_facts=required)


@pytest.mark.parametrize(
    ("facts", "waves", "missing"),
    [
        (("sponsor", "mode", "sample_source"), [("w1 of A", {})], []),
        (("sponsor", "mode"), [("w1 of A", {"sample_source": "not known"})], []),
        (("sponsor", "mode"), [("w1 of A", {})], ["where respondents came from (sample_source; wave w1 of A)"]),
        (
            ("sponsor", "mode"),
            [("w1 of A", {}), ("w2 of A", {"sample_source": "panel"}), ("w1 of B", {})],
            ["where respondents came from (sample_source; waves w1 of A, w1 of B)"],
        ),
        (
            ("sponsor", "mode"),
            [(f"w{n} of A", {}) for n in range(5)],
            ["where respondents came from (sample_source; waves w0 of A, w1 of A, w2 of A and 2 more)"],
        ),
        (("mode", "sample_source"), [], ["who paid for the interviews (sponsor)"]),
        ((), [("w1 of A", ALL)], []),
    ],
)
def test_an_item_is_told_by_the_survey_or_by_every_wave(facts, waves, missing):
    assert missing_items(declared(*facts), lambda: waves) == missing


def test_waves_are_not_asked_where_the_survey_tells_everything():
    def waves():
        raise AssertionError

    assert missing_items(declared(*REQUIRED_ITEMS), waves) == []


def test_a_survey_is_told_one_sentence_for_every_item_that_neither_it_nor_its_waves_must_tell():
    assert untold_items(declared(*REQUIRED_ITEMS)) == []
    assert untold_items(declared("sponsor", required=("mode", "sample_source"))) == []
    sentences = untold_items(declared("mode"))
    assert [one.split(",")[0] for one in sentences] == [
        "The survey does not tell who paid for the interviews",
        "The survey does not tell where respondents came from",
    ]
    assert 'sponsor = "not known"' in sentences[0]


def test_source_and_date_of_the_frame_are_declared_with_it():
    text = (
        b'[survey]\nid = "x"\ntitle = "x"\nuniverse = "x"\n[frame]\nfile = "f.csv"\nsource = "census"\ndate = "2021"\n'
    )
    declaration, log = parse_declaration(text)

    assert declaration is not None
    assert declaration.facts == {"frame_source": "census", "frame_date": "2021"}
    assert not [fault for fault in log.reported() if "frame.source" in str(fault) or "frame.date" in str(fault)]


def test_a_survey_cannot_tell_the_source_of_the_frame_outside_its_section():
    _, log = parse_declaration(b'[survey]\nid = "x"\ntitle = "x"\nuniverse = "x"\nframe_source = "census"\n')

    assert any("frame_source" in str(fault) for fault in log.reported())
