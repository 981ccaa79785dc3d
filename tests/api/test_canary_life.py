"""A whole life of an answer, a respondent's id and a key, and all that the service says meanwhile: none is in it.

The answer and the id are pushed, rejected, set aside, corrected, withdrawn, restored, erased and refitted without;
events are sent to a webhook that refuses them first. Whoever sent a file is told what is wrong with it, in its own
words; nobody else is.
"""

import asyncio
import io
import json
import logging
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from api.app import handlers_of
from api.auth import PUBLIC, operation_id
from api.cli import cli
from api.edge import Edge
from api.reads import SENSITIVE
from jobs.logs import formatter, tell_origin
from polling.store.engine import open_store
from tests.api.following import Following
from tests.api.test_revisions import change_survey
from tests.api.world import DISTRICTS, POLLSTER, SURVEY, World, make_world, wave_csv
from tests.jobs.receiver import Receiver, receiving

ANSWER, PERSON = "canary-answer-4711", "canary-respondent-0815"
WAVES = f"/v1/surveys/{SURVEY}/waves"
TABLES = ("outbox", "job", "audit_entry", "webhook_delivery", "wave_event", "fit", "release", "question_state")


@dataclass
class Life:
    """What was said, by where it was said."""

    world: World
    receiver: Receiver
    said: dict[str, str] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=list)
    """Keys, and the secret of the webhook."""

    def keep(self, where: str, reply: Any, *statuses: int) -> Any:
        assert reply.status_code in statuses, (where, reply.status_code, reply.text)
        self.said[where] = reply.text
        return reply


@pytest.fixture(scope="module")
def life(_sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    folder = tmp_path_factory.mktemp("life")
    shutil.copy(_sqlite_template, folder / "hustings.db")
    store = open_store(f"sqlite:///{folder}/hustings.db")
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        logs = {form: stack.enter_context(logged(form)) for form in ("text", "json")}
        world = make_world(store, folder, webhook_networks="127.0.0.0/8")
        receiver = stack.enter_context(receiving(folder, patch))
        stack.enter_context(world.client)
        one = Life(world, receiver)
        live(one)
        look(one, folder)
        one.said |= {f"log, {form}": stream.getvalue() for form, stream in logs.items()}
        yield one
    store.close()


@contextmanager
def logged(form: str) -> Iterator[io.StringIO]:
    """Everything that anybody logs, in one form of the log; but for the test's own client, which logs addresses."""
    stream, root = io.StringIO(), logging.getLogger()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter(form))
    handler.addFilter(tell_origin)
    handler.addFilter(lambda one: not one.name.startswith(("httpx", "httpcore", "asyncio")))
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield stream
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


