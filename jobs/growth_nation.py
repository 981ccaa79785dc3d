"""Countries of ``fixtures.scale`` of any size, as a question that can be fitted, to see how its cost grows.

Sizes are free of each other: districts come with the same cells and interviews, cells with the same districts. There
are five parties; fewer are the first of them, whose voters alone are asked, and more come from parties that split in
halves, between which a coin decides.
"""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl

from fixtures.errors import FixtureError
from fixtures.scale import DEMOGRAPHICS, OPTIONS, POLLSTERS, STANDING, ScaleElectorate, ScaleSettings
from fixtures.scale_survey import FIRST_DAY, MODEL
from fixtures.streams import stream
from jobs.growth_paper import DRIVERS, Sizes, Structure, resized
from mrp.categorical.counts import collapse_options
from mrp.categorical.design import CategoricalDesign, build_categorical_design
from mrp.categorical.options import Options
from mrp.counts import observed_levels
from mrp.electorate import Electorate

__all__ = ["MODEL", "MOST_OPTIONS", "Nation", "ladder", "make_nation", "structure_of"]

MOST_OPTIONS = 2 * len(OPTIONS)
_ENOUGH = 4
"""Interviews for each that is wanted, where some are of people who vote for none of the options: the first two parties
have a third of the votes or more."""


@dataclass(frozen=True, slots=True)
class Nation:
    """What is fitted."""

    electorate: Electorate
    design: CategoricalDesign
    counts: pl.DataFrame
    first_district: str


def ladder(base: Sizes, times: int) -> list[tuple[str, Sizes]]:
    """The sizes beside the base, each with the driver that differs: so many times as large, options a few more or less.

    Raises
    ------
    ValueError
        If one of them cannot be made; what to do is in the message.
    """
    rungs = [
        (driver, resized(base, driver, times * getattr(base, driver))) for driver in DRIVERS if driver != "options"
    ]
    around = max(2, base.options - 1), min(MOST_OPTIONS, base.options + 2)
    rungs += [("options", resized(base, "options", k)) for k in around if k != base.options]
    for driver, sizes in [("base", base), *rungs]:
        try:
            _settings(sizes, 0)
        except FixtureError as error:
            held = f": districts grow {times}-fold within the same cells" if driver == "districts" else ""
            raise ValueError(
                f"{sizes.districts:,} districts of {sizes.cells / sizes.districts:g} cells with {sizes.interviews:,} "
                f"interviews cannot be made{held}. {error}"
            ) from None
    return rungs


def make_nation(sizes: Sizes, *, seed: int, model: str = MODEL) -> Nation:
    """Make people and ask them.

    Raises
    ------
    fixtures.errors.SettingsError
        If a size is out of the generator's range.
    mrp.errors.MrpError
        If the model cannot be built.
    """
    made = ScaleElectorate(_settings(sizes, seed))
    electorate = Electorate(made.frame, made.districts, "district", DEMOGRAPHICS, frozenset({"age"}))
    parties = _parties(sizes.options)
    options = Options(
        tuple(label for halves in parties.values() for label in halves),
        columns={"past": {label: f"last_{name.lower()}" for name, halves in parties.items() for label in halves}},
        only_in={
            label: {"region": tuple(STANDING[name])}
            for name, halves in parties.items()
            if name in STANDING
            for label in halves
        },
    )
    interviews = _interviews(made, parties, sizes, seed)
    design = build_categorical_design(model, electorate, options, observed=observed_levels(interviews))
    counts = collapse_options(interviews, by=design.count_columns, answer="vote", options=options.labels)
    return Nation(electorate, design, counts, made.codes[0])


def structure_of(nation: Nation, sizes: Sizes) -> Structure:
    """What of the cost is the model's, read from a design of it."""
    common = nation.design.common
    n_free = 1 + len(common.coefficient_names)
    district = nation.electorate.district
    rest = [effect for effect in common.effects if district not in {factor.name for factor in effect.factors}]
    of_districts = sum(effect.size for effect in common.effects) - sum(effect.size for effect in rest)
    return Structure(
        vectors=n_free + sum(effect.n_coordinates for effect in rest),
        effects=nation.design.n_common - of_districts,
        entries=n_free + sum(len(effect.columns) for effect in rest),
        per_district=of_districts // sizes.districts,
        own=len(nation.design.own),
        days=sizes.days,
        per_day=sum(effect.size for effect in rest if "period" in {factor.name for factor in effect.factors})
        // sizes.days,
    )


def _settings(sizes: Sizes, seed: int) -> ScaleSettings:
    few = sizes.options < len(OPTIONS)
    return ScaleSettings(
        seed=seed,
        n_districts=sizes.districts,
        cells_per_district=round(sizes.cells / sizes.districts),
        n_interviews=sizes.interviews * (_ENOUGH if few else 1),
        n_waves=sizes.days,
    )


def _parties(n_options: int) -> dict[str, tuple[str, ...]]:
    """Party -> its label, or those of its halves."""
    n_split = max(0, n_options - len(OPTIONS))
    return {name: (f"{name} 1", f"{name} 2") if k < n_split else (name,) for k, name in enumerate(OPTIONS[:n_options])}


def _interviews(made: ScaleElectorate, parties: dict[str, tuple[str, ...]], sizes: Sizes, seed: int) -> pl.DataFrame:
    asked = pl.concat(
        made.wave(day).with_columns(
            period=pl.lit((FIRST_DAY + timedelta(days=day)).isoformat()),
            pollster=pl.lit(POLLSTERS[day % len(POLLSTERS)]),
        )
        for day in range(sizes.days)
    ).filter(pl.col("vote").is_in(list(parties)))
    rng = stream(seed, "growth", "coins")
    chosen = np.sort(rng.permutation(asked.height)[: sizes.interviews])
    asked = asked[chosen]
    coin = pl.Series(rng.integers(0, 2, asked.height) == 0)
    first, second = ({name: halves[side] for name, halves in parties.items()} for side in (0, -1))
    vote = pl.col("vote")
    return asked.with_columns(vote=pl.when(coin).then(vote.replace(first)).otherwise(vote.replace(second)))
