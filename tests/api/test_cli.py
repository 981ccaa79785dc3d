"""The command line: what it prints, its exit codes, and that no refusal is a traceback."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from api.cli import COMMANDS, cli
from api.cli.diagnostics import _print_numbers
from jobs.settings import Settings
from jobs.worker import Worker
from polling.store.engine import open_store
from polling.store.schema import REVISIONS
from tests.api.world import POLLSTER, RIVAL, SURVEY, KnownFit, wave_csv, write_survey

type Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command with its own data folder; a fit is replaced by known draws."""
    monkeypatch.setattr("jobs.worker.Worker", partial(Worker, fit=KnownFit()))
    monkeypatch.chdir(tmp_path)
    place = {"HUSTINGS_DATA_DIR": f"{tmp_path}/data", "HUSTINGS_SECRETS_FILE": f"{tmp_path}/secrets.toml"}

    def run_one(*arguments: object, code: int = 0, env: dict[str, str] | None = None) -> Result:
        result = CliRunner().invoke(cli, [str(one) for one in arguments], env=place | (env or {}))
        assert result.exit_code == code, result.output + repr(result.exception)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        assert "Traceback" not in result.output
        return result

    return run_one


@pytest.fixture
def town(run: Run, tmp_path: Path) -> Path:
    """A wave file; the survey is stored."""
    run("survey", "add", write_survey(tmp_path / "town"))
    file = tmp_path / "first.csv"
    file.write_bytes(wave_csv())
    return file


def push(run: Run, file: Path, *more: object, code: int = 0, pollster: str = POLLSTER) -> Result:
    dates = ("--fieldwork-start", "2026-02-20", "--fieldwork-end", "2026-02-25")
    return run("wave", "push", SURVEY, file, "--pollster", pollster, *dates, *more, code=code)


def test_help_lists_every_command_with_its_own_line():
    result = CliRunner().invoke(cli, ["--help"])

    context = click.Context(cli)
    for name, (_, line) in COMMANDS.items():
        command = cli.get_command(context, name)
        assert command is not None
        assert command.short_help == line
        assert name in result.output
    assert "Exit codes" in result.output


def test_help_is_fast_because_nothing_else_is_loaded():
    code = "import sys; from api.cli import cli; cli(['--help'], standalone_mode=False); print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for name in ("sqlalchemy", "polars", "litestar", "rich", "numpy", "msgspec"):
        assert f"'{name}'" not in loaded
    started = time.monotonic()
    subprocess.run([sys.executable, "-m", "api.cli", "--help"], capture_output=True, check=True)
    assert time.monotonic() - started < 2  # 0.1 s alone; the machine may be busy


@pytest.mark.parametrize("arguments", [("frobnicate",), ("survey", "check", "nowhere"), ("key", "create"), ("--bad",)])
def test_wrong_usage_ends_with_2(run: Run, arguments: tuple[str, ...]):
    run(*arguments, code=2)


def test_a_survey_is_checked_added_updated_listed_and_shown(run: Run, tmp_path: Path):
    folder = write_survey(tmp_path / "town")

    assert "no faults; 3 questions, 6 districts, 36 cells" in run("survey", "check", folder).output
    assert "version 1 stored" in run("survey", "add", folder).output
    assert "version 1 is there already" in run("survey", "add", folder).output
    (folder / "survey.toml").write_text((folder / "survey.toml").read_text().replace("A town", "Our town"))
    assert "Use `hustings survey update`" in run("survey", "add", folder, code=1).output
    assert "version 2 stored" in run("survey", "update", folder).output
    assert "Our town" in run("survey", "list").output
    (listed,) = json.loads(run("survey", "list", "--json").output)["surveys"]
    assert (listed["version"], listed["public"]) == (2, False)
    assert "Should a rail line be built?" in run("survey", "show", SURVEY).output
    shown = json.loads(run("survey", "show", SURVEY, "--json").output)
    assert [one["version"] for one in shown["versions"]] == [1, 2]


