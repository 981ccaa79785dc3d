"""Estimate shares of areas and groups from the stored draws of one release.

The share of an area or group is computed per draw and summarised last; the complement of a binary question's first
option is one minus its draws.
"""

from collections.abc import Iterator
from typing import Any

from api.answer_head import groups_head
from api.answer_payloads import AreaEstimate, EstimatesPayload
from api.breakdown import pieces
from api.group_facts import group_facts
from api.group_query import Prepared
from jobs.settings import Settings
from mrp.poststratification import AreaDraws
from mrp.summary import summarise

__all__ = ["SHARE", "answer_query", "drawn_pieces", "shares_of"]

SHARE = ("share", "low", "high", "sd", "mc_error")


def answer_query(prepared: Prepared, settings: Settings) -> EstimatesPayload:
    """Compute every estimate that was asked for."""
    shares = (share for areas in drawn_pieces(prepared) for share in shares_of(areas, prepared.query.interval))
    return EstimatesPayload(
        **groups_head(prepared, settings),
        estimates=[
            AreaEstimate(**facts.fields, **share)
            for facts, share in zip(group_facts(prepared, settings), shares, strict=True)
        ],
    )


def drawn_pieces(prepared: Prepared) -> Iterator[AreaDraws]:
    """Draws of the groups that are answered, in order, some at a time."""
    for rows in pieces(prepared.loaded, prepared.answered):
        yield prepared.draws(rows)


def shares_of(areas: AreaDraws, interval: float) -> list[dict[str, Any]]:
    """Share, interval and errors of every area, as fields of a payload."""
    return summarise(areas, interval=interval).select(SHARE).to_dicts()
