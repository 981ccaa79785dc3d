"""What simpler methods make of the same counts, for every kind of question: by method, of every estimand.

Of each option its raw share and the mean of all interviews are those of a binary question among the people who could
choose it; what the predictors say alone is one regression of all options (`mrp.option_baselines`).
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.baselines import Baseline, national_mean, predictors_alone, raw_by_district
from mrp.categorical.counts import count_name
from mrp.categorical.design import CategoricalDesign
from mrp.design import Design
from mrp.electorate import Electorate
from mrp.numeric.baselines import mean_by_district, mean_of_all, predictors_of_means
from mrp.numeric.design import NumericDesign
from mrp.option_baselines import options_alone
from mrp.outcomes.designs import MEAN, SHARE, AnyDesign
from mrp.priors import Priors

__all__ = ["simple_methods", "stands_in"]


def simple_methods(
    counts: pl.DataFrame, electorate: Electorate, design: AnyDesign, priors: Priors
) -> dict[str, dict[str, Baseline]]:
    """What methods without a model make of counts.

    Parameters
    ----------
    counts
        As the outcome of the question collapses interviews, by the district at least.
    design
        Of the fit: one with a unit, if it is of numbers.

    Returns
    -------
    dict
        ``raw_by_district``, ``national_mean`` and ``predictors_alone``, each by the names of
        `mrp.outcomes.designs.estimands`. An option has no estimate in districts where it does not stand.

    Raises
    ------
    CountsError
        If the counts are none, or say too little.
    """
    if isinstance(design, Design):
        return {
            "raw_by_district": {SHARE: raw_by_district(counts, electorate)},
            "national_mean": {SHARE: national_mean(counts, electorate)},
            "predictors_alone": {SHARE: predictors_alone(counts, electorate, design=design, priors=priors)},
        }
    if isinstance(design, NumericDesign):
        return {
            "raw_by_district": {MEAN: mean_by_district(counts, electorate)},
            "national_mean": {MEAN: mean_of_all(counts, electorate)},
            "predictors_alone": {MEAN: predictors_of_means(counts, electorate, design=design, priors=priors)},
        }
    found: dict[str, dict[str, Baseline]] = {
        "raw_by_district": {},
        "national_mean": {},
        "predictors_alone": options_alone(counts, electorate, design=design, priors=priors),
    }
    for option in design.options:
        here = stands_in(design, electorate, option)
        codes = tuple(code for code, stands in zip(electorate.codes, here, strict=True) if stands)
        among = counts.filter(pl.col(electorate.district).cast(pl.String).is_in(codes))
        among = among.select(electorate.district, "n", pl.col(count_name(option)).alias("y"))
        found["raw_by_district"][option] = raw_by_district(among, electorate)
        found["national_mean"][option] = national_mean(among, electorate).at(codes)
        found["predictors_alone"][option] = found["predictors_alone"][option].at(codes)
    return found


def stands_in(design: AnyDesign, electorate: Electorate, option: str) -> NDArray[np.bool_]:
    """In which districts, by code in sorted order, an estimand of a design can be other than nothing."""
    if isinstance(design, CategoricalDesign) and design.reads_districts:
        return np.isfinite(design.offset[:, design.options.index(option)])
    return np.ones(len(electorate.codes), dtype=np.bool_)
