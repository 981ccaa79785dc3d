"""Compare two groups, two areas or two options, draw by draw, in one release.

    difference[s] = first[s] - second[s],      shares or means

in every area and group of the breakdown; those without people on both sides are left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from api.answer_head import groups_head
from api.comparison_payloads import AreaContrast, ContrastPayload
from api.errors import EstimateRefused
from api.group_facts import withheld_groups
from api.group_query import EstimateQuery, Prepared, load_release, prepare_query
from api.interval_ends import ends_of
from api.labels import Labels, find_labels
from api.measures import find_option, refuse_means
from api.pairs import Pairs, pair_groups
from api.release_cache import ReleaseCache
from api.served import Served
from jobs.settings import Settings
from mrp.contrast import differences
from mrp.poststratification import AreaDraws
from mrp.words import direction, in_points

__all__ = ["ContrastQuery", "PreparedContrast", "answer_contrasts", "prepare_contrasts"]


type Named = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class ContrastQuery(EstimateQuery):
    """What is compared with what, and in which groups."""

    first: Labels = ()
    second: Labels = ()
    versus: str | None = None
    """The option over which the lead is asked; None: two groups are compared."""

    @property
    def is_chance(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class PreparedContrast:
    """Two sides that are understood."""

    pairs: Pairs
    """The same groups twice if options are compared."""
    first: Named
    """What each side is, as it is told."""
    second: Named

    @property
    def is_large(self) -> bool:
        """Whether the answer takes seconds."""
        return self.pairs.is_large


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
        refuse_means(query.measure, "Leads over versus")
        option, versus = (find_option(name, loaded.question) for name in (query.option, query.versus))
        if option == versus:
            raise EstimateRefused(
                f"The option '{option}' is compared with itself. Name another one in option or versus."
            )
        side = prepare_query(cache, served, query, settings)
        pairs = pair_groups(side, replace(side, options=(versus,)))
        return PreparedContrast(pairs, {"option": [option]}, {"option": [versus]})
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
    return PreparedContrast(pair_groups(*sides), _named(first), _named(second))


def answer_contrasts(contrast: PreparedContrast, settings: Settings) -> ContrastPayload:
    """Every difference that was asked for."""
    pairs = contrast.pairs
    head = groups_head(pairs.first, settings)
    head["where"] = {column: levels for column, levels in head["where"].items() if column not in contrast.first}
    if pairs.first.option == pairs.second.option:
        head["withheld"] = pairs.unpaired(
            f"Fewer than {settings.min_people} people in the frame on one of the two sides."
        )
    else:
        head["withheld"] += [one for one in withheld_groups(pairs.second, settings) if one not in head["withheld"]]
    return ContrastPayload(
        **head,
        first=contrast.first,
        second=contrast.second,
        contrasts=[
            AreaContrast(**names, first=first, second=second, **fields)
            for names, first, second, fields in pairs.compared(settings, partial(_differences, pairs.first))
        ],
    )


def _named(labels: Labels) -> Named:
    return {column: list(levels) for column, levels in labels}


def _differences(side: Prepared, first: AreaDraws, second: AreaDraws) -> Iterator[dict[str, Any]]:
    query = side.query
    for size, p in differences(first.draws - second.draws, first, interval=query.interval, also=query.further):
        words = direction(p, "larger", "smaller", "no clear difference")
        told = in_points(size, query.interval, kind=first.kind, unit=side.unit)
        yield {
            "difference": size.mean,
            "low": size.low,
            "high": size.high,
            "intervals": ends_of(query, size),
            "sd": size.sd,
            "mc_error": size.mc_error,
            "p_larger": p.value,
            "p_larger_mc_error": p.mc_error,
            "words": words,
            "sentence": f"{words}: {told}, P(larger) {p.value:.2f}",
        }
