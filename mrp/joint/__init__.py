"""Several binary questions in one fit: districts that are alike on one question help on another.

    from mrp.joint import build_joint_design, fit_joint

    design = build_joint_design({"rail": "lean + (1|p|district) + (1|age)", "roads": "(1|p|district)"}, electorate)
    counts = {question: collapse(interviews, by=one.count_columns, answer=question, option="yes", options=("yes", "no"))
              for question, one in design.designs.items()}
    fit = fit_joint(design, electorate, counts, Priors(), engine="laplace", seed=1)
    rail, roads = fit.of("rail"), fit.of("roads")           # each answers what a fit of it alone answers
    shares = area_draws(rail.latents, rail.design, electorate, by=("district",))
    together = fit.correlations("p")                        # (draw, question, question)

``(1|p|district)`` in the formulas of several questions, with the same label, means what it means in brms: the effects
of a district on these questions have a joint normal distribution, with an sd for each question and correlations from an
LKJ prior. Every other term is of one question. A question that few were asked borrows from one that many were asked as
far as their districts go together, and the fit finds out how far that is.

References
----------
Buerkner (2017), "brms: An R package for Bayesian multilevel models using Stan", Journal of Statistical Software 80(1).
Lax and Phillips (2009), "How should we estimate public opinion in the states?", American Journal of Political Science
53(1), 107-121.
Marble and Clinton (2024), "Improving small-area estimates of public opinion by calibrating to known population
quantities", doi 10.31235/osf.io/u3ekq; published by Cambridge University Press in 2026.
"""

from mrp.joint.covariance import question_correlations, question_covariances, question_slopes
from mrp.joint.design import JointDesign, SharedTerm, build_joint_design
from mrp.joint.fit import JointFit, default_joint_estimates, fit_joint
from mrp.joint.laplace import fit_joint_laplace
from mrp.joint.nuts import sample_joint_nuts
from mrp.joint.posterior import joint_latents, question_latents

__all__ = [
    "JointDesign",
    "JointFit",
    "SharedTerm",
    "build_joint_design",
    "default_joint_estimates",
    "fit_joint",
    "fit_joint_laplace",
    "joint_latents",
    "question_correlations",
    "question_covariances",
    "question_latents",
    "question_slopes",
    "sample_joint_nuts",
]
