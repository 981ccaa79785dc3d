"""Parts of the population that are known through a question: who is registered, who will vote.

The frame counts everybody whom the survey is about. A population is those of them who would give the first answer to a
binary question, such as "did vote" to a question of turnout; each cell of the frame has the probability that somebody
in it belongs to them, from the fit of that question. A population within another multiplies probabilities: those who
vote, of those who are registered, where turnout was asked of the registered only.

============================  ========================================================================================
key in survey.toml            meaning
============================  ========================================================================================
populations.<id>.people       who they are, in words: "likely voters"
populations.<id>.question     the binary question whose first option says that somebody belongs to them
populations.<id>.within       another population that they are part of, if the question was asked of it alone; without
                              it the question was asked of everybody
populations.<id>.validated    true: the answers are records, such as those of an official register, not what
                              respondents say of themselves (default false)
questions.<id>.population     the population that answers are about unless another is asked for (default: ``everybody``)
============================  ========================================================================================

What respondents say of themselves can be made to meet what is known of areas by ``questions.<id>.known_totals``, see
``polling.beyond``; without these, and without records, every answer warns. A second data set, such as a supplement of
validated votes, is a wave of another pollster that has the column of this question and none of the others: a wave
without a column did not ask the question.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["EVERYBODY", "Population", "chain_of"]

EVERYBODY: Final = "everybody"
"""The id of the population of the frame."""


@dataclass(frozen=True, slots=True)
class Population:
    """Those who belong to a part of the population."""

    id: str
    people: str
    question: str
    within: str | None = None
    validated: bool = False
    """Whether the answers are records."""


def chain_of(populations: Sequence[Population], population_id: str) -> tuple[Population, ...]:
    """A population and those that it is within, the largest first.

    Raises
    ------
    KeyError
        If there is no such population.
    """
    by_id, chain = {one.id: one for one in populations}, []
    wanted: str | None = population_id
    while wanted is not None:
        one = by_id[wanted]
        chain.append(one)
        wanted = one.within
    return tuple(reversed(chain))
