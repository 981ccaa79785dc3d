"""Say what raking took from the seed, because no margin speaks of it."""

import itertools
from collections.abc import Mapping

import polars as pl

from mrp.frames.cells import PEOPLE, columns_of

__all__ = ["assumed_pairs", "seed_assumptions"]


def assumed_pairs(seed: pl.DataFrame, margins: Mapping[str, pl.DataFrame]) -> tuple[tuple[str, str], ...]:
    """Pairs of columns that no margin has together: their association is the seed's."""
    known = [set(columns_of(table)) for table in margins.values()]
    pairs = itertools.combinations(columns_of(seed), 2)
    return tuple(pair for pair in pairs if not any(set(pair) <= columns for columns in known))


def seed_assumptions(seed: pl.DataFrame, margins: Mapping[str, pl.DataFrame]) -> tuple[str, ...]:
    """The same in words; of margins that have every pair, that they do not have all columns at once."""
    flat = seed[PEOPLE].filter(seed[PEOPLE] > 0).n_unique() == 1
    source = "that of the seed, which has none beyond its zeros" if flat else "that of the seed"
    if pairs := assumed_pairs(seed, margins):
        told = (f"{one} and {other}" for one, other in pairs)
        return tuple(f"No margin has {pair} together: their association is {source}." for pair in told)
    columns = columns_of(seed)
    if any(set(columns) == set(columns_of(table)) for table in margins.values()):
        return ()
    together = f"No margin has {', '.join(columns)} together"
    return (f"{together}: how the association of some differs by another is {source}.",)
