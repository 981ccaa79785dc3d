"""Every status that ``openapi.json`` documents is provoked once, and no other is seen on the way."""

import shutil
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from sqlalchemy import text

from api.auth import authenticate
from api.errors import DatabaseAway
from api.slots import Slots
from jobs import pictures
from polling.errors import RespondentsUnknown, SchemaOutdated
from polling.store import outbox, webhooks
from polling.store.engine import open_store
from tests.api.kinds import MINUTES, minutes_csv
from tests.api.shapes import geo_json
from tests.api.world import DISTRICTS, SURVEY, World, change_survey, make_world, wave_csv

BASE = f"/v1/surveys/{SURVEY}"
RAIL = f"{BASE}/questions/rail"

QUERY = {"question": "rail", "kind": "estimates"}

type Provoke = Callable[[World], Any]


@pytest.fixture(scope="module")
def world(_sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A service with one release, and another one whose draws are gone."""
    folder = tmp_path_factory.mktemp("contract")
    shutil.copy(_sqlite_template, folder / "hustings.db")
    store = open_store(f"sqlite:///{folder}/hustings.db")
    world = make_world(store, folder, max_upload_mb=1)
    with world.client:
        furnish(world)
        yield world
    store.close()


def furnish(world: World) -> None:
    """Give a world what can be asked for here: a release with periods, and one whose draws are gone."""
    # A trend needs a model with periods.
    change_survey(world, "survey.toml", "gender + (1|district)", "gender + (1|district) + (1|period)")
    world.release(question="tax", content=wave_csv(questions=("rail", "tax")))
    change_survey(world, "survey.toml", "[questions.rail]", f"{MINUTES}[questions.rail]")
    world.release("minutes", minutes_csv(), question="minutes")
    with world.store.write() as session:
        session.execute(text("DELETE FROM fit_draws WHERE fit_id IN (SELECT id FROM fit WHERE question_id = 'tax')"))


def first(world: World, path: str, name: str) -> str:
    return str(world.get(path).json()[name][0]["url"])


def wave(world: World) -> str:
    return first(world, f"{BASE}/waves", "waves")


def job(world: World) -> str:
    return first(world, f"{BASE}/jobs", "jobs")


def release(world: World) -> str:
    return first(world, f"{RAIL}/releases", "releases")


def plain(path: str | Callable[[World], str], *, forbidden: str | None = None, missing: str | None = None) -> dict:
    """Provocations that every readable route shares."""

    def at(world: World) -> str:
        return path if isinstance(path, str) else path(world)

    calls: dict[int, Provoke] = {
        200: lambda world: world.get(at(world)),
        400: lambda world: world.get(f"{at(world)}?nonsense=1"),
        401: lambda world: world.client.get(at(world)),
    }
    if forbidden:
        calls[403] = lambda world: world.get(at(world), forbidden)
    if missing:
        calls[404] = lambda world: world.get(missing)
    return calls


def know(
    world: World,
    content: str = "geography,option,share\nall,yes,0.5\n",
    *,
    role: str = "analyst",
    question: str = "rail",
    date: str = "2026-03-01",
) -> Any:
    """POST a known result."""
    return world.client.post(
        f"{BASE}/questions/{question}/known-results",
        headers=world.bearer(role),
        data={"date": date, "source": "contract"},
        files={"file": ("truth.csv", content.encode())},
    )


def known(world: World, state: str = "current") -> str:
    """URL of a result that stands so."""

    def found() -> list[dict[str, Any]]:
        return [one for one in world.get(f"{RAIL}/known-results").json()["results"] if one["state"] == state]

    if not found():
        assert know(world, date="2026-02-27").status_code in (200, 201)
        if state == "withdrawn":
            one = next(one for one in world.get(f"{RAIL}/known-results").json()["results"])
            change(world, f"{RAIL}/known-results/{one['id']}/withdraw", "analyst")
    return f"{RAIL}/known-results/{found()[0]['id']}"


def recorded(world: World) -> Any:
    """Read a track record that has scores."""
    known(world)
    world.work()
    return world.get(f"{RAIL}/track-record")


def badly_paged(path: str | Callable[[World], str]) -> dict[int, Provoke]:
    """What a list answers to a cursor that is none."""
    return {422: lambda world: world.get(f"{path if isinstance(path, str) else path(world)}?cursor=none")}


def change(world: World, path: str, role: str, headers: dict[str, str] | None = None, **body: Any) -> Any:
    sent = {"reason": "contract"} | body
    return world.client.post(path, headers=world.bearer(role) | (headers or {}), json=sent)


def in_flight(world: World, path: str, *, role: str = "pollster", **body: Any) -> Any:
    """Send a request while the same one is being worked on."""

    class Everything(set[Any]):
        def __contains__(self, _one: object) -> bool:
            return True

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.services.exchanges, "_running", Everything())
        return change(world, path, role, {"Idempotency-Key": "contract"}, **body)


def changing(
    path: Callable[[World], str], act: str, *, role: str = "pollster", forbidden: str = "reader", **body: Any
) -> dict[int, Provoke]:
    """Provocations that every change of a wave shares."""
    return {
        200: lambda world: change(world, path(world), role, **body),
        400: lambda world: change(world, path(world), role, nonsense=1),
        401: lambda world: world.client.post(path(world), json={}),
        403: lambda world: change(world, path(world), forbidden),
        404: lambda world: change(world, f"{BASE}/waves/none/{act}", role),
        415: lambda world: world.client.post(path(world), headers=world.bearer(role), content=b"reason=x"),
    }


def limited(provoke: Provoke, world: World) -> Any:
    """Ask when the caller has used up what it may ask for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.services.strangers, "_rate", 0.001)
        patch.setattr(world.services.strangers, "_buckets", OrderedDict(testclient=(0.0, time.monotonic())))
        return provoke(world)


