"""Every answer has a request id, and the log tells by it what was done."""

import logging
import re
from collections.abc import Iterator

import pytest
from litestar.testing import TestClient

from api.edge import Edge
from jobs.logs import tell_origin
from tests.api.world import SURVEY, World, wave_csv


def request_ids(caplog: pytest.LogCaptureFixture) -> dict[str, list[str | None]]:
    """What the lines of each logger carried; ids are added where lines are written, by the handler's filter."""
    found: dict[str, list[str | None]] = {}
    for record in caplog.records:
        found.setdefault(record.name, []).append(getattr(record, "request_id", None))
    return found


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What is logged, with the filter of the service's own handler."""
    caplog.handler.addFilter(tell_origin)
    caplog.set_level(logging.INFO)
    yield caplog
    caplog.handler.removeFilter(tell_origin)


@pytest.mark.parametrize("path", ["/health", "/v1/surveys", "/nowhere", f"/v1/surveys/{SURVEY}"])
def test_every_answer_has_one_id_of_its_own(served: World, path: str):
    first, second = (served.client.get(path).headers.get_list("x-request-id") for _ in range(2))

    assert len(first) == len(second) == 1
    assert re.fullmatch("[0-9a-f]{32}", first[0])
    assert first != second


@pytest.mark.parametrize("given", ["a", "client-7.retry_2", "A" * 64])
def test_a_harmless_id_of_the_caller_is_kept(served: World, given: str):
    assert served.client.get("/health", headers={"X-Request-Id": given}).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "A" * 65, "two words", "a\tb", "a;b", "ü".encode(), "{x}"])
def test_another_id_is_not(served: World, given: str | bytes):
    answered = served.client.get("/health", headers={"X-Request-Id": given}).headers["x-request-id"]
    assert re.fullmatch("[0-9a-f]{32}", answered)


def test_two_ids_are_none(served: World):
    given = [("X-Request-Id", "one"), ("X-Request-Id", "two")]
    assert served.client.get("/health", headers=given).headers["x-request-id"] not in ("one", "two")


def test_the_lines_of_a_push_carry_its_id_down_to_the_jobs(world: World, log: pytest.LogCaptureFixture):
    bearer = world.bearer("pollster")
    form = {"reference": "w1", "fieldwork_start": "2026-02-20", "fieldwork_end": "2026-02-25"}
    reply = world.client.post(
        f"/v1/surveys/{SURVEY}/waves",
        headers=bearer | {"X-Request-Id": "push-1"},
        data=form,
        files={"file": ("wave.csv", wave_csv())},
    )

    assert reply.status_code == 202
    found = request_ids(log)
    assert set(found["hustings.waves"]) == set(found["hustings.access"]) == {"push-1"}
    said = "\n".join(one.getMessage() for one in log.records if one.name == "hustings.waves")
    assert f"wave {reply.json()['wave_id']} of {SURVEY}: received, version 1, accepted" in said
    (job,) = re.findall(r"refit of town/rail asked for: job (\w+)", said)
    log.clear()
    world.work()
    assert {getattr(one, "job_id", None) for one in log.records if one.name == "hustings.worker"} == {job}
    log.clear()  # nothing is left behind in this thread
    logging.getLogger("hustings.waves").info("afterwards")
    assert request_ids(log)["hustings.waves"] == [None]


def test_a_fault_of_the_service_names_its_id_in_the_answer_and_the_log(
    served: World, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    def broken(*_: object, **__: object) -> None:
        raise ValueError("canary")

    monkeypatch.setattr("polling.store.surveys.get_survey", broken)
    reply = served.get(f"/v1/surveys/{SURVEY}", headers={"X-Request-Id": "broken-1"})

    assert (reply.status_code, reply.json()["request_id"]) == (500, "broken-1")
    assert request_ids(log)["hustings.api"] == ["broken-1"]
    assert "request_id" not in served.client.get("/nowhere").json()


def test_an_error_outside_the_application_has_one_too(log: pytest.LogCaptureFixture):
    async def app(scope: object, receive: object, send: object) -> None:
        if scope["type"] == "http":  # type: ignore[index]
            raise RuntimeError("canary")

    client = TestClient(Edge(app), raise_server_exceptions=False)  # type: ignore[arg-type]
    reply = client.get("/health", headers={"X-Request-Id": "last-1"})

    assert reply.headers["x-request-id"] == reply.json()["request_id"] == "last-1"
    ours = {name: ids for name, ids in request_ids(log).items() if name.startswith("hustings")}
    assert ours == {"hustings.api": ["last-1"], "hustings.access": ["last-1"]}
