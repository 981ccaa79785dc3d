"""Tell interviews apart by the texts of a column: there are few, so that a million interviews take a moment."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from unicodedata import normalize

import polars as pl

__all__ = ["Distinct", "by_text", "composed", "look_up"]


@dataclass(frozen=True, slots=True)
class Distinct:
    """A column by its different texts."""

    texts: pl.Series
    """Different texts (String), composed (NFC), then null if a row has none; blanks are null. Some may be nobody's, and
    two that differ in composition alone are there twice."""
    place: pl.Series
    """Where the text of each row is in them (UInt32)."""

    def spread(self, values: pl.Series) -> pl.Series:
        """What belongs to each text, for every row."""
        if values.dtype == pl.Boolean and not values.any():
            return pl.repeat(False, len(self.place), dtype=pl.Boolean, eager=True)
        return values.gather(self.place)


def by_text(received: pl.DataFrame, columns: Collection[str]) -> dict[str, Distinct]:
    """Columns (String or Enum) by their different texts; all at a time, on every core."""
    coded = received.select(sorted(columns))
    plain = [name for name, dtype in coded.schema.items() if dtype == pl.String]
    if plain:
        found = coded.select(pl.col(plain).drop_nulls().unique().implode())
        coded = coded.with_columns(pl.col(name).cast(pl.Enum(found[name][0])) for name in plain)
    return {one.name: _distinct(one) for one in coded}


def _distinct(column: pl.Series) -> Distinct:
    assert isinstance(column.dtype, pl.Enum)
    texts = composed(column.dtype.categories)
    place = column.to_physical().cast(pl.UInt32).fill_null(len(texts))
    texts = texts.set(texts.str.strip_chars() == "", None)
    return Distinct(texts.extend_constant(None, 1) if column.null_count() else texts, place)


def composed(texts: pl.Series) -> pl.Series:
    """Texts with one way of writing accents (NFC): some systems write e and an accent where others write one letter."""
    return texts.str.normalize("NFC")


def look_up(text: pl.Series, meaning: Mapping[str, str]) -> pl.Series:
    """What each text, composed, means; null where it means nothing."""
    if not meaning:
        return pl.Series([None] * len(text), dtype=pl.String)
    meaning = {normalize("NFC", label): found for label, found in meaning.items()}
    return text.replace_strict(list(meaning), list(meaning.values()), default=None, return_dtype=pl.String)
