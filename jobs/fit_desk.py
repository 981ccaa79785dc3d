"""What the process that fits has at hand from one fit to the next: the frame, the design, what passes over them found.

Forty questions of a survey come as forty requests, with the same frame and often the same formula. Of each formula the
design is coded, and its passes over the frame are gone (``mrp.common_passes``), once. What is on the desk is taken only
for a request that says the same in everything that it was made of, so that a fit is the same whatever was fitted before
it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from jobs.fit_request import FitRequest
from mrp.common_passes import CommonPasses, common_passes
from mrp.counts import observed_levels
from mrp.design import Design
from mrp.electorate import Electorate
from mrp.outcomes import AnyDesign, BinaryOutcome

__all__ = ["FitDesk", "OnDesk"]

MOST: Final = 8
MOST_CELLS: Final = 1_000_000
"""Of the frames of all designs on the desk, but for the newest: passes over a million cells hold some 200 MB."""


@dataclass(frozen=True)
class OnDesk:
    """A design, and what every fit of it on its frame needs."""

    electorate: Electorate
    design: AnyDesign
    made_of: Mapping[str, Any]

    @cached_property
    def common(self) -> CommonPasses:
        """The passes over the frame, of the design of a binary question.

        Raises
        ------
        MrpError
            If people live where the model has nothing to say.
        """
        assert isinstance(self.design, Design)
        return common_passes(self.design, self.electorate)


class FitDesk:
    """Of one process. Not for several threads."""

    def __init__(self) -> None:
        self._kept: list[OnDesk] = []

    def take(self, request: FitRequest) -> OnDesk:
        """The electorate and the design of a request, as they are on the desk, or made.

        Raises
        ------
        MrpError
            If the model cannot be built.
        """
        made_of = _made_of(request)
        found = next((one for one in self._kept if _same(one, made_of, request.electorate)), None)
        if found is None:
            design = request.outcome.build(request.formula, request.electorate, observed=made_of["observed"])
            found = OnDesk(request.electorate, design, made_of)
        self._kept = [found, *(one for one in self._kept if one is not found)][:MOST]
        while len(self._kept) > 1 and sum(one.electorate.frame.height for one in self._kept) > MOST_CELLS:
            self._kept.pop()  # what was asked for longest ago
        return found


def _made_of(request: FitRequest) -> dict[str, Any]:
    """What a design depends on, but for the tables of the electorate."""
    outcome, electorate = request.outcome, request.electorate
    return {
        # Of a binary question its options make no difference.
        "outcome": {"kind": outcome.kind} if isinstance(outcome, BinaryOutcome) else outcome.to_json(),
        "formula": request.formula,
        "observed": observed_levels(request.counts),
        "district": electorate.district,
        "demographics": {name: tuple(levels) for name, levels in electorate.demographics.items()},
        "ordered": electorate.ordered,
    }


def _same(one: OnDesk, made_of: Mapping[str, Any], electorate: Electorate) -> bool:
    kept = one.electorate
    return (
        one.made_of == made_of and kept.frame.equals(electorate.frame) and kept.districts.equals(electorate.districts)
    )
