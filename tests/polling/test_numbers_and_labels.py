"""Numbers with a comma, numbers between bands, labels in another composition, files in which no line can be read."""

from collections.abc import Callable
from unicodedata import normalize

import pytest

from polling.bands import between
from polling.declaration import SurveyDeclaration
from polling.errors import WaveRejected
from polling.faults import Fault
from polling.wave_file import ReadWave, read_wave

HEADER = "id,day,w,ward,age,sex,vote,trust\n"
BANDED = ('levels = ["18-34", "35+"]\n', 'levels = ["18-34", "35+"]\nbands = { "18-34" = [18, 34], "35+" = [35] }\n')
BANDED_OPEN = ('"35+" = [35]', '"35+" = [35, 99]')
NUMERIC = (
    "[questions.trust]\n",
    '[questions.warmth]\ntext = "?"\nkind = "numeric"\nmodel = "(1|ward)"\n\n[questions.trust]\n',
)

type Declare = Callable[..., SurveyDeclaration]


def faults_of(content: str | bytes, declaration: SurveyDeclaration) -> tuple[Fault, ...]:
    with pytest.raises(WaveRejected) as caught:
        read(content, declaration)
    return caught.value.faults


def read(content: str | bytes, declaration: SurveyDeclaration) -> ReadWave:
    return read_wave(content if isinstance(content, bytes) else content.encode(), declaration, pollster="Any")


@pytest.mark.parametrize("quote", ["", '"'])  # read by either reader of CSV
def test_a_decimal_comma_is_read_in_columns_of_numbers_of_a_file_delimited_by_semicolon(declare: Declare, quote: str):
    declaration = declare(BANDED, NUMERIC)
    content = f"id;day;w;ward;age;sex;vote;trust;warmth\na;2024-05-01;{quote}1,5{quote};01;20,0;F;Lab;yes;-2,25\n"

    interviews = read(content, declaration).conversion.interviews

    assert interviews.select("weight", "age", "warmth").row(0) == (1.5, "18-34", -2.25)
    assert read(content, declaration).received["w"].to_list() == ["1.5"]


def test_elsewhere_and_with_marks_of_thousands_it_stays_a_fault_that_says_how_to_write_it(declare: Declare):
    row = "a{0}2024-05-01{0}{1}{0}01{0}18-34{0}F{0}Lab{0}yes\n"
    for delimiter, weight in ((";", "1.234,5"), (";", "1,234,5"), ("\t", "1,5")):
        content = HEADER.replace(",", delimiter) + row.format(delimiter, weight)
        (fault,) = faults_of(content, declare())
        assert (fault.column, fault.value) == ("w", weight)
        assert "with a point as decimal mark" in fault.remedy


def test_a_number_between_two_bands_is_told_with_the_two(declare: Declare):
    declaration = declare(BANDED)
    row = "{0},2024-05-01,1,01,{1},F,Lab,yes\n"

    told = faults_of(HEADER + row.format("a", "34.5") + row.format("b", "12") + row.format("c", "old"), declaration)

    assert [(fault.value, "lies between the bands '18-34' and '35+'" in fault.reason) for fault in told] == [
        ("34.5", True),
        ("12", False),
        ("old", False),
    ]


def test_between_is_null_for_what_is_in_a_band_below_all_or_above_all():
    import polars as pl

    bands = {"b": (30.0, 44.0), "a": (18.0, 29.0)}
    told = between(pl.Series(["29.5", "29", "3", "99", "x", None]), bands)
    assert told.to_list() == ["'a' and 'b'", None, None, None, None, None]


@pytest.mark.parametrize("ours", ["NFC", "NFD"])
@pytest.mark.parametrize("theirs", ["NFC", "NFD"])
def test_accents_are_the_same_however_they_are_composed(declare: Declare, ours: str, theirs: str):
    declaration = declare(
        ('options = ["Lab", "Con"]', f'options = ["{normalize(ours, "Né")}", "Con"]'),
        ('"Labour" = "Lab"', f'"{normalize(ours, "Été")}" = "Con"'),
        ('dont_know = ["Don\'t know"]', f'dont_know = ["{normalize(ours, "Où")}"]'),
    )
    rows = [
        f"{n},2024-05-01,1,01,18-34,F,{normalize(theirs, said)},yes\n" for n, said in enumerate(("Né", "Été", "Où"))
    ]

    got = read(HEADER + "".join(rows), declaration)

    assert got.conversion.interviews["vote"].to_list() == [normalize(ours, "Né"), "Con", None]
    assert got.conversion.interviews["vote:status"].to_list() == ["answered", "answered", "dont_know"]
    assert got.received["vote"].to_list() == [normalize(theirs, said) for said in ("Né", "Été", "Où")]


@pytest.mark.parametrize("content", [b'{"id": [1], "ward": "01"}\n{"id": [2], "ward": "01"}', b"[]", b'[{"id": "a"}]'])
def test_where_no_line_can_be_read_nothing_is_said_to_be_missing(declare: Declare, content: bytes):
    told = faults_of(content, declare())

    assert len(told) == 1
    assert "one object per line" in told[0].remedy
    assert "Known here" not in str(told)
