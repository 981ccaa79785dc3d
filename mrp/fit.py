"""Fit a model of a binary question: `mrp.judged` with its engines."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from mrp.common_passes import CommonPasses, common_passes, first_estimates
from mrp.counts import design_effect
from mrp.design import Design
from mrp.dispersion import Dispersion, needs_nuts, require_dispersion
from mrp.electorate import Electorate
from mrp.evidence import Evidence, evidence_of
from mrp.hyper import hyper_space
from mrp.judged import Engine, Engines, JudgedFit, fit_and_judge, require_engine
from mrp.laplace.engine import LaplaceSettings, fit_laplace
from mrp.latents import LatentDraws, from_datatree
from mrp.numbers import require_seed
from mrp.nuts import NutsSettings, sample_nuts
from mrp.poststratification import AreaDraws
from mrp.priors import Priors, require_priors
from mrp.progress import Progress
from mrp.size import require_size, too_large

if TYPE_CHECKING:
    pass

__all__ = ["Engine", "FittedModel", "default_estimates", "fit_model"]


@dataclass(frozen=True, slots=True, repr=False)
class FittedModel(JudgedFit[Design]):
    """A fit with everything that decides on its publication."""

    def __repr__(self) -> str:
        """What was fitted and whether it passed, in words; the draws are in ``tree`` and ``latents``."""
        why = [f"{self.engine}, as the Laplace engine did not pass: {one.message}" for one in self.escalated[:1]]
        bad = [problem.message for problem in self.verdict.problems]
        lines = [
            f"FittedModel of {self.design.formula!r}",
            f"  engine: {why[0] if why else self.engine}",
            f"  verdict: {'; '.join(['not publishable', *bad]) if bad else 'publishable'}",
            *(f"  warning: {text}" for text in self.verdict.warnings),
            f"  draws: {self.latents.draws.shape[0]:,} of {self.design.n_latents:,} latents",
            "  priors:",
            *(f"    {term}: {prior}" for term, prior in self.priors.describe(self.design).items()),
        ]
        return "\n".join(lines)

    @property
    def evidence(self) -> Evidence:
        """What is kept beside the latents, for whoever checks the fit."""
        return evidence_of(self.tree, self.design, hyper_space(self.design, self.priors))


def fit_model(
    design: Design,
    electorate: Electorate,
    counts: pl.DataFrame,
    priors: Priors,
    *,
    engine: Engine,
    seed: int,
    nuts: NutsSettings = NutsSettings(),
    laplace: LaplaceSettings = LaplaceSettings(),
    dispersion: Dispersion = "none",
    common: CommonPasses | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> FittedModel:
    """Fit, judge, and fit again with NUTS if the Laplace engine does not pass.

    Parameters
    ----------
    design, counts, priors
        As for `mrp.model.build_model`.
    electorate
        Whose estimates will be served: their Monte-Carlo error and the parity of terms are part of the verdict.
    engine
        "laplace" (seconds) or "nuts" (the reference).
    seed
        Any integer >= 0.
    dispersion
        "beta-binomial" where answers come in clusters, whose counts then have to be apart, see `mrp.dispersion`. Only
        NUTS fits it: asked for with "laplace", it is an escalation.
    common
        What fits of other questions with this design and this electorate need as well; by default it is found.
    on_progress
        As for the engines. If it raises, the fit is stopped.

    Raises
    ------
    CountsError, PriorError
        If the model cannot be fitted on these counts.
    FrameError
        If ``common`` is of another design or electorate.
    SamplingError
        If there is no such engine, the seed is none, the model is too large, or NUTS cannot start.
    """
    require_engine(engine)
    require_seed(seed)
    require_priors(priors, design)
    require_dispersion(dispersion, "beta-binomial")
    escalated = needs_nuts(dispersion) if engine == "laplace" else ()
    engine = "nuts" if escalated else engine
    require_size(design, engine)
    if common is None:
        common = common_passes(design, electorate)
    common.require(design, electorate)
    judged = fit_and_judge(
        Engines(
            laplace=lambda: fit_laplace(design, counts, priors, seed=seed, settings=laplace, on_progress=on_progress),
            nuts=lambda: sample_nuts(
                design, counts, priors, seed=seed, settings=nuts, dispersion=dispersion, on_progress=on_progress
            ),
            latents=lambda tree: from_datatree(tree, design),
            estimates=common.estimates.of,
            too_large=too_large(design, "nuts"),
        ),
        engine=engine,
        parity=common.parity,
    )
    return FittedModel(
        design,
        priors,
        judged.tree,
        judged.latents,
        judged.verdict,
        judged.engine,
        escalated or judged.escalated,
        design_effect(design, counts),
    )


def default_estimates(latents: LatentDraws, design: Design, electorate: Electorate) -> tuple[AreaDraws, ...]:
    """Draws of what every release is asked first: the nation, all districts, every demographic by itself."""
    return first_estimates(design, electorate).of(latents)
