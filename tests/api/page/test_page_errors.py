"""Refusals as a browser sees them: a page of the same status; a program gets its problem."""

import re
from datetime import timedelta
from typing import Any

import pytest

from jobs.draws import forget_draws
from jobs.settings import Settings
from tests.api.world import SURVEY, World, wave_csv

QUESTION = f"/surveys/{SURVEY}/questions/rail"


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/nothing", 404, "There is nothing here"),
        ("/surveys/nowhere", 404, "No such survey"),
        (f"/surveys/{SURVEY}/questions/none", 404, "No such question"),
        (f"/surveys/{SURVEY}/questions/tax", 404, "Nothing is published yet"),
        (f"{QUESTION}?release=none", 404, "No such release"),
        (f"{QUESTION}/districts/D9", 404, "No such district"),
        (f"{QUESTION}/crosstab?rows=gendre", 422, "Perhaps you meant <strong>gender</strong>"),
        (f"{QUESTION}/crosstab?rows=gender&rows=age", 400, "Query parameter given twice"),
        (f"{QUESTION}?colour=red", 400, "Unknown query parameter"),
        (f"{QUESTION}/districts?order=odd", 422, "Not one of the possible values"),
        (f"{QUESTION}/revision?before=none", 404, "No such release"),
    ],
)
def test_a_refusal_is_a_page_that_says_what_to_do(served: World, path: str, status: int, said: str):
    reply = served.page(path)
    assert (reply.status_code, reply.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert said in reply.text
    assert f"<title>{reply.text.split('<h1>')[1].split('</h1>')[0]} · hustings</title>" in reply.text
    assert 'href="/"' in reply.text


def test_a_program_gets_a_problem_at_the_same_address(served: World):
    reply = served.page(f"{QUESTION}?release=none", headers={"Accept": "application/json"})
    assert (reply.status_code, reply.json()["type"]) == (404, "release-not-found")


def test_the_interface_answers_a_browser_as_it_answers_everybody(served: World):
    reply = served.page("/v1/surveys")
    assert (reply.status_code, reply.headers["content-type"]) == (401, "application/problem+json")


def test_a_role_that_may_not_see_a_page_is_told_so(served: World):
    reply = served.page(QUESTION, "pollster")
    assert reply.status_code == 403
    assert "pollster" in reply.text


def test_draws_that_are_gone_are_told_with_the_reason_and_never_shown_from_memory(world: World):
    release = world.release()
    world.release("w2", wave_csv(100, start=1000))
    assert world.page(f"{QUESTION}?release={release.id}").status_code == 200
    assert "Since release 1" in world.page(QUESTION).text
    world.now += timedelta(days=200)
    with world.store.write() as session:
        assert forget_draws(session, Settings(), now=world.now) >= 1
    world.sessions.clear()

    gone = world.page(f"{QUESTION}?release={release.id}")
    assert gone.status_code == 410
    assert "days after a release was last served" in gone.text
    for path in (QUESTION, f"{QUESTION}/revision"):
        assert re.search("not kept any more|days after a release was last served", world.page(path).text), path
    assert world.page(f"/surveys/{SURVEY}/releases/{release.id}/disclosure").status_code == 200


def test_a_fault_of_the_service_is_logged_and_named_by_its_request(
    served: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def fail(*_: Any, **__: Any) -> Any:
        raise ValueError("a secret")

    monkeypatch.setattr("api.page.home._listed", fail)
    reply = served.page("/", headers={"X-Request-Id": "abc"})
    assert reply.status_code == 500
    assert "abc" in reply.text
    assert "a secret" not in reply.text + caplog.text
    assert "unexpected ValueError" in caplog.text


def test_head_and_other_methods(served: World):
    assert (
        served.client.head(QUESTION, headers=served.sessions.get("admin") or served.session("admin")).status_code == 200
    )
    assert served.client.post(QUESTION, headers={"Accept": "text/html"}).status_code == 405
