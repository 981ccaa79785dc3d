"""Plant shares of three parties that are alike between neighbours, and see who finds them where nobody was asked."""

from functools import cache

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from mrp import Priors
from mrp.categorical import (
    Options,
    build_categorical_design,
    categorical_latents,
    fit_categorical_laplace,
    option_draws,
)
from mrp.laplace.engine import LaplaceSettings
from tests.mrp.categorical.parties import counted
from tests.mrp.maps import slow_covariance
from tests.recovery.calibration import assert_coverage
from tests.recovery.test_planted_map import PAIRS, SILENT, WORLD

type Floats = NDArray[np.float64]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

OPTIONS = Options(("Left", "Right", "Green"))
FORMULAS = {"bym2": "bym2(district)", "icar": "icar(district)", "no map": "(1|district)"}
N_SURVEYS = 20


@cache
def surveys() -> tuple[Floats, dict[str, Floats]]:
    """True shares, shape (survey, district, option), and draws by model, shape (survey, draw, district, option).

    1,500 people each; the effects of a direction over options are those of neighbours, but for a twentieth.
    """
    cells, k = WORLD.frame, len(OPTIONS.labels)
    district = cells["district"].cast(pl.Enum(WORLD.codes)).to_physical().to_numpy()
    people = cells["n_people"].to_numpy()
    asked = people * ~np.isin(district, SILENT)
    covariance = 0.8**2 * (0.05 * np.eye(43) + 0.95 * slow_covariance(43, PAIRS))
    truths: list[Floats] = []
    draws: dict[str, list[Floats]] = {name: [] for name in FORMULAS}
    for number in range(N_SURVEYS):
        rng = np.random.default_rng([95, number])
        effect = rng.multivariate_normal(np.zeros(43), covariance, size=k, method="eigh").T
        eta = effect - effect.mean(axis=1, keepdims=True) + [0.4, 0.2, -0.6]
        share = np.exp(eta) / np.exp(eta).sum(axis=1, keepdims=True)
        truths.append(share)
        row = rng.choice(len(people), 1500, p=asked / asked.sum())
        chosen = (share[district[row]].cumsum(axis=1) < rng.random(1500)[:, None]).sum(axis=1)
        answered = cells[row].with_columns(vote=pl.Series([OPTIONS.labels[min(i, k - 1)] for i in chosen]))
        for name, formula in FORMULAS.items():
            design = build_categorical_design(formula, WORLD, OPTIONS)
            settings = LaplaceSettings(points=150, draws=600)
            tree = fit_categorical_laplace(design, counted(design, answered), Priors(), seed=number, settings=settings)
            draws[name].append(option_draws(categorical_latents(tree, design), design, WORLD, by=("district",)).draws)
    return np.array(truths), {name: np.array(of) for name, of in draws.items()}


def squared_errors(model: str) -> Floats:
    """Mean over the districts without interviews and over options, shape (survey,)."""
    truth, draws = surveys()
    away = draws[model].mean(axis=1) - truth
    return np.asarray((away[:, SILENT] ** 2).mean(axis=(1, 2)))


@pytest.mark.parametrize("model", ["bym2", "icar"])
def test_districts_without_interviews_are_estimated_better_from_their_neighbours(model: str):
    """By more than three standard errors of the difference, over surveys that are independent."""
    gain = squared_errors("no map") - squared_errors(model)

    assert gain.mean() > 3 * gain.std(ddof=1) / np.sqrt(N_SURVEYS)
    # A tenth at least, or nobody would care.
    assert squared_errors(model).mean() < 0.9 * squared_errors("no map").mean()


def test_intervals_of_a_map_cover_where_nobody_was_asked():
    """Of one option in two districts of each survey that lie apart, since those of one survey share its errors."""
    truth, draws = surveys()
    at = np.repeat(np.arange(N_SURVEYS), 2)
    where = np.array(
        [SILENT[(number * 2 + 4 * second) % len(SILENT)] for number in range(N_SURVEYS) for second in (0, 1)]
    )
    option = at % 3
    assert_coverage(draws["bym2"][at, :, where, option].T, truth[at, where, option], interval=0.8)
