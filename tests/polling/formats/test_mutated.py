"""Damaged files: bytes flipped, cut, doubled and moved. Each is read or refused in words; nothing breaks or hangs."""

import time

import numpy as np
import pytest

from polling.faults import FaultLog
from polling.formats.limited import Readers
from tests.polling.formats.processes import peak_mb
from tests.polling.formats.samples import SAMPLES

REQUEST = {"expected": [], "only": False, "inflated_bytes": 20_000_000}
FILES = ("csv", "csv-bar-quoted", "csv.gz", "csv.zst", "ndjson", "parquet", "sav", "zsav", "dta", "xlsx")


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """A file with one to three faults of transmission."""
    changed = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        start, end = sorted(int(place) for place in rng.integers(0, len(changed) + 1, 2))
        end = min(end, start + int(rng.choice([1, 8, 64, 4096])))
        match rng.integers(0, 5):
            case 0:  # flip
                for place in rng.integers(start, max(end, start + 1), 4):
                    changed[int(place) % max(len(changed), 1)] ^= 1 << int(rng.integers(0, 8))
            case 1:  # cut
                del changed[start:end]
            case 2:  # double
                changed[end:end] = changed[start:end]
            case 3:  # move
                piece = changed[start:end]
                del changed[start:end]
                place = int(rng.integers(0, len(changed) + 1))
                changed[place:place] = piece
            case _:  # overwrite with large numbers, which lengths and counts are made of
                changed[start:end] = b"\xff" * (end - start)
        if not changed:
            break
    return bytes(changed)


FRAGILE = {"sav": 0.01, "zsav": 0.02}
"""The library that reads these ends with a signal at a few damaged files in a thousand: hence the process."""


def survives(name: str, number: int) -> None:
    rng = np.random.default_rng([sum(name.encode()), 20260601])
    readers = Readers(most=1)
    try:
        slowest, largest, n_refused, n_broke = 0.0, 0.0, 0, 0
        for _ in range(number):
            content, log = mutated(SAMPLES[name], rng), FaultLog()
            began = time.monotonic()
            table = readers.read(content, log, REQUEST)
            slowest = max(slowest, time.monotonic() - began)
            largest = max(largest, peak_mb(readers))
            assert table is not None or log, "neither a table nor a reason"
            reasons = [fault.reason for fault in log.reported()]
            n_broke += any("broke" in reason for reason in reasons)
            n_refused += table is None
    finally:
        readers.close()
    assert slowest < 10
    assert n_refused > 0
    assert n_broke <= FRAGILE.get(name, 0) * number
    assert largest < 1000


@pytest.mark.parametrize("name", FILES)
def test_a_hundred_damaged_files(name: str):
    survives(name, 100)


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_two_thousand_damaged_files(name: str):
    survives(name, 2000)
