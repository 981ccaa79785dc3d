"""What the edge measures of requests, for Prometheus.

Labels have few values, whatever is asked for: routes are those of the application, with all that it has no route for
under one label, and methods those of HTTP.
"""

from collections.abc import Iterable

from prometheus_client import Histogram
from prometheus_client.metrics_core import CounterMetricFamily, Metric
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
        self._seconds = Histogram(
            "hustings_http_request_seconds",
            "Seconds from a request to the end of its answer.",
            LABELS,
            buckets=BUCKETS,
            registry=None,
        )
        self._known: dict[tuple[str, str | None, int], Histogram] = {}

    def observe(self, *, method: str, route: str | None, status: int, seconds: float) -> None:
        """Count an answer.

        Parameters
        ----------
        route
            The route's template, such as ``/v1/surveys/{survey_id}``; None if there was none.
        status
            0 if the caller went away before there was one.
        """
        key = (method if method in METHODS else "other", route, status)
        times = self._known.get(key)
        if times is None:
            times = self._seconds.labels(key[0], route or UNMATCHED, str(status) if status else "none")
            self._known[key] = times
        times.observe(seconds)

    def collect(self) -> Iterable[Metric]:
        """Both families, without the times at which each of their samples was first seen."""
        (times,) = self._seconds.collect()
        times.samples = [one for one in times.samples if not one.name.endswith("_created")]
        # The histogram has counted them already.
        requests = CounterMetricFamily("hustings_http_requests", "Requests that were answered.", labels=LABELS)
        for one in times.samples:
            if one.name.endswith("_count"):
                requests.add_metric([one.labels[label] for label in LABELS], one.value)
        return [requests, times]