def live(life: Life) -> None:
    world, receiver = life.world, life.receiver
    change_survey(world, "survey.toml", "[frame]", '[waves]\npolicy = "quarantine"\n[frame]')
    hook = world.client.post(
        f"/v1/surveys/{SURVEY}/webhooks",
        headers=world.bearer("admin"),
        json={"url": receiver.url, "types": ["wave", "job", "release", "question", "survey"]},
    ).json()
    life.secrets.append(hook["secret"])
    deliveries = hook["deliveries_url"]
    receiver.status = 503

    faulty = wave_csv(30).decode().replace(",yes", f",{ANSWER}")
    rejected = world.push("w0", faulty.encode())
    life.keep("rejected", rejected, 422)
    twice = wave_csv(400, start=5000).decode().replace("r5007", PERSON).replace("r5008", PERSON)
    life.keep("rejected, a respondent twice", world.push("w-twice", twice.encode()), 202, 422)

    # One row of many is set aside with its answer; a person is in it, and in rows that count.
    aside = wave_csv(400).decode().replace("r7,", f"{PERSON},", 1).replace("yes", ANSWER, 1)
    life.keep("pushed", world.push("w1", aside.encode()), 202)
    life.keep("the same under another name", world.push("w1b", aside.encode()), 409)
    world.work()
    life.keep("deliveries that fail", world.get(deliveries), 200)
    receiver.status = 200

    changed = aside.replace("r11,", f"{PERSON}-b,", 1)
    life.keep("other bytes", world.push("w1", changed.encode()), 409)
    life.keep("corrected", world.push("w1", changed.encode(), replaces="w1", reason="a reason"), 202)
    world.work()
    wave = next(one for one in world.get(WAVES).json()["waves"] if one["reference"] == "w1")
    act = f"{WAVES}/{wave['id']}"
    life.keep("set aside", world.get(f"{act}/quarantine"), 200)
    assert ANSWER in world.get(f"{act}/quarantine/rows").text  # whoever may read it; it is in the audit chain
    post(life, "rows let in", f"{act}/quarantine/release", {"reason": "a reason"}, 200)
    post(life, "withdrawn", f"{act}/withdraw", {"reason": "a reason"}, 200)
    world.work()
    life.keep("withdrawn and pushed again", world.push("w1", changed.encode()), 409)
    post(life, "restored", f"{act}/restore", {"reason": "a reason"}, 200)
    world.work()

    body = {"respondent": PERSON, "pollster": POLLSTER}
    post(life, "erased", f"/v1/surveys/{SURVEY}/erasures", body, 200)
    post(life, "erased with a NUL", f"/v1/surveys/{SURVEY}/erasures", {"respondent": f"{PERSON}\0"}, 400)
    post(life, "erased, misspelt", f"/v1/surveys/{SURVEY}/erasures", {"respondant": PERSON}, 400)
    world.work()
    again = wave_csv(400, start=9000).decode().replace("r9007,", f"{PERSON},", 1)
    assert life.keep("sent again after the erasure", world.push("w2", again.encode()), 202).json()["n_suppressed"] == 1
    world.work()
    life.keep("deliveries", world.get(deliveries), 200)

    for role in ("reader", "analyst", "dpo", "monitor", "pollster"):
        world.bearer(role)
    rotated = world.client.post(
        f"/v1/surveys/{SURVEY}/keys/{world.keys['reader'].split('_')[1]}/rotate", headers=world.bearer("admin"), json={}
    )
    life.secrets.append(rotated.json()["key"].rsplit("_", 1)[1])
    wrong = world.keys["reader"][:-6] + "aaaaaa"
    stranger = {"Authorization": f"Bearer {wrong}"}
    life.keep("a key that is not known", world.client.get("/v1/surveys", headers=stranger), 401)
    life.secrets += [key.rsplit("_", 1)[1] for key in world.keys.values()] + [wrong.rsplit("_", 1)[1]]


def post(life: Life, where: str, path: str, body: dict[str, Any], *statuses: int) -> None:
    life.keep(where, life.world.client.post(path, headers=life.world.bearer("admin"), json=body), *statuses)


def look(life: Life, folder: Path) -> None:
    """Read everything that can be read: over HTTP, as a stream, on the command line, in the tables of what happened."""
    world = life.world
    session = world.session("admin")  # opens the pages of the web, and nothing else
    life.secrets.append(session["Cookie"].partition("=")[2])
    for place, path in readable(world):
        life.keep(
            place, world.get(path, headers=session), 200, 404, 422
        )  # a question that has to say more; no boundaries
    release = world.get(f"/v1/surveys/{SURVEY}/questions/rail/releases").json()["releases"][0]["id"]
    for form in ("html", "markdown", "json"):
        path = f"/v1/surveys/{SURVEY}/releases/{release}/disclosure"
        life.said[f"statement, {form}"] = life.keep("statement", world.get(path, params={"format": form}), 200).text
    life.said["the description of the interface"] = world.client.get("/openapi.json").text
    life.said["webhook, bodies"] = "\n".join(body.decode() for _, body in life.receiver.got)
    life.said["webhook, headers"] = "\n".join(str(headers) for headers, _ in life.receiver.got)
    life.said["stream"] = asyncio.run(followed(world))
    place = {
        "HUSTINGS_DATA_DIR": str(world.settings.data_dir),
        "HUSTINGS_SECRETS_FILE": str(world.settings.secrets_file),
        "HUSTINGS_DATABASE_URL": f"sqlite:///{world.store.path}",
        "HUSTINGS_CACHE_DIR": f"{folder}/cache",
        "HUSTINGS_BACKUP_DIR": f"{folder}/backups",
    }
    (hook,) = world.get(f"/v1/surveys/{SURVEY}/webhooks").json()["webhooks"]
    for line in (
        ["doctor"],
        ["doctor", "--json"],
        ["audit", "show"],
        ["audit", "export"],
        ["audit", "verify", "--json"],
        ["events", SURVEY],
        ["webhook", "list", SURVEY],
        ["webhook", "deliveries", SURVEY, hook["id"]],
        ["jobs", "list"],
        ["wave", "list", SURVEY],
        ["wave", "history", SURVEY, "w1"],
        ["key", "list"],
    ):
        done = CliRunner().invoke(cli, line, env=place)
        assert done.exit_code in (0, 1), (line, done.output)
        life.said[f"hustings {' '.join(line[:2])}"] = done.output
    with world.store.read() as session:
        for table in TABLES:
            rows = session.execute(text(f"SELECT * FROM {table}")).all()
            life.said[f"table {table}"] = "\n".join(map(str, rows))


