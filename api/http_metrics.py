"""What the edge measures of requests, for Prometheus.

Labels have few values, whatever is asked for: routes are those of the application, with all that it has no route for
under one label, and methods those of HTTP.
"""

from collections.abc import Iterable

from prometheus_client import Counter, Histogram
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

__all__ = ["UNMATCHED", "HttpMetrics"]

UNMATCHED = "unmatched"
"""The route of what no route answers: an unknown path, or a method that the path does not take."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
LABELS = ("method", "route", "status")


class HttpMetrics(Collector):
    """Counts and times of requests of one process."""

    def __init__(self) -> None:
        # No registry: they are read through this collector alone, and no two applications of a process share them.
        self._requests = Counter("hustings_http_requests", "Requests that were answered.", LABELS, registry=None)
        self._seconds = Histogram(
            "hustings_http_request_seconds",
            "Seconds from a request to the end of its answer.",
            LABELS,
            buckets=BUCKETS,
            registry=None,
        )
        self._known: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def observe(self, *, method: str, route: str | None, status: int, seconds: float) -> None:
        """Count an answer.

        Parameters
        ----------
        route
            The route's template, such as ``/v1/surveys/{survey_id}``; None if there was none.
        status
            0 if the caller went away before there was one.
        """
        key = (method if method in METHODS else "other", route or UNMATCHED, status)
        if key not in self._known:
            labels = (key[0], key[1], str(status) if status else "none")
            self._known[key] = (self._requests.labels(*labels), self._seconds.labels(*labels))
        requests, times = self._known[key]
        requests.inc()
        times.observe(seconds)

    def collect(self) -> Iterable[Metric]:
        """The families with all their samples, without the times at which each was first seen."""
        for family in (*self._requests.collect(), *self._seconds.collect()):
            family.samples = [one for one in family.samples if not one.name.endswith("_created")]
            yield family
