"""london2016 with those who did not vote as a seventh option, calibrated to the known turnout of every borough.

Shares of votes are never used. Of the respondents 21% say that they did not vote, of the people 62% did not.
"""

import os
from functools import cache

import numpy as np
import polars as pl
import pytest

from mrp import Electorate, Priors
from mrp.categorical import (
    CategoricalFit,
    Options,
    build_categorical_design,
    collapse_options,
    fit_categorical,
    option_draws,
)
from mrp.known_totals import Calibrated, calibrate
from mrp.laplace.engine import LaplaceSettings
from mrp.proper_scores import interval_score
from mrp.systematic import SystematicError, with_systematic_error
from tests.agreement.cases import DATA, CaseMissing
from tests.agreement.london2016 import FORMULA, PAST, load_london

pytestmark = [pytest.mark.cases, pytest.mark.timeout(600)]

NOT = "Did not vote"
FEW = LaplaceSettings(points=300, draws=800)


@cache
def electorate() -> Electorate:
    plain = load_london().electorate
    # Nothing is known of their past: the same everywhere, so that the intercept finds their level.
    districts = plain.districts.with_columns(did_not=pl.lit(0.5))
    return Electorate(plain.frame, districts, plain.district, plain.demographics)


@cache
def fitted() -> CategoricalFit:
    options = Options((*PAST, NOT), columns={"past": {**PAST, NOT: "did_not"}})
    design = build_categorical_design(FORMULA, electorate(), options)
    responses = pl.read_parquet(DATA / "london2016" / "responses.parquet")
    counts = collapse_options(responses, by=design.count_columns, answer="outcome", options=options.labels)
    return fit_categorical(design, electorate(), counts, Priors(), engine="laplace", seed=1, laplace=FEW)


@cache
def known() -> dict[str, float]:
    truth = pl.read_parquet(DATA / "london2016" / "truth.parquet").filter(pl.col("option") == NOT)
    return dict(truth.select("geography", "share").iter_rows())


@cache
def calibrated() -> Calibrated:
    return calibrate(fitted().latents, fitted().design, electorate(), {NOT: known()}, by="borough")


def shares(fit: CategoricalFit | Calibrated) -> np.ndarray:
    """Of all seven among the people of each borough, shape (draw, borough, option)."""
    return option_draws(fit.latents, fit.design, electorate(), by=("borough",)).draws


def among_voters(fit: CategoricalFit | Calibrated) -> np.ndarray:
    drawn = shares(fit)
    return drawn[:, :, :-1] / (1 - drawn[:, :, -1:])


def truth(party: str) -> np.ndarray:
    return load_london().truth.filter(pl.col("option") == party).sort("geography")["share"].to_numpy()


@pytest.fixture(autouse=True)
def _case() -> None:
    try:
        load_london()
    except CaseMissing as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


def test_turnout_is_met_in_every_borough_and_draw():
    assert fitted().verdict.problems == ()
    served = shares(calibrated())[:, :, -1]
    assert np.abs(served - [known()[code] for code in electorate().codes]).max() < 1e-5
    assert shares(fitted())[:, :, -1].mean() < 0.3  # as the respondents say


def test_what_it_does_to_the_shares_of_the_parties_is_printed():
    """The demographics that stay at home count less, so that the Conservatives come nearer to what they got."""
    gained = {}
    for i, party in enumerate(PAST):
        errors = []
        for fit in (fitted(), calibrated()):
            draws = among_voters(fit)[:, :, i]
            low, high = np.quantile(draws, [0.05, 0.95], axis=0)
            error = np.sqrt(np.mean((draws.mean(axis=0) - truth(party)) ** 2))
            errors.append(error)
            covered = ((low <= truth(party)) & (truth(party) <= high)).mean()
            bias = (draws.mean(axis=0) - truth(party)).mean()
            print(f"{party:17} error {error:.4f}, bias {bias:+.4f}, 90% intervals cover {covered:.0%}")
        gained[party] = errors[0] - errors[1]
    assert gained["Conservative"] > 0
    assert gained["Labour"] > 0
    assert sum(gained.values()) > 0


def test_the_second_interval_scores_better_than_the_first():
    """Three points, about what Shirani-Mehr et al. (2018) found beyond sampling; nothing of this election went in."""
    wide = with_systematic_error(fitted().latents, fitted().design, electorate(), SystematicError(0.03), seed=1)
    both = calibrate(*wide, electorate(), {NOT: known()}, by="borough")
    assert np.abs(shares(both)[:, :, -1] - [known()[code] for code in electorate().codes]).max() < 1e-5
    scores = []
    for fit in (calibrated(), both):
        drawn = among_voters(fit)
        scores.append(np.mean([interval_score(drawn[:, :, i], truth(party)).mean() for i, party in enumerate(PAST)]))
    print(f"mean interval score {scores[0]:.4f}, with systematic error {scores[1]:.4f}")
    assert scores[1] < scores[0]