def add_predictors(world: World) -> Any:
    table = "code,income\n" + "".join(f"{code},{n}\n" for n, code in enumerate(DISTRICTS))
    return world.client.post(
        f"/v1/surveys/{SURVEY}/predictors",
        headers=world.bearer("admin"),
        data={"as_of": "2026-02-01", "source": "an office"},
        files={"file": ("income.csv", table.encode())},
    )


def readable(world: World) -> Iterator[tuple[str, str]]:
    """Every GET of the application, with the ids that there are."""
    found = world.get(WAVES).json()["waves"][0]
    releases = world.get(f"/v1/surveys/{SURVEY}/questions/rail/releases").json()["releases"]
    ids = {
        "survey_id": SURVEY,
        "question_id": "rail",
        "wave_id": found["id"],
        "district": "D1",
        "name": "variation",
        "release_id": releases[0]["id"],
        "job_id": world.get(f"/v1/surveys/{SURVEY}/jobs").json()["jobs"][0]["id"],
        "case_number": world.get(f"/v1/surveys/{SURVEY}/erasures").json()["erasures"][0]["case_number"],
        "upload_id": add_predictors(world).json()["upload"]["id"],
        "webhook_id": world.get(f"/v1/surveys/{SURVEY}/webhooks").json()["webhooks"][0]["id"],
    }
    for handler in handlers_of(world.app):
        operation = operation_id(handler)
        if "GET" not in handler.http_methods or operation in {*PUBLIC, *SENSITIVE, "followEvents", "pageEvents"}:  # type: ignore[attr-defined]
            continue
        (template,) = handler.paths
        path = re.sub(r"{(\w+):\w+}", lambda name: ids[name[1]], template)
        yield f"GET {operation}", path


async def followed(world: World) -> str:
    """What a follower is told from the first event on."""
    edge = Edge(world.app, metrics=world.services.metrics)
    async with Following(edge, world.keys["admin"], query="last_event_id=0") as one:
        await one.until(lambda: b"release-published" in one.body and b"wave-erased" in one.body)
    return one.body.decode()


def test_the_life_was_lived(life: Life):
    """Otherwise nothing that is missing below would say anything."""
    kinds = {event["kind"] for event in life.receiver.events}
    assert kinds >= {
        "wave-received", "wave-replaced", "wave-withdrawn", "wave-restored", "wave-erased",
        "release-published", "job-succeeded",
    }  # fmt: skip
    assert "failing" in life.said["deliveries that fail"]
    assert json.loads(life.said["set aside"])["n_quarantined"] == 1
    actions = {json.loads(line).get("action") for line in life.said["hustings audit export"].splitlines()}
    assert actions >= {"interviews-read", "erasure", "webhook-created", "key-rotated"}
    assert "/v1/surveys/town/waves" in life.said["log, text"]
    assert "not accepted at webhook" in life.said["log, json"]
    assert "hustings_http_requests_total" in life.said["GET getMetrics"]
    assert "wave-erased" in life.said["stream"]


def test_no_answer_is_said_but_to_the_sender_of_a_file(life: Life):
    assert {where for where, what in life.said.items() if ANSWER in what} == {"rejected", "pushed", "corrected"}


def test_no_respondent_is_said(life: Life):
    assert {where for where, what in life.said.items() if PERSON in what} == set()


def test_no_key_and_no_secret_is_said(life: Life):
    for secret in life.secrets:
        assert {where for where, what in life.said.items() if secret in what} == set()
