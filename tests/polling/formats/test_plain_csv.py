"""The fast reader and the exact one agree on every input; the exact one is the reference."""

import csv
import io
import itertools

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polling.faults import FaultLog
from polling.formats import plain_csv
from polling.formats.exact_csv import read_exact_csv
from polling.formats.plain_csv import read_plain_csv

CELLS = st.text(alphabet='ab01 ,;|\t"\r\n\ufeffé日\x0b\x0c\x1c\u2028\x00', max_size=4)
USUAL = st.text(alphabet="ab01 .-é日#\u2028", max_size=5)


def exact(content: bytes, **options):
    log = FaultLog()
    return read_exact_csv(content, log, **options), log


def agree(content: bytes, **options) -> bool:
    """Whether the fast reader read it; then it has to agree."""
    plain = read_plain_csv(content, **options)
    if plain is None:
        return False
    reference, log = exact(content, **options)
    assert not log, [str(fault) for fault in log.reported()]
    assert reference is not None
    assert plain.header == reference.header
    assert plain.data.equals(reference.data)
    assert plain.data.schema == reference.data.schema
    assert reference.damaged_rows.is_empty()
    return True


@settings(deadline=None, max_examples=500)
@given(st.binary(max_size=40) | st.text(alphabet='ab,;"\r\n\x00\ufeffé', max_size=60).map(str.encode))
def test_any_bytes(content: bytes):
    agree(content, expected=(), only=False)
    agree(content, expected={"a", "b"}, only=True)


@settings(deadline=None, max_examples=500)
@given(
    header=st.lists(CELLS, min_size=1, max_size=4),
    rows=st.lists(st.lists(CELLS, min_size=0, max_size=5), max_size=6),
    delimiter=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    mark=st.booleans(),
)
def test_tables_that_somebody_wrote(header, rows, delimiter, end, mark):
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=end).writerows([header, *rows])
    agree((b"\xef\xbb\xbf" if mark else b"") + text.getvalue().encode(), expected=("a", "b"), only=False)


@settings(deadline=None, max_examples=300)
@given(
    rows=st.integers(2, 5).flatmap(lambda n: st.lists(st.lists(USUAL, min_size=n, max_size=n), max_size=8)),
    wanted=st.sets(st.integers(0, 4)),
    only=st.booleans(),
    end=st.sampled_from(["\n", "\r\n"]),
    last=st.sampled_from(["", "x", "\n", "\n\n"]),
)
def test_the_usual_file_is_read_fast(rows, wanted, only, end, last):
    width = len(rows[0]) if rows else 3
    lines = [",".join(f"c{place}" for place in range(width)), *(",".join(row) for row in rows)]
    content = end.join(lines) + {"x": end}.get(last, last)

    read = agree(content.encode(), expected={f"c{place}" for place in wanted}, only=only)

    assert read or not rows or not any(rows[-1])


@pytest.mark.parametrize(
    "content",
    [
        b"a,b\n1,2,3\n4\n",  # as many delimiters as there should be
        b"a,b\n1\n2,3\n",
        b"a,b\n1,2\n\n3,4\n",
        b'a,b\n1,"2"\n',
        b"a,b\r1,2\r",
        b"a,b\n1,2\r3,4\n",
        b"a\n1\n",
        b"a,a\n1,2\n",
        b",\n1,2\n",
        b"a,b\n1,2\n,\n",
        b"a,b\n\xff,2\n",
        b"a,b\n1,\x002\n",
        b"a,b\n\xef\xbb\xbf1,2\n",
        b"a,b\n1," + b"x" * 131_073 + b"\n",
        b"a" * 4_000_000 + b",b\n1,2\n",
        b"",
    ],
)
def test_what_is_unusual_is_left_to_the_exact_reader(content: bytes):
    assert read_plain_csv(content) is None


def test_a_record_that_is_too_long_is_found_in_the_middle_of_a_large_file():
    content = b"a,b\n" + b"1,2\n" * 300_000 + b"1\n1,2,3\n" + b"1,2\n" * 300_000

    assert read_plain_csv(content, expected={"a"}, only=True) is None


def test_lines_are_followed_across_chunks(monkeypatch: pytest.MonkeyPatch):
    content = b"a,b\n" + b"".join(b"%d,%s\n" % (row, b"y" * (row % 7)) for row in range(2000)) + b"1,2"
    monkeypatch.setattr(plain_csv, "_CHUNK", 64)

    assert agree(content, expected=(), only=False)


def test_a_quoted_blank_cell_is_blank():
    table, log = exact(b'a,b\n"",1\n,2\n', expected=(), only=False)

    assert not log
    assert table.data["a"].to_list() == [None, None]


def test_the_exact_reader_makes_columns_chunk_by_chunk(monkeypatch: pytest.MonkeyPatch):
    from polling.formats import exact_csv

    content = b'a,b\n"x",1\n2\n,\n3,4,5\n6,7\n,\n\n'
    whole, told = exact(content, expected=(), only=False)
    monkeypatch.setattr(exact_csv, "_CHUNK", 2)
    parts, told_again = exact(content, expected=(), only=False)

    assert parts.data.equals(whole.data)
    assert parts.damaged_rows.to_list() == whole.damaged_rows.to_list() == [3, 5]
    assert told.reported() == told_again.reported()
    assert whole.data["b"].to_list() == ["1", None, None, "4", "7"]
    assert isinstance(whole.data, pl.DataFrame)


@pytest.mark.parametrize("end", ["\n", ""])
def test_a_line_as_long_as_a_cell_may_be_is_left_to_the_exact_reader(end: str):
    allowed = csv.field_size_limit(9)
    try:
        for lengths in itertools.product((3, 8, 9, 10), repeat=3):
            lines = ["a,b", *("1," + "x" * (length - 2) for length in lengths)]

            table = read_plain_csv(("\n".join(lines) + end).encode())

            assert (table is None) == (max(lengths) >= 9), lengths
    finally:
        csv.field_size_limit(allowed)
