r"""Sample only what data can tell apart; put the rest back afterwards, exactly.

The effects of ``(1|age)`` have a mean that data cannot tell from the intercept, those of ``(1|gender:age)`` margins
that data cannot tell from ``(1|age)``. A sampler that moves them separately crawls along these ridges. But independent
normal effects over crossed levels split into independent parts (the analysis of variance of a normal array): with sd
``s`` and ``n_f`` levels of factor ``f``, the part that varies over the factors ``S`` only, summing to zero over each of
them, is normal with variance

    s^2 / prod_{f not in S} n_f                                          (times a projection)

so that the *totals* of all terms over the same ``S`` are again independent normals, with the sum of those variances.
Given the totals, the shares of the terms are normal with known moments, and one draw of them per posterior draw
(Matheron's rule) returns draws of every effect from exactly the posterior that the definition in `mrp.model` has.

A two-level column that is both a predictor and a factor is treated likewise: its coefficient is a part of that total.

References
----------
Gelman (2005), "Analysis of variance: why it is more important than ever", Annals of Statistics 33(1), 1-53.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mrp.coding import EffectCoding, FactorCoding
from mrp.design import Design
from mrp.priors import Priors
from mrp.structure import zero_sum_basis

__all__ = ["Identified", "Restored", "identify", "restore", "totals_of"]

type Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Identified:
    """The totals of a design: what is sampled instead of its latents.

    Variance of total ``b`` given the sds: ``fixed[b] + shares[b] @ sd**2``; row 0 is the intercept's total.
    """

    design: Design
    """The same linear predictor with one effect per set of factors, and without the predictors in ``merged``."""
    fixed: Floats
    """Variance that does not depend on the sds, shape (1 + total,)."""
    shares: Floats
    """Part of each squared sd that goes to each total, shape (1 + total, varying term)."""
    bases: tuple[Floats, ...]
    """Orthonormal coordinates of each total, shape (level, coordinate): every column sums to zero over each factor."""
    merged: Mapping[str, int]
    """Predictors that became part of a total, with its position."""


@dataclass(frozen=True, slots=True)
class Restored:
    """Draws of the latents of a design."""

    intercept: Floats
    """Shape (draw,)."""
    coefficient: Floats
    """Shape (draw, coefficient)."""
    effects: tuple[Floats, ...]
    """For each varying term, shape (draw, level)."""


def identify(design: Design, priors: Priors) -> Identified:
    """Find the totals of a design and their variances.

    Parameters
    ----------
    design
        Any design; without varying terms there is nothing to merge.
    priors
        The priors of intercept and coefficients enter the variances.
    """
    factors = {f.name: f for effect in design.effects for f in effect.factors}
    names = [frozenset(f.name for f in effect.factors) for effect in design.effects]
    totals: list[tuple[str, ...]] = []
    for term in names:
        ordered = [name for name in factors if name in term]
        for size in range(1, len(ordered) + 1):
            totals += [total for total in itertools.combinations(ordered, size) if total not in totals]
    shares = np.zeros((1 + len(totals), len(names)))
    for k, term in enumerate(names):
        for b, total in enumerate([(), *totals]):
            if term.issuperset(total):
                shares[b, k] = 1 / np.prod([len(factors[name].levels) for name in term.difference(total)])
    fixed = np.zeros(1 + len(totals))
    fixed[0] = priors.intercept.sd**2
    merged = {}
    for predictor in design.predictors:
        prior = priors.for_predictor(predictor.name)
        two_levels = predictor.scale is None and len(predictor.coefficients) == 1
        if two_levels and prior.mean == 0 and (predictor.name,) in totals:
            merged[predictor.name] = totals.index((predictor.name,))
            # A coefficient b puts -b/2 and b/2 on its levels: variance prior.sd^2 / 4 each, where a total of
            # variance v over two levels puts v / 2.
            fixed[1 + merged[predictor.name]] = prior.sd**2 / 2
    reduced = replace(
        design,
        predictors=tuple(p for p in design.predictors if p.name not in merged),
        effects=tuple(EffectCoding(f"total({':'.join(t)})", tuple(factors[n] for n in t)) for t in totals),
    )
    bases = tuple(_zero_sum_basis([factors[name] for name in total]) for total in totals)
    return Identified(design=reduced, fixed=fixed, shares=shares, bases=bases, merged=merged)


def restore(
    identified: Identified,
    design: Design,
    priors: Priors,
    *,
    intercept: Floats,
    coefficient: Floats,
    totals: tuple[Floats, ...],
    sd: Floats,
    rng: np.random.Generator,
) -> Restored:
    """Draw the latents of a design given its totals.

    Every component starts as a draw from its prior; what the totals say beyond the sum of those draws is shared out in
    proportion to the variances.

    Parameters
    ----------
    identified, design, priors
        As `identify` returned and was given.
    intercept
        Draws of the intercept's total, shape (draw,).
    coefficient
        Draws of the coefficients of ``identified.design``, shape (draw, coefficient).
    totals
        Draws of each total over its levels, shape (draw, level).
    sd
        Draws of the sd of each varying term of ``design``, shape (draw, varying term).
    rng
        Source of the prior draws.
    """
    n_draws = intercept.shape[0]
    effects = [
        sd[:, k].reshape(-1, *[1] * len(effect.shape)) * rng.standard_normal((n_draws, *effect.shape))
        for k, effect in enumerate(design.effects)
    ]
    fresh = rng.standard_normal((n_draws, 1 + len(identified.merged)))
    alpha = priors.intercept.mean + priors.intercept.sd * fresh[:, 0]
    slopes = {name: priors.for_predictor(name).sd * fresh[:, 1 + i] for i, name in enumerate(identified.merged)}
    variance = identified.fixed + sd**2 @ identified.shares.T  # (draw, 1 + total)
    # The parts of the prior draws must all be taken before any effect is changed.
    drawn = _totals(identified, design, alpha, slopes, effects)
    shapes = [(), *(coding.shape for coding in identified.design.effects)]
    gaps = [
        known.reshape(n_draws, *shape) - own
        for known, own, shape in zip((intercept, *totals), drawn, shapes, strict=True)
    ]
    alpha = alpha + identified.fixed[0] / variance[:, 0] * gaps[0]
    for k, effect in enumerate(design.effects):
        for b, gap in enumerate(gaps):
            if identified.shares[b, k] > 0:
                ratio = sd[:, k] ** 2 * identified.shares[b, k] / variance[:, b]
                own = ratio.reshape(-1, *[1] * (gap.ndim - 1)) * gap
                coding_b = identified.design.effects[b - 1] if b else None
                effects[k] = effects[k] + _spread(own, coding_b, effect)
    for name, at in identified.merged.items():
        gap = gaps[1 + at]
        slopes[name] = slopes[name] + identified.fixed[1 + at] / variance[:, 1 + at] * (gap[:, 1] - gap[:, 0])
    return Restored(
        intercept=alpha,
        coefficient=_in_order(design, identified, coefficient, slopes),
        effects=tuple(effect.reshape(n_draws, -1) for effect in effects),
    )


def totals_of(identified: Identified, design: Design, latents: Floats) -> Floats:
    """Latents of ``identified.design``, shape (its latent,), from those of the design, shape (latent,)."""
    at = dict(design.blocks)
    slopes = {name: latents[at[name]] for name in identified.merged}
    effects = [latents[at[effect.term]].reshape(1, *effect.shape) for effect in design.effects]
    intercept, *totals = _totals(identified, design, latents[:1], slopes, effects)
    kept = [latents[at[predictor.name]] for predictor in identified.design.predictors]
    return np.concatenate([intercept, *kept, *(total.ravel() for total in totals)])


def _totals(
    identified: Identified, design: Design, intercept: Floats, slopes: Mapping[str, Floats], effects: list[Floats]
) -> list[Floats]:
    """The intercept's total, shape (draw,), then the others, axes (draw, factors of the total)."""
    n_draws = intercept.shape[0]
    totals: list[Floats] = [intercept + sum(effect.reshape(n_draws, -1).mean(axis=1) for effect in effects)]
    for b, total in enumerate(identified.design.effects):
        parts = [
            _part(effects[k], effect, total)
            for k, effect in enumerate(design.effects)
            if identified.shares[1 + b, k] > 0
        ]
        parts += [_levels_of(slopes[name]) for name, position in identified.merged.items() if position == b]
        totals.append(np.sum(parts, axis=0))
    return totals


