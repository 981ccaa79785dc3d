"""Is a model too large to be fitted? Said before the fit, with the terms that make it so.

Both engines hold matrices of effects by effects: NUTS of all of them, the Laplace engine of those that it does not
eliminate in blocks (`mrp.laplace.elimination`). Their memory grows with the square, and their time with the cube.
"""

from typing import Literal

from mrp.errors import SamplingError
from mrp.laplace.elimination import choose_elimination
from mrp.linear import Coded

__all__ = ["MOST_EFFECTS", "require_size", "too_large"]

MOST_EFFECTS = 12_000
"""Of one side of a matrix: 1.2 gigabytes each, of which a fit holds several."""


def require_size(design: Coded, engine: Literal["laplace", "nuts"]) -> None:
    """Refuse a design that an engine has no memory for.

    Raises
    ------
    SamplingError
        With the words of `too_large`.
    """
    if words := too_large(design, engine):
        raise SamplingError(words)


def too_large(design: Coded, engine: Literal["laplace", "nuts"]) -> str | None:
    """Why a design is too large for an engine, naming the terms to blame; None if it is not."""
    by_size = sorted(design.effects, key=lambda effect: -effect.size)
    apart = choose_elimination(design.effects, 1 + len(design.coefficient_names)).terms if engine == "laplace" else ()
    n = design.n_latents - sum(design.effects[k].size for k in apart)
    if n <= MOST_EFFECTS:
        return None
    largest = ", ".join(f"{effect.term} has {effect.size:,} effects" for effect in by_size[:2])
    beside = f" beside those of {', '.join(design.effects[k].term for k in apart)}" if apart else ""
    return (
        f"the model is too large for {engine}: {n:,} effects{beside}, in matrices of {8 * n**2 / 1e9:.1f} GB each, "
        f"limit {MOST_EFFECTS:,}; {largest}: leave one out, or merge levels"
    )
