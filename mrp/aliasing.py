r"""What the data cannot tell apart: a nuisance effect from time, separate parts of a map from each other.

With counts ``n[p, t]`` of pollsters by periods, a contrast ``c`` between pollsters has within periods the variance

    c'Sc / c'S0 c,      S = diag(n[p, .]) - N diag(1 / n[., t]) N',      S0 = diag(n[p, .]) - n n' / sum n

of what it has altogether. Where the smallest such ratio is near zero, as when every pollster has its own period, house
effects and opinion over time share out the same differences by their priors alone.

An intrinsic map sums to zero over every part of it that is connected: how the parts differ is for another term.
"""

import numpy as np
import polars as pl
from scipy import linalg

from mrp.design import Design
from mrp.spatial import components
from mrp.structure import zero_sum_basis
from mrp.terms import label_of

__all__ = ["aliased_terms", "data_warnings", "separate_parts", "unsupported"]

_LEAST_SHARE = 0.1


def data_warnings(design: Design, counts: pl.DataFrame) -> list[str]:
    """What interviews, map or a fit of one question do not support, in words.

    Terms left out, `aliased_terms`, `separate_parts`, and labels that nothing else has.
    """
    alone = [
        f"{effect.term} is fitted as (1|{effect.term.rpartition('|')[2]}: the label {label_of(effect.term)} correlates "
        "effects with those of other questions, and no question that is fitted with this one has it; write "
        f"{effect.term} in the model of another question too, or leave the label out"
        for effect in design.effects
        if label_of(effect.term)
    ]
    return [*unsupported(design, counts), *alone]


def unsupported(design: Design, counts: pl.DataFrame) -> tuple[str, ...]:
    """What interviews or map do not support, in words: terms left out, `aliased_terms` and `separate_parts`."""
    return (*design.left_out, *aliased_terms(design, counts), *separate_parts(design))


def separate_parts(design: Design) -> tuple[str, ...]:
    """Maps in several parts whose difference no term of the model can follow, in words; empty if there are none."""
    areas = [(effect.term, factor.key) for effect in design.effects for factor in effect.factors]
    areas += [(predictor.name, predictor.key) for predictor in design.predictors if predictor.scale is None]
    warnings = []
    for effect in design.effects:
        if effect.kind != "icar" or any(key == design.district for term, key in areas if term != effect.term):
            continue
        parts = [part for part in components(effect.shape[0], effect.neighbours) if len(part) > 1]
        if len(parts) > 1:
            levels = effect.factors[0].levels
            shown = ", ".join(f"that of {levels[part[0]]}" for part in parts[:3])
            more = ", ..." if len(parts) > 3 else ""
            warnings.append(
                f"{effect.term} has a map in {len(parts)} separate parts ({shown}{more}) and sums to zero over each, "
                "so that their districts are taken to be alike on average; add a parent area that tells the parts "
                f"apart, or write bym2({effect.factors[0].name})"
            )
    return tuple(warnings)


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
