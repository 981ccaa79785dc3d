"""Tell interviews apart by the texts of a column: there are few, so that a million interviews take a moment."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import polars as pl

__all__ = ["Distinct", "by_text", "look_up"]


@dataclass(frozen=True, slots=True)
class Distinct:
    """A column by its different texts."""

    texts: pl.Series
    """Different texts (String), then null if a row has none; blanks are null. Some may be nobody's."""
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
    texts = column.dtype.categories
    place = column.to_physical().cast(pl.UInt32).fill_null(len(texts))
    texts = texts.set(texts.str.strip_chars() == "", None)
    return Distinct(texts.extend_constant(None, 1) if column.null_count() else texts, place)


def look_up(text: pl.Series, meaning: Mapping[str, str]) -> pl.Series:
    """What each text means; null where it means nothing."""
    if not meaning:
        return pl.Series([None] * len(text), dtype=pl.String)
    return text.replace_strict(list(meaning), list(meaning.values()), default=None, return_dtype=pl.String)
