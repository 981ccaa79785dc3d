"""A small survey that tests bend: its declaration, its tables, its folder, and where the public cases lie."""

import os
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from polling.declaration import SurveyDeclaration
from polling.survey_toml import parse_declaration

ROOT = Path(__file__).resolve().parents[2]

SURVEY_TOML = """\
[survey]
id = "town"
title = "A town"
universe = "Adults of the town"

[columns]
respondent = "id"
date = "day"
weight = "w"

[columns.Acme]
respondent = "ResponseID"
age = "AgeBand"
vote = "Q1"
weight = false

[geography]
district = "ward"
districts = "districts.csv"
recode = { "North ward" = "01" }

[demographics.age]
levels = ["18-34", "35+"]
ordered = true
recode = { "18 to 34" = "18-34" }

[demographics.sex]
levels = ["F", "M"]
blank = "exclude"

[frame]
file = "frame.csv"

[questions.vote]
text = "Whom would you vote for?"
kind = "binary"
options = ["Lab", "Con"]
recode = { "Labour" = "Lab" }
dont_know = ["Don't know"]
refused = ["-99"]
not_asked = ["Inapplicable"]
model = "(1|ward) + (1|age)"

[questions.trust]
text = "Do you trust the council?"
kind = "binary"
options = ["yes", "no"]
model = "(1|ward)"
"""

DISTRICTS_CSV = "code,name,region,last_share,neighbours\n01,North,Up,0.4,02\n02,South,Down,0.6,01\n"

FRAME_CSV = """\
ward,age,sex,count
01,18-34,F,10
01,18-34,M,20.5
01,35+,F,30
01,35+,M,0
02,18-34,F,40
02,18-34,M,50
02,35+,F,60
02,35+,M,70
"""


class Folder:
    """A survey folder that is right until a test changes it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        for name, text in {
            "survey.toml": SURVEY_TOML,
            "districts.csv": DISTRICTS_CSV,
            "frame.csv": FRAME_CSV,
        }.items():
            self.write(name, text)

    def write(self, name: str, text: str) -> None:
        (self.path / name).write_text(text, encoding="utf-8", newline="")

    def change(self, name: str, old: str, new: str) -> None:
        text = (self.path / name).read_text(encoding="utf-8")
        assert old in text
        self.write(name, text.replace(old, new, 1))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "town")


@pytest.fixture(scope="session")
def declare() -> Callable[..., SurveyDeclaration]:
    """Makes the declaration of the town, with (old, new) replacements in its text."""

    def make(*changes: tuple[str, str]) -> SurveyDeclaration:
        text = SURVEY_TOML
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        declaration, faults = parse_declaration(text.encode())
        assert declaration is not None
        assert not faults, [str(fault) for fault in faults.reported()]
        return declaration

    return make


@pytest.fixture(scope="session")
def town(declare: Callable[..., SurveyDeclaration]) -> SurveyDeclaration:
    return declare()


@pytest.fixture
def received() -> pl.DataFrame:
    """Two interviews as the survey's own columns hold them."""
    return pl.DataFrame(
        {
            "id": ["a", "b"],
            "day": ["2024-05-01", "2024-05-02"],
            "w": ["1", "0.5"],
            "ward": ["01", "02"],
            "age": ["18 to 34", "35+"],
            "sex": ["F", "M"],
            "vote": ["Labour", "Con"],
            "trust": ["yes", "no"],
        }
    )


@pytest.fixture(scope="session")
def cases() -> Path:
    """Where the public cases lie."""
    path = Path(os.environ.get("HUSTINGS_CASES", ROOT.parent / "shared" / "data"))
    if not (path / "cces2018").is_dir():
        reason = f"the public cases are not in {path}; set HUSTINGS_CASES"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path
