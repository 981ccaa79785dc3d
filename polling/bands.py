"""Turn numbers such as the age in years into levels.

A band is the least and the greatest number of a level, both included. A number between two bands, such as 29.5 between
[18, 29] and [30, 44], belongs to neither: the codebook does not round.
"""

import re
from collections.abc import Mapping
from itertools import pairwise

import polars as pl

__all__ = ["banded", "between", "is_number"]

# What people write for a number, without the forms that only programs know ("inf", "nan", "1e3", "0x10").
_NUMBER = r"^\s*[+-]?\d+(\.\d*)?\s*$"


def is_number(text: str) -> bool:
    """Whether a label is a plain number."""
    return re.match(_NUMBER, text) is not None


def banded(text: pl.Series, bands: Mapping[str, tuple[float, float | None]]) -> pl.Series:
    """The level of each number; null for what is no number or in no band.

    Parameters
    ----------
    text
        Numbers as text, String, with nulls.
    bands
        Level -> least and greatest number, both included; None: no upper end. They do not overlap.

    Returns
    -------
    polars.Series
        String, in the order of ``text``.
    """
    number = pl.when(text.str.contains(_NUMBER)).then(text.str.strip_chars().cast(pl.Float64, strict=False))
    level = pl.lit(None, dtype=pl.String)
    for name, (least, greatest) in bands.items():
        within = (number >= least) & (number <= greatest) if greatest is not None else number >= least
        level = pl.when(within).then(pl.lit(name)).otherwise(level)
    return pl.select(level.alias(text.name)).to_series() if len(text) else pl.Series(text.name, [], dtype=pl.String)


def between(text: pl.Series, bands: Mapping[str, tuple[float, float | None]]) -> pl.Series:
    """The two bands that each number lies between, as ``'18-29' and '30-44'``; null for every other text.

    Parameters
    ----------
    text, bands
        As of `banded`.
    """
    ordered = sorted(bands.items(), key=lambda band: band[1][0])
    said = []
    for one in text:
        number = float(one) if one is not None and is_number(one) else None
        gaps = (
            f"'{lower}' and '{upper}'"
            for (lower, (_, end)), (upper, (start, _)) in pairwise(ordered)
            if number is not None and end is not None and end < number < start
        )
        said.append(next(gaps, None))
    return pl.Series(text.name, said, dtype=pl.String)
