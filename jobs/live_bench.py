"""How long a wave takes from its last byte to the release that contains it, with readers at the service meanwhile.

A service of its own (``hustings serve``) gets a base of interviews, then wave after wave, each sent when the release
with the last one is visible. Readers in another process ask for the districts at a steady rate, first while nothing is
fitted, then all the while; a moment at which they should have asked and could not counts as waiting.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl

from jobs.backtest_waves import PushedWave, plan_backtest, split_waves
from jobs.settings import Settings
from jobs.survey import add_survey, load_survey
from polling.secrets import SecretsFile
from polling.store.engine import open_store
from polling.store.schema import upgrade

__all__ = ["LiveSpeed", "bench_live"]

LOOK_S = 0.01
READS_PER_S = 100.0
IDLE_S = 10.0
PATIENCE_S = 300.0

type MakeKey = Callable[[Any, SecretsFile, str, str | None], str]
"""Store, secrets, role, pollster -> a key."""


@dataclass(frozen=True, slots=True)
class LiveSpeed:
    """What was measured with one base of interviews; times in seconds but for milliseconds of the readers."""

    base: int
    waves: int
    wave_size: int
    p50_s: float
    p95_s: float
    worst_s: float
    api_p99_ms: dict[str, float]
    """Of the readers: ``idle``, and ``fitting``."""
    api_p50_ms: dict[str, float]
    reads: int
    failed_reads: int
    mixed_releases: int
    """Answers of one release whose estimates differed."""
    stages_s: dict[str, float]
    """Medians of what the service says of its fits."""
    seconds: tuple[float, ...]


def bench_live(
    folder: Path,
    data_dir: Path | None,
    *,
    base: int | None,
    waves: int,
    size: int,
    seed: int,
    interviews: str | None,
    make_key: MakeKey,
    say: Callable[[str], None],
) -> LiveSpeed:
    """Measure with the interviews of a survey folder's backtest.

    Parameters
    ----------
    base
        Interviews that are there before the first wave; None: all that the waves leave.
    waves, size
        How many waves of how many interviews.
    interviews
        Another file of interviews than the declared one.
    say
        Receives one line per step.
    """
    bundle = load_survey(folder, data_dir=data_dir)
    plan = plan_backtest(bundle, None, interviews)
    now = datetime.now(UTC)
    whole = split_waves(bundle, plan, data_dir or folder, now=now)[0]
    first, rest = _split(whole, base, waves, size, seed)
    with tempfile.TemporaryDirectory(prefix="hustings-live-") as name:
        place = Path(name)
        settings = replace(Settings(), data_dir=place, secrets_file=place / "secrets.toml")
        secrets, store = SecretsFile(settings.secrets_file), open_store(settings.store_url)
        upgrade(store)
        add_survey(store, secrets, bundle, actor="bench", now=now)
        pushing = make_key(store, secrets, "pollster", whole.pollster)
        reading = make_key(store, secrets, "reader", None)
        analysing = make_key(store, secrets, "analyst", None)
        store.close()
        with _serving(place) as url, httpx.Client(base_url=url, timeout=60) as client:
            question = f"/v1/surveys/{bundle.declaration.id}/questions/{plan.question}"
            push = _Push(client, f"/v1/surveys/{bundle.declaration.id}/waves", pushing, whole)
            wait = _Wait(client, question, reading)
            say(f"base of {first.height:,} interviews")
            push("base", first)
            wait()
            with _reading(f"{url}{question}/estimates?level=district", reading) as idle:
                time.sleep(IDLE_S)
            seconds = []
            with _reading(f"{url}{question}/estimates?level=district", reading) as fitting:
                for number, part in enumerate(rest, 1):
                    sent = push(f"wave-{number}", part)
                    seconds.append(wait() - sent)
                    say(f"wave {number} of {len(rest)}: {seconds[-1]:.2f} s")
            stages = _stages(client, bundle.declaration.id, analysing)
    quiet, busy = _latencies(idle), _latencies(fitting)
    return LiveSpeed(
        base=first.height,
        waves=len(rest),
        wave_size=size,
        p50_s=round(statistics.median(seconds), 3),
        p95_s=round(float(np.quantile(seconds, 0.95)), 3),
        worst_s=round(max(seconds), 3),
        api_p99_ms={"idle": _quantile(quiet, 0.99), "fitting": _quantile(busy, 0.99)},
        api_p50_ms={"idle": _quantile(quiet, 0.5), "fitting": _quantile(busy, 0.5)},
        reads=len(quiet) + len(busy),
        failed_reads=sum(status != 200 for one in (idle, fitting) for *_, status in one["answers"]),
        mixed_releases=idle["mixed"] + fitting["mixed"],
        stages_s=stages,
        seconds=tuple(round(one, 3) for one in seconds),
    )


def as_json(speed: LiveSpeed) -> dict[str, Any]:
    """What was measured, as one object."""
    return asdict(speed)


def _split(
    whole: PushedWave, base: int | None, waves: int, size: int, seed: int
) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    table = pl.read_parquet(BytesIO(whole.content))
    order = np.random.default_rng(seed).permutation(table.height)
    n_base = table.height - waves * size if base is None else base
    if n_base < 1 or n_base + waves * size > table.height:
        raise ValueError(f"{table.height:,} interviews are not enough for a base of {n_base:,} and {waves} waves.")
    shuffled = table[order]
    return shuffled.head(n_base), [shuffled.slice(n_base + n * size, size) for n in range(waves)]


class _Push:
    """Sends interviews as a wave, and tells when the last byte was sent."""

    def __init__(self, client: httpx.Client, path: str, key: str, whole: PushedWave) -> None:
        self._client = client
        self._path = path
        self._headers = {"Authorization": f"Bearer {key}"}
        self._whole = whole

    def __call__(self, reference: str, interviews: pl.DataFrame) -> float:
        content = interviews.write_csv().encode()
        days = {"fieldwork_start": self._whole.fieldwork_start, "fieldwork_end": self._whole.fieldwork_end}
        form = {"reference": reference} | {name: day.isoformat() for name, day in days.items()}
        made = self._client.build_request(
            "POST", self._path, headers=self._headers, data=form, files={"file": ("wave.csv", content)}
        )
        body, sent = made.read(), 0.0

        def parts() -> Iterator[bytes]:
            nonlocal sent
            yield body
            sent = time.time()

        reply = self._client.send(httpx.Request("POST", made.url, headers=made.headers, content=parts()))
        if reply.status_code != 202:
            raise RuntimeError(f"A wave was answered {reply.status_code}: {reply.text}")
        return sent


class _Wait:
    """Waits until another release than the last is visible and not stale."""

    def __init__(self, client: httpx.Client, question: str, key: str) -> None:
        self._client = client
        self._path = f"{question}/estimates?level=nation"
        self._headers = {"Authorization": f"Bearer {key}"}
        self._release: str | None = None

    def __call__(self) -> float:
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            reply = self._client.get(self._path, headers=self._headers)
            body = reply.json() if reply.status_code == 200 else {}
            if body and body["release_id"] != self._release and body["stale_since"] is None:
                self._release = body["release_id"]
                return time.time()
            time.sleep(LOOK_S)
        raise RuntimeError(f"No new release within {PATIENCE_S:g} s.")


@contextmanager
def _serving(place: Path) -> Iterator[str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("HUSTINGS_")}
    chosen = {"data_dir": place, "secrets_file": place / "secrets.toml", "refit_quiet_s": 0.2, "refit_patience_s": 2}
    ours |= {f"HUSTINGS_{name.upper()}": str(value) for name, value in chosen.items()}
    command = [sys.executable, "-m", "api.cli", "serve", "--port", "0", "--quiet", "--with-parent"]
    with (place / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=ours, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if "serving at " not in line:
            raise RuntimeError((place / "log").read_text())
        yield line.split("serving at ")[1].split()[0]
    finally:
        process.terminate()
        process.communicate()


@contextmanager
def _reading(url: str, key: str) -> Iterator[dict[str, Any]]:
    """Readers while the block lasts; what they saw is in the mapping afterwards."""
    command = [sys.executable, "-m", "jobs.live_reader", url, str(READS_PER_S)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    process.stdin.write(f"{key}\n")
    process.stdin.flush()
    seen: dict[str, Any] = {}
    try:
        yield seen
    finally:
        out, _ = process.communicate("")
        seen |= json.loads(out)


def _latencies(seen: dict[str, Any]) -> list[float]:
    """Milliseconds of every answer after the first second, in which connections are made."""
    began = seen["answers"][0][0]
    return [ms for at, ms, _ in seen["answers"] if at > began + 1]


def _quantile(values: list[float], share: float) -> float:
    return round(float(np.quantile(values, share)), 2)


def _stages(client: httpx.Client, survey: str, key: str) -> dict[str, float]:
    """Medians of the durations that are kept with the fits."""
    headers = {"Authorization": f"Bearer {key}"}
    jobs = client.get(f"/v1/surveys/{survey}/jobs", headers=headers).json()["jobs"]
    ran = [
        (datetime.fromisoformat(job["finished_at"]) - datetime.fromisoformat(job["started_at"])).total_seconds()
        for job in jobs
        if job["state"] == "succeeded"
    ]
    waited = [
        (datetime.fromisoformat(job["started_at"]) - datetime.fromisoformat(job["run_after"])).total_seconds()
        for job in jobs
        if job["state"] == "succeeded"
    ]
    return {"due to start": round(statistics.median(waited), 3), "start to release": round(statistics.median(ran), 3)}
