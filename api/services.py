"""What the handlers share: store, secrets, settings, clock, the releases in memory."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from api.answers import Answers
from api.charts.places import Places
from api.event_hub import EventHub
from api.house_metrics import FitTotals
from api.http_metrics import HttpMetrics
from api.idempotency import Exchanges
from api.key_uses import KeyUses
from api.limits import Limits
from api.memory import Memory
from api.release_cache import ReleaseCache
from api.slots import Slots
from jobs.settings import Settings
from polling.once import Once
from polling.secrets import SecretsFile
from polling.store.engine import Store

__all__ = ["Services", "utc_now"]


def utc_now() -> datetime:
    """The time, aware and UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Services:
    """Made once per process by ``api.app.create_app``."""

    store: Store
    secrets: SecretsFile
    settings: Settings
    releases: ReleaseCache
    now: Callable[[], datetime] = field(default=utc_now)
    exchanges: Exchanges = field(default_factory=Exchanges)
    answers: Answers = field(default_factory=Answers)
    metrics: HttpMetrics = field(default_factory=HttpMetrics)
    fits: FitTotals = field(default_factory=FitTotals)
    pictures: Slots = field(default_factory=lambda: Slots(1, waiting=16, patience_s=150.0))
    """Pictures and files of fits that are made at the same time: each takes a process of its own."""
    places: Once[tuple[str, int, str | None], Places] = field(default_factory=lambda: Once(8))
    """Of maps, by survey, its version, and the hash of its boundaries; the shapes of 650 districts are some 2 MB."""
    uses: KeyUses = field(init=False)
    limits: Limits = field(init=False)
    """Of keys."""
    strangers: Limits = field(init=False)
    """Of addresses whose requests have no key that is accepted; apart, so that they push no key's bucket out."""
    memory: Memory = field(init=False)
    events: EventHub = field(init=False)

    def __post_init__(self) -> None:
        settings, uses = self.settings, KeyUses(self.store)
        memory = Memory(
            self.store,
            self.releases,
            memory_s=settings.memory_s,
            most=settings.release_cache,
            after_look=uses.write_in_time,
        )
        self.releases.when_gone = self.answers.forget
        object.__setattr__(self, "uses", uses)
        object.__setattr__(self, "memory", memory)
        for name in ("limits", "strangers"):
            object.__setattr__(self, name, Limits(settings.key_rate, settings.key_burst))
        events = EventHub(
            self.store, per_key=self.settings.streams_per_key, most=self.settings.max_streams, now=self.now
        )
        object.__setattr__(self, "events", events)
