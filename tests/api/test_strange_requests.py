"""Requests that nobody sends on purpose: refused, never a fault of the service."""

import logging

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.app import handlers_of
from api.auth import PUBLIC, operation_id
from tests.api.world import SURVEY, World

RAIL = f"/v1/surveys/{SURVEY}/questions/rail/estimates"
NAMES = st.sampled_from(["level", "districts", "by", "interval", "option", "release", "nonsense"])
VALUES = st.one_of(
    st.sampled_from(
        [
            "",
            "inf",
            "-inf",
            "nan",
            "1e400",
            "1e-400",
            "-0",
            "0.9",
            "٠.٩",
            "0x1",
            ",",
            ",,",
            "D1,",
            "district",
            "a" * 5000,
        ]
    ),
    st.text(max_size=20),
)


@settings(max_examples=80, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=st.dictionaries(NAMES, VALUES, max_size=4))
def test_no_query_is_a_fault_of_the_service(served: World, query: dict[str, str]):
    reply = served.get(RAIL, params=query)

    assert reply.status_code in (200, 400, 404, 422), reply.text


@settings(max_examples=30, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(part=st.text(min_size=1, max_size=30))
def test_no_path_is_a_fault_of_the_service(served: World, part: str):
    from urllib.parse import quote

    for path in ("/v1/surveys/{}", f"/v1/surveys/{SURVEY}/waves/{{}}", f"/v1/surveys/{SURVEY}/jobs/{{}}", "/docs/{}"):
        reply = served.get(path.format(quote(part, safe="")))
        assert reply.status_code in (200, 400, 404, 405), reply.text


@settings(max_examples=30, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(header=st.text(alphabet=st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=60))
def test_no_header_is_a_fault_of_the_service(served: World, header: str):
    for value in (header, f"Bearer {header}", f"Bearer hust_{header}"):
        reply = served.client.get("/v1/surveys", headers={"Authorization": value.strip().encode("latin-1")})
        assert reply.status_code == 401


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"])
def test_no_method_is_a_fault_of_the_service(served: World, method: str, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.ERROR)
    for handler in handlers_of(served.app):
        path = next(iter(handler.paths)).replace("{survey_id:str}", SURVEY).replace("{question_id:str}", "rail")
        reply = served.client.request(method, path, headers=served.bearer("admin"))
        assert reply.status_code < 500, (operation_id(handler), reply.text)
        if operation_id(handler) in PUBLIC - {"signInPage", "signIn", "signOut"}:
            assert reply.status_code == 405
    assert caplog.text == ""
