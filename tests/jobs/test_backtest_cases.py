"""The public cases, through the whole path: real interviews, a real fit, scored against what happened.

The tables lie where HUSTINGS_CASES points, or in ``../shared/data`` beside the project; they are never copied.
"""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.backtest import backtest
from jobs.backtest_report import BacktestReport
from jobs.settings import Settings

pytestmark = pytest.mark.cases

PROJECT = Path(__file__).resolve().parents[2]
CASES = PROJECT / "tests" / "cases"


def run(case: str, *, data: str | None = None, **settings: object) -> BacktestReport:
    tables = Path(os.environ.get("HUSTINGS_CASES", PROJECT.parent / "shared" / "data")) / (data or case)
    if not tables.is_dir():
        message = f"no tables of {case} in {tables.parent}: set HUSTINGS_CASES"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return backtest(CASES / case, tables, settings=replace(Settings(), **settings), seed=1)


@pytest.mark.timeout(900)
def test_georgia2016_is_close_to_the_result_and_the_last_result_is_closer():
    report = run("georgia2016")

    assert report.n_interviews == 861
    assert report.publishable, report.problems
    # glmer reaches 0.068 with the same formula.
    assert report.scores.rmse is not None
    assert report.scores.rmse <= 0.080
    last_result = report.baselines["last_result"].rmse
    assert last_result is not None
    assert round(last_result, 3) == 0.037


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_cces2018_reproduces_the_case_study():
    report = run("cces2018")

    assert report.publishable, report.problems
    assert (report.n_interviews, report.n_cells, report.n_districts) == (5_000, 2_432, 50)
    # glmer reaches 0.0385, rstanarm 0.0394 on this sample.
    assert report.scores.rmse is not None
    assert report.scores.rmse <= 0.043
    assert abs(report.national_mean - 0.435) <= 0.01
    raw = report.baselines["raw_by_district"].rmse
    assert raw is not None
    assert round(raw, 4) == 0.0835


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_marriage2005_has_no_truth_and_orders_the_states_better_than_the_raw_shares_do():
    report = run("marriage2005")

    assert report.publishable, report.problems
    # 6,548 interviews, of which 207 lack a state or a demographic and are excluded, as declared.
    assert report.n_interviews == 6_341
    assert report.n_districts == 51
    assert report.scores.rmse is None
    assert report.scores.coverage is None
    raw = report.baselines["raw_by_district"].rank_correlation
    assert report.scores.rank_correlation is not None
    assert raw is not None
    assert report.scores.rank_correlation > raw
    silent = report.districts.filter(report.districts["n_interviews"] == 0)
    assert {"AK", "HI"} <= set(silent["district"])
    assert silent["share"].null_count() == 0


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_london2016_with_six_options_beats_the_raw_shares_of_every_one():
    report = run("london2016_options", data="london2016")

    assert report.publishable, report.problems
    assert report.engine == "laplace"
    assert report.n_interviews == 1_347
    assert list(report.options) == ["Labour", "Conservative", "Green", "Liberal Democrat", "UKIP", "Other"]
    assert abs(sum(one.national_mean for one in report.options.values()) - 1) < 1e-6
    for name, one in report.options.items():
        raw, city = (one.baselines[method].rmse for method in ("raw_by_district", "national_mean"))
        assert one.scores.rmse is not None
        assert raw is not None
        assert city is not None
        assert one.scores.rmse < raw, name
        # Nothing is known of the small parties beforehand, which were one with UKIP in 2012.
        assert one.scores.rmse < city or name == "Other", name
    # Each in a column of its own: what the trial of this engine reached.
    assert report.options["Labour"].scores.rmse == pytest.approx(0.052, abs=0.004)
    assert {"last_result", "uniform_swing"} <= set(report.options["Green"].baselines)
    assert "uniform_swing" in report.options["UKIP"].baselines
    assert list(report.options["UKIP"].absent) == ["last_result"]
    assert report.together is not None
    assert report.together.scores.rmse == pytest.approx(0.048, abs=0.003)
    assert report.together.baselines["predictors_alone"].rmse == pytest.approx(0.045, abs=0.002)
    assert report.districts.height == 6 * 32
