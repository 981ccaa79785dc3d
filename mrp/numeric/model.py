r"""The model of a question answered with a number, as PyMC reads it.

    answer = centre + scale y,      y[i] ~ Normal(eta[cell of i], residual),      eta as in `mrp.model`

of which a cell's n answers have the log likelihood, up to a constant,

    -n log(residual) - (ss + n (mean - eta)^2) / (2 residual^2)

with mean and sum of squares about it in the unit of y. This is the definition; NUTS moves in other coordinates, see
`mrp.numeric.nuts`.
"""

from typing import TYPE_CHECKING

import polars as pl

from mrp.model import declare_predictor, model_coords
from mrp.numeric.counts import coarsest_numeric, in_unit
from mrp.numeric.design import NumericDesign
from mrp.numeric.residual import RESIDUAL, require_numeric_priors
from mrp.priors import Priors

if TYPE_CHECKING:
    import pymc as pm

__all__ = ["build_numeric_model"]


def build_numeric_model(design: NumericDesign, counts: pl.DataFrame, priors: Priors) -> "pm.Model":
    """The definition of the model.

    Parameters
    ----------
    design
        Codes the cells; without a unit, that of the answers is taken.
    counts
        As `mrp.numeric.counts.collapse_numeric` makes them.
    priors
        See `mrp.priors`; all are in the unit of the design.

    Returns
    -------
    pymc.Model
        Variables as those of `mrp.model.build_model`, "sd residual", and the potential ``likelihood``.

    Raises
    ------
    CountsError, PriorError
        If counts or priors do not belong to the design.
    """
    import pymc as pm
    import pytensor.tensor as pt

    require_numeric_priors(priors, design.common)
    unit = design.for_counts(counts).require_unit()
    cells = in_unit(coarsest_numeric(design.common, counts), unit)
    n, mean, ss = (cells[name].cast(pl.Float64).to_numpy() for name in ("n", "mean", "ss"))
    with pm.Model(coords=model_coords(design.common, cells)) as model:
        eta = declare_predictor(design.common, design.rows(cells), priors)
        residual = pm.HalfNormal(RESIDUAL, priors.residual.scale)
        squares = ss.sum() + pt.sum(n * (mean - eta) ** 2)
        pm.Potential("likelihood", -n.sum() * pt.log(residual) - squares / (2 * residual**2))
    return model
