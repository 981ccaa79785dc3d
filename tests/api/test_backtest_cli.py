"""``hustings backtest`` with --replay, --folds, --learning-curve, --engines and --models: tables and JSON."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from api.cli import cli
from api.cli.backtest_modes import read_models
from fixtures.demo import write_demo
from tests.jobs.house import FakeFit

type Run = Callable[..., str]


class FakeHost(FakeFit):
    """A process that fits, without the process."""

    def close(self) -> None:
        self.requests.clear()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_demo(
        tmp_path_factory.mktemp("survey"), n_districts=4, n_waves=3, n_interviews=60, n_demographics=2
    ).path


@pytest.fixture
def run(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    for module in ("jobs.backtest_replay", "jobs.backtest_fits"):
        monkeypatch.setattr(f"{module}.FitHost", FakeHost)

    def run_one(*arguments: str, code: int = 0) -> str:
        place = {"HUSTINGS_DATA_DIR": str(tmp_path / "data")}
        result = CliRunner().invoke(cli, ["backtest", str(folder), *arguments], env=place)
        assert result.exit_code == code, result.output + repr(result.exception)
        assert not (tmp_path / "data").exists()
        return result.output

    return run_one


def told(run: Run, *arguments: str) -> Any:
    return json.loads(run(*arguments, "--json"))


def test_a_replay_prints_the_track_record(run: Run):
    report = told(run, "--replay")
    assert report["rule"] == "Waves are those of column wave."
    record = report["track_record"]
    assert [
        row["release_number"] for row in record["scores"] if row["method"] == "mrp" and row["level"] == "nation"
    ] == [
        1,
        2,
        3,
    ]
    assert {one["interval"] for one in record["calibration"]} == {0.5, 0.8, 0.9, 0.95}
    assert record["results"][0]["source"] == "truth.parquet of the survey folder"


def test_what_the_tables_say_is_drawn(run: Run, tmp_path: Path):
    run("--replay", "--plot", str(tmp_path / "record.svg"))
    run("--folds", "2", "--plot", str(tmp_path / "folds.svg"))
    run("--learning-curve", "--sizes", "40", "--seeds", "1", "--plot", str(tmp_path / "curve.svg"))
    run("--models", "flat=(1|district)", "--plot", str(tmp_path / "models.svg"))
    drawn = {file.stem: file.read_text() for file in tmp_path.glob("*.svg")}
    assert set(drawn) == {"record", "record-lead-time", "folds", "curve", "models"}
    for svg in drawn.values():
        assert svg.startswith("<svg ")
        assert "var(" not in svg
        assert "currentColor" not in svg
    assert "Coverage of all releases: Should a new rail line" in drawn["record"]
    assert "mrp: release 1, 28 days before" in drawn["record-lead-time"]
    assert "national mean: " in drawn["folds"]
    assert "model: 40 interviews: " in drawn["curve"]


def test_folds_print_held_out_interviews(run: Run):
    report = told(run, "--folds", "3")
    assert [fold["number"] for fold in report["folds"]] == [1, 2, 3]
    assert sorted(name for fold in report["folds"] for name in fold["held_out"]) == sorted(report["waves"])
    shown = run("--folds", "3")
    assert "log score" in shown
    assert "national_mean" in shown


def test_a_learning_curve_prints_sizes(run: Run):
    report = told(run, "--learning-curve", "--sizes", "40,80", "--seeds", "2")
    assert [(point["n"], point["seed"]) for point in report["points"]] == [(40, 1), (40, 2), (80, 1), (80, 2)]
    shown = run("--learning-curve", "--sizes", "40,80", "--seeds", "1")
    assert "uniform_swing" in shown


def test_a_comparison_prints_models_engines_and_baselines(run: Run):
    report = told(run, "--models", "flat=(1|district)", "--engines", "laplace,nuts")
    assert [(one["model"], one["engine"]) for one in report["candidates"]] == [("flat", "laplace"), ("flat", "nuts")]
    shown = run("--models", "flat=(1|district)")
    assert "flat: (1|district)" in shown
    assert "raw_by_district" in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--replay", "--folds", "2"), "different questions"),
        (("--learning-curve", "--sizes", "few"), "write numbers of interviews"),
        (("--engines", "fast"), "no engine 'fast'"),
        (("--replay", "--plot", "record.png"), "ends in .svg"),
        (("--replay", "--plot", "nowhere/record.svg"), "no folder"),
        (("--plot", "record.svg"), "--plot draws --replay"),
        (("--models", "nonsense"), "neither name=formula nor a file"),
        (("--models", "a=(1|district)", "--models", "a=(1|age)"), "given twice"),
        (("--models", "=x"), "no name or no formula"),
    ],
)
def test_what_cannot_be_asked_is_refused(run: Run, arguments: tuple[str, ...], said: str):
    assert said in run(*arguments, code=2)


def test_models_may_be_in_a_file(tmp_path: Path):
    file = tmp_path / "models.toml"
    file.write_text('one = "(1|district)"\ntwo = "age"\n')
    assert read_models([str(file), "three=x"]) == {"one": "(1|district)", "two": "age", "three": "x"}


def test_another_survey_gives_the_scale_of_a_second_interval(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("jobs.backtest_record.scale_of", lambda _: 0.06)
    report = told(run, "--record", str(folder))

    assert report["national_sd"] == 0.06
    assert report["record"][0]["survey"] == report["survey"]
    assert report["total"]["mean_width"] > report["model"]["mean_width"]
    printed = run("--record", f"{folder}={folder}")
    assert "They suggest an error of 6.0 points" in printed
    assert "with systematic error" in printed
    assert "there is no folder" in run("--record", "nowhere", code=2)
