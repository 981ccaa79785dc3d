"""Fit with the engine asked for, judge the fit, and turn to NUTS where the fast engine does not pass: for every model.

The Laplace engine checks itself against the exact density; where it finds that it cannot be trusted, the same model is
sampled with NUTS, and the fit says that it was and why. Nothing is published on the strength of having been fast.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from mrp.diagnostics import diagnose
from mrp.errors import SamplingError
from mrp.latents import LatentDraws
from mrp.poststratification import AreaDraws
from mrp.priors import Priors
from mrp.verdict import FitVerdict, Problem, judge_laplace, judge_nuts

if TYPE_CHECKING:
    from xarray import DataTree

__all__ = ["Engine", "Engines", "Judged", "JudgedFit", "fit_and_judge", "require_engine"]

type Engine = Literal["laplace", "nuts"]


@dataclass(frozen=True, slots=True)
class Engines:
    """The two ways to draw from the posterior of one model and its data, and what is looked at afterwards."""

    laplace: Callable[[], "DataTree"]
    """Raises `mrp.errors.SamplingError` if Newton's method does not converge."""
    nuts: Callable[[], "DataTree"]
    latents: Callable[["DataTree"], LatentDraws]
    """Collects them from a tree of either engine."""
    estimates: Callable[[LatentDraws], Sequence[AreaDraws]]
    """What will be served: its Monte-Carlo error is part of the verdict."""
    too_large: str | None = None
    """Why NUTS cannot be asked, in words."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Draws and what is to be thought of them."""

    tree: "DataTree"
    latents: LatentDraws
    verdict: FitVerdict
    engine: Engine
    """The engine that made them: "nuts" if the Laplace engine was asked for and did not pass."""
    escalated: tuple[Problem, ...] = ()
    """Why the Laplace engine did not pass; empty if it did or was not asked."""


@dataclass(frozen=True, slots=True, repr=False)
class JudgedFit[D]:
    """A fit with everything that decides on its publication; of each kind of question by its design ``D``."""

    design: D
    priors: Priors
    tree: "DataTree"
    latents: LatentDraws
    verdict: FitVerdict
    engine: Engine
    """The engine that made it: "nuts" if the Laplace engine was asked for and did not pass."""
    escalated: tuple[Problem, ...] = ()
    """Why the Laplace engine did not pass; empty if it did or was not asked."""
    design_effect: float = 1.0
    """What weights in the likelihood cost, see `mrp.counts`; 1 without weights."""

    def diagnostics(self) -> dict[str, Any]:
        """As `mrp.diagnostics.diagnose`, with the reasons for an escalation and the design effect."""
        told = {"escalated": [problem.message for problem in self.escalated], "design_effect": self.design_effect}
        return diagnose(self.tree) | told


def require_engine(engine: str) -> None:
    """Refuse an engine that there is not.

    Raises
    ------
    SamplingError
        With those that there are.
    """
    if engine not in ("laplace", "nuts"):
        raise SamplingError(f"there is no engine {engine!r}; take 'laplace' or 'nuts'")


def fit_and_judge(engines: Engines, *, engine: Engine, parity: tuple[Problem, ...]) -> Judged:
    """Fit, judge, and fit again with NUTS if the Laplace engine does not pass.

    Parameters
    ----------
    engine
        "laplace" (seconds) or "nuts" (the reference).
    parity
        What `mrp.parity.term_parity` found: it is part of every verdict.

    Raises
    ------
    SamplingError
        If NUTS is needed and cannot start, or the model is too large for it and there is nothing else.
    """
    escalated: tuple[Problem, ...] = ()
    if engine == "laplace":
        try:
            tree = engines.laplace()
        except SamplingError as error:
            if engines.too_large:
                raise SamplingError(engines.too_large) from error
            escalated = (Problem("newton", str(error)),)
        else:
            latents = engines.latents(tree)
            verdict = judge_laplace(tree, engines.estimates(latents), parity)
            if not verdict.publishable and not parity and engines.too_large:
                problems = (*verdict.problems, Problem("too-large", engines.too_large))
                return Judged(tree, latents, replace(verdict, problems=problems), "laplace")
            # NUTS predicts with the same design: it cannot mend a term that does not move the prediction.
            if verdict.publishable or parity:
                return Judged(tree, latents, verdict, "laplace")
            escalated = verdict.problems
    if engines.too_large:
        raise SamplingError(engines.too_large)
    tree = engines.nuts()
    return Judged(tree, engines.latents(tree), judge_nuts(tree, parity), "nuts", escalated)
