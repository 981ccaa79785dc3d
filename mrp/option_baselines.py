"""What simpler methods would have said of every option of a question; see `mrp.baselines`.

``options_alone`` is the model without its varying terms and demographics: a softmax regression on what is known of the
districts, with the offsets and the options' own columns,

    eta[d, k] = offset[d, k] + sum_j own[d, j, k] b[j] + intercept[k] + sum_j x[d, j] coefficient[j, k],

vectors over options summing to zero as in `mrp.categorical.design`. The most probable coefficients, and draws from the
normal distribution around them with the inverse of the negative Hessian.
"""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import linalg

from mrp.baselines import Baseline, uniform_swing
from mrp.categorical.counts import count_name
from mrp.categorical.design import CategoricalDesign
from mrp.electorate import Electorate
from mrp.ordinal.design import OrdinalDesign
from mrp.priors import Priors
from mrp.structure import zero_sum_basis

__all__ = ["divided_swing", "options_alone"]

type Floats = NDArray[np.float64]

_N_DRAWS = 1999
_NEWTON_STEPS = 100


def options_alone(
    counts: pl.DataFrame, electorate: Electorate, *, design: CategoricalDesign | OrdinalDesign, priors: Priors
) -> dict[str, Baseline]:
    """The shares of every option by what is known of the districts alone, in every district.

    Parameters
    ----------
    counts
        Cells with the district column and a column of answers for each option, which may be perturbed.
    design
        Of the model, whose district predictors, offsets and own columns are used. An ordinal one has options and
        district predictors; that its options have an order is not.

    Returns
    -------
    dict
        Option -> its shares; draws are joint over options.
    """
    columns = [count_name(option) for option in design.options]
    sums = counts.group_by(electorate.district).agg(pl.col(columns).sum())
    codes = pl.DataFrame({electorate.district: electorate.codes})
    table = codes.join(sums, on=electorate.district, how="left", maintain_order="left").fill_null(0)
    known = _known(design, electorate, priors)
    stands = np.isfinite(known.offset)
    y = np.where(stands, np.maximum(table.select(columns).cast(pl.Float64).to_numpy(), 0.0), 0.0)
    n = y.sum(axis=1)
    beta = known.mean.copy()
    hessian = np.diag(known.precision)
    for _ in range(_NEWTON_STEPS):
        p = _softmax(known.offset + known.x @ beta)
        slope = np.einsum("dk,dkj->j", y - n[:, None] * p, known.x) - known.precision * (beta - known.mean)
        away = known.x - np.einsum("dk,dkj->dj", p, known.x)[:, None, :]
        hessian = np.einsum("dk,dki,dkj->ij", n[:, None] * p, away, away, optimize=True) + np.diag(known.precision)
        step = linalg.solve(hessian, slope, assume_a="pos")
        step *= min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        beta = beta + step
        if np.abs(step).max() < 1e-8:
            break
    noise = np.random.default_rng(0).standard_normal((_N_DRAWS, len(beta)))
    some = beta + linalg.solve_triangular(linalg.cholesky(hessian, lower=True), noise.T, lower=True, trans="T").T
    draws = _softmax(known.offset + np.einsum("dkj,sj->sdk", known.x, some))
    share = _softmax(known.offset + known.x @ beta)
    return {
        option: Baseline(electorate.codes, share[:, k], np.ascontiguousarray(draws[:, :, k]))
        for k, option in enumerate(design.options)
    }


def divided_swing(
    counts: pl.DataFrame,
    electorate: Electorate,
    *,
    option: str,
    together: tuple[str, ...],
    result: Floats,
    stands: NDArray[np.bool_],
) -> Baseline:
    """Uniform swing of options whose last result is known together, divided among them as all interviews are.

    Parameters
    ----------
    counts
        ``n`` and a column of answers for each option.
    together
        The options that had the result, ``option`` among them.
    result, stands
        Of all of them together, and where the option stands; see `mrp.baselines.uniform_swing`.
    """
    of_all = pl.sum_horizontal(count_name(one) for one in together)
    joint = counts.select(electorate.district, "n", of_all.alias("y"))
    whole = float(joint["y"].sum())
    part = float(counts[count_name(option)].sum()) / whole if whole > 0 else 1 / len(together)
    swung = uniform_swing(joint, electorate, result=result, stands=stands)
    return replace(swung, share=part * swung.share, draws=part * swung.draws)


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of districts, and how much is believed of its coefficients."""

    offset: Floats
    """Shape (district, option)."""
    x: Floats
    """Shape (district, option, coefficient)."""
    mean: Floats
    precision: Floats
    """Of the normal prior of each coefficient, shape (coefficient,)."""


def _known(design: CategoricalDesign | OrdinalDesign, electorate: Electorate, priors: Priors) -> _Known:
    common, size, k = design.common, len(electorate.codes), len(design.options)
    used = [predictor for predictor in common.predictors if predictor.key == common.district]
    rows = np.column_stack([np.ones(size), *(predictor.values for predictor in used)])
    basis = zero_sum_basis(k)
    vectors = np.einsum("dj,kv->dkjv", rows, basis).reshape(size, k, -1)
    sds = [priors.intercept.sd, *(priors.for_predictor(p.name).sd for p in used for _ in p.coefficients)]
    precision = np.repeat(np.array(sds) ** -2.0, k - 1)
    mean = np.zeros(len(precision))
    if not isinstance(design, CategoricalDesign):
        return _Known(np.zeros((size, k)), vectors, mean, precision)
    own = [priors.for_predictor(predictor.term) for predictor in design.own]
    values = [predictor.values[:, :, None] for predictor in design.own]
    return _Known(
        design.offset,
        np.concatenate([vectors, *values], axis=2),
        np.concatenate([mean, [prior.mean for prior in own]]),
        np.concatenate([precision, [prior.sd**-2.0 for prior in own]]),
    )


def _softmax(eta: Floats) -> Floats:
    """Over the last axis."""
    weight = np.exp(eta - eta.max(axis=-1, keepdims=True))
    share: Floats = weight / weight.sum(axis=-1, keepdims=True)
    return share
