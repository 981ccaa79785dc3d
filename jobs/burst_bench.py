"""A burst of waves for many surveys on one machine: how it drains, whether fairly, and what the disk has to hold.

A service of its own (``hustings serve``, one worker) gets made-up surveys, one of them greedy
(``jobs.burst_surveys``), and then all their waves at once by several clients; a reader asks one of the surveys for its
districts at a steady rate, first while nothing is fitted, then until the last refit has ended. Who waited for whom is
reckoned from the history of jobs afterwards (``jobs.burst_figures``).
"""

import os
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx

from jobs.burst_report import BurstSpeed, Observed, Push, report
from jobs.burst_surveys import BurstSurvey, BurstWave, in_order, write_surveys
from jobs.live_bench import MakeKey
from jobs.live_service import reading, send_wave, serving
from jobs.peak_memory import peak_memory
from jobs.restate import REFIT
from jobs.settings import Settings
from jobs.survey import add_survey, load_survey
from polling.secrets import SecretsFile
from polling.store import queue
from polling.store.engine import Store, open_store
from polling.store.schema import upgrade

__all__ = ["bench_burst"]

IDLE_S = 10.0
CLIENTS = 4
LOOK_S = 0.25
SAY_S = 10.0
PATIENCE_S = 600.0
"""So long no refit may end before the burst is given up."""


def bench_burst(
    *, surveys: int, waves: int, size: int, seed: int, make_key: MakeKey, say: Callable[[str], None]
) -> BurstSpeed:
    """Measure with made-up surveys.

    Parameters
    ----------
    surveys
        How many, 2 or more; one of them is greedy.
    waves, size
        Each survey sends so many waves of so many interviews; the greedy one more waves.
    say
        Receives one line per step.

    Raises
    ------
    RuntimeError
        If a wave is refused, or nothing moves any more.
    """
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="hustings-burst-") as name:
        place = Path(name)
        settings = replace(Settings(), data_dir=place, secrets_file=place / "secrets.toml")
        secrets = SecretsFile(settings.secrets_file)
        with closing(open_store(settings.store_url)) as store:
            upgrade(store)
            empty_mb = _size_mb(settings)
            made = _add(store, secrets, place / "surveys", surveys=surveys, waves=waves, size=size, seed=seed, say=say)
            keys = {wave.pollster: "" for survey in made for wave in survey.waves}
            keys = {pollster: make_key(store, secrets, "pollster", pollster) for pollster in keys}
            asking = make_key(store, secrets, "reader", None)
        before_mb = _size_mb(settings)
        order = in_order(made, seed=seed)
        watched = made[0]  # it has a wave more, so that there is something to read before the burst
        base = watched.waves[0]
        order.remove(base)
        with (
            serving(place) as served,
            closing(open_store(settings.store_url)) as store,
            peak_memory(served.pid) as peak_mb,
        ):
            said = _Sayer(store, say)
            _send(served.url, [base], keys)
            said.wait_until_drained()
            districts = (
                f"{served.url}/v1/surveys/{watched.id}/questions/{watched.questions[0]}/estimates?level=district"
            )
            with reading(districts, asking) as idle:
                time.sleep(IDLE_S)
            said.begin(f"the burst: {len(order)} waves for {surveys} surveys")
            began = time.time()
            with reading(districts, asking) as busy:
                pushes = _send(served.url, order, keys)
                sent_s = time.time() - began
                say(f"all sent and answered within {sent_s:.1f} s")
                said.wait_until_drained()
            stale = _stale(served.url, made, asking)
        observed = Observed(
            began=began,
            sent_s=sent_s,
            pushes=tuple(pushes),
            idle=idle,
            busy=busy,
            stale=stale,
            empty_mb=empty_mb,
            before_mb=before_mb,
            after_mb=_size_mb(settings),
            peak_mb=peak_mb,
            load_at_start=load,
        )
        with closing(open_store(settings.store_url)) as store:
            return report(store, settings, made, observed, size=size)


def _add(
    store: Store, secrets: SecretsFile, folder: Path, *, surveys: int, say: Callable[[str], None], **shape: int
) -> list[BurstSurvey]:
    say(f"making {surveys} surveys")
    made = []
    for survey in write_surveys(folder, surveys=surveys, **shape):
        add_survey(store, secrets, load_survey(survey.folder), actor="bench", now=datetime.now(UTC))
        made.append(survey)
    return made


def _send(url: str, waves: Sequence[BurstWave], keys: Mapping[str, str]) -> list[Push]:
    """Send waves by several clients, in order as far as several can."""
    local = threading.local()

    def send(wave: BurstWave) -> Push:
        if not hasattr(local, "client"):
            local.client = clients.pop()
        days = {"fieldwork_start": wave.fieldwork_start.isoformat(), "fieldwork_end": wave.fieldwork_end.isoformat()}
        sent, answered = send_wave(
            local.client,
            f"/v1/surveys/{wave.survey}/waves",
            {"Authorization": f"Bearer {keys[wave.pollster]}"},
            {"reference": wave.reference} | days,
            wave.path.read_bytes(),
        )
        return Push(wave.survey, sent, answered)

    clients = [httpx.Client(base_url=url, timeout=120) for _ in range(CLIENTS)]
    opened = tuple(clients)
    pool = ThreadPoolExecutor(CLIENTS)
    try:
        return list(pool.map(send, waves))
    finally:
        pool.shutdown(cancel_futures=True)  # after Ctrl-C, or a refusal, what is not sent yet is not sent
        for client in opened:
            client.close()


class _Sayer:
    """Waits until nothing is left to refit, and says now and then how far it is."""

    def __init__(self, store: Store, say: Callable[[str], None]) -> None:
        self._store = store
        self._say = say
        self._ended_before = 0

    def begin(self, words: str) -> None:
        self._ended_before = self._count("succeeded", "failed")
        self._say(words)

    def wait_until_drained(self) -> None:
        last_open, moved, next_word = -1, time.monotonic(), time.monotonic() + SAY_S
        while left := self._count("queued", "running"):
            now = time.monotonic()
            if left != last_open:
                last_open, moved = left, now
            if now - moved > PATIENCE_S:
                raise RuntimeError(f"{left} refits are open and none has ended within {PATIENCE_S:g} s.")
            if now >= next_word:
                next_word = now + SAY_S
                done = self._count("succeeded", "failed") - self._ended_before
                self._say(f"{done} refits done, {left} open")
            time.sleep(LOOK_S)

    def _count(self, *states: str) -> int:
        with self._store.read() as session:
            return len(queue.list_jobs(session, states=states, kind=REFIT))


def _size_mb(settings: Settings) -> float:
    """The database on disk, with its write-ahead log; that is empty when nobody has the database open."""
    return sum(file.stat().st_size for file in settings.data_dir.glob("hustings.sqlite3*")) / 1e6


def _stale(url: str, surveys: Sequence[BurstSurvey], key: str) -> int:
    """Questions whose release is stale, or missing, as a reader sees it."""
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as client:
        replies = [
            client.get(f"/v1/surveys/{survey.id}/questions/{question}/estimates?level=nation")
            for survey in surveys
            for question in survey.questions
        ]
    return sum(reply.status_code != 200 or reply.json()["stale_since"] is not None for reply in replies)
