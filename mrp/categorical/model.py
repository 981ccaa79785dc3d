r"""The model of several options, as PyMC reads it.

    y[c, :] ~ Multinomial(n[c], softmax(eta[c, :])),       eta as in `mrp.categorical.design`

Every latent of the binary model, `mrp.model`, is a vector over the K options that sums to zero. Where the binary latent
has the variance sd^2, the vector has the covariance sd^2 (I - 11'/K), with one sd for all options; latents that hang
together a priori do so in the same way in every direction. No option is a reference, and neither their order nor their
labels change anything. The difference between two options then has the variance 2 sd^2: of two options the model is
the binary one with sds larger by the square root of 2. With an sd for each option the covariance is that of
`mrp.categorical.design`.

This is the definition; NUTS moves in other coordinates, see `mrp.categorical.nuts`.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mrp.categorical.counts import count_name, option_cells
from mrp.categorical.design import CategoricalDesign
from mrp.categorical.hyper import option_space
from mrp.coding import EffectCoding
from mrp.dispersion import Dispersion, log_likelihood, precision_of
from mrp.errors import PriorError
from mrp.hyper import TermHypers, mixing_name, sd_name
from mrp.model import correlation_variables, hyper_coords, hyper_variables, mixing_variable
from mrp.priors import Priors, require_priors
from mrp.structure import correlation_root, zero_sum_basis

if TYPE_CHECKING:
    import pymc as pm

__all__ = ["build_categorical_model", "require_categorical_priors"]


def require_categorical_priors(priors: Priors, design: CategoricalDesign) -> None:
    """Refuse priors that do not belong to a design, or that favour an option they do not name.

    Raises
    ------
    PriorError
        As `mrp.priors.require_priors`; also if the mean of a vector over options is not 0: it is the same for all
        options, and so would change nothing.
    """
    own = {predictor.term for predictor in design.own}
    if not isinstance(priors, Priors):
        require_priors(priors, design.common)
    others = {term: prior for term, prior in priors.by_term.items() if term not in own}
    require_priors(replace(priors, by_term=others), design.common)
    for term in own:
        priors.for_predictor(term)
    vectors = {"intercept": priors.intercept} | {p.name: priors.for_predictor(p.name) for p in design.common.predictors}
    for name, prior in vectors.items():
        if prior.mean != 0:
            raise PriorError(
                f"the prior of {name} is {prior}; of several options it has to have the mean 0, as it is for all alike"
            )


def build_categorical_model(
    design: CategoricalDesign, counts: pl.DataFrame, priors: Priors, *, dispersion: Dispersion = "none"
) -> "pm.Model":
    """The definition of the model.

    Parameters
    ----------
    design
        Codes the cells; its term names become variable names, its levels and options coordinates.
    counts
        As `mrp.categorical.counts.collapse_options` makes them.
    priors
        See `mrp.priors`; the coefficient of an option's own column goes by its term, such as "own(past)".
    dispersion
        "dirichlet-multinomial" for counts of clusters, see `mrp.dispersion`: a row of the counts is then one of these.

    Returns
    -------
    pymc.Model
        Variables as those of `mrp.model.build_model`, with the dimension "option" last, ``own`` (dims "own term") and
        ``y`` (dims "cell", "option"). With fractional counts, those of weights, and of over-dispersed ones, the
        potential ``likelihood`` is in place of ``y``.

    Raises
    ------
    CountsError, PriorError
        If counts or priors do not belong to the design.
    """
    import pymc as pm
    import pytensor.tensor as pt

    counts = option_cells(design, counts, dispersion)
    require_categorical_priors(priors, design)
    common, k = design.common, design.n_options
    rows = design.rows(counts)
    coords: dict[str, Any] = {
        "cell": np.arange(counts.height),
        "option": design.options,
        "predictor": common.coefficient_names,
        "own term": [predictor.term for predictor in design.own],
        **{f"{effect.term} level": effect.labels for effect in common.effects},
    }
    coords |= hyper_coords(common)
    with pm.Model(coords=coords) as model:
        intercept = pm.ZeroSumNormal("intercept", sigma=priors.intercept.sd, dims="option")
        eta: Any = np.where(np.isfinite(rows.offset), rows.offset, 0.0) + intercept
        if common.coefficient_names:
            sd = np.array([priors.for_predictor(p.name).sd for p in common.predictors for _ in p.coefficients])
            coefficient = pm.ZeroSumNormal("coefficient", sigma=sd[:, None], dims=("predictor", "option"))
            eta = eta + pt.dot(rows.common.x, coefficient)
        entry = 0
        space = option_space(design, priors)
        for effect, offset, hypers in zip(common.effects, common.offsets, space.terms, strict=True):
            value = _effect(effect, hypers, k) if design.sd == "shared" else _effect_by_option(effect, hypers, k)
            for _ in effect.columns:
                weight, index = rows.common.weight[:, entry], rows.common.index[:, entry]
                eta = eta + weight[:, None] * value[index - offset]
                entry += 1
        if design.own:
            of = [priors.for_predictor(predictor.term) for predictor in design.own]
            own = pm.Normal("own", np.array([p.mean for p in of]), np.array([p.sd for p in of]), dims="own term")
            eta = eta + pt.tensordot(rows.own, own, axes=[[1], [0]])
        # What does not stand is not chosen: its probability is exactly 0, and has no gradient.
        eta = pt.switch(np.isfinite(rows.offset), eta, -np.inf)
        y = counts.select(map(count_name, design.options)).to_numpy()
        n, share = counts["n"].to_numpy(), pm.math.softmax(eta, axis=1)
        if dispersion != "none":
            of_clusters = pm.HalfNormal("dispersion", priors.dispersion.scale)
            precision = pm.Deterministic("precision", precision_of(of_clusters))
            pm.Potential("likelihood", log_likelihood(y.T, share.T, precision))
        elif n.dtype.kind == "f":  # weighted: no distribution has fractional counts, but its likelihood does
            chosen = y > 0
            pm.Potential("likelihood", pt.sum(y * pt.log(pt.switch(chosen, share, 1.0))))
        else:
            pm.Multinomial("y", n=n, p=share, observed=y, dims=("cell", "option"))
    return model


def _effect(effect: EffectCoding, hypers: TermHypers, k: int) -> Any:
    """The effects of one term, as an expression of shape (effect, option), in the model that is being built."""
    import pymc as pm
    import pytensor.tensor as pt

    sd, partial = hyper_variables(effect, hypers)
    dims = (f"{effect.term} level", "option")
    in_coordinates = f"{effect.term} coordinate"
    match effect.kind:
        case "independent":
            return pm.ZeroSumNormal(effect.term, sigma=sd[0], dims=dims)
        case "zero-sum":
            return pm.ZeroSumNormal(effect.term, sigma=sd[0], n_zerosum_axes=2, dims=dims)
        case "rw1" | "rw2" | "icar":
            coordinate = pm.ZeroSumNormal(in_coordinates, sigma=sd[0], shape=(effect.n_coordinates, k))
            return pm.Deterministic(effect.term, pt.dot(effect.basis, coordinate), dims=dims)
        case "bym2":
            assert hypers.mixing is not None
            phi = mixing_variable(mixing_name(effect.term), hypers.mixing)
            spread = sd[0] * pt.sqrt(1 - phi + phi * effect.directions)
            coordinate = pm.ZeroSumNormal(in_coordinates, sigma=spread[:, None], shape=(effect.n_coordinates, k))
            return pm.Deterministic(effect.term, pt.dot(effect.basis, coordinate), dims=dims)
        case "ar1":
            steps = np.abs(np.subtract.outer(np.arange(effect.size), np.arange(effect.size)))
            chol = pt.linalg.cholesky(sd[0] ** 2 * partial[0] ** steps)
            n_groups, width = 1, effect.size
        case "slopes" | "correlated slopes":
            n_groups, width = effect.n_groups, len(effect.columns)
            root = correlation_root(partial, width) if len(partial) else np.eye(width).tolist()
            chol = pt.stack([pt.stack([sd[i] * root[i][j] for j in range(width)]) for i in range(width)])
    # Directions of a basis over options are independent of each other.
    by_direction = pm.MvNormal(in_coordinates, np.zeros(width), chol=chol, shape=(n_groups, k - 1, width))
    value = pt.dot(by_direction.dimshuffle(0, 2, 1), zero_sum_basis(k).T)
    return pm.Deterministic(effect.term, value.reshape((effect.size, k)), dims=dims)


def _effect_by_option(effect: EffectCoding, hypers: TermHypers, k: int) -> Any:
    """The same where each option has an sd of its own.

    The coordinates of a mixed map are those of variance 1 along the map.
    """
    import pymc as pm
    import pytensor.tensor as pt

    several = len(effect.columns) > 1
    sd: Any = pm.HalfNormal(
        sd_name(effect.term), hypers.scale, dims=(f"{effect.term} column", "option") if several else "option"
    )
    sd = sd if several else sd[None]  # (column, option)
    partial = correlation_variables(effect, hypers)
    over_options = zero_sum_basis(k)
    together, along, basis = 1, pt.eye(1), effect.basis
    spread: Any = np.ones(1)
    match effect.kind:
        case "bym2":
            assert hypers.mixing is not None
            phi = mixing_variable(mixing_name(effect.term), hypers.mixing)
            spread = pt.sqrt(1 - phi + phi * effect.directions)
        case "ar1":
            together = effect.size
            along = partial[0] ** np.abs(np.subtract.outer(np.arange(together), np.arange(together)))
        case "slopes" | "correlated slopes":
            together = len(effect.columns)
            root = correlation_root(partial, together) if partial else np.eye(together).tolist()
            root = pt.stack([pt.stack([pt.as_tensor(one) for one in row]) for row in root])
            along = pt.dot(root, root.T)
    sd = pt.broadcast_to(sd, (together, k))
    covariance: Any = sum(
        pt.linalg.kron(along * pt.outer(sd[:, o], sd[:, o]), np.outer(over_options[o], over_options[o]))
        for o in range(k)
    )
    size = together * (k - 1)
    n_groups = effect.n_coordinates // together
    coordinate = pm.MvNormal(f"{effect.term} coordinate", np.zeros(size), cov=covariance, shape=(n_groups, size))
    value = spread[:, None] * coordinate.reshape((n_groups * together, k - 1))
    value = value if basis is None else pt.dot(basis, value)
    return pm.Deterministic(effect.term, pt.dot(value, over_options.T), dims=(f"{effect.term} level", "option"))
