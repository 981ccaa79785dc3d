"""How long a wave takes from its last byte to the release that contains it, with readers at the service meanwhile.

A service of its own (``hustings serve``) gets a base of interviews, then wave after wave, each sent when the release
with the last one is visible. Readers in another process ask for the districts at a steady rate, first while nothing is
fitted, then all the while; a moment at which they should have asked and could not counts as waiting.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl

from jobs.backtest_waves import PushedWave, plan_backtest, split_waves
from jobs.errors import BacktestImpossible
from jobs.live_service import Push, Wait, furnish, reading, serving
from jobs.survey import load_survey
from polling.secrets import SecretsFile

__all__ = ["LiveSpeed", "MakeKey", "as_json", "bench_live", "latencies", "quantile", "split_base"]

IDLE_S = 10.0

type MakeKey = Callable[[Any, SecretsFile, str, str | None], str]
"""Store, secrets, role, pollster -> a key."""


@dataclass(frozen=True, slots=True)
class LiveSpeed:
    """What was measured with one base of interviews; times in seconds but for milliseconds of the readers."""

    base: int
    waves: int
    wave_size: int
    cores: int
    load_at_start: float
    p50_s: float
    p95_s: float
    worst_s: float
    api_p99_ms: Mapping[str, float]
    """Of the readers: ``idle``, and ``fitting``."""
    api_p50_ms: Mapping[str, float]
    reads: int
    failed_reads: int
    mixed_releases: int
    """Answers of one release whose estimates differed."""
    stages_s: Mapping[str, float]
    """Medians: where the time of a wave went."""
    seconds: tuple[float, ...]
    """Of every wave, from its last byte to the release that contains it."""


@dataclass(frozen=True, slots=True)
class _Sent:
    """One wave: when its last byte was sent, it was answered and its release was visible, seconds since the epoch."""

    at: float
    answered: float
    release_id: str
    visible: float


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
    load = os.getloadavg()[0]
    bundle = load_survey(folder, data_dir=data_dir)
    plan = plan_backtest(bundle, None, interviews)
    now = datetime.now(UTC)
    whole = split_waves(bundle, plan, data_dir or folder, now=now)[0]
    first, rest = split_base(whole, base=base, waves=waves, size=size, seed=seed)
    survey = bundle.declaration.id
    with tempfile.TemporaryDirectory(prefix="hustings-live-") as name:
        place = Path(name)
        store, secrets = furnish(place, bundle, now=now)
        pushing = make_key(store, secrets, "pollster", whole.pollster)
        asking = make_key(store, secrets, "reader", None)
        analysing = make_key(store, secrets, "analyst", None)
        store.close()
        with serving(place) as served, httpx.Client(base_url=served.url, timeout=60) as client:
            question = f"/v1/surveys/{survey}/questions/{plan.question}"
            push = Push(
                client, survey, pushing, fieldwork_start=whole.fieldwork_start, fieldwork_end=whole.fieldwork_end
            )
            wait = Wait(client, question, asking)
            say(f"base of {first.height:,} interviews")
            push("base", first)
            wait()
            with reading(f"{served.url}{question}/estimates?level=district", asking) as idle:
                time.sleep(IDLE_S)
            sent: list[_Sent] = []
            with reading(f"{served.url}{question}/estimates?level=district", asking) as fitting:
                for number, part in enumerate(rest, 1):
                    sent.append(_Sent(*push(f"wave-{number}", part), *wait()))
                    say(f"wave {number} of {len(rest)}: {sent[-1].visible - sent[-1].at:.2f} s")
            stages = _stages(client, survey, analysing, sent)
    seconds = [one.visible - one.at for one in sent]
    took = {"idle": latencies(idle), "fitting": latencies(fitting)}
    return LiveSpeed(
        base=first.height,
        waves=len(rest),
        wave_size=size,
        cores=os.cpu_count() or 1,
        load_at_start=round(load, 2),
        p50_s=round(statistics.median(seconds), 3),
        p95_s=quantile(seconds, 0.95),
        worst_s=round(max(seconds), 3),
        api_p99_ms={when: quantile(ms, 0.99) for when, ms in took.items()},
        api_p50_ms={when: quantile(ms, 0.5) for when, ms in took.items()},
        reads=sum(map(len, took.values())),
        failed_reads=sum(status != 200 for one in (idle, fitting) for *_, status in one["answers"]),
        mixed_releases=idle["mixed"] + fitting["mixed"],
        stages_s=stages,
        seconds=tuple(round(one, 3) for one in seconds),
    )


def as_json(speed: LiveSpeed) -> dict[str, Any]:
    """What was measured, as one object."""
    return asdict(speed)


def split_base(
    whole: PushedWave, *, base: int | None, waves: int, size: int, seed: int
) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """Split shuffled interviews into a base and waves.

    Raises
    ------
    BacktestImpossible
        If there are too few.
    """
    table = pl.read_parquet(BytesIO(whole.content))
    order = np.random.default_rng(seed).permutation(table.height)
    n_base = table.height - waves * size if base is None else base
    if n_base < 1 or n_base + waves * size > table.height:
        raise BacktestImpossible(
            f"{table.height:,} interviews are not enough for {waves} waves of {size} after a base of "
            f"{max(1, n_base):,}. Take fewer, or a file with more."
        )
    shuffled = table[order]
    return shuffled.head(n_base), [shuffled.slice(n_base + n * size, size) for n in range(waves)]


def latencies(seen: Mapping[str, Any]) -> list[float]:
    """Milliseconds of every answer after the first second, in which connections are made."""
    began = seen["answers"][0][0]
    return [ms for at, ms, _ in seen["answers"] if at > began + 1]


def quantile(values: Sequence[float], share: float) -> float:
    """A quantile, to the millisecond where values are seconds."""
    return round(float(np.quantile(values, share)), 3)


def _stages(client: httpx.Client, survey: str, key: str, sent: Sequence[_Sent]) -> dict[str, float]:
    """Medians of what lies between a wave's last byte and its release, from what the service keeps of its jobs."""
    headers = {"Authorization": f"Bearer {key}"}

    def ask(path: str) -> Any:
        return client.get(f"/v1/surveys/{survey}/{path}", headers=headers).raise_for_status().json()

    jobs = {job["fit_id"]: job for job in ask("jobs")["jobs"]}
    laps: dict[str, list[float]] = {}
    for one in sent:
        told = ask(f"releases/{one.release_id}/diagnostics")
        if (job := jobs.get(told["fit_id"])) is None:  # only the last jobs are listed
            continue
        start, end = (datetime.fromisoformat(job[at]).timestamp() for at in ("started_at", "finished_at"))
        fitting = sum(told["seconds"].values())
        for stage, seconds in (
            ("received", one.answered - one.at),
            ("quiet, and its turn", start - one.answered),
            ("counted, carried to the fit and back", end - start - fitting),
            ("fitted and judged", fitting),
            ("stored and visible", one.visible - end),
        ):
            laps.setdefault(stage, []).append(seconds)
    return {stage: round(statistics.median(seconds), 3) for stage, seconds in laps.items()}
