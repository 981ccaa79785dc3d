"""What the report beside a frame says of it."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from polling.folder import load_survey_folder
from polling.frame_report import NAME_THE_DRAWS, told_of_frame
from tests.api.world import write_survey


def report_of(frame: Path, **more: Any) -> dict[str, Any]:
    """A report of a build, as far as it is told, written beside its frame."""
    gaps = [
        {"margin": "ages", "columns": ["age"], "people": 0.2, "share": 0.00001, "level": ["old"]},
        {"margin": "sex", "columns": ["district", "sex"], "people": 31.25, "share": 0.0123, "level": ["D1", "he"]},
    ]
    report = {
        "format_version": 1,
        "source": "Census of Somewhere",
        "date": "2024-07-04",
        "n_draws": 0,
        "n_cells_created": 1200,
        "n_cells_without_people": 1300,
        "assumptions": ["Age and sex go together as in the sample."],
        "warnings": ["The margins contradict each other."],
        "steps": [{"do": "count", "gaps": []}, {"do": "rake", "gaps": gaps}],
        "sha256": {"frame": "?", "outputs": {frame.name: hashlib.sha256(frame.read_bytes()).hexdigest()}},
        **more,
    }
    frame.with_name("frame.json").write_text(json.dumps(report))
    return report


def frame_checks(frame: Path, *, draws_named: bool = False, **declared: str) -> tuple[str, ...]:
    return told_of_frame(frame, declared=declared, draws_named=draws_named).checks


@pytest.fixture
def frame(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    path.write_text("district,count\nD1,3\n")
    return path


def test_gaps_created_cells_assumptions_and_warnings_are_said(frame: Path):
    report_of(frame)
    assert frame_checks(frame) == (
        "The frame was built from tables by a recipe (steps: count, rake).",
        "It was raked to ages, sex. The largest gap that was left is of 31.2 people (1.23% of all), at D1 / he of sex.",
        "1,200 of its cells are in none of the tables and were created; 1,300 of all have no people.",
        "Assumed in building it: Age and sex go together as in the sample.",
        "Warning of the build: The margins contradict each other.",
    )


def test_a_frame_that_was_not_raked_has_no_gaps_and_long_lists_are_cut(frame: Path):
    report_of(frame, steps=[{"do": "count", "gaps": []}], assumptions=[f"Number {i}." for i in range(23)], warnings=[])
    said = frame_checks(frame)
    assert not [one for one in said if "raked" in one or "Warning" in one]
    assert said[-2:] == ("Assumed in building it: Number 19.", "3 more assumptions stand in frame.json.")


def test_a_report_of_another_file_is_not_taken_for_that_of_this_one(frame: Path):
    report_of(frame)
    frame.write_text("district,count\nD1,4\n")
    (said,) = frame_checks(frame)
    assert "is of another file" in said


@pytest.mark.parametrize("content", [None, b"", b"[1]", b"{}", b"\xff\xfe", b'{"steps": 3}'])
def test_without_a_report_nothing_is_said(frame: Path, content: bytes | None):
    if content is not None:
        frame.with_name("frame.json").write_bytes(content)
    assert frame_checks(frame) == ()


def test_a_survey_takes_over_what_is_said_of_its_frame(tmp_path: Path):
    write_survey(tmp_path)
    bare = load_survey_folder(tmp_path).declaration
    assert bare.frame_checks == ()
    report_of(tmp_path / bare.frame_file)
    assert load_survey_folder(tmp_path).declaration.frame_checks == frame_checks(tmp_path / bare.frame_file)
    assert len(frame_checks(tmp_path / bare.frame_file)) == 5


def test_the_source_and_the_date_of_the_build_count_before_those_of_the_survey_which_is_said(frame: Path):
    declared = {"frame_source": "a census", "frame_date": "2024-07-04"}
    assert told_of_frame(frame, declared=declared, draws_named=False).facts == declared
    report_of(frame)
    told = told_of_frame(frame, declared=declared, draws_named=False)
    assert told.facts == {"frame_source": "Census of Somewhere", "frame_date": "2024-07-04"}
    (differs,) = [one for one in told.checks if "survey.toml" in one]
    assert differs.startswith("survey.toml tells another source of the frame, 'a census'")
    assert told_of_frame(frame, declared={}, draws_named=False).facts == told.facts
    assert told_of_frame(frame, declared=told.facts, draws_named=False).checks == told.checks[:-1]
    # That of another file tells nothing of this one.
    frame.write_text("district,count\nD1,4\n")
    assert told_of_frame(frame, declared=declared, draws_named=False).facts == declared


def test_draws_that_the_survey_does_not_read_are_warned_of(frame: Path):
    report_of(frame, n_draws=20)
    assert frame_checks(frame)[-1] == f"Warning of the build: {NAME_THE_DRAWS}"
    assert NAME_THE_DRAWS not in " ".join(frame_checks(frame, draws_named=True))
    report_of(frame)
    assert NAME_THE_DRAWS not in " ".join(frame_checks(frame))


def test_a_survey_tells_the_source_of_the_build_of_its_frame(tmp_path: Path):
    write_survey(tmp_path)
    toml = tmp_path / "survey.toml"
    toml.write_text(toml.read_text().replace("[frame]\n", '[frame]\nsource = "a guess"\n'))
    bare = load_survey_folder(tmp_path).declaration
    assert bare.facts["frame_source"] == "a guess"
    report_of(tmp_path / bare.frame_file)
    told = load_survey_folder(tmp_path).declaration
    assert (told.facts["frame_source"], told.facts["frame_date"]) == ("Census of Somewhere", "2024-07-04")
    assert {**told.facts, **bare.facts, "frame_date": ""} == {**bare.facts, "frame_date": ""}
