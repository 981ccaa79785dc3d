"""A small house: a survey in a fresh database, what is done to it, and a fit that takes no time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from fixtures.survey_folder import WaveFile, WrittenSurvey
from jobs.fit_request import FitRequest, FitResult
from jobs.receive import ReceivedWave, receive_wave
from jobs.settings import Settings
from jobs.survey import add_survey, load_survey
from jobs.webhook_threads import WebhookThreads
from jobs.worker import Worker
from mrp.latents import LatentDraws
from polling.secrets import SecretsFile
from polling.store import queue
from polling.store.engine import Store, open_store
from polling.store.records import JobRecord
from polling.store.schema import upgrade

NOON = datetime(2025, 10, 6, 12, 0, tzinfo=UTC)
"""When the first wave arrives."""
LINKS = {"binary": "logit", "categorical": "softmax", "ordinal": "cumulative-logit", "numeric": "identity"}


@dataclass
class FakeFit:
    """Stands in for the fit process: draws from a generator, and the verdict it is told to give."""

    problems: list[dict[str, str]] = field(default_factory=list)
    requests: list[FitRequest] = field(default_factory=list)
    before_end: Callable[[], None] = lambda: None
    """Called when the fit is done and nothing is stored yet."""

    def __call__(self, request: FitRequest, settings: Settings, *, beat: Callable[..., bool], stop: Any) -> FitResult:
        self.requests.append(request)
        assert beat(None) is False
        design = request.outcome.build(request.formula, request.electorate)
        rng = np.random.default_rng(request.seed)
        draws = rng.normal(0.0, 0.1, (40, design.n_latents)).astype(np.float32)
        self.before_end()
        return FitResult(
            engine="nuts",
            draws=LatentDraws(
                draws=draws, names=design.latent_names, n_chains=4, link=LINKS[request.outcome.kind]
            ).to_bytes(),
            design=design.to_json(),
            verdict={"problems": self.problems},
            diagnostics={},
            priors={},
            versions={"fake": "1"},
            seconds={"sample": 0.0},
        )


@dataclass
class House:
    """A database with one survey, and what is done to it."""

    store: Store
    secrets: SecretsFile
    settings: Settings
    written: WrittenSurvey
    fit: FakeFit = field(default_factory=FakeFit)
    now: datetime = NOON

    def push(self, number: int, **changes: Any) -> ReceivedWave:
        """Push wave ``number`` (1 is the first), with any argument replaced."""
        wave: WaveFile = self.written.waves[number - 1]
        told: dict[str, Any] = {
            "survey_id": self.written.survey_id,
            "pollster": wave.pollster,
            "reference": wave.reference,
            "content": wave.path.read_bytes(),
            "fieldwork_start": wave.fieldwork_start,
            "fieldwork_end": wave.fieldwork_end,
            "now": self.now,
            "actor": "test",
        }
        return receive_wave(self.store, self.secrets, self.settings, **(told | changes))

    def worker(self, **changes: Any) -> Worker:
        """A worker whose clock is the house's."""
        return Worker(self.store, self.settings, **({"fit": self.fit, "clock": lambda: self.now} | changes))

    def sender(self, **changes: Any) -> WebhookThreads:
        """What sends to webhooks, by the house's clock."""
        return WebhookThreads(self.store, self.settings, **({"owner": "sender", "clock": lambda: self.now} | changes))

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    def jobs(self, *states: str) -> list[JobRecord]:
        """Jobs in these states (default: all)."""
        with self.store.read() as session:
            return queue.list_jobs(session, self.written.survey_id, states=states or None)


@contextmanager
def furnish(written: WrittenSurvey, place: Path) -> Iterator[House]:
    """The survey in a fresh SQLite database, without waves."""
    settings = replace(Settings(), data_dir=place, secrets_file=place / "secrets.toml")
    place.mkdir(exist_ok=True)
    store = open_store(settings.store_url)
    upgrade(store)
    secrets = SecretsFile(settings.secrets_file)
    add_survey(store, secrets, load_survey(written.path), actor="test", now=NOON)
    try:
        yield House(store, secrets, settings, written)
    finally:
        store.close()


def alive(pid: int) -> bool:
    """Tell whether a process runs; one that ended and waits for its parent to notice does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
