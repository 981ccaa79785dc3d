"""The process that draws: kept, replaced, and out of the way of everything else."""

import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.drawing.renderer import ChartFailed, Renderer

DIES = "import sys; sys.stdin.readline(); sys.exit(3)"
HANGS = "import sys, time; sys.stdin.readline(); time.sleep(60)"
GROWS = """
import os, sys
for line in sys.stdin:
    print('{"svg": "<svg>' + str(os.getpid()) + '</svg>", "size_mb": 500}', flush=True)
"""


def spec(number: int, n_marks: int = 3) -> dict[str, Any]:
    values = [{"x": number, "y": mark} for mark in range(n_marks)]
    place = {"x": {"field": "x", "type": "quantitative"}, "y": {"field": "y", "type": "quantitative"}}
    about = {"title": f"Chart {number}", "description": "Some points."}
    return {"data": {"values": values}, "mark": "point", "encoding": place, "usermeta": about}


@pytest.fixture(scope="module")
def renderer() -> Iterator[Renderer]:
    renderer = Renderer()
    yield renderer
    renderer.close()


def scripted(code: str, **settings: Any) -> Renderer:
    return Renderer((sys.executable, "-c", code), **settings)


def test_a_chart_is_drawn_once(renderer: Renderer):
    first = renderer(spec(1))
    started = time.perf_counter()
    again = renderer(spec(1))

    assert again is first
    assert time.perf_counter() - started < 0.05
    assert renderer(spec(2)) != first


def test_other_threads_run_while_a_chart_is_drawn(renderer: Renderer):
    """The converter holds Python's lock for as long as it draws, which must not be this process's."""
    renderer(spec(3))
    moments: list[float] = []
    is_drawn = threading.Event()

    def watch() -> None:
        while not is_drawn.is_set():
            moments.append(time.perf_counter())
            time.sleep(0.001)

    thread = threading.Thread(target=watch)
    thread.start()
    started = time.perf_counter()
    renderer(spec(4, n_marks=3000))
    took = time.perf_counter() - started
    is_drawn.set()
    thread.join()
    # In this process, the largest gap would be nearly as long as the drawing.
    gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert max(gaps) < took / 2


def test_what_cannot_be_drawn_is_refused_and_the_next_chart_is_drawn(renderer: Renderer):
    renderer(spec(5))
    process = renderer.process_id
    with pytest.raises(ChartFailed, match="could not be drawn"):
        renderer({"mark": "nonsense", "data": {"values": [{"x": 1}]}})

    assert "<title" in renderer(spec(6))
    assert renderer.process_id == process


def test_nothing_is_loaded_from_an_address(renderer: Renderer):
    with pytest.raises(ChartFailed, match="not allowed"):
        renderer({"data": {"url": "http://127.0.0.1:9/x.json"}, "mark": "point"})


def test_a_process_that_dies_is_replaced_by_the_next_chart(renderer: Renderer):
    renderer(spec(7))
    before = renderer.process_id
    assert before is not None
    os.kill(before, 9)
    os.waitid(os.P_PID, before, os.WEXITED | os.WNOWAIT)

    assert "<title" in renderer(spec(8))
    assert renderer.process_id not in (None, before)


def test_a_process_that_dies_over_a_chart_is_told():
    renderer = scripted(DIES)

    with pytest.raises(ChartFailed, match="ended over one"):
        renderer(spec(9))
    assert renderer.process_id is None


def test_a_process_that_hangs_is_ended():
    renderer = scripted(HANGS, timeout_s=0.3)

    with pytest.raises(ChartFailed, match=r"longer than 0\.3 s"):
        renderer(spec(10))
    assert renderer.process_id is None


def test_a_process_that_has_become_large_is_replaced():
    renderer = scripted(GROWS)

    assert renderer(spec(11)) != renderer(spec(12))
    assert renderer.process_id is None


def test_the_process_ends_with_the_one_that_started_it_however_that_ends():
    code = (
        "import time; from api.drawing.renderer import _RENDERER as renderer; "
        "renderer({'data': {'values': [{'x': 1}]}, 'mark': 'point'}); print(renderer.process_id, flush=True); "
        "time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    drawing = int(parent.stdout.readline())
    assert Path(f"/proc/{drawing}").exists()
    parent.kill()
    parent.wait()
    parent.stdout.close()

    until = time.monotonic() + 10
    while _runs(drawing) and time.monotonic() < until:
        time.sleep(0.02)
    assert not _runs(drawing)


def _runs(process_id: int) -> bool:
    """Whether there is such a process, and it has not ended."""
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False
