"""Turn draws of the latents of several options into draws of shares for areas and groups.

    theta[s, a, k] = sum_j N[j] p[s, j, k] / sum_j N[j],   j in cells of a,   p[s, j, :] = softmax(eta[s, j, :])

once per draw, as in `mrp.poststratification`. The shares of an area sum to 1 in every draw.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from mrp.categorical.cells import OptionBlocks, OptionRows
from mrp.categorical.design import CategoricalDesign
from mrp.categorical.posterior import LINK
from mrp.cell_pass import Chunk, area_weights, chunks_of
from mrp.electorate import Electorate
from mrp.errors import DrawsError
from mrp.grouping import Grouping
from mrp.heed import Heed, nobody
from mrp.latents import LatentDraws
from mrp.poststratification import AreaDraws, grouped_cells, require_read
from mrp.threads import in_threads, parts_of

__all__ = ["OptionDraws", "drawn_options", "option_draws", "option_draws_many"]

type Floats = NDArray[np.float64]

# Numbers held at a time, and those that are worth a thread, as in `mrp.cell_pass`; of all options together.
_CHUNK, _LEAST = 200_000, 200_000
# Numbers between two looks at whether to go on: a second's work or two.
_UNHEEDED = 50_000_000


@dataclass(frozen=True, slots=True)
class OptionDraws:
    """Posterior draws of the shares of all options, or of other numbers side by side, for each area."""

    areas: pl.DataFrame
    """One row per area: the ``by`` columns, then ``n_people``; in the order of the draws."""
    options: tuple[str, ...]
    draws: Floats
    """Shares in [0, 1], which sum to 1 over options, shape (draw, area, option)."""
    n_chains: int = 1
    """As in `mrp.poststratification.AreaDraws`, like the following."""
    points: NDArray[np.int32] | None = None
    fit: str | None = None
    kind: Literal["share", "mean"] = "share"

    def of(self, option: str) -> AreaDraws:
        """The draws of one option, as those of a binary question.

        Raises
        ------
        DrawsError
            If there is no such option.
        """
        if option not in self.options:
            raise DrawsError(f"there is no option {option!r}; there are {', '.join(self.options)}")
        draws = np.ascontiguousarray(self.draws[:, :, self.options.index(option)])
        return AreaDraws(self.areas, draws, self.n_chains, self.points, self.fit, self.kind)

    def by_option(self) -> AreaDraws:
        """The draws of all options, with a row for each area and option, which has the column "option"."""
        n_areas, k = self.areas.height, len(self.options)
        areas = self.areas[np.repeat(np.arange(n_areas), k)].with_columns(
            option=pl.Series(list(self.options) * n_areas)
        )
        areas = areas.select(pl.exclude("n_people"), "n_people")
        return AreaDraws(
            areas, self.draws.reshape(len(self.draws), -1), self.n_chains, self.points, self.fit, self.kind
        )

    def mean(self, scores: Sequence[float] | None = None) -> AreaDraws:
        """The mean over people of a score that each option has, as of an ordered scale.

        Parameters
        ----------
        scores
            One finite number for each option, in their order; default: 1, 2, 3 ...

        Returns
        -------
        AreaDraws
            Draws of means, between the lowest and the highest score.

        Raises
        ------
        DrawsError
            If there are not as many scores as options, or one is no finite number.
        """
        given = np.arange(1, len(self.options) + 1) if scores is None else np.asarray(scores, dtype=np.float64)
        if given.shape != (len(self.options),) or not np.isfinite(given).all():
            raise DrawsError(
                f"the scores are {list(scores or ())}; {len(self.options)} finite numbers are needed, one for each of "
                f"{', '.join(self.options)}"
            )
        return AreaDraws(self.areas, self.draws @ given, self.n_chains, self.points, self.fit, "mean")


def option_draws(
    latents: LatentDraws,
    design: CategoricalDesign,
    electorate: Electorate,
    *,
    by: tuple[str, ...] = (),
    where: Mapping[str, tuple[str, ...]] | None = None,
    merge: Mapping[str, Mapping[str, tuple[str, ...]]] | None = None,
    at: Mapping[str, str] | None = None,
) -> OptionDraws:
    """Draws for areas and groups straight from the latents: `option_draws_many` of one grouping."""
    return option_draws_many(latents, design, electorate, (Grouping(by, where or {}, merge or {}),), at=at)[0]


def option_draws_many(
    latents: LatentDraws,
    design: CategoricalDesign,
    electorate: Electorate,
    groupings: Sequence[Grouping],
    *,
    at: Mapping[str, str] | None = None,
    heed: Heed = nobody,
) -> tuple[OptionDraws, ...]:
    """Draws for several breakdowns of the population in one pass over its cells.

    Parameters and errors as those of `mrp.poststratification.area_draws_many`; ``heed`` is called every second or so
    (`mrp.heed`).
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
    total = np.zeros((design.n_options, weights.shape[0], latents.draws.shape[0]))
    heed()
    _add_up(total, latents.draws, OptionRows.of(design.rows(cells)), weights, heed)
    return drawn_options(np.clip(total, 0, 1), [areas for _, areas in grouped], design.options, latents)


def drawn_options(
    shares: Floats, areas: list[pl.DataFrame], options: tuple[str, ...], latents: LatentDraws
) -> tuple[OptionDraws, ...]:
    """Take apart what was computed for the areas of several breakdowns at once.

    Parameters
    ----------
    shares
        Shape (option, area, draw), the areas of all breakdowns one after the other.
    areas
        The table of each breakdown.
    latents
        Which the draws are made from.
    """
    by_draw = shares.transpose(2, 1, 0)
    ends = itertools.accumulate(table.height for table in areas)
    return tuple(
        OptionDraws(
            table,
            options,
            np.ascontiguousarray(by_draw[:, end - table.height : end]),
            latents.n_chains,
            latents.points,
            latents.fit,
        )
        for table, end in zip(areas, ends, strict=True)
    )


def _add_up(total: Floats, draws: NDArray[np.float32], rows: OptionRows, weights: sparse.csc_array, heed: Heed) -> None:
    """Add the weighted shares of all cells to ``total``, shape (option, area, draw), in place."""
    k, n_cells, n_draws = len(total), weights.shape[1], draws.shape[0]
    least = max(1, _LEAST // max(k * n_cells, 1))
    n_parts = parts_of(n_draws, least=least)
    step = max(1, _CHUNK * n_parts // max(k * n_draws, 1))
    # So many chunks between two looks: threads that are at work are not told.
    at_once = max(1, _UNHEEDED // (step * k * n_draws))
    chunks = list(chunks_of(weights, step))

    def prepare(start: int, stop: int) -> tuple[int, OptionBlocks]:
        return start, OptionBlocks.of(draws[start:stop], rows)

    heed()
    prepared = dict(in_threads(prepare, n_draws, least=least))
    for first in range(0, len(chunks), at_once):
        heed()
        here = chunks[first : first + at_once]

        def some_draws(start: int, stop: int, here: Sequence[Chunk] = here) -> None:
            for chunk in here:
                for option, share in zip(*prepared[start].of_standing(chunk.start, chunk.stop), strict=True):
                    total[option, chunk.areas, start:stop] += chunk.weights @ share

        in_threads(some_draws, n_draws, least=least)
