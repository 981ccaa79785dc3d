"""Known results over HTTP and on the command line, and the track record that they give."""

import io
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from api.cli import cli
from polling.store.engine import open_store
from tests.api.world import DISTRICTS, SURVEY, World, make_world, wave_csv

QUESTION = f"/v1/surveys/{SURVEY}/questions/rail"
RESULTS, RECORD = f"{QUESTION}/known-results", f"{QUESTION}/track-record"
DAY = "2026-03-01"


def truth_csv(nation: float = 0.55) -> bytes:
    rows = [f"all,yes,{nation},", "all,yes,0.6,young", "all,yes,0.5,old", *(f"{d},yes,0.5{d[1]}," for d in DISTRICTS)]
    return "\n".join(["geography,option,share,age", *rows]).encode()


def add(world: World, content: bytes | None = None, *, role: str = "analyst", **fields: str) -> Any:
    told = {"date": DAY, "source": "the electoral office"} | fields
    files = {"file": ("truth.csv", truth_csv() if content is None else content)}
    return world.client.post(RESULTS, headers=world.bearer(role), data=told, files=files)


def record(world: World, **parameters: str) -> dict[str, Any]:
    reply = world.get(RECORD, "reader", params=parameters)
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    return body


@pytest.fixture
def world(store, tmp_path: Path) -> Iterator[World]:
    world = make_world(store, tmp_path)
    with world.client:
        yield world


