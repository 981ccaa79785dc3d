"""Twenty electorates of the shape of a country, smaller: who wins where, and how far intervals reach.

Truths are those of ``fixtures.scale``: 66 districts in 11 regions, five options of which three stand in most districts,
past vote, drift and house effects. The model is that of the survey folder.
"""

from functools import cache

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from fixtures.scale import DEMOGRAPHICS, OPTIONS, POLLSTERS, STANDING, ScaleElectorate, ScaleSettings
from fixtures.scale_survey import FIRST_DAY, MODEL
from mrp import Priors
from mrp.categorical import (
    Options,
    build_categorical_design,
    categorical_latents,
    collapse_options,
    fit_categorical_laplace,
    option_draws,
)
from mrp.electorate import Electorate
from mrp.laplace.engine import LaplaceSettings
from tests.recovery.calibration import assert_coverage

type Floats = NDArray[np.float64]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

N_TRUTHS = 20
N_WAVES = 7
N_INTERVIEWS = 5_500
CLEAR = 0.05
"""A lead from which on the winner should be right."""
DECLARED = Options(
    OPTIONS,
    columns={"past": {name: f"last_{name.lower()}" for name in OPTIONS}},
    only_in={name: {"region": where} for name, where in STANDING.items()},
)


def planted(seed: int) -> tuple[ScaleElectorate, Floats]:
    """An electorate and its true shares on the last day, shape (district, option)."""
    electorate = ScaleElectorate(
        ScaleSettings(
            seed=1_000 + seed, n_districts=66, cells_per_district=60, n_interviews=N_INTERVIEWS, n_waves=N_WAVES
        )
    )
    return electorate, electorate.true_shares(N_WAVES - 1)


def estimated(made: ScaleElectorate, *, seed: int) -> Floats:
    """Draws of the shares of every district, shape (draw, district, option)."""
    electorate = Electorate(made.frame, made.districts, "district", DEMOGRAPHICS, frozenset({"age"}))
    days = [str(FIRST_DAY.replace(day=FIRST_DAY.day + number)) for number in range(N_WAVES)]
    design = build_categorical_design(
        MODEL, electorate, DECLARED, observed={"pollster": POLLSTERS, "period": tuple(days)}
    )
    interviews = pl.concat(
        made.wave(number).with_columns(period=pl.lit(days[number]), pollster=pl.lit(POLLSTERS[number % len(POLLSTERS)]))
        for number in range(N_WAVES)
    )
    counts = collapse_options(interviews, by=design.count_columns, answer="vote", options=OPTIONS)
    tree = fit_categorical_laplace(
        design, counts, Priors(), seed=seed, settings=LaplaceSettings(points=100, draws=600, threads=1)
    )
    assert max(tree.attrs["k_hat_sd"], tree.attrs["k_hat_joint"]) <= 0.7
    return option_draws(categorical_latents(tree, design), design, electorate, by=("district",)).draws


@cache
def truths() -> tuple[Floats, list[Floats]]:
    """True shares, shape (truth, district, option), and of each truth the draws, shape (draw, district, option)."""
    made = [planted(number) for number in range(N_TRUTHS)]
    return np.array([share for _, share in made]), [
        estimated(electorate, seed=number) for number, (electorate, _) in enumerate(made)
    ]


def test_the_winner_is_right_in_95_of_100_districts_with_a_clear_lead():
    shares, draws = truths()
    right = clear = 0
    for share, drawn in zip(shares, draws, strict=True):
        first, second = np.sort(share, axis=1)[:, ::-1][:, :2].T
        chosen = np.argmax(drawn.mean(axis=0), axis=1)
        sure = first - second > CLEAR
        right += int((chosen == np.argmax(share, axis=1))[sure].sum())
        clear += int(sure.sum())
    assert clear > 0.5 * shares[..., 0].size
    assert right >= 0.95 * clear


def test_intervals_of_districts_cover_as_often_as_they_say():
    """Of one option in three districts of other regions of each truth: those of one region share their errors."""
    shares, draws = truths()
    at = np.repeat(np.arange(N_TRUTHS), 3)
    where = (7 * at + np.tile([20, 40, 60], N_TRUTHS)) % 66
    option = at % 3
    drawn = np.stack([draws[a][:, d, o] for a, d, o in zip(at, where, option, strict=True)], axis=1)
    assert_coverage(drawn, shares[at, where, option])


def test_intervals_of_seats_cover_as_often_as_they_say():
    """Of the first option, one number of each truth.

    Seats are whole numbers, so that intervals reach a little further than they say: too many are no fault here.
    """
    shares, draws = truths()
    covered = 0
    for share, drawn in zip(shares, draws, strict=True):
        seats = (np.argmax(drawn, axis=2) == 0).sum(axis=1)
        low, high = np.quantile(seats, [0.05, 0.95])
        covered += bool(low <= (np.argmax(share, axis=1) == 0).sum() <= high)
    assert covered >= binom.ppf(1e-3, N_TRUTHS, 0.9)