def failing(error: type[Exception], provoke: Provoke, world: World) -> Any:
    """Ask without a key, which cannot be looked up just now."""

    def fail(services: Any, header: str | None, **about: Any) -> Any:
        if header is None:
            raise error
        return authenticate(services, header, **about)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("api.auth.authenticate", fail)
        return provoke(world)


def change_keys(world: World, path: str = "", *, by: str = "admin", survey: str = SURVEY, **body: Any) -> Any:
    return world.client.post(f"/v1/surveys/{survey}/keys{path}", headers=world.bearer(by), json=body)


def prefix(world: World) -> str:
    """The visible part of a new key."""
    return world.key("reader").split("_")[1]


def rotated_twice(world: World) -> Any:
    one = prefix(world)
    change_keys(world, f"/{one}/rotate")
    return change_keys(world, f"/{one}/rotate")


def acting(act: str, **body: str) -> dict[int, Provoke]:
    """Provocations that every change of what is served shares."""
    path = f"{RAIL}/{act}"
    return {
        200: lambda world: change(world, path, "analyst", **body),
        400: lambda world: change(world, path, "analyst", nonsense=1),
        401: lambda world: world.client.post(path, json={}),
        403: lambda world: change(world, path, "reader", **body),
        404: lambda world: change(world, f"{BASE}/questions/none/{act}", "analyst", **body),
        409: lambda world: in_flight(world, path, role="analyst", **body),
        415: lambda world: world.client.post(path, headers=world.bearer("analyst"), content=b"reason=x"),
    }


def pinning(act: str) -> dict[int, Provoke]:
    """Provocations of what decides how long draws are kept."""
    return {
        200: lambda world: change(world, f"{release(world)}/{act}", "analyst"),
        400: lambda world: change(world, f"{release(world)}/{act}", "analyst", nonsense=1),
        401: lambda world: world.client.post(f"{release(world)}/{act}", json={}),
        403: lambda world: change(world, f"{release(world)}/{act}", "reader"),
        404: lambda world: change(world, f"{BASE}/releases/none/{act}", "analyst"),
        415: lambda world: world.client.post(
            f"{release(world)}/{act}", headers=world.bearer("analyst"), content=b"reason=x"
        ),
    }


def gone(world: World) -> str:
    return first(world, f"{BASE}/questions/tax/releases", "releases")


def both(world: World) -> tuple[str, str]:
    """Two releases of one question with draws, the newer first."""

    def kept() -> list[dict[str, Any]]:
        return [one for one in world.get(f"{RAIL}/releases").json()["releases"] if one["answers"]]

    while len(found := kept()) < 2:
        number = world.get(f"{RAIL}/releases").json()["releases"][0]["number"]
        world.release(f"revised {number}", wave_csv(100, start=100_000 * (number + 1)))
    return str(found[0]["id"]), str(found[-1]["id"])


def comparing(what: str) -> dict[int, Provoke]:
    """Provocations that comparisons of two releases share."""

    def ask(
        world: World, more: str = "", role: str = "admin", pair: tuple[str, str] | None = None, **options: Any
    ) -> Any:
        newer, older = pair or both(world)
        path = f"{RAIL}/{what}?release={newer}&before={older}{more}"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("api.changes.wave_ids", lambda _: frozenset())  # as if they shared none
            return busy(world, path) if role == "busy" else world.get(path, role, **options)

    def ask_gone(world: World) -> Any:
        pair = both(world)
        with world.store.write() as session:
            gone = "DELETE FROM fit_draws WHERE fit_id IN (SELECT fit_id FROM release WHERE id = :id)"
            session.execute(text(gone), {"id": pair[1]})
        return ask(world, "&interval=0.77", pair=pair)  # not yet in memory

    return {
        200: ask,
        304: lambda world: ask(world, headers={"If-None-Match": ask(world).headers["etag"]}),
        400: lambda world: ask(world, "&nonsense=1"),
        401: lambda world: world.client.get(f"{RAIL}/{what}"),
        403: lambda world: ask(world, role="dpo"),
        404: lambda world: world.get(f"{BASE}/questions/bridge/{what}"),
        406: lambda world: ask(world, headers={"Accept": "image/png"}),
        422: lambda world: ask(world, "&option=moon"),
        503: lambda world: ask(world, role="busy"),
        410: ask_gone,
    }


def rolled_back(world: World) -> Any:
    world.release("another", wave_csv(start=5000))
    earlier = world.get(f"{RAIL}/releases").json()["releases"][-1]["id"]
    return change(world, f"{RAIL}/roll-back", "analyst", release=earlier)


def confirmed(world: World) -> Any:
    with world.store.write() as session:
        session.execute(text("UPDATE fit SET engine = 'laplace' WHERE question_id = 'rail'"))
    return world.client.post(f"{RAIL}/confirm", headers=world.bearer("analyst"))


