"""Releases in memory: loaded once, bounded, safe with threads."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from api.release_cache import ReleaseCache
from polling.errors import ReleaseNotFound
from polling.once import Once
from polling.store import fits
from tests.api.world import World


def test_threads_that_ask_for_the_same_thing_make_it_once():
    once: Once[str, int] = Once(2)
    made: list[int] = []
    barrier = threading.Barrier(8)

    def make() -> int:
        time.sleep(0.05)
        made.append(1)
        return 7

    def ask(_: int) -> int:
        barrier.wait()
        return once.get("key", make)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == [7] * 8
    assert len(made) == 1


def test_the_least_recently_used_is_dropped():
    once: Once[str, str] = Once(2)
    for key in ("a", "b", "a", "c"):
        once.get(key, lambda key=key: key.upper())
    made: list[str] = []
    for key in ("a", "c", "b"):
        once.get(key, lambda key=key: made.append(key) or key)
    assert made == ["b"]


def test_memory_is_bounded_and_a_value_above_the_limit_is_handed_out_but_not_kept():
    once: Once[str, bytes] = Once(10, most_bytes=100, size=len)
    for key in ("a", "b", "c"):
        once.get(key, lambda: b"x" * 60)
    assert len(once) == 1
    assert len(once.get("big", lambda: b"x" * 1000)) == 1000
    assert (len(once), once.find("big"), once.find("c")) == (1, None, b"x" * 60)


def test_what_fails_is_tried_again():
    once: Once[str, int] = Once(2)

    def broken() -> int:
        raise ValueError

    with pytest.raises(ValueError):
        once.get("key", broken)
    assert once.get("key", lambda: 1) == 1


def test_a_release_and_its_breakdowns_are_loaded_once(served: World, monkeypatch: pytest.MonkeyPatch):
    cache = ReleaseCache(served.store, served.secrets, served.settings)
    release_id = served.estimates()["release_id"]
    loaded = cache.load(release_id)
    areas = loaded.drawn(("district",))

    def no(*_: object) -> None:
        raise AssertionError("loaded twice")

    monkeypatch.setattr(fits, "load_draws", no)
    assert cache.load(release_id) is loaded
    assert loaded.drawn(("district",)) is areas


def test_a_release_that_does_not_exist_is_not_kept(served: World):
    cache = ReleaseCache(served.store, served.secrets, served.settings)
    for _ in range(2):
        with pytest.raises(ReleaseNotFound):
            cache.load("none")
