"""Plant opinion that is alike between neighbours, leave districts without interviews, and see who finds it there."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from scipy.special import expit

from mrp import Priors, area_draws, build_design, collapse, from_datatree
from mrp.laplace.engine import LaplaceSettings, fit_laplace
from tests.mrp.maps import grid, on_map, slow_covariance
from tests.mrp.worlds import electorate
from tests.recovery.calibration import assert_coverage

PAIRS = (*grid(5, 8), (40, 41))
"""Of 43 districts: a grid, two by themselves, and an island."""
WORLD = on_map(electorate(n_districts=43, empty=0.0), PAIRS)
SILENT = tuple(range(2, 43, 5))
"""Districts without an interview: of the grid, and the island."""
HEARD = tuple(i for i in range(43) if i not in SILENT)
FORMULAS = {
    "map": "(1|sex) + bym2(district)",
    "only map": "(1|sex) + icar(district)",
    "no map": "(1|sex) + (1|district)",
}
N_SURVEYS = 8


@dataclass(frozen=True, slots=True)
class Found:
    """What models said of the districts of simulated surveys."""

    truth: NDArray[np.float64]
    """Shares, shape (survey, district)."""
    draws: dict[str, NDArray[np.float64]]
    """By model, shape (survey, draw, district)."""
    mixing: NDArray[np.float64]
    """Posterior mean of the share of the variance that is alike, shape (survey,)."""

    def squared_errors(self, model: str) -> NDArray[np.float64]:
        """Mean over the districts without interviews, shape (survey,)."""
        away = self.draws[model].mean(axis=1) - self.truth
        return np.asarray((away[:, SILENT] ** 2).mean(axis=1))


@cache
def survey(alike: float) -> Found:
    """Surveys of 1,500 people where neighbours have the share ``alike`` of the districts' variance in common."""
    cells = WORLD.frame
    district = cells["district"].cast(pl.Enum(WORLD.codes)).to_physical().to_numpy()
    sex = np.where(cells["sex"] == "male", 0.2, -0.2)
    people = cells["n_people"].to_numpy()
    asked = people * ~np.isin(district, SILENT)
    covariance = 0.8**2 * ((1 - alike) * np.eye(43) + alike * slow_covariance(43, PAIRS))
    truths, mixing = [], []
    draws: dict[str, list[NDArray[np.float64]]] = {name: [] for name in FORMULAS}
    for number in range(N_SURVEYS):
        rng = np.random.default_rng([round(100 * alike), number])
        effect = rng.multivariate_normal(np.zeros(43), covariance, method="eigh")
        share = expit(sex + effect[district])
        weight = np.bincount(district, people)
        truths.append(np.bincount(district, people * share) / weight)
        row = rng.choice(len(share), 1500, p=asked / asked.sum())
        answered = cells[row].with_columns(answer=pl.Series(np.where(rng.random(1500) < share[row], "yes", "no")))
        counts = collapse(answered, by=("district", "sex"), answer="answer", option="yes")
        for name, formula in FORMULAS.items():
            if name == "only map" and not alike:
                continue
            design = build_design(formula, WORLD)
            tree = fit_laplace(design, counts, Priors(), seed=number, settings=LaplaceSettings(points=150, draws=600))
            draws[name].append(area_draws(from_datatree(tree, design), design, WORLD, by=("district",)).draws)
            if name == "map":
                mixing.append(float(tree["posterior"]["mixing bym2(district)"].mean()))
    return Found(np.array(truths), {name: np.array(of) for name, of in draws.items()}, np.array(mixing))


@pytest.mark.parametrize("model", ["map", "only map"])
def test_districts_without_interviews_are_estimated_better_from_their_neighbours(model: str):
    """By more than three standard errors of the difference, over surveys that are independent."""
    found = survey(0.95)
    gain = found.squared_errors("no map") - found.squared_errors(model)

    assert gain.mean() > 3 * gain.std(ddof=1) / np.sqrt(N_SURVEYS)
    # A tenth at least, or nobody would care.
    assert found.squared_errors(model).mean() < 0.9 * found.squared_errors("no map").mean()


def test_a_map_that_explains_nothing_does_no_harm():
    """Where the truth has no map, no more is lost than three standard errors and a twentieth."""
    found = survey(0.0)
    loss = found.squared_errors("map") - found.squared_errors("no map")

    assert loss.mean() < 3 * loss.std(ddof=1) / np.sqrt(N_SURVEYS) + 0.05 * found.squared_errors("no map").mean()


def test_the_mixing_tells_the_one_truth_from_the_other():
    alike, independent = survey(0.95).mixing, survey(0.0).mixing
    error = np.sqrt((alike.var(ddof=1) + independent.var(ddof=1)) / N_SURVEYS)

    assert alike.mean() - independent.mean() > 4 * error


@pytest.mark.parametrize("alike", [0.95, 0.0])
def test_intervals_of_a_map_cover_with_and_without_interviews(alike: float):
    """One district of each survey, since those of one survey share its errors."""
    found = survey(alike)
    silent = np.array([SILENT[number % len(SILENT)] for number in range(N_SURVEYS)])
    heard = np.array([HEARD[(3 * number) % len(HEARD)] for number in range(N_SURVEYS)])
    for chosen in (silent, heard):
        at = np.arange(N_SURVEYS)
        assert_coverage(found.draws["map"][at, :, chosen].T, found.truth[at, chosen], interval=0.8)
