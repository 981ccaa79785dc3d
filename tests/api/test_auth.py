"""Who may call what: every route of the application with every kind of caller."""

from datetime import timedelta
from typing import Any

import pytest
from litestar import get
from litestar.exceptions import ImproperlyConfiguredException
from litestar.handlers import BaseRouteHandler

from api.app import handlers_of
from api.auth import PAGES, PUBLIC, ROLES, check_policy, is_permitted, operation_id
from polling.keys import new_key
from polling.store import keys as stored_keys
from polling.store import queue
from tests.api.shapes import geo_json
from tests.api.world import DISTRICTS, OTHER, POLLSTER, RIVAL, SURVEY, World, wave_csv

ALL_ROLES = ("pollster", "reader", "analyst", "dpo", "monitor", "admin")

PATHS = {
    "listSurveys": "/v1/surveys",
    "getSurvey": "/v1/surveys/{s}",
    "listDistricts": "/v1/surveys/{s}/districts",
    "getBoundaries": "/v1/surveys/{s}/boundaries",
    "putBoundaries": "/v1/surveys/{s}/boundaries",
    "deleteBoundaries": "/v1/surveys/{s}/boundaries",
    "addPredictors": "/v1/surveys/{s}/predictors",
    "listPredictors": "/v1/surveys/{s}/predictors",
    "getPredictors": "/v1/surveys/{s}/predictors/{upload}",
    "listQuestions": "/v1/surveys/{s}/questions",
    "getQuestion": "/v1/surveys/{s}/questions/rail",
    "receiveWave": "/v1/surveys/{s}/waves",
    "listWaves": "/v1/surveys/{s}/waves",
    "getWave": "/v1/surveys/{s}/waves/{wave}",
    "getWaveHistory": "/v1/surveys/{s}/waves/{wave}/history",
    "withdrawWave": "/v1/surveys/{s}/waves/{wave}/withdraw",
    "restoreWave": "/v1/surveys/{s}/waves/{wave}/restore",
    "letWaveThrough": "/v1/surveys/{s}/waves/{wave}/let-through",
    "undoWaves": "/v1/surveys/{s}/waves/undo",
    "openWave": "/v1/surveys/{s}/waves/open",
    "receiveBatch": "/v1/surveys/{s}/waves/{wave}/batches/1",
    "closeWave": "/v1/surveys/{s}/waves/{wave}/close",
    "eraseRespondent": "/v1/surveys/{s}/erasures",
    "listErasures": "/v1/surveys/{s}/erasures",
    "getErasure": "/v1/surveys/{s}/erasures/{case}",
    "readRespondent": "/v1/surveys/{s}/access",
    "listSources": "/v1/surveys/{s}/sources",
    "listJobs": "/v1/surveys/{s}/jobs",
    "getJob": "/v1/surveys/{s}/jobs/{job}",
    "cancelJob": "/v1/surveys/{s}/jobs/{job}/cancel",
    "followEvents": "/v1/surveys/{s}/events",
    "createEventTicket": "/v1/surveys/{s}/events/ticket",
    "createWebhook": "/v1/surveys/{s}/webhooks",
    "listWebhooks": "/v1/surveys/{s}/webhooks",
    "deleteWebhook": "/v1/surveys/{s}/webhooks/none",
    "listDeliveries": "/v1/surveys/{s}/webhooks/none/deliveries",
    "replayDelivery": "/v1/surveys/{s}/webhooks/none/deliveries/1/replay",
    "getEstimates": "/v1/surveys/{s}/questions/rail/estimates",
    "getMeans": "/v1/surveys/{s}/questions/rail/means",
    "getProbability": "/v1/surveys/{s}/questions/rail/probability",
    "getRank": "/v1/surveys/{s}/questions/rail/rank?level=district",
    "getContrast": "/v1/surveys/{s}/questions/rail/contrast?versus=no",
    "getDistrictProfile": "/v1/surveys/{s}/questions/rail/districts/D1",
    "getSeats": "/v1/surveys/{s}/questions/rail/seats",
    "getBattleground": "/v1/surveys/{s}/questions/rail/battleground",
    "getRevision": "/v1/surveys/{s}/questions/rail/revision",
    "getChange": "/v1/surveys/{s}/questions/rail/change",
    "askQueries": "/v1/surveys/{s}/queries",
    "getTrend": "/v1/surveys/{s}/questions/rail/trend",
    "getMethods": "/v1/surveys/{s}/questions/rail/methods",
    "getWhomToAsk": "/v1/surveys/{s}/questions/rail/whom-to-ask",
    "listReleases": "/v1/surveys/{s}/questions/rail/releases",
    "getRelease": "/v1/surveys/{s}/releases/{release}",
    "getDisclosure": "/v1/surveys/{s}/releases/{release}/disclosure",
    "getRepresentation": "/v1/surveys/{s}/releases/{release}/representation",
    "getQuarantine": "/v1/surveys/{s}/waves/{wave}/quarantine",
    "downloadQuarantine": "/v1/surveys/{s}/waves/{wave}/quarantine/rows",
    "releaseQuarantine": "/v1/surveys/{s}/waves/{wave}/quarantine/release",
    "getDiagnostics": "/v1/surveys/{s}/releases/{release}/diagnostics",
    "getChecks": "/v1/surveys/{s}/releases/{release}/checks",
    "getDraws": "/v1/surveys/{s}/releases/{release}/draws",
    "getDataTree": "/v1/surveys/{s}/releases/{release}/datatree",
    "listFigures": "/v1/surveys/{s}/releases/{release}/figures",
    "getFigure": "/v1/surveys/{s}/releases/{release}/figures/variation",
    "holdQuestion": "/v1/surveys/{s}/questions/rail/hold",
    "endHold": "/v1/surveys/{s}/questions/rail/hold/end",
    "rollBack": "/v1/surveys/{s}/questions/rail/roll-back",
    "confirmRelease": "/v1/surveys/{s}/questions/rail/confirm",
    "pinRelease": "/v1/surveys/{s}/releases/{release}/pin",
    "unpinRelease": "/v1/surveys/{s}/releases/{release}/unpin",
    "getTrackRecord": "/v1/surveys/{s}/questions/rail/track-record",
    "listKnownResults": "/v1/surveys/{s}/questions/rail/known-results",
    "addKnownResult": "/v1/surveys/{s}/questions/rail/known-results",
    "withdrawKnownResult": "/v1/surveys/{s}/questions/rail/known-results/{result}/withdraw",
    "listKeys": "/v1/surveys/{s}/keys",
    "createKey": "/v1/surveys/{s}/keys",
    "rotateKey": "/v1/surveys/{s}/keys/{prefix}/rotate",
    "revokeKey": "/v1/surveys/{s}/keys/{prefix}/revoke",
    "getMetrics": "/metrics",
}
"""A path per guarded operation; the test below fails when one is missing."""

