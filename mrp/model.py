r"""The model, as PyMC reads it.

    y[c] ~ Binomial(n[c], logit^-1(eta[c]))
    eta[c] = intercept + sum_j x[c, j] coefficient[j] + sum_k effect_k[index[c, k]]
    effect_k ~ Normal(0, sd_k)                                independent over the levels of term k

`build_model` is the definition. `build_sampling_model` is the same posterior in other coordinates (see
`mrp.identified` and `mrp.warm_start`), which is what NUTS moves in.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from scipy.linalg import block_diag

from mrp.counts import require_counts
from mrp.design import Design
from mrp.identified import Identified
from mrp.priors import Priors
from mrp.warm_start import WarmStart

if TYPE_CHECKING:
    import pymc as pm

__all__ = ["build_model", "build_sampling_model", "sd_name"]


def sd_name(term: str) -> str:
    """Name of the standard deviation of a varying term, e.g. "sd (1|state)"."""
    return f"sd {term}"


def build_model(design: Design, counts: pl.DataFrame, priors: Priors) -> "pm.Model":
    """The definition of the model.

    Parameters
    ----------
    design
        Codes the cells; its term names become variable names, its levels coordinates.
    counts
        One row per cell: `Design.cell_columns`, ``n``, ``y``.
    priors
        See `mrp.priors`.

    Returns
    -------
    pymc.Model
        Variables ``intercept``, ``coefficient`` (dims "predictor"), for every varying term "sd (1|g)" and "(1|g)"
        (dims "(1|g) level"), and ``y`` (dims "cell").

    Raises
    ------
    CountsError
        If the counts cannot be fitted.
    """
    import pymc as pm

    require_counts(counts)
    priors.check(design)
    rows = design.rows(counts)
    levels = {f"{effect.term} level": effect.labels for effect in design.effects}
    coords = {"cell": np.arange(counts.height), "predictor": design.coefficient_names, **levels}
    with pm.Model(coords=coords) as model:
        eta: Any = pm.Normal("intercept", priors.intercept.mean, priors.intercept.sd)
        if design.coefficient_names:
            own = [priors.for_predictor(p.name) for p in design.predictors for _ in p.coefficients]
            coefficient = pm.Normal(
                "coefficient", np.array([p.mean for p in own]), np.array([p.sd for p in own]), dims="predictor"
            )
            eta = eta + pm.math.dot(rows.x, coefficient)
        for k, (effect, offset) in enumerate(zip(design.effects, design.offsets, strict=True)):
            sd = pm.HalfNormal(sd_name(effect.term), priors.for_sd(effect.term).scale)
            value = pm.Normal(effect.term, 0.0, sd, dims=f"{effect.term} level")
            eta = eta + value[rows.index[:, k] - offset]
        pm.Binomial("y", n=counts["n"].to_numpy(), logit_p=eta, observed=counts["y"].to_numpy(), dims="cell")
    return model


def build_sampling_model(
    identified: Identified, start: WarmStart, design: Design, counts: pl.DataFrame, priors: Priors
) -> "pm.Model":
    """The posterior of the totals in the coordinates of a warm start.

    Returns
    -------
    pymc.Model
        Variables ``free`` (intercept's total and coefficients, whitened), ``z`` (coordinates of the totals) and ``sd``
        (one per varying term), each present only if the model has some.
    """
    import pymc as pm
    import pytensor.tensor as pt

    rows = identified.design.rows(counts)
    n = counts["n"].cast(pl.Float64).to_numpy()
    y = counts["y"].cast(pl.Float64).to_numpy()
    own = [priors.for_predictor(p.name) for p in identified.design.predictors for _ in p.coefficients]
    with pm.Model() as model:
        free: Any = start.centre + pt.dot(start.root, pm.Flat("free", shape=start.centre.size))
        eta: Any = free[0]
        if own:
            means, sds = np.array([p.mean for p in own]), np.array([p.sd for p in own])
            pm.Potential("coefficient prior", -0.5 * pt.sum(((free[1:] - means) / sds) ** 2))
            eta = eta + pt.dot(rows.x, free[1:])
        variance: Any = identified.fixed
        if design.effects:
            scales = np.array([priors.for_sd(effect.term).scale for effect in design.effects])
            sd = pm.HalfNormal("sd", scales, shape=scales.size)
            variance = identified.fixed + pt.dot(identified.shares, sd**2)
            information = np.concatenate(start.information)
            block = np.repeat(np.arange(len(start.bases)), [basis.shape[1] for basis in start.bases])
            own_variance = variance[1:][block]
            shrink = 1 + own_variance * information
            standard = pt.sqrt(own_variance) * start.pull / shrink + pm.Flat("z", shape=block.size) / pt.sqrt(shrink)
            # Log density of N(0, v) at c = sqrt(v) standard, plus the log Jacobian of c in z.
            pm.Potential("total prior", -0.5 * pt.sum(standard**2) - 0.5 * pt.sum(pt.log(shrink)))
            levels = pt.dot(block_diag(*start.bases), pt.sqrt(own_variance) * standard)
            first_level = 1 + len(own)
            eta = eta + levels[rows.index - first_level].sum(axis=1)
        pm.Potential(
            "intercept prior",
            -0.5 * (free[0] - priors.intercept.mean) ** 2 / variance[0] - 0.5 * pt.log(variance[0]),
        )
        pm.Potential("likelihood", pt.sum(y * eta - n * pt.softplus(eta)))
    return model
