"""What nobody sends on purpose, to every route that has a body or a query: the right refusal, the same on both stores.

The routes, their fields and their parameters are found by looking at the application: a new one is tried by itself.
"""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from polling.store.engine import open_store
from tests.api.world import SURVEY, World, make_world

DEEP = 60_000
HUGE = "9" * 400

PATHS = {"survey_id": SURVEY, "question_id": "rail", "wave_id": "w1", "district": "D1", "number": "1", "event_id": "1"}
"""What stands in paths; anything else is looked for and not found, which is refused later than what is tried here."""

BODIES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "bad-request"),
    "blanks": (b"  \n ", "bad-request"),
    "cut off": (b'{"reason": "x', "bad-request"),
    "not JSON": (b"reason=x", "bad-request"),
    "two values": (b"{} {}", "bad-request"),
    "null": (b"null", "bad-request"),
    "a list": (b"[]", "bad-request"),
    "a text": (b'"x"', "bad-request"),
    "a number": (b"5", "bad-request"),
    "an unknown field": (b'{"nonsense": 1}', "bad-request"),
    "deep lists": (b"[" * DEEP + b"]" * DEEP, "bad-request"),
    "deep objects": (b'{"reason":' * DEEP + b"1" + b"}" * DEEP, "bad-request"),
    "deep and cut off": (b"[" * DEEP, "bad-request"),
    "a name twice": (b'{"reason": "a", "reason": "b"}', "bad-request"),
    "a name twice, further in": (b'{"facts": {"mode": "a", "mode": "b"}}', "bad-request"),
    "NaN": (b'{"reason": NaN}', "bad-request"),
    "infinity": (b'{"reason": -Infinity}', "bad-request"),
    "1e400": (b'{"reason": 1e400}', "bad-request"),
    "a huge number": (b'{"reason": %s}' % HUGE.encode(), "bad-request"),
    "a number of 6,000 digits": (b'{"reason": %s}' % (b"1" * 6000), "bad-request"),
    "a NUL in a name": (b'{"rea\\u0000son": "x"}', "nul-character"),
    "a NUL in a text": (b'{"reason": "x\\u0000"}', "nul-character"),
    "a raw NUL": (b'{"reason": "x\x00"}', "bad-request"),
    "half a surrogate pair": (b'{"reason": "\\ud800"}', "bad-request"),
    "half a pair, the other way": (b'{"reason": "\\udc00\\ud800"}', "bad-request"),
    "a surrogate in bytes": (b'{"reason": "\xed\xa0\x80"}', "bad-request"),
    "Latin-1": (b'{"reason": "\xe9"}', "bad-request"),
    "UTF-16": ('{"reason": "x"}'.encode("utf-16"), "bad-request"),
    "a byte order mark": (b'\xef\xbb\xbf{"reason": "x"}', "bad-request"),
    "too large": (b'{"reason": "' + b"x" * 1_000_001 + b'"}', "too-large"),
}
TYPES = [
    "",
    "text/plain",
    "text/plain; charset=utf-8",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "application/xml",
    "application/json-patch+json",
    "application/json; charset=utf-16",
    "application/json; charset=latin-1",
    "application/json; charset=nonsense",
    "nonsense",
    "/",
    "application/json, text/plain",
]
QUERIES = {
    "nothing": "",
    "NaN": "nan",
    "infinity": "-inf",
    "1e400": "1e400",
    "minus zero": "-0",
    "a huge number": HUGE,
    "6,000 digits": "1" * 6000,
    "a hexadecimal number": "0x1",
    "Arabic digits": "٠.٩",
    "a number in quotes": '"5"',
    "null": "null",
    "true": "true",
    "commas": ",,,",
    "colons": ":::",
    "a label without an end": "age:",
    "a very long text": "a" * 5000,
    "deep JSON": "[" * 3000,
    "a line end": "a\r\nb",
    "a text from right to left": "\u202eabc",
    "the first moment": "0001-01-01T00:00:00+14:00",
    "the last moment": "9999-12-31T23:59:59-14:00",
    "the first day of week 0": "0000-W00",
    "a day that is none": "2026-02-30T00:00:00Z",
    "a second that is none": "2026-01-01T23:59:60Z",
    "a moment without a zone": "2026-01-01T00:00:00",
}
HARMLESS = {
    *((name, "commas") for name in ("districts", "by", "where", "first", "second", "targets")),
    ("as_of", "null"),
    ("limit", "null"),
    ("threshold", "null"),
    ("threshold", "minus zero"),
}
"""Lists with nothing in them, no moment, no limit, and a number that has two signs."""


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A service with one release, once on each store."""
    folder = tmp_path_factory.mktemp("strange")
    url = f"sqlite:///{folder}/hustings.db"
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("_sqlite_template"), folder / "hustings.db")
    else:
        server = request.getfixturevalue("postgres_server")
        url = server.url(server.create(template=request.getfixturevalue("_postgres_template")))
    store = open_store(url)
    world = make_world(store, folder, key_rate=0.0)
    world.services.events.end()  # a stream of events has no end by itself
    with world.client:
        world.release()
        yield world
    store.close()


def document(world: World) -> dict[str, Any]:
    found: dict[str, Any] = world.client.get("/openapi.json").json()
    return found


def operations(world: World) -> list[tuple[str, str, str, dict[str, Any]]]:
    """Operation id, method, path with names in it, description."""
    found = []
    for template, methods in document(world)["paths"].items():
        path = re.sub(r"{(\w+)}", lambda match: PATHS.get(match[1], "never"), template)
        found += [(one["operationId"], method.upper(), path, one) for method, one in methods.items()]
    return found


def with_json(world: World) -> list[tuple[str, str, dict[str, Any]]]:
    """Operation id, path and schema of every JSON body."""
    schemas = document(world)["components"]["schemas"]
    return [
        (name, path, schemas[content["application/json"]["schema"]["$ref"].rpartition("/")[2]])
        for name, _, path, one in operations(world)
        if "application/json" in (content := one.get("requestBody", {}).get("content", {}))
    ]


def post(world: World, path: str, content: bytes, media_type: str = "application/json") -> tuple[int, str]:
    headers = world.bearer("admin") | ({"Content-Type": media_type} if media_type else {})
    return told(world.client.post(path, content=content, headers=headers))


def told(reply: Any) -> tuple[int, str]:
    """Status, and type of the problem."""
    if reply.status_code < 400:
        return reply.status_code, ""
    assert reply.headers["content-type"] == "application/problem+json", reply.text
    body = reply.json()
    assert len(body["detail"]) < 3000, body["detail"][:300]
    return reply.status_code, body["type"]


def test_bodies_that_are_none_are_refused_by_every_route(world: World):
    found = {
        (name, label): post(world, path, *body[:1])
        for name, path, _ in with_json(world)
        for label, body in BODIES.items()
    }
    statuses = {"too-large": 413}

    expected = {(name, label): (statuses.get(kind, 400), kind) for name, label in found for kind in [BODIES[label][1]]}
    assert len(found) >= 17 * len(BODIES)
    assert {who: answer for who, answer in found.items() if answer != expected[who]} == {}


def test_other_media_types_are_refused_by_every_route(world: World):
    found = {(name, one): post(world, path, b"{}", one) for name, path, _ in with_json(world) for one in TYPES}

    assert {who: answer for who, answer in found.items() if answer != (415, "unsupported-media-type")} == {}


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", '"utf-8"', "us-ascii"])
def test_utf_8_may_be_said(world: World, charset: str):
    path = f"/v1/surveys/{SURVEY}/questions/rail/hold"
    assert post(world, path, b'{"reason": "x"}', f"application/json; charset={charset}")[0] == 200


def values_against(schema: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Values that a field of this schema may not have; none where it takes any."""
    kinds = [one.get("type") for one in schema.get("oneOf", [schema])]
    others: dict[str, Any] = {
        "integer": "5",
        "number": "5",
        "string": 5,
        "boolean": 1,
        "array": "x",
        "object": [],
    }
    if "integer" in kinds:
        yield from (("a fraction", 1.5), ("more than the database holds", 2**63), ("true", True))
    if "number" in kinds:
        yield "true", True
    for kind in kinds:
        if kind in others:
            yield f"{others[kind]!r} for {kind}", others[kind]
    if "null" not in kinds:
        yield "null", None
    if any(one.get("format") == "date-time" for one in schema.get("oneOf", [schema])):
        yield from ((label, QUERIES[label]) for label in QUERIES if "moment" in label or "that is none" in label)


