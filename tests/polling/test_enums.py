import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from polling.enums import as_enums, as_texts, without_unused

TEXTS = st.none() | st.sampled_from(["", " ", "a", "b\x00", "ä", "0", "null"]) | st.text(max_size=3)


@settings(deadline=None)
@given(texts=st.lists(TEXTS, max_size=30))
def test_an_enum_says_what_the_texts_said_and_knows_them_in_order(texts: list[str | None]):
    column = pl.Series("vote", texts, dtype=pl.String)
    coded = as_enums(column.to_frame())["vote"]

    assert coded.cast(pl.String).equals(column)
    different = sorted({text for text in texts if text is not None}, key=str.encode)
    few = 0 < len(different) <= len(texts) // 2
    assert coded.dtype == (pl.Enum(different) if few else pl.String)


def test_texts_of_every_row_on_average_stay_text():
    table = as_enums(pl.DataFrame({"id": ["1", "2", "3", "3"], "vote": ["Lab", "Con", "Con", None]}))

    assert table.schema == {"id": pl.String, "vote": pl.Enum(["Con", "Lab"])}


def test_a_text_that_no_sampled_row_has_is_found():
    texts = ["a", "b"] * 15_000
    texts[29_997] = "z"  # of 30,000 rows each third is sampled
    texts[29_998] = "y"
    coded = as_enums(pl.DataFrame({"vote": texts}))["vote"]

    assert coded.dtype == pl.Enum(["a", "b", "y", "z"])
    assert coded.cast(pl.String).to_list() == texts


def test_too_many_different_texts_stay_text_even_where_the_sample_has_few():
    texts = ["a"] * 60_000
    texts[1::6] = [f"{number:05d}" for number in range(10_000)]
    assert as_enums(pl.DataFrame({"vote": texts})).schema == {"vote": pl.String}


def test_a_column_that_is_to_remain_text_becomes_text():
    table = pl.DataFrame({"id": ["a"] * 4, "vote": ["Lab"] * 4}, schema={"id": pl.Enum(["a"]), "vote": pl.String})

    assert as_enums(table, but=["id", None]).schema == {"id": pl.String, "vote": pl.Enum(["Lab"])}


def test_a_categorical_becomes_text():
    table = pl.DataFrame({"vote": pl.Series(["Lab", None], dtype=pl.Categorical), "n": [1, 2]})

    assert as_texts(table).equals(pl.DataFrame({"vote": ["Lab", None], "n": [1, 2]}))


def test_texts_of_rows_that_are_gone_are_forgotten():
    table = pl.DataFrame({"vote": ["Lab", "Con", None]}, schema={"vote": pl.Enum(["Con", "Green", "Lab"])})

    assert without_unused(table).schema == {"vote": pl.Enum(["Con", "Lab"])}
    assert without_unused(table.head(1)).equals(table.head(1).cast(pl.Enum(["Lab"])))
    assert without_unused(table.tail(1)).schema == {"vote": pl.String}
