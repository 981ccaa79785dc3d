"""Webhooks and events on the command line: as over HTTP, in the audit chain, and seen by the doctor."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import update

from api.cli import cli
from polling.store import audit, outbox, webhooks
from polling.store.tables import Outbox
from tests.api.world import SURVEY, World

type Run = Callable[..., Result]
type Doctor = Callable[..., tuple[bool, str]]

URL = "https://[2001:4860:4860::8888]/in?for=us"


@pytest.fixture
def place(world: World, tmp_path: Path) -> dict[str, str]:
    return {
        "HUSTINGS_DATA_DIR": str(world.settings.data_dir),
        "HUSTINGS_SECRETS_FILE": str(world.settings.secrets_file),
        "HUSTINGS_DATABASE_URL": f"sqlite:///{world.store.path}",
        "HUSTINGS_BACKUP_DIR": f"{tmp_path}/backups",
        "HUSTINGS_CACHE_DIR": f"{tmp_path}/cache",
    }


@pytest.fixture
def run(place: dict[str, str]) -> Run:
    def run_one(*arguments: object, code: int = 0) -> Result:
        result = CliRunner().invoke(cli, [str(one) for one in arguments], env=place)
        assert result.exit_code == code, result.output + repr(result.exception)
        return result

    return run_one


@pytest.fixture
def doctor(place: dict[str, str]) -> Doctor:
    """Whether a check of the doctor passes, and what it says."""

    def ask(check: str = "webhooks", **settings: str) -> tuple[bool, str]:
        more = {f"HUSTINGS_{name.upper()}": value for name, value in settings.items()}
        report = json.loads(CliRunner().invoke(cli, ["doctor", "--json"], env=place | more).output)
        (found,) = [one for one in report["checks"] if one["check"] == check]
        return found["ok"], f"{found['found']} -> {found['remedy']}" if found["remedy"] else found["found"]

    return ask


def happen(world: World, n: int = 1) -> list[int]:
    with world.store.write() as session:
        return [outbox.append(session, "survey-updated", SURVEY, {"version": i}, datetime.now(UTC)) for i in range(n)]


def add(run: Run) -> dict[str, object]:
    added: dict[str, object] = json.loads(run("webhook", "add", SURVEY, URL, "--type", "survey", "--json").output)
    return added


def test_a_webhook_is_added_listed_and_removed_as_over_http(world: World, run: Run):
    made = add(run)
    secret = str(made.pop("secret"))
    assert secret.startswith("whsec_")
    listed = run("webhook", "list", SURVEY, "--json")
    assert json.loads(listed.output) == world.get(f"/v1/surveys/{SURVEY}/webhooks").json()
    assert json.loads(listed.output)["webhooks"] == [made]
    happen(world, 2)
    table = run("webhook", "list", SURVEY).output
    assert re.search(rf"{made['id']} .* survey +\S+ \S+ +2 ", table)
    for text in (listed.output, table):
        assert secret not in text
    run("webhook", "remove", SURVEY, made["id"])
    assert json.loads(run("webhook", "list", SURVEY, "--json").output)["webhooks"] == []

    with world.store.read() as session:
        acts = [one for one in audit.read_entries(session) if one.action.startswith("webhook")]
    assert [(one.action, one.subject) for one in acts] == [
        ("webhook-created", made["id"]),
        ("webhook-deleted", made["id"]),
    ]
    assert all(one.actor.startswith("cli:") for one in acts)


def test_the_secret_is_all_of_the_output_for_a_script(run: Run):
    added = run("webhook", "add", SURVEY, URL)
    assert re.fullmatch(r"whsec_[\w+/]{43}=\n", added.stdout)
    assert "only time" in added.stderr


def test_deliveries_are_printed_as_over_http_and_sent_again(world: World, run: Run):
    made = add(run)
    (event,) = happen(world)
    run("webhook", "replay", SURVEY, made["id"], event, code=2)  # it was not sent yet
    with world.store.write() as session:
        told = {"kind": "survey-updated", "state": "given-up", "status": 500, "detail": "The receiver answered 500."}
        webhooks.note_try(session, str(made["id"]), event, now=world.now, **told)
    listed = json.loads(run("webhook", "deliveries", SURVEY, made["id"], "--json").output)
    assert listed == world.get(str(made["deliveries_url"])).json()
    assert "The receiver answered 500." in run("webhook", "deliveries", SURVEY, made["id"]).output
    asked = json.loads(run("webhook", "replay", SURVEY, made["id"], event, "--json").output)
    assert (asked["webhook"], asked["event"]) == (made["id"], event)
    assert "job " in run("webhook", "replay", SURVEY, made["id"], event).output

    with world.store.read() as session:
        acts = [one.action for one in audit.read_entries(session) if one.action.startswith("webhook")]
    assert acts == ["webhook-created", "webhook-replayed", "webhook-replayed"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("add", "none", URL), 2, "There is no survey 'none'"),
        (("add", SURVEY, "http://example.com/"), 1, "https addresses only"),
        (("add", SURVEY, "https://127.0.0.1/"), 1, "not public"),
        (("add", SURVEY, URL, "--type", "moon"), 2, "moon"),
        (("list", "none"), 2, "There is no survey 'none'"),
        (("remove", SURVEY, "none"), 2, "none"),
        (("deliveries", SURVEY, "none"), 2, "none"),
        (("replay", SURVEY, "none", "1"), 2, "none"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_message(run: Run, arguments: tuple[str, ...], code: int, said: str):
    assert said in run("webhook", *arguments, code=code).output


def test_events_are_printed_after_an_id(world: World, run: Run):
    world.push()
    first, second = happen(world, 2)
    every = json.loads(run("events", SURVEY, "--json").output)["events"]
    assert {"wave", "job", "survey"} == {one["type"] for one in every}
    assert [one["id"] for one in every] == sorted(one["id"] for one in every)
    later = json.loads(run("events", SURVEY, "--since", first, "--json").output)["events"]
    assert later == every[-1:]
    assert later[0]["id"] == second
    assert run("events", SURVEY, "--type", "wave").output.count("wave-received") == 1
    assert "reference w1" in run("events", SURVEY, "--type", "wave").output
    assert "There is no event" in run("events", SURVEY, "--since", second + 1, code=1).output
    assert "There is no survey" in run("events", "none", code=2).output


def test_the_doctor_says_what_waits_since_when_and_what_was_given_up(world: World, run: Run, doctor: Doctor):
    assert doctor() == (True, "none")
    made = add(run)
    assert doctor() == (True, "1; 0 events wait")
    (event,) = happen(world)
    ok, found = doctor()
    assert ok
    assert re.fullmatch(rf"1; 1 events wait, the oldest since .* UTC for {SURVEY}/{made['id']}", found)
    assert "2001" not in found  # an address may be a secret

    with world.store.write() as session:
        told = {"kind": "survey-updated", "state": "given-up", "status": 500, "detail": "x"}
        webhooks.note_try(session, str(made["id"]), event - 1, now=world.now, **told)
        session.execute(update(Outbox).values(created_at=datetime.now(UTC) - timedelta(hours=2)))
    ok, found = doctor()
    assert not ok
    assert f"; 1 were given up -> `hustings webhook deliveries {SURVEY} {made['id']}` tells why." in found


def test_the_doctor_says_how_far_inside_webhooks_may_reach(doctor: Doctor):
    assert doctor(webhook_networks="10.0.0.0/8") == (True, "none; besides public addresses they may be in 10.0.0.0/8")
    for wide in ("0.0.0.0/0", "::/0", "169.254.0.0/16"):
        ok, found = doctor(webhook_networks=f"10.0.0.0/8, {wide}")
        assert not ok
        assert found.startswith(f"webhook_networks allows {wide}: ")


def test_the_doctor_misses_the_key_of_the_secrets_of_webhooks(run: Run, doctor: Doctor, place: dict[str, str]):
    file = Path(place["HUSTINGS_SECRETS_FILE"])
    add(run)
    held = file.read_text()
    file.write_text(re.sub(r"^webhook_key = .*\n", "", held, flags=re.M))
    ok, found = doctor("secrets file")
    assert not ok
    assert "the secrets of webhooks were made with it" in found
    file.write_text(re.sub(r'^webhook_key = "..', 'webhook_key = "00', held, flags=re.M))
    assert "'webhook_key' in the secrets file is not the key" in doctor("secrets file")[1]
