"""Decide whether a fit may be published.

A verdict is a value, not a log line: it is stored with the fit, and only a publishable fit can become the one that is
served. Every free parameter has to pass, in the model's own variables and in the coordinates the sampler moved in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mrp.attributes import facts_of
from mrp.poststratification import AreaDraws
from mrp.summary import effective_draws

if TYPE_CHECKING:
    from xarray import DataTree

__all__ = [
    "MAX_K_HAT",
    "MAX_MC_ERROR",
    "MAX_RHAT",
    "MIN_BFMI",
    "MIN_ESS",
    "FitVerdict",
    "Problem",
    "judge_laplace",
    "judge_nuts",
    "merge",
]

# Vehtari et al. (2021), section 4: R-hat below 1.01, and 100 effective draws for each of four chains.
MAX_RHAT = 1.01
MIN_ESS = 400
# Betancourt (2016), "Diagnosing suboptimal cotangent disintegrations in Hamiltonian Monte Carlo".
MIN_BFMI = 0.3
# Vehtari et al. (2024), section 3.3: above 0.7 the error of importance sampling shrinks too slowly to be trusted.
MAX_K_HAT = 0.7
MAX_MC_ERROR = 0.1
"""Monte-Carlo error of an estimate, in its posterior standard deviations."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason not to publish."""

    code: str
    """One of "few-chains", "r-hat", "ess-bulk", "ess-tail", "divergences", "e-bfmi", "k-hat", "mc-error", "not-finite",
    "term-parity"; "newton" where the Laplace engine found no mode, "too-large" where NUTS could not take its place."""
    message: str


@dataclass(frozen=True, slots=True)
class FitVerdict:
    """All reasons not to publish a fit, and what to know of one that is published."""

    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()
    """In words what does not stand in the way of publication, such as effects that the data cannot tell apart."""

    @property
    def publishable(self) -> bool:
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        """A value that ``json.dumps`` takes; the inverse of `from_json`."""
        return {
            "publishable": self.publishable,
            "problems": [asdict(problem) for problem in self.problems],
            "warnings": list(self.warnings),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "FitVerdict":
        """Read what `to_json` wrote."""
        problems = tuple(Problem(item["code"], item["message"]) for item in value["problems"])
        return cls(problems, tuple(value.get("warnings", ())))


def merge(*verdicts: FitVerdict) -> FitVerdict:
    """A verdict with the problems and warnings of all."""
    problems = tuple(problem for verdict in verdicts for problem in verdict.problems)
    return FitVerdict(problems, tuple(dict.fromkeys(text for verdict in verdicts for text in verdict.warnings)))


def judge_nuts(tree: "DataTree", parity: tuple[Problem, ...] = ()) -> FitVerdict:
    """Judge a fit by NUTS.

    Parameters
    ----------
    tree
        As `mrp.nuts.sample_nuts` returns it.
    parity
        Problems that `mrp.parity.term_parity` found.

    Returns
    -------
    FitVerdict
        All problems found, not just the first. A number that is not finite counts as a failure.
    """
    from mrp.convergence import convergence, energy_fraction

    n_chains = tree["posterior"].sizes["chain"]
    if n_chains < 2:
        return FitVerdict((Problem("few-chains", f"{n_chains} chain, need 2 or more"), *parity))
    table = convergence(tree)
    problems = list(parity)
    # `not (x <= limit)` rather than `x > limit`: NaN has to fail.
    if unusable := [row.name for row in table if not np.isfinite([row.mean, row.sd, row.r_hat]).all()]:
        problems.append(Problem("not-finite", f"{len(unusable)} parameters have no finite summary, e.g. {unusable[0]}"))
    worst = max(table, key=lambda row: np.nan_to_num(row.r_hat, nan=np.inf))
    if not worst.r_hat <= MAX_RHAT:
        problems.append(
            Problem("r-hat", f"R-hat of {worst.name} is {_told(worst.r_hat, MAX_RHAT, 3)}, limit {MAX_RHAT}")
        )
    for part, sizes in (("bulk", [row.ess_bulk for row in table]), ("tail", [row.ess_tail for row in table])):
        least = int(np.argmin(np.nan_to_num(sizes, nan=-1.0)))
        if not sizes[least] >= MIN_ESS:
            text = f"{part} ESS of {table[least].name} is {_told(sizes[least], MIN_ESS, 0)}, need {MIN_ESS}"
            problems.append(Problem(f"ess-{part}", text))
    if n_diverging := int(tree["sample_stats"]["diverging"].sum()):
        problems.append(Problem("divergences", f"{n_diverging} divergences after warmup, limit 0"))
    lowest = energy_fraction(tree).min()
    if not lowest >= MIN_BFMI:
        problems.append(
            Problem("e-bfmi", f"energy fraction of a chain is {_told(lowest, MIN_BFMI, 2)}, need {MIN_BFMI}")
        )
    return FitVerdict(tuple(problems), tuple(facts_of(tree).get("warnings", ())))


def judge_laplace(tree: "DataTree", estimates: Sequence[AreaDraws], parity: tuple[Problem, ...] = ()) -> FitVerdict:
    """Judge a fit by the Laplace engine.

    Parameters
    ----------
    tree
        As `mrp.laplace.engine.fit_laplace` returns it. A fit whose Newton steps do not converge never gets this far.
    estimates
        Draws of the estimates that will be served: their Monte-Carlo error is part of the verdict.
    parity
        Problems that `mrp.parity.term_parity` found.

    Returns
    -------
    FitVerdict
        All problems found, not just the first. A number that is not finite counts as a failure.

    References
    ----------
    Vehtari, Simpson, Gelman, Yao and Gabry (2024), "Pareto smoothed importance sampling", JMLR 25.
    """
    problems = list(parity)
    for stage, name in (("sd", "standard deviations"), ("joint", "latents")):
        k_hat = tree.attrs[f"k_hat_{stage}"]
        # Minus infinity is right where all weights are equal; NaN has to fail.
        if not k_hat <= MAX_K_HAT:
            told = _told(k_hat, MAX_K_HAT, 2)
            text = f"Pareto k-hat of the importance weights of the {name} is {told}, limit {MAX_K_HAT}"
            problems.append(Problem("k-hat", text))
    for one in estimates:
        if not np.isfinite(one.draws).all():
            problems.append(Problem("not-finite", "estimates have draws that are not finite numbers"))
            continue
        error = 1 / np.sqrt(effective_draws(one.draws, n_chains=one.n_chains, points=one.points))
        worst = int(np.argmax(error))
        if not error[worst] <= MAX_MC_ERROR:
            area = " / ".join(map(str, one.areas.drop("n_people").row(worst))) if one.areas.width > 1 else "the nation"
            told = _told(error[worst], MAX_MC_ERROR, 2)
            text = f"Monte-Carlo error of {area} is {told} posterior sds, limit {MAX_MC_ERROR}"
            problems.append(Problem("mc-error", text))
    return FitVerdict(tuple(problems), tuple(facts_of(tree).get("warnings", ())))


def _told(value: float, limit: float, digits: int) -> str:
    """A number that is beyond its limit, with as many digits as it takes to see that."""
    return next((text for more in range(digits, 16) if float(text := f"{value:.{more}f}") != limit), repr(float(value)))
