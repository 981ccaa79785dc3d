"""Draws of what is estimated of a question, by name: its share, the shares of all its options, or its mean."""

from collections.abc import Mapping, Sequence

import numpy as np

from mrp.categorical.poststratification import OptionDraws
from mrp.design import Design
from mrp.electorate import Electorate
from mrp.frames.extension import FrameDraws
from mrp.frames.over_draws import draws_over_frames, voters_over_frames
from mrp.grouping import Grouping
from mrp.latents import LatentDraws
from mrp.outcomes.designs import MEAN, SHARE, AnyDesign, draws_many
from mrp.poststratification import AreaDraws, area_draws_many
from mrp.turnout import Turnout, voter_draws_many

__all__ = ["Drawn", "drawn_many", "means_of", "size_of"]

type Drawn = Mapping[str, AreaDraws]
"""Estimand → its draws for the same areas; see `mrp.outcomes.designs.estimands`."""


def drawn_many(
    latents: LatentDraws,
    design: AnyDesign,
    electorate: Electorate,
    groupings: Sequence[Grouping],
    *,
    at: Mapping[str, str] | None = None,
    turnout: Sequence[Turnout] = (),
    frames: FrameDraws | None = None,
) -> tuple[Drawn, ...]:
    """Draws of every estimand for several breakdowns of the population, in one pass over its cells.

    The draws of an area lie next to each other in memory, as summaries read them. Parameters and errors as those of
    `mrp.poststratification.area_draws_many`.

    Parameters
    ----------
    turnout
        What tells whom the estimates are about, see `mrp.turnout.voter_draws_many`; empty: everybody.
    frames
        Several frames of the cells of ``electorate``, over which estimates are made. None: there is one frame.
    """
    if turnout:
        if frames is None:
            among = voter_draws_many(latents, design, electorate, turnout, groupings, at=at)
        else:
            among = voters_over_frames(latents, design, electorate, turnout, groupings, frames=frames, at=at)
        return tuple(_by_name(one.drawn) for one in among)
    if frames is not None:
        return tuple(map(_by_name, draws_over_frames(latents, design, electorate, frames, groupings, at=at)))
    if isinstance(design, Design):
        return tuple({SHARE: one} for one in area_draws_many(latents, design, electorate, groupings, at=at))
    return tuple(_by_name(one) for one in draws_many(latents, design, electorate, groupings, at=at))


def _by_name(drawn: OptionDraws) -> Drawn:
    return {
        name: AreaDraws(
            drawn.areas,
            np.ascontiguousarray(drawn.draws[:, :, i].T).T,
            drawn.n_chains,
            drawn.points,
            drawn.fit,
            drawn.kind,
        )
        for i, name in enumerate(drawn.options)
    }


def means_of(drawn: Drawn, scores: Sequence[float]) -> AreaDraws:
    """Draws of means: those of a question of numbers, or of the scores of ordered options.

    Parameters
    ----------
    scores
        One for each option in their order; empty where answers are numbers.
    """
    if MEAN in drawn:
        return drawn[MEAN]
    first = next(iter(drawn.values()))
    total = np.zeros_like(first.draws)
    for one, score in zip(drawn.values(), scores, strict=True):
        total += score * one.draws
    return AreaDraws(first.areas, total, first.n_chains, first.points, first.fit, "mean")


def size_of(drawn: Drawn) -> int:
    """Bytes of all draws."""
    return sum(one.draws.nbytes for one in drawn.values())
