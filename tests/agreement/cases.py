"""Surveys on which the two engines are compared: public ones, synthetic ones with time or a map, and all thinned.

Of a thinned survey 300 interviews are left: fitted in a second, skewed posteriors, and priors that matter, so that a
fault in one of them shows.

The public tables lie where HUSTINGS_CASES points, or in ``../shared/data`` beside the project; they are never copied.
"""

import hashlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import linalg

from jobs.backtest_waves import plan_backtest, split_waves
from jobs.refit import electorate_of
from jobs.survey import load_survey
from mrp import AreaDraws, Electorate, LatentDraws, Priors, build_design, collapse, from_datatree
from mrp.agreement import Moments, moments
from mrp.counts import observed_levels
from mrp.design import Design
from mrp.fit import default_estimates
from mrp.formula import parse_formula
from mrp.periods import period_grid
from polling.enums import as_texts
from polling.wave_file import read_wave
from tests.mrp.maps import grid, on_map, slow_covariance
from tests.mrp.worlds import electorate

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("HUSTINGS_CASES", ROOT.parent / "shared" / "data"))

FORMULAS: Mapping[str, str] = {
    "cces2018": "rep_share_2016 + region + gender + (1|state) + (1|ethnicity) + (1|education) + (1|age) "
    "+ (1|gender:ethnicity) + (1|education:age) + (1|education:ethnicity)",
    "marriage2005": "p_relig_full + p_kerry_full + (1|region) + (1|state) + (1|gender:race) + (1|age) + (1|education) "
    "+ (1|age:education) + house(pollster)",
    "georgia2016": "romney_2012 + gender + (1|age) + (1 + gender|educ) + (1|cd)",
    "rw1": "lean + sex + (1|district) + rw1(age) + rw1(period)",
    "ar1": "lean + sex + (1|district) + (1|age) + ar1(period)",
    "rw1_by_region": "lean + sex + (1|district) + (1|age) + rw1(period|region)",
    "bym2": "lean + sex + bym2(district) + (1|age)",
}
"""Survey → model."""
CASES = (*FORMULAS, *(f"{name}_thin" for name in FORMULAS))
PUBLIC = ("cces2018", "marriage2005", "georgia2016")
WEEKS = tuple(f"2024-W{week:02d}" for week in range(1, 11))
SILENT = ("2024-W05", "2024-W06")
"""Weeks of the synthetic surveys in which nobody was asked."""
MAP = (*grid(4, 5), (20, 21))
"""Of 23 districts: a grid, two by themselves, and an island."""


class CaseMissing(Exception):
    """The tables of a public case are not there."""


@dataclass(frozen=True, slots=True)
class Case:
    """What is fitted, and for whom it is estimated."""

    name: str
    formula: str
    priors: Priors
    electorate: Electorate
    counts: pl.DataFrame

    @property
    def design(self) -> Design:
        return build_design(self.formula, self.electorate, observed=observed_levels(self.counts))

    @property
    def terms(self) -> tuple[str, ...]:
        """The terms of the formula, as they are named in results."""
        parsed = parse_formula(self.formula)
        return tuple(map(str, (*parsed.predictors, *parsed.groups)))

    def without(self, term: str) -> "Case":
        """The same survey with a model that lacks a term."""
        assert term in self.terms
        return replace(self, formula=" + ".join(one for one in self.terms if one != term))

    def hashes(self) -> dict[str, str]:
        """Of the counts, and of the cells and districts that estimates are for."""
        tables = {"counts": self.counts, "frame": self.electorate.frame, "districts": self.electorate.districts}
        return {name: hashlib.sha256(table.write_csv().encode()).hexdigest() for name, table in tables.items()}

    def estimates(self, latents: LatentDraws) -> list[AreaDraws]:
        """The nation, all districts and every demographic by itself; in a survey over time, in every period."""
        design = self.design
        if "period" not in self.counts.columns:
            return list(default_estimates(latents, design, self.electorate))
        return [
            replace(one, areas=one.areas.select(pl.lit(period).alias("period"), pl.all()))
            for period in period_grid(observed_levels(self.counts)["period"])
            # A model that lacks its term of time says the same of every period.
            for one in default_estimates(
                latents, design.at_period(period) if design.period else design, self.electorate
            )
        ]

    def moments(self, tree: Any) -> Moments:
        """What is compared, of a fit with all its draws."""
        return moments(*self.estimates(from_datatree(tree, self.design, max_draws=sys.maxsize)))


def load_case(name: str) -> Case:
    """Read or make a case.

    Raises
    ------
    CaseMissing
        If its tables are not where they should be.
    """
    survey = name.removesuffix("_thin")
    made = dict.fromkeys(PUBLIC, _public) | {"bym2": _mapped}
    world, counts = made.get(survey, _synthetic)(survey)
    return Case(name, FORMULAS[survey], Priors(), world, counts if name == survey else _thinned(counts, 300))