BODIES = {
    # Nothing is delivered that late.
    "undoWaves": {"since": "2999-01-01T00:00:00Z", "pollster": POLLSTER, "reason": "test"},
    "restoreWave": {"reason": "test"},
    "letWaveThrough": {"reason": "test"},
    "withdrawWave": {"reason": "test"},
    "eraseRespondent": {"respondent": "nobody"},
    "readRespondent": {"respondent": "nobody"},
    "openWave": {"reference": "tracker", "fieldwork_start": "2026-02-20", "pollster": POLLSTER},
    "closeWave": {},
    "releaseQuarantine": {"reason": "test"},
    "holdQuestion": {"reason": "test"},
    "endHold": {"reason": "test"},
    "rollBack": {"release": "none", "reason": "test"},
    "confirmRelease": {},
    "cancelJob": {},
    "createEventTicket": {},
    "createWebhook": {"url": "https://[2001:4860:4860::8888]/in"},
    "replayDelivery": {},
    "askQueries": {"queries": [{"question": "rail", "kind": "estimates"}]},
    "pinRelease": {"reason": "test"},
    "unpinRelease": {"reason": "test"},
    "withdrawKnownResult": {"reason": "test"},
    "createKey": {"role": "reader"},
    "rotateKey": {},
    "revokeKey": {},
}
"""What is sent to the operations that take JSON."""

IN_A_SURVEY = sorted(set(PATHS) - {"listSurveys", "getMetrics"})


