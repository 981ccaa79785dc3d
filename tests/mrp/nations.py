"""Countries of `fixtures.scale`, made smaller: the model of the large survey, its interviews, and the truth."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fixtures.scale import DEMOGRAPHICS, OPTIONS, POLLSTERS, STANDING, ScaleElectorate, ScaleSettings
from fixtures.scale_survey import FIRST_DAY, MODEL
from mrp.categorical import CategoricalDesign, Options, build_categorical_design, collapse_options
from mrp.counts import observed_levels
from mrp.electorate import Electorate

type Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Nation:
    """What is fitted, and what is true."""

    electorate: Electorate
    design: CategoricalDesign
    counts: pl.DataFrame
    truth: Floats
    """Shares of the districts on the last day, shape (district, option); 0 where an option does not stand."""


def nation(settings: ScaleSettings, formula: str = MODEL) -> Nation:
    """Ask the people of such a country on all days but the one after."""
    made = ScaleElectorate(settings)
    electorate = Electorate(made.frame, made.districts, "district", DEMOGRAPHICS, frozenset({"age"}))
    options = Options(
        OPTIONS,
        columns={"past": {name: f"last_{name.lower()}" for name in OPTIONS}},
        only_in={option: {"region": tuple(where)} for option, where in STANDING.items()},
    )
    interviews = pl.concat(
        made.wave(day).with_columns(
            period=pl.lit((FIRST_DAY + timedelta(days=day)).isoformat()),
            pollster=pl.lit(POLLSTERS[day % len(POLLSTERS)]),
        )
        for day in range(settings.n_waves)
    )
    observed = observed_levels(interviews)
    design = build_categorical_design(formula, electorate, options, observed=observed)
    counts = collapse_options(interviews, by=design.count_columns, answer="vote", options=OPTIONS)
    return Nation(electorate, design, counts, made.true_shares(settings.n_waves - 1))
