"""Pages of other origins: which may read answers, and what their browsers are told before they ask."""

from dataclasses import replace
from typing import Any

import pytest
from litestar.testing import TestClient

from api.app import create_app
from api.cross_origin import CrossOrigin
from api.edge import Edge
from jobs.errors import BadSetting
from jobs.origins import origins
from jobs.settings import Settings
from tests.api.world import SURVEY, World

URL = f"/v1/surveys/{SURVEY}/questions/rail/estimates"
APP, OTHER = "https://app.example.org", "https://evil.example"
CORS = ("access-control-allow-origin", "access-control-expose-headers", "access-control-allow-credentials")


def ask(world: World, allowed: str, method: str = "GET", *, origin: str | None = APP, **headers: str) -> Any:
    client = TestClient(Edge(CrossOrigin(world.app, allowed)), raise_server_exceptions=False)
    sent = headers | ({} if origin is None else {"Origin": origin})
    return client.request(method, URL, headers=sent)


def preflight(world: World, allowed: str, *, origin: str | None = APP) -> Any:
    wanted = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization,if-none-match"}
    return ask(world, allowed, "OPTIONS", origin=origin, **wanted)


def test_a_preflight_needs_no_key_and_tells_what_a_page_may_send(served: World):
    reply = preflight(served, f"https://first.example, {APP}")

    assert (reply.status_code, reply.content) == (204, b"")
    assert reply.headers["access-control-allow-origin"] == APP
    assert {"GET", "HEAD", "POST", "DELETE"} == set(reply.headers["access-control-allow-methods"].split(", "))
    taken = reply.headers["access-control-allow-headers"].lower().split(", ")
    assert {"authorization", "if-none-match", "content-type", "idempotency-key", "last-event-id"} <= set(taken)
    assert reply.headers["access-control-max-age"] == "600"
    assert reply.headers["vary"] == "Origin"
    assert "access-control-allow-credentials" not in reply.headers


def test_an_answer_may_be_read_by_the_origin_that_is_named(served: World):
    reply = ask(served, APP, **served.bearer("reader"))

    assert reply.status_code == 200
    assert reply.headers["access-control-allow-origin"] == APP
    shown = reply.headers["access-control-expose-headers"].split(", ")
    assert {"ETag", "Link", "Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"} <= set(shown)
    assert reply.headers.get_list("vary") == ["Accept, Accept-Encoding, Authorization, Origin"]
    again = ask(served, APP, **served.bearer("reader"), **{"If-None-Match": reply.headers["etag"]})
    assert (again.status_code, again.headers["access-control-allow-origin"]) == (304, APP)


def test_a_refusal_may_be_read_too(served: World):
    reply = ask(served, APP)
    assert (reply.status_code, reply.headers["access-control-allow-origin"]) == (401, APP)
    assert reply.headers["vary"] == "Origin"


@pytest.mark.parametrize("origin", [OTHER, "null", f"{APP}:8443", "http://app.example.org", f"{APP}.evil.test", None])
def test_no_other_origin_is_allowed_anything(served: World, origin: str | None):
    asked = preflight(served, APP, origin=origin)
    read = ask(served, APP, origin=origin, **served.bearer("reader"))

    for reply in (asked, read):
        assert [name for name in CORS if name in reply.headers] == []
        assert "Origin" in reply.headers["vary"]
    assert "access-control-allow-methods" not in asked.headers


def test_any_origin_may_be_allowed_but_never_a_browsers_own_credentials(served: World):
    reply = ask(served, "*", origin=OTHER, **served.bearer("reader"), Cookie="a=b")

    assert reply.headers["access-control-allow-origin"] == OTHER
    assert "access-control-allow-credentials" not in reply.headers
    assert preflight(served, "*", origin=OTHER).headers["access-control-allow-origin"] == OTHER


def test_the_setting_reaches_the_service_and_by_default_allows_nobody(served: World):
    url = f"sqlite:///{served.settings.data_dir / 'hustings.db'}"
    for allowed, expected in (("", None), (APP, APP)):
        settings = replace(served.settings, database_url=url, cors_origins=allowed)
        with TestClient(create_app(settings)) as client:
            reply = client.get("/health", headers={"Origin": APP})
        assert (reply.status_code, reply.headers.get("access-control-allow-origin")) == (200, expected)


@pytest.mark.parametrize(
    "text",
    [
        "example.org",
        "https://example.org/",
        "https://Example.org",
        "null",
        "*, https://a.example",
        "https://*.a.example",
    ],
)
def test_what_no_browser_sends_is_refused_as_a_setting(text: str):
    with pytest.raises(BadSetting, match=r"cors_origins is .*origins such as https://example\.org"):
        Settings(cors_origins=text)


def test_origins_are_read_with_commas_between():
    text = " https://a.example, http://localhost:3000,https://[::1]:8443 ,"
    assert origins(text) == {"https://a.example", "http://localhost:3000", "https://[::1]:8443"}
    assert origins("") == frozenset()
    assert origins("*") == {"*"}
