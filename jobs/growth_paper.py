r"""What the size of a survey costs, on paper: the work that the algorithms do, in numbers of their own.

With w = K - 1 directions over K options, N kinds of interviews (equal in everything that the model reads), q entries of
a kind among what is common to districts, n coordinates of that, and B of the districts, b each:

    fit         looks * (N (q w)^2 / 2              a pass over the kinds
                         + n^3 / 3 + n^2 B + n B b + B b^2)        blocks eliminated, the rest solved
                + draws * N (q w + K)               the exact density of each draw
    looks       follow the model's standard deviations, and on paper no size
    look        one of them, with its share of the draws
    estimates   (cells + areas) * draws * K + cells * q       every share of every draw; the coded frame
    answer      estimates of one district, and cells * q
    draws_mb    draws * latents * 4 bytes           before they are compressed
    peak_mb     8 bytes of draws * latents and draws * areas * K, 16 of kinds * q and cells * q, in a few copies

A work costs seconds (or megabytes) by factors that are measured (``jobs.growth_slopes``); how it grows needs none. A
work that is a sum has no exponent of its own: between two sizes it is that of its terms, each with its share.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from mrp.laplace.elimination import step_cost

__all__ = [
    "COSTS",
    "DRIVERS",
    "Sizes",
    "Structure",
    "n_kinds",
    "n_latents",
    "paper_exponents",
    "resized",
    "secant",
    "work",
]

DRIVERS = ("interviews", "cells", "districts", "options", "draws")
COSTS = ("fit_s", "looks", "look_s", "estimates_s", "answer_s", "draws_mb", "peak_mb")
GROUPS = 34
"""Areas of the default estimates beside districts: the nation, and the levels of the eight demographics."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a survey's cost depends on."""

    districts: int
    cells: int
    """Of the whole frame."""
    interviews: int
    options: int
    draws: int
    days: int = 28
    """Levels of the period in the model."""


@dataclass(frozen=True, slots=True)
class Structure:
    """What of the cost is the model's."""

    vectors: int
    """Coordinates of rest for one direction over options: what is not of a district."""
    effects: int
    """Vectors over options that are not of a district; more than coordinates where these sum to zero."""
    entries: int
    """Of a cell in rest."""
    per_district: int
    """Effects of each district, all of its terms."""
    own: int
    """Coefficients of the options' own predictors."""
    days: int
    """The number of days that this was read with ..."""
    per_day: int
    """... and how many vectors each more brings."""

    def longer(self, sizes: Sizes) -> int:
        """Vectors more than were read, in a survey of other days."""
        return self.per_day * (sizes.days - self.days)


def resized(sizes: Sizes, driver: str, value: int) -> Sizes:
    """The same with another value of one driver; all others are held, so that exponents belong to one."""
    return replace(sizes, **{driver: value})


def n_kinds(sizes: Sizes) -> float:
    """Kinds of interviews to expect where every cell and day is as likely as any other.

    Examples
    --------
    >>> round(n_kinds(Sizes(districts=1, cells=10, interviews=10, options=2, draws=1, days=1)), 2)
    6.32
    """
    places = sizes.cells * sizes.days
    return places * -math.expm1(-sizes.interviews / places)


def n_latents(sizes: Sizes, structure: Structure) -> int:
    """Numbers of a draw."""
    vectors = structure.effects + structure.longer(sizes) + structure.per_district * sizes.districts
    return vectors * sizes.options + structure.own


def work(sizes: Sizes, structure: Structure, *, looks: float) -> dict[str, dict[str, float]]:
    """The terms of every cost, before their factors.

    Parameters
    ----------
    looks
        At sets of standard deviations, of a fit: they follow the model, and hardly the size.

    Returns
    -------
    dict
        Cost -> term -> multiplications, numbers passed, or MB. ``once`` is 1: what does not grow.
    """
    width, kinds = sizes.options - 1, n_kinds(sizes)
    rest = (structure.vectors + structure.longer(sizes)) * width + structure.own
    latents, entries = n_latents(sizes, structure), structure.entries
    areas, block = sizes.districts + GROUPS, structure.per_district * width
    megabytes = (8 * sizes.draws * (latents + areas * sizes.options) + 16 * (kinds + sizes.cells) * (entries + 1)) / 1e6
    fit = {
        "once": 1.0,
        "pass": looks * kinds * ((entries + 1) * width) ** 2 / 2,
        "algebra": looks * step_cost(rest, sizes.districts * block, block),
        "draws": sizes.draws * kinds * (entries * width + sizes.options),
    }
    return {
        "fit_s": fit,
        "looks": {"once": looks},
        "look_s": {term: amount / looks for term, amount in fit.items()},
        "estimates_s": {
            "once": 1.0,
            "shares": float(sizes.cells * sizes.draws * sizes.options),
            "areas": float(areas * sizes.draws * sizes.options),
            "frame": float(sizes.cells * entries),
        },
        "answer_s": {
            "once": 1.0,
            "shares": sizes.cells / sizes.districts * sizes.draws * sizes.options,
            "frame": float(sizes.cells * entries),
        },
        "draws_mb": {"draws": 4 * sizes.draws * latents / 1e6},
        "peak_mb": {"once": 1.0, "arrays": megabytes},
    }


def secant(cost: Callable[[Sizes], float], sizes: Sizes, driver: str, value: int) -> float:
    """The exponent between two sizes: log of the ratio of costs over log of the ratio of the driver.

    Examples
    --------
    >>> round(secant(lambda one: one.cells**2, Sizes(1, 10, 1, 2, 1), "cells", 40), 6)
    2.0
    """
    other = resized(sizes, driver, value)
    return math.log(cost(other) / cost(sizes)) / math.log(value / getattr(sizes, driver))


def paper_exponents(
    sizes: Sizes,
    structure: Structure,
    *,
    cost: str,
    driver: str,
    value: int,
    looks: float,
    factors: Mapping[str, float],
) -> tuple[float, float, float]:
    """The exponents of a cost between two sizes: of the term that grows least, that grows most, and of all together.

    What is done once is not among the first two; the last needs the factors of the terms.
    """

    def of(term: str) -> Callable[[Sizes], float]:
        return lambda one: work(one, structure, looks=looks)[cost][term]

    def whole(one: Sizes) -> float:
        return sum(factors[term] * amount for term, amount in work(one, structure, looks=looks)[cost].items())

    terms = work(sizes, structure, looks=looks)[cost]
    each = [secant(of(term), sizes, driver, value) for term in terms if term != "once" or len(terms) == 1]
    return min(each), max(each), secant(whole, sizes, driver, value)
