"""The two forms of the log: what a line has, and what no line has."""

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest

from jobs.logs import about, formatter, tell_origin
from tests.api.test_server import environment, serving
from tests.api.world import SURVEY, World, wave_csv

CANARY = "canary-answer-4711"
FORMS = ("text", "json")


@contextmanager
def written(form: str, level: int = logging.INFO) -> Iterator[io.StringIO]:
    """What the service's handler writes meanwhile."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter(form))
    handler.addFilter(tell_origin)
    logger = logging.getLogger("hustings")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(level)
    try:
        yield stream
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def members(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_of_json_has_time_level_logger_and_event():
    with written("json") as stream:
        logging.getLogger("hustings.worker").warning("job %s ended", 7)

    (line,) = members(stream)
    assert datetime.fromisoformat(line.pop("time")).utcoffset().total_seconds() == 0
    assert line == {"level": "WARNING", "logger": "hustings.worker", "event": "job 7 ended"}


def test_a_line_of_text_reads_as_before():
    with written("text") as stream, about(request_id="r1", job_id="j1"):
        logging.getLogger("hustings.worker").warning("job %s ended", 7)

    assert stream.getvalue().endswith(" WARNING hustings.worker: job 7 ended [request r1] [job j1]\n")


def test_an_access_line_of_json_has_its_members(served: World):
    with written("json") as stream:
        reply = served.get(f"/v1/surveys/{SURVEY}?nonsense={CANARY}", headers={"X-Request-Id": "r-1"})

    (line,) = [one for one in members(stream) if one["logger"] == "hustings.access"]
    assert line.pop("ms") > 0
    del line["time"], line["event"]
    assert line == {
        "level": "INFO",
        "logger": "hustings.access",
        "request_id": "r-1",
        "method": "GET",
        "route": "/v1/surveys/{survey_id}",
        "path": f"/v1/surveys/{SURVEY}",
        "status": 400,
        "bytes": len(reply.content),
    }


def test_one_event_is_one_line_of_json_whatever_is_in_it(served: World):
    with written("json") as stream:
        served.client.get('/nowhere%0A{"level":"ERROR"}')
        logging.getLogger("hustings.worker").warning("two\nlines \x00\x1b[31m")

    lines = members(stream)
    assert [one["logger"] for one in lines] == ["hustings.access", "hustings.worker"]
    assert all(one["level"] != "ERROR" for one in lines)


@pytest.mark.parametrize("form", FORMS)
def test_an_exception_is_logged_by_its_type_and_places_alone(form: str):
    with written(form) as stream:
        try:
            try:
                raise KeyError(CANARY)
            except KeyError as error:
                raise ValueError(f"not a level: {CANARY}") from error
        except ValueError:
            logging.getLogger("hustings.worker").exception("job %s failed", "j1")

    said = stream.getvalue()
    assert CANARY not in said
    assert "job j1 failed" in said
    assert said.count("test_logs.py") == 2
    assert said.index("ValueError") < said.index("KeyError")


def test_the_message_that_another_handler_wrote_down_is_not_repeated():
    record = logging.LogRecord("hustings", logging.ERROR, __file__, 1, "failed", (), None)
    try:
        raise ValueError(CANARY)
    except ValueError:
        record.exc_info = sys.exc_info()
    logging.Formatter().format(record)
    assert CANARY in record.exc_text

    assert CANARY not in formatter("text").format(record)
    logging.Formatter().format(record)
    assert CANARY not in formatter("json").format(record)


@pytest.mark.parametrize("form", FORMS)
def test_answers_keys_and_respondents_stay_out_of_both_forms(world: World, form: str, monkeypatch: pytest.MonkeyPatch):
    faulty = wave_csv(30).decode().replace(",yes", f",{CANARY}", 1)
    person = wave_csv(30, start=500).decode().replace("r507", "canary-respondent")

    def broken(*_: object, **__: object) -> None:
        raise ValueError(CANARY)

    with written(form, logging.DEBUG) as stream:
        world.push("w0", faulty.encode())
        world.push("w1", person.encode())
        world.work()
        world.get(f"/v1/surveys/{SURVEY}/questions/rail/estimates?option={CANARY}")
        world.client.get("/v1/surveys", headers={"Authorization": "Bearer hust_abcdefgh_secret"})
        monkeypatch.setattr("jobs.worker.prepare_refit", broken)
        world.push("w2", wave_csv(30, start=900))
        world.work()
        monkeypatch.setattr("polling.store.surveys.get_survey", broken)
        world.get(f"/v1/surveys/{SURVEY}")

    said = stream.getvalue()
    assert "/v1/surveys/town/waves" in said
    assert "unexpected ValueError in GET" in said
    assert "failed" in said
    for secret in (CANARY, "canary-respondent", "hust_abcdefgh_secret", "testclient", "python-httpx"):
        assert secret not in said
    for key in world.keys.values():
        assert key.rsplit("_", 1)[1] not in said


def test_server_and_worker_write_the_form_that_is_set(tmp_path):
    with serving(tmp_path, log_format="json", worker_poll_s=0.05) as (process, address):
        import httpx

        httpx.get(f"{address}/health", headers={"X-Request-Id": "probe-1"})
        lines = []
        while not {"hustings.worker", "hustings.access"} <= {one["logger"] for one in lines} or not any(
            one.get("request_id") == "probe-1" for one in lines
        ):
            lines.append(json.loads(process.stderr.readline()))

    (mine,) = [one for one in lines if one.get("request_id") == "probe-1"]
    assert (mine["route"], mine["status"]) == ("/health", 200)


def test_a_form_that_does_not_exist_is_refused(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "api.cli", "worker", "--once"],
        capture_output=True, text=True, timeout=30, env=environment(tmp_path, log_format="xml"), check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "log_format is 'xml', but must be one of text, json" in done.stderr
