"""Every route with every kind of caller, found by looking at the application: a new route is in the table by itself.

No path is written down here. What a route takes besides the survey is made up, for nobody gets as far as that: who may
not call is refused before anything of the request is read or looked for.
"""

import re
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from api.app import handlers_of
from api.auth import PAGES, PUBLIC, ROLES, operation_id
from polling.keys import Role, new_key
from polling.store import keys as stored_keys
from polling.store.engine import open_store
from tests.api.world import OTHER, SURVEY, World, make_world

type Route = tuple[str, str, str]
"""Operation id, method, path template."""
type Table = dict[tuple[str, str], tuple[int, str]]
"""Operation and caller -> status and type of the problem."""

UNREAD = "never-looked-for"


@pytest.fixture(scope="module")
def world(_sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two surveys, nothing in them."""
    folder = tmp_path_factory.mktemp("guards")
    shutil.copy(_sqlite_template, folder / "hustings.db")
    store = open_store(f"sqlite:///{folder}/hustings.db")
    world = make_world(store, folder, key_rate=0.0)
    world.services.events.end()  # a stream of events has no end by itself, and nobody here reads one
    with world.client:
        yield world
    store.close()


def routes_of(app: Any) -> list[Route]:
    """Every route that asks for a key; pages of the web ask for a session (``tests/api/page``)."""
    found = [
        (operation_id(handler), method, path)
        for handler in handlers_of(app)
        for method in sorted(handler.http_methods)  # type: ignore[attr-defined]
        for path in sorted(handler.paths)
    ]
    return [route for route in found if route[0] not in {*PUBLIC, *PAGES}]


def ask(world: World, route: Route, key: str | None, *, survey: str = SURVEY) -> tuple[int, str]:
    _, method, template = route
    path = template.replace("{survey_id:str}", survey)
    path = re.sub(r"{\w+:int}", "1", re.sub(r"{\w+:str}", UNREAD, path))
    assert "{" not in path, f"how is {template} filled in?"
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    reply = world.client.request(method, path, headers=headers)
    is_problem = reply.headers.get("content-type") == "application/problem+json"
    return reply.status_code, reply.json()["type"] if is_problem else ""


def refused_keys(world: World) -> dict[str, str | None]:
    """Keys that open nothing, each by what is wrong with it; of admins, who may do everything."""
    good = {name: world.key("admin", survey=None) for name in ("malformed", "miscopied", "revoked")}
    with world.store.write() as session:
        stored_keys.revoke_key(session, good["revoked"].split("_")[1], now=world.now)
    miscopied = good["miscopied"]
    return {
        "no key": None,
        "malformed": good["malformed"][:-1],
        "miscopied": miscopied[:-7] + ("0" if miscopied[-7] != "0" else "1") + miscopied[-6:],
        "unknown": new_key().text,
        "revoked": good["revoked"],
        "expired": world.key("admin", survey=None, expires_at=world.now - timedelta(seconds=1)),
    }


def found_table(world: World, routes: list[Route]) -> Table:
    table: Table = {}
    bad = refused_keys(world)
    for route in routes:
        operation, _, path = route
        for caller, key in bad.items():
            table[operation, caller] = ask(world, route, key)
        for role in Role:
            key = world.bearer(str(role))["Authorization"].removeprefix("Bearer ")
            if "{survey_id:str}" in path:
                table[operation, f"{role} of another survey"] = ask(world, route, key, survey=OTHER)
                table[operation, f"{role}, no such survey"] = ask(world, route, key, survey="nowhere")
            if role not in ROLES[operation]:
                table[operation, str(role)] = ask(world, route, key)
    return table


def declared_table(world: World, routes: list[Route]) -> Table:
    table: Table = {}
    for operation, _, path in routes:
        for caller in refused_keys(world):
            table[operation, caller] = (401, "key-missing" if caller == "no key" else "key-refused")
        for role in Role:
            if "{survey_id:str}" in path:
                for where in (f"{role} of another survey", f"{role}, no such survey"):
                    table[operation, where] = (404, "survey-not-found")
            if role not in ROLES[operation]:
                table[operation, str(role)] = (403, "role-refused")
    return table


def test_every_route_refuses_every_caller_that_it_is_declared_to_refuse(world: World):
    routes = routes_of(world.app)

    assert {operation for operation, _, _ in routes} == set(ROLES)
    found, declared = found_table(world, routes), declared_table(world, routes)
    assert {who: (found[who], declared[who]) for who in declared if found[who] != declared[who]} == {}
    assert found.keys() == declared.keys()


def test_who_may_call_gets_past_the_guard(world: World):
    """Otherwise a guard that refuses everybody would pass the test above."""
    for route in routes_of(world.app):
        for role in ROLES[route[0]]:
            status, kind = ask(world, route, world.bearer(role)["Authorization"].removeprefix("Bearer "))
            assert status not in (401, 403), (route, role, kind)
            assert kind != "survey-not-found", (route, role)


@pytest.mark.parametrize("operation", ["getSurvey", "listKeys", "receiveWave"])
def test_a_route_that_forgot_its_guard_is_found(world: World, operation: str, monkeypatch: pytest.MonkeyPatch):
    (handler,) = [one for one in handlers_of(world.app) if operation_id(one) == operation]
    (route,) = [one for one in routes_of(world.app) if one[0] == operation]
    # The application does not start without it; here it is lost afterwards.
    monkeypatch.setattr(handler, "_resolved_guards", [])

    found, declared = found_table(world, [route]), declared_table(world, [route])

    assert found.keys() == declared.keys()
    missed = {caller for (_, caller), answer in declared.items() if found[operation, caller] != answer}
    assert missed >= set(refused_keys(world))
