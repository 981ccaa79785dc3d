"""Which latents a Newton step eliminates first: those that fall into independent blocks, given the rest.

A cell has one district. So effects of different districts meet in no cell, nor in their prior: the effects of every
term that is read by district, whatever else it is read by, such as (1|district), (1|district:age), (x|district) and
rw1(period|district), form one block of the Hessian per district. What goes for the district goes for any grouping, a
factor or a combination of factors that terms have in common: the one is taken without which a step costs least. The
rest is dense.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from mrp.coding import EffectCoding

__all__ = ["Elimination", "choose_elimination", "step_cost"]

type Floats = NDArray[np.float64]

_KINDS = frozenset({"independent", "slopes", "correlated slopes", "rw1", "rw2"})
"""Of effects that are independent between the combinations of levels of their factors, but for the walk's own."""


@dataclass(frozen=True, slots=True)
class Elimination:
    """The terms that are eliminated, and where their latents are: in blocks of equal size, one after the other."""

    grouping: tuple[str, ...]
    """Names of the factors of which every combination of levels has a block; none if nothing is eliminated."""
    terms: tuple[int, ...]
    """Positions of the terms among those of the model."""
    n_groups: int
    """Number of blocks."""
    at: tuple[slice, ...]
    """For each term, its coordinates in a block."""
    place: tuple[NDArray[np.int64], ...]
    """For each term, where its effects are among the effects of all blocks, shape (effect of the term,)."""
    basis: Floats
    """The effects of a block from its coordinates, shape (effect, coordinate); of size 0 where they are the same."""
    height: int
    """Effects in a block."""
    width: int
    """Coordinates in a block, >= 1."""


def choose_elimination(effects: Sequence[EffectCoding], n_free: int) -> Elimination:
    """The grouping without which a step costs least, with all terms that it takes; ``n_free`` coefficients stay."""
    n_all = n_free + sum(effect.n_coordinates for effect in effects)
    best, least = _laid_out((), (), effects), step_cost(n_all, 0, 1)
    for grouping in dict.fromkeys(itertools.chain.from_iterable(map(_groupings, effects))):
        terms = tuple(k for k, effect in enumerate(effects) if set(grouping) <= set(_independent(effect)))
        n_own = sum(effects[k].n_coordinates for k in terms)
        names = [factor.name for factor in effects[terms[0]].factors]
        n_groups = int(np.prod([effects[terms[0]].shape[names.index(name)] for name in grouping]))
        # One block is no block: taking a single walk apart from the rest gains nothing.
        if n_groups > 1 and n_own and (cost := step_cost(n_all - n_own, n_own, n_own // n_groups)) < least:
            best, least = _laid_out(grouping, terms, effects), cost
    return best


def step_cost(n_rest: int, n_own: int, width: int) -> float:
    """About how many multiplications a Newton step takes beside its pass over the cells."""
    return n_rest**3 / 3 + n_rest**2 * n_own + n_rest * n_own * width + n_own * width**2


def _independent(effect: EffectCoding) -> tuple[str, ...]:
    """Names of the factors between whose levels the effects are independent a priori."""
    if effect.kind not in _KINDS:
        return ()
    names = tuple(factor.name for factor in effect.factors)
    return names if effect.walk_basis is None else names[:-1]


def _groupings(effect: EffectCoding) -> Iterator[tuple[str, ...]]:
    """Combinations of factors that have independent effects; all of them first, which gives the smallest blocks."""
    names = _independent(effect)
    for size in range(len(names), 0, -1):
        yield from itertools.combinations(names, size)


def _laid_out(grouping: tuple[str, ...], terms: tuple[int, ...], effects: Sequence[EffectCoding]) -> Elimination:
    at, bases, inside = [], [], []
    n_groups = height = width = 0
    for k in terms:
        effect = effects[k]
        names = [factor.name for factor in effect.factors]
        first = [names.index(name) for name in grouping]
        n_groups = int(np.prod([effect.shape[axis] for axis in first]))
        numbers = np.arange(effect.size).reshape(*effect.shape, len(effect.columns))
        by_group = np.moveaxis(numbers, first, range(len(first))).reshape(n_groups, -1)
        walk = effect.walk_basis
        n_effects = by_group.shape[1]
        basis = np.eye(n_effects) if walk is None else np.kron(np.eye(n_effects // len(walk)), walk)
        inside.append((by_group, height))
        bases.append(basis)
        at.append(slice(width, width + basis.shape[1]))
        height, width = height + n_effects, width + basis.shape[1]
    place = []
    for by_group, start in inside:
        where = np.empty(by_group.size, dtype=np.int64)
        where[by_group] = np.arange(n_groups)[:, None] * height + start + np.arange(by_group.shape[1])
        place.append(where)
    structured = any(effects[k].walk_basis is not None for k in terms)
    return Elimination(
        grouping=grouping,
        terms=terms,
        n_groups=n_groups,
        at=tuple(at),
        place=tuple(place),
        basis=np.ascontiguousarray(linalg.block_diag(*bases)) if structured else np.empty((0, 0)),
        height=height,
        width=max(width, 1),
    )
