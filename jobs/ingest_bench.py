"""How long a large wave takes from its bytes to counts, beside the bare reading and writing of the same file.

    ratio = (check, recode, pseudonymise, store, count) / (read_csv or read_parquet, then write_parquet)

A file of made-up interviews (a seed makes it) goes the way of every wave: ``jobs.receive.receive_wave`` into a
temporary SQLite store, then the counts of ``jobs.refit.prepare_refit``. Both sides are measured in one process that has
read a small file before, so that neither pays for imports, and the median over several such processes is reported. Peak
memory is that of the process and of those it reads files with, during the ingest.

``python -m jobs.ingest_bench FOLDER FORMAT`` makes one measurement and prints it as JSON.
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl

from jobs.settings import Settings

__all__ = ["FORMATS", "IngestSpeed", "bench_ingest"]

FORMATS = ("csv", "parquet")
_SMALL = 1000  # rows of the file that warms up
_DAYS = (date(2026, 5, 1), date(2026, 5, 28))
_DISTRICTS = tuple(f"{code:05d}" for code in range(1001, 1051))
_LEVELS = {
    "age": ("18-29", "30-39", "40-49", "50-59", "60-69", "70+"),
    "sex": ("F", "M"),
    "education": ("No HS", "HS", "Some college", "College", "Post-grad"),
    "ethnicity": ("White", "Black", "Hispanic", "Other"),
}
_OPTIONS = ("Support", "Oppose", "Don't know")
_QUESTIONS = ("rail", "tax", "housing", "schools")
_TOML = """\
[survey]
id = "bench"
title = "Made-up interviews"
universe = "Nobody"

[columns]
respondent = "caseid"
date = "day"
weight = "weight"

[geography]
district = "district"
districts = "districts.csv"

[demographics.age]
levels = ["18-29", "30-39", "40-49", "50-59", "60-69", "70+"]
ordered = true

[demographics.sex]
levels = ["Female", "Male"]
recode = { F = "Female", M = "Male" }

[demographics.education]
levels = ["No HS", "HS", "College"]
recode = { "Some college" = "College", "Post-grad" = "College" }

[demographics.ethnicity]
levels = ["White", "Black", "Hispanic", "Other"]

