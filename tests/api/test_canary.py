"""An answer of a respondent and an API key never reach a log."""

import logging

import pytest

from polling.payload import from_payload
from polling.store import waves
from tests.api.world import SURVEY, World, wave_csv

CANARY = "canary-answer-4711"


def test_answers_and_keys_stay_out_of_every_log(world: World, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    faulty = wave_csv(30).decode().replace(",yes", f",{CANARY}", 1)
    respondent = wave_csv(30, start=500).decode().replace("r507", "canary-respondent")

    rejected = world.push("w0", faulty.encode())
    world.push("w1", respondent.encode())
    world.work()
    world.get(f"/v1/surveys/{SURVEY}/questions/rail/estimates?option={CANARY}")
    world.client.get("/v1/surveys", headers={"Authorization": "Bearer hust_abcdefgh_secret"})
    world.client.get(f"/v1/surveys/{SURVEY}?{CANARY}=1", headers=world.bearer("admin"))

    # The test's own HTTP client logs URLs; the service must not.
    logged = "\n".join(one.getMessage() for one in caplog.records if not one.name.startswith("httpx"))
    assert "POST /v1/surveys/town/waves 422" in logged
    assert CANARY in rejected.text  # the sender is told what is wrong ...
    assert CANARY not in logged  # ... and nobody else
    assert "canary-respondent" not in logged
    for key in world.keys.values():
        assert key.rsplit("_", 1)[1] not in logged
    assert "hust_abcdefgh_secret" not in logged


def test_the_database_holds_no_key_and_no_respondent_id(world: World):
    respondent = wave_csv(30, start=500).decode().replace("r507", "canary-respondent")
    world.push("w1", respondent.encode())
    with world.store.read() as session:
        (part,) = waves.load_parts(session, SURVEY)

    held = b"".join(path.read_bytes() for path in world.settings.data_dir.glob("hustings.db*"))

    assert b"canary-respondent" not in held
    assert "canary-respondent" not in from_payload(part.payload).write_csv()
    for key in world.keys.values():
        assert key.rsplit("_", 1)[1].encode() not in held