@pytest.fixture(scope="module")
def scored(_sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two releases, the second after the result was added."""
    folder = tmp_path_factory.mktemp("scored")
    shutil.copy(_sqlite_template, folder / "hustings.db")
    store = open_store(f"sqlite:///{folder}/hustings.db")
    world = make_world(store, folder)
    with world.client:
        world.release()
        assert add(world).status_code == 201
        world.work()
        world.release("w2", wave_csv(100, start=5000))
        world.work()
        yield world
    store.close()


def test_releases_are_scored_when_a_result_is_added_and_when_they_follow_one(world: World):
    assert record(world)["results"] == []
    first = world.release()
    added = add(world)
    assert added.status_code == 201, added.text
    assert added.json()["created"]
    assert [one["release_id"] for one in record(world)["unscored"]] == [first.id]

    world.work()
    second = world.release("w2", wave_csv(100, start=5000))
    world.work()

    told = record(world)
    assert told["unscored"] == []
    assert list(dict.fromkeys(row["release_id"] for row in told["scores"])) == [first.id, second.id]
    assert {row["lead_days"] for row in told["scores"]} == {4}
    estimate = world.estimates(release=first.id)["estimates"][0]["share"]
    nation = next(row for row in told["scores"] if row["level"] == "nation" and row["method"] == "mrp")
    assert nation["bias"] == pytest.approx(estimate - 0.55)


def test_scores_stay_when_draws_are_gone_and_what_was_never_scored_says_why(world: World):
    release = world.release()
    add(world)
    world.work()
    before = record(world)["scores"]
    with world.store.write() as session:
        session.execute(text("DELETE FROM fit_draws"))

    assert record(world)["scores"] == before
    assert add(world, date="2026-02-28").status_code == 201
    world.work()
    [unscored] = record(world)["unscored"]
    assert unscored["release_id"] == release.id
    assert unscored["reason"] == "Its draws were not kept any more when the result was added."
    assert record(world)["scores"] == before


def test_another_result_of_the_day_needs_a_reason_and_takes_its_place(world: World):
    world.release()
    add(world)
    world.work()
    assert add(world).status_code == 200
    refused = add(world, truth_csv(0.6))
    assert (refused.status_code, refused.json()["type"]) == (409, "result-conflict")

    assert add(world, truth_csv(0.6), reason="the recount").status_code == 201
    assert record(world)["scores"] == []
    world.work()
    told = record(world)
    assert [(one["version"], one["reason"]) for one in told["results"]] == [(2, "the recount")]
    listed = world.get(RESULTS, "reader").json()["results"]
    assert [(one["version"], one["state"]) for one in listed] == [(2, "current"), (1, "replaced")]

    body = {"reason": "annulled"}
    gone = world.client.post(f"{RESULTS}/{listed[0]['id']}/withdraw", headers=world.bearer("admin"), json=body)
    assert (gone.status_code, gone.json()["ended_reason"]) == (200, "annulled")
    assert (record(world)["results"], record(world)["scores"]) == ([], [])
    with world.store.read() as session:
        actions = [row[0] for row in session.execute(text("SELECT action FROM audit_entry ORDER BY id"))]
    assert [one for one in actions if one.startswith("result-")] == ["result-added", "result-added", "result-withdrawn"]


def test_faults_are_told_like_those_of_waves_and_nothing_is_stored(scored: World):
    refused = add(scored, b"geography,option,share\nD9,yes,52\n", date="2026-02-01")
    assert (refused.status_code, refused.json()["type"]) == (422, "result-rejected")
    assert [(one["file"], one["row"], one["column"]) for one in refused.json()["faults"]] == [
        ("truth.csv", 2, "geography"),
        ("truth.csv", 2, "share"),
    ]
    assert len(scored.get(RESULTS).json()["results"]) == 1


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"date": "2027-01-01"}, 422, "still to come"),
        ({"source": " "}, 422, "the source is blank"),
        ({"date": "soon"}, 400, "date must be a day"),
        ({"reason": ""}, 400, "reason must have"),
        ({"colour": "red"}, 400, "no field 'colour'"),
    ],
)
def test_what_is_told_beside_the_table_is_checked(scored: World, fields: dict[str, str], status: int, said: str):
    refused = add(scored, **fields)
    assert refused.status_code == status, refused.text
    assert said in refused.json()["detail"]


def test_coverage_is_pooled_beside_its_binomial_band(scored: World):
    told = record(scored)
    districts = [one for one in told["calibration"] if one["level"] == "district" and one["of"] == "all"]
    assert [one["interval"] for one in districts] == [0.5, 0.8, 0.9, 0.95]
    # Six districts, two releases: the band is that of six, since the two share their interviews.
    assert {(one["n_intervals"], one["n_areas"]) for one in districts} == {(12, 6)}
    rows = [row for row in told["scores"] if row["level"] == "district" and row["method"] == "mrp"]
    for one in districts:
        covered = [row[f"coverage_{round(100 * one['interval'])}"] for row in rows]
        assert one["observed"] == pytest.approx(sum(covered) / 2)
        assert 0 <= one["low"] < one["high"] <= 1
    last = [one for one in told["calibration"] if one["level"] == "district" and one["of"] == "last"]
    assert [one["observed"] for one in last] == pytest.approx(
        [rows[-1][f"coverage_{level}"] for level in (50, 80, 90, 95)]
    )
    bins = [one for one in told["transforms"] if one["level"] == "district" and one["of"] == "all"]
    assert (sum(one["n"] for one in bins), bins[0]["expected"]) == (12, 1.2)
    assert any("wrong together" in note for note in told["notes"])


def test_levels_are_those_of_the_result_and_what_follows_from_it(scored: World):
    levels = {(row["level"], *row["by"]): row["derived"] for row in record(scored)["scores"] if row["method"] == "mrp"}
    assert levels == {("nation",): False, ("district",): False, ("nation", "age"): False, ("region",): True}
    assert {row["level"] for row in record(scored, level="region")["scores"]} == {"region"}
    refused = scored.get(f"{RECORD}?level=regoin")
    assert (refused.status_code, refused.json()["nearest"]) == (422, "region")


def test_a_table_has_the_scores(scored: World):
    told = record(scored)["scores"]
    reply = scored.get(RECORD, "reader", params={"format": "csv"})
    table = pl.read_csv(io.BytesIO(reply.content))
    assert table["rmse"].to_list() == pytest.approx([row["rmse"] for row in told])
    assert table["by"].to_list() == [";".join(row["by"]) or None for row in told]
    assert table["question"].unique().to_list() == ["rail"]
    parquet = pl.read_parquet(io.BytesIO(scored.get(RECORD, "reader", params={"format": "parquet"}).content))
    assert parquet.columns == table.columns
    tag = reply.headers["etag"]
    assert scored.get(f"{RECORD}?format=csv", "reader", headers={"If-None-Match": tag}).status_code == 304


def test_baselines_stand_beside_the_model_and_rest_on_shown_counts(scored: World):
    methods = [row["method"] for row in record(scored)["scores"] if row["level"] == "district"]
    assert sorted(set(methods)) == ["mrp", "national_mean", "predictors_alone", "raw"]
    assert {row["level"] for row in record(scored)["scores"] if row["method"] == "raw"} == {"district", "nation"}
    assert any("perturbed" in note for note in record(scored)["notes"])


def test_noise_of_small_cells_keeps_no_baseline_away(world: World, monkeypatch: pytest.MonkeyPatch):
    # Where it takes away more answers than a district has.
    monkeypatch.setattr("polling.disclosure.wide_noise", lambda _key, names, _most: pl.Series([-9] * len(list(names))))
    world.release()
    add(world)
    world.work()
    assert "raw" in {row["method"] for row in record(world)["scores"]}


def test_interviews_are_told_rounded(scored: World):
    assert {row["n_interviews"] for row in record(scored)["scores"]} == {400, 500}


type Run = Callable[..., Result]


@pytest.fixture
def run(scored: World) -> Run:
    place = {
        "HUSTINGS_DATA_DIR": str(scored.settings.data_dir),
        "HUSTINGS_SECRETS_FILE": str(scored.settings.secrets_file),
        "HUSTINGS_DATABASE_URL": f"sqlite:///{scored.store.path}",
    }

    def run_one(*arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(cli, ["truth", *arguments], env=place)
        assert result.exit_code == code, result.output + repr(result.exception)
        return result

    return run_one


def test_the_command_line_shows_what_http_tells(scored: World, run: Run):
    assert json.loads(run("show", SURVEY, "rail", "--json").output) == record(scored)
    assert json.loads(run("list", SURVEY, "rail", "--json").output) == scored.get(RESULTS).json()
    shown = run("show", SURVEY, "rail").output
    assert "Result of 2026-03-01, version 1: the electoral office" in shown
    assert "region (derived)" in shown
    assert "2026-03-01" in run("list", SURVEY, "rail").output
    assert "No result is known" in run("show", SURVEY, "tax").output


def test_results_are_added_and_withdrawn_on_the_command_line(scored: World, run: Run, tmp_path: Path):
    file = tmp_path / "truth.csv"
    file.write_bytes(truth_csv(0.51))
    about = ("--date", "2025-12-01", "--source", "a panel")
    assert "version 1: 9 shares" in run("add", SURVEY, "tax", str(file), *about).output
    assert "known already" in run("add", SURVEY, "tax", str(file), *about).output
    made = json.loads(run("add", SURVEY, "tax", str(file), *about, "--json").output)
    assert not made["created"]
    assert "is withdrawn" in run("withdraw", SURVEY, "tax", made["result"]["id"], "--reason", "wrong").output
    file.write_text("geography,option,share\nD1,yes,51\n")
    assert "Divide percent by 100" in run("add", SURVEY, "tax", str(file), *about, code=1).output
    assert "no known result" in run("withdraw", SURVEY, "tax", "none", "--reason", "x", code=2).output