def push(world: World, **fields: Any) -> Any:
    return world.push("contract", wave_csv(start=7000), **fields)


OPENING = {"reference": "tracker", "fieldwork_start": "2026-02-20"}
TRACKER = f"{BASE}/waves/tracker"


def opened(world: World, **changes: Any) -> Any:
    return world.client.post(f"{BASE}/waves/open", headers=world.bearer("pollster"), json=OPENING | changes)


def batch(
    world: World,
    *,
    number: int = 1,
    content: bytes | None = None,
    wave: str = TRACKER,
    role: str = "pollster",
    media_type: str = "application/x-ndjson",
    query: str = "",
) -> Any:
    opened(world)
    person = b'{"id": "b1", "district": "D1", "gender": "man", "age": "old", "rail": "yes"}'
    headers = world.bearer(role) | {"Content-Type": media_type}
    return world.client.post(f"{wave}/batches/{number}{query}", headers=headers, content=content or person)


def closed(world: World, role: str = "pollster", *, wave: str = TRACKER, **body: Any) -> Any:
    opened(world)
    return world.client.post(f"{wave}/close", headers=world.bearer(role), json=body)


def about(
    world: World,
    act: str,
    role: str = "dpo",
    *,
    survey: str = SURVEY,
    media_type: str = "application/json",
    **body: Any,
) -> Any:
    sent = msgspec.json.encode({"respondent": "nobody"} | body)
    headers = world.bearer(role) | {"Content-Type": media_type}
    return world.client.post(f"/v1/surveys/{survey}/{act}", headers=headers, content=sent)


def nobody_known(world: World, act: str) -> Any:
    def unknown(*_: object, **__: object) -> None:
        raise RespondentsUnknown(SURVEY)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jobs.erasure.pseudonyms_of", unknown)
        patch.setattr("jobs.access.pseudonyms_of", unknown)
        return about(world, act)


def about_somebody(act: str) -> dict[int, Provoke]:
    """Provocations of what is done about one respondent."""
    return {
        200: lambda world: about(world, act),
        400: lambda world: about(world, act, nonsense=1),
        401: lambda world: world.client.post(f"{BASE}/{act}", json={}),
        403: lambda world: about(world, act, "analyst"),
        404: lambda world: about(world, act, "admin", survey="none"),
        415: lambda world: about(world, act, media_type="text/plain"),
        422: lambda world: nobody_known(world, act),
    }


def erasure(world: World) -> str:
    return str(about(world, "erasures").json()["url"])


def not_ready(world: World) -> Any:
    def outdated(_: object) -> None:
        raise SchemaOutdated("0001", "0002")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("api.routes.health.require_current", outdated)
        return world.client.get("/ready")


def pictureless(world: World) -> Any:
    """A picture that takes longer than it may."""
    before, pictures.TIMEOUT_S = pictures.TIMEOUT_S, 0.01
    try:
        return world.get(f"{release(world)}/datatree")
    finally:
        pictures.TIMEOUT_S = before


def busy(world: World, path: str, slots: str = "slots") -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.services.releases, slots, Slots(0, waiting=0))
        if slots == "large_slots":
            return world.get(path)
        return world.get(f"{path}{'&' if '?' in path else '?'}interval=0.123")


def asking(what: str, query: str = "", question: str = "rail") -> dict[int, Provoke]:
    """Provocations that every question about shares shares."""
    path = f"{BASE}/questions/{question}/{what}?{query}"
    return {
        200: lambda world: world.get(path),
        304: lambda world: world.get(path, headers={"If-None-Match": world.get(path).headers["etag"]}),
        400: lambda world: world.get(f"{path}&nonsense=1"),
        401: lambda world: world.client.get(path),
        403: lambda world: world.get(path, "dpo"),
        404: lambda world: world.get(f"{BASE}/questions/bridge/{what}?{query}"),
        406: lambda world: world.get(path, headers={"Accept": "image/png"}),
        410: lambda world: world.get(f"{BASE}/questions/tax/{what}?{query}"),
        422: lambda world: world.get(f"{path}&option=moon"),
        503: lambda world: busy(world, path),
    }


def ask_many(world: World, *, role: str = "admin", survey: str = SURVEY, **body: Any) -> Any:
    headers = world.bearer(role)
    return world.client.post(f"/v1/surveys/{survey}/queries", headers=headers, json={"queries": [QUERY]} | body)


def followed(world: World) -> Any:
    world.services.events.end()  # a stream has no end by itself
    return world.get(f"{BASE}/events")


def too_many(world: World) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.services.events, "_per_key", 0)
        return world.get(f"{BASE}/events")


HOOKS = f"{BASE}/webhooks"


def hooked(world: World, role: str = "admin", path: str = HOOKS, **body: Any) -> Any:
    sent = {"url": "https://[2001:4860:4860::8888]/in"} | body
    return world.client.post(path, headers=world.bearer(role), json=sent)


def webhook(world: World) -> str:
    listed = world.get(HOOKS).json()["webhooks"]
    return f"{HOOKS}/{listed[0]['id'] if listed else hooked(world).json()['id']}"


