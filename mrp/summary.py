r"""Summarise draws for areas: share, interval, and how far the simulation itself may be off.

The Monte-Carlo error of a mean of dependent draws is ``sd / sqrt(ess)``, with

    ess = S / (1 + 2 sum_{t >= 1} rho_t),        S: all draws

where the autocorrelations ``rho_t`` are averaged over chains, corrected for differences between chains, and summed by
Geyer's initial monotone sequence. Every chain is split in two first, so that a drift counts as a difference.

References
----------
Geyer (1992), "Practical Markov chain Monte Carlo", Statistical Science 7(4), 473-483.
Vehtari, Gelman, Simpson, Carpenter and Buerkner (2021), Bayesian Analysis 16(2), 667-718, equations 10-13.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import fft, sparse

from mrp.errors import ShapeMismatch
from mrp.poststratification import AreaDraws
from mrp.threads import in_threads

__all__ = ["effective_draws", "summarise"]

# Areas whose autocorrelations are computed at a time: 64 areas of 4,000 draws are 8 MB of complex numbers.
_CHUNK = 64
# Numbers that are worth a thread: a few milliseconds' work.
_LEAST = 200_000


def summarise(estimate: AreaDraws, *, interval: float = 0.9) -> pl.DataFrame:
    """Mean, spread and interval of each area.

    Parameters
    ----------
    estimate
        Draws for areas, as `mrp.poststratification.area_draws` returns.
    interval
        Probability of the central interval, in (0, 1).

    Returns
    -------
    polars.DataFrame
        The columns of ``estimate.areas``, then ``share`` (mean over draws; called ``mean`` of means), ``sd``, ``low``,
        ``high`` and ``mc_error`` (standard error of ``share`` from the finite number of draws), all on the scale of
        shares in [0, 1], of means in the unit of the question.

    Raises
    ------
    ValueError
        If ``interval`` is not inside (0, 1).
    """
    if not 0 < interval < 1:
        raise ValueError(f"interval must be above 0 and below 1, got {interval}; write 0.9 for 90%")
    tails = [(1 - interval) / 2, (1 + interval) / 2]
    draws = estimate.draws

    def some_areas(start: int, stop: int) -> NDArray[np.float64]:
        part = draws[:, start:stop]
        low, high = _quantiles(part, tails)
        sd = part.std(axis=0)
        effective = effective_draws(part, n_chains=estimate.n_chains, points=estimate.points)
        return np.array([part.mean(axis=0), sd, low, high, sd / np.sqrt(effective)])

    numbers = np.concatenate(in_threads(some_areas, draws.shape[1], least=_LEAST // max(draws.shape[0], 1)), axis=1)
    names = (estimate.kind, "sd", "low", "high", "mc_error")
    return estimate.areas.with_columns(
        pl.Series(name, column, dtype=pl.Float64) for name, column in zip(names, numbers, strict=True)
    )


def _quantiles(draws: NDArray[np.float64], shares: list[float]) -> NDArray[np.float64]:
    """Quantiles of each column, shape (share, column), interpolated as ``numpy.quantile`` does.

    It would sort further, to look for what is no number, and draws are numbers.
    """
    # The draws of an area lie next to each other.
    rows = np.array(draws.T, order="C")
    places = np.array(shares) * (len(draws) - 1)
    below = np.floor(places).astype(np.intp)
    above = np.minimum(below + 1, len(draws) - 1)
    rows.partition(np.unique([below, above]), axis=1)
    low, high = rows[:, below].T, rows[:, above].T
    return low + (high - low) * (places - below)[:, None]


def effective_draws(
    draws: NDArray[np.float64], *, n_chains: int = 1, points: NDArray[np.int32] | None = None
) -> NDArray[np.float64]:
    """Number of independent draws with the same Monte-Carlo error of the mean.

    Parameters
    ----------
    draws
        Shape (draw, area); chains of equal length one after the other.
    n_chains
        Number of those chains.
    points
        Draws with the same number share standard deviations and are no chain, shape (draw,): whole points are then
        what is independent.

    Returns
    -------
    numpy.ndarray
        Shape (area,). At most ``S log10(S)``, since draws that avoid each other can be better than independent ones;
        ``S`` where all draws are equal, or where a chain is too short (under 4 draws) to tell.

    Raises
    ------
    ShapeMismatch
        If the number of draws is not a multiple of ``n_chains``.
    """
    n_draws, n_areas = draws.shape
    if n_chains < 1 or n_draws % n_chains:
        raise ShapeMismatch("draws", f"(a multiple of {n_chains} chains, area)", draws.shape)
    if points is not None:
        return _effective_clusters(draws, points)
    half = n_draws // n_chains // 2
    if half < 2 or n_areas == 0:
        return np.full(n_areas, float(n_draws))
    effective = np.empty(n_areas)
    for start in range(0, n_areas, _CHUNK):
        # The draws of a chain next to each other in memory, as the transform reads them.
        chains = np.ascontiguousarray(draws[:, start : start + _CHUNK].T).reshape(-1, n_chains, n_draws // n_chains)
        # An odd draw in the middle of a chain belongs to neither half.
        split = np.concatenate([chains[:, :, :half], chains[:, :, -half:]], axis=1)
        effective[start : start + _CHUNK] = _effective(split)
    effective *= n_draws / (2 * half * n_chains)
    return effective


def _effective_clusters(draws: NDArray[np.float64], points: NDArray[np.int32]) -> NDArray[np.float64]:
    """Effective size of draws in clusters, shape (draw, area) → (area,).

    The mean has the variance sum_p (sum of p's deviations)^2 / S^2: the sandwich estimator of survey sampling.
    """
    # The draws of an area lie next to each other.
    away = draws.T - draws.mean(axis=0)[:, None]
    _, point = np.unique(points, return_inverse=True)
    ones = (np.ones(len(draws)), (point, np.arange(len(draws))))
    mean_variance = ((sparse.csr_array(ones) @ away.T) ** 2).sum(axis=0) / len(draws) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        effective = np.einsum("as,as->a", away, away) / len(draws) / mean_variance
    # Chance can make clusters look better than independent draws; what does not vary has no error.
    return np.where(np.isfinite(effective), np.minimum(effective, len(draws)), float(len(draws)))


def _effective(chains: NDArray[np.float64]) -> NDArray[np.float64]:
    """Effective size of chains, shape (area, chain, draw) → (area,)."""
    n_areas, n_chains, n = chains.shape
    total = n_chains * n
    mean = chains.mean(axis=2, keepdims=True)
    length = fft.next_fast_len(2 * n, real=True)
    spectrum = fft.rfft(chains - mean, n=length, axis=2)
    # The mean over chains first: one transform back for all of them.
    power = (spectrum.real**2 + spectrum.imag**2).mean(axis=1)
    covariance = fft.irfft(power, n=length, axis=1)[:, :n] / n
    within = covariance[:, :1] * n / (n - 1)
    overall = covariance[:, :1] + mean[:, :, 0].var(axis=1, ddof=1)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        rho = 1 - (within - covariance) / overall
    rho[:, 0] = 1
    pairs = rho[:, : n - n % 2].reshape(n_areas, n // 2, 2).sum(axis=2)
    # Initial monotone sequence: pairs up to the first negative one, none larger than those before it.
    positive = np.logical_and.accumulate(pairs > 0, axis=1)
    monotone = np.where(positive, np.minimum.accumulate(pairs, axis=1), 0)
    with np.errstate(invalid="ignore"):
        tau = np.maximum(2 * monotone.sum(axis=1) - 1, 1 / np.log10(total))
    tau = np.where(np.isfinite(tau), tau, 1.0)
    constant = overall[:, 0] <= (1e-7 * np.abs(chains).max(axis=(1, 2))) ** 2
    effective: NDArray[np.float64] = np.where(constant, float(total), total / tau)
    return effective
