import io

import polars as pl
import pytest

from polling import tabular
from polling.faults import FaultLog
from polling.tabular import as_text, read_table


def read(content: bytes, **options):
    log = FaultLog()
    return read_table(content, log, **options), [fault.reason for fault in log.reported()]


def parquet(table: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    return buffer.getvalue()


def test_everything_in_csv_is_text_and_an_empty_cell_is_null():
    table, faults = read(b"code,n\n01,1.0\nNA,\n")

    assert faults == []
    assert table.data.to_dict(as_series=False) == {"code": ["01", "NA"], "n": ["1.0", None]}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_kind_of_line_end_is_read(end: str):
    table, faults = read(end.join(["a,b", "1,2", "3,4", ""]).encode())

    assert faults == []
    assert table.data.rows() == [("1", "2"), ("3", "4")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_in_the_header(delimiter: str):
    table, faults = read(f"a{delimiter}b\n1{delimiter}2\n".encode())

    assert faults == []
    assert table.data.rows() == [("1", "2")]


def test_expected_columns_decide_between_delimiters():
    table, _ = read(b"age;a,b,c,d\n1;2\n", expected={"age"})

    assert table.header == ("age", "a,b,c,d")


def test_a_byte_order_mark_is_not_part_of_the_first_name():
    table, _ = read(b"\xef\xbb\xbfa,b\n1,2\n")

    assert table.header == ("a", "b")


def test_a_quoted_line_break_stays_in_its_cell():
    table, faults = read(b'a,b\n"1\n1",2\n3,4\n')

    assert faults == []
    assert table.data["a"].to_list() == ["1\n1", "3"]


def test_blank_lines_at_the_end_are_no_records():
    table, faults = read(b"a,b\n1,2\n\n,\n\n")

    assert faults == []
    assert table.data.height == 1


def test_short_long_and_empty_lines_are_faults_with_their_rows():
    log = FaultLog()
    table = read_table(b"a,b\n1\n\n1,2,3\n1,2\n", log)

    assert [(fault.row, fault.reason) for fault in log.reported()] == [
        (2, "the line has 1 fields, the header has 2"),
        (3, "the line is empty"),
        (4, "the line has 3 fields, the header has 2"),
    ]
    assert table is not None
    assert table.damaged_rows.to_list() == [2, 3, 4]


def test_all_damaged_lines_are_counted_even_if_not_all_are_named():
    log = FaultLog()
    read_table(b"a,b\n" + b"1\n" * 1000, log)

    assert log.total == 1000
    assert [(fault.count, len(fault.rows)) for fault in log.reported()] == [(1000, 100)]


def test_a_name_twice_in_the_header_is_refused():
    log = FaultLog()

    assert read_table(b"a,b,a\n1,2,3\n", log) is None
    (fault,) = log.reported()
    assert (fault.row, fault.column) == (1, "a")
    assert fault.reason == "the header names it 2 times, in columns 1, 3"


def test_columns_without_a_name_are_left_out():
    table, faults = read(b",a,\n1,2,3\n")

    assert faults == []
    assert table.header == ("a",)


def test_a_header_alone_is_a_table_without_rows():
    table, faults = read(b"a,b\n")

    assert faults == []
    assert table.data.shape == (0, 2)


@pytest.mark.parametrize("content", [b"", b" \n \n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused(content: bytes):
    assert read(content) == (None, ["the file is empty"])


def test_a_first_line_without_names_is_refused():
    assert read(b"\na,b\n1,2\n") == (None, ["the first line is empty"])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_other_unicode_encodings_are_refused_and_not_misread(encoding: str):
    table, faults = read("a,b\n1,2\n".encode(encoding))

    assert table is None
    assert len(faults) == 1
    assert "UTF-16" in faults[0] or "NUL" in faults[0]


def test_bytes_that_are_not_utf_8_are_refused_with_their_line():
    log = FaultLog()

    assert read_table("a\nx\nM\xfcnchen\n".encode("latin-1"), log) is None
    assert log.reported()[0].row == 3


def test_a_nul_character_is_refused():
    log = FaultLog()

    assert read_table(b"a,b\n1,2\n1,\x002\n", log) is None
    assert log.reported()[0].row == 3


def test_an_open_quote_is_refused():
    table, faults = read(b'a,b\n"1,2\n')

    assert table is None
    assert faults[0].startswith("the text cannot be read as CSV")


def test_a_cell_of_gigantic_size_is_refused():
    table, faults = read(b"a,b\n1," + b"x" * 200_000 + b"\n")

    assert table is None
    assert "field larger than field limit" in faults[0]


def test_parquet_keeps_its_types_and_only_the_columns_asked_for():
    table, faults = read(parquet(pl.DataFrame({"a": [1], "b": ["x"], "c": [2.0]})), expected={"a", "c", "z"}, only=True)

    assert faults == []
    assert table.data.schema == {"a": pl.Int64, "c": pl.Float64}
    assert table.header == ("a", "b", "c")


def test_parquet_without_columns_is_refused():
    assert read(parquet(pl.DataFrame())) == (None, ["the file has no columns"])


def test_parquet_of_which_no_column_is_wanted_has_its_rows_and_no_columns():
    table, faults = read(parquet(pl.DataFrame({"a": [1, 2]})), expected={"b"}, only=True)

    assert faults == []
    assert table.data.shape == (2, 0)


@pytest.mark.parametrize("content", [b"PAR1", b"PAR1" + b"\x00" * 100 + b"PAR1"])
def test_damaged_parquet_is_refused(content: bytes):
    table, faults = read(content)

    assert table is None
    assert faults[0].startswith("the file begins like Parquet and cannot be read")


def test_more_rows_than_any_poll_has_are_refused_before_they_are_read():
    content = parquet(pl.select(a=pl.repeat(1, tabular.MAX_ROWS + 1, dtype=pl.Int8)))

    assert read(content) == (None, ["the file has 5,000,001 rows, the limit is 5,000,000"])


@pytest.mark.parametrize(
    ("series", "text"),
    [
        (pl.Series(["01", None]), ["01", None]),
        (pl.Series([1, -2, None]), ["1", "-2", None]),
        (pl.Series([3.0, None]), ["3", None]),
        (pl.Series([3.0, 0.1]), ["3.0", "0.1"]),
        (pl.Series([float("nan")]), ["NaN"]),
        (pl.Series([True, None]), ["true", None]),
        (pl.Series(["x", "y"], dtype=pl.Categorical), ["x", "y"]),
        (pl.Series(["x"], dtype=pl.Enum(["x"])), ["x"]),
        (pl.Series(["2018-11-06", None]).str.to_date(), ["2018-11-06", None]),
        (pl.Series(["2018-11-06", None, "2018-11-04"]).str.to_date(), ["2018-11-06", None, "2018-11-04"]),
        (pl.Series(["9999-12-31", "0001-01-01"]).str.to_date(), ["9999-12-31", "0001-01-01"]),
        (pl.Series([None], dtype=pl.Date), [None]),
        (pl.Series(["2018-11-06 00:00:00", None]).str.to_datetime(), ["2018-11-06", None]),
        (pl.Series(["2018-11-06 01:02:03"]).str.to_datetime(), ["2018-11-06T01:02:03"]),
        (
            pl.Series(["2018-11-06 00:00:00"]).str.to_datetime().dt.replace_time_zone("Europe/Paris"),
            ["2018-11-06"],
        ),
        (pl.Series([None, None]), [None, None]),
        (pl.Series(["1.50"]).cast(pl.Decimal(10, 2)), ["1.50"]),
        (pl.Series([], dtype=pl.Datetime), []),
    ],
)
def test_typed_columns_become_the_text_a_person_would_write(series: pl.Series, text: list[str | None]):
    result = as_text(series)

    assert result is not None
    assert result.to_list() == text


@pytest.mark.parametrize(
    "series", [pl.Series([[1]]), pl.Series([{"a": 1}]), pl.Series([b"x"]), pl.Series([1], dtype=pl.Duration)]
)
def test_columns_that_are_no_text_number_or_date_are_not_converted(series: pl.Series):
    assert as_text(series) is None
