"""A survey of the size of a country on this machine: from its first wave to the answers, and the day after.

A service of its own (``hustings serve``) gets the waves of ``fixtures.scale_survey`` over HTTP; its worker counts, fits
and publishes, and the districts of all options are asked for as soon as the release is there. Then comes the wave of
one more day. Crosstabs of a district by two demographics, none of which was asked for before, are timed at the end.

    full_s    from the first byte of the first wave to the last byte of the districts' estimates
    update_s  the same of the wave of the day after

Both contain the seconds of quiet that a refit waits for. Other programs lengthen them on a shared machine; processor
seconds of the service and all that it started stand beside them. Ctrl-C ends service, worker and fit.
"""

import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any

import httpx

from fixtures.scale import DEMOGRAPHICS, ScaleSettings
from fixtures.scale_survey import QUESTION, SURVEY, write_scale_survey
from fixtures.survey_folder import WaveFile
from jobs.live_bench import MakeKey, quantile
from jobs.live_service import furnish, send_wave, serving
from jobs.peak_memory import peak_memory
from jobs.processor_time import processor_s
from jobs.settings import Settings
from jobs.survey import load_survey
from polling.store import fits
from polling.store.engine import open_store
from polling.store.sizes import stored_bytes

__all__ = ["ScaleSpeed", "as_json", "bench_scale", "crosstab_queries"]

ENOUGH = 1_000_000
"""Requests a second that a key may make: the limiter counts, and refuses nobody."""
QUIET_S = 3.0
"""A refit waits for so long without a wave: the waves of all days come one after the other, and are fitted once."""
PATIENCE_S = 3_600.0
LOOK_S = 0.5
SAY_S = 15.0


@dataclass(frozen=True, slots=True)
class ScaleSpeed:
    """What was measured; seconds by the clock unless said."""

    districts: int
    cells: int
    interviews: int
    after: int
    cores: int
    load_at_start: float
    quiet_s: float
    full_s: float
    full_cpu_s: float
    """Processor seconds of the service and everything it started."""
    update_s: float
    update_cpu_s: float
    peak_mb: float
    """The highest of one process."""
    peak_mb_of: Mapping[str, float]
    """Role of a process -> its highest."""
    release_mb: float
    """Draws and counts of one fit on disk."""
    database_mb: float
    crosstabs: int
    crosstab_p50_ms: float
    crosstab_p95_ms: float
    """One district by two demographics, all options."""
    all_districts_p95_ms: float
    """Every district by one demographic, one option."""
    full_stages_s: Mapping[str, float]
    update_stages_s: Mapping[str, float]


