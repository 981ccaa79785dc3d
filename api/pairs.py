"""Match the groups of two breakdowns, to compare them: two sides of one release, or the same groups of two."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from api.answer_payloads import WithheldGroup
from api.breakdown import pieces
from api.group_facts import GroupFacts, group_facts, group_names
from api.group_query import Prepared
from jobs.settings import Settings
from mrp.poststratification import AreaDraws

__all__ = ["Pairs", "pair_groups"]

type Key = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Groups that are answered on both sides, in the order of the first."""

    first: Prepared
    second: Prepared
    keys: tuple[Key, ...]
    """Area and levels of each."""
    rows: tuple[NDArray[np.int64], NDArray[np.int64]]
    """Of each group: its row in the breakdown of either side."""

    @property
    def is_large(self) -> bool:
        """Whether an answer takes seconds."""
        return not self.first.loaded.keeps(2 * len(self.keys))

    def facts(self, settings: Settings) -> list[tuple[GroupFacts, GroupFacts]]:
        """What is known of each group on both sides."""
        first, second = (
            {_key(facts.names): facts for facts in group_facts(side, settings)} for side in (self.first, self.second)
        )
        return [(first[key], second[key]) for key in self.keys]

    def drawn(self) -> Iterator[tuple[AreaDraws, AreaDraws]]:
        """Draws of the groups on both sides, in order, some at a time."""
        for part in pieces(self.first.loaded, np.ones(len(self.keys), dtype=np.bool_)):
            first = self.first.draws(self.rows[0][part])
            yield first, first if self.second is self.first else self.second.draws(self.rows[1][part])

    def unpaired(self, reason: str) -> list[WithheldGroup]:
        """Groups that were asked for and are not answered on both sides, with a reason."""
        sides = (self.first, self.second)
        found = {_key(names): names for side in sides for names in group_names(side, side.wanted)}
        paired = set(self.keys)
        return [WithheldGroup(**names, reason=reason) for key, names in found.items() if key not in paired]


def pair_groups(first: Prepared, second: Prepared) -> Pairs:
    """Match the groups of two prepared queries by area and levels."""
    one, other = (
        dict(zip(map(_key, group_names(side, side.answered)), np.flatnonzero(side.answered).tolist(), strict=True))
        for side in (first, second)
    )
    keys = tuple(key for key in one if key in other)
    rows = tuple(np.array([side[key] for key in keys], dtype=np.int64) for side in (one, other))
    return Pairs(first, second, keys, (rows[0], rows[1]))


def _key(names: Mapping[str, Any]) -> Key:
    return names["area"], tuple(names["groups"].values())