def test_values_of_the_wrong_type_are_refused_in_every_field(world: World):
    found = {}
    for name, path, schema in with_json(world):
        good = example_of(schema)
        for field, one in schema["properties"].items():
            for label, value in values_against(one):
                found[name, field, label] = post(world, path, json.dumps(good | {field: value}).encode())

    assert len(found) > 50
    found.pop(("undoWaves", "since", "a moment without a zone"))  # a problem of its own
    assert {who: answer for who, answer in found.items() if answer != (400, "bad-request")} == {}


def example_of(schema: dict[str, Any]) -> dict[str, Any]:
    """What a body must have at least."""
    made: dict[str, Callable[[dict[str, Any]], Any]] = {
        "string": lambda one: "2026-01-01" if one.get("format") == "date" else "x",
        "integer": lambda _: 1,
        "number": lambda _: 1,
        "array": lambda _: [],
    }
    return {name: made[(one := schema["properties"][name])["type"]](one) for name in schema.get("required", [])}


def test_whole_numbers_at_their_ends_are_no_fault(world: World):
    for name, path, schema in with_json(world):
        for field, one in schema["properties"].items():
            if "integer" in [kind.get("type") for kind in one.get("oneOf", [one])]:
                for value in (0, -1, 2**31, 2**63 - 1, -(2**63) + 1):
                    body = json.dumps(example_of(schema) | {field: value}).encode()
                    assert post(world, path, body)[0] in (200, 400, 404, 409, 422), (name, field, value)


