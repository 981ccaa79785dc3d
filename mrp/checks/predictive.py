r"""Observed shares beside what a fit predicts of the same interviews.

For a group ``g`` of cells, and per draw ``s``,

    y[g] ~ sum_j Binomial(n[j], p[s, j]),    E[s] = sum_j n[j] p[s, j],    V[s] = sum_j n[j] p[s, j] (1 - p[s, j]),

with effects of pollsters and modes in ``p``, as these interviews were made by somebody. Mean and variance are those of
the law of total variance; tails are averages over draws of those of Binomial(n, E[s] / n), whose variance is a little
too large, with half of what is exactly observed (mid-p). In weighted counts a cell of ``n`` interviews has a weighted
share, whose variance is that of p (1 - p) times sum w^2 / (sum w)^2, and the tails are those of as many interviews as
have the same variance.

The interviews were used in the fit. A group whose effect the model estimates is drawn towards what was observed, and
its p value is closer to one half than a uniform number: an honest fit raises fewer alarms than the stated rate, and
what no term of the model describes is seen at full strength.

References
----------
Gelman, Meng and Stern (1996), "Posterior predictive assessment of model fitness via realized discrepancies", Statistica
Sinica 6, 733-807. Gelman (2013), "Two simple examples for understanding posterior p-values whose distributions are far
from uniform", Electronic Journal of Statistics 7, 2595-2602. Lancaster (1961), "Significance tests in discrete
distributions", JASA 56: mid-p.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import betainc, log_ndtr, ndtri_exp

from mrp.cell_pass import share_rows
from mrp.checks.margin_sums import GroupedRows, blocks_of
from mrp.checks.margins import Margin, with_parents
from mrp.counts import require_counts
from mrp.design import Design
from mrp.electorate import Electorate
from mrp.errors import DrawsError
from mrp.heed import Heed, nobody
from mrp.latents import LatentDraws

__all__ = [
    "INTERVAL",
    "ExpectedAnswers",
    "GroupCheck",
    "MarginCheck",
    "Predicted",
    "check_margins",
    "n_draws_used",
    "posterior_predictive",
    "predict_counts",
]

type Floats = NDArray[np.float64]

INTERVAL = 0.9
"""Probability of the predictive intervals."""
_MOST_DRAWS, _LEAST_DRAWS = 400, 100
_MOST_NUMBERS = 20_000_000
_MOST_TAIL_DRAWS = 100
# Beyond so many standard deviations tails are the normal distribution's, which do not underflow.
_FAR = 6.0


@dataclass(frozen=True, slots=True)
class GroupCheck:
    """One group: what was observed, and what of it the fit predicts. Of exact counts: not to be shown as it is."""

    levels: tuple[str, ...]
    n: int
    """Interviews."""
    observed: float
    """Share that gave the option, in [0, 1]; weighted where the likelihood is."""
    predicted: float
    """Mean of the posterior predictive distribution."""
    sd: float
    """Its standard deviation, with the noise of the answers."""
    low: float
    high: float
    """Its central interval of probability `INTERVAL`."""
    z: float
    """Standardised residual: the normal quantile of ``pit``."""
    pit: float
    """Probability of a smaller share than was observed, with half of that of the same: in [0, 1]."""
    log_chance: float
    """Natural logarithm of the two-sided p value."""


@dataclass(frozen=True, slots=True)
class MarginCheck:
    """All groups of a margin that were interviewed, in the order of their levels."""

    margin: Margin
    groups: tuple[GroupCheck, ...]


@dataclass(frozen=True, slots=True)
class Predicted:
    """Counts of cells beside draws of their shares."""

    table: pl.DataFrame
    """Rows of counts with the parents of their districts."""
    n: Floats
    """Interviews, shape (row,)."""
    y: Floats
    """Of them for the option; n times the weighted share where there are weights."""
    spread: Floats
    """What p (1 - p) is multiplied by in the variance of ``y``: n without weights."""
    cell: NDArray[np.int64]
    """Which cell of the design each row is in, shape (row,)."""
    share: NDArray[np.float32]
    """Draws of the share, shape (draw, cell)."""

    def expected(self, group: NDArray[np.int64], n_groups: int) -> Floats:
        """Expected answers for the option in each group, given each draw.

        Parameters
        ----------
        group
            Of each row; -1: none. Shape (row,).

        Returns
        -------
        numpy.ndarray
            Shape (draw, group).
        """
        member = np.flatnonzero(group >= 0)
        at = (self.cell[member], group[member])
        n = sparse.csc_array((self.n[member], at), shape=(self.share.shape[1], n_groups))
        return np.asarray((n.T @ self.share.T).T)


@dataclass(frozen=True, slots=True)
class ExpectedAnswers:
    """What a fit expects of the groups of several margins beside what was observed, those of all side by side."""

    n: Floats
    """Interviews, shape (group,)."""
    y: Floats
    """Of them for the option."""
    expected: Floats
    """Of them expected for it, shape (group, draw)."""
    noise: Floats
    """Variance of their number in each group given its cells' shares, a mean over draws, shape (group,)."""


