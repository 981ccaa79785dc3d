r"""The model, as PyMC reads it.

    y[c] ~ Binomial(n[c], logit^-1(eta[c]))
    eta[c] = intercept + sum_j x[c, j] coefficient[j] + sum_k weight[c, k] effect_k[index[c, k]]

    (1|g)        effect ~ Normal(0, sd)                                    independent over levels
    (x|g)        (effect_1, effect_2 ...) of a level ~ Normal(0, S)        S from sds and correlations
    (x||g)       the same with correlations zero
    rw1, rw2     effect = basis v,  v ~ Normal(0, sd)                      see `mrp.structure`
    ar1          effect ~ Normal(0, sd^2 r^|i - j|)                        over periods i and j
    icar         effect = basis v,  v ~ Normal(0, sd)                      see `mrp.spatial`
    bym2         effect = directions c,  c_j ~ Normal(0, sd (1 - phi + phi s_j)^1/2)
    house, mode  effect ~ Normal(0, sd) given that it sums to zero

Answers in clusters may be over-dispersed: then y is beta-binomial, `mrp.dispersion`.

This is the definition. What NUTS moves in is the same posterior in other coordinates: `mrp.totals`, `mrp.whitened`.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mrp.coding import EffectCoding
from mrp.counts import require_columns, require_counts
from mrp.design import Design, DesignRows
from mrp.dispersion import Dispersion, precision_of, require_clusters, require_dispersion
from mrp.hyper import TermHypers, correlation_name, hyper_space, mixing_name, sd_name
from mrp.mixing import MixingPrior
from mrp.priors import Priors, require_priors
from mrp.structure import correlation_root

if TYPE_CHECKING:
    import pymc as pm

__all__ = [
    "build_model",
    "correlation_variables",
    "declare_predictor",
    "effect_variable",
    "hyper_coords",
    "hyper_variables",
    "mixing_variable",
    "model_coords",
]


def build_model(design: Design, counts: pl.DataFrame, priors: Priors, *, dispersion: Dispersion = "none") -> "pm.Model":
    """The definition of the model.

    Parameters
    ----------
    design
        Codes the cells; its term names become variable names, its levels coordinates.
    counts
        One row per cell: `Design.cell_columns`, ``n``, ``y``.
    priors
        See `mrp.priors`.
    dispersion
        "beta-binomial" for counts of clusters, see `mrp.dispersion`: a row of the counts is then one of these.

    Returns
    -------
    pymc.Model
        Variables ``intercept``, ``coefficient`` (dims "predictor"), for every other term its effects, named as the term
        (dims "(1|g) level"), its sd ("sd (1|g)"; dims "... column" for a term with several), its correlation
        ("correlation (x|g)", "autocorrelation ar1(period)") and its mixing ("mixing bym2(district)"), and ``y`` (dims
        "cell"); with fractional counts, which `mrp.counts.coarsest` makes of weighted ones, the potential
        ``likelihood`` in place of ``y``. Over-dispersed also ``dispersion`` and ``precision``.

    Raises
    ------
    CountsError
        If the counts cannot be fitted.
    """
    import pymc as pm
    import pytensor.tensor as pt

    require_counts(counts)
    require_columns(design, counts)
    require_priors(priors, design)
    require_dispersion(dispersion, "beta-binomial")
    if dispersion != "none":
        require_clusters(counts)
    rows = design.rows(counts)
    with pm.Model(coords=model_coords(design, counts)) as model:
        eta = declare_predictor(design, rows, priors)
        n, y = counts["n"].to_numpy(), counts["y"].to_numpy()
        if dispersion != "none":
            of_clusters = pm.HalfNormal("dispersion", priors.dispersion.scale)
            precision = pm.Deterministic("precision", precision_of(of_clusters))
            alpha, beta = precision * pm.math.sigmoid(eta), precision * pm.math.sigmoid(-eta)
            pm.BetaBinomial("y", alpha=alpha, beta=beta, n=n, observed=y, dims="cell")
        elif n.dtype.kind == "f":  # weighted: no binomial distribution has fractional counts, but its likelihood does
            pm.Potential("likelihood", pt.sum(y * eta - n * pt.softplus(eta)))
        else:
            pm.Binomial("y", n=n, logit_p=eta, observed=y, dims="cell")
    return model


def model_coords(design: Design, counts: pl.DataFrame) -> dict[str, Any]:
    """Coordinates of the variables that `declare_predictor` declares, and of cells."""
    levels = {f"{effect.term} level": effect.labels for effect in design.effects}
    coords = {"cell": np.arange(counts.height), "predictor": design.coefficient_names, **levels}
    return coords | hyper_coords(design)


def declare_predictor(design: Design, rows: DesignRows, priors: Priors) -> Any:
    """Declare intercept, coefficients, effects and their parameters in the model that is being built; returns eta."""
    import pymc as pm

    eta: Any = pm.Normal("intercept", priors.intercept.mean, priors.intercept.sd)
    if design.coefficient_names:
        own = [priors.for_predictor(p.name) for p in design.predictors for _ in p.coefficients]
        coefficient = pm.Normal(
            "coefficient", np.array([p.mean for p in own]), np.array([p.sd for p in own]), dims="predictor"
        )
        eta = eta + pm.math.dot(rows.x, coefficient)
    space = hyper_space(design, priors)
    entry = 0
    for effect, offset, hypers in zip(design.effects, design.offsets, space.terms, strict=True):
        value = effect_variable(effect, hypers)
        for _ in effect.columns:
            eta = eta + rows.weight[:, entry] * value[rows.index[:, entry] - offset]
            entry += 1
    return eta


def effect_variable(effect: EffectCoding, hypers: TermHypers) -> Any:
    """The effects of one term, as an expression of shape (effect,), in the model that is being built."""
    import pymc as pm
    import pytensor.tensor as pt

    sd, partial = hyper_variables(effect, hypers)
    dims = f"{effect.term} level"
    match effect.kind:
        case "independent":
            return pm.Normal(effect.term, 0.0, sd[0], dims=dims)
        case "zero-sum":
            return pm.ZeroSumNormal(effect.term, sigma=sd[0], dims=dims)
        case "rw1" | "rw2" | "icar":
            basis = effect.basis
            coordinate = pm.Normal(f"{effect.term} coordinate", 0.0, sd[0], shape=effect.n_coordinates)
            return pm.Deterministic(effect.term, pt.dot(basis, coordinate), dims=dims)
        case "ar1":
            steps = np.abs(np.subtract.outer(np.arange(effect.size), np.arange(effect.size)))
            return pm.MvNormal(effect.term, np.zeros(effect.size), cov=sd[0] ** 2 * partial[0] ** steps, dims=dims)
        case "bym2":
            assert hypers.mixing is not None
            phi = mixing_variable(mixing_name(effect.term), hypers.mixing)
            spread = pt.sqrt(1 - phi + phi * effect.directions)
            coordinate = pm.Normal(f"{effect.term} coordinate", 0.0, sd[0] * spread)
            return pm.Deterministic(effect.term, pt.dot(effect.basis, coordinate), dims=dims)
        case "slopes" | "correlated slopes":
            k = len(effect.columns)
            root = correlation_root(partial, k) if len(partial) else np.eye(k).tolist()
            chol = pt.stack([pt.stack([sd[i] * root[i][j] for j in range(k)]) for i in range(k)])
            by_level = pm.MvNormal(
                f"{effect.term} by level",
                np.zeros(k),
                chol=chol,
                dims=(f"{effect.term} group", f"{effect.term} column"),
            )
            return pm.Deterministic(effect.term, by_level.ravel(), dims=dims)


def hyper_variables(effect: EffectCoding, hypers: TermHypers) -> tuple[list[Any], list[Any]]:
    """Sds and partial correlations of one term, as variables of the model that is being built."""
    import pymc as pm

    name, several = sd_name(effect.term), len(effect.columns) > 1
    sd = pm.HalfNormal(name, hypers.scale, dims=f"{effect.term} column" if several else None)
    sds = [sd[j] for j in range(len(effect.columns))] if several else [sd]
    return sds, correlation_variables(effect, hypers)


def correlation_variables(effect: EffectCoding, hypers: TermHypers) -> list[Any]:
    """Partial correlations of one term, as variables of the model that is being built."""
    import pymc as pm

    if not hypers.shapes:
        return []
    a, b = np.array(hypers.shapes).T
    name, several = correlation_name(effect.term), len(hypers.shapes) > 1
    dims = f"{effect.term} pair" if several else None
    unit = pm.Beta(f"unit {name}", a if several else a[0], b if several else b[0], dims=dims)
    partial = pm.Deterministic(name, 2 * unit - 1, dims=dims)
    return [partial[j] for j in range(len(hypers.shapes))] if several else [partial]


def mixing_variable(name: str, prior: MixingPrior) -> Any:
    """The share of the variance that is alike between neighbours, in the model that is being built."""
    import pymc as pm
    from pymc.distributions.transforms import logodds

    return pm.CustomDist(
        name,
        logp=prior.log_density_expression,
        random=lambda rng, size=None: prior.draw(rng, size),
        support_point=lambda *_: 0.5,
        default_transform=logodds,
    )


def hyper_coords(design: Design) -> dict[str, Any]:
    """Coordinates of the parameters that come several at a time."""
    coords: dict[str, Any] = {}
    for effect in design.effects:
        columns = effect.columns
        if effect.slopes:
            coords[f"{effect.term} column"] = columns
            coords[f"{effect.term} group"] = range(effect.n_groups)
            coords[f"{effect.term} pair"] = [f"{one}, {two}" for i, two in enumerate(columns) for one in columns[:i]]
    return coords
