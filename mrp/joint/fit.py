"""Fit several questions as one model: `mrp.judged` with its engines.

There is one fit, one verdict, and one set of joint draws: a question's estimates are made of its part of them, and two
questions can be compared draw by draw, as `mrp.contrast` compares what is of one fit.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.counts import design_effect
from mrp.diagnostics import diagnose
from mrp.electorate import Electorate
from mrp.evidence import Evidence, evidence_of
from mrp.fit import FittedModel, default_estimates
from mrp.joint.counts import coarsest_of
from mrp.joint.covariance import question_correlations, question_covariances, question_slopes
from mrp.joint.design import JointDesign
from mrp.joint.laplace import fit_joint_laplace
from mrp.joint.nuts import sample_joint_nuts
from mrp.joint.posterior import joint_latents, question_latents, question_tree
from mrp.joint.priors import describe_priors, joint_priors
from mrp.joint.stacked import joint_space, stack
from mrp.judged import Engine, Engines, fit_and_judge, require_engine
from mrp.laplace.engine import LaplaceSettings
from mrp.latents import LatentDraws
from mrp.numbers import require_seed
from mrp.nuts import NutsSettings
from mrp.parity import term_parity
from mrp.poststratification import AreaDraws
from mrp.priors import Priors
from mrp.progress import Progress
from mrp.size import require_size, too_large
from mrp.verdict import FitVerdict, Problem

if TYPE_CHECKING:
    from xarray import DataTree

__all__ = ["JointFit", "default_joint_estimates", "fit_joint"]


@dataclass(frozen=True, slots=True, repr=False)
class JointFit:
    """A fit of several questions with everything that decides on its publication; see `mrp.fit.FittedModel`."""

    design: JointDesign
    priors: Mapping[str, Priors]
    """Of each question."""
    tree: "DataTree"
    latents: LatentDraws
    """Of all questions, draw by draw."""
    verdict: FitVerdict
    engine: Engine
    escalated: tuple[Problem, ...] = ()
    design_effects: Mapping[str, float] | None = None
    """What weights in the likelihood cost each question, see `mrp.counts`; 1 without weights."""

    def __repr__(self) -> str:
        """What was fitted and whether it passed, in words."""
        why = [f"{self.engine}, as the Laplace engine did not pass: {one.message}" for one in self.escalated[:1]]
        bad = [problem.message for problem in self.verdict.problems]
        lines = [
            "JointFit of",
            *(f"  {question}: {one.formula!r}" for question, one in self.design.designs.items()),
            f"  engine: {why[0] if why else self.engine}",
            f"  verdict: {'; '.join(['not publishable', *bad]) if bad else 'publishable'}",
            *(f"  warning: {text}" for text in self.verdict.warnings),
            f"  draws: {self.latents.draws.shape[0]:,} of {self.design.n_latents:,} latents",
            "  priors:",
            *(f"    {term}: {prior}" for term, prior in describe_priors(self.priors, self.design).items()),
        ]
        return "\n".join(lines)

    def of(self, question: str) -> FittedModel:
        """The part of one question, which answers everything that a fit of it alone answers.

        Its draws are those of the joint fit (``latents.fit`` is the same), and so are verdict and engine.

        Raises
        ------
        DrawsError
            If there is no such question.
        """
        return FittedModel(
            design=self.design.of(question),
            priors=self.priors[question],
            tree=question_tree(self.tree, self.design, question),
            latents=question_latents(self.latents, self.design, question),
            verdict=self.verdict,
            engine=self.engine,
            escalated=self.escalated,
            design_effect=(self.design_effects or {}).get(question, 1.0),
        )

    def covariances(self, label: str) -> NDArray[np.float64]:
        """Of the effects of a shared term across questions: as `mrp.joint.covariance.question_covariances`."""
        return question_covariances(self.evidence, self.design, label)

    def correlations(self, label: str) -> NDArray[np.float64]:
        """Of the effects of a shared term across questions: as `mrp.joint.covariance.question_correlations`."""
        return question_correlations(self.evidence, self.design, label)

    def slopes(self, label: str, *, known: tuple[str, ...]) -> NDArray[np.float64]:
        """How far effects of other questions move with those of known ones: `mrp.joint.covariance.question_slopes`."""
        return question_slopes(self.evidence, self.design, label, known=known)

    @property
    def evidence(self) -> Evidence:
        """What is kept beside the latents, for whoever checks the fit."""
        return evidence_of(self.tree, stack(self.design), joint_space(self.design, self.priors))

    def diagnostics(self) -> dict[str, Any]:
        """As `mrp.diagnostics.diagnose`, with the reasons for an escalation and the design effects."""
        told = {"escalated": [problem.message for problem in self.escalated]}
        return diagnose(self.tree) | told | {"design_effects": dict(self.design_effects or {})}


def fit_joint(
    design: JointDesign,
    electorate: Electorate,
    counts: Mapping[str, pl.DataFrame],
    priors: Priors | Mapping[str, Priors],
    *,
    engine: Engine,
    seed: int,
    nuts: NutsSettings = NutsSettings(),
    laplace: LaplaceSettings = LaplaceSettings(),
    on_progress: Callable[[Progress], None] | None = None,
) -> JointFit:
    """Fit, judge, and fit again with NUTS if the Laplace engine does not pass; see `mrp.fit.fit_model`.

    Parameters
    ----------
    design, counts, priors
        As for `mrp.joint.model.build_joint_model`.
    electorate
        Whose estimates will be served: those of every question are part of the verdict.
    engine
        "laplace" or "nuts".
    seed
        Any integer >= 0.

    Raises
    ------
    CountsError, PriorError
        If the model cannot be fitted on these counts.
    SamplingError
        If there is no such engine, the seed is none, the model is too large, or NUTS cannot start.
    """
    require_engine(engine)
    require_seed(seed)
    of = joint_priors(priors, design)
    require_size(stack(design), engine)
    coarsest_of(design, counts)
    judged = fit_and_judge(
        Engines(
            laplace=lambda: fit_joint_laplace(design, counts, of, seed=seed, settings=laplace, on_progress=on_progress),
            nuts=lambda: sample_joint_nuts(design, counts, of, seed=seed, settings=nuts, on_progress=on_progress),
            latents=lambda tree: joint_latents(tree, design),
            estimates=lambda latents: default_joint_estimates(latents, design, electorate),
            too_large=too_large(stack(design), "nuts"),
        ),
        engine=engine,
        parity=joint_parity(design, electorate),
    )
    return JointFit(
        design,
        of,
        judged.tree,
        judged.latents,
        judged.verdict,
        judged.engine,
        judged.escalated,
        {question: design_effect(one, counts[question]) for question, one in design.designs.items()},
    )


def default_joint_estimates(latents: LatentDraws, design: JointDesign, electorate: Electorate) -> tuple[AreaDraws, ...]:
    """Draws of what every release is asked first, of every question: areas have the column "question" first."""
    found = []
    for question, one in design.designs.items():
        for estimate in default_estimates(question_latents(latents, design, question), one, electorate):
            named = estimate.areas.select(pl.lit(question).alias("question"), pl.all())
            found.append(replace(estimate, areas=named))
    return tuple(found)


def joint_parity(design: JointDesign, electorate: Electorate) -> tuple[Problem, ...]:
    """As `mrp.parity.term_parity`, of every question."""
    return tuple(
        replace(problem, message=f"{question}: {problem.message}")
        for question, one in design.designs.items()
        for problem in term_parity(one, electorate)
    )
