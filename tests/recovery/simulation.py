"""Simulation-based calibration: truths from the prior, ranks that must be uniform.

For truths drawn from the prior and interviews drawn from the truths, the rank of a true quantity among posterior draws
is uniform, for any quantity (Talts et al. 2018); the log joint density, which depends on the data, finds faults that no
parameter shows (Modrak et al. 2023). Ties are broken at random. Uniformity is judged by the simultaneous envelope of
the empirical distribution function (Sailynoja et al. 2022).

References
----------
Talts, Betancourt, Simpson, Vehtari and Gelman (2018), "Validating Bayesian inference algorithms with simulation-based
calibration", arXiv:1804.06788.
Modrak, Moon, Kim, Buerkner, Huurre, Faltejskova, Gelman and Vehtari (2023), "Simulation-based calibration checking for
Bayesian computation", Bayesian Analysis.
Sailynoja, Buerkner and Vehtari (2022), "Graphical test for discrete uniformity and its applications in goodness-of-fit
evaluation and multiple sample comparison", Statistics and Computing 32.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from mrp import Priors, area_draws, from_datatree
from mrp.design import Design
from mrp.electorate import Electorate
from mrp.laplace.conditional import Conditional

type Floats = NDArray[np.float64]

N_DRAWS = 100
"""Posterior draws that a truth is ranked among."""


@dataclass(frozen=True, slots=True)
class Simulated:
    """What was planted in simulated surveys, and what the engine drew."""

    truth: dict[str, Floats]
    """Quantity → planted values, shape (survey,)."""
    draws: dict[str, Floats]
    """Quantity → posterior draws, shape (survey, draw)."""

    def ranks(self, *, seed: int, spread: float = 1.0) -> dict[str, Floats]:
        """Normalised ranks of the planted values, in (0, 1), shape (survey,).

        ``spread`` stretches the draws of each survey around their mean: 1 tests the engine, anything else the test.
        """
        rng = np.random.default_rng(seed)
        ranks = {}
        for name, truth in self.truth.items():
            draws = self.draws[name]
            centre = draws.mean(axis=1, keepdims=True)
            stretched = centre + spread * (draws - centre)
            below = (stretched < truth[:, None]).sum(axis=1)
            equal = (stretched == truth[:, None]).sum(axis=1)
            rank = below + rng.integers(0, equal + 1)
            ranks[name] = (rank + rng.random(len(truth))) / (draws.shape[1] + 1)
        return ranks


def simulate(
    world: Electorate,
    design: Design,
    fit: Callable[[pl.DataFrame, int], Any],
    *,
    n_surveys: int,
    n_interviews: int,
    seed: int,
) -> Simulated:
    """Draw truths from the prior and interviews from the truths, and fit each survey.

    Parameters
    ----------
    fit
        Counts and seed → DataTree.
    """
    truths: dict[str, list[Floats]] = {}
    draws: dict[str, list[Floats]] = {}
    cells = world.frame.filter(pl.col("n_people") > 0)
    people = cells["n_people"].to_numpy()
    rows = design.rows(cells)
    for survey in range(n_surveys):
        rng = np.random.default_rng([seed, survey])
        sd = np.abs(rng.normal(0, [Priors().for_sd(effect.term).scale for effect in design.effects]))
        latents = np.concatenate(
            [
                [rng.normal(0, Priors().intercept.sd)],
                rng.normal(0, Priors().coefficient.sd, len(design.coefficient_names)),
                *(s * rng.standard_normal(effect.size) for s, effect in zip(sd, design.effects, strict=True)),
            ]
        )
        eta = latents[0] + rows.x @ latents[1 : 1 + rows.x.shape[1]] + latents[rows.index].sum(axis=1)
        n = rng.multinomial(n_interviews, people / people.sum())
        y = rng.binomial(n, 1 / (1 + np.exp(-eta)))
        counts = cells.drop("n_people").with_columns(n=pl.Series(n), y=pl.Series(y)).filter(pl.col("n") > 0)
        drawn = _draws(fit(counts, survey), design, rng)
        for found, values in ((truths, (latents[None], sd[None])), (draws, drawn)):
            for name, quantity in _quantities(world, design, counts, *values).items():
                found.setdefault(name, []).append(quantity)
    return Simulated(
        truth={name: np.concatenate(values) for name, values in truths.items()},
        draws={name: np.stack(values) for name, values in draws.items()},
    )


def outside_envelope(ranks: dict[str, NDArray[np.float64]], *, alpha: float = 1e-3) -> dict[str, float]:
    """Quantities whose ranks are not uniform, with the p-value of each; ``alpha`` is shared among all quantities.

    The p-value is that of the largest binomial deviation of the empirical distribution function over a grid, under
    uniform ranks by simulation of the same statistic: the envelope of Sailynoja et al. (2022), read as a test.
    """
    n = len(next(iter(ranks.values())))
    grid = (np.arange(N_DRAWS) + 1) / (N_DRAWS + 1)
    rng = np.random.default_rng(0)
    n_null = int(20 * len(ranks) / alpha)
    null = np.concatenate([_extremity(rng.random((1000, n)), grid) for _ in range(-(-n_null // 1000))])
    null.sort()
    wrong = {}
    for name, values in ranks.items():
        p_value = (np.searchsorted(null, _extremity(values[None], grid)[0], side="right") + 1) / (len(null) + 1)
        if p_value < alpha / len(ranks):
            wrong[name] = float(p_value)
    return wrong


def _extremity(values: Floats, grid: Floats) -> Floats:
    """Smallest two-sided binomial tail probability of the counts below each grid point, shape (sample,)."""
    n = values.shape[1]
    counts = np.stack([(values <= point).sum(axis=1) for point in grid], axis=1)
    low = stats.binom.cdf(np.arange(n + 1)[:, None], n, grid)
    high = stats.binom.sf(np.arange(n + 1)[:, None] - 1, n, grid)
    table = np.minimum(low, high)
    result: Floats = table[counts, np.arange(len(grid))].min(axis=1)
    return result


def _draws(tree: Any, design: Design, rng: np.random.Generator) -> tuple[Floats, Floats]:
    posterior = tree["posterior"]
    latents = from_datatree(tree, design).draws.astype(np.float64)
    sd = np.column_stack([posterior[f"sd {effect.term}"].to_numpy().ravel() for effect in design.effects])
    kept = rng.choice(len(latents), N_DRAWS, replace=False)
    return latents[kept], sd[kept]


def _quantities(
    world: Electorate, design: Design, counts: pl.DataFrame, latents: Floats, sd: Floats
) -> dict[str, Floats]:
    from mrp.latents import LatentDraws

    stored = LatentDraws(latents.astype(np.float32), design.latent_names)
    nation = area_draws(stored, design, world).draws[:, 0]
    districts = area_draws(stored, design, world, by=(world.district,)).draws
    conditional = Conditional(design, counts, Priors())
    scale = np.array([Priors().for_sd(effect.term).scale for effect in design.effects])
    joint = [
        float(conditional.log_joint(z[None], s)[0] - 0.5 * ((s / scale) ** 2).sum())
        for z, s in zip(latents, sd, strict=True)
    ]
    return {
        "nation": nation,
        "first district": districts[:, 0],
        "last district": districts[:, -1],
        "log joint density": np.array(joint),
        **{f"sd {effect.term}": sd[:, k] for k, effect in enumerate(design.effects)},
    }