def bench_scale(settings: ScaleSettings, *, queries: int, make_key: MakeKey, say: Callable[[str], None]) -> ScaleSpeed:
    """Measure.

    Parameters
    ----------
    settings
        The electorate and its interviews.
    queries
        Crosstabs of a district; a tenth as many of all districts.
    say
        Receives one line per step.

    Raises
    ------
    RuntimeError
        If a wave is not accepted, or a fit is not published; its reason is in the message.
    """
    load, now = os.getloadavg()[0], datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="hustings-scale-") as name:
        place, folder = Path(name) / "service", Path(name) / "survey"
        place.mkdir()
        say(f"making {settings.n_districts} districts, {settings.n_districts * settings.cells_per_district:,} cells")
        written = write_scale_survey(folder, settings)
        store, secrets = furnish(place, load_survey(folder), now=now)
        pushing = {one: make_key(store, secrets, "pollster", one) for one in {w.pollster for w in written.waves}}
        asking = make_key(store, secrets, "analyst", None)
        store.close()
        limits: dict[str, Any] = {
            "key_rate": ENOUGH,
            "key_burst": ENOUGH,
            "refit_quiet_s": QUIET_S,
            "refit_patience_s": PATIENCE_S,
        }
        with (
            serving(place, **limits) as served,
            peak_memory(served.pid) as peaks,
            httpx.Client(base_url=served.url, timeout=PATIENCE_S) as client,
        ):
            run = _Run(client, served.pid, pushing, {"Authorization": f"Bearer {asking}"}, say)
            full = run(written.waves[:-1])
            after = run(written.waves[-1:])
            codes = [f"D{number:04d}" for number in range(1, settings.n_districts + 1)]
            of_one = run.ask(crosstab_queries(codes, n=queries, seed=settings.seed))
            of_all = run.ask(
                [
                    {"level": "district", "by": by, "option": "Rail", "interval": f"{0.8 + n / 1000:.4f}"}
                    for n, by in enumerate((list(DEMOGRAPHICS) * (1 + queries // 80))[: max(1, queries // 10)])
                ]
            )
            say(f"95% of crosstabs of a district: {quantile(of_one, 0.95):.0f} ms")
        release, database = _on_disk(place)
    return ScaleSpeed(
        districts=settings.n_districts,
        cells=settings.n_districts * settings.cells_per_district,
        interviews=settings.n_interviews,
        after=settings.n_after,
        cores=os.cpu_count() or 1,
        load_at_start=round(load, 2),
        quiet_s=QUIET_S,
        full_s=round(full.seconds, 1),
        full_cpu_s=round(full.cpu_s, 1),
        update_s=round(after.seconds, 1),
        update_cpu_s=round(after.cpu_s, 1),
        peak_mb=max(peaks.values(), default=0.0),
        peak_mb_of=dict(peaks),
        release_mb=release,
        database_mb=database,
        crosstabs=len(of_one),
        crosstab_p50_ms=round(statistics.median(of_one), 1),
        crosstab_p95_ms=quantile(of_one, 0.95),
        all_districts_p95_ms=quantile(of_all, 0.95),
        full_stages_s=full.stages,
        update_stages_s=after.stages,
    )


def as_json(speed: ScaleSpeed) -> dict[str, Any]:
    """What was measured, as one object."""
    return asdict(speed)


def crosstab_queries(codes: list[str], *, n: int, seed: int) -> list[dict[str, str]]:
    """Districts by two demographics at random, each with an interval of its own, so that no answer is at hand."""
    chance = random.Random(seed)  # noqa: S311 (no secret)
    pairs = list(combinations(DEMOGRAPHICS, 2))
    return [
        {
            "level": "district",
            "districts": chance.choice(codes),
            "by": ",".join(chance.choice(pairs)),
            "interval": f"{0.5 + 0.49 * (k + 1) / (n + 1):.6f}",
        }
        for k in range(n)
    ]


@dataclass(frozen=True, slots=True)
class _Round:
    """Waves sent and answered."""

    seconds: float
    cpu_s: float
    stages: dict[str, float]


class _Run:
    """Sends waves and waits for what comes of them."""

    def __init__(
        self,
        client: httpx.Client,
        pid: int,
        pushing: Mapping[str, str],
        headers: dict[str, str],
        say: Callable[[str], None],
    ) -> None:
        self._client, self._pid, self._pushing = client, pid, pushing
        self._headers, self._say = headers, say
        self._done: set[str] = set()
        self._path = f"/v1/surveys/{SURVEY}"

    def __call__(self, waves: tuple[WaveFile, ...]) -> _Round:
        began, cpu = time.time(), processor_s(self._pid)
        for wave in waves:
            headers = {"Authorization": f"Bearer {self._pushing[wave.pollster]}"}
            days = {
                "reference": wave.reference,
                "fieldwork_start": wave.fieldwork_start.isoformat(),
                "fieldwork_end": wave.fieldwork_end.isoformat(),
            }
            send_wave(self._client, f"{self._path}/waves", headers, days, wave.path.read_bytes())
        sent = time.time()
        self._say(f"{len(waves)} waves taken in {sent - began:.1f} s")
        job = self._published()
        end = time.time()
        self._get(f"{self._path}/questions/{QUESTION}/estimates", {"level": "district"})
        answered = time.time()
        told = self._get(f"{self._path}/releases/{self._release()}/diagnostics", {}).json()
        started, finished = (datetime.fromisoformat(job[at]).timestamp() for at in ("started_at", "finished_at"))
        fitting = dict(told["seconds"])
        stages = {
            "ingest": sent - began,
            "quiet, and its turn": max(0.0, started - sent),
            "count, carry to the fit and back, store and publish": finished - started - sum(fitting.values()),
            **{f"in the fit: {stage}": seconds for stage, seconds in fitting.items()},
            "seen": end - finished,
            "poststratify and answer the districts": answered - end,
        }
        self._say(f"published and answered after {answered - began:.1f} s")
        self._say("; ".join(f"{name} {took:.1f} s" for name, took in stages.items()))
        return _Round(
            answered - began, processor_s(self._pid) - cpu, {name: round(one, 2) for name, one in stages.items()}
        )

    def ask(self, queries: list[dict[str, str]]) -> list[float]:
        """Milliseconds of each answer."""
        took = []
        for query in queries:
            began = time.perf_counter()
            self._get(f"{self._path}/questions/{QUESTION}/estimates", query)
            took.append(1000 * (time.perf_counter() - began))
        return took

    def _published(self) -> dict[str, Any]:
        """Wait for the next refit that ended, and tell now and then how far it is."""
        began = said = time.monotonic()
        while time.monotonic() < began + PATIENCE_S:
            jobs = self._get(f"{self._path}/jobs", {}).json()["jobs"]
            for job in jobs:
                if job["kind"] != "refit" or job["id"] in self._done or job["finished_at"] is None:
                    continue
                self._done.add(job["id"])
                if job["code"] != "published":
                    raise RuntimeError(f"A refit ended with {job['code']}: {job['detail']}")
                return dict(job)
            if time.monotonic() > said + SAY_S:
                said = time.monotonic()
                at_work = [job for job in jobs if job["kind"] == "refit" and job["finished_at"] is None]
                done = ", ".join(f"{job['state']} {job['stage'] or ''} {job['progress'] or 0:.0%}" for job in at_work)
                self._say(f"{said - began:.0f} s: {done}")
            time.sleep(LOOK_S)
        raise RuntimeError(f"No refit ended within {PATIENCE_S:g} s.")

    def _release(self) -> str:
        nation = self._get(f"{self._path}/questions/{QUESTION}/estimates", {"level": "nation"}).json()
        return str(nation["release_id"])

    def _get(self, path: str, query: dict[str, str]) -> httpx.Response:
        reply = self._client.get(path, params=query, headers=self._headers)
        if reply.status_code != 200:
            raise RuntimeError(f"{path} with {query} was answered {reply.status_code}: {reply.text}")
        return reply


def _on_disk(place: Path) -> tuple[float, float]:
    """MB of draws and counts of a fit, and of the database."""
    store = open_store(Settings(data_dir=place).store_url)
    with store.read() as session:
        n_fits = len(fits.list_fits(session, SURVEY, QUESTION))
        release = stored_bytes(session).draws / max(1, n_fits)
    assert store.path is not None, "the measurement furnishes SQLite"
    n_bytes = store.path.stat().st_size
    store.close()
    return round(release / 1e6, 1), round(n_bytes / 1e6, 1)
