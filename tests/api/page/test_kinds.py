"""Pages of questions with several options, of a scale and of numbers: what they say is what the interface says."""

from typing import Any

import pytest

from tests.api.world import SURVEY, World

QUESTIONS = ("party", "agree", "minutes")
PAGES = (
    "",
    "/crosstab",
    "/crosstab?rows=age&columns=gender",
    "/districts",
    "/districts/D1",
    "/trend",
    "/seats",
    "/revision",
    "/releases",
    "/methods",
    "/methods?by=age",
    "/track-record",
)
OF_RELEASE = ("representation", "checks", "diagnostics", "disclosure")


def page(world: World, question: str, more: str = "") -> Any:
    return world.page(f"/surveys/{SURVEY}/questions/{question}{more}")


def asked(world: World, question: str, route: str, **parameters: Any) -> dict[str, Any]:
    reply = world.get(f"/v1/surveys/{SURVEY}/questions/{question}/{route}", params=parameters)
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    return body


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_page_answers_for_every_kind(kinds: World, question: str):
    release = asked(kinds, question, "means" if question != "party" else "estimates")["release_id"]
    paths = [f"/surveys/{SURVEY}/questions/{question}{more}" for more in PAGES]
    paths += [f"/surveys/{SURVEY}/releases/{release}/{more}" for more in OF_RELEASE]
    found = {path: kinds.page(path).status_code for path in (*paths, "/", f"/surveys/{SURVEY}")}

    assert set(found.values()) == {200}, {path: code for path, code in found.items() if code != 200}
