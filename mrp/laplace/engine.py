r"""Fit by nested Laplace approximation, corrected by importance sampling: the real-time engine.

Draws of the standard deviations come with weights exact marginal over surrogate (`mrp.laplace.explore`); for each,
latents are drawn from the normal distribution around their mode, with weights exact joint over normal. Both weights are
smoothed by a Pareto tail, whose shape k-hat says whether they can be trusted; the draws that come back are resampled
and equally weighted.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.aliasing import data_warnings
from mrp.attributes import as_attributes
from mrp.counts import coarsest
from mrp.design import Design
from mrp.hyper import hyper_space
from mrp.laplace.interface import Exploration, Given, ModeFound, ParameterSpace
from mrp.laplace.pareto import smoothed_weights
from mrp.numbers import require_seed
from mrp.posterior import posterior_dataset
from mrp.priors import Priors, require_priors
from mrp.progress import Progress, Reporter
from mrp.size import require_size
from mrp.verdict import MAX_K_HAT

if TYPE_CHECKING:
    import xarray as xr
    from xarray import DataTree

__all__ = ["LaplaceSettings", "fit_laplace", "laplace_tree"]

type Floats = NDArray[np.float64]

# The shape of a tail is uncertain by about 0.1 with 2,000 draws: one that seems too heavy is looked at again with more.
_SECOND_LOOK = 4
# Points whose draws are made together.
_PORTION = 20


@dataclass(frozen=True, slots=True)
class LaplaceSettings:
    """How much work to do; the defaults keep the Monte-Carlo error of an estimate under a twentieth of its sd."""

    points: int = 400
    """Standard deviations in the last round."""
    draws: int = 2000
    """Draws of the latents, spread over the points."""
    threads: int = 2


def fit_laplace(
    design: Design,
    counts: pl.DataFrame,
    priors: Priors,
    *,
    seed: int,
    settings: LaplaceSettings = LaplaceSettings(),
    on_progress: Callable[[Progress], None] | None = None,
) -> "DataTree":
    """Draw from the posterior of a model, in seconds.

    Parameters
    ----------
    design, counts, priors
        As for `mrp.model.build_model`. Counts finer than the design are added up first.
    seed
        Any integer >= 0. The same inputs, seed and versions give the same draws.
    settings
        Points, draws and threads.
    on_progress
        Called between steps. If it raises, the fit is stopped.

    Returns
    -------
    xarray.DataTree
        ``posterior``: as `mrp.nuts.sample_nuts` returns it, with one chain of equally weighted draws; latents in single
        precision.
        ``sample_stats``: ``point``, the number of the point that each draw belongs to. ``exploration``: the points,
        their log density and weights, and the weights of the latents, see `mrp.evidence`. Attributes, of the tree and
        of ``sample_stats``: engine, seed, points, draws, k_hat_sd and k_hat_joint (minus infinity, the best there is,
        where all weights are equal, as those of one or two sds are), ess_sd and ess_joint (effective of the points and
        of the draws), evaluations, newton_steps (mean per evaluation), warnings (in words), seconds and versions in
        JSON, see `mrp.attributes`.

    Raises
    ------
    CountsError
        If the counts cannot be fitted, or a cell of them is unknown to the design.
    SamplingError
        If Newton's method does not converge, the model is too large, or the seed is none.
    """
    from mrp.laplace.conditional import Conditional

    report = Reporter(on_progress)
    report("prepare", 0.0)
    require_seed(seed)
    require_priors(priors, design)
    require_size(design, "laplace")
    return laplace_tree(
        Conditional(design, coarsest(design, counts), priors),
        hyper_space(design, priors),
        n_latents=design.n_latents,
        named=partial(posterior_dataset, design),
        warnings=data_warnings(design, counts),
        seed=seed,
        settings=settings,
        report=report,
    )


def laplace_tree[Mode: ModeFound](
    conditional: Given[Mode],
    space: ParameterSpace,
    *,
    n_latents: int,
    named: Callable[[NDArray[np.float32], Floats], "xr.Dataset"],
    warnings: list[str],
    seed: int,
    settings: LaplaceSettings,
    report: Reporter,
) -> "DataTree":
    """What `fit_laplace` does once the model is prepared, whatever the answers are counts of.

    Parameters
    ----------
    conditional, space
        The model.
    n_latents
        Of each draw.
    named
        Gives latents, shape (chain, draw, latent), and parameters, shape (chain, draw, parameter), their names.
    warnings
        In words, to be kept with the fit.
    """
    import xarray as xr

    from mrp.laplace.explore import explore

    rng = np.random.default_rng(seed)
    with _threads(settings.threads) as threads:
        found = explore(
            conditional,
            space,
            n_points=settings.points,
            n_draws=settings.draws,
            rng=rng,
            threads=threads,
            report=lambda share: report("explore", 0.05 + 0.75 * share),
        )
        report("draw", 0.8)
        weight, k_hat_sd = smoothed_weights(found.log_weight)
        for n in (settings.draws, _SECOND_LOOK * settings.draws):
            if found.drawn is not None and n == settings.draws:
                drawn = _drawn_on_the_way(found, weight)
            else:
                drawn = _draw(conditional, found, _resample(weight, n, rng), n_latents, rng=rng, threads=threads)
            joint_weight, k_hat_joint = smoothed_weights(drawn.gap)
            if k_hat_joint <= MAX_K_HAT:
                break
    joint_weight = joint_weight * drawn.weight
    joint_weight /= joint_weight.sum()
    kept = _resample(joint_weight, settings.draws, rng)
    point = drawn.point[kept]
    tree = xr.DataTree.from_dict(
        {
            "posterior": named(drawn.latents[kept][None], found.hypers[point][None]),
            "sample_stats": xr.Dataset({"point": (("chain", "draw"), point[None])}),
            "exploration": xr.Dataset(
                {
                    "points": (("point", "parameter"), found.hypers),
                    "log_density": ("point", found.log_density),
                    "log_weight_sd": ("point", found.log_weight),
                    "log_weight_joint": ("proposal", drawn.gap),
                }
            ),
        }
    )
    facts = {
        "engine": "laplace",
        "seed": seed,
        "points": len(found.hypers),
        "draws": settings.draws,
        "k_hat_sd": k_hat_sd,
        "k_hat_joint": k_hat_joint,
        "ess_sd": float(1 / np.sum(weight**2)),
        "ess_joint": float(1 / np.sum(joint_weight**2)) * settings.draws / len(joint_weight),
        "evaluations": found.n_evaluations,
        "newton_steps": found.n_newton_steps / found.n_evaluations,
        "warnings": warnings,
        "seconds": report.seconds(),
        "versions": {name: version(name) for name in ("numba", "numpy", "scipy")},
    }
    tree.attrs = as_attributes(facts)
    tree["sample_stats"].attrs = dict(tree.attrs)
    report("draw", 1.0)
    return tree


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Latents from the normal distributions of points."""

    point: NDArray[np.int64]
    """Number of the point of each draw, shape (draw,)."""
    weight: Floats
    """That of the point shared among its draws, up to a constant, shape (draw,)."""
    latents: NDArray[np.float32]
    """Shape (draw, latent)."""
    gap: Floats
    """Log of the exact over the normal density, both given the point, shape (draw,)."""