def test_every_fault_of_a_folder_is_listed(run: Run, tmp_path: Path):
    folder = write_survey(tmp_path / "town")
    text = (folder / "survey.toml").read_text()
    (folder / "survey.toml").write_text(text.replace('model = "gender', 'model = "gendre').replace('"old"]', '"aged"]'))

    result = run("survey", "check", folder, code=1)
    found = json.loads(run("survey", "check", folder, "--json", code=1).output)

    assert "frame.csv" in result.output
    assert found["ok"] is False
    assert found["n_faults"] >= len(found["faults"]) >= 1
    assert run("survey", "add", folder, code=1).output.startswith("Error: ")


def test_a_wave_is_pushed_once_and_its_refit_can_be_seen(run: Run, town: Path):
    assert "400 interviews stored" in push(run, town).output
    assert "was received before" in push(run, town).output
    assert "conflicts" in push(run, town, "--reference", "other", code=1).output
    assert "first" in run("wave", "list", SURVEY).output
    assert json.loads(run("wave", "list", SURVEY, "--pollster", RIVAL, "--json").output)["waves"] == []
    (wave,) = json.loads(run("wave", "list", SURVEY, "--json").output)["waves"]
    assert "400" in run("wave", "show", SURVEY, wave["id"]).output
    assert json.loads(run("wave", "show", SURVEY, wave["id"], "--json").output)["reference"] == "first"

    (job,) = json.loads(run("jobs", "list", "--json").output)["jobs"]
    assert "refit town/rail" in run("jobs", "list", "--survey", SURVEY, "--state", "queued").output
    assert "waits" in json.loads(run("jobs", "show", job["id"], "--json").output)["explanation"]
    assert "queued" in run("jobs", "show", job["id"]).output
    assert "was cancelled" in run("jobs", "cancel", job["id"]).output
    assert "ended already" in run("jobs", "cancel", job["id"], code=1).output


def test_the_faults_of_a_wave_are_listed_and_nothing_is_stored(run: Run, town: Path):
    town.write_bytes(town.read_bytes().replace(b"woman", b"wman"))

    result = push(run, town, code=1)

    assert "faults found; nothing was stored" in result.output
    assert "wman" in result.output
    assert "and 195 more" in result.output
    assert json.loads(run("wave", "list", SURVEY, "--json").output)["waves"] == []


def test_a_fit_is_asked_for_done_and_answered(run: Run, town: Path):
    assert "No wave that asks it" in run("estimates", SURVEY, "rail", code=1).output
    push(run, town)

    assert "published. Release 1" in run("fit", "now", SURVEY, "rail", "--here").output

    table = run("estimates", SURVEY, "rail", "--level", "district", "--by", "gender").output
    assert "District 6" in table
    assert "few-interviews" in table
    answer = json.loads(run("estimates", SURVEY, "rail", "--by", "age", "--json").output)
    assert [one["groups"]["age"] for one in answer["estimates"]] == ["young", "middle", "old"]
    small = run("estimates", SURVEY, "rail", "--level", "district", "--by", "gender,age").output
    assert "1 group is withheld" in small
    assert "intercept" in run("diagnostics", SURVEY, "rail").output
    assert json.loads(run("diagnostics", SURVEY, "rail", "--json").output)["fit"]["publishable"] is True
    (fit,) = json.loads(run("fit", "list", SURVEY, "rail", "--json").output)["fits"]
    assert "True" in run("fit", "list", SURVEY, "rail").output
    assert "intercept" in run("diagnostics", SURVEY, "rail", "--fit", fit["id"]).output
    run("diagnostics", SURVEY, "tax", "--fit", fit["id"], code=2)
    assert "queued" in run("fit", "now", SURVEY, "rail", "--no-wait").output