def replayed(world: World, path: str | None = None, *, role: str | None = "admin", query: str = "") -> Any:
    one = webhook(world)
    with world.store.write() as session:
        event = outbox.append(session, "release-published", SURVEY, {"question_id": "rail"}, world.now)
        about = {"kind": "release-published", "state": "given-up", "status": None, "detail": None, "now": world.now}
        webhooks.note_try(session, one.rpartition("/")[2], event, **about)
    headers = world.bearer(role) if role else {}
    return world.client.post(path or f"{one}/deliveries/{event}/replay{query}", headers=headers)


def deleted(world: World, role: str | None = "admin", *, path: str | None = None, query: str = "") -> Any:
    return world.client.delete(path or webhook(world) + query, headers=world.bearer(role) if role else {})


def bounded(
    world: World,
    role: str | None = "admin",
    *,
    content: bytes | None = None,
    media_type: str = "application/geo+json",
    query: str = "",
    base: str = BASE,
) -> Any:
    headers = (world.bearer(role) if role else {}) | {"Content-Type": media_type}
    return world.client.put(f"{base}/boundaries{query}", headers=headers, content=content or geo_json())


def told_of_districts(
    world: World,
    *,
    role: str = "admin",
    content: str | None = None,
    as_of: str = "2026-02-28",
    shift: int = 0,
    base: str = BASE,
) -> Any:
    """POST predictors."""
    rows = "".join(f"{code},{shift + n}\n" for n, code in enumerate(DISTRICTS))
    return world.client.post(
        f"{base}/predictors",
        headers=world.bearer(role),
        data={"as_of": as_of, "source": "contract"},
        files={"file": ("income.csv", (content or f"code,income\n{rows}").encode())},
    )


def with_boundaries(world: World, ask: Callable[[World], Any]) -> Any:
    bounded(world)
    return ask(world)


def unbounded(world: World, role: str | None = "admin", *, query: str = "", base: str = BASE) -> Any:
    bounded(world)
    return world.client.delete(f"{base}/boundaries{query}", headers=world.bearer(role) if role else {})


