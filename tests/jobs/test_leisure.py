"""What nobody waits for yields the processors."""

import os
import sys
import threading

import pytest

from jobs.leisure import at_leisure

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a thread has no priority of its own elsewhere")


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_work_and_the_threads_that_it_starts_are_nice_and_nobody_else():
    before, found = niceness(), []

    def work() -> str:
        found.append(niceness())
        thread = threading.Thread(target=lambda: found.append(niceness()))
        thread.start()
        thread.join()
        return "done"

    assert at_leisure(work, nice=3) == "done"
    assert found == [before + 3] * 2
    assert niceness() == before


def test_what_it_raises_is_raised():
    with pytest.raises(ZeroDivisionError):
        at_leisure(lambda: 1 / 0, nice=0)
