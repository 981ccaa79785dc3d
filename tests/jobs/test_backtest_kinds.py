"""Backtests of questions of every kind: what is scored, by what name, beside which methods, and why not by others."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from fixtures.survey_folder import WrittenSurvey
from jobs.backtest import backtest
from jobs.backtest_compare import compare
from jobs.backtest_curve import learning_curve
from jobs.backtest_fits import Bench, open_bench
from jobs.backtest_folds import run_folds
from jobs.backtest_house import backtest_house
from jobs.backtest_methods import baselines_of
from jobs.backtest_replay import replay
from jobs.backtest_sample import subsample
from jobs.backtest_score import Outcomes, score_estimates, score_methods
from jobs.backtest_tables import Outcome, read_outcomes
from jobs.errors import BacktestImpossible
from jobs.fit_process import fit
from jobs.fit_request import FitRequest, FitResult
from jobs.outcomes import counts_of_option, outcome_of
from jobs.refit import electorate_of
from jobs.settings import Settings
from jobs.survey import load_survey
from mrp.baselines import Baseline
from polling.declaration import Backtest, LastResult
from tests.jobs.kinds import AGREE, HOME, PARTIES, with_backtest

NOW = datetime(2025, 12, 1, tzinfo=UTC)
SMALL = replace(Settings(), engine="laplace", laplace_points=100, laplace_draws=300)


def in_here(request: FitRequest, settings: Settings, *, beat: Callable[..., bool], stop: Any) -> FitResult:
    return fit(request, progress=StringIO())


@pytest.fixture(scope="module", params=["party", "agree", "warmth"])
def of_kind(
    request: pytest.FixtureRequest, written: WrittenSurvey, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    """The id of a question of each kind, and the folder whose backtest is of it."""
    folder = tmp_path_factory.mktemp("kinds")
    return request.param, with_backtest(written, folder, request.param).path


@pytest.fixture(scope="module")
def party(written: WrittenSurvey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_backtest(written, tmp_path_factory.mktemp("party"), "party").path


@contextmanager
def benched(folder: Path) -> Iterator[Bench]:
    with backtest_house(folder, settings=SMALL, now=NOW) as house, open_bench(house, fit=in_here) as bench:
        yield bench


def test_folds_and_models_of_every_kind_are_scored(of_kind: tuple[str, Path]):
    name, folder = of_kind
    with benched(folder) as bench:
        report = run_folds(bench, 2)
        candidates = compare(bench, models={"flat": "(1|district)"}, engines=["laplace"]).to_json()

    shown = report.to_json()
    sizes = [fold["interviews"]["n_interviews"] for fold in shown["folds"]]
    pooled = shown["pooled"]
    assert pooled["model"]["n_interviews"] == pooled["national_mean"]["n_interviews"] == sum(sizes) == 600
    # The districts and ages of a planted truth tell more than that everybody is alike.
    assert pooled["model"]["log_score"] < pooled["national_mean"]["log_score"]
    scored = candidates["candidates"][0]["scores"]
    assert scored["n_districts"] == 8
    assert candidates["baselines"]["predictors_alone"]["rmse"] is not None
    if name == "warmth":
        assert pooled["model"]["brier"] is None
        # Answers scatter by 12 around their mean, and the model does not know that of every cell.
        assert 11 < pooled["model"]["rmse"] < 16
        assert ("options" in scored, scored["brier"]) == (False, None)
    else:
        assert set(scored["options"]) == set(PARTIES if name == "party" else AGREE)
        assert pooled["model"]["brier"] < pooled["national_mean"]["brier"]
        assert scored["log_score"] is not None


def test_a_backtest_of_numbers_is_in_their_unit(written: WrittenSurvey, tmp_path: Path):
    folder = with_backtest(written, tmp_path, "warmth").path
    report = backtest(folder, settings=SMALL, seed=1, now=NOW)
    shown = report.to_json()

    assert (shown["option"], shown["unit"]) == ("mean", "degrees")
    assert {"share", "mean"} & set(report.districts.columns) == {"mean"}
    # 600 answers with an sd of 14 in 8 districts: 1.6 each, and half of it shared with the others.
    assert 0 < shown["rmse"] < 3
    assert shown["rmse"] < shown["baselines"]["national_mean"]["rmse"]
    assert shown["brier"] is None
    assert "options" not in shown
    assert set(shown["absent"].values()) == {"A last result is a share, and question warmth is answered with a number."}
    with pytest.raises(BacktestImpossible, match="track record is one of shares"):
        replay(folder, settings=SMALL, read=lambda *_: None, fit=in_here, now=NOW)
    with benched(folder) as bench, pytest.raises(BacktestImpossible, match="cannot be sampled"):
        learning_curve(bench)


def test_a_backtest_of_parties_scores_each_and_all_together(party: Path):
    report = backtest(party, settings=SMALL, seed=1, now=NOW)
    shown = report.to_json()

    assert list(shown["options"]) == list(PARTIES)
    # Where a party does not stand there is nothing to estimate.
    assert [shown["options"][one]["n_districts"] for one in PARTIES] == [8, 8, 8, len(HOME)]
    together = shown["together"]
    squares = [of["rmse"] ** 2 * of["n_districts"] for of in shown["options"].values()]
    assert together["rmse"] == pytest.approx(np.sqrt(sum(squares) / 26))
    assert list(together["baselines"]) == [
        *("raw_by_district", "national_mean", "predictors_alone", "last_result", "uniform_swing"),
    ]
    assert together["rmse"] < together["baselines"]["national_mean"]["rmse"]
    assert together["rmse"] < together["baselines"]["raw_by_district"]["rmse"]
    assert together["brier"] is not None
    assert together["baselines"]["raw_by_district"]["brier"] is None
    assert "absent" not in shown


def test_a_curve_of_parties_takes_single_interviews(party: Path):
    with benched(party) as bench:
        counts = bench.add(list(bench.counts().values()))
        sample, left = subsample(counts, 100, seed=3)
        report = learning_curve(bench, sizes=[300], seeds=1)

    by = ["district", "age", "gender", "education"]
    assert (sample["n"].sum(), left["n"].sum()) == (100, 500)
    assert (
        sample["n"].to_list() == sample.select(pl.sum_horizontal(pl.selectors.starts_with("y["))).to_series().to_list()
    )
    assert bench.add([sample, left]).sort(by).equals(counts.sort(by))
    (point,) = report.to_json()["points"]
    assert point["left"]["n_interviews"] == 300
    assert set(point["truth"]["options"]) == set(PARTIES)
    assert [row["method"] for row in report.curve()][:2] == ["model", "raw_by_district"]


def test_options_that_share_a_result_divide_its_swing_and_say_why_there_is_no_last_result(party: Path):
    bundle = load_survey(party)
    electorate, asked = electorate_of(bundle), bundle.declaration.question("party")
    asked = replace(asked, own_columns={"past": asked.own_columns["past"] | {"Town": "rail_2020"}})
    interviews = pl.read_parquet(party / "interviews.parquet").with_columns(pl.col("party").replace("Railway", "Rail"))
    outcome = outcome_of(asked)
    design = outcome.build(asked.model, electorate)
    counts = outcome.collapse(interviews, by=("district", "age"), answer="party")
    found = baselines_of(counts, electorate, design, asked, LastResult("past"))

    assert found.absent["Town"]["last_result"] == (
        "Its last result is known together with that of Rail only (rail_2020)."
    )
    assert set(found.estimates["last_result"]) == {"Green", "Isles"}
    districts = bundle.districts.sort("code")
    n, rail, town = (int(counts[name].sum()) for name in ("n", "y[Rail]", "y[Town]"))
    people = electorate.frame.group_by("district").agg(pl.col("n_people").sum()).sort("district")["n_people"]
    before = float((districts["rail_2020"] * people).sum() / people.sum())
    joint = districts["rail_2020"].to_numpy() + (rail + town) / n - before
    joint = np.clip(joint, 0, 1)  # what was of one party of two is as much as everything, somewhere
    assert found.estimates["uniform_swing"]["Rail"].share == pytest.approx(joint * rail / (rail + town))
    assert found.estimates["uniform_swing"]["Isles"].codes == HOME
    # Where Isles stands all that is known of it is there.
    here = counts.filter(pl.col("district").is_in(HOME))
    own = here["y[Isles]"].sum() / here["n"].sum()
    assert found.estimates["national_mean"]["Isles"].share == pytest.approx([own, own])
    assert counts_of_option(here, "Isles")["y"].sum() == here["y[Isles]"].sum()

    single = baselines_of(counts, electorate, design, asked, LastResult("last_share"))
    assert set(single.estimates["uniform_swing"]) == {"Rail"}
    assert "[backtest] last_result is of Rail alone; name a column of each" in single.absent["Town"]["uniform_swing"]
    lost = baselines_of(counts, electorate, design, asked, LastResult("nothing"))
    assert "names nothing, which is no predictor" in lost.absent["Rail"]["last_result"]


def test_all_options_together_are_those_of_which_something_is_known():
    draws = {"a": np.array([[0.2, 0.6], [0.4, 0.6]]), "b": np.array([[0.8, 0.4], [0.6, 0.4]])}
    own = {name: Baseline(("D1", "D2"), of.mean(axis=0), of) for name, of in draws.items()}
    known = {
        "a": Outcomes(Outcome(("D1", "D2"), np.array([0.3, 0.4]), None)),
        "b": Outcomes(Outcome(("D1", "D2"), np.array([0.7, 0.6]), None)),
    }
    scored = score_estimates(known, own)

    # Errors 0, 0.2, 0, -0.2.
    assert scored.whole.rmse == pytest.approx(np.sqrt(0.08 / 4))
    assert (scored.whole.n_districts, scored.whole.bias) == (2, None)
    # b leads in both; the two draws say so in the first, and the opposite in the second: (2.5 / 3, 0.5 / 3).
    assert scored.whole.log_score == pytest.approx(-(np.log(2.5 / 3) + np.log(0.5 / 3)) / 2)
    assert scored.whole.brier == pytest.approx(((0.5 / 3) ** 2 + (2.5 / 3) ** 2) / 2)
    assert list(score_methods(known, {"all": own, "some": {"a": own["a"]}})) == ["all"]
    assert list(score_methods(known | {"b": Outcomes()}, {"some": {"a": own["a"]}})) == ["some"]


def test_a_truth_of_means_is_read_by_its_column(party: Path, tmp_path: Path):
    bundle = load_survey(party)
    question, codes = bundle.declaration.question("warmth"), bundle.districts["code"]
    path = tmp_path / "truth.csv"

    def read(text: str) -> dict[str, Outcome]:
        path.write_text(text)
        return read_outcomes(path, Backtest("x"), question, districts=codes, options=("mean",))

    found = read("geography,mean,se\nD02,51.5,1\nD01,-3,2\n")["mean"]
    assert (found.codes, found.share.tolist()) == (("D01", "D02"), [-3, 51.5])
    for text, said in (
        ("geography,share\nD01,0.5\n", "no column 'mean'"),
        ("geography,mean\nD01,\n", "no finite number"),
        ("geography,mean\nD01,1\nD01,2\n", "more than one row for D01"),
        ("geography,mean\nD99,1\n", "'D99', which is no district"),
    ):
        with pytest.raises(BacktestImpossible, match=said):
            read(text)
