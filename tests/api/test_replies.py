"""Replies given again: the same bytes without the application, until anything that they rest on changes."""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from api.keys import revoke_key
from polling.store.engine import Store
from tests.api.world import OTHER, SURVEY, World, make_world, wave_csv

ESTIMATES = f"/v1/surveys/{SURVEY}/questions/rail/estimates"
OWN = {"x-request-id", "ratelimit-remaining", "ratelimit-reset"}
"""Headers that every answer has for itself."""


@pytest.fixture
def released(store: Store, tmp_path: Path) -> Iterator[World]:
    """A service with a release, on either store."""
    world = make_world(store, tmp_path)
    with world.client:
        world.release()
        yield world


@contextmanager
def counted(world: World) -> Iterator[list[str]]:
    """The paths for which the application was asked."""
    edge, asked = world.edge, []
    app = edge.app

    async def count(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            asked.append(scope["path"])
        await app(scope, receive, send)

    edge.app = count
    try:
        yield asked
    finally:
        edge.app = app


def told(reply: Any) -> tuple[int, bytes, dict[str, str]]:
    """What two answers to the same request have in common."""
    return reply.status_code, reply.content, {k: v for k, v in reply.headers.items() if k not in OWN}


def warm(world: World, path: str = ESTIMATES, **options: Any) -> Any:
    """Ask until the reply is kept."""
    return [world.get(path, **options) for _ in range(2)][-1]


def test_from_the_third_time_on_the_application_is_not_asked(released: World):
    first = released.get(ESTIMATES, params={"by": "age"})
    with counted(released) as asked:
        replies = [released.get(ESTIMATES, params={"by": "age"}) for _ in range(4)]

    assert len(asked) == 1
    assert [told(one) for one in replies] == [told(first)] * 4
    assert len({one.headers["x-request-id"] for one in replies}) == 4


def test_a_revoked_key_is_refused_at_once(released: World):
    key = released.key("reader")
    headers = {"Authorization": f"Bearer {key}"}
    for _ in range(3):
        assert released.client.get(ESTIMATES, headers=headers).status_code == 200

    revoke_key(released.store, released.secrets, key.split("_")[1], actor="test", now=released.now)

    assert released.client.get(ESTIMATES, headers=headers).status_code == 401


def test_a_key_that_ends_is_refused_from_that_moment_on(released: World):
    key = released.key("reader", expires_at=released.now + timedelta(hours=1))
    headers = {"Authorization": f"Bearer {key}"}
    for _ in range(3):
        assert released.client.get(ESTIMATES, headers=headers).status_code == 200

    released.now += timedelta(hours=1)

    assert released.client.get(ESTIMATES, headers=headers).status_code == 401


def test_a_wave_that_waits_and_the_next_release_are_told_at_once(released: World):
    warm(released)

    assert released.push("w2", wave_csv(start=1000)).status_code == 202
    assert released.get(ESTIMATES).json()["stale_since"] is not None
    released.work()
    after = released.get(ESTIMATES).json()
    assert (after["release_number"], after["stale_since"]) == (2, None)


def test_the_limit_counts_what_is_given_again(released: World):
    first = warm(released)
    with counted(released) as asked:
        after = released.get(ESTIMATES)
    assert not asked
    left = [int(one.headers["ratelimit-remaining"]) for one in (first, after)]
    assert left[1] <= left[0]

    buckets = released.services.limits._buckets
    buckets.update({key: (0.0, then + 3600) for key, (_, then) in buckets.items()})
    refused = released.get(ESTIMATES)
    assert refused.status_code == 429
    assert refused.json()["type"] == "too-many-requests"


def test_a_validator_and_a_head_are_answered_from_what_is_kept(released: World):
    first = warm(released)
    tag = {"If-None-Match": first.headers["etag"]}
    released_slowly = released.get(ESTIMATES, params={"level": "nation"})
    slow = released.get(
        ESTIMATES, params={"level": "nation"}, headers={"If-None-Match": released_slowly.headers["etag"]}
    )
    with counted(released) as asked:
        same = released.get(ESTIMATES, headers=tag)
        other = released.get(ESTIMATES, headers={"If-None-Match": '"other"'})
        head = released.client.head(ESTIMATES, headers=released.bearer("admin"))

    assert not asked
    assert (same.status_code, same.content) == (304, b"")
    assert {k: v for k, v in told(same)[2].items() if k != "etag"} == {
        k: v for k, v in told(slow)[2].items() if k != "etag"
    }
    assert told(other) == told(first)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == first.headers["content-length"]


def test_another_key_and_other_headers_have_replies_of_their_own(released: World):
    warm(released)
    stranger = released.key("reader", survey=OTHER)
    with counted(released) as asked:
        assert released.client.get(ESTIMATES, headers={"Authorization": f"Bearer {stranger}"}).status_code == 404
        assert released.client.get(ESTIMATES).status_code == 401
        released.get(ESTIMATES, headers={"Accept": "application/json"})
        released.get(ESTIMATES, headers={"Origin": "https://example.org"})
        released.get(ESTIMATES, params={"level": "nation"})
    assert len(asked) == 5


def test_what_is_not_an_answer_of_a_release_is_never_kept(released: World):
    for path in (f"/v1/surveys/{SURVEY}", f"{ESTIMATES}?level=moon", f"/v1/surveys/{SURVEY}/waves"):
        warm(released, path)
        with counted(released) as asked:
            released.get(path)
        assert len(asked) == 1


def test_while_the_database_is_away_the_application_answers_and_says_so(
    released: World, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_: Any) -> Any:
        raise OperationalError("SELECT 1", {}, Exception("connection refused"))

    warm(released)
    released.services.memory.look()
    with monkeypatch.context() as patch:
        patch.setattr(released.store, "stamp", refuse)
        patch.setattr(released.store, "read", refuse)
        during = [released.get(ESTIMATES).json()["stale_reason"] for _ in range(3)]
    assert all("The database has not answered" in reason for reason in during)


def test_an_answer_that_was_given_while_the_database_was_away_is_not_kept(
    released: World, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_: Any) -> Any:
        raise OperationalError("SELECT 1", {}, Exception("locked"))

    released.get(ESTIMATES)
    released.services.memory.look()
    with monkeypatch.context() as patch:
        # It says what it holds, but not what that is.
        patch.setattr(released.store, "read", refuse)
        patch.setattr(released.services.memory, "_fresh", OrderedDict())
        for _ in range(3):
            released.get(ESTIMATES)
    released.services.memory.look()
    assert released.get(ESTIMATES).json()["stale_reason"] is None


def test_only_so_many_replies_are_kept(released: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("api.replies.MOST", 3)
    for interval in (0.5, 0.6, 0.7, 0.8):
        warm(released, params={"interval": interval})
    replies = released.edge.replies
    assert replies is not None
    assert len(replies._kept) == 3
    assert replies._n_bytes == sum(len(one.body) for one in replies._kept.values())


def test_who_is_answered_from_what_is_kept_is_not_held_up_by_the_next_release_either(
    released: World, monkeypatch: pytest.MonkeyPatch
):
    seconds = iter(range(1000))
    monkeypatch.setattr(released.services.answers, "_clock", lambda: next(seconds))
    tag = warm(released).headers["etag"]
    with counted(released) as asked:
        released.get(ESTIMATES)

    assert not asked
    assert list(released.services.answers._right.values()) == [(tag, next(seconds) - 1)]