def _zero_sum_basis(factors: list[FactorCoding]) -> Floats:
    basis: Floats = np.ones((1, 1))
    for factor in factors:
        basis = np.asarray(np.kron(basis, zero_sum_basis(len(factor.levels))))
    return basis


def _part(effect: Floats, term: EffectCoding, total: EffectCoding) -> Floats:
    """The part of a term's effects that varies over the factors of a total only, axes (draw, factors of the total)."""
    wanted = [f.name for f in total.factors]
    axes = [f.name for f in term.factors]
    part: Floats = effect.mean(axis=tuple(1 + i for i, name in enumerate(axes) if name not in wanted))
    left = [name for name in axes if name in wanted]
    part = part.transpose(0, *(1 + left.index(name) for name in wanted))
    for axis in range(1, part.ndim):
        part = part - part.mean(axis=axis, keepdims=True)
    return part


def _spread(part: Floats, total: EffectCoding | None, term: EffectCoding) -> Floats:
    """A part over a total's factors, laid out so that it adds to the effects of a term."""
    if total is None:
        return part.reshape(-1, *[1] * len(term.shape))
    have = [f.name for f in total.factors]
    inside = [f.name for f in term.factors if f.name in have]
    part = part.transpose(0, *(1 + have.index(name) for name in inside))
    shape = (len(f.levels) if f.name in have else 1 for f in term.factors)
    return part.reshape(part.shape[0], *shape)


def _levels_of(slope: Floats) -> Floats:
    levels: Floats = slope[:, None] * np.array([-0.5, 0.5])
    return levels


def _in_order(design: Design, identified: Identified, kept: Floats, slopes: Mapping[str, Floats]) -> Floats:
    """Coefficients of all predictors in the order of the design."""
    columns: list[Floats] = []
    at = 0
    for predictor in design.predictors:
        if predictor.name in identified.merged:
            columns.append(slopes[predictor.name][:, None])
        else:
            columns.append(kept[:, at : at + len(predictor.coefficients)])
            at += len(predictor.coefficients)
    return np.concatenate([np.empty((kept.shape[0], 0)), *columns], axis=1)