def case_of(world: World) -> str:
    asked = {"respondent": "nobody"}
    reply = world.client.post(f"/v1/surveys/{SURVEY}/erasures", headers=world.bearer("admin"), json=asked)
    return str(reply.json()["case_number"])


def add_result(world: World, path: str, headers: dict[str, str]) -> Any:
    said = {"date": "2026-02-28", "source": "the count"}
    table = b"geography,option,share\nD1,yes,0.5\n"
    return world.client.post(path, headers=headers, data=said, files={"file": ("result.csv", table)})


def upload_predictors(world: World, path: str, headers: dict[str, str]) -> Any:
    said = {"as_of": "2026-02-28", "source": "the office"}
    table = "code,income\n" + "".join(f"{code},{n}\n" for n, code in enumerate(DISTRICTS))
    return world.client.post(path, headers=headers, data=said, files={"file": ("income.csv", table.encode())})


def know(world: World, path: str, headers: dict[str, str]) -> str:
    """Id of a result that is known now, whatever was withdrawn before."""
    known = [one for one in world.get(path).json()["results"] if one["state"] == "current"]
    return str(known[0]["id"] if known else add_result(world, path, headers).json()["result"]["id"])


def call(world: World, operation: str, headers: dict[str, str], survey: str = SURVEY):
    """Call an operation; the ids in the path exist in the survey ``town``."""
    ids = {
        "wave": world.get(f"/v1/surveys/{SURVEY}/waves").json()["waves"][0]["id"],
        "case": case_of(world),
        "job": world.get(f"/v1/surveys/{SURVEY}/jobs").json()["jobs"][0]["id"],
        "release": world.get(f"/v1/surveys/{SURVEY}/questions/rail/releases").json()["releases"][0]["id"],
    }
    if "{result}" in PATHS[operation]:
        ids["result"] = know(world, f"/v1/surveys/{SURVEY}/questions/rail/known-results", world.bearer("admin"))
    if "{upload}" in PATHS[operation]:
        ids["upload"] = upload_predictors(world, f"/v1/surveys/{SURVEY}/predictors", world.bearer("admin")).json()[
            "upload"
        ]["id"]
    if "{prefix}" in PATHS[operation]:
        ids["prefix"] = world.key("reader").split("_")[1]
    path = PATHS[operation].format(s=survey, **ids)
    if operation == "followEvents":
        world.services.events.end()  # a stream has no end by itself
    if operation in BODIES:
        return world.client.post(path, headers=headers, json=BODIES[operation])
    if operation == "receiveBatch":
        return world.client.post(path, headers=headers | {"Content-Type": "application/x-ndjson"}, content=b"{}")
    if operation == "putBoundaries":
        return world.client.put(path, headers=headers | {"Content-Type": "application/geo+json"}, content=geo_json())
    if operation in ("deleteWebhook", "deleteBoundaries"):
        return world.client.delete(path, headers=headers)
    if operation == "addKnownResult":
        return add_result(world, path, headers)
    if operation == "addPredictors":
        return upload_predictors(world, path, headers)
    if operation != "receiveWave":
        return world.client.get(path, headers=headers)
    form = {"reference": "w1", "fieldwork_start": "2026-02-20", "fieldwork_end": "2026-02-25"}
    return world.client.post(path, headers=headers, data=form, files={"file": ("w.csv", wave_csv())})


def test_every_route_is_guarded_and_in_the_table(served: World):
    found = {operation_id(handler) for handler in handlers_of(served.app)}

    assert found == set(ROLES) | set(PAGES) | PUBLIC
    assert set(PATHS) == set(ROLES)
    assert all(is_permitted in handler.resolve_guards() for handler in handlers_of(served.app))


@pytest.mark.parametrize("name", ["", "newRoute"])
def test_an_application_with_a_route_nobody_decided_about_does_not_start(name: str):
    @get("/new", operation_id=name or None, guards=[is_permitted], sync_to_thread=False)
    def new() -> None:
        return None

    with pytest.raises(ImproperlyConfiguredException, match="has no roles"):
        check_policy([new])


