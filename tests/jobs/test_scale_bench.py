"""What the measurement of a large survey asks for, and processor time."""

import subprocess
import sys

from fixtures.scale import DEMOGRAPHICS
from jobs.processor_time import processor_s
from jobs.scale_bench import crosstab_queries


def test_crosstabs_are_of_one_district_by_two_demographics_and_none_comes_twice():
    codes = ["D0001", "D0002", "D0003"]
    asked = crosstab_queries(codes, n=300, seed=1)
    for query in asked:
        first, second = query["by"].split(",")
        assert first != second
        assert {first, second} <= set(DEMOGRAPHICS)
        assert query["level"] == "district"
        assert 0.5 < float(query["interval"]) < 0.99
    assert {query["districts"] for query in asked} == set(codes)
    assert len({query["interval"] for query in asked}) == 300
    assert asked == crosstab_queries(codes, n=300, seed=1)


def test_processor_time_counts_what_a_process_started():
    """A child that is at work, and then one that has ended and was waited for; counted in hundredths of a second."""
    spin = "import time\nwhile time.process_time() < 0.3: pass\n"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {spin!r}]); print('done', flush=True)"
    command = [sys.executable, "-c", f"{child}\nimport sys; sys.stdin.read()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        spent = processor_s(process.pid)
        process.communicate("")
    assert spent >= 0.29


def test_processor_time_of_nobody_is_none():
    with subprocess.Popen([sys.executable, "-c", "pass"]) as process:
        process.wait()
    assert processor_s(process.pid) == 0
