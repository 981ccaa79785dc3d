"""Replay, folds, learning curves and comparisons, with fits that take no time: who is fitted, who is held out."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from fixtures.survey_folder import WrittenSurvey
from jobs.backtest_compare import compare
from jobs.backtest_curve import default_sizes, learning_curve
from jobs.backtest_fits import Bench, open_bench
from jobs.backtest_folds import run_folds
from jobs.backtest_house import backtest_house
from jobs.backtest_record import NationalErrors, fit_all, national_errors, score_with_record
from jobs.backtest_replay import replay, truth_day
from jobs.backtest_sample import subsample
from jobs.backtest_waves import PushedWave, in_fieldwork_order, plan_backtest, split_rule, split_waves
from jobs.errors import BacktestImpossible
from jobs.fit_request import FitProgress
from jobs.settings import Settings
from jobs.survey import load_survey
from mrp.grouping import Grouping
from mrp.outcomes import draws_many
from polling.declaration import Backtest
from polling.store import releases, scores
from tests.jobs.house import FakeFit

NOW = datetime(2025, 12, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def fit() -> FakeFit:
    return FakeFit()


@pytest.fixture(scope="module")
def told() -> list[FitProgress]:
    return []


@pytest.fixture(scope="module")
def bench(written: WrittenSurvey, fit: FakeFit, told: list[FitProgress]) -> Iterator[Bench]:
    settings = replace(Settings(), engine="laplace")
    with (
        backtest_house(written.path, settings=settings, now=NOW) as house,
        open_bench(house, fit=fit, on_progress=told.append) as one,
    ):
        yield one


def n_of(counts: pl.DataFrame) -> int:
    return int(counts["n"].sum())


def test_every_wave_is_counted_by_itself_in_fieldwork_order(bench: Bench):
    counts = bench.counts()
    assert list(counts) == ["northlight-wave-1", "quayside-wave-2", "fernhill-wave-3"]
    # Those who answered with an option.
    assert 500 < sum(map(n_of, counts.values())) <= 600


def test_each_fold_is_fitted_without_its_waves_and_scored_on_them(bench: Bench, fit: FakeFit):
    fit.requests.clear()
    report = run_folds(bench, 5)

    sizes = [n_of(one) for one in bench.counts().values()]
    assert [fold.held_out for fold in report.folds] == [(name,) for name in bench.counts()]
    assert [n_of(request.counts) for request in fit.requests] == [sum(sizes) - size for size in sizes]
    assert [fold.n_fitted for fold in report.folds] == [sum(sizes) - size for size in sizes]
    held_out = [fold.interviews for fold in report.folds if fold.interviews is not None]
    assert [one.n_interviews for one in held_out] == sizes
    assert all(fold.truth.whole.n_districts == 8 for fold in report.folds)
    pooled = report.pooled()["model"]
    assert pooled["n_interviews"] == sum(sizes)
    assert pooled["log_score"] == pytest.approx(sum(one.log_score * one.n_interviews for one in held_out) / sum(sizes))
    assert report.to_json()["pooled"]["national_mean"]["n_interviews"] == sum(sizes)


def test_two_folds_of_three_waves_take_them_in_turn(bench: Bench):
    first, second, third = bench.counts()
    assert [fold.held_out for fold in run_folds(bench, 2).folds] == [(first, third), (second,)]


def test_samples_of_a_seed_are_nested_and_the_rest_is_left(bench: Bench):
    counts = bench.add(list(bench.counts().values()))
    small, left = subsample(counts, 100, seed=3)
    large, _ = subsample(counts, 250, seed=3)
    by = [column for column in counts.columns if column not in ("n", "y")]

    assert (n_of(small), n_of(left)) == (100, n_of(counts) - 100)
    both = small.join(large, on=by, how="left", suffix="_large")
    assert (both["n"] <= both["n_large"]).all()
    assert (both["y"] <= both["y_large"]).all()
    assert ((both["n"] - both["y"]) <= (both["n_large"] - both["y_large"])).all()
    whole = bench.add([small, left])
    assert whole.select(*by, "n", "y").equals(counts.sort(by).select(*by, "n", "y"))
    assert not subsample(counts, 100, seed=4)[0].equals(small)


def test_every_interview_is_as_likely_to_be_sampled(bench: Bench):
    counts = bench.add(list(bench.counts().values()))
    share = counts["y"].sum() / counts["n"].sum()
    drawn = [subsample(counts, 200, seed=seed)[0]["y"].sum() for seed in range(200)]
    # Of 200 samples of 200 without replacement; the sd of their mean number is below sqrt(200 / 4) / sqrt(200) = 0.5.
    assert sum(drawn) / 200 == pytest.approx(200 * share, abs=4 * 0.5)


def test_a_curve_has_every_size_and_seed_and_all_interviews_once(bench: Bench, fit: FakeFit, told: list[FitProgress]):
    fit.requests.clear()
    told.clear()
    total = sum(map(n_of, bench.counts().values()))
    report = learning_curve(bench, sizes=[100, 10_000], seeds=2)

    assert [(point.n, point.seed) for point in report.points] == [(100, 1), (100, 2), (total, 1)]
    assert [n_of(request.counts) for request in fit.requests] == [100, 100, total]
    assert {request.engine for request in fit.requests} == {"laplace"}
    assert (report.points[0].left is not None, report.points[2].left) == (True, None)
    model = [row for row in report.curve() if row["method"] == "model"]
    rmse = [point.truth.whole.rmse for point in report.points[:2]]
    assert model[0]["rmse"] == {"mean": pytest.approx(sum(rmse) / 2), "low": min(rmse), "high": max(rmse)}
    assert model[1]["log_score"] is None
    assert {row["method"] for row in report.curve()} >= {"raw_by_district", "last_result"}
    assert [one.share for one in told] == pytest.approx([0, 1 / 3, 2 / 3])
    assert told[1].stage == "100 interviews, seed 2"


def test_default_sizes_are_halves_of_all():
    assert default_sizes(861) == (53, 107, 215, 430, 861)
    assert default_sizes(60) == (60,)


def test_models_and_engines_are_compared_on_the_same_interviews(bench: Bench, fit: FakeFit):
    fit.requests.clear()
    report = compare(bench, models={"own": bench.question.model, "flat": "(1|district)"}, engines=["laplace", "nuts"])

    assert [(one.model, one.engine) for one in report.candidates] == [
        ("own", "laplace"),
        ("own", "nuts"),
        ("flat", "laplace"),
        ("flat", "nuts"),
    ]
    # The fake says that NUTS made it, whatever was asked.
    assert {one.engine_used for one in report.candidates} == {"nuts"}
    assert [request.formula for request in fit.requests[2:]] == ["(1|district)"] * 2
    assert len({n_of(request.counts) for request in fit.requests}) == 1
    assert "national_mean" in report.baselines
    assert [one.model for one in compare(bench, models={}, engines=[]).candidates] == ["own"]


def test_a_model_that_cannot_be_used_is_named(bench: Bench):
    with pytest.raises(BacktestImpossible, match="Model wrong cannot be used"):
        compare(bench, models={"wrong": "(1|colour)"}, engines=[])


def test_a_model_that_reads_pollsters_is_counted_by_them(bench: Bench, fit: FakeFit, monkeypatch):
    assert "pollster" in next(iter(bench.counts("(1|district) + house(pollster)").values())).columns


def read(session, survey: str, question: str) -> tuple[list, list]:
    return releases.list_releases(session, survey, question), scores.list_scores(session, survey, question)


def test_a_replay_publishes_after_each_wave_and_scores_all(written: WrittenSurvey):
    told: list[FitProgress] = []
    fit = FakeFit()
    done = replay(written.path, settings=Settings(), read=read, fit=fit, now=NOW, on_progress=told.append)

    published, scored = done.read
    assert [one.number for one in published] == [3, 2, 1]
    assert [one.data_through for one in reversed(published)] == sorted(one.data_through for one in published)
    sizes = [n_of(request.counts) for request in fit.requests]
    assert sizes == sorted(sizes)
    assert [(one.number, one.lead_days) for one in scored][-1] == (3, 0)
    assert scored[0].lead_days > scored[1].lead_days > 0
    assert {row["level"] for one in scored for row in one.scores} >= {"district", "nation"}
    assert done.rule == "Waves are those of column wave."
    assert (done.unpublished, told[0].stage) == ((), "wave 1 of 3")


def test_fits_that_are_not_published_are_told(written: WrittenSurvey):
    fit = FakeFit(problems=[{"code": "r-hat", "message": "R-hat is 2"}])
    done = replay(written.path, settings=Settings(), read=read, fit=fit, now=NOW)
    assert done.read == ([], [])
    assert len(done.unpublished) == 3
    assert "R-hat is 2" in done.unpublished[0]


def test_an_interrupted_bench_leaves_nothing_behind(written: WrittenSurvey, tmp_path: Path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def stop() -> None:
        raise KeyboardInterrupt

    with (
        pytest.raises(KeyboardInterrupt),
        backtest_house(written.path, settings=Settings(), now=NOW) as house,
        open_bench(house, fit=FakeFit(before_end=stop)) as bench,
    ):
        run_folds(bench, 3)
    assert list(tmp_path.iterdir()) == []


def test_one_wave_cannot_be_replayed_nor_held_out(written: WrittenSurvey, tmp_path: Path):
    folder = copy(written, tmp_path, 'wave_by = "wave"\n', "")
    with pytest.raises(BacktestImpossible, match="nothing to replay"):
        replay(folder, settings=Settings(), read=read, fit=FakeFit(), now=NOW)
    with (
        backtest_house(folder, settings=Settings(), now=NOW) as house,
        open_bench(house, fit=FakeFit()) as bench,
        pytest.raises(BacktestImpossible, match="none can be held out"),
    ):
        run_folds(bench, 2)


def copy(written: WrittenSurvey, folder: Path, old: str, new: str) -> Path:
    """The survey folder with a piece of its declaration replaced; the tables stay where they are."""
    for file in written.path.glob("*.parquet"):
        (folder / file.name).symlink_to(file)
    text = (written.path / "survey.toml").read_text()
    assert old in text
    (folder / "survey.toml").write_text(text.replace(old, new))
    return folder


def split(folder: Path, *, apart: bool = True) -> list[PushedWave]:
    bundle = load_survey(folder)
    return in_fieldwork_order(split_waves(bundle, plan_backtest(bundle, None, None), folder, now=NOW, apart=apart))


def test_interviews_without_waves_are_split_by_date(written: WrittenSurvey, tmp_path: Path):
    folder = copy(written, tmp_path, 'wave_by = "wave"\n', "wave_days = 7\n")
    found = split(folder)
    assert len(found) > 1
    assert all((wave.fieldwork_end - wave.fieldwork_start).days < 7 for wave in found)
    assert [wave.reference for wave in found] == sorted(wave.reference for wave in found)
    assert len(split(folder, apart=False)) == 1


def test_interviews_without_dates_are_dealt_into_equal_parts(written: WrittenSurvey, tmp_path: Path):
    days = "fieldwork_start = 2025-09-01\nfieldwork_end = 2025-09-30\n"
    folder = copy(written, tmp_path, 'wave_by = "wave"\n', f"wave_parts = 3\n{days}")
    found = split(folder)
    assert [(wave.reference, wave.fieldwork_start, wave.fieldwork_end) for wave in found] == [
        ("part 1", date(2025, 9, 1), date(2025, 9, 10)),
        ("part 2", date(2025, 9, 11), date(2025, 9, 20)),
        ("part 3", date(2025, 9, 21), date(2025, 9, 30)),
    ]
    assert [pl.read_parquet(wave.content).height for wave in found] == [200, 200, 200]
    # The same parts every time.
    assert [wave.content for wave in split(folder)] == [wave.content for wave in found]


def test_the_rule_is_told_in_words():
    assert split_rule(Backtest("x")) == "All interviews are one wave."
    assert "spans of 8 days" in split_rule(Backtest("x", wave_days=8))
    assert "at random into 6 waves" in split_rule(Backtest("x", wave_parts=6))


def test_the_truth_is_of_the_declared_day_or_the_last_of_fieldwork():
    waves = [PushedWave("p", "w", b"", date(2025, 1, day), date(2025, 1, day + 1)) for day in (1, 9, 5)]
    assert truth_day(waves, None) == date(2025, 1, 10)
    assert truth_day(waves, date(2025, 2, 1)) == date(2025, 2, 1)


def test_what_needs_dates_says_so(written: WrittenSurvey, tmp_path: Path):
    folder = copy(written, tmp_path, 'wave_by = "wave"\n', "wave_days = 7\n")
    text = (folder / "survey.toml").read_text()
    dates = next(line for line in text.splitlines() if line.startswith("date"))
    (folder / "survey.toml").write_text(text.replace(f"{dates}\n", ""))
    with pytest.raises(BacktestImpossible, match="Use wave_parts"):
        split(folder)


def test_the_errors_of_a_survey_are_those_of_its_nation(bench: Bench):
    fit = fit_all(bench, seed=1)
    found = national_errors(bench, fit)

    first, second = bench.question.options
    truth = bench.outcomes[first].truth
    assert truth is not None
    (drawn,) = draws_many(fit.latents, fit.design, bench.electorate, [Grouping(("district",))])
    people = drawn.areas["n_people"].to_numpy()
    result = float(truth.share @ people / people.sum())
    assert found.shares[first] == pytest.approx(result)
    assert found.errors[first] == pytest.approx(float((drawn.draws[:, :, 0] @ people / people.sum()).mean()) - result)
    assert found.errors[second] == -found.errors[first]
    assert found.shares[second] == pytest.approx(1 - result)


def test_a_survey_is_scored_with_the_error_that_others_suggest(bench: Bench):
    # Twice 10 points of a share of one half, of fits that expected 6: sqrt(0.1^2 - 0.06^2) = 0.08.
    half = dict.fromkeys(("yes", "no"), 0.5)
    other = NationalErrors("other", {"yes": 0.1, "no": -0.1}, half, dict.fromkeys(half, 0.06))
    report = score_with_record(bench, [other], correlation=0.7, seed=1)

    assert report.national_sd == pytest.approx(0.08)
    widths = [one.whole.mean_width for one in (report.model, report.total)]
    assert widths[0] is not None
    assert widths[1] is not None
    assert widths[1] > widths[0] + 0.08
    assert report.to_json()["record"][0]["survey"] == "other"

    none = replace(other, sds=dict.fromkeys(half, 0.2))
    with pytest.raises(BacktestImpossible, match="suggest no systematic error"):
        score_with_record(bench, [none], correlation=0.7, seed=1)
