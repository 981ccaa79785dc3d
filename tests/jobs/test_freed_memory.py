"""Freed memory goes back to the system, and not at every turn of a loop."""

import ctypes

import pytest

from jobs.freed_memory import PAUSE_S, FreedMemory


def test_it_is_given_back_now_and_then(monkeypatch: pytest.MonkeyPatch):
    now = [0.0]
    freed = FreedMemory(lambda: now[0])
    given = []
    monkeypatch.setattr(freed, "_trim", lambda kept: given.append(kept.value))

    for seconds in (0, 1, PAUSE_S - 0.1, PAUSE_S, PAUSE_S + 1, 2 * PAUSE_S):
        now[0] = seconds
        freed.give_back()

    assert given == [0, 0]


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    now = [0.0]
    freed = FreedMemory(lambda: now[0])
    now[0] = 2 * PAUSE_S

    assert freed.give_back() is False


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="another C library than glibc")
def test_the_c_library_takes_the_call():
    now = [0.0]
    freed = FreedMemory(lambda: now[0])
    now[0] = PAUSE_S

    assert freed.give_back() is True
