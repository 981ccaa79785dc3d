r"""Poststratify over draws of a frame, so that what is not known of who lives where is in every interval.

Draw s of the estimate is made with frame f(s) = s mod F, of F frames:

    theta[s, a] = sum_j N[f(s), j] p[s, j] / sum_j N[f(s), j],      j in cells of a

The fit and the frames are of different surveys, or taken for independent, so that any pairing is one of their joint
distribution; this one uses every frame equally often, and along each chain. The variance of an estimate is then that of
the fit plus that of the frames. The frames' part rests on F values only; `frame_sd` has it by itself, and the
Monte-Carlo error that a summary tells lacks  frame_sd / sqrt(F).

Estimates among voters, or another part of the population (`mrp.turnout`), are made likewise: draw s of turnout weights
the people of frame f(s), N[f(s), j] t[s, j] in place of N[f(s), j].
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.categorical.poststratification import OptionDraws
from mrp.electorate import Electorate
from mrp.errors import FrameError
from mrp.frames.cells import PEOPLE
from mrp.frames.extension import FrameDraws, replace_draws
from mrp.grouping import Grouping
from mrp.latents import LatentDraws
from mrp.outcomes import AnyDesign, draws_many
from mrp.poststratification import AreaDraws
from mrp.turnout import Turnout, VoterDraws, joint_source, spread_over, voter_draws_many

__all__ = ["draws_over_frames", "each_frame", "frame_sd", "people_by_draw", "voters_over_frames"]

type Floats = NDArray[np.float64]


def draws_over_frames(
    latents: LatentDraws,
    design: AnyDesign,
    electorate: Electorate,
    frames: FrameDraws,
    groupings: Sequence[Grouping],
    *,
    at: Mapping[str, str] | None = None,
) -> tuple[OptionDraws, ...]:
    """As `mrp.outcomes.draws_many`, each draw with a frame of its own.

    Parameters
    ----------
    electorate
        Of the frames, see `mrp.frames.extended_electorate`; the people of its own frame are not used.
    frames
        No more than there are draws.

    Returns
    -------
    tuple of OptionDraws
        The people of an area are the mean over the frames.

    Raises
    ------
    FrameError
        If there are more frames than draws, their cells are not those of the electorate, or an area has people in some
        of the frames only.
    MrpError
        As `mrp.outcomes.draws_many`.
    """
    parts = [
        draws_many(replace_draws(latents, rows), design, world, groupings, at=at)
        for rows, world in each_frame(latents, electorate, frames)
    ]
    source = latents.n_chains, latents.points, latents.fit
    return tuple(_together([part[g] for part in parts], *source) for g in range(len(groupings)))


def voters_over_frames(
    latents: LatentDraws,
    design: AnyDesign,
    electorate: Electorate,
    turnout: Sequence[Turnout],
    groupings: Sequence[Grouping],
    *,
    frames: FrameDraws,
    at: Mapping[str, str] | None = None,
) -> tuple[VoterDraws, ...]:
    """As `mrp.turnout.voter_draws_many`, each draw with a frame of its own.

    Parameters
    ----------
    turnout
        Draw s of the question goes with the same draw of turnout as over one frame.
    electorate, frames
        As in `draws_over_frames`.

    Returns
    -------
    tuple of VoterDraws
        The people of an area are the mean over the frames; turnout is the share of those in the frame of the draw.

    Raises
    ------
    FrameError
        As `draws_over_frames`.
    MrpError
        As `mrp.turnout.voter_draws_many`.
    """
    n_draws = latents.draws.shape[0]
    # Paired before they are shared out among the frames: of those of one frame, the spread would be another.
    paired = [replace_draws(one.latents, spread_over(one.latents.draws.shape[0], n_draws)) for one in turnout]
    parts = []
    for rows, world in each_frame(latents, electorate, frames):
        chain = [
            Turnout(replace_draws(of, rows), one.design, one.misreport) for of, one in zip(paired, turnout, strict=True)
        ]
        parts.append(voter_draws_many(replace_draws(latents, rows), design, world, chain, groupings, at=at))
    source = joint_source(latents, turnout)
    return tuple(
        VoterDraws(
            _together([part[g].drawn for part in parts], *source),
            _together([part[g].turnout for part in parts], *source),
        )
        for g in range(len(groupings))
    )


def people_by_draw(frames: FrameDraws, n_draws: int) -> Floats:
    """All people of the frame that each draw is made with, shape (draw,)."""
    return np.resize(frames.n_people.sum(axis=1), n_draws)


def each_frame(
    latents: LatentDraws, electorate: Electorate, frames: FrameDraws
) -> Iterator[tuple[NDArray[np.int64], Electorate]]:
    """The draws that are made with each frame, and the electorate with its people.

    Raises
    ------
    FrameError
        If there are more frames than draws, or their cells are not those of the electorate.
    """
    n_draws, n_frames = latents.draws.shape[0], len(frames.n_people)
    if n_frames > n_draws:
        raise FrameError(f"{n_draws:,} draws cannot use {n_frames:,} frames; give fewer frames, or more draws")
    columns = list(electorate.cell_columns)
    if set(frames.cells.columns) != set(columns):
        has, wanted = ", ".join(frames.cells.columns), ", ".join(columns)
        raise FrameError(f"the frames have the columns {has}, the electorate {wanted}; they have to be the same")
    for column in columns:
        known = electorate.levels(column)
        if strange := sorted(set(frames.cells[column]) - set(known)):
            raise FrameError(f"the frames have {column} {strange[0]!r}, which the electorate has not")
    for f in range(n_frames):
        cells = frames.cells.select(columns).with_columns(pl.Series(PEOPLE, frames.n_people[f]))
        yield np.arange(f, n_draws, n_frames), electorate.with_cells(cells)


def _together[Draws: (OptionDraws, AreaDraws)](
    parts: Sequence[Draws], n_chains: int, points: NDArray[np.int32] | None, fit: str
) -> Draws:
    """Draws of all frames, in the order of the fit."""
    first: Draws = parts[0]
    n_frames = len(parts)
    names = first.areas.drop(PEOPLE)
    for part in parts:
        if not part.areas.drop(PEOPLE).equals(names):
            raise FrameError("an area has people in some of the frames only; merge it with another")
    draws = np.empty((sum(len(part.draws) for part in parts), *first.draws.shape[1:]))
    for f, part in enumerate(parts):
        draws[f::n_frames] = part.draws
    people = np.mean([part.areas[PEOPLE].to_numpy() for part in parts], axis=0)
    areas = first.areas.with_columns(pl.Series(PEOPLE, people))
    return replace(first, areas=areas, draws=draws, n_chains=n_chains, points=points, fit=fit)


def frame_sd(estimate: OptionDraws, n_frames: int) -> Floats:
    """How much of an estimate's spread is the frames': the standard deviation between them.

    Of the variance of the frames' means the part that draws within a frame make of it is taken off (one-way analysis of
    variance); 0 if nothing is left.

    Parameters
    ----------
    estimate
        Of `draws_over_frames`.
    n_frames
        Of as many frames: two or more, and at most half as many as draws.

    Returns
    -------
    numpy.ndarray
        Shape (area, option), on the scale of shares.

    Raises
    ------
    FrameError
        If there are too few frames or draws.
    """
    n_draws = estimate.draws.shape[0]
    if n_frames < 2 or n_draws < 2 * n_frames:
        raise FrameError(f"{n_frames:,} frames and {n_draws:,} draws are too few; give 2 frames and 4 draws or more")
    of = [estimate.draws[f::n_frames] for f in range(n_frames)]
    within = np.mean([one.var(axis=0, ddof=1) / len(one) for one in of], axis=0)
    between = np.var([one.mean(axis=0) for one in of], axis=0, ddof=1)
    return np.asarray(np.sqrt(np.maximum(between - within, 0.0)))
