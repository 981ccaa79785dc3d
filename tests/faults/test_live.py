"""A whole service broken from outside, a few times each; `make faults` does it as often as a figure needs."""

import os
import shutil
import sys

import pytest

from tests.conftest import POSTGRES_TOOLS
from tests.faults.live import FAKETIME, run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals processes that it finds in /proc")


@pytest.mark.parametrize(
    ("name", "kind", "times"),
    [
        ("worker-killed", "postgresql", 1),
        ("service-killed", "sqlite", 3),
        ("disk-full", "sqlite", 1),
        # These wait for real time; CI runs them by themselves.
        pytest.param("worker-stopped", "sqlite", 1, marks=pytest.mark.slow),
        pytest.param("database-stopped", "postgresql", 1, marks=pytest.mark.slow),
        pytest.param("out-of-memory", "sqlite", 1, marks=pytest.mark.slow),
        pytest.param("clock-moved", "sqlite", 1, marks=pytest.mark.slow),
    ],
)
def test_a_service_that_is_broken_loses_nothing_and_does_nothing_twice(name: str, kind: str, times: int):
    if kind == "postgresql" and any(shutil.which(tool) is None for tool in POSTGRES_TOOLS):
        _missing("PostgreSQL server binaries")
    if name == "clock-moved" and not FAKETIME:
        _missing("libfaketime (Debian: faketime)")
    outcome = run(name, kind, times)
    assert outcome.times >= times
    assert outcome.wrong == []


def _missing(what: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(f"missing: {what}")
    pytest.skip(f"missing: {what}")
