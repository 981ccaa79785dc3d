"""Match the groups of two breakdowns, to compare them: two sides of one release, or the same groups of two."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from api.answer_head import groups_head
from api.answer_payloads import Number, WithheldGroup
from api.breakdown import pieces
from api.estimates import number_fields
from api.group_facts import GroupFacts, group_facts, group_names
from api.group_query import Prepared
from api.standing import reason as absence
from jobs.settings import Settings
from mrp.poststratification import AreaDraws

__all__ = ["Compared", "Pairs", "pair_groups"]

type Key = tuple[str, tuple[str, ...]]


class Compared(NamedTuple):
    """What a comparison says of one group."""

    names: dict[str, Any]
    """Which group it is, as fields of a payload."""
    first: Number
    second: Number
    fields: dict[str, Any]
    """What the comparison says, as fields of a payload."""


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

    def compared(
        self, settings: Settings, compare: Callable[[AreaDraws, AreaDraws], Iterable[dict[str, Any]]]
    ) -> Iterator[Compared]:
        """What a comparison says of each group, in order; draws are made some groups at a time.

        Parameters
        ----------
        compare
            Fields of a payload for every area of two estimates.
        """
        facts = self._facts(settings)
        query = self.first.query
        for part in pieces(self.first.loaded, np.ones(len(self.keys), dtype=np.bool_)):
            first, second = self.first.measured(self.rows[0][part]), self.second.measured(self.rows[1][part])
            of_first, of_second = ([side[place] for place in part.tolist()] for side in facts)
            numbers = number_fields(first, of_first, query), number_fields(second, of_second, query)
            compared = compare(first.areas, second.areas)
            for names, one, other, fields in zip(of_first, *numbers, compared, strict=True):
                yield Compared(dict(names.names), Number(**one), Number(**other), fields)

    def unpaired(self, reason: str) -> list[WithheldGroup]:
        """Groups that were asked for and are not answered on both sides, with a reason."""
        sides = (self.first, self.second)
        absent = {
            _key(names): absence(side.option)
            for side in sides
            for names in group_names(side, side.wanted & (side.part_standing(side.option) == 0))
        }
        found = {_key(names): names for side in sides for names in group_names(side, side.wanted)}
        paired = set(self.keys)
        return [
            WithheldGroup(**names, reason=absent.get(key, reason)) for key, names in found.items() if key not in paired
        ]

    def head(self, settings: Settings) -> dict[str, Any]:
        """The fields of `api.answer_payloads.GroupsHead`, of something earlier and the later that answers."""
        reason = f"It is not on both sides, or has fewer than {settings.min_people} people in the frame on one of them."
        return groups_head(self.second, settings) | {"withheld": self.unpaired(reason)}

    def _facts(self, settings: Settings) -> tuple[list[GroupFacts], list[GroupFacts]]:
        """What is known of the groups on either side."""
        first, second = (
            {_key(facts.names): facts for facts in group_facts(side, settings)} for side in (self.first, self.second)
        )
        return [first[key] for key in self.keys], [second[key] for key in self.keys]


def pair_groups(first: Prepared, second: Prepared) -> Pairs:
    """Match the groups of two prepared queries by area and levels, as far as the options stand there."""
    first, second = first.where_it_stands(), second.where_it_stands()
    one, other = (
        dict(zip(map(_key, group_names(side, side.answered)), np.flatnonzero(side.answered).tolist(), strict=True))
        for side in (first, second)
    )
    keys = tuple(key for key in one if key in other)
    rows = tuple(np.array([side[key] for key in keys], dtype=np.int64) for side in (one, other))
    return Pairs(first, second, keys, (rows[0], rows[1]))


def _key(names: Mapping[str, Any]) -> Key:
    return names["area"], tuple(names["groups"].values())
