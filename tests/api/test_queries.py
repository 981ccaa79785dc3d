"""Many queries at once: each is answered as its GET is, and all of a question by one release."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.limits import Limits
from api.query_kinds import KINDS
from tests.api.world import AGES, DISTRICTS, GENDERS, SURVEY, WEEKS, World, wave_csv

URL = f"/v1/surveys/{SURVEY}/queries"
RAIL = f"/v1/surveys/{SURVEY}/questions/rail"


def post(world: World, *queries: Any, role: str = "reader", **body: Any) -> Any:
    return world.client.post(URL, headers=world.bearer(role), json={"queries": list(queries)} | body)


def ask(world: World, *queries: Any) -> list[dict[str, Any]]:
    reply = post(world, *queries)
    assert reply.status_code == 200, reply.text
    answers: list[dict[str, Any]] = reply.json()["answers"]
    assert len(answers) == len(queries)
    return answers


def as_get(world: World, query: dict[str, Any]) -> dict[str, Any]:
    """What the GET of a query answers."""
    parameters = {name: value for name, value in query.items() if name not in ("question", "kind", "district")}
    parameters = {name: value for name, value in parameters.items() if value is not None}
    what = f"districts/{query['district']}" if query["kind"] == "district" else query["kind"]
    path = f"/v1/surveys/{SURVEY}/questions/{query['question']}/{what}"
    reply = world.get(path, params=parameters)
    body = reply.json()
    if body.get("parameter") == "question_id":  # of the path, which is a field here
        body["parameter"] = "question"
    return {"status": reply.status_code, "body": body}


SHARED = {
    "by": st.sampled_from(["age", "age,gender", "agee"]),
    "where": st.sampled_from(["gender:man", "age:old,age:young", "old"]),
    "interval": st.sampled_from(["0.5", 0.8, "0.5,0.9", 1, "x"]),
    "option": st.sampled_from(["yes", "no", "moon", None]),
    "level": st.sampled_from(["nation", "region", "district", None]),
    "merge": st.sampled_from(["age:young|old=x", "district:D1|D4=Coast"]),
    "period": st.sampled_from([WEEKS[0], WEEKS[2], "2020-W01"]),
}
OWN: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "probability": {"threshold": st.sampled_from([0.4, 0.5, 2.0])},
    "contrast": {"first": st.just("age:old"), "second": st.sampled_from(["age:young", "age:old"])},
    "change": {"since": st.sampled_from([*WEEKS, "never"])},
    "trend": {"since": st.sampled_from(WEEKS), "until": st.sampled_from(WEEKS)},
    "seats": {"seats": st.sampled_from(["income", "seats"])},
    "district": {"district": st.sampled_from([*DISTRICTS, "D9"])},
}


@st.composite
def queries(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(sorted(KINDS)))
    query: dict[str, Any] = {
        "question": draw(st.sampled_from(["rail", "rail", "rail", "bridge", "none"])),
        "kind": kind,
    }
    for name in draw(st.lists(st.sampled_from(sorted(SHARED)), unique=True, max_size=3)):
        query[name] = draw(SHARED[name])
    for name, values in OWN.get(kind, {}).items():
        if name == "district" or draw(st.booleans()):
            query[name] = draw(values)
    return query


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(queries(), min_size=1, max_size=6))
def test_any_queries_are_answered_as_their_gets_are(weekly: World, asked: list[dict[str, Any]]):
    assert ask(weekly, *asked) == [as_get(weekly, query) for query in asked]


def test_every_kind_is_answered(weekly: World):
    asked = [{"question": "rail", "kind": kind, "level": "district"} for kind in KINDS]
    for query in asked:
        if query["kind"] in ("district", "seats", "battleground"):
            query.pop("level")
        if query["kind"] == "district":
            query["district"] = "D1"
        if query["kind"] == "contrast":
            query |= {"first": "age:old", "second": "age:young"}
        if query["kind"] == "revision":
            query["before"] = "none"
    answers = ask(weekly, *asked)

    assert answers == [as_get(weekly, query) for query in asked]
    refused = {"revision": 404, "means": 422}  # there is no release of this id, and shares have no mean
    assert [one["status"] for one in answers] == [refused.get(query["kind"], 200) for query in asked]


def test_a_query_that_is_refused_does_not_stop_the_others(served: World):
    good = {"question": "rail", "kind": "estimates"}
    answers = ask(served, good, good | {"level": "regoin"}, good | {"question": "bridge"}, good | {"by": "age"})

    assert [one["status"] for one in answers] == [200, 422, 404, 200]
    assert [one["body"].get("type") for one in answers[1:3]] == ["unknown-choice", "no-release-yet"]
    assert len(answers[3]["body"]["estimates"]) == len(AGES)


@pytest.mark.parametrize(
    ("query", "status", "told"),
    [
        ({"kind": "estimates"}, 400, "A query needs question, as text."),
        ({"question": "rail"}, 400, "A query needs kind, as text."),
        ({"question": 7, "kind": "rank"}, 400, "A query needs question, as text."),
        ({"question": "rail", "kind": "estimate"}, 422, "Did you mean 'estimates'?"),
        ({"question": "rail", "kind": "estimates", "levle": "region"}, 400, "Did you mean 'level'?"),
        ({"question": "rail", "kind": "estimates", "threshold": 0.5}, 400, "no query parameter 'threshold'"),
        ({"question": "rail", "kind": "estimates", "format": "csv"}, 400, "no query parameter 'format'"),
        ({"question": "rail", "kind": "estimates", "services": "x"}, 400, "no query parameter 'services'"),
        ({"question": "rail", "kind": "district"}, 400, "This kind of query needs district."),
        ({"question": "rail", "kind": "estimates", "by": ["age"]}, 400, "by: Expected `str | null`, got `array`."),
        ({"question": "rail", "kind": "estimates", "interval": True}, 400, "interval: Expected `str`, got `bool`."),
        ({"question": "rail", "kind": "probability", "threshold": "0.5"}, 400, "threshold: Expected `float "),
        ({"question": "rail", "kind": "estimates", "as_of": "2026-01-01T00:00:00"}, 400, "as_of has no time zone"),
        ({"question": "rail", "kind": "estimates", "as_of": "soon"}, 400, "as_of: not a moment such as"),
    ],
)
def test_what_is_no_query_is_refused_in_its_place(served: World, query: dict[str, Any], status: int, told: str):
    (answer,) = ask(served, query)

    assert (answer["status"], answer["body"]["status"]) == (status, status)
    assert told in answer["body"]["detail"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"queries": [{"question": "rail", "kind": "estimates", "by": "a\\u0000"}]}',
        b'{"queries": []}',
        b'{"queries": [7]}',
        b'{"queries": {}}',
        b'{"queries": [{"question": "rail", "kind": "estimates"}], "more": 1}',
        json.dumps({"queries": [{"question": "rail", "kind": "seats"}] * 51}).encode(),
        b'{"queries": ' + b"[" * 60_000,
    ],
)
def test_a_body_that_is_no_list_of_queries_is_refused_whole(served: World, content: bytes):
    headers = served.bearer("reader") | {"Content-Type": "application/json"}
    reply = served.client.post(URL, headers=headers, content=content)

    assert (reply.status_code, reply.headers["content-type"]) == (400, "application/problem+json")


def test_a_fault_of_one_query_is_logged_and_the_others_are_answered(
    served: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def faulty(*_given: Any) -> Any:
        raise ZeroDivisionError("an answer of somebody")

    monkeypatch.setattr("api.routes.comparisons.answer_ranks", faulty)
    fine = {"question": "rail", "kind": "estimates"}
    answers = ask(served, {"question": "rail", "kind": "rank", "level": "district", "interval": "0.123"}, fine)

    assert [one["status"] for one in answers] == [500, 200]
    assert "somebody" not in json.dumps(answers)
    (logged,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "unexpected ZeroDivisionError in POST" in logged.getMessage()
    assert "somebody" not in caplog.text


def test_all_queries_of_a_question_are_answered_by_one_release(world: World, monkeypatch: pytest.MonkeyPatch):
    first = world.release()
    from api.many_queries import _OneRelease

    ask_one, n_asked = _OneRelease.ask, 0

    def ask_and_publish(self: _OneRelease, query: Any) -> Any:
        nonlocal n_asked
        if (n_asked := n_asked + 1) == 2:
            world.release("meanwhile", wave_csv(start=5000))
        return ask_one(self, query)

    monkeypatch.setattr(_OneRelease, "ask", ask_and_publish)
    queries = [{"question": "rail", "kind": "estimates", "interval": 0.9 - n / 100} for n in range(3)]
    now = ask(world, *queries, {"question": "rail", "kind": "revision", "before": first.id})
    later = ask(world, queries[0])

    assert [one["body"]["release_number"] for one in now[:3]] == [1, 1, 1]
    assert {one["body"]["stale_since"] for one in now[:3]} == {None}
    assert (now[3]["status"], "not earlier than release 1" in now[3]["body"]["detail"]) == (422, True)
    assert later[0]["body"]["release_number"] == 2


def test_a_query_may_name_another_release(world: World):
    first = world.release()
    world.release("w2", wave_csv(start=1000))

    old, new, moment = ask(
        world,
        {"question": "rail", "kind": "estimates", "release": first.id},
        {"question": "rail", "kind": "estimates"},
        {"question": "rail", "kind": "estimates", "as_of": first.published_at.isoformat()},
    )
    assert [one["body"]["release_number"] for one in (old, new, moment)] == [1, 2, 1]


def test_answers_that_fill_the_reply_leave_the_rest_out(served: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("api.many_queries.MOST_BYTES", 10)
    first, second = ask(served, *[{"question": "rail", "kind": "estimates"}] * 2)

    assert (first["status"], second["status"]) == (200, 422)
    assert "Ask for this one in another request." in second["body"]["detail"]


def test_each_query_counts_as_a_request(served: World):
    limits = Limits(0.001, 10)
    query = {"question": "rail", "kind": "estimates"}
    kept = served.services.limits
    object.__setattr__(served.services, "limits", limits)
    try:
        fine = post(served, *[query] * 6)
        refused = post(served, *[query] * 5)
        alone = post(served, query)
        never = post(served, *[query] * 11)
    finally:
        object.__setattr__(served.services, "limits", kept)

    assert (fine.status_code, fine.headers["ratelimit-remaining"]) == (200, "4")
    assert (refused.status_code, refused.json()["type"]) == (429, "too-many-requests")
    # The refused request cost the one token of any request, and no more.
    assert (alone.status_code, alone.headers["ratelimit-remaining"]) == (200, "2")
    assert (never.status_code, "11 things" in never.json()["detail"]) == (400, True)


def test_readers_analysts_and_admins_ask(served: World):
    query = {"question": "rail", "kind": "estimates"}
    codes = {
        role: post(served, query, role=role).status_code for role in ("reader", "analyst", "admin", "pollster", "dpo")
    }

    assert codes == {"reader": 200, "analyst": 200, "admin": 200, "pollster": 403, "dpo": 403}
    assert post(served, query).headers["cache-control"] == "private, no-store"
    assert len(GENDERS) == 2