def test_warnings_and_priors_in_words_are_printed_with_a_fit(run: Run, town: Path, monkeypatch: pytest.MonkeyPatch):
    warned = KnownFit(warnings=["house(pollster) and period are nearly aliased"])
    monkeypatch.setattr("jobs.worker.Worker", partial(Worker, fit=warned))
    push(run, town)

    for command in (
        ("fit", "now", SURVEY, "rail", "--here"),
        ("estimates", SURVEY, "rail"),
        ("diagnostics", SURVEY, "rail"),
    ):
        assert "house(pollster) and period are nearly aliased" in run(*command).output, command
    for command in (("fit", "now", SURVEY, "rail", "--here"), ("diagnostics", SURVEY, "rail")):
        assert "intercept: Normal(0, 1.5)" in run(*command).output, command


def test_a_fit_that_is_not_publishable_ends_with_1(run: Run, town: Path, monkeypatch: pytest.MonkeyPatch):
    bad = KnownFit(problems=[{"code": "rhat", "message": "R-hat of intercept is 2.0, limit 1.01"}])
    monkeypatch.setattr("jobs.worker.Worker", partial(Worker, fit=bad))
    push(run, town)

    assert "R-hat of intercept" in run("fit", "now", SURVEY, "rail", "--here", code=1).output
    (fit,) = json.loads(run("fit", "list", SURVEY, "rail", "--json").output)["fits"]
    result = run("diagnostics", SURVEY, "rail", "--fit", fit["id"], code=1)
    assert "NOT publishable" in result.output


def test_waiting_for_a_worker_that_is_not_there_ends_with_3(run: Run, town: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("api.cli.follow.UNATTENDED", timedelta(seconds=0.1))
    push(run, town)

    assert "no worker is there" in run("fit", "now", SURVEY, "rail", code=3).output


def test_a_fit_that_a_worker_does_is_waited_for(run: Run, town: Path, tmp_path: Path):
    push(run, town)
    done = threading.Event()

    def work() -> None:
        store = open_store(f"sqlite:///{tmp_path}/data/hustings.sqlite3")
        worker = Worker(store, Settings(data_dir=tmp_path / "data"), fit=KnownFit())
        while not done.wait(0.1):
            worker.turn(datetime.now(UTC))
        store.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        result = run("fit", "now", SURVEY, "rail", "--json")
    finally:
        done.set()
        thread.join()
    assert json.loads(result.output)["code"] == "published"


@pytest.mark.parametrize(
    "arguments",
    [
        ("survey", "show", "nowhere"),
        ("wave", "list", "nowhere"),
        ("wave", "show", SURVEY, "none"),
        ("jobs", "show", "none"),
        ("fit", "list", SURVEY, "none"),
        ("estimates", SURVEY, "none"),
        ("diagnostics", SURVEY, "rail", "--release", "none"),
        ("key", "revoke", "none"),
        ("key", "create", "--role", "reader", "--survey", "nowhere"),
        ("key", "create", "--role", "pollster"),
    ],
)
def test_a_thing_that_does_not_exist_is_wrong_usage(run: Run, town: Path, arguments: tuple[str, ...]):
    assert run(*arguments, code=2).output.startswith("Error: ")


def test_keys_are_made_once_listed_by_prefix_and_revoked(run: Run, town: Path):
    result = run("key", "create", "--role", "reader", "--survey", SURVEY, "--days", "3", "--label", "the app")
    key = result.stdout.strip()
    assert key.startswith("hust_")
    assert "only time" in result.stderr
    prefix = key.split("_")[1]
    made = json.loads(
        run("key", "create", "--role", "pollster", "--survey", SURVEY, "--pollster", "Alpha", "--json").output
    )
    assert made["role"] == "pollster"

    listed = run("key", "list", "--survey", SURVEY).output
    assert prefix in listed
    assert "the app" in listed
    assert key not in listed
    assert "key_hash" not in run("key", "list", "--json").output
    assert "revoked since" in run("key", "revoke", prefix).output
    assert "revoked" in run("key", "list").output


def test_the_database_is_upgraded_by_command_and_its_state_shown(run: Run):
    assert "no database" in run("db", "status", code=3).output
    assert f"upgraded to schema {REVISIONS[-1]}" in run("db", "upgrade").output
    assert "already has" in run("db", "upgrade").output
    assert json.loads(run("db", "status", "--json").output)["usable"] is True


def test_a_database_of_another_version_is_refused_and_not_touched(run: Run, tmp_path: Path):
    run("db", "upgrade")
    set_revision(tmp_path, "9999")
    assert "newer version" in run("survey", "list", code=3).output
    assert "9999" in run("db", "status", code=3).output
    set_revision(tmp_path, None)
    assert "hustings db upgrade" in run("survey", "list", code=3).output


def set_revision(folder: Path, revision: str | None) -> None:
    store = open_store(f"sqlite:///{folder}/data/hustings.sqlite3")
    with store.writer.begin() as connection:
        if revision is None:
            connection.exec_driver_sql("DELETE FROM alembic_version")
        else:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = ?", (revision,))
    store.close()


def test_the_doctor_prints_checks_and_settings_and_changes_nothing(run: Run, tmp_path: Path):
    result = run("doctor", env={"HUSTINGS_DATABASE_URL": ""})
    found = json.loads(run("doctor", "--json").output)

    assert "refit_quiet_s" in result.output
    assert found["ok"] is True
    assert {one["check"] for one in found["checks"]} >= {"python", "sqlite", "database", "secrets file"}
    assert not (tmp_path / "data").exists()


def test_the_doctor_finds_what_has_to_be_mended_and_hides_passwords(run: Run, tmp_path: Path):
    secrets = tmp_path / "secrets.toml"
    secrets.write_text("")
    secrets.chmod(0o644)
    url = "postgresql://me:pass-word@localhost:1/none"

    result = run("doctor", code=1, env={"HUSTINGS_DATABASE_URL": url})

    assert "chmod 600" in result.output
    assert "pass-word" not in result.output


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({"HUSTINGS_PROT": "1"}, "Did you mean port?"),
        ({"HUSTINGS_PORT": "many"}, "must be"),
        ({"HUSTINGS_SETTINGS": "none.toml"}, "cannot be read"),
    ],
)
def test_a_bad_setting_is_wrong_usage(run: Run, env: dict[str, str], says: str):
    assert says in run("survey", "list", code=2, env=env).output