def _drawn_on_the_way[Mode: ModeFound](found: Exploration[Mode], weight: Floats) -> _Drawn:
    assert found.drawn is not None
    latents, log_ratio = found.drawn
    n_points, n_each = log_ratio.shape
    value = np.array([mode.log_likelihood for mode in found.modes])
    return _Drawn(
        point=np.repeat(np.arange(n_points), n_each),
        weight=np.repeat(weight, n_each),
        latents=latents.reshape(n_points * n_each, -1),
        gap=(log_ratio - value[:, None]).ravel(),
    )


def _draw[Mode: ModeFound](
    conditional: Given[Mode],
    found: Exploration[Mode],
    point: NDArray[np.int64],
    n_latents: int,
    *,
    rng: np.random.Generator,
    threads: ThreadPoolExecutor,
) -> _Drawn:
    """Draws at points that were resampled by their weights, ascending."""
    used, n_of = np.unique(point, return_counts=True)
    # In the precision of what is kept of a fit: of ten thousand latents every copy takes a hundred megabytes.
    latents, gap = np.empty((len(point), n_latents), dtype=np.float32), np.empty(len(point))
    parts = list(zip(used, n_of, np.cumsum(n_of), strict=True))
    for at in range(0, len(parts), _PORTION):
        portion = parts[at : at + _PORTION]
        modes = [found.modes[i] for i, _, _ in portion]
        noise = [rng.standard_normal((k, conditional.n_coordinates)) for _, k, _ in portion]
        hypers = [found.hypers[i] for i, _, _ in portion]
        drawn = threads.map(conditional.draw, hypers, modes, noise)
        for mode, (_, k, end), (latent, ratio) in zip(modes, portion, drawn, strict=True):
            latents[end - k : end], gap[end - k : end] = latent, ratio - mode.log_likelihood
    return _Drawn(point, np.ones(len(point)), latents, gap)


class _InPlace(ThreadPoolExecutor):
    """One thread is the one that asks: to hand over a thousand calls of a millisecond takes a tenth of a fit."""

    def map[T](self, fn: Callable[..., T], *iterables: Iterable[Any], **_how: Any) -> Iterator[T]:
        return iter([fn(*arguments) for arguments in zip(*iterables, strict=False)])


def _threads(n: int) -> ThreadPoolExecutor:
    return _InPlace(1) if n == 1 else ThreadPoolExecutor(n)


def _resample(weight: Floats, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Systematic resampling: positions, ascending, each drawn ``n weight`` times up to rounding."""
    position = np.searchsorted(np.cumsum(weight), (rng.random() + np.arange(n)) / n)
    return np.minimum(position, len(weight) - 1)
