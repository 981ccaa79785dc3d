"""A refusal names the offending parameter, what is allowed, and the nearest of it, for programs; for every parameter of
every route."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.errors import UnknownChoice
from api.offending import MAX_ALLOWED, offending_parameter
from api.problems import answer
from polling.store.engine import open_store
from tests.api.shapes import collection
from tests.api.world import SURVEY, World, make_world
from tests.contract.test_strange_bodies import example_of, operations, queries, values_against, with_json

WRONG: dict[str, list[tuple[str, str | None]]] = {
    "level": [("distrct", "district"), ("moon", None)],
    "districts": [("D1,D22", "D2"), ("moon", None)],
    "by": [("aeg", "age"), ("age,age", None)],
    "where": [("age:yong", "young"), ("agee:old", "age"), ("gender:man,age", "man")],
    "interval": [("2", None), ("x", None)],
    "threshold": [("1.5", None), ("x", None)],
    "option": [("yess", "yes")],
    "measure": [("meen", "mean")],
    "versus": [("noo", "no")],
    "first": [("age:yong", "young"), ("age", None)],
    "second": [("gender:mann", "man")],
    "population": [("everbody", "everybody"), ("moon", None)],
    "period": [("2026-W01", "2026-W09"), ("spring", None)],
    "since": [("2026-W01", "2026-W09"), ("spring", None)],
    "release": [("never", None)],
    "before": [("never", None)],
    "as_of": [("moon", None), ("2026-01-01T00:00:00", None), ("0001-01-01T00:00:00+14:00", None)],
    "uncertainty": [("totl", "total")],
    "estimand": [("truht", "truth")],
    "seats": [("incom", "income")],
    "n": [("0", None), ("x", None)],
    "targets": [("agee", "age"), ("moon", None)],
    "format": [("htm", "html")],
    "output": [("cvs", "csv")],
    "last_event_id": [("x", None), ("999999999", None)],
    "ticket": [("x", None)],
    "merge": [("age:yong|old=grown", "young"), ("age", None)],
    "until": [("2026-W01", "2026-W09"), ("spring", None)],
    "limit": [("0", None), ("x", None)],
    "cursor": [("x", None)],
    "table": [("drws", "draws")],
    "code_property": [("cod", None)],
    "projection": [("mercatr", "mercator")],
}
"""Parameter -> values that it does not take, and which of those it takes is near."""
UNKNOWN = {
    "survey_id": "twon",
    "question_id": "rial",
    "district": "D11",
    "number": "0",
    "upload_id": "none",
    "event_id": "99",
}


@pytest.fixture(scope="module")
def world(_sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("offending")
    shutil.copy(_sqlite_template, folder / "hustings.db")
    store = open_store(f"sqlite:///{folder}/hustings.db")
    world = make_world(store, folder, key_rate=0.0)
    world.services.events.end()
    with world.client:
        world.release()
        world.weekly_release()
        yield world
    store.close()


def refusal(reply: Any) -> dict[str, Any]:
    assert 400 <= reply.status_code < 500, reply.text
    body: dict[str, Any] = reply.json()
    return body


def test_every_query_parameter_that_is_wrong_is_named(world: World):
    known = {name for *_, name in queries(world)} | {"ticket"}
    assert known == set(WRONG)
    suggested = set()
    release = world.get(f"/v1/surveys/{SURVEY}/questions/rail/releases").json()["releases"][0]["id"]
    for operation, method, unknown, name in queries(world):
        # What is asked of a release is looked at only where there is one.
        path = re.sub("/releases/never/(draws|representation)", rf"/releases/{release}/\1", unknown)
        for value, _ in WRONG[name]:
            groups = {"first": "age:old", "second": "age:young"}
            about = (groups if operation == "getContrast" and name != "versus" else {}) | {name: value}
            sent = {"respondent": "nobody"} if method == "POST" else collection() if method == "PUT" else None
            reply = world.client.request(method, path, params=about, json=sent, headers=world.bearer("admin"))
            problem = refusal(reply)
            where = (operation, name, value, problem)
            assert problem.get("parameter") == name, where
            if problem.get("nearest"):
                assert problem["nearest"] in problem["allowed"], where
                suggested.add((name, problem["nearest"]))
    # Some routes refuse a parameter whatever it says; the others suggest.
    assert suggested == {(name, nearest) for name, values in WRONG.items() for _, nearest in values if nearest}


def test_a_ticket_that_opens_nothing_is_named(world: World):
    problem = refusal(world.client.get(f"/v1/surveys/{SURVEY}/events?ticket=x"))
    assert (problem["status"], problem["parameter"]) == (401, "ticket")


def test_what_no_route_knows_is_named_with_the_nearest(world: World):
    for operation, method, path, one in operations(world):
        if one["security"]:
            problem = refusal(world.client.request(method, f"{path}?levle=1", headers=world.bearer("admin")))
            takes_level = any(each["name"] == "level" for each in one.get("parameters", []))
            assert problem["parameter"] == "levle", operation
            assert problem.get("nearest") == ("level" if takes_level else None), operation


def test_every_path_parameter_that_is_wrong_is_named(world: World):
    tried = set()
    for operation, method, _, one in operations(world):
        template = next(
            path
            for path, methods in world.client.get("/openapi.json").json()["paths"].items()
            if any(each["operationId"] == operation for each in methods.values())
        )
        good = {"survey_id": SURVEY, "question_id": "rail", "wave_id": "w1", "release_id": "never", "district": "D1"}
        for name in re.findall(r"{(\w+)}", template):
            if name in ("number", "event_id") or (name != "survey_id" and one.get("requestBody")):
                continue
            values = good | {name: UNKNOWN.get(name, "never")}
            path = re.sub(r"{(\w+)}", lambda match, values=values: values.get(match[1], "1"), template)
            query = {"first": "age:old", "second": "age:young"} if operation == "getContrast" else None
            sent = {} if "application/json" in one.get("requestBody", {}).get("content", {}) else None
            reply = world.client.request(method, path, params=query, json=sent, headers=world.bearer("admin"))
            if reply.status_code == 404 and name in values:
                assert reply.json().get("parameter") == name, (operation, name, reply.text)
                tried.add((operation, name))
    assert {name for _, name in tried} >= {"survey_id", "question_id", "wave_id", "release_id", "district", "job_id"}


def test_a_question_that_is_nearly_right_is_suggested(world: World):
    problem = refusal(world.get(f"/v1/surveys/{SURVEY}/questions/rial/estimates"))

    assert (problem["parameter"], problem["nearest"]) == ("question_id", "rail")
    assert problem["allowed"] == ["rail", "tax", "bridge"]
    assert "Did you mean 'rail'?" in problem["detail"]


def test_every_field_of_a_body_that_is_wrong_is_named(world: World):
    for operation, path, schema in with_json(world):
        for field, one in schema["properties"].items():
            for label, value in values_against(one):
                body = json.dumps(example_of(schema) | {field: value}).encode()
                headers = world.bearer("admin") | {"Content-Type": "application/json"}
                problem = refusal(world.client.post(path, content=body, headers=headers))
                if "too large to be read" not in problem["detail"]:
                    assert problem.get("parameter") == field, (operation, field, label, problem)


@pytest.mark.parametrize(
    ("path", "body", "parameter", "nearest"),
    [
        ("webhooks", {"url": "https://x.example", "types": ["wave", "relase"]}, "types[1]", "release"),
        ("webhooks", {"urls": "https://x.example"}, "urls", "url"),
        ("webhooks", {"url": "http://x.example"}, "url", None),
        ("keys", {"role": "reeder"}, "role", "reader"),
        ("keys", {"role": "reader", "days": 0}, "days", None),
        ("waves/undo", {"reason": "x", "waves": ["a", 5]}, "waves[1]", None),
        ("waves/undo", {"reason": "x", "waves": ["never"]}, "waves", None),
        ("waves/undo", {"waves": ["never"]}, "reason", None),
        ("waves/w1/withdraw", {"reason": ""}, "reason", None),
    ],
)
def test_the_place_in_a_body_is_named(world: World, path: str, body: Any, parameter: str, nearest: str | None):
    reply = world.client.post(f"/v1/surveys/{SURVEY}/{path}", json=body, headers=world.bearer("admin"))
    problem = refusal(reply)

    assert (problem["parameter"], problem.get("nearest")) == (parameter, nearest), problem


@pytest.mark.parametrize(
    ("fields", "parameter"),
    [
        ({"reference": None}, "reference"),
        ({"fieldwork_start": "soon"}, "fieldwork_start"),
        ({"pollster": "Somebody else"}, "pollster"),
        ({"facts": "[]"}, "facts"),
        ({"facts": '{"mode": "a", "mode": "b"}'}, "facts"),
        ({"nonsense": "x"}, "nonsense"),
    ],
)
def test_the_field_of_a_form_is_named(world: World, fields: dict[str, str | None], parameter: str):
    fields = {"reference": "formed", **fields}
    assert refusal(world.push(fields.pop("reference"), **fields))["parameter"] == parameter


def test_a_long_list_is_cut_and_the_nearest_told_all_the_same():
    many = [f"D{n:04}" for n in range(3000)]
    problem, _ = answer(UnknownChoice("district", "D2999x", many))

    assert problem.allowed == many[:MAX_ALLOWED]
    assert problem.nearest == "D2999"


@pytest.mark.parametrize(
    ("detail", "query", "parameter"),
    [
        ("There is no district 'D7'.", {"districts": "D1, D7", "by": "age"}, "districts"),
        ("There is no age 'old'.", {"by": "age", "where": "age:old"}, "where"),
        ("release and as_of both name a release.", {"as_of": "x", "release": "y"}, "release"),
        ("Something else.", {"by": "age", "level": "district"}, None),
        ("Something else.", {"by": "age"}, None),
    ],
)
def test_the_sentence_and_the_parameter_agree(detail: str, query: dict[str, str], parameter: str | None):
    assert offending_parameter(detail, {"survey_id": "town"}, query) == parameter