[frame]
file = "frame.csv"
"""
_QUESTION = """
[questions.{name}]
text = "For or against?"
kind = "binary"
options = ["Support", "Oppose"]
dont_know = ["Don't know"]
model = "(1|district) + (1|age)"
"""


@dataclass(frozen=True, slots=True)
class IngestSpeed:
    """What was measured for one format; times in seconds, medians."""

    format: str
    rows: int
    columns: int
    file_mb: float
    ingest_s: float
    bare_s: float
    ratio: float
    """The median of the ratios within the processes."""
    ratios: tuple[float, ...]
    peak_mb: float
    """The highest."""


def bench_ingest(
    *, rows: int, repeat: int, seed: int, formats: tuple[str, ...] = FORMATS, say: Callable[[str], None]
) -> list[IngestSpeed]:
    """Measure every format.

    Parameters
    ----------
    rows
        Interviews of the file; it has 12 columns.
    repeat
        Processes that measure each format.
    say
        Receives one line per step.
    """
    with tempfile.TemporaryDirectory(prefix="hustings-bench-") as name:
        folder = Path(name)
        say(f"writing {rows:,} interviews of 12 columns")
        _write_survey(folder)
        for label, height in (("large", rows), ("small", _SMALL)):
            interviews = _interviews(height, seed)
            interviews.write_csv(folder / f"{label}.csv")
            interviews.with_columns(pl.col("day").str.to_date()).write_parquet(folder / f"{label}.parquet")
        del interviews
        return [_speed(folder, one, rows, repeat, say) for one in formats]


def _speed(folder: Path, format_: str, rows: int, repeat: int, say: Callable[[str], None]) -> IngestSpeed:
    found = []
    for number in range(1, repeat + 1):
        say(f"{format_}: {number} of {repeat}")
        command = [sys.executable, "-m", "jobs.ingest_bench", str(folder), format_]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found.append(json.loads(done.stdout))
        say("  ingest {ingest_s:.2f} s, bare {bare_s:.2f} s, peak {peak_mb:,.0f} MB".format(**found[-1]))
    ratios = tuple(round(one["ingest_s"] / one["bare_s"], 2) for one in found)
    return IngestSpeed(
        format=format_,
        rows=rows,
        columns=12,
        file_mb=round((folder / f"large.{format_}").stat().st_size / 1e6, 1),
        ingest_s=round(statistics.median(one["ingest_s"] for one in found), 3),
        bare_s=round(statistics.median(one["bare_s"] for one in found), 3),
        ratio=round(statistics.median(ratios), 2),
        ratios=ratios,
        peak_mb=round(max(one["peak_mb"] for one in found), 1),
    )


def _measure(folder: Path, format_: str) -> dict[str, float]:
    """One ingest and one bare copy, each after a small one."""
    with tempfile.TemporaryDirectory(prefix="hustings-bench-") as name:
        _ingest(folder, f"small.{format_}", Path(name) / "small")
        ready = _ready(folder, Path(name) / "large")
        peak = _Peak()
        with peak:
            began = time.perf_counter()
            n_counted = ready((folder / f"large.{format_}").read_bytes())
            ingest_s = time.perf_counter() - began
        assert n_counted > 0
        read = pl.read_csv if format_ == "csv" else pl.read_parquet
        read(folder / f"small.{format_}").write_parquet(Path(name) / "copy.parquet")
        began = time.perf_counter()
        read(folder / f"large.{format_}").write_parquet(Path(name) / "copy.parquet")
        bare_s = time.perf_counter() - began
    return {"ingest_s": ingest_s, "bare_s": bare_s, "peak_mb": peak.n_bytes / 1e6}


def _ingest(folder: Path, file: str, data_dir: Path) -> None:
    _ready(folder, data_dir)((folder / file).read_bytes())


def _ready(folder: Path, data_dir: Path) -> Callable[[bytes], int]:
    """A store with the survey; calling the result takes a wave in and returns the number of answers counted."""
    from jobs.receive import receive_wave
    from jobs.refit import prepare_refit
    from jobs.survey import add_survey, load_survey
    from polling.secrets import SecretsFile
    from polling.store.engine import open_store
    from polling.store.schema import upgrade

    data_dir.mkdir()
    settings = replace(Settings(), data_dir=data_dir, secrets_file=data_dir / "secrets.toml")
    secrets, store = SecretsFile(settings.secrets_file), open_store(settings.store_url)
    now = datetime(2026, 6, 1, tzinfo=UTC)
    upgrade(store)
    add_survey(store, secrets, load_survey(folder), actor="bench", now=now)

    def ingest(content: bytes) -> int:
        receive_wave(
            store,
            secrets,
            settings,
            survey_id="bench",
            pollster="Bench",
            reference="wave",
            content=content,
            fieldwork_start=_DAYS[0],
            fieldwork_end=_DAYS[1],
            now=now,
            actor="bench",
        )
        with store.read() as session:
            prepared = prepare_refit(session, settings, survey_id="bench", question_id=_QUESTIONS[0])
        store.close()
        return prepared.n_interviews

    return ingest


def _write_survey(folder: Path) -> None:
    toml = _TOML + "".join(_QUESTION.format(name=name) for name in _QUESTIONS)
    (folder / "survey.toml").write_text(toml, encoding="utf-8")
    pl.DataFrame({"code": _DISTRICTS, "name": _DISTRICTS}).write_csv(folder / "districts.csv")
    frame = pl.DataFrame({"district": _DISTRICTS})
    levels = {**_LEVELS, "sex": ("Female", "Male"), "education": ("No HS", "HS", "College")}
    for name, values in levels.items():
        frame = frame.join(pl.DataFrame({name: values}), how="cross")
    frame.with_columns(count=pl.lit(100)).write_csv(folder / "frame.csv")


def _interviews(rows: int, seed: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    days = pl.date_range(*_DAYS, eager=True).dt.to_string().to_list()
    chosen = {"day": days, "district": _DISTRICTS, **_LEVELS, **dict.fromkeys(_QUESTIONS, _OPTIONS)}
    columns = {
        name: pl.Series(values).gather(rng.integers(0, len(values), rows, dtype=np.uint32))
        for name, values in chosen.items()
    }
    ids = pl.Series(rng.permutation(rows)).cast(pl.String).str.zfill(8)
    return pl.DataFrame({"caseid": "R" + ids, "weight": np.round(rng.gamma(4, 0.25, rows) + 0.01, 4), **columns})


class _Peak:
    """The highest memory of this process and its children together, looked at every few milliseconds."""

    EVERY_S = 0.005

    def __init__(self) -> None:
        self.n_bytes = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(self.EVERY_S):
            self.n_bytes = max(self.n_bytes, sum(map(_resident_bytes, (os.getpid(), *_children(os.getpid())))))


def _children(pid: int) -> Iterator[int]:
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            yield from map(int, tasks.read_text(encoding="ascii").split())


def _resident_bytes(pid: int) -> int:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def as_json(speeds: list[IngestSpeed]) -> dict[str, dict[str, object]]:
    """Format -> what was measured."""
    return {speed.format: asdict(speed) for speed in speeds}


if __name__ == "__main__":
    print(json.dumps(_measure(Path(sys.argv[1]), sys.argv[2])))
