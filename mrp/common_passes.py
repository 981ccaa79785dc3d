"""What every fit of a design on a frame has in common, found once.

Fits of many questions with one design - the same formula on the same frame, of interviews with the same periods,
pollsters and modes - differ in their counts and draws alone. How the cells of the frame are coded, which of the first
estimates each belongs to, and whether every term moves the cells that it should, is asked of design and frame.

    common = common_passes(design, electorate)
    for name, counts in counts_of.items():
        fits[name] = fit_model(design, electorate, counts, priors, engine="laplace", seed=1, common=common)
"""

from dataclasses import dataclass

from mrp.design import Design
from mrp.electorate import Electorate
from mrp.errors import FrameError
from mrp.grouping import Grouping
from mrp.parity import term_parity
from mrp.poststratification import FramePass, frame_pass
from mrp.verdict import Problem

__all__ = ["CommonPasses", "common_passes", "first_estimates"]


@dataclass(frozen=True, slots=True, eq=False)
class CommonPasses:
    """Of a design and an electorate."""

    design: Design
    electorate: Electorate
    parity: tuple[Problem, ...]
    """What `mrp.parity.term_parity` says of them."""
    estimates: FramePass
    """The pass for what every release is asked first."""

    def require(self, design: Design, electorate: Electorate) -> None:
        """Refuse another design or electorate than those that they were made of: the very same objects are meant.

        Raises
        ------
        FrameError
            If it is another one.
        """
        if design is not self.design or electorate is not self.electorate:
            raise FrameError(
                "the passes over the frame were prepared for another design or electorate; make them of these, by "
                "common_passes(design, electorate)"
            )


def common_passes(design: Design, electorate: Electorate) -> CommonPasses:
    """Prepare what all fits of a design have in common.

    Raises
    ------
    FrameError, UncoveredPopulation
        As `mrp.poststratification.area_draws_many`.
    """
    return CommonPasses(design, electorate, term_parity(design, electorate), first_estimates(design, electorate))


def first_estimates(design: Design, electorate: Electorate) -> FramePass:
    """The pass for what every release is asked first: the nation, all districts, every demographic by itself."""
    breakdowns = [(), (electorate.district,), *((name,) for name in electorate.demographics)]
    return frame_pass(design, electorate, [Grouping(by=by) for by in breakdowns])
