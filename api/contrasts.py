"""Compare two groups, two areas or two options, draw by draw, in one release.

    difference[s] = first share[s] - second share[s]

in every area and group of the breakdown; those without people on both sides are left out.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from api.answer_head import groups_head
from api.answer_payloads import AreaContrast, ContrastPayload, ShareEstimate, WithheldGroup
from api.breakdown import draws_of, pieces
from api.errors import EstimateRefused
from api.estimates import shares_of
from api.group_facts import group_facts, group_names
from api.group_query import EstimateQuery, Labels, Prepared, find_labels, find_option, load_release, prepare_query
from api.release_cache import ReleaseCache
from api.served import Served
from jobs.settings import Settings
from mrp.areas import complement
from mrp.contrast import differences
from mrp.words import direction, in_points

__all__ = ["ContrastQuery", "PreparedContrast", "answer_contrasts", "prepare_contrasts"]


type Named = dict[str, list[str]]
type Key = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class ContrastQuery(EstimateQuery):
    """What is compared with what, and in which groups."""

    first: Labels = ()
    second: Labels = ()
    versus: str | None = None
    """The option over which the lead is asked; None: two groups are compared."""


@dataclass(frozen=True, slots=True)
class PreparedContrast:
    """Two sides that are understood."""

    sides: tuple[Prepared, Prepared]
    """The same one twice if options are compared."""
    named: tuple[Named, Named]
    """What each side is, as it is told."""
    keys: tuple[Key, ...]
    """The groups that are answered."""
    rows: tuple[NDArray[np.int64], NDArray[np.int64]]
    """Of each group: its row in the breakdown of either side."""

    @property
    def first(self) -> Prepared:
        """The side that comes first."""
        return self.sides[0]

    @property
    def second(self) -> Prepared:
        """The side that it is compared with."""
        return self.sides[1]

    @property
    def is_large(self) -> bool:
        """Whether the answer takes seconds."""
        return not self.first.loaded.keeps(2 * len(self.keys))


def prepare_contrasts(
    cache: ReleaseCache, served: Served, query: ContrastQuery, settings: Settings
) -> PreparedContrast:
    """Understand both sides.

    Raises
    ------
    EstimateRefused
        As `prepare_query`; or if it is not clear what is to be compared, or a side names a column of the breakdown.
    """
    loaded = load_release(cache, served, settings)
    if query.versus is not None:
        if query.first or query.second:
            raise EstimateRefused("versus compares options, first and second compare groups. Ask for one of them.")
        option, versus = (find_option(name, loaded.question) for name in (query.option, query.versus))
        if option == versus:
            raise EstimateRefused(
                f"The option '{option}' is compared with itself. Name another one in option or versus."
            )
        side = prepare_query(cache, served, query, settings)
        return _paired(side, side, ({"option": [option]}, {"option": [versus]}))
    first, second = (find_labels(labels, loaded.electorate) for labels in (query.first, query.second))
    if not first or not second:
        raise EstimateRefused(
            "Name two groups, such as first=age:65+ and second=age:18-29, two areas, such as first=district:A and "
            "second=district:B, or an option in versus."
        )
    if dict(first) == dict(second):
        raise EstimateRefused("first and second are the same group. Name two.")
    sides = [
        prepare_query(cache, served, replace(query, where=(*query.where, *side)), settings) for side in (first, second)
    ]
    asked = {column for column, _ in find_labels(query.where, loaded.electorate)}
    if taken := [column for column, _ in (*first, *second) if column in {*sides[0].breakdown.by, *asked}]:
        raise EstimateRefused(
            f"first and second tell groups apart by {taken[0]}, which level, districts, by or where use too: leave it "
            "out there."
        )
    named = tuple({column: list(levels) for column, levels in side} for side in (first, second))
    return _paired(sides[0], sides[1], (named[0], named[1]))


def answer_contrasts(pair: PreparedContrast, settings: Settings) -> ContrastPayload:
    """Every difference that was asked for."""
    one, other = pair.named
    head = groups_head(pair.first, settings)
    head["where"] = {column: levels for column, levels in head["where"].items() if column not in one}
    if pair.first is not pair.second:
        head["withheld"] = _withheld(pair, settings)
    facts = [
        [by_key[key] for key in pair.keys]
        for by_key in ({_key(one.names): one for one in group_facts(side, settings)} for side in pair.sides)
    ]
    return ContrastPayload(
        **head,
        first=one,
        second=other,
        contrasts=[
            AreaContrast(
                **a.names,
                first=ShareEstimate(**a.counted, **first),
                second=ShareEstimate(**b.counted, **second),
                **difference,
            )
            for a, b, (first, second, difference) in zip(*facts, _differences(pair), strict=True)
        ],
    )


def _paired(first: Prepared, second: Prepared, named: tuple[Named, Named]) -> PreparedContrast:
    """The groups that are answered on both sides."""
    rows = [
        dict(zip(map(_key, group_names(side, side.answered)), np.flatnonzero(side.answered).tolist(), strict=True))
        for side in (first, second)
    ]
    keys = tuple(key for key in rows[0] if key in rows[1])
    of_first, of_second = (np.array([own[key] for key in keys], dtype=np.int64) for own in rows)
    return PreparedContrast((first, second), named, keys, (of_first, of_second))


def _key(names: Mapping[str, Any]) -> Key:
    return names["area"], tuple(names["groups"].values())


def _differences(pair: PreparedContrast) -> Iterator[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]]:
    """Both shares and their difference, as fields of payloads, for every pair in order."""
    interval, loaded = pair.first.query.interval, pair.first.loaded
    for part in pieces(loaded, np.ones(len(pair.keys), dtype=np.bool_)):
        first, second = (
            draws_of(loaded, side.breakdown, rows[part], is_complement=side.is_complement)
            for side, rows in zip(pair.sides, pair.rows, strict=True)
        )
        if pair.first is pair.second:
            second = complement(first)
        found = differences(first.draws - second.draws, first, interval=interval)
        both = zip(shares_of(first, interval), shares_of(second, interval), found, strict=True)
        for one, other, (size, p) in both:
            words = direction(p, "larger", "smaller", "no clear difference")
            yield (
                one,
                other,
                {
                    "difference": size.mean,
                    "low": size.low,
                    "high": size.high,
                    "sd": size.sd,
                    "mc_error": size.mc_error,
                    "p_larger": p.value,
                    "p_larger_mc_error": p.mc_error,
                    "words": words,
                    "sentence": f"{words}: {in_points(size, interval)}, P(larger) {p.value:.2f}",
                },
            )


def _withheld(pair: PreparedContrast, settings: Settings) -> list[WithheldGroup]:
    """The groups of either side that are too small on one of them."""
    reason = f"Fewer than {settings.min_people} people in the frame on one of the two sides."
    found = {_key(names): names for side in pair.sides for names in group_names(side, side.wanted)}
    answered = set(pair.keys)
    return [WithheldGroup(**names, reason=reason) for key, names in found.items() if key not in answered]
