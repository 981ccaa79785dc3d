"""Work spread over threads: the same as in one, in order, errors and all."""

import threading

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from mrp import threads
from mrp.threads import in_threads, parts_of


@pytest.fixture(autouse=True)
def _cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_n_cores", lambda: 3)
    monkeypatch.setattr(threads, "_pools", [])


@pytest.mark.parametrize("n", [0, 1, 5, 10, 101])
@pytest.mark.parametrize("least", [0, 1, 4, 1000])
def test_every_part_is_done_once_and_in_order(n: int, least: int):
    done = in_threads(lambda start, stop: list(range(start, stop)), n, least=least)

    assert [one for part in done for one in part] == list(range(n))
    assert len(done) == parts_of(n, least=least)
    assert all(len(part) >= min(least, n) for part in done)


def test_parts_run_at_the_same_time():
    barrier = threading.Barrier(3, timeout=10)

    in_threads(lambda start, stop: barrier.wait(), 3, least=1)


def test_an_error_waits_for_the_other_parts():
    done = np.zeros(3)

    def work(start: int, stop: int) -> None:
        if start == 2:
            raise ValueError("the last part")
        threading.Event().wait(0.05)
        done[start:stop] = 1

    with pytest.raises(ValueError, match="the last part"):
        in_threads(work, 3, least=1)
    assert_array_equal(done, [1, 1, 0])


def test_an_error_in_another_thread_is_raised_here():
    def work(start: int, stop: int) -> None:
        if start == 0:
            raise ValueError("the first part")

    with pytest.raises(ValueError, match="the first part"):
        in_threads(work, 3, least=1)
