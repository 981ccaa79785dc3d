r"""The model of an ordered scale, as PyMC reads it.

    y[i, :] ~ Multinomial(n[i], p[i, :])
    p[i, 1] + ... + p[i, k] = 1 / (1 + exp(-(c[k] - eta[i]))),       k = 1 ... K - 1

the cumulative logit: whatever the cutpoint, the odds of an answer above it change by the same factor from cell to cell.
``eta`` has the terms and priors of the binary model, `mrp.model`, without the intercept, which is in the cutpoints:

    c[k] = middle[k] - intercept,   middle = S exp(log width),   log width[j] ~ Normal(mean, sd)     `mrp.ordinal.scale`

The prior of the intercept then says of an ordered scale what it says of two options: the share of answers above the
middle of the scale is between 5% and 95%. All latents are normal a priori and cutpoints in order whatever they are; of
two options the model is the binary one, of the second.

This is the definition; NUTS moves in other coordinates, see `mrp.ordinal.nuts`.

References
----------
McCullagh (1980), "Regression models for ordinal data", Journal of the Royal Statistical Society B 42(2), 109-142,
section 2.3: the proportional odds model.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mrp.model import declare_predictor, model_coords
from mrp.ordinal.counts import coarsest_ordinal, counts_of
from mrp.ordinal.design import OrdinalDesign
from mrp.ordinal.scale import spacing
from mrp.priors import Priors, require_priors

if TYPE_CHECKING:
    import pymc as pm

__all__ = ["build_ordinal_model", "describe_ordinal_priors"]


def describe_ordinal_priors(priors: Priors, design: OrdinalDesign) -> dict[str, str]:
    """The prior of every term of a design, in words; see `mrp.priors.Priors.describe`."""
    words = priors.describe(design.common)
    words["intercept"] = f"{priors.intercept} on the logit scale, of answers above the middle of the scale"
    if design.inner_options:
        last = f"{design.inner_options[0]} to {design.inner_options[-1]}"
        between = last if len(design.inner_options) > 1 else design.inner_options[0]
        words["log_width"] = f"{priors.log_width}, of the distance between the cutpoints around each option, {between}"
    return words


def build_ordinal_model(design: OrdinalDesign, counts: pl.DataFrame, priors: Priors) -> "pm.Model":
    """The definition of the model.

    Parameters
    ----------
    design
        Codes the cells; its term names become variable names, its levels and options coordinates.
    counts
        As `mrp.ordinal.counts.collapse_ordinal` makes them.
    priors
        See `mrp.priors`.

    Returns
    -------
    pymc.Model
        Variables as those of `mrp.model.build_model`, ``log width`` (dims "inner option"; of three options and more),
        ``cutpoint`` (dims "cutpoint name") and ``y`` (dims "cell", "option"); with fractional counts, which
        `mrp.categorical.counts` makes of weighted ones, the potential ``likelihood`` in place of ``y``.

    Raises
    ------
    CountsError, PriorError
        If counts or priors do not belong to the design.
    """
    import pymc as pm
    import pytensor.tensor as pt

    counts = coarsest_ordinal(design, counts)
    require_priors(priors, design.common, own="log_width")
    coords = model_coords(design.common, counts)
    coords |= {
        "option": design.options,
        "inner option": design.inner_options,
        "cutpoint name": design.cutpoint_names,
    }
    with pm.Model(coords=coords) as model:
        # With the intercept, which the cutpoints are less.
        eta = declare_predictor(design.common, design.rows(counts), priors) + np.zeros(counts.height)
        middle: Any = np.zeros(1)
        if design.inner_options:
            log_width = pm.Normal("log width", priors.log_width.mean, priors.log_width.sd, dims="inner option")
            middle = pt.dot(spacing(design.n_options), pt.exp(log_width))
        pm.Deterministic("cutpoint", middle - model["intercept"], dims="cutpoint name")
        upto = pm.math.sigmoid(middle[None, :] - eta[:, None])
        ends = pt.zeros((counts.height, 1))
        shares = pt.diff(pt.concatenate([ends, upto, ends + 1], axis=1), axis=1)
        y = counts_of(design, counts).to_numpy()
        if y.dtype.kind == "f":  # weighted: no multinomial distribution has fractional counts, but its likelihood does
            pm.Potential("likelihood", pt.sum(y * pt.log(shares)))
        else:
            pm.Multinomial("y", n=counts["n"].to_numpy(), p=shares, observed=y, dims=("cell", "option"))
    return model
