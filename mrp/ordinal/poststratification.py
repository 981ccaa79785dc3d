"""Turn draws of the latents of an ordered scale into draws of shares for areas and groups.

    A[s, a, k] = sum_j N[j] / (1 + exp(middle[s, k] - v[s, j])) / sum_j N[j],      j in cells of a

is the share of answers above cutpoint k, with the linear predictor ``v`` of the binary model, once per draw as in
`mrp.poststratification`. Shares of options are differences of these: they sum to 1 in every draw.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mrp.categorical.poststratification import OptionDraws, drawn_options
from mrp.cell_pass import area_weights, chunks_of, inverse_logit, linear_predictor
from mrp.design import DesignRows
from mrp.electorate import Electorate
from mrp.errors import DrawsError
from mrp.grouping import Grouping
from mrp.latents import LatentDraws
from mrp.ordinal.design import OrdinalDesign
from mrp.ordinal.posterior import LINK
from mrp.ordinal.scale import spacing
from mrp.poststratification import AreaDraws, grouped_cells, require_read
from mrp.threads import in_threads, parts_of

__all__ = ["between", "mean_scores", "middles", "ordinal_draws", "ordinal_draws_many"]

type Floats = NDArray[np.float64]

# Numbers held at a time, and those that are worth a thread, as in `mrp.cell_pass`; of all cutpoints together.
_CHUNK, _LEAST = 200_000, 200_000


def ordinal_draws(
    latents: LatentDraws,
    design: OrdinalDesign,
    electorate: Electorate,
    *,
    by: tuple[str, ...] = (),
    where: Mapping[str, tuple[str, ...]] | None = None,
    merge: Mapping[str, Mapping[str, tuple[str, ...]]] | None = None,
    at: Mapping[str, str] | None = None,
) -> OptionDraws:
    """Draws for areas and groups straight from the latents: `ordinal_draws_many` of one grouping."""
    return ordinal_draws_many(latents, design, electorate, (Grouping(by, where or {}, merge or {}),), at=at)[0]


def ordinal_draws_many(
    latents: LatentDraws,
    design: OrdinalDesign,
    electorate: Electorate,
    groupings: Sequence[Grouping],
    *,
    at: Mapping[str, str] | None = None,
) -> tuple[OptionDraws, ...]:
    """Draws for several breakdowns of the population in one pass over its cells.

    Parameters and errors as those of `mrp.poststratification.area_draws_many`.
    """
    if latents.names != design.latent_names or latents.link != LINK:
        raise DrawsError(
            f"the draws are of {len(latents.names)} latents with the link {latents.link!r} and the design has "
            f"{design.n_latents} with {LINK!r} (or other names); use the design that was stored with the fit"
        )
    at = at or {}
    require_read(at, design.common, electorate)
    if not groupings:
        return ()
    if "period" in at and "period" in design.common.observed:
        design = design.at_period(at["period"])
    cells, grouped = grouped_cells(design, electorate, groupings, at)
    weights = area_weights(cells["n_people"].to_numpy(), grouped)
    n_cuts, n_draws = design.n_options - 1, latents.draws.shape[0]
    above = np.zeros((n_cuts, weights.shape[0], n_draws))
    _add_up(above, latents.draws, design.rows(cells), weights)
    return drawn_options(between(above), [areas for _, areas in grouped], design.options, latents)


def mean_scores(drawn: OptionDraws, scores: Sequence[float] | None = None) -> AreaDraws:
    """Draws of the mean of the options' scores; see `OptionDraws.mean`."""
    return drawn.mean(scores)


def between[T: np.floating[Any]](above: NDArray[T]) -> NDArray[T]:
    """Shares of the options from those above each cutpoint, along the first axis."""
    # Of single precision: more than all may seem to be above a cutpoint, or more than above the one before.
    in_order = np.minimum.accumulate(np.clip(above, 0, 1), axis=0)
    ends = np.zeros_like(above[:1])
    return -np.diff(np.concatenate([ends + 1, in_order, ends]), axis=0)


def middles(draws: NDArray[np.float32], n_options: int) -> NDArray[np.float32]:
    """Cutpoints of an intercept of 0, shape (draw, cutpoint), from draws of the latents, of which widths are last."""
    log_width = draws[:, draws.shape[1] - (n_options - 2) :].astype(np.float64)
    return (np.exp(log_width) @ spacing(n_options).T).astype(np.float32)


def _add_up(above: Floats, draws: NDArray[np.float32], rows: DesignRows, weights: sparse.csc_array) -> None:
    """Add the weighted shares above each cutpoint of all cells to ``above``, shape (cutpoint, area, draw), in place."""
    n_cuts, n_cells, n_draws = len(above), weights.shape[1], draws.shape[0]
    n_common = draws.shape[1] - (n_cuts - 1)
    middle = middles(draws, n_cuts + 1)
    least = max(1, _LEAST // max(n_cuts * n_cells, 1))
    chunks = list(chunks_of(weights, max(1, _CHUNK * parts_of(n_draws, least=least) // max(2 * n_draws, 1))))

    def some_draws(start: int, stop: int) -> None:
        by_latent = np.ascontiguousarray(draws[start:stop, :n_common].T)
        for chunk in chunks:
            v = np.empty((chunk.stop - chunk.start, stop - start), dtype=np.float32)
            linear_predictor(by_latent, rows, chunk.start, chunk.stop, out=v)
            for k in range(n_cuts):
                above[k, chunk.areas, start:stop] += chunk.weights @ inverse_logit(v - middle[start:stop, k])

    in_threads(some_draws, n_draws, least=least)