def posterior_predictive(
    latents: LatentDraws,
    design: Design,
    electorate: Electorate,
    counts: pl.DataFrame,
    margins: Sequence[Margin],
    *,
    heed: Heed = nobody,
) -> tuple[MarginCheck, ...]:
    """Check a fit by margins.

    Parameters
    ----------
    latents, design
        Of the fit.
    electorate
        Whose districts have the parents that margins may name.
    counts
        Those that were fitted, or finer ones of the same interviews: `mrp.counts.collapse`, by the district, the
        demographics, and whatever else the design reads and margins name.
    margins
        See `mrp.checks.margins.margins_of`.
    heed
        Called between parts of the work; see `mrp.heed`.

    Raises
    ------
    CountsError, FrameError
        If the counts lack what the design reads, or have a level that it does not know.
    DrawsError
        If the draws are those of another design.
    """
    predicted = predict_counts(latents, design, electorate, counts)
    grouped = GroupedRows.of(predicted.table, margins, heed)
    by_cell = predicted.share.T
    expected = np.zeros((int(grouped.starts[-1]), by_cell.shape[1]))
    of_one = np.empty(len(predicted.n))
    for start, stop in blocks_of(len(predicted.n), by_cell.shape[1]):
        heed()
        share = by_cell[predicted.cell[start:stop]]
        of_one[start:stop] = (share * (1 - share)).mean(axis=1)
        grouped.add(expected, share * predicted.n[start:stop, None].astype(np.float32), start)
    n, y, noise = (grouped.totals(one) for one in (predicted.n, predicted.y, predicted.spread * of_one))
    return check_margins(grouped, ExpectedAnswers(n, y, expected, noise), heed=heed)


