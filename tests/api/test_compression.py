"""What is sent whole and is text is compressed where that is accepted; answers and streams are let through."""

import asyncio
import gzip
from typing import Any

import pytest
from litestar.testing import TestClient

from api.compression import Compression
from api.edge import Edge
from tests.api.world import SURVEY, World

BASE = f"/v1/surveys/{SURVEY}"
ESTIMATES = f"{BASE}/questions/rail/estimates?level=district&by=gender"


def ask(world: World, path: str, encoding: str, method: str = "GET", **headers: str) -> tuple[Any, bytes]:
    """The reply, and its body as it was sent."""
    client = TestClient(Edge(Compression(world.app)), raise_server_exceptions=False)
    sent = world.bearer("admin") | {"Accept-Encoding": encoding} | headers
    with client.stream(method, path, headers=sent) as reply:
        return reply, b"".join(reply.iter_raw())


@pytest.mark.parametrize("path", ["/openapi.json", "/docs/openapi-3.0.json", "/docs/swagger-ui-bundle.js"])
def test_long_texts_are_compressed_and_stay_what_they_are(served: World, path: str):
    plain, content = ask(served, path, "identity")
    reply, packed = ask(served, path, "gzip, br")

    assert reply.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert gzip.decompress(packed) == content
    assert int(reply.headers["content-length"]) == len(packed) < len(content)
    assert reply.headers["content-type"] == plain.headers["content-type"]
    # Whether or not this one is compressed: a cache must know that another would be.
    assert reply.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    head, nothing = ask(served, path, "gzip, br", "HEAD")
    assert (nothing, head.headers["content-length"]) == (b"", reply.headers["content-length"])


def test_a_weak_validator_goes_on_meaning_the_same(served: World):
    url = served.get(f"{BASE}/questions/rail/releases").json()["releases"][0]["url"]
    reply, _ = ask(served, f"{url}/disclosure", "gzip", Accept="text/markdown")

    assert reply.headers["content-encoding"] == "gzip"
    assert reply.headers["vary"] == "Accept, Accept-Encoding, Authorization"
    tag = {"Accept": "text/markdown", "If-None-Match": reply.headers["etag"]}
    again, nothing = ask(served, f"{url}/disclosure", "gzip", **tag)
    assert (again.status_code, nothing) == (304, b"")


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_answers_with_a_strong_validator_are_let_through(served: World, encoding: str):
    with served.client.stream(
        "GET", ESTIMATES, headers=served.bearer("admin") | {"Accept-Encoding": encoding}
    ) as without:
        expected = b"".join(without.iter_raw())

    reply, content = ask(served, ESTIMATES, encoding)

    assert content == expected
    assert reply.headers["vary"] == "Accept, Accept-Encoding, Authorization"


@pytest.mark.parametrize("path", ["/health", "/nowhere", "/v1/surveys"])
def test_what_is_short_is_not_worth_it(served: World, path: str):
    assert "content-encoding" not in ask(served, path, "gzip")[0].headers


def test_what_is_sent_piece_by_piece_is_not_held_back():
    sent: list[Any] = []
    seen: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"text/event-stream"), *scope["extra"]]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for piece in (b"data: 1\n\n", b"data: 2\n\n"):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            seen.append(len(sent))
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def send(message: Any) -> None:
        sent.append(message)

    for extra in ([], [(b"content-length", b"5000")]):
        sent.clear()
        seen.clear()
        scope = {"type": "http", "headers": [(b"accept-encoding", b"gzip")], "extra": extra}
        asyncio.run(Compression(app)(scope, None, send))
        assert seen == [2, 3]
        assert b"".join(one.get("body", b"") for one in sent) == b"data: 1\n\ndata: 2\n\n"
