"""Refusals of the command line: as a document for programs, short for people, with the right exit code."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from api.cli.refusals import MAX_PRINTED, with_faults
from api.cli.wording import in_own_words
from polling.errors import WaveRejected
from polling.faults import Fault
from tests.api.test_cli import Run, push, report, run, town
from tests.api.world import SURVEY, KnownFit, write_survey

__all__ = ["run", "town"]


def test_json_is_printed_of_a_refusal_too(run: Run, town: Path):
    town.write_bytes(town.read_bytes().replace(b"woman", b"wman", 50))

    said = json.loads(push(run, town, "--json", code=1).stdout)

    assert (said["ok"], said["n_faults"], said["n_rows"]) == (False, 50, 400)
    assert [fault["column"] for fault in said["faults"]] == ["gender"]
    assert "50 fault" in said["problem"]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("estimates", SURVEY, "rail"), 1, "has no release yet"),
        (("estimates", SURVEY, "rial"), 2, "rail"),
        (("survey", "show", "nowhere"), 2, "nowhere"),
        (("survey", "update", "{folder}"), 1, "fault"),
    ],
)
def test_every_refusal_is_one_document_with_json(
    run: Run, town: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, says: str
):
    broken = write_survey(tmp_path / "broken")
    (broken / "frame.csv").write_text("nonsense\n")

    said = json.loads(run(*(one.format(folder=broken) for one in arguments), "--json", code=code).output)

    assert said["ok"] is False
    assert says in said["problem"]


def faults_of(n: int, column: str, reason: str) -> list[Fault]:
    return [Fault("districts.csv", row, column, "x", reason, "Correct it.") for row in range(2, n + 2)]


def test_many_faults_of_one_kind_do_not_hide_another_kind():
    faults = [*faults_of(95, "neighbours", "no district"), *faults_of(1, "income", "not a number")]
    error = WaveRejected(faults, n_rows=100)

    text = with_faults(error)

    assert text.count("\n  district") == MAX_PRINTED
    assert "not a number" in text
    assert text.endswith("... and 56 more; --json prints all of them")


def test_it_is_said_how_many_json_prints():
    error = WaveRejected(faults_of(100, "age", "unknown"), n_rows=3000, total=2000)

    assert with_faults(error).endswith("... and 1,960 more; --json prints 100 of them")


@pytest.mark.parametrize("more", [("--interval", "2"), ("--interval", "nan"), ("--level", "foo"), ("--by", "age,age")])
def test_an_estimate_that_cannot_exist_is_wrong_usage(run: Run, town: Path, more: tuple[str, ...]):
    push(run, town)
    run("fit", "now", SURVEY, "rail", "--here")

    run("estimates", SURVEY, "rail", *more, code=2)


def test_diagnostics_point_to_the_fit_that_was_not_published(run: Run, town: Path, monkeypatch: pytest.MonkeyPatch):
    from functools import partial

    from jobs.worker import Worker

    assert "--fit" not in run("diagnostics", SURVEY, "rail", code=1).output
    bad = KnownFit(problems=[{"code": "rhat", "message": "R-hat of intercept is 2.0, limit 1.01"}])
    monkeypatch.setattr("jobs.worker.Worker", partial(Worker, fit=bad))
    push(run, town)
    run("fit", "now", SURVEY, "rail", "--here", code=1)
    (fit,) = json.loads(run("fit", "list", SURVEY, "rail", "--json").output)["fits"]

    result = run("diagnostics", SURVEY, "rail", code=1)

    assert f"hustings diagnostics {SURVEY} rail --fit {fit['id']}" in result.output


def test_a_place_that_cannot_be_written_is_found_before_the_backtest(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("fitted first")

    monkeypatch.setattr("jobs.backtest.backtest", never)

    result = run("backtest", write_survey(tmp_path / "town"), "--districts", tmp_path / "none" / "d.csv", code=2)

    assert "there is no folder" in result.output


def test_scores_are_printed_even_if_the_districts_cannot_be_written(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    class Full:
        def write_csv(self, file: Path) -> None:
            raise OSError(28, "No space left on device")

        write_parquet = write_csv

    made = report(districts=Full())
    monkeypatch.setattr("jobs.backtest.backtest", lambda *_, **__: made)

    result = run("backtest", write_survey(tmp_path / "town"), "--json", "--districts", tmp_path / "d.csv", code=1)

    assert json.loads(result.stdout)["rmse"] == 0.04
    assert "d.csv cannot be written: No space left" in result.stderr


def test_an_empty_database_is_said_to_be_made_by_the_first_command(run: Run, tmp_path: Path):
    place = {"HUSTINGS_DATABASE_URL": f"sqlite:///{tmp_path}/empty.db"}
    (tmp_path / "empty.db").touch()

    said = json.loads(run("db", "status", "--json", code=3, env=place).output)
    assert said["problem"].startswith("The database is empty. The first command that uses it")
    run("survey", "list", env=place)
    run("db", "status", env=place)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("districts can be chosen with level=district only", "districts can be chosen with --level district only"),
        (
            "Name two groups, such as first=age:65+ and second=age:18-29.",
            "Name two groups, such as --first age:65+ and --second age:18-29.",
        ),
        ("Ask for its /means (`hustings ask means`).", "Ask for its `hustings ask means`."),
        ("such as age:65+ (in a URL, + is %2B); got 'x'.", "such as age:65+; got 'x'."),
        ("such as age:18-29|30-39=young, or a == b", "such as age:18-29|30-39=young, or a == b"),
    ],
)
def test_a_refusal_of_both_interfaces_is_in_words_of_the_command_line(said: str, told: str):
    assert in_own_words(said) == told


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("ask", "district", SURVEY, "rail", "D1", "--level", "region"), "The district is named already."),
        (("ask", "trend", SURVEY, "rail"), "`hustings ask revision`"),
        (("estimates", SURVEY, "rail", "--where", "age"), "a colon between, such as age:65+;"),
        (("estimates", SURVEY, "rail", "--level", "region", "--districts", "D1"), "with --level district only"),
    ],
)
def test_the_command_line_does_not_speak_http(run: Run, town: Path, arguments: tuple[str, ...], says: str):
    push(run, town)
    run("fit", "now", SURVEY, "rail", "--here")
    said = run(*arguments, code=2).output

    assert says in said
    assert not re.search(r"URL|%2B|query parameter|\b4\d\d\b|[a-z]=[a-z]", said)
