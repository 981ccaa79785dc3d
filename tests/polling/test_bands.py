from collections.abc import Callable

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polling.bands import banded
from polling.codebook import convert
from polling.declaration import SurveyDeclaration, declaration_from_json, declaration_to_json
from polling.survey_toml import parse_declaration
from tests.polling.conftest import SURVEY_TOML

IN_YEARS = ("ordered = true\n", 'ordered = true\nbands = { "18-34" = [18, 34], "35+" = [35] }\n')
BANDS = {"18-34": (18.0, 34.0), "35+": (35.0, None)}


@pytest.mark.parametrize(
    ("sent", "level"),
    [
        ("18", "18-34"),
        ("34.0", "18-34"),
        (" 35 ", "35+"),
        ("110", "35+"),
        ("17", None),
        ("34.5", None),
        ("1e2", None),
        ("inf", None),
        ("forty", None),
        (None, None),
    ],
)
def test_a_number_belongs_to_the_band_that_holds_it_or_to_none(sent: str | None, level: str | None):
    assert banded(pl.Series([sent], dtype=pl.String), BANDS).to_list() == [level]


@settings(deadline=None)
@given(st.lists(st.none() | st.integers(-5, 120).map(str) | st.sampled_from(["x", "18-34", "-"])))
def test_bands_agree_with_the_obvious_loop(sent: list[str | None]):
    def band(text: str | None) -> str | None:
        if text is None or not text.lstrip("-").isdigit():
            return None
        return next((name for name, (low, high) in BANDS.items() if low <= int(text) <= (high or 1e9)), None)

    assert banded(pl.Series(sent, dtype=pl.String), BANDS).to_list() == [band(text) for text in sent]


def test_a_pollster_may_send_years_another_labels(declare: Callable[..., SurveyDeclaration], received: pl.DataFrame):
    town = declare(IN_YEARS)
    wave = received.with_columns(age=pl.Series(["18 to 34", "61"]))

    conversion = convert(wave, town, pollster="Any")

    assert conversion.faults == ()
    assert conversion.interviews["age"].to_list() == ["18-34", "35+"]
    assert declaration_from_json(declaration_to_json(town)) == town


def test_an_age_outside_every_band_is_a_fault(declare: Callable[..., SurveyDeclaration], received: pl.DataFrame):
    conversion = convert(received.with_columns(age=pl.Series(["17", "35+"])), declare(IN_YEARS), pollster="Any")

    assert [(fault.row, fault.value) for fault in conversion.faults] == [(2, "17")]
    assert conversion.bad_rows.rows() == [(2, "age", "not a level of age (18-34, 35+)")]


@pytest.mark.parametrize(
    ("bands", "reason"),
    [
        ('{ "18-34" = [18, 35], "35+" = [35] }', "overlap"),
        ('{ "18-34" = [18], "35+" = [35] }', "overlap"),
        ('{ "young" = [18, 34] }', "'young' is not a level of age"),
        ('{ "18-34" = [34, 18] }', "least and the greatest"),
        ('{ "18-34" = [] }', "least and the greatest"),
        ('{ "18-34" = ["18", 34] }', "least and the greatest"),
        ('{ "18-34" = [18, inf] }', "least and the greatest"),
        ('{ "18-34" = 18 }', "least and the greatest"),
    ],
)
def test_bands_that_make_no_sense_are_faults(bands: str, reason: str):
    text = SURVEY_TOML.replace("ordered = true\n", f"ordered = true\nbands = {bands}\n")

    faults = parse_declaration(text.encode())[1].reported()

    assert any(reason in fault.reason for fault in faults), faults


def test_numbers_that_are_labels_and_banded_at_once_are_a_fault():
    text = SURVEY_TOML.replace('recode = { "18 to 34" = "18-34" }', 'recode = { "1" = "18-34" }').replace(*IN_YEARS)

    assert "'1' is a label and a number" in [fault.reason for fault in parse_declaration(text.encode())[1].reported()]
