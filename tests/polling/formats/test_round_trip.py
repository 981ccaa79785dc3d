import polars as pl
import pytest

from polling.faults import FaultLog
from polling.tabular import Table, as_text, read_table
from tests.polling.formats.samples import CODED, EXPECTED, HEADER, LABELS, SAMPLES, dta, sav, xlsx


def read(content: bytes, **options) -> Table:
    log = FaultLog()
    table = read_table(content, log, **options)
    assert not log, [str(fault) for fault in log.reported()]
    assert table is not None
    return table


def texts(table: Table) -> dict[str, list[str | None]]:
    return {series.name: as_text(series).to_list() for series in table.data}


@pytest.mark.parametrize("name", SAMPLES)
def test_labels_accents_dates_and_leading_zeros_come_through(name: str):
    table = read(SAMPLES[name])

    expected = dict(EXPECTED)
    if name in ("sav", "zsav"):  # 99 is user-missing and has no label: it is no number in an answer
        expected["n"] = ["1", "2", "code:99", None, "3"]
    if name == "xlsx":  # a cell does not know that it was 1.0
        expected["weight"] = ["1.5", "0.25", "1", "2", None]
    assert table.header == HEADER
    assert texts(table) == expected


@pytest.mark.parametrize("name", SAMPLES)
def test_the_format_is_told_by_content(name: str):
    base = name.partition("-")[0].partition(".")[0]
    assert read(SAMPLES[name]).format == {"zsav": "sav"}.get(base, base)


@pytest.mark.parametrize("name", SAMPLES)
def test_only_the_expected_columns_are_read(name: str):
    table = read(SAMPLES[name], expected={"ward", "nothing"}, only=True)

    assert table.header == HEADER
    assert texts(table) == {"ward": EXPECTED["ward"]}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_file_without_an_expected_column_still_has_its_rows(name: str):
    assert read(SAMPLES[name], expected={"nothing"}, only=True).data.shape == (5, 0)


@pytest.mark.parametrize("name", ["sav", "zsav", "dta"])
def test_codes_stay_available_beside_their_labels(name: str):
    labels = read(SAMPLES[name]).value_labels

    assert labels["vote"] == {str(code): label for code, label in LABELS.items()}


def test_two_codes_with_one_label_stay_apart():
    table = read(sav(CODED, variable_value_labels={"vote": {1: "Other", 2: "Other", 9: "Refused"}}))

    assert table.data["vote"].to_list() == ["Other [1]", "Other [2]", "Refused", None, "Other [1]"]
    assert table.value_labels["vote"] == {"1": "Other [1]", "2": "Other [2]", "9": "Refused"}


def test_a_code_that_reads_like_the_label_of_another_is_marked():
    table = read(sav(CODED, variable_value_labels={"vote": {1: "2"}}))

    assert table.data["vote"].to_list() == ["2", "code:2", "9", None, "2"]


def test_the_extended_missing_values_of_stata_keep_their_letters():
    import pandas as pd

    codes = pd.DataFrame({"vote": [1, 2, "a", "b", None], "n": [1.5, 2, 3, 4, 5]})
    labels = {"vote": {1: "For", "a": "Refused"}}
    content = dta(codes, variable_value_labels=labels, missing_user_values={"vote": ["a", "b"]}, version=15)

    table = read(content)

    assert table.data["vote"].to_list() == ["For", "2", "Refused", "code:.b", None]
    assert table.value_labels["vote"] == {"1": "For", ".a": "Refused", ".b": "code:.b"}
    assert table.data["n"].dtype == pl.Float64


def test_a_stata_file_of_before_unicode_is_read():
    assert read(dta(CODED.select("n"), version=8)).format == "dta"


def test_text_codes_of_spss_have_labels_and_missing_values_too():
    table = read(
        sav(
            pl.DataFrame({"party": ["a", "99", "b", ""]}),
            variable_value_labels={"party": {"a": "Alpha"}},
            missing_ranges={"party": ["99"]},
        )
    )

    assert table.data["party"].to_list() == ["Alpha", "code:99", "b", None]


def test_rows_of_a_labelled_file_come_in_chunks_that_agree(monkeypatch: pytest.MonkeyPatch):
    from polling.formats import labelled

    log = FaultLog()
    whole = labelled.read_labelled(SAMPLES["sav"], log, name="sav", expected=(), only=False)
    monkeypatch.setattr(labelled, "_CHUNK_CELLS", 12)
    parts = labelled.read_labelled(SAMPLES["sav"], log, name="sav", expected=(), only=False)

    assert whole is not None
    assert parts is not None
    assert parts.data.equals(whole.data)
    assert parts.value_labels == whole.value_labels


def test_the_sheet_with_the_expected_columns_is_read():
    notes, data = [["Sent by"], ["me"]], [["age", "vote"], ["18-34", "Lab"]]

    table = read(xlsx(notes, data, []), expected={"vote"})

    assert table.data.rows() == [("18-34", "Lab")]


def test_blank_rows_at_the_end_of_a_sheet_are_no_interviews():
    assert read(xlsx([["a", "b"], ["1", None], [None, " "], ["", None]])).data.rows() == [("1", None)]


def test_ndjson_keeps_digits_and_lets_objects_lack_names():
    table = read(b'{"a": 1.50, "b": true}\n{"b": 12345678901234567890, "c": ""}\n\n')

    assert texts(table) == {
        "a": ["1.50", None],
        "b": ["true", "12345678901234567890"],
        "c": [None, None],
    }
