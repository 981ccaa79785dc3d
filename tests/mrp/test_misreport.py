"""Reports that are wrong at known rates, turned back: by hand, in any group, and against planted truths."""

from collections.abc import Sequence
from functools import cache

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from mrp.electorate import Electorate
from mrp.errors import DrawsError, FrameError
from mrp.information import information
from mrp.known_totals import calibrate
from mrp.laplace.engine import LaplaceSettings
from mrp.misreport import Misreport, cut
from mrp.outcomes import BinaryOutcome
from mrp.poststratification import AreaDraws, area_draws
from mrp.priors import Priors
from tests.recovery.calibration import assert_coverage

RATES = st.floats(0.55, 1)
VOTED = Misreport(sensitivity=0.9, specificity=0.98)


def areas(draws: Sequence[Sequence[float]], *, kind: str = "share") -> AreaDraws:
    shares = np.array(draws, dtype=np.float64)
    table = pl.DataFrame({"district": [f"D{i}" for i in range(shares.shape[1])], "n_people": [100.0] * shares.shape[1]})
    return AreaDraws(table, shares, n_chains=2, kind=kind)


def test_a_group_by_hand():
    # Half did it: 0.9 x 0.5 say so, and 0.02 x 0.5 of the others, 46%. Of nobody 2% say so, of everybody 90%.
    assert_allclose([VOTED.reported(one) for one in (0, 0.5, 1)], [0.02, 0.46, 0.9])
    true = VOTED.true_shares(areas([[0.02, 0.46, 0.9], [0.41, 0.46, 0.9]]))

    assert_allclose(true.draws, [[0, 0.5, 1], [0.39 / 0.88, 0.5, 1]], atol=1e-12)
    assert true.areas["district"].to_list() == ["D0", "D1", "D2"]
    assert true.n_chains == 2


def test_draws_that_no_truth_explains_are_put_at_the_nearest_and_counted():
    true = VOTED.true_shares(areas([[0.01, 0.5], [0.03, 0.95]]))

    assert_allclose(true.draws, [[0, 0.48 / 0.88], [0.01 / 0.88, 1]], atol=1e-12)
    assert cut(true).tolist() == [0.5, 0.5]
    assert cut(VOTED.true_shares(areas([[0.3], [0.4]]))).tolist() == [0]


@settings(deadline=None)
@given(RATES, RATES, st.lists(st.floats(0, 1), min_size=1, max_size=6), st.integers(0, 1000))
def test_what_would_be_reported_is_turned_back_to_what_was(sensitivity: float, specificity: float, of, seed: int):
    misreport = Misreport(sensitivity, specificity)
    cells, weight = np.array(of), np.random.default_rng(seed).dirichlet(np.ones(len(of)))
    reported = np.array([misreport.reported(one) for one in of])

    true = misreport.true_shares(areas([[*reported, weight @ reported]])).draws[0]

    # Of a sum of cells as of each of them: shares add up as they did, also where the cells' own are at the edge.
    assert_allclose(true, [*cells, weight @ cells], atol=1e-9)


def test_one_report_tells_less_than_one_answer():
    rng = np.random.default_rng(3)
    reported = areas(rng.normal(0.46, 0.02, (4000, 1)))
    true = VOTED.true_shares(reported)

    variance = VOTED.answer_variance(true)
    assert_allclose(variance, 0.46 * 0.54 / 0.88**2, rtol=2e-3)
    # Turned back, a posterior is worth as many interviews as it was.
    (before,) = information(reported, [50])
    (after,) = information(true, [50], answer_variance=variance)
    assert after.n_equivalent == pytest.approx(before.n_equivalent, rel=1e-9)
    assert after.pooling == pytest.approx(before.pooling, rel=1e-9)


