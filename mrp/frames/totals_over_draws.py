r"""Calibrate a fit to known totals over draws of a frame, each draw with the frame that it is poststratified with.

In draw s, of area a and with frame f(s) = s mod F of F frames (`mrp.frames.over_draws`), the shift delta[s, a] solves

    sum_j N[f(s), j] p(eta[j, s] + delta[s, a]) / sum_j N[f(s), j] = total[a],      j in cells of a

so that what is known of an area is met in every draw, and what the frames do not agree on moves its cells and not it.
With the mean of the frames it would be met by none of the draws.
"""

from collections.abc import Mapping

import numpy as np

from mrp.electorate import Electorate
from mrp.frames.extension import FrameDraws, replace_draws
from mrp.frames.over_draws import each_frame
from mrp.known_totals import Calibrated, calibrate
from mrp.latents import LatentDraws
from mrp.outcomes import AnyDesign
from mrp.shifts import shifted_by_area

__all__ = ["calibrate_over_frames"]


def calibrate_over_frames[D: AnyDesign](
    latents: LatentDraws,
    design: D,
    electorate: Electorate,
    totals: Mapping[str, Mapping[str, float]],
    *,
    frames: FrameDraws | None,
    by: str | None,
    term: str = "known",
) -> Calibrated[D]:
    """As `mrp.known_totals.calibrate`, each draw with a frame of its own.

    Parameters
    ----------
    electorate, frames
        As in `mrp.frames.over_draws.draws_over_frames`; None: there is one frame, that of the electorate.

    Raises
    ------
    FrameError
        As `mrp.known_totals.calibrate`, of any of the frames; or if there are more of them than draws.
    """
    if frames is None:
        return calibrate(latents, design, electorate, totals, by=by, term=term)
    delta, areas = np.empty(0), tuple[str, ...]()
    for rows, world in each_frame(latents, electorate, frames):
        part = calibrate(replace_draws(latents, rows), design, world, totals, by=by, term=term)
        if not delta.size:
            delta, areas = np.empty((latents.draws.shape[0], *part.delta.shape[1:])), part.areas
        delta[rows] = part.delta
    moved, longer = shifted_by_area(latents, design, electorate, delta, by=by, term=term)
    return Calibrated(moved, longer, by, areas, delta)
