"""Report on the representation of a release: sample against frame, and how sure its estimates are by group."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from msgspec.structs import replace

from api.answer_head import groups_head
from api.group_query import EstimateQuery, Prepared, prepare_query
from api.release_cache import LoadedRelease, ReleaseCache
from api.representation_payloads import LevelBalance, RepresentationPayload, WidthSpread
from api.representation_words import sentences_of
from api.sample_balance import balance_sample
from api.served import Served
from jobs.settings import Settings
from mrp.poststratification import AreaDraws
from mrp.representation import interval_widths
from polling.disclosure import DisclosureRules

__all__ = ["PreparedRepresentation", "RepresentationQuery", "answer_representation", "prepare_representation"]


@dataclass(frozen=True, slots=True)
class RepresentationQuery(EstimateQuery):
    """Of which option, and at which probability, intervals are measured; everything else stays as it is."""


@dataclass(frozen=True, slots=True)
class PreparedRepresentation:
    """A release whose representation is asked for."""

    prepared: Prepared

    @property
    def is_large(self) -> bool:
        """Whether the answer takes seconds."""
        return not self.prepared.loaded.keeps(self.prepared.loaded.electorate.districts.height)


def prepare_representation(
    cache: ReleaseCache, served: Served, query: RepresentationQuery, settings: Settings
) -> PreparedRepresentation:
    """Understand the query; raises as `api.group_query.prepare_query`."""
    return PreparedRepresentation(prepare_query(cache, served, query, settings))


def answer_representation(asked: PreparedRepresentation, settings: Settings) -> RepresentationPayload:
    """The report."""
    prepared, loaded = asked.prepared, asked.prepared.loaded
    rules = DisclosureRules(settings.min_people, settings.min_interviews)
    balance = balance_sample(loaded.counts, loaded.electorate, rules, universe=loaded.declaration.universe)
    levels = list(_with_widths(balance.levels, prepared, rules))
    spread = _spread(levels, loaded)
    head = groups_head(prepared, settings) | {"by": list(loaded.electorate.demographics)}
    return RepresentationPayload(
        **head,
        summary=sentences_of(balance, levels, rules=rules, spread=spread, interval=prepared.query.interval),
        sample=balance.sample,
        columns=list(balance.columns),
        missing=balance.missing,
        district_widths=spread,
        levels=levels,
    )


def _with_widths(levels: Sequence[LevelBalance], prepared: Prepared, rules: DisclosureRules) -> Iterator[LevelBalance]:
    """The levels with how sure their estimates are, where they have enough people."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for column in dict.fromkeys(one.column for one in levels):
        areas = prepared.loaded.areas((column,))
        kept = (areas.areas["n_people"] >= rules.min_people).to_numpy()
        # The other option's intervals are as wide.
        chosen = AreaDraws(areas.areas.filter(kept.tolist()), areas.draws[:, kept], areas.n_chains, areas.points)
        table = interval_widths(chosen, interval=prepared.query.interval) if kept.any() else areas.areas.clear()
        found[column] = {row[column]: row for row in table.iter_rows(named=True)}
    for one in levels:
        row = found[one.column].get(one.level)
        if row is None:
            yield one
        else:
            yield replace(one, share_sd=row["sd"], width=row["width"], width_ratio=row["width_ratio"])


def _spread(levels: Sequence[LevelBalance], loaded: LoadedRelease) -> WidthSpread | None:
    district = loaded.electorate.district
    widths = [one.width for one in levels if one.column == district and one.width is not None]
    if not widths:
        return None
    return WidthSpread(len(widths), *map(float, np.quantile(widths, [0, 0.25, 0.5, 0.75, 1])))