def test_rates_that_say_nothing_and_draws_that_are_no_shares_are_refused():
    with pytest.raises(FrameError, match="sensitivity is 0; it must be above 0"):
        Misreport(0, 1)
    with pytest.raises(FrameError, match=r"specificity is 1\.2; it must be above 0 and at most 1"):
        Misreport(0.5, 1.2)
    with pytest.raises(FrameError, match="says nothing of what was; their sum must be above 1"):
        Misreport(0.5, 0.5)
    with pytest.raises(DrawsError, match="the draws are of means"):
        VOTED.true_shares(areas([[3.0]], kind="mean"))
    assert Misreport(1, 1).is_none
    assert not VOTED.is_none


DISTRICTS = tuple(f"D{number:02}" for number in range(12))
AGES = ("young", "old")
SURVEYS = 30
TOLD = Misreport(sensitivity=0.8, specificity=0.95)


@cache
def electorate() -> Electorate:
    frame = pl.DataFrame(
        [(district, age, 1000.0) for district in DISTRICTS for age in AGES],
        schema=["district", "age", "n_people"],
        orient="row",
    )
    return Electorate(frame, pl.DataFrame({"code": DISTRICTS, "name": DISTRICTS}), "district", {"age": AGES})


@cache
def surveyed() -> tuple[AreaDraws, np.ndarray, AreaDraws, np.ndarray]:
    """One district and one age group of every survey, each with a truth of its own: draws of reports, and truths.

    The districts' totals are known of the second half, which meets them by reports.
    """
    outcome, drawn, truths = BinaryOutcome(("yes", "no")), ([], []), ([], [])
    for seed in range(SURVEYS):
        rng = np.random.default_rng(seed)
        eta = rng.normal(0, 0.7, len(DISTRICTS))[:, None] + rng.normal(-0.2, 0.4) + np.array([-0.3, 0.3])
        true = 1 / (1 + np.exp(-eta))  # (district, age)
        reported = TOLD.reported(true)
        asked = electorate().frame.select("district", "age").with_columns(n=40, y=rng.binomial(40, reported.ravel()))
        design = outcome.build("(1|district) + (1|age)", electorate())
        fitted = outcome.fit(
            design,
            electorate(),
            asked,
            Priors(),
            engine="laplace",
            seed=seed,
            laplace=LaplaceSettings(points=100, draws=300),
        )
        of_district = area_draws(fitted.latents, design, electorate(), by=("district",))
        known = {"share": dict(zip(DISTRICTS, TOLD.reported(true.mean(axis=1)).tolist(), strict=True))}
        met = calibrate(fitted.latents, design, electorate(), known, by="district")
        of_age = area_draws(met.latents, met.design, electorate(), by=("age",))
        at = seed % len(DISTRICTS)
        drawn[0].append(of_district.draws[:, at])
        truths[0].append(true[at].mean())
        young = of_age.areas["age"].to_list().index("young")
        drawn[1].append(of_age.draws[:, young])
        truths[1].append(true[:, 0].mean())
    first, second = (areas(np.stack(one, axis=1)) for one in drawn)
    return first, np.array(truths[0]), second, np.array(truths[1])


def test_intervals_hold_what_people_did_as_often_as_they_say():
    districts, of_districts, ages, of_ages = surveyed()

    assert_coverage(TOLD.true_shares(districts).draws, of_districts)
    assert_coverage(TOLD.true_shares(ages).draws, of_ages)
    for draws, truth in ((districts, of_districts), (ages, of_ages)):
        true = TOLD.true_shares(draws).draws
        # The mean error of independent surveys, each with the error that its posterior has.
        assert abs((true.mean(axis=0) - truth).mean()) <= 3.5 * np.sqrt((true.var(axis=0)).sum()) / SURVEYS


@pytest.mark.parametrize("wrong", [Misreport(1, 1), Misreport(0.8, 1), Misreport(1, 0.95), Misreport(0.95, 0.8)])
def test_with_rates_that_are_wrong_they_do_not(wrong: Misreport):
    _, _, ages, truth = surveyed()

    with pytest.raises(AssertionError, match="intervals covered"):
        assert_coverage(wrong.true_shares(ages).draws, truth)
