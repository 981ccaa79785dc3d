"""Which option leads in every area and group, and how probably: what a map of several options shows.

An option leads in a draw if its share is the largest (`mrp.chances.leads`); that which does so in most draws is told,
with its own share.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta

from api.answer_head import groups_head
from api.answer_payloads import AreaEstimate, GroupsHead
from api.breakdown import pieces
from api.estimates import option_fields
from api.group_facts import group_facts
from api.group_query import EstimateQuery, Prepared
from api.measured import of_share
from jobs.settings import Settings
from mrp.chances import leads

__all__ = ["AreaLeader", "LeadersPayload", "LeadersQuery", "answer_leaders"]


@dataclass(frozen=True, slots=True)
class LeadersQuery(EstimateQuery):
    """Of which groups the leading option is asked."""

    @property
    def is_chance(self) -> bool:
        return True


class AreaLeader(AreaEstimate, frozen=True):
    """The option that leads in one area or group."""

    p_leads: Annotated[float, Meta(description="Posterior probability that its share is the largest.")]
    second: Annotated[str, Meta(description="The option that leads most probably after it.")]


class LeadersPayload(GroupsHead, frozen=True):
    """The options that lead."""

    leaders: Annotated[list[AreaLeader], Meta(description="One per area and group, sorted.")]


def answer_leaders(prepared: Prepared, settings: Settings) -> LeadersPayload:
    """The leading option of every group that was asked for; of a question with two options or more."""
    facts, done, found = group_facts(prepared, settings), 0, []
    standing = {option: prepared.part_standing(option) for option in prepared.loaded.question.options}
    for rows in pieces(prepared.loaded, prepared.answered):
        told = facts[done : done + rows.size]
        competing = prepared.competing(rows)
        options = list(competing)
        chances = np.array([[one.value for one in chance] for chance in leads(competing).values()])
        # An option that does not stand there comes after all that do, however improbable those are.
        parts = {option: standing[option][rows] for option in options}
        chances[np.array([*parts.values()]) == 0] = -1
        # The most probable first; of those that are equally so the one that is declared first.
        order = np.argsort(-chances, axis=0, kind="stable")
        every = {option: of_share(prepared.loaded, one) for option, one in competing.items()}
        shares = [*option_fields(every, told, prepared.query, parts=parts).values()]
        found += [
            AreaLeader(
                **one.names,
                option=options[first],
                **shares[first][at],
                p_leads=float(chances[first, at]),
                second=options[second],
            )
            for at, (one, first, second) in enumerate(zip(told, *order[:2].tolist(), strict=True))
        ]
        done += rows.size
    return LeadersPayload(**groups_head(prepared, settings), leaders=found)
