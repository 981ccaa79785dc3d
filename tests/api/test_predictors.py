"""District predictors over HTTP, on the command line and with the client; what releases say of them."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from api.cli import cli
from api.client import Hustings, Problem
from api.provenance import fit_inputs, model_differences
from polling.store import releases
from tests.api.world import DISTRICTS, SURVEY, World, change_survey, wave_csv
from tests.contract.served import Served, served_world

URL = f"/v1/surveys/{SURVEY}/predictors"
QUESTION = f"/v1/surveys/{SURVEY}/questions/rail"


def table(first: float = 1.0, name: str = "income", codes: tuple[str, ...] = DISTRICTS) -> bytes:
    return (f"code,{name}\n" + "".join(f"{code},{first + n}\n" for n, code in enumerate(codes))).encode()


def post(
    world: World, content: bytes, as_of: str = "2026-02-01", source: str = "the office", role: str = "admin"
) -> Any:
    return world.client.post(
        URL,
        headers=world.bearer(role),
        data={"as_of": as_of, "source": source},
        files={"file": ("income.csv", content)},
    )


def reading_income(world: World) -> None:
    """Have the model of one question read the predictor."""
    change_survey(world, "survey.toml", 'model = "gender + (1|district)"', 'model = "income + (1|district)"')


def test_what_was_uploaded_is_listed_with_what_holds_and_comes_back(world: World):
    reply = post(world, table())
    assert reply.status_code == 201, reply.text
    upload = reply.json()["upload"]
    assert (upload["number"], upload["as_of"], upload["columns"], reply.json()["jobs"]) == (
        1,
        "2026-02-01",
        ["income"],
        [],
    )

    again = post(world, table())
    assert (again.status_code, again.json()["created"], again.json()["upload"]) == (200, False, upload)
    later = post(world, table(5), as_of="2026-02-15").json()["upload"]
    listed = world.get(URL, "analyst").json()
    assert listed["uploads"] == [later, upload]
    assert listed["holding"] == {"income": later["id"]}
    one = world.get(f"{URL}/{upload['id']}", "analyst").json()
    assert one["upload"] == upload
    assert one["districts"][1] == {"district": "D2", "values": {"income": 2.0}}


def test_what_is_of_persons_is_refused_with_one_fault(world: World):
    problem = post(world, table() + b"D1,7\n").json()
    assert (problem["status"], problem["type"], problem["n_faults"]) == (422, "predictors-rejected", 1)
    assert "individual-level" in problem["detail"]
    assert problem["faults"][0]["file"] == "income.csv"
    assert world.get(URL, "analyst").json()["uploads"] == []


def test_seats_are_those_that_were_uploaded_by_its_day_before_it_was_published(world: World):
    world.release()
    seats = f"{QUESTION}/seats?seats=income"
    assert world.get(seats).status_code == 422  # of the table, no whole numbers
    world.now += timedelta(minutes=1)
    assert post(world, table(2), as_of="2026-02-01", source="the boundary commission").status_code == 201
    assert world.get(seats).status_code == 422  # a release stays what it is
    world.now += timedelta(minutes=1)
    world.release("w2", wave_csv(200, start=1000))
    world.now += timedelta(minutes=1)
    post(world, table(9), as_of="2026-02-01", source="received later")
    world.services.releases._loaded._values.clear()  # as another process would see it

    told = world.get(seats).json()
    assert told["n_seats"] == sum(range(2, 8))
    assert told["data_notes"] == ["Seats are those of upload 1 of income, as of 2026-02-01 (the boundary commission)."]
    assert world.get(f"{QUESTION}/battleground?seats=income").json()["data_notes"] == told["data_notes"]
    assert world.get(f"{QUESTION}/seats").json()["data_notes"] == []


def test_a_release_says_which_predictors_it_knew(world: World):
    reading_income(world)
    first = world.release()
    before = world.get(f"/v1/surveys/{SURVEY}/releases/{first.id}/disclosure").text

    added = post(world, table(3), source="the registrar").json()
    assert [job["question"] for job in added["jobs"]] == ["rail"]
    assert "income as of 2026-02-01 (the registrar)" in world.get(QUESTION).json()["stale_reason"]
    world.work()
    with world.store.read() as session:
        second = releases.current_release(session, SURVEY, "rail")
    assert second is not None
    assert second.number == first.number + 1
    [used] = world.get(f"/v1/surveys/{SURVEY}/releases/{second.id}").json()["predictors"]
    assert used.items() >= {"id": added["upload"]["id"], "as_of": "2026-02-01", "columns": ["income"]}.items()
    assert world.get(f"/v1/surveys/{SURVEY}/releases/{first.id}").json()["predictors"] == []
    said = world.get(f"/v1/surveys/{SURVEY}/releases/{second.id}/disclosure").text
    sentence = "income of the districts is as of 2026-02-01, received 2026-03-02 (upload 1, SHA-256 "
    assert sentence + added["upload"]["sha256"] in said
    assert sentence not in before
    assert world.get(f"/v1/surveys/{SURVEY}/releases/{first.id}/disclosure").text.count("income of the") == 0
    revision = world.get(f"{QUESTION}/revision?before={first.id}").json()
    told = (
        "The predictor income was that of the table of districts and is that as of 2026-02-01 (the registrar, upload "
        "1)."
    )
    assert told in revision["reasons"]
    assert revision["causes"] == ["frame"]
    loaded = [world.services.releases.load(one.id) for one in (first, second)]
    assert fit_inputs(loaded[0]).frame != fit_inputs(loaded[1]).frame
    assert model_differences(*loaded) == [told]


def run(world: World, *words: str) -> Result:
    place = {
        "HUSTINGS_DATA_DIR": str(world.settings.data_dir),
        "HUSTINGS_SECRETS_FILE": str(world.settings.secrets_file),
        "HUSTINGS_DATABASE_URL": f"sqlite:///{world.store.path}",
    }
    return CliRunner().invoke(cli, ["predictors", *words], env=place)


def test_the_command_line_does_the_same(world: World, tmp_path: Path):
    file = tmp_path / "income.csv"
    file.write_bytes(table())
    told = ("--as-of", "2026-02-01", "--source", "the office")
    done = run(world, "add", SURVEY, str(file), *told)
    assert done.exit_code == 0, done.output
    assert "Upload 1: income of 6 districts as of 2026-02-01." in done.output
    assert "No fit changes" in done.output
    assert "upload 1 holds already" in run(world, "add", SURVEY, str(file), *told).output
    assert "the office" in run(world, "list", SURVEY).output
    (upload,) = world.get(URL, "analyst").json()["uploads"]
    assert "D2             2" in run(world, "show", SURVEY, upload["id"]).output
    file.write_bytes(table() + table())
    refused = run(world, "add", SURVEY, str(file), *told)
    assert (refused.exit_code, "nothing was stored" in refused.output) == (1, True)
    assert run(world, "show", SURVEY, "none").exit_code == 2


@pytest.fixture
def served(_sqlite_template: Path, tmp_path: Path) -> Iterator[Served]:
    (tmp_path / "hustings.db").write_bytes(_sqlite_template.read_bytes())
    with served_world(f"sqlite:///{tmp_path}/hustings.db", tmp_path) as served:
        yield served


def test_the_client_sends_and_reads_them(served: Served):
    with Hustings(served.address, served.world.keys["admin"], patience_s=5) as polls:
        added = polls.add_predictors(SURVEY, table(), as_of=date(2026, 2, 1), source="the office")
        assert added.created
        assert polls.predictors(SURVEY).holding == {"income": added.upload.id}
        assert polls.predictor_values(SURVEY, added.upload.id).districts[0].values == {"income": 1.0}
        with pytest.raises(Problem, match="individual-level"):
            polls.add_predictors(SURVEY, table() * 2, as_of=date(2026, 2, 1), source="the office")
