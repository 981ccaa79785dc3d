"""Files that were made to break something: each is refused in words, within ten seconds and one gigabyte."""

import gzip
import io
import time
import zipfile

import polars as pl
import pytest

from polling.faults import FaultLog
from polling.formats import limited
from polling.tabular import read_table
from tests.polling.formats.processes import peak_mb
from tests.polling.formats.samples import SAMPLES, parquet, sav, xlsx, zstd

LIMIT = 50_000_000


def refusal(content: bytes, **options) -> str:
    log = FaultLog()
    began = time.monotonic()
    table = read_table(content, log, **{"inflated_bytes": LIMIT, **options})
    assert time.monotonic() - began < 10
    assert peak_mb(limited._readers) < 1000
    assert table is None
    return " ".join(str(fault) for fault in log.reported())


def workbook(sheet: str, **parts: bytes) -> bytes:
    """A workbook with this XML as its only sheet."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(xlsx([["x"]]))) as usual,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made,
    ):
        found = {name: usual.read(name) for name in usual.namelist()}
        for name, content in {**found, "xl/worksheets/sheet1.xml": sheet, **parts}.items():
            made.writestr(name, content)
    return buffer.getvalue()


def cells(*names: str) -> str:
    found = "".join(f'<row><c r="{name}"><v>1</v></c></row>' for name in names)
    return (
        '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        f"<sheetData>{found}</sheetData></worksheet>"
    )


def test_a_workbook_made_by_hand_can_be_read():
    log = FaultLog()
    table = read_table(workbook(cells("A1", "A2")), log)

    assert not log
    assert table is not None
    assert table.data.rows() == [("1",)]


def test_two_cells_at_opposite_corners():
    assert "reaches to row 1,048,576 and column 16,384" in refusal(workbook(cells("A1", "XFD1048576")))


def test_a_dimension_that_is_too_large():
    sheet = cells("A1").replace("<sheetData>", '<dimension ref="A1:XFD1048576"/><sheetData>')
    assert "reaches to row 1,048,576" in refusal(workbook(sheet))


def test_a_workbook_of_which_a_part_inflates_without_end():
    assert "holds more than 50 MB" in refusal(workbook(cells("A1"), **{"xl/sharedStrings.xml": bytes(60_000_000)}))


def test_a_workbook_whose_parts_inflate_to_more_than_they_say():
    content = workbook(cells("A1"), **{"xl/x.xml": bytes(60_000_000)})
    size = (60_000_000).to_bytes(4, "little")
    assert content.count(size) == 2
    assert "workbook" in refusal(content.replace(size, (10).to_bytes(4, "little")))


def test_entities_that_stand_for_entities():
    sheet = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>' + cells("A1")
    assert "document type" in refusal(workbook(sheet))


def test_a_workbook_with_thousands_of_entries():
    assert "entries" in refusal(workbook(cells("A1"), **{f"x/{n}": b"" for n in range(3000)}))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_workbook_with_two_parts_of_one_name():
    buffer = io.BytesIO(workbook(cells("A1")))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("xl/worksheets/sheet1.xml", cells("A1", "XFD1048576"))
    assert "two entries of one name" in refusal(buffer.getvalue())


def test_a_cell_with_an_error_is_a_fault_and_not_a_blank():
    log = FaultLog()
    sheet = (
        cells("A1", "A2").replace('r="A2"', 'r="A2" t="e"').replace("<v>1</v></c></row></", "<v>#N/A</v></c></row></")
    )
    read_table(workbook(sheet), log)

    assert [(fault.row, fault.reason) for fault in log.reported()] == [(2, "a cell holds an error value, such as #N/A")]


@pytest.mark.parametrize(
    ("name", "what"),
    [("content.xml", "OpenDocument"), ("word/document.xml", ".docx"), ("xl/workbook.bin", ".xlsb"), ("a.csv", "zip")],
)
def test_archives_that_are_no_workbook(name: str, what: str):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, "x")
    assert what in refusal(buffer.getvalue())


@pytest.mark.parametrize("squeeze", [lambda content: gzip.compress(content, 9), zstd], ids=["gzip", "zstd"])
@pytest.mark.parametrize("content", [b"a,b\n" + b"1,2\n" * 25_000_000, bytes(200_000_000)], ids=["csv", "zeros"])
def test_bombs(squeeze, content: bytes):
    assert "holds more than 50 MB when it is unpacked" in refusal(squeeze(content))


def test_a_bomb_in_a_bomb():
    assert "compressed twice" in refusal(gzip.compress(zstd(SAMPLES["csv"])))


@pytest.mark.parametrize("squeeze", [gzip.compress, zstd], ids=["gzip", "zstd"])
def test_a_compressed_file_that_was_cut(squeeze):
    assert "cannot be unpacked" in refusal(squeeze(SAMPLES["csv"] * 100)[:-20])


def test_parquet_that_claims_billions_of_rows():
    content = parquet(pl.select(a=pl.repeat("x" * 100, 6_000_000)))
    assert len(content) < 100_000
    assert "6,000,000 rows, the limit is 5,000,000" in refusal(content)


def test_parquet_with_one_gigantic_text_in_every_cell():
    content = parquet(pl.select(a=pl.repeat("x" * 500_000, 4000)))
    log = FaultLog()

    read_table(content, log)  # read or refused, two gigabytes of text or not

    assert peak_mb(limited._readers) < 1000


def test_a_hundred_thousand_columns():
    header = ",".join(f"c{n}" for n in range(100_000))
    wide = pl.DataFrame({f"c{n}": [1] for n in range(10_001)})

    assert "the header has 100,000 columns, the limit is 10,000" in refusal(header.encode() + b"\n")
    assert "10,001 columns, the limit is 10,000" in refusal(parquet(wide))
    assert "names" in refusal(b"{" + ",".join(f'"c{n}":1' for n in range(100_000)).encode() + b"}", only=True)


@pytest.mark.parametrize("content", [b"," * 60_000_000, b"a,b\n" + b"," * 60_000_000, b'"' + b"\n" * 60_000_000])
def test_a_line_without_end(content: bytes):
    refusal(content)


@pytest.mark.parametrize(
    "content",
    [b"a,b\n" + b"1,2\n" * 5_000_001, b"a,b\r" + b"1,2\r" * 5_000_001, b"{}\n" * 5_000_001],
    ids=["csv", "csv-cr", "ndjson"],
)
def test_more_rows_than_there_are(content: bytes):
    assert "rows, the limit is 5,000,000" in refusal(content)


def test_blank_cells_take_memory_too():
    assert "the limit is 30,000,000 cells" in refusal(b"a,b,c,d,e,f,g\n" + b",,,,,,\n" * 4_300_000)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252"])
def test_other_encodings(encoding: str):
    assert "UTF" in refusal("a,b\nMünchen,é\n".encode(encoding))


def test_twins_in_the_header():
    for content in (b"a,b,a\n1,2,3\n", xlsx([["a", "b", "a"], ["1", "2", "3"]])):
        assert "the header names it 2 times, in columns 1, 3" in refusal(content)
    log = FaultLog()
    read_table(b'{"a": 1, "a": 2}\n', log)
    assert "twice" in log.reported()[0].reason


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"[" * 100_000, "no JSON object"),
        (b'{"a":' + b"[" * 100_000, "nested too deeply"),
        (b'{"a": [1]}', "holds a list"),
        (b'{"a": {"b": 1}}', "holds an object"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b"1", "no JSON object"),
        (b"", "empty"),
    ],
)
def test_lines_that_are_no_flat_object(line: bytes, reason: str):
    log = FaultLog()
    read_table(b'{"a": 1}\n' + line + b'\n{"a": 1}\n', log)

    assert [fault.row for fault in log.reported()] == [3]
    assert reason in log.reported()[0].reason


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Save it as .xlsx"),
        (b"%PDF-1.7", "a PDF"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"\n<HTML>", "a web page"),
        (b'<?xml version="1.0"?>', "an XML document"),
        (b"BZh91AY&SY", "bzip2"),
        (b"\xfd7zXZ\x00", "xz"),
        (b"7z\xbc\xaf\x27\x1c", "7z"),
        (b"Rar!\x1a\x07", "RAR"),
        (b"SQLite format 3\x00", "SQLite"),
        (b"ARROW1\x00\x00", "Save it as Parquet"),
        (b"ORC\x00\x01", "ORC"),
        (b"HEADER RECORD*******LIBRARY HEADER", "SAS"),
        (b'[{"a": 1}]', "one object per line"),
        (b"", "the file is empty"),
        (b"   \n\n", "the file is empty"),
    ],
)
def test_what_cannot_be_read_is_called_by_its_name(content: bytes, what: str):
    assert what in refusal(content)


def test_a_header_may_begin_like_an_archive():
    log = FaultLog()
    assert read_table(b"ORC,b\n1,2\n", log) is not None
    assert not log


@pytest.mark.parametrize("place", range(64, 100, 4))
def test_a_labelled_file_with_gigantic_numbers_in_its_header(place: int):
    content = bytearray(sav(pl.DataFrame({"a": [1.0]})))
    content[place : place + 4] = (2_000_000_000).to_bytes(4, "little")
    read_table(bytes(content), FaultLog())

    assert peak_mb(limited._readers) < 1000