def test_an_application_with_an_unguarded_route_does_not_start():
    @get("/new", operation_id="getSurvey", sync_to_thread=False)
    def new() -> None:
        return None

    handler: BaseRouteHandler = new
    with pytest.raises(ImproperlyConfiguredException, match="not guarded"):
        check_policy([handler])


SOME = ("createKey", "getEstimates", "receiveWave")
"""Operations whose refusals are read here; ``tests/contract/test_guards.py`` looks at the status of every one."""


@pytest.mark.parametrize("operation", SOME)
@pytest.mark.parametrize(
    "header",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic aHVzdDpodXN0"},
    ],
    ids=["none", "empty", "bearer-of-nothing", "basic"],
)
def test_without_a_key_nothing_is_answered(served: World, operation: str, header: dict[str, str]):
    reply = call(served, operation, header)

    assert (reply.status_code, reply.json()["type"]) == (401, "key-missing")
    assert reply.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("operation", SOME)
@pytest.mark.parametrize("kind", ["garbage", "unknown", "wrong-secret", "miscopied", "revoked", "expired"])
def test_a_key_that_is_not_accepted_opens_nothing(served: World, operation: str, kind: str):
    reply = call(served, operation, {"Authorization": f"Bearer {bad_key(served, kind)}"})

    assert (reply.status_code, reply.json()["type"]) == (401, "key-refused")
    assert reply.headers["www-authenticate"] == "Bearer"


def bad_key(world: World, kind: str) -> str:
    name = f"bad {kind}"
    if name not in world.keys:
        world.keys[name] = make_bad_key(world, kind)
    return world.keys[name]


def make_bad_key(world: World, kind: str) -> str:
    if kind == "garbage":
        return "hust_x"
    if kind == "unknown":
        return new_key().text
    good = world.key("admin", expires_at=world.now + timedelta(days=1))
    prefix = good.split("_")[1]
    if kind == "miscopied":
        return good[:-7] + ("1" if good[-7] == "0" else "0") + good[-6:]
    if kind == "wrong-secret":
        # A well-formed key with another key's prefix.
        other = new_key().text
        body = f"hust_{prefix}_" + other.split("_")[2][:32]
        from polling.keys import _checksum

        return body + _checksum(body)
    if kind == "revoked":
        with world.store.write() as session:
            stored_keys.revoke_key(session, prefix, now=world.now)
        return good
    return world.key("admin", expires_at=world.now - timedelta(seconds=1))


@pytest.mark.parametrize(
    ("operation", "role"),
    [(one, role) for one in sorted(PATHS) for role in ALL_ROLES if role in ROLES[one] or one in SOME],
)
def test_a_role_may_do_what_the_table_says_and_nothing_else(served: World, operation: str, role: str):
    reply = call(served, operation, served.bearer(role))

    if role in ROLES[operation]:
        # An admin's key speaks for no pollster, so its push has to name one: refused as a form, not as a role. And
        # what another of these tests withdrew is neither pushed nor let through: refused as a wave.
        # A wave that came as a file takes no batches and is not closed.
        also = {
            "receiveWave": (400, 409),
            "letWaveThrough": (409,),
            "receiveBatch": (409,),
            "closeWave": (409,),
            "releaseQuarantine": (409,),  # nothing is set aside
            "getRevision": (422,),  # there is one release
            "getChange": (422,),  # the model has no period
            "getTrend": (422,),
            "getMeans": (422,),  # it has options
            "rollBack": (404,),  # there is no release of this id
            "createKey": (201,),
            "rotateKey": (201,),
            "createEventTicket": (201,),
            "createWebhook": (201,),
            "addPredictors": (201,),  # 200: they hold already
            "addKnownResult": (201,),  # 200: it is known already
            "getBoundaries": (404,),  # there are none, unless the test that stores them came first
            "deleteBoundaries": (204, 404),
            "deleteWebhook": (404,),  # there is no webhook of this id
            "listDeliveries": (404,),
            "replayDelivery": (404,),
            "confirmRelease": (409,),  # the fit of these tests calls itself one of NUTS
        }.get(operation, ())
        assert reply.status_code in (200, *also)
    else:
        assert (reply.status_code, reply.json()["type"]) == (403, "role-refused")
        assert reply.json()["allowed"] == sorted(ROLES[operation])


