"""R-hat, effective sample sizes and energies of a fit: the numbers that verdict and diagnostics share.

The only module that touches ``arviz_stats``, which has no types.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from xarray import DataTree

__all__ = ["ParameterSummary", "convergence", "energy_fraction", "scalars"]

# The names of the groups whose variables have to converge.
_GROUPS = ("posterior", "sampled")


@dataclass(frozen=True, slots=True)
class ParameterSummary:
    """Posterior summary of one scalar and how well its chains agree."""

    name: str
    group: str
    """ "posterior" for the model's variables, "sampled" for the sampler's coordinates."""
    mean: float
    sd: float
    mcse: float
    """Monte-Carlo standard error of ``mean``."""
    r_hat: float
    ess_bulk: float
    ess_tail: float


def convergence(tree: "DataTree") -> list[ParameterSummary]:
    """Summarise every scalar of a fit.

    References
    ----------
    Vehtari, Gelman, Simpson, Carpenter and Buerkner (2021), Bayesian Analysis 16(2), 667-718.
    """
    rows = []
    for group in _GROUPS:
        for name, values in scalars(tree[group]) if group in tree.children else ():
            # A parameter that never moves has the R-hat 0/0, which the verdict counts as a failure: no warning needed.
            with np.errstate(divide="ignore", invalid="ignore"):
                rows.append(_summary(group, name, values))
    return rows


def energy_fraction(tree: "DataTree") -> NDArray[np.float64]:
    """Bayesian fraction of missing information of each chain, shape (chain,).

    mean of squared energy differences between draws, over the variance of the energy.
    """
    energy = np.asarray(tree["sample_stats"]["energy"].to_numpy(), dtype=np.float64)
    steps: NDArray[np.float64] = np.square(np.diff(energy, axis=1)).mean(axis=1)
    return steps / energy.var(axis=1)


def scalars(group: Any) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Every scalar of a group of a fit: name, such as "(1|age)[65+]", and draws, shape (chain, draw)."""
    for variable, array in group.data_vars.items():
        values = np.asarray(array.to_numpy(), dtype=np.float64)
        flat = values.reshape(*values.shape[:2], -1)
        labels: Any = [str(variable)]
        if values.ndim > 2:
            dims = [array.coords[d].to_numpy() if d in array.coords else range(array.sizes[d]) for d in array.dims[2:]]
            labels = [f"{variable}[{label}]" for label in dims[0]]
        for j, label in enumerate(labels):
            yield label, flat[:, :, j]


def _summary(group: str, name: str, values: NDArray[np.float64]) -> ParameterSummary:
    from arviz_stats.base import array_stats

    return ParameterSummary(
        name=name,
        group=group,
        mean=float(values.mean()),
        sd=float(values.std(ddof=1)),
        mcse=float(array_stats.mcse(values, chain_axis=0, draw_axis=1, method="mean")),
        r_hat=float(array_stats.rhat(values, chain_axis=0, draw_axis=1)),
        ess_bulk=float(array_stats.ess(values, chain_axis=0, draw_axis=1, method="bulk")),
        ess_tail=float(array_stats.ess(values, chain_axis=0, draw_axis=1, method="tail", prob=(0.05, 0.95))),
    )
