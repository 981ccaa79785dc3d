"""A part of the population, as estimates are made about it: who belongs to it, draw by draw, and how many they are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from api.errors import EstimateRefused
from mrp.design import Design
from mrp.electorate import Electorate
from mrp.errors import MrpError
from mrp.frames.extension import FrameDraws
from mrp.frames.over_draws import people_by_draw, voters_over_frames
from mrp.grouping import Grouping
from mrp.latents import LatentDraws
from mrp.misreport import Misreport
from mrp.outcomes.designs import AnyDesign
from mrp.poststratification import AreaDraws
from mrp.quantity import Quantity, quantities
from mrp.turnout import Turnout, voter_draws_many
from polling.population import Population

__all__ = ["Among", "find_among"]


@dataclass(frozen=True, slots=True)
class Among:
    """Whom estimates are about, where it is not everybody."""

    chain: tuple[Population, ...]
    """The part of the population, last, after those that it is within."""
    turnout: tuple[Turnout, ...]
    """What tells who belongs to each."""
    share: AreaDraws
    """Draws of the share of everybody who belongs to it; one area, the whole."""
    n_people: NDArray[np.float64]
    """Everybody, in the frame of each draw; shape (draw,)."""

    @property
    def population(self) -> Population:
        """The part of the population."""
        return self.chain[-1]

    def size(self, interval: float) -> Quantity:
        """How many people they are."""
        return quantities(self.n_people[:, None] * self.share.draws, self.share, interval=interval)[0]


def find_among(
    chain: Sequence[Population],
    telling: Sequence[tuple[LatentDraws, AnyDesign, Misreport | None]],
    latents: LatentDraws,
    design: AnyDesign,
    electorate: Electorate,
    *,
    frames: FrameDraws | None = None,
) -> Among:
    """Put together what tells who belongs to a part of the population.

    Parameters
    ----------
    telling
        Of each in the chain, and how often it is told rightly if that is known.
    latents, design, electorate, frames
        Of the release that is asked.

    Raises
    ------
    EstimateRefused
        If the fits that tell it do not know everybody whom the release is about.
    """
    try:
        turnout = tuple(Turnout(drawn, _binary(of), misreport) for drawn, of, misreport in telling)
        if frames is None:
            (nation,) = voter_draws_many(latents, design, electorate, turnout, [Grouping()])
        else:
            (nation,) = voters_over_frames(latents, design, electorate, turnout, [Grouping()], frames=frames)
    except MrpError as error:
        raise EstimateRefused(
            f"Who the {chain[-1].people} are cannot be told of everybody whom this release is about: {error}"
        ) from error
    share, n_draws = nation.turnout, latents.draws.shape[0]
    one_frame = np.full(n_draws, float(share.areas["n_people"][0]))
    n_people = one_frame if frames is None else people_by_draw(frames, n_draws)
    return Among(tuple(chain), turnout, share, n_people)


def _binary(design: AnyDesign) -> Design:
    # The declaration has been checked: another kind comes from an older version of the survey.
    if not isinstance(design, Design):
        raise EstimateRefused("The question that tells it was of another kind when it was last fitted. Refit it.")
    return design
