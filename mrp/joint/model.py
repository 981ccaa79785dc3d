r"""The model of several questions, as PyMC reads it.

    y_q[c] ~ Binomial(n_q[c], logit^-1(eta_q[c]))           of each question q, eta_q as in `mrp.joint.design`
    (1|p|g)   (effect_1, effect_2 ...) of a level ~ Normal(0, S),   S = diag(sd) R diag(sd),   R ~ LKJ(eta)

with one number of the vector for each question that has the term. All else is the model of one question, `mrp.model`.

Each question has its own counts: its own cells and its own base. Somebody who answered two questions is in the counts
of both, and given the latents the two answers are taken to be independent: what the same person has in common beyond
cell and district is not in the model. Shares of each question are not biased by that; where answers of one person go
together for other reasons, the estimates of two questions vary together a little more than the draws say.

This is the definition; NUTS moves in other coordinates, see `mrp.joint.nuts`.

References
----------
Buerkner (2017), "brms: An R package for Bayesian multilevel models using Stan", Journal of Statistical Software 80(1):
terms with one label are correlated across the parts of a model.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mrp.design import Design, DesignRows
from mrp.hyper import HyperSpace, correlation_name, sd_name
from mrp.joint.counts import coarsest_of
from mrp.joint.design import JointDesign, SharedTerm
from mrp.joint.priors import joint_priors
from mrp.joint.stacked import joint_space, stack
from mrp.model import effect_variable, hyper_coords
from mrp.priors import Priors
from mrp.structure import correlation_root

if TYPE_CHECKING:
    import pymc as pm

__all__ = ["build_joint_model"]


def build_joint_model(
    design: JointDesign, counts: Mapping[str, pl.DataFrame], priors: Priors | Mapping[str, Priors]
) -> "pm.Model":
    """The definition of the model.

    Parameters
    ----------
    design
        Codes the cells.
    counts
        Of each question, as `mrp.counts.collapse` makes them.
    priors
        See `mrp.joint.priors.joint_priors`.

    Returns
    -------
    pymc.Model
        Variables as those of `mrp.model.build_model` with the question behind their name, such as "intercept of rail",
        "sd (1|age) of rail", "(1|p|district) of rail", "y of rail"; of a shared term "sd (1|p|district)" (dims "...
        column", the questions), "correlation (1|p|district)" (partial correlations, in the order (1, 0), (2, 0), (2, 1)
        of the questions) and "(1|p|district) by level".

    Raises
    ------
    CountsError, PriorError
        If counts or priors do not belong to the design.
    """
    import pymc as pm

    of = joint_priors(priors, design)
    cells = coarsest_of(design, counts)
    stacked, space = stack(design), joint_space(design, of)
    with pm.Model() as model:
        vectors = {
            shared.label: _shared_effects(shared, k, stacked.effects[k].n_groups, space)
            for k, shared in stacked.shared.items()
        }
        for question, one in design.designs.items():
            rows = one.rows(cells[question])
            eta = _free_part(one, rows, question, of[question])
            entry = 0
            for effect, offset, k, column in zip(
                one.effects, one.offsets, stacked.effect_of[question], stacked.columns[question], strict=True
            ):
                named = replace(effect, term=f"{effect.term} of {question}")
                model.add_coords({f"{named.term} level": named.labels})
                if k in stacked.shared:
                    own = vectors[stacked.shared[k].label][:, column]
                    value: Any = pm.Deterministic(named.term, own, dims=f"{named.term} level")
                else:
                    model.add_coords(hyper_coords(replace(one, effects=(named,))))
                    value = effect_variable(named, space.terms[k])
                for _ in effect.columns:
                    eta = eta + rows.weight[:, entry] * value[rows.index[:, entry] - offset]
                    entry += 1
            _likelihood(question, cells[question], eta)
    return model


def _free_part(design: Design, rows: DesignRows, question: str, priors: Priors) -> Any:
    import pymc as pm

    eta: Any = pm.Normal(f"intercept of {question}", priors.intercept.mean, priors.intercept.sd)
    if design.coefficient_names:
        pm.modelcontext(None).add_coords({f"predictor of {question}": design.coefficient_names})
        own = [priors.for_predictor(p.name) for p in design.predictors for _ in p.coefficients]
        mean, sd = np.array([p.mean for p in own]), np.array([p.sd for p in own])
        coefficient = pm.Normal(f"coefficient of {question}", mean, sd, dims=f"predictor of {question}")
        eta = eta + pm.math.dot(rows.x, coefficient)
    return eta


def _shared_effects(shared: SharedTerm, at: int, n_groups: int, space: HyperSpace) -> Any:
    """Effects of a shared term, shape (group, question), in the model that is being built."""
    import pymc as pm
    import pytensor.tensor as pt

    term, k = shared.term, len(shared.questions)
    pairs = [f"{one}, {two}" for i, two in enumerate(shared.questions) for one in shared.questions[:i]]
    coords = {f"{term} column": shared.questions, f"{term} group": range(n_groups), f"{term} pair": pairs}
    pm.modelcontext(None).add_coords(coords)
    sd = pm.HalfNormal(sd_name(term), space.scale[space.terms[at].sds], dims=f"{term} column")
    a, b = np.array(space.terms[at].shapes).T
    several = len(pairs) > 1
    dims = f"{term} pair" if several else None
    unit = pm.Beta(f"unit {correlation_name(term)}", a if several else a[0], b if several else b[0], dims=dims)
    partial = pm.Deterministic(correlation_name(term), 2 * unit - 1, dims=dims)
    root = correlation_root([partial[j] for j in range(len(pairs))] if several else [partial], k)
    chol = pt.stack([pt.stack([sd[i] * root[i][j] for j in range(k)]) for i in range(k)])
    return pm.MvNormal(f"{term} by level", np.zeros(k), chol=chol, dims=(f"{term} group", f"{term} column"))


def _likelihood(question: str, cells: pl.DataFrame, eta: Any) -> None:
    import pymc as pm
    import pytensor.tensor as pt

    n, y = cells["n"].to_numpy(), cells["y"].to_numpy()
    if n.dtype.kind == "f":  # weighted, as in `mrp.model`
        pm.Potential(f"likelihood of {question}", pt.sum(y * eta - n * pt.softplus(eta)))
    else:
        pm.Binomial(f"y of {question}", n=n, logit_p=eta, observed=y)
