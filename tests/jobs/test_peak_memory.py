"""Peak memory: whose process it is, and what a child took and gave back."""

import subprocess
import sys

import pytest

from jobs.peak_memory import peak_memory, role_of


@pytest.mark.parametrize(
    ("command", "role"),
    [
        ("python -m api.cli serve --port 0 ", "service"),
        ("python -m api.cli worker --with-parent ", "worker"),
        ("python -m jobs.fit_process 12 ", "fit"),
        ("/x/python -m api.drawing.process", "charts"),
        ("python -m something ", "other"),
    ],
)
def test_a_command_line_tells_the_role(command, role):
    assert role_of(command) == role


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_the_peak_of_a_child_counts_after_it_has_given_the_memory_back():
    code = "held = bytearray(80_000_000); del held; print('done', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"done\n"
        with peak_memory(child.pid) as peaks:
            pass
        child.communicate(b"\n")

    assert 80 < peaks["other"] < 200
