"""A key is exchanged for a session: what its cookie is like, what ends it, what a form of another site can do."""

import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from api.keys import revoke_key, rotate_key
from api.sessions import form_token, is_form_token, new_form_secret
from polling.keys import new_key
from polling.store.engine import Store, open_store
from tests.api.page.browser import OURS, send, sign_in, token_in
from tests.api.world import NOON, OTHER, SURVEY, World, make_world

HOME = {"Accept": "text/html"}
QUESTION = f"/surveys/{SURVEY}/questions/rail"


@pytest.fixture(scope="module")
def house(_sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One service for all tests of this file."""
    folder = tmp_path_factory.mktemp("house")
    (folder / "hustings.db").write_bytes(_sqlite_template.read_bytes())
    store = open_store(f"sqlite:///{folder}/hustings.db")
    world = make_world(store, folder, key_rate=0.0)
    with world.client:
        yield world
    store.close()


@pytest.fixture
def world(house: World) -> Iterator[World]:
    """The service at noon, with a browser that was never here."""
    house.now = NOON
    yield house
    house.client.cookies.clear()


def cookie(reply: Any, name: str) -> str:
    (found,) = [one for one in reply.headers.get_list("set-cookie") if one.startswith(f"{name}=")]
    return str(found)


def test_a_key_opens_a_session_whose_cookie_no_script_reads(world: World):
    reply = sign_in(world, world.key("reader"), following=QUESTION)

    assert (reply.status_code, reply.headers["location"]) == (303, QUESTION)
    assert reply.headers["cache-control"] == "no-store"
    told = cookie(reply, "hustings")
    assert {"HttpOnly", "Path=/", "SameSite=lax", "Max-Age=43200"} <= set(told.split("; "))
    assert "Secure" not in told
    assert "Signed in as reader" in world.client.get("/", headers=HOME).text


def test_over_https_the_cookie_is_sent_over_https_alone_and_set_by_no_other_host(sqlite_store: Store, tmp_path: Path):
    world = make_world(sqlite_store, tmp_path)
    with world.client:
        world.edge.proxies.seen_through = lambda scope: {**scope, "scheme": "https"}  # type: ignore[method-assign]
        page = world.client.get("/sign-in", headers=HOME)
        form = cookie(page, "__Host-hustings-form")
        pair = {"Cookie": form.partition(";")[0]}
        fields = {"key": world.key("reader"), "token": token_in(page.text), "next": "/"}
        reply = send(world, "/sign-in", fields, **pair)

        told = cookie(reply, "__Host-hustings")
        assert {"Secure", "HttpOnly", "Path=/"} <= set(told.split("; "))
        assert "Domain" not in told
        opened = world.client.get("/", headers=HOME | {"Cookie": told.partition(";")[0]})
        assert "Signed in as reader" in opened.text


def test_the_session_is_stored_by_hash_on_either_store(store: Store, tmp_path: Path):
    world = make_world(store, tmp_path)
    with world.client:
        secret = cookie(sign_in(world, world.key("analyst")), "hustings").partition("=")[2].partition(";")[0]
        with store.read() as session:
            (row,) = session.execute(text("SELECT * FROM web_session")).mappings()
        assert secret not in str(dict(row))
        assert len(secret) > 40
        assert world.client.get("/", headers=HOME).status_code == 200


@pytest.mark.parametrize("fault", ["none", "malformed", "unknown", "expired", "revoked", "", "<script>"])
def test_a_key_that_opens_nothing_opens_no_session_and_is_not_said_again(
    world: World, fault: str, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    key = {
        "none": "none",
        "unknown": new_key().text,
        "malformed": world.key("reader")[:-1],
        "expired": world.key("reader", expires_at=world.now - timedelta(seconds=1)),
        "revoked": world.key("reader"),
    }.get(fault, fault)
    if fault == "revoked":
        revoke_key(world.store, world.secrets, key.split("_")[1], actor="test", now=world.now)

    reply = sign_in(world, key)

    assert reply.status_code == 401
    assert not [one for one in reply.headers.get_list("set-cookie") if one.startswith("hustings=")]
    assert 'aria-invalid="true"' in reply.text
    if len(key) > 8:
        assert key not in reply.text
        assert key not in caplog.text


def test_a_key_that_is_accepted_is_in_no_page_and_no_log(world: World, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    key = world.key("admin")
    replies = [sign_in(world, key), world.client.get("/", headers=HOME), world.client.get("/nothing", headers=HOME)]
    secret = key.rsplit("_", 1)[1]
    assert all(secret not in one.text + str(one.headers) for one in replies)
    assert secret not in caplog.text


def test_a_session_ends_with_a_sign_out(world: World):
    sign_in(world, world.key("reader"))
    page = world.client.get("/", headers=HOME)
    kept = dict(world.client.cookies)

    reply = send(world, "/sign-out", {"token": token_in(page.text)})

    assert (reply.status_code, reply.headers["location"]) == (303, "/")
    assert "Max-Age=0" in cookie(reply, "hustings")
    # Who kept the cookie has nothing of it.
    world.client.cookies.update(kept)
    assert world.client.get(QUESTION, headers=HOME).status_code == 401


@pytest.mark.parametrize("end", ["time", "expiry", "revoked", "rotated"])
def test_a_session_ends_by_itself_and_with_its_key(world: World, end: str):
    key = world.key("reader", expires_at=world.now + timedelta(hours=1) if end == "expiry" else None)
    sign_in(world, key)
    headers = HOME | {"Cookie": f"hustings={world.client.cookies['hustings']}"}
    assert "Signed in" in world.client.get("/", headers=headers).text

    prefix, about = key.split("_")[1], {"actor": "test", "now": world.now}
    if end == "revoked":
        revoke_key(world.store, world.secrets, prefix, **about)
    elif end == "rotated":
        # Whatever the overlap: the key itself goes on, who signed in with it signs in again.
        rotate_key(world.store, world.secrets, prefix, **about)
    world.now += {"time": timedelta(hours=12), "expiry": timedelta(hours=1)}.get(end, timedelta())

    world.client.cookies.clear()
    assert world.client.get("/surveys/town", headers=headers).status_code == 401


def test_a_session_opens_no_route_of_the_interface(world: World):
    sign_in(world, world.key("admin"))
    assert "hustings" in world.client.cookies
    for method, path in (("GET", "/v1/surveys"), ("POST", f"/v1/surveys/{SURVEY}/waves"), ("GET", "/metrics")):
        reply = world.client.request(method, path)
        assert (reply.status_code, reply.json()["type"]) == (401, "key-missing")


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {},
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
def test_a_form_of_another_site_does_nothing(world: World, headers: dict[str, str], path: str):
    key = world.key("reader")
    if path == "/sign-out":
        sign_in(world, key)
    page = world.client.get("/sign-in" if path == "/sign-in" else "/", headers=HOME)
    fields = {"key": key, "token": token_in(page.text)}

    reply = world.client.post(path, data=fields, headers=HOME | headers, follow_redirects=False)

    assert reply.status_code == 403
    assert "set-cookie" not in reply.headers
    assert ("Signed in" in world.client.get("/", headers=HOME).text) == (path == "/sign-out")


def test_an_older_browser_says_the_origin_alone(world: World):
    page = world.client.get("/sign-in", headers=HOME)
    fields = {"key": world.key("reader"), "token": token_in(page.text)}
    headers = HOME | {"Origin": "http://testserver.local"}
    assert world.client.post("/sign-in", data=fields, headers=headers, follow_redirects=False).status_code == 303


@pytest.mark.parametrize("token", ["", "0" * 64, "another's"])
@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
def test_a_form_without_the_token_of_this_browser_does_nothing(world: World, token: str, path: str):
    key = world.key("reader")
    if path == "/sign-out":
        sign_in(world, key)
    else:
        world.client.get("/sign-in", headers=HOME)
    given = form_token(new_form_secret()) if token == "another's" else token
    assert send(world, path, {"key": key, "token": given}).status_code == 403


def test_a_token_belongs_to_one_secret():
    secret = new_form_secret()
    assert is_form_token(secret, form_token(secret))
    for other in (None, "", new_form_secret()):
        assert not is_form_token(other, form_token(secret))
    for token in (None, "", ["a"], "é", form_token(secret).upper()):
        assert not is_form_token(secret, token)


@pytest.mark.parametrize(
    ("asked", "leads"),
    [
        ("/surveys/town?release=x", "/surveys/town?release=x"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("/v1/surveys", "/"),
        ("/sign-out", "/"),
        ("/a\r\nSet-Cookie: x=1", "/"),
        ("", "/"),
    ],
)
def test_after_signing_in_one_is_on_a_page_of_this_server(world: World, asked: str, leads: str):
    assert sign_in(world, world.key("reader"), following=asked).headers["location"] == leads


def test_attempts_are_limited_by_address(sqlite_store: Store, tmp_path: Path):
    world = make_world(sqlite_store, tmp_path, key_rate=0.001, key_burst=3)
    with world.client:
        replies = [sign_in(world, "none") for _ in range(4)]
    assert [one.status_code for one in replies] == [401, 401, 401, 429]
    assert int(replies[-1].headers["retry-after"]) > 0
    assert "<h1>" in replies[-1].text


def test_a_session_is_noted_once_an_hour(world: World):
    sign_in(world, world.key("reader"))
    world.now += timedelta(hours=2)
    for _ in range(3):
        assert world.client.get("/", headers=HOME).status_code == 200
    world.services.uses.write()
    with world.store.read() as session:
        seen = session.scalars(text("SELECT max(last_seen_at) FROM web_session")).one()
    assert "14:00" in str(seen)


def test_a_page_of_a_survey_outside_the_key_is_answered_like_none(world: World):
    sign_in(world, world.key("admin", survey=SURVEY))
    replies = [world.client.get(f"/surveys/{survey}", headers=HOME) for survey in (OTHER, "nowhere")]
    assert [one.status_code for one in replies] == [404, 404]
    assert replies[0].text.replace(OTHER, "nowhere") == replies[1].text


def test_whoever_signed_in_is_led_on(world: World):
    sign_in(world, world.key("reader"))
    reply = world.client.get("/sign-in?next=/surveys/town", headers=OURS, follow_redirects=False)
    assert (reply.status_code, reply.headers["location"]) == (303, "/surveys/town")
