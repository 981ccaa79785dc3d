"""london2016 with those who did not vote as a seventh option, calibrated to the known turnout of every borough.

Shares of votes are never used. Of the respondents 21% say that they did not vote, of the people 62% did not.
"""

import os
from dataclasses import replace
from functools import cache

import numpy as np
import polars as pl
import pytest

from mrp import Electorate, LatentDraws, Priors, area_draws, from_datatree
from mrp.categorical import (
    CategoricalFit,
    Options,
    build_categorical_design,
    collapse_options,
    fit_categorical,
    option_draws,
)
from mrp.known_totals import Calibrated, calibrate
from mrp.laplace.engine import LaplaceSettings, fit_laplace
from mrp.proper_scores import interval_score
from mrp.systematic import SystematicError, national_sd_of, with_systematic_error
from tests.agreement.cases import DATA, Case, CaseMissing, load_case
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


def test_turnout_is_met_with_the_error_that_polls_share_as_well():
    wide = with_systematic_error(fitted().latents, fitted().design, electorate(), SystematicError(0.03), seed=1)
    both = calibrate(*wide, electorate(), {NOT: known()}, by="borough")
    assert np.abs(shares(both)[:, :, -1] - [known()[code] for code in electorate().codes]).max() < 1e-5
    sds = [among_voters(fit)[:, :, 0].std(axis=0) for fit in (calibrated(), both)]
    assert (sds[1] > sds[0]).all()


def record() -> tuple[list[float], list[float], list[float]]:
    """Errors, results and posterior sds of the city's shares among voters, of all parties."""
    votes = load_london().truth.group_by("option").agg(pl.col("votes").sum())
    cast = dict(votes.iter_rows())
    drawn = option_draws(fitted().latents, fitted().design, electorate()).draws[:, 0]
    among = drawn[:, :-1] / (1 - drawn[:, -1:])
    results = [cast[party] / sum(cast.values()) for party in PAST]
    errors = [float(among[:, i].mean() - result) for i, result in enumerate(results)]
    return errors, results, [float(sd) for sd in among.std(axis=0)]


@cache
def georgia() -> tuple[LatentDraws, Case, np.ndarray]:
    case = load_case("georgia2016")
    tree = fit_laplace(case.design, case.counts, case.priors, seed=1)
    result = pl.read_parquet(DATA / "georgia2016" / "truth.parquet").filter(pl.col("option") == "Clinton")
    return from_datatree(tree, case.design), case, result.sort("geography")["share"].to_numpy()


@cache
def of_georgia() -> tuple[list[float], list[float], list[float]]:
    """As `record`, of both options of the one question: the same error, which a scale needs two of."""
    latents, case, result = georgia()
    districts = area_draws(latents, case.design, case.electorate, by=("cd",))
    people = districts.areas["n_people"].to_numpy()
    state = districts.draws @ people / people.sum()
    won = float(result @ people / people.sum())
    return [float(state.mean() - won), float(won - state.mean())], [won, 1 - won], [float(state.std())] * 2


def scored(drawn: np.ndarray, result: np.ndarray) -> tuple[float, float]:
    """Mean score of 90% intervals, and their coverage."""
    low, high = np.quantile(drawn, [0.05, 0.95], axis=0)
    return float(interval_score(drawn, result).mean()), float(((low <= result) & (result <= high)).mean())


def test_the_second_interval_scores_better_with_its_scale_from_the_other_election():
    """Printed for both elections."""
    latents, case, result = georgia()
    districts = area_draws(latents, case.design, case.electorate, by=("cd",))
    from_london, from_georgia = national_sd_of(*record()), national_sd_of(*of_georgia())
    wide, longer = with_systematic_error(latents, case.design, case.electorate, SystematicError(from_london), seed=1)
    wider = area_draws(wide, longer, case.electorate, by=("cd",)).draws
    first, second = scored(districts.draws, result), scored(wider, result)
    print(f"georgia2016, scale {from_london:.3f}: score {first[0]:.3f} -> {second[0]:.3f}", end=", ")
    print(f"90% intervals cover {first[1]:.0%} -> {second[1]:.0%}")
    assert second[0] < first[0]

    error = SystematicError(from_georgia)
    london = with_systematic_error(fitted().latents, fitted().design, electorate(), error, seed=1)
    again = replace(calibrated(), latents=london[0], design=london[1])
    pairs = [
        [scored(among_voters(fit)[:, :, i], truth(party)) for i, party in enumerate(PAST)] for fit in (fitted(), again)
    ]
    first, second = (np.mean(of, axis=0) for of in pairs)
    print(f"london2016, scale {from_georgia:.3f}: score {first[0]:.4f} -> {second[0]:.4f}", end=", ")
    print(f"90% intervals cover {first[1]:.0%} -> {second[1]:.0%}")
    assert second[0] < first[0]


def test_a_survey_that_is_scored_by_more_of_itself_needs_no_second_interval_and_is_covered_by_it_all_the_same():
    """Printed too: what the survey of 2018 is compared with shares its errors, and the scale comes from elections."""
    case = load_case("cces2018")
    latents = from_datatree(fit_laplace(case.design, case.counts, case.priors, seed=1), case.design)
    truth = pl.read_parquet(DATA / "cces2018" / "truth.parquet").filter(pl.col("option") == "Support")
    known = dict(truth.select("geography", "share").iter_rows())
    drawn = area_draws(latents, case.design, case.electorate, by=("state",))
    result = np.array([known[code] for code in drawn.areas["state"]])

    elections = [[*one, *two] for one, two in zip(record(), of_georgia(), strict=True)]
    scale = national_sd_of(*elections)
    wide, longer = with_systematic_error(latents, case.design, case.electorate, SystematicError(scale), seed=1)
    first = scored(drawn.draws, result)
    second = scored(area_draws(wide, longer, case.electorate, by=("state",)).draws, result)
    print(f"cces2018, scale {scale:.3f}: score {first[0]:.4f} -> {second[0]:.4f}", end=", ")
    print(f"90% intervals cover {first[1]:.0%} -> {second[1]:.0%}")
    assert second[1] >= first[1]
