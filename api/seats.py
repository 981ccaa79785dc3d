"""Count seats in every draw of one release, and find the districts that decide; see ``mrp.seats``."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from api.answer_head import groups_head
from api.district_payloads import (
    BattlegroundPayload,
    BattlegroundRow,
    OptionSeatsPayload,
    SeatChance,
    SeatsPayload,
    TippingDistrict,
)
from api.errors import EstimateRefused
from api.estimates import share_fields
from api.group_facts import group_facts
from api.group_query import EstimateQuery, Prepared, load_release, prepare_query
from api.interval_ends import ends_of
from api.labels import DISTRICT, one_of
from api.measured import of_share
from api.measures import find_option, refuse_means
from api.release_cache import ReleaseCache
from api.served import Served
from jobs.settings import Settings
from mrp.areas import strongest
from mrp.chances import above, leads
from mrp.contrast import lead
from mrp.poststratification import AreaDraws
from mrp.quantity import Probability
from mrp.seats import OptionSeats, SeatForecast, seats

__all__ = ["BattlegroundQuery", "PreparedSeats", "SeatsQuery", "answer_battleground", "answer_seats", "prepare_seats"]

MOST = 2000
"""Seats whose distribution is told."""


@dataclass(frozen=True, slots=True)
class SeatsQuery(EstimateQuery):
    """What is counted."""

    seats: str | None = None
    """Column of the districts with their seats. None: one each."""

    @property
    def is_chance(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class BattlegroundQuery(SeatsQuery):
    """Whose closeness is asked."""


@dataclass(frozen=True, slots=True)
class PreparedSeats:
    """Districts that are understood, with their seats."""

    prepared: Prepared
    n_seats: NDArray[np.int64]
    """Of each district that is answered, shape (district,)."""

    @property
    def is_large(self) -> bool:
        """Whether the answer takes much time or memory: several numbers are computed for every draw."""
        return not self.prepared.loaded.keeps(8 * self.n_seats.size)

    @property
    def other(self) -> str | None:
        """The other option; None if there are several."""
        others = [one for one in self.prepared.loaded.question.options if one != self.prepared.option]
        return others[0] if len(others) == 1 else None


def prepare_seats(cache: ReleaseCache, served: Served, query: SeatsQuery, settings: Settings) -> PreparedSeats:
    """Understand the query.

    Raises
    ------
    EstimateRefused
        As `prepare_query`; or if groups are asked for, an option is not estimated or options are a scale, or the column
        has no numbers of seats.
    """
    if query.by or query.merge or query.level not in (None, DISTRICT):
        raise EstimateRefused("Seats are counted by district, of everybody in it. Leave level, by and merge out.")
    refuse_means(query.measure, "Seats")
    loaded = load_release(cache, served, settings)
    if loaded.question.kind == "ordinal":
        raise EstimateRefused(f"The options of {loaded.question.id} are points of a scale: nobody wins seats by them.")
    for option in loaded.question.options or (None,):
        find_option(option, loaded.question)
    prepared = prepare_query(cache, served, replace(query, level=DISTRICT), settings)
    if not prepared.loaded.keeps(int(prepared.answered.sum())):
        raise EstimateRefused("Seats compare all districts at once, and these are too many. Name some in districts.")
    return PreparedSeats(prepared, _n_seats(prepared, query.seats))


def answer_seats(counted: PreparedSeats, settings: Settings) -> SeatsPayload:
    """Seats of every option, and the districts that tip the majority."""
    prepared = counted.prepared
    forecast = _forecast(counted)
    names = {facts.names["area"]: facts.names["area_name"] for facts in group_facts(prepared, settings)}
    return SeatsPayload(
        **_head(prepared, settings),
        n_seats=forecast.n_seats,
        options=[_option(one, prepared.query) for one in forecast.options if _stands(prepared, one.option).any()],
        tipping=[
            TippingDistrict(code, names[code], p.value, p.mc_error) for code, p in _tips(prepared, forecast) if p.value
        ],
    )


def answer_battleground(counted: PreparedSeats, settings: Settings) -> BattlegroundPayload:
    """Districts from the closest to the safest."""
    prepared, query = counted.prepared, counted.prepared.query
    competing = _competing(counted)
    areas, *others = competing.values()
    wins = above(areas, 0.5) if counted.other else leads(competing)[prepared.option]
    rival = None if counted.other else strongest(others)
    tips = dict(_tips(prepared, _forecast(counted)))
    facts = group_facts(prepared, settings)
    stands = _stands(prepared, prepared.option).tolist()
    rows = [
        BattlegroundRow(
            **one.names,
            option=prepared.option,
            **share,
            n_seats=n_seats,
            p_win=win.value,
            p_win_mc_error=win.mc_error,
            lead=gap.difference.mean,
            lead_low=gap.difference.low,
            lead_high=gap.difference.high,
            lead_intervals=ends_of(query, gap.difference),
            lead_mc_error=gap.difference.mc_error,
            p_tipping=tips[one.names["area"]].value,
            p_tipping_mc_error=tips[one.names["area"]].mc_error,
        )
        for one, share, win, gap, n_seats, is_candidate in zip(
            facts,
            share_fields(of_share(prepared.loaded, areas), facts, query),
            wins,
            lead(areas, rival, interval=query.interval, also=query.further),
            counted.n_seats.tolist(),
            stands,
            strict=True,
        )
        if is_candidate
    ]
    rows.sort(key=lambda row: (abs(row.p_win - 0.5), abs(row.lead), row.area))
    return BattlegroundPayload(**_head(prepared.where_it_stands(), settings), versus=counted.other, districts=rows)


def _head(prepared: Prepared, settings: Settings) -> dict[str, Any]:
    """The head, which says where seats come from if they were uploaded."""
    head, query = groups_head(prepared, settings), prepared.query
    assert isinstance(query, SeatsQuery)
    if query.seats is None or (upload := prepared.loaded.counted_by.uploads.get(query.seats)) is None:
        return head
    told = f"Seats are those of upload {upload.number} of {query.seats}, as of {upload.as_of} ({upload.source})."
    return head | {"data_notes": [*head["data_notes"], told]}


def _stands(prepared: Prepared, option: str) -> NDArray[np.bool_]:
    """In which of the districts that are answered an option stands."""
    return prepared.part_standing(option)[prepared.answered] > 0


def _competing(counted: PreparedSeats) -> dict[str, AreaDraws]:
    return counted.prepared.competing(np.flatnonzero(counted.prepared.answered))


def _forecast(counted: PreparedSeats) -> SeatForecast:
    return seats(
        _competing(counted),
        n_seats=counted.n_seats,
        interval=counted.prepared.query.interval,
        also=counted.prepared.query.further,
    )


def _tips(prepared: Prepared, forecast: SeatForecast) -> list[tuple[str, Probability]]:
    """Code of each district, and the probability that it tips the majority; most probable first."""
    column = prepared.loaded.electorate.district
    return [(area[column], p) for area, p in forecast.tipping]


def _option(one: OptionSeats, query: EstimateQuery) -> OptionSeatsPayload:
    chances = enumerate(zip(one.distribution.tolist(), one.distribution_mc_error.tolist(), strict=True))
    return OptionSeatsPayload(
        option=one.option,
        seats=one.seats.mean,
        low=one.seats.low,
        high=one.seats.high,
        intervals=ends_of(query, one.seats),
        sd=one.seats.sd,
        mc_error=one.seats.mc_error,
        p_majority=one.p_majority.value,
        p_majority_mc_error=one.p_majority.mc_error,
        p_most=one.p_most.value,
        p_most_mc_error=one.p_most.mc_error,
        distribution=[SeatChance(n, p, error) for n, (p, error) in chances if p],
    )


def _n_seats(prepared: Prepared, column: str | None) -> NDArray[np.int64]:
    """Seats of the districts that are answered."""
    codes = prepared.breakdown.groups.filter(pl.Series(prepared.answered))[prepared.loaded.electorate.district]
    if column is None:
        return np.ones(len(codes), dtype=np.int64)
    districts = prepared.loaded.counted_by.districts
    one_of("column of the districts", column, prepared.loaded.electorate.predictors)
    by_code = dict(zip(districts["code"].to_list(), districts[column].to_list(), strict=True))
    numbers = [by_code[code] for code in codes]
    if wrong := [code for code, n in zip(codes, numbers, strict=True) if n is None or n < 0 or n != int(n)]:
        raise EstimateRefused(
            f"The column {column!r} is no number of seats in {len(wrong)} districts, such as {wrong[0]}: it needs "
            "whole numbers from 0 on."
        )
    if (total := int(sum(numbers))) > MOST:
        raise EstimateRefused(f"The column {column!r} has {total:,} seats; at most {MOST:,} are counted.")
    return np.array(numbers, dtype=np.int64)