PROVOCATIONS: dict[str, dict[int, Provoke]] = {
    "health": {200: lambda world: world.client.get("/health"), 400: lambda world: world.client.get("/health?x=1")},
    "ready": {
        200: lambda world: world.client.get("/ready"),
        400: lambda world: world.client.get("/ready?x=1"),
        503: not_ready,
    },
    "getMetrics": plain("/metrics", forbidden="analyst"),
    "listSurveys": plain("/v1/surveys", forbidden="monitor"),
    "getSurvey": plain(BASE, forbidden="monitor", missing="/v1/surveys/none"),
    "listQuestions": plain(f"{BASE}/questions", forbidden="pollster", missing="/v1/surveys/none/questions"),
    "getQuestion": plain(RAIL, forbidden="pollster", missing=f"{BASE}/questions/none"),
    "listDistricts": plain(f"{BASE}/districts", forbidden="monitor", missing="/v1/surveys/none/districts"),
    "getBoundaries": plain(f"{BASE}/boundaries", forbidden="monitor", missing="/v1/surveys/none/boundaries")
    | {
        200: lambda world: with_boundaries(world, lambda world: world.get(f"{BASE}/boundaries")),
        304: lambda world: world.get(
            f"{BASE}/boundaries", headers={"If-None-Match": f'"{bounded(world).json()["sha256"]}"'}
        ),
    },
    "putBoundaries": {
        200: bounded,
        400: lambda world: bounded(world, query="?nonsense=1"),
        401: lambda world: bounded(world, None),
        403: lambda world: bounded(world, "reader"),
        404: lambda world: bounded(world, base="/v1/surveys/none"),
        413: lambda world: bounded(world, content=b" " * 10_000_001),
        415: lambda world: bounded(world, media_type="text/csv"),
        422: lambda world: bounded(world, query="?projection=none"),
    },
    "deleteBoundaries": {
        204: unbounded,
        400: lambda world: unbounded(world, query="?nonsense=1"),
        401: lambda world: unbounded(world, None),
        403: lambda world: unbounded(world, "reader"),
        404: lambda world: unbounded(world, base="/v1/surveys/none"),
    },
    "addPredictors": {
        201: lambda world: told_of_districts(world, shift=uuid4().int % 1000),
        200: lambda world: [told_of_districts(world) for _ in range(2)][-1],
        400: lambda world: told_of_districts(world, as_of="soon"),
        401: lambda world: world.client.post(f"{BASE}/predictors"),
        403: lambda world: told_of_districts(world, role="analyst"),
        404: lambda world: told_of_districts(world, base="/v1/surveys/none"),
        413: lambda world: told_of_districts(world, content="x" * 5_200_000),
        415: lambda world: world.client.post(f"{BASE}/predictors", headers=world.bearer("admin"), json={}),
        422: lambda world: told_of_districts(world, content="code,income\nD1,1\n"),
    },
    "listPredictors": plain(f"{BASE}/predictors", forbidden="reader", missing="/v1/surveys/none/predictors")
    | {200: lambda world: [told_of_districts(world), world.get(f"{BASE}/predictors")][-1]},
    "getPredictors": plain(
        lambda world: f"{BASE}/predictors/{told_of_districts(world).json()['upload']['id']}",
        forbidden="reader",
        missing=f"{BASE}/predictors/none",
    ),
    "listWaves": plain(f"{BASE}/waves", forbidden="reader", missing="/v1/surveys/none/waves")
    | badly_paged(f"{BASE}/waves"),
    "getWave": plain(wave, forbidden="reader", missing=f"{BASE}/waves/none"),
    "getWaveHistory": plain(lambda world: f"{wave(world)}/history", forbidden="reader", missing=f"{BASE}/waves/none"),
    "withdrawWave": changing(lambda world: f"{wave(world)}/withdraw", "withdraw")
    | {409: lambda world: in_flight(world, f"{wave(world)}/withdraw")},
    "restoreWave": changing(lambda world: f"{wave(world)}/restore", "restore")
    | {409: lambda world: in_flight(world, f"{wave(world)}/restore")},
    "getQuarantine": plain(
        lambda world: f"{wave(world)}/quarantine", forbidden="reader", missing=f"{BASE}/waves/none/quarantine"
    ),
    "downloadQuarantine": plain(
        lambda world: f"{wave(world)}/quarantine/rows", forbidden="reader", missing=f"{BASE}/waves/none/quarantine/rows"
    ),
    "releaseQuarantine": changing(
        lambda world: f"{wave(world)}/quarantine/release", "quarantine/release", forbidden="analyst"
    )
    | {409: lambda world: in_flight(world, f"{wave(world)}/quarantine/release")},
    "letWaveThrough": changing(lambda world: f"{wave(world)}/let-through", "let-through", role="analyst")
    | {409: lambda world: change(world, f"{wave(world)}/let-through", "analyst", version=7)},
    "undoWaves": changing(lambda world: f"{BASE}/waves/undo", "undo", forbidden="analyst", since="2999-01-01T00:00:00Z")
    | {
        404: lambda world: change(world, f"{BASE}/waves/undo", "pollster", waves=["none"]),
        409: lambda world: in_flight(world, f"{BASE}/waves/undo", waves=["none"]),
        422: lambda world: change(world, f"{BASE}/waves/undo", "pollster"),
    },
    "openWave": changing(lambda world: f"{BASE}/waves/open", "open", forbidden="analyst")
    | {
        200: opened,
        404: lambda world: world.client.post(
            "/v1/surveys/none/waves/open", headers=world.bearer("pollster"), json=OPENING
        ),
        409: lambda world: opened(world, fieldwork_start="2026-02-19"),
        422: lambda world: opened(world, closes_on="2000-01-01"),
    },
    "receiveBatch": {
        202: batch,
        200: batch,
        400: lambda world: batch(world, query="?nonsense=1"),
        401: lambda world: world.client.post(f"{TRACKER}/batches/1", content=b"{}"),
        403: lambda world: batch(world, role="reader"),
        404: lambda world: batch(world, wave=f"{BASE}/waves/none"),
        409: lambda world: batch(world, content=b"{}"),
        413: lambda world: batch(world, content=b"x" * 1_300_000),
        415: lambda world: batch(world, media_type="text/csv"),
        422: lambda world: batch(world, number=2, content=b'{"id": "1", "rail": "2"}'),
    },
    "closeWave": {
        200: closed,
        400: lambda world: closed(world, nonsense=1),
        401: lambda world: world.client.post(f"{TRACKER}/close", json={}),
        403: lambda world: closed(world, "reader"),
        404: lambda world: closed(world, wave=f"{BASE}/waves/none"),
        409: lambda world: closed(world, wave=wave(world)),
        415: lambda world: world.client.post(f"{TRACKER}/close", headers=world.bearer("pollster"), content=b"reason=x"),
    },
    "eraseRespondent": about_somebody("erasures"),
    "readRespondent": about_somebody("access"),
    "listErasures": plain(f"{BASE}/erasures", forbidden="analyst", missing="/v1/surveys/none/erasures"),
    "getErasure": plain(erasure, forbidden="analyst", missing=f"{BASE}/erasures/none"),
    "listSources": plain(f"{BASE}/sources", forbidden="reader", missing="/v1/surveys/none/sources"),
    "listJobs": plain(f"{BASE}/jobs", forbidden="dpo", missing="/v1/surveys/none/jobs") | badly_paged(f"{BASE}/jobs"),
    "getJob": plain(job, forbidden="dpo", missing=f"{BASE}/jobs/none"),
    "cancelJob": {
        200: lambda world: world.client.post(f"{job(world)}/cancel", headers=world.bearer("analyst")),
        400: lambda world: world.client.post(f"{job(world)}/cancel?nonsense=1", headers=world.bearer("analyst")),
        401: lambda world: world.client.post(f"{job(world)}/cancel"),
        403: lambda world: world.client.post(f"{job(world)}/cancel", headers=world.bearer("pollster")),
        404: lambda world: world.client.post(f"{BASE}/jobs/none/cancel", headers=world.bearer("analyst")),
    },
    "listKeys": plain(f"{BASE}/keys", forbidden="analyst", missing="/v1/surveys/none/keys"),
    "createKey": {
        201: lambda world: change_keys(world, role="reader"),
        400: lambda world: change_keys(world, nonsense=1),
        401: lambda world: world.client.post(f"{BASE}/keys", json={"role": "reader"}),
        403: lambda world: change_keys(world, by="analyst", role="reader"),
        404: lambda world: change_keys(world, survey="none", role="reader"),
        415: lambda world: world.client.post(f"{BASE}/keys", headers=world.bearer("admin"), content=b"role=reader"),
        422: lambda world: change_keys(world, role="pollster"),
    },
    "rotateKey": {
        201: lambda world: change_keys(world, f"/{prefix(world)}/rotate"),
        400: lambda world: change_keys(world, f"/{prefix(world)}/rotate", overlap_hours=-1),
        401: lambda world: world.client.post(f"{BASE}/keys/none/rotate", json={}),
        403: lambda world: change_keys(world, f"/{prefix(world)}/rotate", by="dpo"),
        404: lambda world: change_keys(world, "/none/rotate"),
        409: rotated_twice,
        415: lambda world: world.client.post(f"{BASE}/keys/none/rotate", headers=world.bearer("admin"), content=b"x"),
    },
    "revokeKey": {
        200: lambda world: change_keys(world, f"/{prefix(world)}/revoke"),
        400: lambda world: change_keys(world, "/none/revoke?nonsense=1"),
        401: lambda world: world.client.post(f"{BASE}/keys/none/revoke"),
        403: lambda world: change_keys(world, "/none/revoke", by="dpo"),
        404: lambda world: change_keys(world, "/none/revoke"),
    },
    "followEvents": plain(f"{BASE}/events", forbidden="monitor", missing="/v1/surveys/none/events")
    | {
        200: followed,
        410: lambda world: world.get(f"{BASE}/events?last_event_id=999999999"),
        429: too_many,
    },
    "createEventTicket": {
        201: lambda world: world.client.post(f"{BASE}/events/ticket", headers=world.bearer("reader")),
        400: lambda world: world.client.post(f"{BASE}/events/ticket?nonsense=1", headers=world.bearer("reader")),
        401: lambda world: world.client.post(f"{BASE}/events/ticket"),
        403: lambda world: world.client.post(f"{BASE}/events/ticket", headers=world.bearer("monitor")),
        404: lambda world: world.client.post("/v1/surveys/none/events/ticket", headers=world.bearer("reader")),
    },
    "createWebhook": {
        201: hooked,
        400: lambda world: hooked(world, nonsense=1),
        401: lambda world: world.client.post(HOOKS, json={}),
        403: lambda world: hooked(world, "analyst"),
        404: lambda world: hooked(world, path="/v1/surveys/none/webhooks"),
        415: lambda world: world.client.post(HOOKS, headers=world.bearer("admin"), content=b"url=x"),
        422: lambda world: hooked(world, url="http://example.com"),
    },
    "listWebhooks": plain(HOOKS, forbidden="analyst", missing="/v1/surveys/none/webhooks"),
    "listDeliveries": plain(
        lambda world: f"{webhook(world)}/deliveries", forbidden="analyst", missing=f"{HOOKS}/none/deliveries"
    )
    | badly_paged(lambda world: f"{webhook(world)}/deliveries"),
    "replayDelivery": {
        202: replayed,
        400: lambda world: replayed(world, query="?nonsense=1"),
        401: lambda world: replayed(world, role=None),
        403: lambda world: replayed(world, role="analyst"),
        404: lambda world: replayed(world, f"{HOOKS}/none/deliveries/1/replay"),
    },
    "deleteWebhook": {
        204: deleted,
        400: lambda world: deleted(world, query="?nonsense=1"),
        401: lambda world: deleted(world, None),
        403: lambda world: deleted(world, "analyst"),
        404: lambda world: deleted(world, path=f"{HOOKS}/none"),
    },
    "listReleases": plain(f"{RAIL}/releases", forbidden="pollster", missing=f"{BASE}/questions/none/releases")
    | badly_paged(f"{RAIL}/releases"),
    "getRelease": plain(release, forbidden="pollster", missing=f"{BASE}/releases/none"),
    "getDiagnostics": plain(
        lambda world: f"{release(world)}/diagnostics", forbidden="reader", missing=f"{BASE}/releases/none/diagnostics"
    ),
    "getChecks": plain(
        lambda world: f"{release(world)}/checks", forbidden="reader", missing=f"{BASE}/releases/none/checks"
    ),
    "getDisclosure": plain(
        lambda world: f"{release(world)}/disclosure", forbidden="pollster", missing=f"{BASE}/releases/none/disclosure"
    )
    | {
        304: lambda world: world.get(
            f"{release(world)}/disclosure",
            headers={"If-None-Match": world.get(f"{release(world)}/disclosure").headers["etag"]},
        ),
        406: lambda world: world.get(f"{release(world)}/disclosure", headers={"Accept": "image/png"}),
        422: lambda world: world.get(f"{release(world)}/disclosure?format=pdf"),
    },
    "getRepresentation": plain(
        lambda world: f"{release(world)}/representation",
        forbidden="pollster",
        missing=f"{BASE}/releases/none/representation",
    )
    | {
        304: lambda world: world.get(
            f"{release(world)}/representation",
            headers={"If-None-Match": world.get(f"{release(world)}/representation").headers["etag"]},
        ),
        406: lambda world: world.get(f"{release(world)}/representation", headers={"Accept": "text/html"}),
        410: lambda world: world.get(f"{gone(world)}/representation"),
        422: lambda world: world.get(f"{release(world)}/representation?interval=2"),
        503: lambda world: busy(world, f"{release(world)}/representation"),
    },
    "getDraws": plain(
        lambda world: f"{release(world)}/draws", forbidden="reader", missing=f"{BASE}/releases/none/draws"
    )
    | {
        304: lambda world: world.get(
            f"{release(world)}/draws",
            headers={"If-None-Match": world.get(f"{release(world)}/draws").headers["etag"]},
        ),
        406: lambda world: world.get(f"{release(world)}/draws", headers={"Accept": "text/csv"}),
        410: lambda world: world.get(f"{gone(world)}/draws"),
        422: lambda world: world.get(f"{release(world)}/draws?table=counts"),
        503: lambda world: busy(world, f"{release(world)}/draws", "large_slots"),
    },
    "listFigures": plain(
        lambda world: f"{release(world)}/figures", forbidden="pollster", missing=f"{BASE}/releases/none/figures"
    ),
    "getFigure": plain(
        lambda world: f"{release(world)}/figures/variation",
        forbidden="pollster",
        missing=f"{BASE}/releases/none/figures/variation",
    )
    | {
        304: lambda world: world.get(
            f"{release(world)}/figures/variation",
            headers={"If-None-Match": world.get(f"{release(world)}/figures/variation").headers["etag"]},
        ),
        410: lambda world: world.get(f"{gone(world)}/figures/variation"),
        422: lambda world: world.get(f"{release(world)}/figures/portrait"),
        503: pictureless,
    },
    "getDataTree": plain(
        lambda world: f"{release(world)}/datatree", forbidden="reader", missing=f"{BASE}/releases/none/datatree"
    )
    | {
        304: lambda world: world.get(
            f"{release(world)}/datatree",
            headers={"If-None-Match": world.get(f"{release(world)}/datatree").headers["etag"]},
        ),
        410: lambda world: world.get(f"{gone(world)}/datatree"),
        503: pictureless,
    },
    "getEstimates": asking("estimates"),
    "getMeans": asking("means", question="minutes"),
    "getTrend": asking("trend"),
    "getMethods": asking("methods"),
    "getWhomToAsk": asking("whom-to-ask", "level=district"),
    "askQueries": {
        200: ask_many,
        400: lambda world: ask_many(world, queries=[]),
        401: lambda world: world.client.post(f"{BASE}/queries", json={"queries": [QUERY]}),
        403: lambda world: ask_many(world, role="dpo"),
        404: lambda world: ask_many(world, survey="none"),
        415: lambda world: world.client.post(f"{BASE}/queries", headers=world.bearer("admin"), content=b"queries"),
    },
    "listKnownResults": plain(f"{RAIL}/known-results", forbidden="dpo", missing=f"{BASE}/questions/none/known-results"),
    "addKnownResult": {
        201: lambda world: know(world, "geography,option,share\nD1,yes,0.5\n", date="2026-02-28"),
        200: lambda world: know(world, "geography,option,share\nD1,yes,0.5\n", date="2026-02-28"),
        400: lambda world: know(world, date="soon"),
        401: lambda world: world.client.post(f"{RAIL}/known-results"),
        403: lambda world: know(world, role="reader"),
        404: lambda world: know(world, question="none"),
        409: lambda world: know(world, "geography,option,share\nD1,yes,0.6\n", date="2026-02-28"),
        413: lambda world: know(world, "x" * 5_200_000),
        415: lambda world: world.client.post(f"{RAIL}/known-results", headers=world.bearer("analyst"), json={}),
        422: lambda world: know(world, "geography,option,share\nD1,yes,52\n"),
    },
    "withdrawKnownResult": {
        200: lambda world: change(world, f"{known(world)}/withdraw", "analyst"),
        400: lambda world: change(world, f"{known(world)}/withdraw", "analyst", nonsense=1),
        401: lambda world: world.client.post(f"{known(world)}/withdraw", json={}),
        403: lambda world: change(world, f"{known(world)}/withdraw", "reader"),
        404: lambda world: change(world, f"{RAIL}/known-results/none/withdraw", "analyst"),
        409: lambda world: change(world, f"{known(world, 'withdrawn')}/withdraw", "analyst"),
        415: lambda world: world.client.post(
            f"{known(world)}/withdraw", headers=world.bearer("analyst"), content=b"reason=x"
        ),
    },
    "getProbability": asking("probability", "threshold=0.6"),
    "getRank": asking("rank", "level=district"),
    "getContrast": asking("contrast", "first=age:old&second=age:young"),
    "getDistrictProfile": asking("districts/D1"),
    "getSeats": asking("seats"),
    "getBattleground": asking("battleground"),
    "pinRelease": pinning("pin") | {409: lambda world: change(world, f"{gone(world)}/pin", "analyst")},
    "unpinRelease": pinning("unpin"),
    # After these: a worker makes the draws that are gone anew.
    "rollBack": acting("roll-back", release="none")
    | {
        200: rolled_back,
        409: lambda world: change(
            world,
            f"{RAIL}/roll-back",
            "analyst",
            release=world.get(f"{BASE}/questions/rail").json()["release_id"],
        ),
    },
    "holdQuestion": acting("hold"),
    "endHold": acting("hold/end"),
    "confirmRelease": {
        202: confirmed,
        400: lambda world: world.client.post(f"{RAIL}/confirm?nonsense=1", headers=world.bearer("analyst")),
        401: lambda world: world.client.post(f"{RAIL}/confirm"),
        403: lambda world: world.client.post(f"{RAIL}/confirm", headers=world.bearer("reader")),
        404: lambda world: world.client.post(f"{BASE}/questions/bridge/confirm", headers=world.bearer("analyst")),
        409: lambda world: world.client.post(f"{BASE}/questions/tax/confirm", headers=world.bearer("analyst")),
    },
    "getRevision": comparing("revision"),
    "getChange": comparing("change"),
    "getTrackRecord": plain(f"{RAIL}/track-record", forbidden="dpo", missing=f"{BASE}/questions/none/track-record")
    | {
        200: recorded,
        304: lambda world: world.get(
            f"{RAIL}/track-record", headers={"If-None-Match": world.get(f"{RAIL}/track-record").headers["etag"]}
        ),
        406: lambda world: world.get(f"{RAIL}/track-record", headers={"Accept": "image/png"}),
        422: lambda world: world.get(f"{RAIL}/track-record?format=pdf"),
    },
    "receiveWave": {
        202: push,
        200: push,
        400: lambda world: push(world, fieldwork_start="soon"),
        401: lambda world: world.client.post(f"{BASE}/waves"),
        403: lambda world: push(world, pollster="Somebody else"),
        404: lambda world: push(world, survey="none"),
        409: lambda world: world.push("contract", wave_csv(start=8000)),
        413: lambda world: world.push("large", b"x" * 1_300_000),
        415: lambda world: world.client.post(f"{BASE}/waves", headers=world.bearer("pollster"), json={}),
        422: lambda world: world.push("faulty", b"id,rail\n1,2\n"),
    },
}


