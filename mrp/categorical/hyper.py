"""The parameters of the priors of several options' effects: those of the binary model, or one sd for each option.

With ``sd = "by option"`` a term has K standard deviations in place of one, in the order of the options; a term with
slopes has them column by column. Each has the half-normal prior of the term. Correlations and mixings are shared.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mrp.categorical.design import CategoricalDesign
from mrp.evidence import hyper_names
from mrp.hyper import HyperSpace, TermHypers, hyper_space
from mrp.priors import Priors

__all__ = ["option_hyper_names", "option_sds", "option_space"]


def option_space(design: CategoricalDesign, priors: Priors) -> HyperSpace:
    """The parameters of the priors of a design's effects."""
    shared = hyper_space(design.common, priors)
    if design.sd == "shared":
        return shared
    k = design.n_options
    more = shared.n_sds * (k - 1)

    def of(term: TermHypers) -> TermHypers:
        return replace(
            term,
            sds=slice(term.sds.start * k, term.sds.stop * k),
            correlations=slice(term.correlations.start + more, term.correlations.stop + more),
            mixings=slice(term.mixings.start + more, term.mixings.stop + more),
        )

    return replace(shared, terms=tuple(map(of, shared.terms)), scale=np.repeat(shared.scale, k))


def option_sds(design: CategoricalDesign, term: TermHypers, hypers: NDArray[np.float64]) -> NDArray[np.float64]:
    """The standard deviations of a term, shape (column, option), from the natural values of all parameters."""
    sds = hypers[term.sds].reshape(-1, design.n_options if design.sd == "by option" else 1)
    return np.broadcast_to(sds, (len(sds), design.n_options))


def option_hyper_names(design: CategoricalDesign) -> tuple[str, ...]:
    """Names of the parameters in order: as `mrp.evidence.hyper_names`, or "sd (1|g)[Green]", "sd (x|g)[x, Green]"."""
    shared = hyper_names(design.common)
    if design.sd == "shared":
        return shared
    n_sds = sum(len(effect.columns) for effect in design.common.effects)
    sds = [
        f"{name[:-1]}, {option}]" if name.endswith("]") else f"{name}[{option}]"
        for name in shared[:n_sds]
        for option in design.options
    ]
    return (*sds, *shared[n_sds:])