def predict_counts(
    latents: LatentDraws,
    design: Design,
    electorate: Electorate,
    counts: pl.DataFrame,
    *,
    most_draws: int | None = _MOST_DRAWS,
) -> Predicted:
    """Draws of the share of every row of counts, effects of pollsters and modes included.

    Of many draws some are used, evenly, and of many cells fewer; all of them with ``most_draws`` None.

    Parameters and errors as of `posterior_predictive`.
    """
    if latents.names != design.latent_names:
        raise DrawsError("the draws and the design are not of the same fit")
    require_counts(counts)
    counts = counts.filter(pl.col("n") > 0)
    cell, rows, n_cells = np.zeros(counts.height, dtype=np.int64), None, 1
    if design.count_columns:
        cells = counts.select(design.count_columns).unique(maintain_order=True).with_row_index("#")
        found = counts.join(cells, on=design.count_columns, how="left", maintain_order="left")["#"]
        cell, rows, n_cells = found.cast(pl.Int64).to_numpy(), design.rows(cells), cells.height
    n_draws = latents.draws.shape[0]
    draws = latents.draws
    if most_draws is not None:
        draws = draws[:: -(-n_draws // n_draws_used(n_cells, most_draws))]
    share = share_rows(draws, rows, n_cells).T
    n = counts["n"].cast(pl.Float64).to_numpy()
    y, spread = counts["y"].cast(pl.Float64).to_numpy(), n
    if "weight" in counts.columns:
        weight, square = counts["weight"].to_numpy(), counts["weight_square"].to_numpy()
        y = n * np.clip(counts["weight_y"].to_numpy() / weight, 0, 1)
        spread = n**2 * square / weight**2
    return Predicted(with_parents(counts, electorate), n, y, spread, cell, share)


def n_draws_used(n_rows: int, most: int = _MOST_DRAWS) -> int:
    """How many draws are used of as many cells: of many cells fewer."""
    return max(_LEAST_DRAWS, min(most, _MOST_NUMBERS // max(n_rows, 1)))


def check_margins(grouped: GroupedRows, answers: ExpectedAnswers, *, heed: Heed = nobody) -> tuple[MarginCheck, ...]:
    """Check margins whose groups were predicted; a group without interviews is left out."""
    checked = []
    for k, margin in enumerate(grouped.margins):
        heed()
        first = int(grouped.starts[k])
        asked = np.flatnonzero(answers.n[first : grouped.starts[k + 1]] > 0)
        names = [grouped.names[k][g] for g in asked]
        at = first + asked
        own = ExpectedAnswers(answers.n[at], answers.y[at], answers.expected[at], answers.noise[at])
        checked.append(_checked(margin, names, own))
    return tuple(checked)


def _checked(margin: Margin, names: list[tuple[str, ...]], answers: ExpectedAnswers) -> MarginCheck:
    if not names:
        return MarginCheck(margin, ())
    n, y = answers.n, answers.y
    expected, noise = np.clip(answers.expected.T / n, 0, 1), answers.noise / n**2
    mean = expected.mean(axis=0)
    sd = np.sqrt(expected.var(axis=0) + noise)
    observed = y / n
    step = -(-len(expected) // _MOST_TAIL_DRAWS)
    # As many interviews as have the variance of the noise, and no more than there are.
    same = np.minimum(n, (mean * (1 - mean)) / np.maximum(noise, 1e-300))
    below, above = _tails(expected[::step], observed, same)
    pit, z, log_chance = _judged(observed, mean, sd, below, above)
    # By the normal distribution of the mean and the noise, which is how the chart of a group is read.
    reach = 1.6448536269514722 * sd
    low, high = np.clip(mean - reach, 0, 1), np.clip(mean + reach, 0, 1)
    return MarginCheck(
        margin,
        tuple(
            GroupCheck(
                levels=levels,
                n=int(n[g]),
                observed=float(observed[g]),
                predicted=float(mean[g]),
                sd=float(sd[g]),
                low=float(low[g]),
                high=float(high[g]),
                z=float(z[g]),
                pit=float(pit[g]),
                log_chance=float(log_chance[g]),
            )
            for g, levels in enumerate(names)
        ),
    )


def _tails(share: Floats, observed: Floats, n: Floats) -> tuple[Floats, Floats]:
    """Probabilities of less and of more than was observed, each with half of that of the same; averages over draws.

    P(Y <= y) = I_{1 - p}(n - y, y + 1), the incomplete beta function, which is smooth between whole numbers.
    """
    y = observed * n
    at_most = _at_most(y, n, share)
    less = _at_most(y - 1, n, share)
    below = ((at_most + less) / 2).mean(axis=0)
    # Not one minus: small numbers keep their digits.
    more = _at_most(n - y - 1, n, 1 - share)
    at_least = _at_most(n - y, n, 1 - share)
    return below, ((more + at_least) / 2).mean(axis=0)


def _at_most(y: Floats, n: Floats, share: Floats) -> Floats:
    y = np.broadcast_to(y, share.shape)
    left = np.maximum(n - y, 1e-12)
    inside = betainc(left, np.maximum(y + 1, 1e-12), np.clip(1 - share, 0, 1))
    return np.where(y <= -1, 0.0, np.where(y >= n, 1.0, inside))


def _judged(observed: Floats, mean: Floats, sd: Floats, below: Floats, above: Floats) -> tuple[Floats, Floats, Floats]:
    """PIT, standardised residual and log of the two-sided p value, of tails that may have underflowed."""
    with np.errstate(divide="ignore", invalid="ignore"):
        normal = np.where(sd > 0, (observed - mean) / sd, 0.0)
        small = np.minimum(np.minimum(below, above), 0.5)
        z = np.where(below < above, 1.0, -1.0) * ndtri_exp(np.log(small))
    far = (np.abs(normal) > _FAR) | ~np.isfinite(z)
    z = np.where(far, normal, z)
    total = below + above
    pit = np.where(total > 0, below / np.where(total > 0, total, 1.0), 0.5)
    return pit, z, np.minimum(np.log(2) + log_ndtr(-np.abs(z)), 0.0)