PROVOCATIONS = {
    name: (
        # What asks for a key also asks how often it came, an address without one is counted too; it may meet a database
        # that is away, and a fault.
        {
            429: partial(limited, calls[401]),
            500: partial(failing, RuntimeError, calls[401]),
            503: partial(failing, DatabaseAway, calls[401]),
        }
        | calls
        if 401 in calls
        else calls
    )
    for name, calls in PROVOCATIONS.items()
}


def documented(world: World) -> dict[str, dict[str, Any]]:
    document = world.client.get("/openapi.json").json()
    return {one["operationId"]: one for path in document["paths"].values() for one in path.values()}


def test_every_documented_status_has_a_provocation_and_nothing_else(world: World):
    described = {name: {int(status) for status in one["responses"]} for name, one in documented(world).items()}

    assert {name: set(calls) for name, calls in PROVOCATIONS.items()} == described


@pytest.mark.parametrize(
    ("operation", "status"), [(name, one) for name, calls in PROVOCATIONS.items() for one in calls]
)
def test_a_documented_status_can_be_provoked(world: World, operation: str, status: int):
    reply = PROVOCATIONS[operation][status](world)

    assert reply.status_code == status, reply.text
    response = documented(world)[operation]["responses"][str(status)]
    if status in (204, 304):
        assert reply.content == b""
        return
    media_type = reply.headers["content-type"].partition(";")[0]
    assert media_type in response["content"]
    raw = ("text/csv", "text/plain", "text/event-stream", "image/svg+xml", "application/geo+json")
    binary = ("application/vnd.apache.parquet", "application/x-netcdf")
    if media_type in (*raw, *binary):
        return
    body = reply.json()
    described = response["content"][media_type]["schema"]
    if status >= 400:
        described, narrower = described["allOf"]
        assert body["type"] in narrower["properties"]["type"]["enum"]
    check(world, described["$ref"].rsplit("/", 1)[1], body)
    if status >= 400:
        assert (body["status"], reply.headers["content-type"]) == (status, "application/problem+json")


