r"""Answers of one cluster that are more alike than those of people chosen one by one.

    binary        y[r] ~ BetaBinomial(n[r], a p, a (1 - p))           a = 1 / (d^2 + 10^-8),  the precision
    categorical   y[r, :] ~ DirichletMultinomial(n[r], a p[:])        d ~ HalfNormal, the dispersion

A row ``r`` of the counts then is not a cell but the answers of one *cluster* in a cell: of one interviewer, sampling
point or day, say. Count by the cluster as well, ``by=(*design.count_columns, "interviewer")``; rows are fitted as they
are given, and not added up. The share of the cluster's people who choose an option varies around that of the cell, p,
with the correlation rho = 1 / (1 + a) = d^2 / (1 + d^2), nearly, between two answers of a row, so that the variance of
y is 1 + (n - 1) rho times what it would be. Rows of one answer say nothing of it: without a row of two or more there is
nothing to fit. Counted without clusters, it is what varies between cells that no term of the model is about.

What is estimated is p, the mean of the cell over its clusters; shares of areas mean what they always do. The prior is
that of d, in `mrp.priors` under the name "dispersion": HalfNormal(0.3), by which rho is 0.04 in the middle and seldom
above 0.26. With d at 0 it is the plain model; the 10^-8, one part in a thousand of the spread of a row of a hundred
million answers, keeps differences of large logarithms exact.

References
----------
Skellam (1948), "A probability distribution derived from the binomial distribution by regarding the probability of
success as variable between the sets of trials", JRSS B 10(2), 257-261.
Mosimann (1962), "On the compound multinomial distribution, the multivariate beta-distribution, and correlations among
proportions", Biometrika 49, 65-82.
"""

from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from mrp.errors import CountsError, SamplingError
from mrp.verdict import Problem

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "WEIGHTED_AND_DISPERSED",
    "Dispersion",
    "dispersion_variables",
    "in_order",
    "log_likelihood",
    "needs_nuts",
    "precision_of",
    "require_clusters",
    "require_dispersion",
]

type Dispersion = Literal["none", "beta-binomial", "dirichlet-multinomial"]

WEIGHTED_AND_DISPERSED = (
    "weighted counts cannot be over-dispersed as well: weights make fractional answers, and clusters need whole ones; "
    "leave out the weights, or the dispersion"
)

_LEAST = 1e-8


def require_dispersion(dispersion: str, of: Dispersion) -> None:
    """Refuse a distribution that a kind of question does not have; ``of`` is the one that it has.

    Raises
    ------
    SamplingError
        Naming both.
    """
    if dispersion not in ("none", of):
        raise SamplingError(f"there is no dispersion {dispersion!r} of this kind of question; take {of!r} or 'none'")


def needs_nuts(dispersion: Dispersion) -> tuple[Problem, ...]:
    """Why the Laplace engine is not asked; nothing if it can be."""
    if dispersion == "none":
        return ()
    text = f"the Laplace engine knows no {dispersion} answers; the over-dispersed model is sampled with NUTS"
    return (Problem("over-dispersed", text),)


def require_clusters(counts: pl.DataFrame) -> None:
    """Refuse rows that say nothing of how alike their answers are.

    Raises
    ------
    CountsError
        If counts are weighted, or no row has two answers.
    """
    if counts["n"].dtype.is_float() or "weight" in counts.columns:
        raise CountsError(WEIGHTED_AND_DISPERSED)
    if not (counts["n"] > 1).any():
        raise CountsError(
            f"none of the {counts.height:,} rows of the counts has two answers, so they say nothing of dispersion; "
            "count by cell and cluster, or leave the dispersion out"
        )


def in_order(counts: pl.DataFrame, columns: tuple[str, ...]) -> pl.DataFrame:
    """The ``columns`` of the rows with answers, sorted, so that the order of the input does not matter."""
    return counts.select(columns).filter(pl.col("n") > 0).sort(columns)


def precision_of(dispersion: Any) -> Any:
    """The precision ``a``, of numbers or expressions."""
    return 1 / (dispersion**2 + _LEAST)


def log_likelihood(y: Any, share: Any, precision: Any) -> Any:
    """Log likelihood of all rows without its binomial or multinomial coefficients, as an expression.

    Parameters
    ----------
    y
        Answers, shape (option, row).
    share
        Of the cell, of the same shape. An option with the share 0 has no answers.
    precision
        ``a``, a number.
    """
    import pytensor.tensor as pt

    y = pt.as_tensor(y)
    stands = pt.gt(share, 0)
    alpha = pt.switch(stands, precision * share, 1.0)
    of_options = pt.switch(stands, pt.gammaln(y + alpha) - pt.gammaln(alpha), 0.0)
    n = pt.sum(y, axis=0)
    return pt.sum(of_options) + pt.sum(pt.gammaln(precision) - pt.gammaln(n + precision))


def dispersion_variables(sampled: "xr.Dataset") -> "dict[str, xr.DataArray]":
    """Draws of dispersion and precision by the names that they have in a fit; nothing of a plain model."""
    if "dispersion" not in sampled:
        return {}
    return {"dispersion": sampled["dispersion"], "precision": precision_of(sampled["dispersion"])}