def _public(name: str) -> tuple[Electorate, pl.DataFrame]:
    """The interviews of the survey's backtest, through its own reader and codebook."""
    if not (DATA / name).is_dir():
        raise CaseMissing(f"no tables of {name} in {DATA}: set HUSTINGS_CASES")
    bundle = load_survey(ROOT / "tests" / "cases" / name, data_dir=DATA / name)
    declaration = bundle.declaration
    question = declaration.questions[0]
    # Nothing here depends on the day: it stands in for dates that a file lacks, and no model reads them.
    now = datetime(2025, 1, 1, tzinfo=UTC)
    interviews = []
    for wave in split_waves(bundle, plan_backtest(bundle, None, None), DATA / name, now=now):
        read = read_wave(wave.content, declaration, pollster=wave.pollster).conversion.interviews
        kept = read.filter(~pl.col("excluded")).select(*declaration.cell_columns, question.id)
        interviews.append(as_texts(kept).with_columns(pollster=pl.lit(wave.pollster)))
    by = (*declaration.cell_columns, *(("pollster",) if "pollster" in FORMULAS[name] else ()))
    counts = collapse(
        pl.concat(interviews), by=by, answer=question.id, option=question.options[0], options=question.options
    )
    return electorate_of(bundle), counts


def _synthetic(name: str) -> tuple[Electorate, pl.DataFrame]:
    """Twelve districts, 4,000 interviews in eight of ten weeks, opinion that moves as the case's name says."""
    rng = np.random.default_rng(list(name.encode()))
    world = electorate()
    cells = world.frame.join(world.districts, left_on="district", right_on="code")
    people = cells["n_people"].to_numpy()
    asked = cells[rng.choice(cells.height, 4000, p=people / people.sum())]
    week = rng.choice([i for i, label in enumerate(WEEKS) if label not in SILENT], asked.height)
    region = asked["region"].cast(pl.Enum(world.levels("region"))).to_physical().to_numpy()
    age = asked["age"].cast(pl.Enum(world.levels("age"))).to_physical().to_numpy()
    district = asked["district"].cast(pl.Enum(world.codes)).to_physical().to_numpy()
    eta = -0.2 + 2 * (asked["lean"].to_numpy() - 0.5) + np.where(asked["sex"] == "male", 0.2, -0.2)
    eta += rng.normal(0, 0.3, len(world.codes))[district] + np.array([-0.5, -0.1, 0.2, 0.6])[age]
    eta += _trend(name, len(world.levels("region")), rng)[region, week]
    answered = asked.select(world.cell_columns).with_columns(
        period=pl.Series(np.array(WEEKS)[week]),
        answer=pl.Series(np.where(rng.random(asked.height) < 1 / (1 + np.exp(-eta)), "yes", "no")),
    )
    return world, collapse(answered, by=(*world.cell_columns, "period"), answer="answer", option="yes")


def _mapped(name: str) -> tuple[Electorate, pl.DataFrame]:
    """Districts on a map, 4,000 interviews, opinion of neighbours alike."""
    rng = np.random.default_rng(list(name.encode()))
    world = on_map(electorate(n_districts=23), MAP)
    cells = world.frame.join(world.districts, left_on="district", right_on="code")
    people = cells["n_people"].to_numpy()
    asked = cells[rng.choice(cells.height, 4000, p=people / people.sum())]
    age, district = (
        asked[column].cast(pl.Enum(world.levels(column))).to_physical().to_numpy() for column in ("age", "district")
    )
    # Eigenvectors may be others on another machine: the symmetric root of the covariance is unique.
    values, vectors = linalg.eigh(slow_covariance(23, MAP))
    alike = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T @ rng.standard_normal(23)
    eta = -0.2 + 2 * (asked["lean"].to_numpy() - 0.5) + np.where(asked["sex"] == "male", 0.2, -0.2)
    eta += (0.45 * alike + 0.15 * rng.standard_normal(23))[district] + np.array([-0.5, -0.1, 0.2, 0.6])[age]
    answered = asked.select(world.cell_columns).with_columns(
        answer=pl.Series(np.where(rng.random(asked.height) < 1 / (1 + np.exp(-eta)), "yes", "no"))
    )
    return world, collapse(answered, by=world.cell_columns, answer="answer", option="yes")


def _trend(name: str, n_regions: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Opinion of each region in each week, shape (region, week)."""
    steps = rng.normal(0, 0.25, (n_regions if name == "rw1_by_region" else 1, len(WEEKS)))
    trend = np.cumsum(steps, axis=1)
    if name == "ar1":
        for week in range(1, len(WEEKS)):
            trend[:, week] = 0.6 * trend[:, week - 1] + steps[:, week]
    return np.broadcast_to(trend, (n_regions, len(WEEKS)))


def _thinned(counts: pl.DataFrame, n_interviews: int) -> pl.DataFrame:
    """Interviews chosen at random."""
    yes, no = counts["y"].to_numpy(), (counts["n"] - counts["y"]).to_numpy()
    answers = np.concatenate([yes, no])
    kept = np.random.default_rng(1).multivariate_hypergeometric(answers, n_interviews, method="marginals")
    kept_yes, kept_no = np.split(kept, 2)
    return counts.with_columns(n=pl.Series(kept_yes + kept_no), y=pl.Series(kept_yes)).filter(pl.col("n") > 0)
