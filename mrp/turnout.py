r"""Estimates for those who will vote, or belong to another part of the population that is known through a model only.

    theta[s, a] = sum_j N[j] t[s, j] p[s, j] / sum_j N[j] t[s, j],      j in cells of a

``p`` is what the fit of a question says of a cell, ``t`` the probability that somebody in it votes, from a fit of a
binary question. Both are multiplied within a draw, so that what is not known of turnout is in every interval. Several
questions make a chain: those who vote, of those who are registered, t = t_registered t_votes, where the second question
was asked of the registered.

Within a cell opinion and turnout are taken for independent: what sets voters apart from others of their cell is not
seen. A characteristic that does so, such as past vote, belongs into the frame. Between cells two fits of their own know
nothing of each other: each draws its groups towards its mean, the less is asked of them the more, and with them what
turnout and opinion have in common. Of 700 interviews a fifth of the difference between voters and adults was missed, of
3,000 a twenty-fifth (`tests/recovery/test_turnout.py`). The estimate errs towards that of adults.

**Which draws belong together.** Draw s of the one fit goes with draw s of the other. Fits of their own are independent,
so that any pairing is one of their joint distribution; where the numbers of draws differ, those of turnout are spread
evenly over those of the question. Draws of one joint fit keep their correlation. Draws of the Laplace engine share
standard deviations in runs, one after the other: the Monte-Carlo error of a pair goes by the fit with the longer runs.

References
----------
Ghitza and Gelman (2013), "Deep interactions with MRP: election turnout and voting patterns among small electoral
subgroups", American Journal of Political Science 57(3), 762-776.
Lauderdale, Bailey, Blumenau and Rivers (2020), "Model-based pre-election polling for national and sub-national outcomes
in the US and UK", International Journal of Forecasting 36(2), 399-413.
"""

import hashlib
import itertools
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from mrp.categorical.poststratification import OptionDraws
from mrp.cell_pass import area_weights, chunks_of
from mrp.cell_values import cell_values
from mrp.design import Design
from mrp.electorate import Electorate
from mrp.errors import DrawsError
from mrp.grouping import Grouping
from mrp.latents import LatentDraws
from mrp.misreport import Misreport
from mrp.numeric.design import NumericDesign
from mrp.outcomes.designs import AnyDesign, estimands
from mrp.poststratification import AreaDraws, grouped_cells, require_read
from mrp.threads import in_threads, parts_of

__all__ = ["Turnout", "VoterDraws", "joint_source", "spread_over", "voter_draws_many"]

type Floats = NDArray[np.float64]

# Numbers held at a time, and those that are worth a thread, as in `mrp.cell_pass`; of all that is estimated together.
_CHUNK, _LEAST = 200_000, 200_000


@dataclass(frozen=True, slots=True)
class Turnout:
    """Who belongs to a part of the population: the fit of a binary question whose first option says so."""

    latents: LatentDraws
    design: Design
    misreport: Misreport | None = None
    """How often it is told rightly, if the fit is of reports that are wrong at times: cells then count with those who
    belong, and not with those who say so. None: every report is right."""

    def __post_init__(self) -> None:
        if not isinstance(self.design, Design):
            raise DrawsError("turnout is told by a binary question, and this fit is of one of another kind")
        if self.latents.names != self.design.latent_names or self.latents.link != "logit":
            raise DrawsError(
                f"the draws of turnout are of {len(self.latents.names)} latents and its design has "
                f"{self.design.n_latents} (or other names); use the design that was stored with the fit"
            )


@dataclass(frozen=True, slots=True)
class VoterDraws:
    """What voters of some areas think, and how many they are."""

    drawn: OptionDraws
    """Of all that is estimated, among voters. ``areas`` has the people of the frame, voters or not."""
    turnout: AreaDraws
    """Share of these people who vote, by area; draw for draw with the others."""


