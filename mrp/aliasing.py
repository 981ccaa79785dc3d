r"""Can the data tell a nuisance effect from time?

With counts ``n[p, t]`` of pollsters by periods, a contrast ``c`` between pollsters has within periods the variance

    c'Sc / c'S0 c,      S = diag(n[p, .]) - N diag(1 / n[., t]) N',      S0 = diag(n[p, .]) - n n' / sum n

of what it has altogether. Where the smallest such ratio is near zero, as when every pollster has its own period, house
effects and opinion over time share out the same differences by their priors alone.
"""

import numpy as np
import polars as pl
from scipy import linalg

from mrp.design import Design
from mrp.structure import zero_sum_basis

__all__ = ["aliased_terms", "data_warnings"]

_LEAST_SHARE = 0.1


def data_warnings(design: Design, counts: pl.DataFrame) -> list[str]:
    """What the interviews do not support, in words: terms left out for want of levels, and `aliased_terms`."""
    return [*design.left_out, *aliased_terms(design, counts)]


def aliased_terms(design: Design, counts: pl.DataFrame) -> tuple[str, ...]:
    """Nuisance effects of a model that its period terms nearly determine, in words; empty if there are none.

    Parameters
    ----------
    design
        Of the model.
    counts
        With the columns `Design.count_columns` and ``n``.
    """
    warnings = []
    for effect in design.effects:
        name = effect.factors[-1].name
        if effect.nuisance and "period" in design.observed and _share_within(counts, name) < _LEAST_SHARE:
            warnings.append(
                f"{effect.term} and period are nearly aliased: within periods at least one difference of {name} keeps "
                f"less than {_LEAST_SHARE:.0%} of its variation, so that the priors decide what is {name} and what is "
                "time; leave one of them out"
            )
    return tuple(warnings)


def _share_within(counts: pl.DataFrame, name: str) -> float:
    """Smallest share of the variation between the levels of a column that is within periods, in [0, 1]."""
    table = counts.pivot("period", index=name, values="n", aggregate_function="sum").fill_null(0).drop(name).to_numpy()
    table = table[:, table.sum(axis=0) > 0].astype(np.float64)
    table = table[table.sum(axis=1) > 0]
    if len(table) < 2:
        return 1.0
    of_level, of_period = table.sum(axis=1), table.sum(axis=0)
    within = np.diag(of_level) - (table / of_period) @ table.T
    altogether = np.diag(of_level) - np.outer(of_level, of_level) / table.sum()
    basis = zero_sum_basis(len(table))
    return float(linalg.eigh(basis.T @ within @ basis, basis.T @ altogether @ basis, eigvals_only=True)[0])
