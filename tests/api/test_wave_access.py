"""No route and no command lets a pollster reach another pollster's waves; new routes are found by introspection."""

from typing import Any

import pytest

from api.app import handlers_of
from api.auth import PAGES, PUBLIC, ROLES, operation_id
from polling.store import waves
from tests.api.world import POLLSTER, RIVAL, SURVEY, World, wave_csv

BODIES: dict[str, dict[str, Any]] = {
    "undoWaves": {"reason": "x"},
    "withdrawWave": {"reason": "x"},
    "restoreWave": {"reason": "x"},
    "letWaveThrough": {"reason": "x"},
    "closeWave": {},
    "releaseQuarantine": {"reason": "x"},
}
NDJSON = {"Content-Type": "application/x-ndjson"}
FORM = {"fieldwork_start": "2026-02-20", "fieldwork_end": "2026-02-25"}


def routes(world: World) -> list[tuple[str, str, str]]:
    """Operation, method and path of every route that a pollster may call and that is about waves."""
    found = []
    for handler in handlers_of(world.app):
        operation = operation_id(handler)
        if operation in {*PUBLIC, *PAGES} or "pollster" not in ROLES[operation]:
            continue
        for path in handler.paths:
            if "/waves" in path:
                found += [(operation, method, path) for method in sorted(handler.http_methods) if method != "OPTIONS"]
    return found


@pytest.fixture
def rival(world: World) -> World:
    """Alpha has a wave; ``rival`` is the key of another pollster, who has none."""
    world.push()
    world.keys["rival"] = world.key("pollster", pollster=RIVAL)
    return world


def everything(world: World) -> Any:
    with world.store.read() as session:
        return waves.list_waves(session, SURVEY)


def test_every_route_about_one_wave_answers_a_rival_like_one_that_does_not_exist(rival: World):
    (wave,) = everything(rival)
    tried = 0
    for operation, method, path in routes(rival):
        if "{wave_id:str}" not in path:
            continue
        tried += 1
        for name in (wave.id, wave.reference):
            replies = [
                rival.client.request(
                    method,
                    path.replace("{survey_id:str}", SURVEY).replace("{wave_id:str}", one).replace("{number:int}", "1"),
                    headers=rival.bearer("rival") | (NDJSON if operation == "receiveBatch" else {}),
                    json=BODIES.get(operation) if method == "POST" else None,
                )
                for one in (name, "nothing")
            ]
            assert [reply.status_code for reply in replies] == [404, 404], operation
            assert replies[0].text.replace(name, "nothing") == replies[1].text
    assert tried >= 4
    assert everything(rival) == [wave]


def test_every_other_route_about_waves_is_known_to_these_tests(rival: World):
    others = {operation for operation, _, path in routes(rival) if "{wave_id:str}" not in path}
    assert others <= {"receiveWave", "listWaves", "undoWaves"} | OTHERS_TESTED_ELSEWHERE


OTHERS_TESTED_ELSEWHERE: frozenset[str] = frozenset({"openWave"})  # tests/api/test_open_waves.py
"""Operations about waves with a test of their own of what another pollster meets."""


def test_a_rival_sees_none_of_the_waves(rival: World):
    for query in ("", "?as_of=2999-01-01T00:00:00Z"):
        assert (
            rival.client.get(f"/v1/surveys/{SURVEY}/waves{query}", headers=rival.bearer("rival")).json()["waves"] == []
        )


@pytest.mark.parametrize("name", ["id", "reference"])
def test_a_rival_replaces_and_undoes_nothing(rival: World, name: str):
    (wave,) = everything(rival)
    named = getattr(wave, name)
    url = f"/v1/surveys/{SURVEY}/waves"
    file = {"file": ("w.csv", wave_csv(start=9000))}

    replaced = rival.client.post(
        url, headers=rival.bearer("rival"), data=FORM | {"replaces": named, "reason": "x"}, files=file
    )
    undone = rival.client.post(f"{url}/undo", headers=rival.bearer("rival"), json={"reason": "x", "waves": [named]})
    since = {"reason": "x", "since": "2000-01-01T00:00:00Z"}
    nothing = rival.client.post(f"{url}/undo", headers=rival.bearer("rival"), json=since)
    other = rival.client.post(f"{url}/undo", headers=rival.bearer("rival"), json=since | {"pollster": POLLSTER})
    speaking = rival.client.post(
        url, headers=rival.bearer("rival"), data=FORM | {"reference": "w9", "pollster": POLLSTER}, files=file
    )

    assert [one.json()["type"] for one in (replaced, undone)] == ["wave-not-found", "wave-not-found"]
    assert (nothing.status_code, nothing.json()["changed"], nothing.json()["unchanged"]) == (200, [], [])
    assert [one.json()["type"] for one in (other, speaking)] == ["pollster-refused", "pollster-refused"]
    assert everything(rival) == [wave]


def test_the_same_reference_of_two_pollsters_is_two_waves(rival: World):
    url = f"/v1/surveys/{SURVEY}/waves"
    pushed = rival.push("w1", wave_csv(start=9000), role="rival")
    assert pushed.status_code == 202

    rival.client.post(f"{url}/w1/withdraw", headers=rival.bearer("rival"), json={"reason": "x"})

    assert {(one.pollster, one.state) for one in everything(rival)} == {(POLLSTER, "accepted"), (RIVAL, "withdrawn")}
    ambiguous = rival.get(f"{url}/w1")
    assert (ambiguous.status_code, POLLSTER in ambiguous.json()["detail"]) == (404, True)


def test_an_undo_for_another_pollster_is_refused_in_words_for_that(rival: World):
    body = {"since": "2026-03-01T00:00:00Z", "reason": "x", "pollster": POLLSTER}

    reply = rival.client.post(f"/v1/surveys/{SURVEY}/waves/undo", headers=rival.bearer("rival"), json=body)

    assert reply.status_code == 403
    assert reply.json()["detail"].startswith("This key speaks for the pollster 'Beta', not for 'Alpha'.")
