"""What simpler methods would have said, so that a model can be seen to earn its keep.

Every baseline gives a share per district and a distribution around it, as evenly spaced quantiles that `mrp.scoring`
takes like posterior draws. Where a method has no distribution of its own, the convention is named in its docstring.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import linalg
from scipy.special import betaincinv, expit, ndtri

from mrp.counts import require_counts
from mrp.design import Design
from mrp.electorate import Electorate
from mrp.errors import CountsError, ScoreError, ShapeMismatch
from mrp.priors import Priors

__all__ = [
    "PROBABILITIES",
    "Baseline",
    "last_result",
    "national_mean",
    "predictors_alone",
    "raw_by_district",
    "uniform_swing",
]

type Floats = NDArray[np.float64]

PROBABILITIES = (np.arange(1999) + 0.5) / 1999
"""Mid-quantiles; with 1,999 the ends of a 95% interval are those of the distribution to the third digit."""
# Between two elections districts move by about 0.05 (sd), and by about 0.03 around the mean movement. Conventions, for
# methods that state no uncertainty of their own.
_SWING_SD = 0.05
_SWING_SPREAD_SD = 0.03
_NEWTON_STEPS = 50


@dataclass(frozen=True, slots=True)
class Baseline:
    """Estimates of one method."""

    codes: tuple[str, ...]
    """Districts it has an estimate for, sorted."""
    share: Floats
    """In [0, 1], shape (district,)."""
    draws: Floats
    """Quantiles of its distribution, shape (quantile, district)."""

    def at(self, codes: tuple[str, ...]) -> "Baseline":
        """The same for some of the districts, in their order; districts without an estimate are left out."""
        position = {code: i for i, code in enumerate(self.codes)}
        kept = tuple(code for code in codes if code in position)
        index = [position[code] for code in kept]
        return Baseline(kept, self.share[index], self.draws[:, index])


def raw_by_district(counts: pl.DataFrame, electorate: Electorate) -> Baseline:
    """The share among the interviews of each district; Jeffreys' Beta(y + 1/2, n - y + 1/2) around it.

    Parameters
    ----------
    counts
        Cells with the district column, ``n`` and ``y``.

    Returns
    -------
    Baseline
        Without the districts that have no interviews.
    """
    y, n = _by_district(counts, electorate)
    asked = n > 0
    codes = tuple(code for code, kept in zip(electorate.codes, asked, strict=True) if kept)
    y, n = y[asked], n[asked]
    return Baseline(codes, y / n, betaincinv(y + 0.5, n - y + 0.5, PROBABILITIES[:, None]))


def national_mean(counts: pl.DataFrame, electorate: Electorate) -> Baseline:
    """The share among all interviews, for every district; Jeffreys' interval of that share around it."""
    y, n = (values.sum() for values in _by_district(counts, electorate))
    draws = betaincinv(y + 0.5, n - y + 0.5, PROBABILITIES)
    size = len(electorate.codes)
    return Baseline(electorate.codes, np.full(size, y / n), np.repeat(draws[:, None], size, axis=1))


def predictors_alone(counts: pl.DataFrame, electorate: Electorate, *, design: Design, priors: Priors) -> Baseline:
    """A binomial regression on the district predictors and parents of a design, without demographics and effects.

    Most probable coefficients under the model's priors; a normal on the logit scale around them.
    """
    y, n = _by_district(counts, electorate)
    used = [p for p in design.predictors if p.key == design.district]
    own = [priors.for_predictor(p.name) for p in used for _ in p.coefficients]
    x = np.column_stack([np.ones(len(electorate.codes)), *(p.values for p in used)])
    mean = np.array([priors.intercept.mean, *(p.mean for p in own)])
    precision = np.array([priors.intercept.sd, *(p.sd for p in own)]) ** -2.0
    beta = mean.copy()
    hessian = np.diag(precision)
    for _ in range(_NEWTON_STEPS):
        share = expit(x @ beta)
        hessian = (x.T * (n * share * (1 - share))) @ x + np.diag(precision)
        step = linalg.solve(hessian, x.T @ (y - n * share) - precision * (beta - mean), assume_a="pos")
        step *= min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        beta = beta + step
        if np.abs(step).max() < 1e-8:
            break
    sd = np.sqrt(np.einsum("ij,jk,ik->i", x, linalg.inv(hessian), x))
    eta = x @ beta
    return Baseline(electorate.codes, expit(eta), expit(eta + sd * ndtri(PROBABILITIES)[:, None]))


