r"""Sample the model of a question answered with a number with NUTS: the reference engine.

Coordinates of the latents are ``z = m + R(h) u`` with ``u`` standard normal a priori, as in `mrp.whitened`, and the
sampler moves in ``eps``:

    u = c + L'^-1 eps,     L L' = I + R'G R / s^2,     L L' c = R'b / s^2,     s: residual sd

with the G and b of `mrp.numeric.conditional`. As the likelihood is normal, ``eps`` is standard normal whatever the
parameters: what is left to explore are these. The change of variables is exact in any case, and the likelihood is
added up cell by cell, so that nothing but speed rests on G and b.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.compiled import SampledForm
from mrp.errors import SamplingError
from mrp.laplace.coordinates import incidence
from mrp.numbers import require_seed
from mrp.numeric.counts import coarsest_numeric, in_unit
from mrp.numeric.design import NumericDesign
from mrp.numeric.posterior import sampled_dataset
from mrp.numeric.residual import require_numeric_priors, residual_space
from mrp.numeric.warnings import numeric_warnings
from mrp.nuts import NutsSettings, sample_form
from mrp.priors import Priors
from mrp.progress import Progress, Reporter
from mrp.size import require_size

if TYPE_CHECKING:
    from xarray import DataTree

    from mrp.whitened import WhitenedStructure

__all__ = ["NumericStructure", "numeric_form", "sample_numeric_nuts"]

type Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class NumericStructure:
    """What the graph of a posterior of means depends on; see `mrp.compiled`."""

    prior: "WhitenedStructure"

    def declare(self, data: Mapping[str, Any]) -> None:
        """Declare ``sd``, ``unit`` and ``phi`` if there are any, ``residual``, ``eps`` and ``moved``."""
        import pymc as pm
        import pytensor.tensor as pt

        prior = self.prior
        root = prior.declare_root(data) if prior.blocks else pt.diag(data["fixed_sd"])
        residual: Any = pm.HalfNormal("residual", data["residual_scale"][0])
        eps: Any = pm.Flat("eps", shape=prior.size)
        precision = residual**-2
        said = precision * pt.dot(root.T, pt.dot(data["information"], root))
        pulled = pt.linalg.cholesky(pt.eye(prior.size) + said, lower=True)
        middle = pt.linalg.solve_triangular(pulled, precision * pt.dot(root.T, data["pull"]), lower=True)
        standard = pt.linalg.solve_triangular(pulled.T, middle + eps, lower=False)
        moved = pm.Deterministic("moved", pt.dot(root, standard))
        latent = pt.dot(data["basis"], data["mean"] + moved)
        eta = pt.dot(latent[: prior.n_free], data["x"]) + (data["weight"] * latent[data["index"]]).sum(axis=0)
        squares = pt.sum(data["ss"] + data["n"] * (data["answer"] - eta) ** 2)
        # Log density of standard normal numbers, plus the log Jacobian of them in eps.
        pm.Potential("latent prior", -0.5 * pt.sum(standard**2) - pt.sum(pt.log(pt.diag(pulled))))
        pm.Potential("likelihood", -pt.sum(data["n"]) * pt.log(residual) - 0.5 * precision * squares)


def numeric_form(design: NumericDesign, counts: pl.DataFrame, priors: Priors) -> SampledForm:
    """Choose coordinates, and start at the most probable parameters, found by the Laplace engine.

    Parameters
    ----------
    design, counts, priors
        As for `mrp.numeric.conditional.NumericConditional`.
    """
    from mrp.laplace.search import most_probable
    from mrp.numeric.conditional import NumericConditional
    from mrp.warm_start import WarmStart
    from mrp.whitened import WhitenedStructure, whitened_form

    common, cells = design.common, in_unit(counts, design.require_unit())
    space = residual_space(common, priors, cells)
    try:
        hypers = most_probable(NumericConditional(design, counts, priors), space)
    except SamplingError:  # a reason to sample in the first place: only speed depends on the start
        hypers = space.natural(space.working(space.start()))
    # The binary form of the same terms; of its counts nothing is kept.
    of_prior = WarmStart(hypers[:-1], np.zeros(common.n_latents))
    binary = whitened_form(common, cells.with_columns(y=0), priors, of_prior)
    assert isinstance(binary.structure, WhitenedStructure)
    predictor = incidence(common, cells) @ binary.fixed["basis"]
    n, mean, ss = (cells[name].cast(pl.Float64).to_numpy() for name in ("n", "mean", "ss"))
    fixed = dict(binary.fixed) | {
        "information": predictor.T @ (n[:, None] * predictor),
        "pull": predictor.T @ (n * (mean - predictor @ binary.fixed["mean"])),
        "residual_scale": np.array([priors.residual.scale]),
    }
    of_cells = {name: binary.cells[name] for name in ("x", "index", "weight")} | {"n": n, "answer": mean, "ss": ss}
    n_hypers = space.size - 1
    start = [binary.start[:n_hypers], np.log(hypers[-1:]), np.zeros(binary.structure.size)]
    return SampledForm(NumericStructure(binary.structure), fixed, of_cells, np.concatenate(start))


def sample_numeric_nuts(
    design: NumericDesign,
    counts: pl.DataFrame,
    priors: Priors,
    *,
    seed: int,
    settings: NutsSettings = NutsSettings(),
    on_progress: Callable[[Progress], None] | None = None,
) -> "DataTree":
    """Draw from the posterior of the means; see `mrp.nuts.sample_nuts`.

    Raises
    ------
    CountsError, PriorError
        If the counts cannot be fitted, or priors do not belong to the design.
    SamplingError
        If settings or seed make no sense, or the sampler cannot start.
    """
    report = Reporter(on_progress)
    report("prepare", 0.0)
    settings.check()
    require_seed(seed)
    require_numeric_priors(priors, design.common)
    require_size(design.common, "nuts")
    design = design.for_counts(counts)
    cells = coarsest_numeric(design.common, counts)
    first, second = np.random.SeedSequence(seed).spawn(2)
    form = numeric_form(design, cells, priors)
    return sample_form(
        form,
        partial(_collect, form=form, design=design),
        settings=settings,
        seed=seed,
        chain_seeds=(first, second),
        warnings=numeric_warnings(design.common, cells),
        report=report,
    )


def _collect(raw: "DataTree", form: SampledForm, design: NumericDesign) -> "DataTree":
    """Draws of the model's own variables from what the sampler kept."""
    import xarray as xr

    sampled = raw["posterior"].to_dataset()
    residual = sampled["residual"].to_numpy()[:, :, None]
    hypers = [sampled["sd"].to_numpy()] if "sd" in sampled else []
    if "unit" in sampled:
        hypers.append(2 * sampled["unit"].to_numpy() - 1)
    if "phi" in sampled:
        hypers.append(sampled["phi"].to_numpy()[:, :, None])
    hypers.append(residual)
    latents = (sampled["moved"].to_numpy() + form.fixed["mean"]) @ form.fixed["basis"].T
    labels = [f"direction {i + 1} of all latents" for i in range(sampled["eps"].shape[2])]
    return xr.DataTree.from_dict(
        {
            "posterior": sampled_dataset(
                design, np.concatenate([latents, residual], axis=2), np.concatenate(hypers, axis=2)
            ),
            "sampled": sampled[["eps"]].assign_coords({sampled["eps"].dims[2]: labels}),
            "sample_stats": raw["sample_stats"].to_dataset(),
        }
    )