def queries(world: World) -> list[tuple[str, str, str, str]]:
    """Operation id, method, path and name of every query parameter."""
    return [
        (operation, method, path, parameter["name"])
        for operation, method, path, one in operations(world)
        for parameter in one.get("parameters", [])
        if parameter["in"] == "query" and parameter["name"] != "ticket"  # not looked at beside a key
    ]


def test_strange_values_are_no_fault_in_any_query(world: World):
    seen: set[str] = set()
    tried = 0
    for operation, method, path, name in queries(world):
        # What a name takes is read in one place: all values at the first route that has it, one at the others.
        labels = [*QUERIES] if name not in seen else ["a huge number"]
        seen.add(name)
        for label in labels:
            reply = world.client.request(method, path, params={name: QUERIES[label]}, headers=world.bearer("admin"))
            status, _ = told(reply)
            allowed = {200} if (name, label) in HARMLESS or label == "nothing" else set()
            assert status in allowed | {400, 404, 415, 422} | ({410} if name == "last_event_id" else set()), (
                operation,
                name,
                label,
                reply.text,
            )
            tried += 1
    assert tried > 15 * len(QUERIES)


def test_a_nul_twice_and_bytes_that_are_no_text_are_refused_in_any_query(world: World):
    for operation, method, path, name in queries(world):
        for query, kind in ((f"{name}=%00", "nul-character"), (f"{name}=a&{name}=b", "repeated-parameter")):
            reply = world.client.request(method, f"{path}?{query}", headers=world.bearer("admin"))
            assert told(reply) == (400, kind), (operation, query)
        for query in (f"{name}=%FF", f"{name}=%ED%A0%80", f"{name}=%C0%80"):
            reply = world.client.request(method, f"{path}?{query}", headers=world.bearer("admin"))
            assert reply.status_code in (400, 404, 410, 415, 422), (operation, query, reply.text)