def voter_draws_many(
    latents: LatentDraws,
    design: AnyDesign,
    electorate: Electorate,
    turnout: Sequence[Turnout],
    groupings: Sequence[Grouping],
    *,
    at: Mapping[str, str] | None = None,
) -> tuple[VoterDraws, ...]:
    """As `mrp.outcomes.draws_many`, each cell weighted with those of its people who vote.

    Parameters
    ----------
    latents, design
        Of the question, of any kind.
    turnout
        The chain of questions whose probabilities are multiplied, at least one. A turnout model with a term of period
        is looked at where its design says, by default in its last period, whatever ``at`` says of the question.
    at
        For the question, as in `mrp.poststratification.area_draws_many`.

    Raises
    ------
    DrawsError
        If latents are not those of their design, no turnout is given, or nobody votes in an area in some draw.
    FrameError, UncoveredPopulation
        As `mrp.poststratification.area_draws_many`, of any of the designs.
    """
    if not turnout:
        raise DrawsError("no turnout is given; estimates for everybody are mrp.outcomes.draws_many")
    if latents.names != design.latent_names:
        raise DrawsError(
            f"the draws are of {len(latents.names)} latents and the design has {len(design.latent_names)} (or other "
            "names); use the design that was stored with the fit"
        )
    at = at or {}
    require_read(at, design.common, electorate)
    if not groupings:
        return ()
    if "period" in at and "period" in design.common.observed:
        design = design.at_period(at["period"])
    every = _Readers((design, *(one.design for one in turnout)))
    cells, grouped = grouped_cells(every, electorate, groupings, at)
    weights = area_weights(cells["n_people"].to_numpy(), grouped)
    paired = [_paired(one.latents, latents) for one in turnout]
    parts = [(design, latents.draws), *((one.design, draws) for one, draws in zip(turnout, paired, strict=True))]
    total, voting = _added_up(parts, cells, weights, [one.misreport for one in turnout])
    areas = [table for _, table in grouped]
    if (none := ~(voting > 0).all(axis=1)).any():
        named = [" / ".join(map(str, row[:-1])) or "the whole" for table in areas for row in table.iter_rows()]
        raise DrawsError(
            f"nobody votes in {named[int(np.argmax(none))]} in some draw of turnout; merge it with another area, or "
            "look at the turnout model, whose linear predictor is below -80 there"
        )
    mean = total / voting
    if not isinstance(design, NumericDesign):
        np.clip(mean, 0, 1, out=mean)
    source = joint_source(latents, turnout)
    return tuple(
        VoterDraws(
            OptionDraws(
                table,
                estimands(design),
                np.ascontiguousarray(mean[:, end - table.height : end].transpose(2, 1, 0)),
                *source,
                "mean" if isinstance(design, NumericDesign) else "share",
            ),
            AreaDraws(table, np.clip(voting[end - table.height : end], 0, 1).T, *source),
        )
        for table, end in zip(areas, itertools.accumulate(table.height for table in areas), strict=True)
    )


@dataclass(frozen=True, slots=True)
class _Readers:
    """Several designs that read the same cells, see `mrp.poststratification.CellReader`."""

    designs: tuple[AnyDesign, ...]

    @property
    def cell_columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(column for design in self.designs for column in design.cell_columns))

    def covers(self, table: pl.DataFrame) -> NDArray[np.bool_]:
        return np.all([design.covers(table) for design in self.designs], axis=0)


def _added_up(
    parts: Sequence[tuple[AnyDesign, NDArray[np.float32]]],
    cells: pl.DataFrame,
    weights: sparse.csc_array,
    misreports: Sequence[Misreport | None],
) -> tuple[Floats, Floats]:
    """Sums over cells of the question's values times turnout, and of turnout.

    Parameters
    ----------
    parts
        The question, then the questions of turnout, each with its draws.
    misreports
        Of each question of turnout.

    Returns
    -------
    total, voting
        Shapes (estimand, area, draw) and (area, draw), both per head of the area's people.
    """
    (question, draws), *_ = parts
    k, n_draws, n_cells = len(estimands(question)), draws.shape[0], cells.height
    coded = [(cell_values(design, cells), drawn) for design, drawn in parts]
    total, voting = np.zeros((k, weights.shape[0], n_draws)), np.zeros((weights.shape[0], n_draws))
    held = k + len(coded)
    least = max(1, _LEAST // max(held * n_cells, 1))
    step = max(1, _CHUNK * parts_of(n_draws, least=least) // max(held * n_draws, 1))
    chunks = list(chunks_of(weights, step))

    def some_draws(start: int, stop: int) -> None:
        values, *chain = [of(drawn[start:stop]) for of, drawn in coded]
        for chunk in chunks:
            first, *more = [
                reported if misreport is None else misreport.true_cells(reported)
                for misreport, reported in zip(
                    misreports, (one(chunk.start, chunk.stop)[0] for one in chain), strict=True
                )
            ]
            votes = reduce(operator.imul, more, first)
            voting[chunk.areas, start:stop] += chunk.weights @ votes
            for o, value in enumerate(values(chunk.start, chunk.stop)):
                total[o, chunk.areas, start:stop] += chunk.weights @ (value * votes)

    in_threads(some_draws, n_draws, least=least)
    return total, voting


def _paired(turnout: LatentDraws, question: LatentDraws) -> NDArray[np.float32]:
    """Draws of turnout, one for each draw of the question."""
    n, n_wanted = turnout.draws.shape[0], question.draws.shape[0]
    return turnout.draws if n == n_wanted else np.asarray(turnout.draws[spread_over(n, n_wanted)])


def joint_source(latents: LatentDraws, turnout: Sequence[Turnout]) -> tuple[int, NDArray[np.int32] | None, str]:
    """How the draws of a pair depend on each other, and which fits they are of: n_chains, points, fit."""
    every = (latents, *(one.latents for one in turnout))
    fit = hashlib.blake2b("/".join(one.fit for one in every).encode(), digest_size=16).hexdigest()
    n_draws = latents.draws.shape[0]
    chains = [one.n_chains for one in every if one.points is None]
    if chains:
        # Autocorrelations find the runs of the other fit too: they are next to each other.
        return next((n for n in chains if n_draws % n == 0), 1), None, fit
    runs = [_runs(one, n_draws) for one in every]
    return 1, min(runs, key=lambda one: np.unique(one).size), fit


def _runs(latents: LatentDraws, n_wanted: int) -> NDArray[np.int32]:
    assert latents.points is not None
    return np.asarray(latents.points[spread_over(latents.points.size, n_wanted)])


def spread_over(n: int, n_wanted: int) -> NDArray[np.int64]:
    """As many places as are wanted, evenly among ``n``."""
    return np.arange(n_wanted) * n // n_wanted