def check(world: World, schema: str, body: dict[str, Any]) -> None:
    """The body has the described members and no other, and can be read back into its type."""
    from api import (
        answer_payloads,
        boundary_payloads,
        check_payloads,
        comparison_payloads,
        district_payloads,
        event_payloads,
        key_payloads,
        methods_payloads,
        payloads,
        picture_payloads,
        predictor_payloads,
        privacy_payloads,
        problems,
        query_payloads,
        record_payloads,
        release_payloads,
        representation_payloads,
        trend_payloads,
        wave_payloads,
        whom_to_ask_payloads,
    )
    from api.statement import payloads as statement_payloads

    described = world.client.get("/openapi.json").json()["components"]["schemas"][schema]
    assert set(body) <= set(described["properties"])
    assert set(described.get("required", [])) <= set(body)
    struct = next(
        one
        for where in (
            payloads,
            answer_payloads,
            boundary_payloads,
            comparison_payloads,
            district_payloads,
            event_payloads,
            key_payloads,
            wave_payloads,
            privacy_payloads,
            query_payloads,
            record_payloads,
            release_payloads,
            trend_payloads,
            whom_to_ask_payloads,
            methods_payloads,
            picture_payloads,
            predictor_payloads,
            representation_payloads,
            statement_payloads,
            check_payloads,
            problems,
        )
        if (one := getattr(where, schema, None))
    )
    assert msgspec.to_builtins(msgspec.convert(body, struct)) == body
