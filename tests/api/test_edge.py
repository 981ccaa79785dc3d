"""Around the application: headers, HEAD, the access log, strictness, and faults of the service itself."""

import logging

import pytest
from litestar.testing import TestClient
from sqlalchemy.exc import OperationalError

from api.edge import Edge
from api.problems import MEDIA_TYPE
from polling.errors import SchemaOutdated
from tests.api.world import SURVEY, World

URL = f"/v1/surveys/{SURVEY}/questions/rail/estimates"


@pytest.mark.parametrize("path", ["/health", "/v1/surveys", "/nowhere", "/docs", URL])
def test_every_answer_has_the_security_headers(served: World, path: str):
    headers = served.client.get(path).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers.get_list("content-security-policy") == [headers["content-security-policy"]]
    assert "cache-control" in headers


@pytest.mark.parametrize("path", ["/health", URL])
def test_head_is_get_without_the_body(served: World, path: str):
    full = served.get(path)
    head = served.client.head(path, headers=served.bearer("admin"))

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == full.headers["content-length"]


@pytest.mark.parametrize(
    ("method", "path", "status", "type_"),
    [
        ("GET", "/nowhere", 404, "not-found"),
        ("GET", "/v1/surveys/", 200, None),
        ("DELETE", "/v1/surveys", 405, "method-not-allowed"),
        ("POST", "/health", 405, "method-not-allowed"),
        ("GET", "/docs/../app.py", 404, "not-found"),
        ("GET", "/docs/%2e%2e%2fapp.py", 404, "not-found"),
    ],
)
def test_what_the_router_refuses_is_a_problem_too(
    served: World, method: str, path: str, status: int, type_: str | None
):
    reply = served.client.request(method, path, headers=served.bearer("admin"))

    assert reply.status_code == status
    if type_ is not None:
        assert reply.json()["type"] == type_
        assert reply.headers["content-type"] == MEDIA_TYPE
    if status == 405:
        assert "GET" in reply.headers["allow"]


def test_the_access_log_has_no_query_no_key_and_no_body(served: World, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO, logger="hustings.access"):
        served.get(URL, params={"by": "age", "option": "yes"})

    (line,) = [record.getMessage() for record in caplog.records if record.name == "hustings.access"]
    assert line.startswith(f"GET {URL} 200 ")
    assert "age" not in line
    assert "hust_" not in line


def test_a_path_cannot_forge_lines_of_the_log(served: World, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO, logger="hustings.access"):
        served.client.get("/nowhere%0AGET%20/admin%20200")

    (record,) = [record for record in caplog.records if record.name == "hustings.access"]
    assert "\n" not in record.getMessage()


@pytest.mark.parametrize(
    ("query", "type_", "says"),
    [
        ("intervall=0.9", "unknown-parameter", "Did you mean 'interval'?"),
        ("zzz=1", "unknown-parameter", "Known are as_of, by, "),
        ("interval=0.9&interval=0.5", "repeated-parameter", "more than once"),
        ("as_of=soon", "bad-request", "as_of"),
        ("level=a%00b", "nul-character", "'level'"),
    ],
)
def test_a_query_that_cannot_be_meant_is_refused(served: World, query: str, type_: str, says: str):
    reply = served.get(f"{URL}?{query}")

    assert (reply.status_code, reply.json()["type"]) == (400, type_)
    assert says in reply.json()["detail"]


def test_a_route_without_parameters_refuses_any(served: World):
    reply = served.get("/v1/surveys?page=2")

    assert reply.json()["type"] == "unknown-parameter"
    assert "takes no query parameters" in reply.json()["detail"]


def test_a_nul_in_a_path_is_refused(served: World):
    reply = served.get("/v1/surveys/to%00wn")
    assert reply.status_code in (400, 404)
    assert served.get(f"/v1/surveys/{SURVEY}/waves/a%00b").json()["type"] == "nul-character"


def test_a_fault_of_the_service_is_logged_without_its_message(
    served: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    def broken(*_: object, **__: object) -> None:
        raise ValueError("canary answer of a respondent")

    monkeypatch.setattr("polling.store.surveys.get_survey", broken)
    reply = served.get(f"/v1/surveys/{SURVEY}")

    assert (reply.status_code, reply.json()["type"]) == (500, "internal-error")
    assert "canary" not in reply.text
    (record,) = [record for record in caplog.records if record.name == "hustings.api"]
    assert "unexpected ValueError in GET" in record.getMessage()
    assert "test_edge.py" in record.getMessage()
    assert "canary" not in caplog.text


def test_a_database_that_does_not_answer_is_503(
    served: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    def gone(*_: object, **__: object) -> None:
        raise OperationalError("SELECT secret", {"value": "canary"}, Exception("server closed"))

    monkeypatch.setattr("polling.store.surveys.get_survey", gone)
    reply = served.get(f"/v1/surveys/{SURVEY}")

    assert (reply.status_code, reply.json()["type"]) == (503, "database-unreachable")
    assert "secret" not in reply.text + caplog.text
    assert "canary" not in reply.text + caplog.text


def test_an_error_outside_the_application_is_still_a_problem(caplog: pytest.LogCaptureFixture):
    async def app(scope: object, receive: object, send: object) -> None:
        if scope["type"] == "http":  # type: ignore[index]
            raise RuntimeError("canary")

    client = TestClient(Edge(app), raise_server_exceptions=False)  # type: ignore[arg-type]
    reply = client.get("/health")

    assert (reply.status_code, reply.headers["content-type"]) == (500, MEDIA_TYPE)
    assert "canary" not in reply.text + caplog.text


@pytest.mark.parametrize("path", ["/health", "/v1/surveys", URL])
def test_options_lists_the_methods_and_needs_no_key(served: World, path: str):
    reply = served.client.options(path)

    assert reply.status_code == 204
    assert "GET" in reply.headers["allow"]
    assert reply.content == b""


def test_secrets_that_others_can_read_are_not_used(world: World, caplog: pytest.LogCaptureFixture):
    headers = world.bearer("reader")
    world.settings.secrets_file.chmod(0o644)

    assert world.client.get("/ready").json()["type"] == "secrets-unusable"
    reply = world.client.get("/v1/surveys", headers=headers)

    assert (reply.status_code, reply.json()["type"]) == (503, "secrets-unusable")
    assert str(world.settings.secrets_file) not in reply.text
    assert "SecretsError" in caplog.text


def test_health_says_that_the_process_lives(served: World):
    reply = served.client.get("/health")
    assert (reply.status_code, reply.json()["status"]) == (200, "ok")


def test_ready_looks_at_the_database(served: World, monkeypatch: pytest.MonkeyPatch):
    assert served.client.get("/ready").json() == {"status": "ready", "database": "sqlite"}

    def outdated(_: object) -> None:
        raise SchemaOutdated("0001", "0002")

    monkeypatch.setattr("api.routes.health.require_current", outdated)
    reply = served.client.get("/ready")
    assert (reply.status_code, reply.json()["type"]) == (503, "database-not-ready")
    assert "hustings db upgrade" in reply.json()["detail"]
