"""What the database says of the house, for Prometheus, read when it is asked for.

Surveys and questions are labels, pollsters are not. If the database does not answer, `hustings_database_up` is 0 and
the rest is left out: no figure is better than one of yesterday.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from importlib.metadata import version
from itertools import product

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from jobs.clock import LEASE
from jobs.urgency import PRIORITIES
from polling.store import backup_runs, figures, leases
from polling.store.engine import Store

__all__ = ["FitTotals", "HouseMetrics"]

OVERLAP = timedelta(minutes=10)
"""A fit may be committed so long after its time, by a slow transaction or another host's clock."""

type Sees = Callable[[str], bool]


class FitTotals:
    """Totals over all fits ever stored, kept up to date by reading those that are new."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest: datetime | None = None
        self._recent: dict[str, datetime] = {}
        self._verdicts: Counter[tuple[str, bool]] = Counter()
        self._seconds: dict[str, float] = {}

    def read(self, session: Session) -> tuple[Counter[tuple[str, bool]], dict[str, float]]:
        """Fits by engine and whether they may be published, and their seconds by engine."""
        with self._lock:
            since = None if self._newest is None else self._newest - OVERLAP
            for fit in figures.fits_after(session, since):
                if fit.id not in self._recent:
                    self._recent[fit.id] = fit.created_at
                    self._verdicts[fit.engine, fit.publishable] += 1
                    self._seconds[fit.engine] = self._seconds.get(fit.engine, 0.0) + fit.seconds
            if self._recent:
                self._newest = newest = max(self._recent.values())
                self._recent = {name: at for name, at in self._recent.items() if at >= newest - OVERLAP}
            return self._verdicts.copy(), self._seconds.copy()


class HouseMetrics(Collector):
    """The figures at one moment.

    Parameters
    ----------
    fits
        Shared by all scrapes of a process.
    sees
        Whether whoever asks may see a survey.
    now
        Aware, UTC.
    """

    def __init__(self, store: Store, fits: FitTotals, *, sees: Sees, now: datetime) -> None:
        self._store, self._fits, self._sees, self._now = store, fits, sees, now

    def collect(self) -> Iterable[Metric]:
        """The families, or the first two if the database is away."""
        build = GaugeMetricFamily("hustings_build_info", "The version that answers; always 1.", labels=["version"])
        build.add_metric([version("hustings")], 1)
        try:
            with self._store.read() as session:
                read = [
                    *self._jobs(session),
                    *self._questions(session),
                    *self._fitted(session),
                    *self._backups(session),
                ]
        except SQLAlchemyError:
            read = None
        up = _gauge("hustings_database_up", "Whether the database answered: 1 or 0.", int(read is not None))
        return [build, up, *(read or [])]

    def _jobs(self, session: Session) -> Iterable[Metric]:
        depth = GaugeMetricFamily("hustings_jobs", "Jobs that wait (queued) or run.", labels=["kind", "state"])
        found = figures.open_jobs(session, self._now)
        # Kinds of which there is none are 0, not absent: alerts compare.
        n = dict.fromkeys(product(PRIORITIES, ("queued", "running")), 0) | {
            (one.kind, one.state): one.n for one in found
        }
        for (kind, state), count in n.items():
            depth.add_metric([kind, state], count)
        yield depth
        oldest = max((self._since(one.due_since) for one in found), default=0.0)
        yield _gauge("hustings_oldest_due_job_seconds", "Seconds that the first queued job has been due.", oldest)
        busy = figures.workers(session, self._now)
        yield _gauge("hustings_workers_busy", "Workers that do a job and give signs of life.", busy)
        # Every worker competes for it: nobody has it only if there is no worker.
        held = leases.holder(session, LEASE, self._now) is not None
        yield _gauge(
            "hustings_clock_held", "Whether a worker keeps the schedule: 1, or 0 if no worker runs.", int(held)
        )

    def _questions(self, session: Session) -> Iterable[Metric]:
        about = ["survey", "question"]
        waits = GaugeMetricFamily(
            "hustings_oldest_unreleased_wave_seconds",
            "Age of the oldest counted wave that is not yet in the release that is served; 0 if there is none.",
            labels=about,
        )
        ages = GaugeMetricFamily("hustings_release_age_seconds", "Age of the release that is served.", labels=about)
        waiting = figures.waiting_since(session)
        n: Counter[str] = Counter()
        for one in figures.questions(session):
            if not self._sees(one.survey_id):
                continue
            place = (one.survey_id, one.question_id)
            waits.add_metric(place, self._since(waiting.get(place)))
            if one.published_at is not None:
                ages.add_metric(place, self._since(one.published_at))
            n.update(total=1, stale=one.is_stale or one.is_held, held=one.is_held, unreleased=one.published_at is None)
        yield waits
        yield ages
        yield _gauge("hustings_questions", "Questions.", n["total"])
        yield _gauge("hustings_questions_stale", "Questions whose release lacks something, or is held.", n["stale"])
        yield _gauge("hustings_questions_held", "Questions that an analyst holds.", n["held"])
        yield _gauge("hustings_questions_unreleased", "Questions that have no release yet.", n["unreleased"])

    def _fitted(self, session: Session) -> Iterable[Metric]:
        verdicts, seconds = self._fits.read(session)
        total = CounterMetricFamily("hustings_fits", "Fits by verdict.", labels=["engine", "publishable"])
        for (engine, publishable), n in sorted(verdicts.items()):
            total.add_metric([engine, "yes" if publishable else "no"], n)
        yield total
        took = SummaryMetricFamily("hustings_fit_seconds", "Seconds that fits took.", labels=["engine"])
        for engine, sum_ in sorted(seconds.items()):
            took.add_metric([engine], count_value=verdicts[engine, True] + verdicts[engine, False], sum_value=sum_)
        yield took

    def _backups(self, session: Session) -> Iterable[Metric]:
        newest = backup_runs.newest(session)
        age = GaugeMetricFamily("hustings_backup_age_seconds", "Age of the newest backup; absent without one.")
        if newest is not None:
            age.add_metric([], self._since(newest.at))
        yield age

    def _since(self, moment: datetime | None) -> float:
        # Another host's clock may be ahead of this one's.
        return 0.0 if moment is None else max(0.0, (self._now - moment).total_seconds())


def _gauge(name: str, about: str, value: float) -> Metric:
    family = GaugeMetricFamily(name, about)
    family.add_metric([], value)
    return family
