import io

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polling.errors import PayloadDamaged
from polling.payload import count_shared, from_payload, payload_column, to_payload

CELLS = st.none() | st.text(alphabet=st.characters(exclude_characters="\x00", exclude_categories=("Cs",)), max_size=5)


@settings(deadline=None)
@given(rows=st.lists(st.tuples(CELLS, CELLS), max_size=10))
def test_a_payload_reads_back_as_it_was_and_equal_tables_have_equal_bytes(rows: list[tuple[str | None, str | None]]):
    received = pl.DataFrame(rows, schema={"id": pl.String, "vote": pl.String}, orient="row")
    content = to_payload(received)

    assert from_payload(content).equals(received)
    assert to_payload(received.clone()) == content


def test_an_enum_reads_back_without_the_texts_of_rows_that_are_gone():
    received = pl.DataFrame({"vote": ["Lab", "Con", None, "Lab"]}, schema={"vote": pl.Enum(["Con", "Green", "Lab"])})
    again = from_payload(to_payload(received))

    assert again.schema == {"vote": pl.Enum(["Con", "Lab"])}
    assert again["vote"].to_list() == received["vote"].to_list()
    assert to_payload(received) == to_payload(again)


def test_a_payload_of_the_time_before_enums_is_read_as_it_is():
    buffer = io.BytesIO()
    pl.DataFrame({"vote": ["Lab", None]}).write_parquet(buffer, compression="zstd", statistics=False)

    assert from_payload(buffer.getvalue()).equals(pl.DataFrame({"vote": ["Lab", None]}))


def test_an_answer_is_not_readable_in_the_bytes_of_the_footer():
    content = to_payload(pl.DataFrame({"vote": ["aardvark", "zebra"] + ["monkey"] * 500}))

    assert content.count(b"aardvark") <= 1  # the value itself, not the smallest value of the column as well
    assert content.count(b"zebra") <= 1


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not a payload" * 10])
def test_other_bytes_are_refused(content: bytes):
    with pytest.raises(PayloadDamaged, match="cannot be read"):
        from_payload(content)


def test_one_column_is_read_without_its_blanks():
    payload = to_payload(pl.DataFrame({"id": ["a", None, "b"], "vote": ["Lab", "Con", None]}))

    assert payload_column(payload, "id") == ["a", "b"]
    assert payload_column(payload, "other") == []
    with pytest.raises(PayloadDamaged):
        payload_column(b"nothing", "id")


IDS = st.lists(st.none() | st.sampled_from("abcdef"), max_size=8)


@settings(deadline=None)
@given(waves=st.lists(st.lists(IDS, max_size=3), max_size=4), mine=st.lists(st.sampled_from("abcdef"), unique=True))
def test_shared_texts_are_counted_as_sets_count_them(waves: list[list[list[str | None]]], mine: list[str]):
    payloads = [[to_payload(pl.DataFrame({"id": part}, schema={"id": pl.String})) for part in wave] for wave in waves]

    shared = count_shared(payloads, "id", pl.Series(mine, dtype=pl.String))

    assert shared == [len(set(mine) & {one for part in wave for one in part}) for wave in waves]


def test_shared_texts_of_payloads_with_other_columns_or_an_enum():
    other = to_payload(pl.DataFrame({"vote": ["Lab", "Con"]}))
    coded = to_payload(pl.DataFrame({"id": ["a", "a"]}, schema={"id": pl.Enum(["a", "b"])}))
    text = to_payload(pl.DataFrame({"id": ["a", "c"], "vote": ["Lab", "Con"]}))

    assert count_shared([[other], [coded, text], []], "id", pl.Series(["c", "a"])) == [0, 2, 0]
    with pytest.raises(PayloadDamaged, match="One of 2 payloads"):
        count_shared([[text], [text[:4] + b"x" * 60 + text[64:]]], "id", pl.Series(["c", "a"]))
