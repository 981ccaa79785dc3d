"""What simpler methods would have said of means; see `mrp.baselines`, whose shares are means here.

Answers scatter about the mean of their district with one variance for all, s^2 = sum of squares over interviews less
districts, as in `mrp.numeric.direct`; an interval is that of Student's t with as many degrees of freedom.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import linalg
from scipy.special import stdtrit

from mrp.baselines import PROBABILITIES, Baseline
from mrp.electorate import Electorate
from mrp.errors import CountsError
from mrp.numeric.design import NumericDesign
from mrp.numeric.merging import NUMBERS, WEIGHING, are_weighted, mass_of, merged
from mrp.priors import Priors

__all__ = ["mean_by_district", "mean_of_all", "predictors_of_means"]

type Floats = NDArray[np.float64]


def mean_by_district(counts: pl.DataFrame, electorate: Electorate) -> Baseline:
    """The mean of the answers of each district; without the districts that have none.

    Raises
    ------
    CountsError
        If no district has two interviews.
    """
    of = _answers(counts, electorate)
    return Baseline(of.codes, of.mean, of.mean + of.t[:, None] * of.sd / np.sqrt(of.n))


def mean_of_all(counts: pl.DataFrame, electorate: Electorate) -> Baseline:
    """The mean of all answers, for every district; errors as of `mean_by_district`."""
    of = _answers(counts, electorate)
    mean, size = float(np.average(of.mean, weights=of.mass)), len(electorate.codes)
    draws = mean + of.t * of.sd / np.sqrt(of.n.sum())
    return Baseline(electorate.codes, np.full(size, mean), np.repeat(draws[:, None], size, axis=1))


def predictors_of_means(
    counts: pl.DataFrame, electorate: Electorate, *, design: NumericDesign, priors: Priors
) -> Baseline:
    """A linear regression on the district predictors and parents of a design, without demographics and effects.

    Coefficients with the model's priors, in the unit of the design; errors as of `mean_by_district`.
    """
    of, unit = _answers(counts, electorate), design.require_unit()
    used = [p for p in design.common.predictors if p.key == design.common.district]
    own = [priors.for_predictor(p.name) for p in used for _ in p.coefficients]
    x = np.column_stack([np.ones(len(electorate.codes)), *(p.values for p in used)])
    mean = np.array([priors.intercept.mean, *(p.mean for p in own)])
    precision = np.diag(np.array([priors.intercept.sd, *(p.sd for p in own)]) ** -2.0)
    seen = x[[electorate.codes.index(code) for code in of.codes]]
    weight = of.n * (unit.scale / of.sd) ** 2
    hessian = (seen.T * weight) @ seen + precision
    target = (seen.T * weight) @ ((of.mean - unit.centre) / unit.scale) + precision @ mean
    beta = linalg.solve(hessian, target, assume_a="pos")
    sd = np.sqrt(np.einsum("ij,jk,ik->i", x, linalg.inv(hessian), x))
    share = unit.centre + unit.scale * (x @ beta)
    return Baseline(electorate.codes, share, share + unit.scale * sd * of.t[:, None])


@dataclass(frozen=True, slots=True)
class _Answers:
    """Those of districts with some."""

    codes: tuple[str, ...]
    mean: Floats
    n: Floats
    """Effective interviews."""
    mass: Floats
    """Interviews, or sums of weights."""
    sd: float
    """Of answers within a district."""
    t: Floats
    """Mid-quantiles of Student's t."""


def _answers(counts: pl.DataFrame, electorate: Electorate) -> _Answers:
    weighing = WEIGHING if are_weighted(counts) else ()
    names = (electorate.district, *NUMBERS, *weighing)
    cells = merged(counts.select(names).filter(pl.col("n") > 0), (electorate.district,))
    n, mass = (cells[name].cast(pl.Float64).to_numpy() for name in ("n", mass_of(cells)))
    freedom = float((n - 1).sum())
    if freedom < 1:
        raise CountsError("no district has two interviews, so that nothing tells how answers differ")
    square = cells["weight_square"].to_numpy() if weighing else n
    sd = float(np.sqrt(cells["ss"].sum() / (mass - square / mass).sum()))
    codes = tuple(cells[electorate.district].cast(pl.String))
    return _Answers(codes, cells["mean"].to_numpy(), mass**2 / square, mass, sd, stdtrit(freedom, PROBABILITIES))
