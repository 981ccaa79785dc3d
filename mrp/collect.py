"""Turn what the sampler kept into draws of the model's own variables."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mrp.design import Design
from mrp.identified import Identified, restore
from mrp.posterior import posterior_dataset
from mrp.priors import Priors
from mrp.warm_start import WarmStart

if TYPE_CHECKING:
    from xarray import DataTree

__all__ = ["collect"]


def collect(
    raw: "DataTree",
    *,
    identified: Identified,
    start: WarmStart,
    design: Design,
    priors: Priors,
    seed: np.random.SeedSequence,
) -> "DataTree":
    """Draws of intercept, coefficients, sds and effects from draws of ``free``, ``z`` and ``sd``.

    Parameters
    ----------
    raw
        Output of the sampler for `mrp.model.build_sampling_model`.
    identified, start, design, priors
        What that model was built from.
    seed
        For the share of each term in its totals, which is drawn here.

    Returns
    -------
    xarray.DataTree
        Groups ``posterior``, ``sampled`` and ``sample_stats``; see `mrp.nuts.sample_nuts`.
    """
    import xarray as xr

    sampled = raw["posterior"]
    shape = (sampled.sizes["chain"], sampled.sizes["draw"])

    def flat(name: str, size: int) -> NDArray[np.float64]:
        if name not in sampled:
            return np.empty((shape[0] * shape[1], size))
        return np.asarray(sampled[name].to_numpy(), dtype=np.float64).reshape(-1, size)

    sd = flat("sd", len(design.effects))
    free = start.centre + flat("free", start.centre.size) @ start.root.T
    restored = restore(
        identified,
        design,
        priors,
        intercept=free[:, 0],
        coefficient=free[:, 1:],
        totals=_totals(identified, start, flat("z", start.pull.size), sd),
        sd=sd,
        rng=np.random.default_rng(seed),
    )
    latents = np.column_stack([restored.intercept, restored.coefficient, *restored.effects])
    posterior = posterior_dataset(design, latents.reshape(*shape, -1), sd.reshape(*shape, -1))
    return xr.DataTree.from_dict(
        {
            "posterior": posterior,
            "sampled": _named(sampled.to_dataset(), identified, start, design),
            "sample_stats": raw["sample_stats"].to_dataset(),
        }
    )


def _named(sampled: Any, identified: Identified, start: WarmStart, design: Design) -> Any:
    """The sampler's coordinates with labels that a verdict can quote to somebody who knows the formula."""
    directions = [
        f"{coding.term.removeprefix('total')} direction {i + 1}"
        for coding, basis in zip(identified.design.effects, start.bases, strict=True)
        for i in range(basis.shape[1])
    ]
    labels = {
        "free": [f"direction {i + 1} of intercept and coefficients" for i in range(start.centre.size)],
        "z": directions,
        "sd": [effect.term for effect in design.effects],
    }
    coords = {sampled[name].dims[2]: labels[name] for name in labels if name in sampled}
    return sampled.assign_coords(coords)


def _totals(
    identified: Identified, start: WarmStart, z: NDArray[np.float64], sd: NDArray[np.float64]
) -> tuple[NDArray[np.float64], ...]:
    """Draws of each total over its levels: the change of variables of `mrp.warm_start`."""
    variance = identified.fixed + sd**2 @ identified.shares.T
    totals = []
    at = 0
    for b, (basis, information) in enumerate(zip(start.bases, start.information, strict=True)):
        own = slice(at, at + basis.shape[1])
        at = own.stop
        v = variance[:, 1 + b, None]
        shrink = 1 + v * information
        totals.append((v * start.pull[own] / shrink + np.sqrt(v / shrink) * z[:, own]) @ basis.T)
    return tuple(totals)