def test_a_database_that_cannot_be_reached_ends_with_3(run: Run, tmp_path: Path):
    place = {"HUSTINGS_DATABASE_URL": f"sqlite:///{tmp_path}/nowhere/x.db"}
    assert "does not exist" in run("survey", "list", code=3, env=place).output
    (tmp_path / "junk.db").write_bytes(b"this is no database" * 100)
    place = {"HUSTINGS_DATABASE_URL": f"sqlite:///{tmp_path}/junk.db"}
    assert "is not a database" in run("survey", "list", code=3, env=place).output


def test_a_worker_can_do_one_job_and_end(run: Run, town: Path):
    push(run, town)
    result = run("worker", "--once", env={"HUSTINGS_REFIT_QUIET_S": "0"})
    assert result.output == ""


@pytest.mark.parametrize(
    ("address", "said"), [("dask://127.0.0.1:1", "No Dask scheduler answers"), ("127.0.0.1:1", "is no executor")]
)
def test_a_worker_without_its_cluster_does_not_start(run: Run, address: str, said: str):
    result = run("worker", "--once", "--executor", address, code=3)
    assert said in result.output


def report(**changes: Any) -> Any:
    import polars as pl

    from jobs.backtest_report import BacktestReport, ScoreRow

    scores = ScoreRow(
        n_districts=6, rmse=0.04, mae=0.03, bias=0.0, coverage={"0.9": 0.88}, interval_score=0.2, mean_width=0.1
    )
    told: dict[str, Any] = {
        "survey": SURVEY, "question": "rail", "option": "yes", "engine": "nuts", "seed": 1, "n_interviews": 400,
        "n_cells": 36, "national_mean": 0.5, "national_sd": 0.01, "scores": scores,
        "baselines": {"raw": scores}, "seconds": {"read": 0.1, "fit": 1.0, "poststratify": 0.1, "total": 1.2},
        "publishable": True, "problems": (), "warnings": ("Ask and Bell are alike",), "formula": "(1|district)",
        "priors": {"intercept": "Normal(0, 1.5)"}, "districts": pl.DataFrame({"district": ["D1"], "share": [0.5]}),
    }  # fmt: skip
    return BacktestReport(**(told | changes))


