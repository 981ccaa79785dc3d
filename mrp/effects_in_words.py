"""The prior of the effects of a term in words, for those who read a release and not its formula."""

from typing import TYPE_CHECKING

from mrp.coding import EffectCoding
from mrp.spatial import components

if TYPE_CHECKING:
    from mrp.priors import Priors

__all__ = ["effect_in_words"]


def effect_in_words(effect: EffectCoding, priors: "Priors") -> str:
    """How the effects hang together, and the priors of what is unknown of that."""
    sd = f"sd ~ {priors.for_sd(effect.term)}"
    columns = ", ".join("intercept" if name == "1" else name for name in effect.columns)
    last = effect.factors[-1].name
    match effect.kind:
        case "independent":
            words = f"normal(0, sd) with {sd}"
        case "slopes":
            words = f"normal(0, sd), independent, with an {sd} for each of {columns}"
        case "correlated slopes":
            correlation = priors.for_correlation(effect.term)
            words = f"normal with an {sd} for each of {columns}, and correlations ~ {correlation}"
        case "rw1" | "rw2":
            steps = "steps between neighbouring levels" if effect.kind == "rw1" else "changes of slope"
            words = (
                f"random walk with normal {steps} of {last}, summing to zero, scaled so that a level varies by "
                f"typically sd (geometric mean), with {sd}"
            )
        case "ar1":
            remembered = f"autocorrelation r, (r + 1) / 2 ~ {priors.for_autocorrelation(effect.term)}"
            words = f"normal(0, sd) in every {last}, with {remembered} between neighbours and {sd}"
        case "icar":
            words = f"{_on_a_map(effect)}, with {sd}"
        case "bym2":
            words = (
                f"the sum of two parts, one {_on_a_map(effect)}, the other normal(0, sd) independently; the first has "
                f"the share phi of the variance, phi ~ {priors.for_mixing(effect.term)}, with {sd}"
            )
        case "zero-sum":
            words = f"normal(0, sd), summing to zero over every {last}, left out of the prediction, with {sd}"
    return words


def _on_a_map(effect: EffectCoding) -> str:
    name, of = effect.factors[0].name, components(effect.shape[0], effect.neighbours)
    n_islands, n_maps = sum(len(one) == 1 for one in of), sum(len(one) > 1 for one in of)
    parts = "" if n_maps == 1 else f"each of {n_maps} parts of "
    islands = f", but for {n_islands} without neighbours, which are normal(0, sd)" if n_islands else ""
    return (
        f"normal around the mean of the neighbours on a map of {len(effect.neighbours)} borders, summing to zero over "
        f"{parts}the map, scaled so that a {name} varies by typically sd (geometric mean){islands}"
    )