def last_result(result: Floats, electorate: Electorate, *, stands: NDArray[np.bool_] | None = None) -> Baseline:
    """Nothing has changed since the last election; an sd of 0.05 around it by convention.

    Parameters
    ----------
    result
        Share of the option last time, in [0, 1], by district code in sorted order, shape (district,).
    stands
        Where it can be chosen, shape (district,); what the result is elsewhere does not matter, and there is no
        estimate. Default: everywhere.
    """
    here = np.ones(len(electorate.codes), dtype=np.bool_) if stands is None else stands
    return _around(_checked(result, electorate, here), _SWING_SD, electorate, here)


def uniform_swing(
    counts: pl.DataFrame, electorate: Electorate, *, result: Floats, stands: NDArray[np.bool_] | None = None
) -> Baseline:
    """Every district has moved by as much as the nation: the share among all interviews minus the last result.

    The last result of the nation is the mean over the people of the frame. Around it, the sampling error of the swing
    and an sd of 0.03 between districts by convention.

    Parameters
    ----------
    result, stands
        As for `last_result`. The nation is the districts where the option stands, among interviews too.
    """
    here = np.ones(len(electorate.codes), dtype=np.bool_) if stands is None else stands
    result = _checked(result, electorate, here)
    y, n = (float(values[here].sum()) for values in _by_district(counts, electorate))
    people = dict(electorate.frame.group_by(electorate.district).agg(pl.col("n_people").sum()).iter_rows())
    weights = here * np.array([people.get(code, 0.0) for code in electorate.codes])
    sd = np.hypot(np.sqrt((y + 0.5) * (n - y + 0.5) / (n + 1) ** 3), _SWING_SPREAD_SD)
    swung = np.clip(result + (y / n - np.average(result, weights=weights)), 0, 1)
    return _around(swung, float(sd), electorate, here)


def _around(share: Floats, sd: float, electorate: Electorate, here: NDArray[np.bool_]) -> Baseline:
    draws = np.clip(share + sd * ndtri(PROBABILITIES)[:, None], 0, 1)
    codes = tuple(code for code, stands in zip(electorate.codes, here, strict=True) if stands)
    return Baseline(codes, share[here], draws[:, here])


def _checked(result: Floats, electorate: Electorate, here: NDArray[np.bool_]) -> Floats:
    if result.shape != (len(electorate.codes),):
        raise ShapeMismatch("result", f"({len(electorate.codes)},)", result.shape)
    result = np.where(here, result, 0.0)
    if not ((result >= 0) & (result <= 1)).all():
        raise ScoreError("a last result is missing or outside 0 and 1; write percent as a share, 0.52 for 52%")
    return result


def _by_district(counts: pl.DataFrame, electorate: Electorate) -> tuple[Floats, Floats]:
    """Choices and answers of each district, in the order of its codes; 0 where nobody was asked."""
    require_counts(counts)
    if electorate.district not in counts.columns:
        raise CountsError(f"the counts have no column {electorate.district!r}; collapse by the district too")
    sums = counts.group_by(electorate.district).agg(pl.col("y").sum(), pl.col("n").sum())
    codes = pl.DataFrame({electorate.district: electorate.codes})
    table = codes.join(sums, on=electorate.district, how="left", maintain_order="left").fill_null(0)
    return table["y"].cast(pl.Float64).to_numpy(), table["n"].cast(pl.Float64).to_numpy()
