"""Token buckets: how many requests a caller may make, and what it is told."""

import threading
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.errors import TooManyRequests
from api.limits import MAX_BUCKETS, Allowance, Limits
from jobs.settings import Settings
from tests.api.world import SURVEY, World


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Case:
    rate: float
    burst: int
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.limits = Limits(self.rate, self.burst, clock=self.clock)

    def ask(self, caller: str = "a", *, after: float = 0.0) -> Allowance | float | None:
        """The allowance, or the seconds to wait."""
        self.clock.now += after
        try:
            return self.limits.take(caller)
        except TooManyRequests as refused:
            return float(refused.retry_after_s)


def test_a_bucket_by_hand():
    case = Case(rate=2.0, burst=3)

    assert case.ask() == Allowance(limit=3, remaining=2, reset_s=1)  # 1 token is missing, 2 come a second
    assert case.ask() == Allowance(3, 1, 1)
    assert case.ask() == Allowance(3, 0, 2)
    assert case.ask() == 1.0  # half a second to the next token, told in whole ones
    assert case.ask("b") == Allowance(3, 2, 1)  # others have their own
    assert case.ask(after=0.5) == Allowance(3, 0, 2)
    assert case.ask(after=0.25) == 1.0
    assert case.ask(after=0.25) == Allowance(3, 0, 2)  # being refused cost nothing
    assert case.ask(after=100.0) == Allowance(3, 2, 1)  # never more than a burst


def test_a_long_wait_is_told_to_the_second():
    case = Case(rate=0.1, burst=1)
    case.ask()
    assert case.ask(after=2.5) == 8.0  # 7.5 s are left


def test_without_a_rate_there_is_no_limit():
    case = Case(rate=0.0, burst=1)
    assert [case.ask() for _ in range(5)] == [None] * 5


@given(
    rate=st.floats(0.1, 50),
    burst=st.integers(1, 20),
    pauses=st.lists(st.floats(0, 3), min_size=1, max_size=60),
)
def test_no_window_lets_more_through_than_a_burst_and_what_has_come_since(rate: float, burst: int, pauses: list[float]):
    """The definition, over all windows: at most burst + rate * seconds of it; and a refusal is never for nothing."""
    case = Case(rate=rate, burst=burst)
    passed: list[float] = []
    tokens = float(burst)  # the reference: one number, filled before every request
    for pause in pauses:
        tokens = min(burst, tokens + rate * pause)
        answer = case.ask(after=pause)
        assert isinstance(answer, Allowance) == (tokens >= 1.0) or abs(tokens - 1.0) < 1e-6
        if isinstance(answer, Allowance):
            tokens -= 1.0
            passed.append(case.clock.now)
            assert 0 <= answer.remaining <= burst - 1
    for first, begin in enumerate(passed):
        for last in range(first, len(passed)):
            assert last - first + 1 <= burst + rate * (passed[last] - begin) + 1e-6


def test_only_so_many_callers_are_remembered_and_the_latest_are():
    case = Case(rate=0.001, burst=1)
    case.ask("kept")
    for number in range(MAX_BUCKETS - 1):
        case.ask(str(number))
    assert isinstance(case.ask("kept"), float)
    case.ask("one more")
    assert isinstance(case.ask("0"), Allowance)  # forgotten
    assert isinstance(case.ask("kept"), float)


def test_threads_share_a_bucket():
    limits = Limits(1e-9, 500)
    passed = []

    def ask() -> None:
        for _ in range(200):
            try:
                limits.take("a")
            except TooManyRequests:
                continue
            passed.append(1)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(passed) == 500


# Over HTTP


@pytest.fixture
def narrow(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A service where a key may ask twice, and an address without one twice, and then for a long time not."""
    for name in ("limits", "strangers"):
        monkeypatch.setattr(getattr(world.services, name), "_rate", 0.01)
        monkeypatch.setattr(getattr(world.services, name), "_burst", 2.0)
    return world


def test_a_key_is_told_what_is_left_and_then_to_wait(narrow: World):
    replies = [narrow.get("/v1/surveys", "reader") for _ in range(3)]

    assert [one.status_code for one in replies] == [200, 200, 429]
    assert [one.headers.get("ratelimit-remaining") for one in replies] == ["1", "0", None]
    assert {one.headers["ratelimit-limit"] for one in replies[:2]} == {"2"}
    assert [one.headers.get("ratelimit-reset") for one in replies[:2]] == ["100", "200"]
    refused = replies[2]
    assert refused.json()["type"] == "too-many-requests"
    assert 95 <= int(refused.headers["retry-after"]) <= 100
    assert refused.headers["content-type"] == "application/problem+json"


def test_another_key_has_its_own_and_refusals_by_role_or_survey_count_too(narrow: World):
    for path in ("/v1/surveys/none", f"/v1/surveys/{SURVEY}/jobs"):
        assert narrow.get(path, "reader").status_code in (403, 404)

    assert narrow.get("/v1/surveys", "reader").status_code == 429
    assert narrow.get("/v1/surveys", "analyst").status_code == 200


def test_guessing_keys_is_limited_by_address_and_does_not_shut_out_good_keys(narrow: World):
    bad = {"Authorization": "Bearer hust_x"}
    asked = [narrow.client.get("/v1/surveys", headers=headers) for headers in (bad, {}, bad, {})]

    assert [one.status_code for one in asked] == [401, 401, 429, 429]
    assert narrow.get("/v1/surveys", "reader").status_code == 200


def test_what_needs_no_key_is_not_limited(narrow: World):
    assert {narrow.client.get("/health").status_code for _ in range(9)} == {200}


def test_the_settings_decide(world: World):
    settings = replace(Settings(), key_rate=7.0, key_burst=9)
    services = replace(world.services, settings=settings)

    allowance = services.limits.take("a")

    assert allowance == Allowance(9, 8, 1)
