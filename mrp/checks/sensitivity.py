r"""Power-scaling: would a slightly stronger or weaker prior, or a little more or less data, change what is said?

The posterior proportional to p(y | z)^a p(theta)^b is that of the fit at a = b = 1. Moving one power by a hundredth
weighs the draws by p^(a - 1), which moves a quantity's distribution; its cumulative Jensen-Shannon distance from the
unmoved one, per doubling of the power, is the sensitivity. Scaled is the prior of intercept, coefficients, standard
deviations, correlations and mixings, not the distribution of effects given these, which is the model.

    prior >= 0.05, likelihood >= 0.05     prior and data pull in different directions: conflict
    prior >= 0.05, likelihood < 0.05      the data say little, the prior decides: weak data
    prior < 0.05                          the prior does not matter

Each prior is scaled by itself too, to tell which one a headline estimate leans on.

References
----------
Kallioinen, Paananen, Buerkner and Vehtari (2024), "Detecting and diagnosing prior and likelihood sensitivity with
power-scaling", Statistics and Computing 34, 57. The numbers are those of ``arviz_stats.psense`` but for the smoothing
of weights, which at powers so near 1 are all nearly equal.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.categorical.design import CategoricalDesign
from mrp.categorical.hyper import option_hyper_names, option_space
from mrp.checks.answered import log_likelihood
from mrp.checks.concerns import Concern, worst_first
from mrp.checks.free_parameters import free_parameters
from mrp.electorate import Electorate
from mrp.errors import ShapeMismatch
from mrp.evidence import hyper_names
from mrp.grouping import Grouping
from mrp.heed import Heed, nobody
from mrp.hyper import HyperSpace, correlation_name, hyper_space, mixing_name
from mrp.latents import LatentDraws
from mrp.numeric.design import NumericDesign
from mrp.numeric.residual import RESIDUAL
from mrp.outcomes.designs import AnyDesign, draws_many, estimands
from mrp.priors import Priors

__all__ = [
    "SENSITIVE",
    "Sensitivity",
    "log_priors",
    "parameter_space",
    "power_scaling",
    "sensitivity",
    "sensitivity_concerns",
]

type Floats = NDArray[np.float64]
type Diagnosis = Literal["conflict", "weak data", "fine"]

SENSITIVE, NAMED = 0.05, 0.1
"""From the first on the authors of the method call a posterior sensitive; estimates are named from the second on, as
those of districts with few interviews lean on the sd of districts a little, and should."""
NATION = "nation"
_STEP = 0.01
# Of all cells, options and draws: twenty seconds' work. Of more, draws are left out, evenly; what does not depend on a
# prior at all has a sensitivity to it of 0.004 at most in 2,000 draws, of 0.006 in 667.
_MOST_NUMBERS, _LEAST_DRAWS = 1_050_000_000, 500


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """How one quantity depends on priors and data."""

    name: str
    """A parameter, "nation", or an area or level, such as "age 65+"; of several options with it, "nation, Green"."""
    is_estimate: bool
    prior: float
    likelihood: float
    diagnosis: Diagnosis
    leans_on: str | None
    """Of an estimate the parameter whose prior matters most; None where no prior matters."""

    def to_json(self) -> dict[str, Any]:
        """A value that ``json.dumps`` takes."""
        return asdict(self)


def sensitivity(
    latents: LatentDraws,
    design: AnyDesign,
    electorate: Electorate,
    counts: pl.DataFrame,
    *,
    priors: Priors,
    hypers: NDArray[np.floating[Any]],
    heed: Heed = nobody,
) -> tuple[Sensitivity, ...]:
    """Power-scaling sensitivity of every parameter of a prior and of headline estimates.

    Of many draws of many cells and options some are used, evenly.

    Parameters
    ----------
    latents, design, electorate, counts
        As for `mrp.checks.predictive.posterior_predictive`.
    priors
        Of the fit.
    hypers
        Natural values of standard deviations, correlations and mixings, as in `mrp.hyper.HyperSpace`, of each of the
        draws of ``latents``; shape (draw, parameter).
    heed
        Called now and then; see `mrp.heed`.

    Returns
    -------
    tuple
        The parameters, then the nation, every level of every demographic, every district.
    """
    _require_hypers(latents, design, priors, hypers)
    n_draws, size = len(latents.draws), electorate.frame.height * len(estimands(design))
    step = -(-n_draws // max(_LEAST_DRAWS, min(n_draws, _MOST_NUMBERS // size)))
    latents, hypers = replace(latents, draws=latents.draws[::step], n_chains=1, points=None), hypers[::step]
    of_prior = log_priors(latents, design, priors, hypers)
    prior = np.sum(list(of_prior.values()), axis=0)
    likelihood = log_likelihood(latents, design, electorate, counts, heed=heed)
    values = {one.name: one.draws for one in free_parameters(latents, design, priors)}
    names = [name for name in of_prior if name not in values]
    if isinstance(design, NumericDesign):
        values[RESIDUAL] = latents.draws[:, -1:].astype(np.float64)
        names.remove(RESIDUAL)
    values |= {name: hypers[:, k, None].astype(np.float64) for k, name in enumerate(names)}
    found = [_judge_parameter(name, values[name], prior, likelihood) for name in of_prior]
    by = [(), *((name,) for name in electorate.demographics), (electorate.district,)]
    several = len(estimands(design)) > 1
    for columns, areas in zip(
        by, draws_many(latents, design, electorate, [Grouping(by=one) for one in by], heed=heed), strict=True
    ):
        for option in areas.options:
            draws = areas.of(option).draws
            for k, row in enumerate(areas.areas.iter_rows(named=True)):
                heed()
                name = " ".join((columns[0], str(row[columns[0]]))) if columns else NATION
                told = f"{name}, {option}" if several else name
                found.append(_judge(told, draws[:, k], prior, likelihood, of_prior))
    return tuple(found)


def log_priors(
    latents: LatentDraws, design: AnyDesign, priors: Priors, hypers: NDArray[np.floating[Any]]
) -> Mapping[str, Floats]:
    """Log prior density of each parameter at each draw: intercept, coefficients, sds, correlations, mixings.

    Raises
    ------
    ShapeMismatch
        If the parameters are not those of the design, or not of these draws.
    """
    space = _require_hypers(latents, design, priors, hypers)
    found = {one.name: one.log_density for one in free_parameters(latents, design, priors)}
    values = hypers.astype(np.float64)
    sd_names = _sd_names(design)
    for term in space.terms:
        for k in range(term.sds.start, term.sds.stop):
            found[sd_names[k]] = -0.5 * (values[:, k] / term.scale) ** 2
    for term in space.terms:
        for pair, (a, b) in enumerate(term.shapes):
            name = correlation_name(term.term) + (f"[{pair}]" if len(term.shapes) > 1 else "")
            unit = np.clip((values[:, term.correlations.start + pair] + 1) / 2, 1e-12, 1 - 1e-12)
            found[name] = (a - 1) * np.log(unit) + (b - 1) * np.log1p(-unit)
    for term in space.terms:
        if term.mixing is not None:
            share = np.clip(values[:, term.mixings.start], 1e-9, 1 - 1e-9)
            found[mixing_name(term.term)] = term.mixing.log_density(share)
    if isinstance(design, NumericDesign):
        found[RESIDUAL] = -0.5 * (latents.draws[:, -1].astype(np.float64) / priors.residual.scale) ** 2
    return found


def _require_hypers(
    latents: LatentDraws, design: AnyDesign, priors: Priors, hypers: NDArray[np.floating[Any]]
) -> HyperSpace:
    """The parameters of the priors, if these are as many, of as many draws."""
    space, n_draws = parameter_space(design, priors), len(latents.draws)
    if hypers.shape != (n_draws, space.size):
        raise ShapeMismatch("hypers", f"({n_draws}, {space.size})", hypers.shape)
    return space


def parameter_space(design: AnyDesign, priors: Priors) -> HyperSpace:
    """The parameters of the priors of effects of a model of any kind."""
    if isinstance(design, CategoricalDesign):
        return option_space(design, priors)
    return hyper_space(design.common, priors)


def _sd_names(design: AnyDesign) -> tuple[str, ...]:
    """Names of the standard deviations in order."""
    n = sum(len(effect.columns) for effect in design.common.effects)
    if isinstance(design, CategoricalDesign) and design.sd == "by option":
        return option_hyper_names(design)[: n * design.n_options]
    return hyper_names(design.common)[:n]


def power_scaling(values: Floats, log_density: Floats) -> float:
    """Sensitivity of a quantity to the power of a density.

    Parameters
    ----------
    values
        Draws of the quantity, shape (draw,).
    log_density
        Logarithm of what is scaled, at each draw, shape (draw,).
    """
    order = np.argsort(values, kind="stable")
    values, log_density = values[order], log_density[order] - log_density.mean()
    if values[-1] - values[0] <= 0:
        return 0.0
    gradients = []
    for step in (-_STEP, _STEP):
        weight = np.exp(step * log_density)
        up, down = _distance(values, weight), _distance(-values[::-1], weight[::-1])
        gradients.append(max(up, down) / abs(np.log2(1 + step)))
    return float(np.mean(gradients))


def sensitivity_concerns(found: tuple[Sensitivity, ...]) -> tuple[Concern, ...]:
    """Name the headline estimates that lean on a prior: the nation, or the level or district that does most."""
    estimates = [one for one in found if one.is_estimate and one.prior >= NAMED]
    by_prior: dict[str | None, list[Sensitivity]] = {}
    for one in estimates:
        by_prior.setdefault(one.leans_on, []).append(one)
    concerns = []
    for leans_on, group in by_prior.items():
        worst = max(group, key=lambda one: (one.name.partition(",")[0] == NATION, one.prior))
        more = f", and {len(group) - 1} more," if len(group) > 1 else ""
        conflict = worst.diagnosis == "conflict"
        why = "prior and interviews do not say the same" if conflict else "the interviews say little of it"
        whose = f"the {worst.name}" if worst.name.partition(",")[0] == NATION else worst.name
        sentence = f"The estimate of {whose}{more} would change with the prior of {leans_on}: {why}."
        concerns.append(
            Concern(
                kind="prior-conflict" if conflict else "weak-data",
                severity="notable",
                columns=(leans_on or "",),
                levels=(),
                size=round(worst.prior, 2),
                strength=float(min(5, round(worst.prior / SENSITIVE))),
                sentence=sentence,
                advice=f"decide whether the prior of {leans_on} is meant, or widen it",
            )
        )
    return worst_first(concerns)


def _judge(
    name: str, values: Floats, prior: Floats, likelihood: Floats, priors: Mapping[str, Floats] | None
) -> Sensitivity:
    of_prior, of_likelihood = power_scaling(values, prior), power_scaling(values, likelihood)
    diagnosis: Diagnosis = "fine"
    leans_on = None
    if of_prior >= SENSITIVE:
        diagnosis = "conflict" if of_likelihood >= SENSITIVE else "weak data"
        if priors:
            leans_on = max(priors, key=lambda one: power_scaling(values, priors[one]))
    return Sensitivity(name, priors is not None, round(of_prior, 3), round(of_likelihood, 3), diagnosis, leans_on)


def _judge_parameter(name: str, values: Floats, prior: Floats, likelihood: Floats) -> Sensitivity:
    """Of several coordinates that which the prior matters most to."""
    every = [_judge(name, values[:, k], prior, likelihood, None) for k in range(values.shape[1])]
    return max(every, key=lambda one: one.prior)


def _distance(values: Floats, weight: Floats) -> float:
    """Cumulative Jensen-Shannon distance of weighted draws, sorted, from the same unweighted."""
    n = len(values)
    width = np.diff(values)
    p = np.linspace(1 / n, 1 - 1 / n, n - 1)
    q = np.cumsum(weight / weight.sum())[:-1]
    mixed = np.log2((p + q) / 2)
    p_total, q_total = float(p @ width), float(q @ width)
    apart = (q_total - p_total) / (2 * np.log(2))
    one = max(0.0, float(width @ (p * (np.log2(p) - mixed))) + apart)
    other = max(0.0, float(width @ (q * (np.log2(q) - mixed))) - apart)
    return float(np.sqrt((one + other) / (p_total + q_total)))
