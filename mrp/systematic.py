r"""The error that polls share and no model can see: a second, wider interval.

Who answers differs from who does not in ways that no cell of the frame tells apart, and it does so in every poll at
once: in past elections the errors of different polls of one country went the same way, and were about twice as large as
their intervals said (Shirani-Mehr et al. 2018). It cannot be estimated from the interviews. It is declared, or taken
from the record of other surveys, and added to the draws of a fit:

    eta'[d, k, s] = eta[d, k, s] + S[k, s] + R[d, k, s],       sum over k of S and of R = 0,

    S ~ Normal with sd sigma,    R ~ Normal with variance sigma^2 (1 - rho) / rho,    sum_d N[d] R[d] = 0,

sigma so that the share of an option that has one half, against one other, has the standard deviation ``national_sd``:
smaller shares p move by about 4 p (1 - p) as much. rho is the correlation of the error of two districts. The people N
of the districts weight R to zero, so that the nation's error is S alone.

What houses do differently is estimated by `house(pollster)` and sums to zero over pollsters; this is what they have in
common. A scale from a record, `national_sd_of`, has the fits' own variance taken off, so that nothing is counted twice.

References
----------
Shirani-Mehr, Rothschild, Goel and Gelman (2018), "Disentangling bias and variance in election polls", Journal of the
American Statistical Association 113, 607-614.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.categorical.design import CategoricalDesign
from mrp.electorate import Electorate
from mrp.errors import FrameError, ShapeMismatch
from mrp.latents import LatentDraws
from mrp.outcomes.designs import AnyDesign
from mrp.shifts import shifted

__all__ = ["TERM", "SystematicError", "national_sd_of", "with_systematic_error"]

type Floats = NDArray[np.float64]

TERM = "systematic"


@dataclass(frozen=True, slots=True)
class SystematicError:
    """How large the error is, fixed before anything is scored.

    Raises
    ------
    FrameError
        If a number is impossible.
    """

    national_sd: float
    """Standard deviation of the nation's share of an option that has one half; 0.03 is three points. Above 0, at most
    0.25."""
    correlation: float = 0.7
    """Of the errors of two districts, above 0, at most 1: then all err alike."""

    def __post_init__(self) -> None:
        if not 0 < self.national_sd <= 0.25:
            raise FrameError(
                f"the national sd of the systematic error is {self.national_sd:g}; it is a share above 0 and at most "
                "0.25: three points are 0.03"
            )
        if not 0 < self.correlation <= 1:
            raise FrameError(
                f"the correlation of the systematic error is {self.correlation:g}; it must be above 0 and at most 1"
            )


def with_systematic_error[D: AnyDesign](
    latents: LatentDraws, design: D, electorate: Electorate, error: SystematicError, *, seed: int
) -> tuple[LatentDraws, D]:
    """Add the error to the draws of a fit; the same seed gives the same draws.

    Parameters
    ----------
    latents, design
        Of the fit.
    seed
        Any integer >= 0.

    Returns
    -------
    As `mrp.shifts.shifted`: draws of a wider posterior, of the same questions.

    Raises
    ------
    FrameError
        If they have such an error already: it would count twice.
    """
    if any(shift.term == TERM for shift in design.common.shifts):
        raise FrameError("these draws have a systematic error already; add it once, to the draws of the fit")
    k = design.n_options if isinstance(design, CategoricalDesign) else 2
    rng = np.random.default_rng(seed)
    n_draws, n_districts = latents.draws.shape[0], len(electorate.codes)
    common = rng.standard_normal((n_draws, 1, k))
    own = rng.standard_normal((n_draws, n_districts, k)) * np.sqrt((1 - error.correlation) / error.correlation)
    people = dict(electorate.frame.group_by(electorate.district).agg(pl.col("n_people").sum()).iter_rows())
    weight = np.array([people.get(code, 0.0) for code in electorate.codes])
    own -= np.einsum("d,sdk->sk", weight / weight.sum(), own)[:, None]
    shift = common + own
    shift -= shift.mean(axis=2, keepdims=True)
    # A share of one half against one other: its log odds, the difference of two, have a slope of 1/4.
    shift *= 4 * error.national_sd / np.sqrt(2)
    if not isinstance(design, CategoricalDesign):
        shift = shift[:, :, 0] - shift[:, :, 1]
    return shifted(latents, design, electorate, shift, by=electorate.district, term=TERM)


def national_sd_of(errors: Sequence[float], shares: Sequence[float], sds: Sequence[float]) -> float:
    """The scale that a record of past errors suggests.

    An error e of a share p, whose fit thought that its standard deviation was v, is expected to have the variance
    v^2 + (4 p (1 - p) scale)^2. Of all errors together

        scale^2 = sum(e^2 - v^2) / sum((4 p (1 - p))^2),

    so that small shares, which say little of it, count little.

    Parameters
    ----------
    errors
        Estimate less result, of the nation, one for each survey or election.
    shares
        The results, in (0, 1).
    sds
        Posterior standard deviations of the estimates.

    Returns
    -------
    float
        >= 0; 0 if the errors are no larger than the fits expected.

    Raises
    ------
    ShapeMismatch, FrameError
        If the lists differ in length, or are of fewer than two errors: one says next to nothing of a scale.
    """
    e, p, v = (np.asarray(one, dtype=np.float64) for one in (errors, shares, sds))
    for name, one in (("shares", p), ("sds", v)):
        if one.shape != e.shape:
            raise ShapeMismatch(name, str(e.shape), one.shape)
    if e.size < 2:
        raise FrameError(f"{e.size} past errors are too few for a scale; 2 or more are needed")
    slope = 4 * p * (1 - p)
    return float(np.sqrt(max(0.0, (e**2 - v**2).sum() / (slope**2).sum())))