@pytest.mark.parametrize("operation", IN_A_SURVEY)
@pytest.mark.parametrize("role", ["admin"])
def test_another_survey_is_answered_like_one_that_does_not_exist(served: World, operation: str, role: str):
    existing = call(served, operation, served.bearer(role), survey=OTHER)
    missing = call(served, operation, served.bearer(role), survey="nowhere")

    assert existing.status_code == missing.status_code == 404
    assert existing.text.replace(OTHER, "nowhere") == missing.text
    assert existing.json()["type"] == "survey-not-found"


@pytest.mark.parametrize("operation", ["getWave", "getJob", "getRelease", "getDiagnostics"])
def test_an_id_of_another_survey_is_not_found_with_a_key_for_every_survey(served: World, operation: str):
    if "everything" not in served.keys:
        served.keys["everything"] = served.key("admin", survey=None)

    reply = call(served, operation, {"Authorization": f"Bearer {served.keys['everything']}"}, survey=OTHER)

    assert reply.status_code == 404
    assert reply.json()["type"] in ("wave-not-found", "job-not-found", "release-not-found")


def test_the_list_of_surveys_has_only_those_in_scope(served: World):
    everything = served.key("reader", survey=None)

    assert [one["id"] for one in served.get("/v1/surveys", "reader").json()["surveys"]] == [SURVEY]
    reply = served.client.get("/v1/surveys", headers={"Authorization": f"Bearer {everything}"})
    assert [one["id"] for one in reply.json()["surveys"]] == [SURVEY, OTHER]


def test_a_pollster_sees_its_own_waves_and_their_jobs_only(served: World):
    rival = {"Authorization": f"Bearer {served.key('pollster', pollster=RIVAL)}"}

    assert served.client.get(f"/v1/surveys/{SURVEY}/waves", headers=rival).json()["waves"] == []
    assert served.client.get(f"/v1/surveys/{SURVEY}/jobs", headers=rival).json()["jobs"] == []
    assert call(served, "getWave", rival).json()["type"] == "wave-not-found"
    assert call(served, "getJob", rival).json()["type"] == "job-not-found"
    assert call(served, "getWave", served.bearer("pollster")).status_code == 200
    assert call(served, "getJob", served.bearer("pollster")).status_code == 200


def test_a_pollster_is_told_that_its_wave_was_published_and_not_how_many_interviews_there_are(served: World):
    def published(role: str) -> dict[str, str]:
        jobs = served.get(f"/v1/surveys/{SURVEY}/jobs", role).json()["jobs"]
        (one,) = [one for one in jobs if one["code"] == "published"]
        return one

    assert published("pollster")["detail"] == "It was published."
    assert served.get(published("pollster")["url"], "pollster").json()["detail"] == "It was published."
    assert "400 interviews in 1 wave" in published("analyst")["detail"]


def test_a_pollster_is_not_told_of_a_wave_of_another_that_stops_a_fit(world: World):
    world.push()
    with world.store.write() as session:
        world.now += timedelta(minutes=1)
        claim = queue.claim(session, owner="w", now=world.now, lease=world.settings.lease)
        assert claim is not None
        queue.fail(session, claim, now=world.now, code="wave-not-convertible", detail="Wave 3 of Beta no longer fits.")

    (job,) = world.get(f"/v1/surveys/{SURVEY}/jobs", "pollster").json()["jobs"]

    assert (job["code"], "Beta" in job["detail"]) == ("wave-not-convertible", False)


def test_a_revoked_key_stops_working_at_once(world: World):
    text = world.key("reader")
    header = {"Authorization": f"Bearer {text}"}
    assert world.client.get("/v1/surveys", headers=header).status_code == 200

    with world.store.write() as session:
        stored_keys.revoke_key(session, text.split("_")[1], now=world.now)

    assert "was revoked" in world.client.get("/v1/surveys", headers=header).json()["detail"]


def test_the_scheme_may_be_written_in_any_case(served: World):
    header = served.bearer("reader")["Authorization"].replace("Bearer", "bearer")
    assert served.client.get("/v1/surveys", headers={"Authorization": header}).status_code == 200