@pytest.mark.parametrize("publishable", [True, False])
def test_a_backtest_prints_scores_and_writes_districts(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, publishable: bool
):
    asked: dict[str, Any] = {}

    def scored(folder: Path, data_dir: Path | None, **options: Any) -> Any:
        asked.update(options, folder=folder)
        problems = () if publishable else ({"code": "rhat", "message": "R-hat is 2"},)
        return report(publishable=publishable, problems=problems)

    monkeypatch.setattr("jobs.backtest.backtest", scored)
    folder, code = write_survey(tmp_path / "town"), 0 if publishable else 1

    table = run("backtest", folder, "--seed", 7, "--districts", tmp_path / "d.csv", code=code).output
    printed = json.loads(run("backtest", folder, "--json", "--districts", tmp_path / "d.parquet", code=code).output)

    assert asked["seed"] is None  # of the second run
    assert "0.0400" in table
    assert ("R-hat is 2" in table) is not publishable
    assert "warning: Ask and Bell are alike" in table
    assert "intercept: Normal(0, 1.5)" in table
    assert printed["rmse"] == 0.04
    assert printed["verdict"]["publishable"] is publishable
    assert (tmp_path / "d.csv").read_text().startswith("district,share")
    assert (tmp_path / "d.parquet").stat().st_size > 0
    run("backtest", folder, "--districts", tmp_path / "d.xlsx", code=2)


def test_a_k_hat_of_equal_weights_is_told_in_words(capsys: pytest.CaptureFixture[str]):
    _print_numbers({"k_hat_sd": None, "k_hat_joint": 0.1, "parameters": []})
    shown = {
        line.split()[0]: " ".join(line.split()[1:]) for line in capsys.readouterr().out.splitlines() if line.strip()
    }
    assert shown["k_hat_sd"] == "none: all weights are equal"
    assert shown["k_hat_joint"] == "0.1"


def test_a_survey_that_lacks_items_of_the_disclosure_statement_is_told_each_in_a_sentence(run: Run, tmp_path: Path):
    folder = write_survey(tmp_path / "town")
    assert "Warning" not in run("survey", "check", folder).output
    file = folder / "survey.toml"
    file.write_text(file.read_text().replace('mode = "telephone"\n', "").replace('sponsor = "Nobody"\n', ""))

    for command in ("check", "add", "update"):
        warnings = [line for line in run("survey", command, folder).stderr.splitlines() if "Warning" in line]
        assert len(warnings) == 2
        assert "who paid for the interviews" in warnings[0]
        assert "how the interviews were done" in warnings[1]
    assert len(json.loads(run("survey", "check", folder, "--json").stdout)["warnings"]) == 2


def test_the_disclosure_statement_is_printed_in_three_forms(run: Run, town: Path, tmp_path: Path):
    run("release", "disclosure", SURVEY, "rail", code=1)
    push(run, town, "--reference", "w1")
    run("fit", "now", SURVEY, "rail", "--here")

    text = run("release", "disclosure", SURVEY, "rail").output
    assert text.startswith("# Disclosure statement: A town, rail, release 1")
    told = json.loads(run("release", "disclosure", SURVEY, "rail", "--json").output)
    page = tmp_path / "statement.html"
    run("release", "disclosure", SURVEY, "rail", "--format", "html", "--output", page, "--release", told["release_id"])
    assert page.read_text().startswith("<!DOCTYPE html>")
