"""The demo: three waves in, estimates out, by the same doors as in production.

Everything here is a client of a running service. Waves are pushed and
estimates read over HTTP with the keys of pollsters and of a reader, so that
the demo succeeds only if the whole path works.

    waves 1 and 2, at once     one refit per question answers both
    first release              toplines
    wave 3                     one more refit per question
    second release             toplines, a table of districts, the revision

A *revision* is the difference between two releases that share interviews. It
has a cause and no probability.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Protocol

import httpx

from jobs.errors import DemoFailed

__all__ = ["DemoKeys", "DemoReport", "DemoResult", "DemoWave", "Revision", "Topline", "run_demo"]

POLL_S = 0.25


class DemoWave(Protocol):
    """A wave file and what is said when it is pushed."""

    @property
    def path(self) -> Path: ...
    @property
    def reference(self) -> str: ...
    @property
    def pollster(self) -> str: ...
    @property
    def fieldwork_start(self) -> date: ...
    @property
    def fieldwork_end(self) -> date: ...


@dataclass(frozen=True, slots=True)
class DemoKeys:
    """The keys that the demo uses."""

    pollsters: Mapping[str, str]
    """Pollster -> its key."""
    reader: str


@dataclass(frozen=True, slots=True)
class Topline:
    """The national estimate of one question."""

    question: str
    text: str
    option: str
    share: float
    low: float
    high: float
    release_number: int
    release_id: str
    data_through: str | None


@dataclass(frozen=True, slots=True)
class Revision:
    """What changed from one release of a question to the next."""

    question: str
    from_release: int
    to_release: int
    cause: str
    """What differs between the two: data, frame or model."""
    national: float
    """Change of the national share."""
    districts: tuple[tuple[str, float], ...]
    """Districts with the largest changes of their shares, largest first."""


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demo saw. It exists only if every step really happened."""

    survey: str
    first: tuple[Topline, ...]
    """Toplines of the release made from the first waves."""
    toplines: tuple[Topline, ...]
    """Toplines after the last wave."""
    districts: tuple[Mapping[str, Any], ...]
    """District estimates of the first question, as the service sent them."""
    revisions: tuple[Revision, ...]
    interval: float
    seconds: float


type DemoReport = Callable[[str, float | None], None]
"""Called with what is happening, and the share done where that is known."""


def run_demo(
    base_url: str,
    keys: DemoKeys,
    *,
    survey: str,
    waves: Sequence[DemoWave],
    report: DemoReport,
    interval: float = 0.9,
    patience_s: float = 900.0,
    transport: httpx.BaseTransport | None = None,
) -> DemoResult:
    """Push all waves but the last at once, wait, read; push the last, wait, read.

    Parameters
    ----------
    base_url
        Where the service listens. The survey is there already, without waves.
    waves
        At least two, oldest first.
    patience_s
        How long each round of refits may take.
    transport
        How the service is reached; by default over the network.

    Raises
    ------
    DemoFailed
        At the first step that did not happen.
    """
    started = time.monotonic()
    with httpx.Client(base_url=base_url, timeout=60.0, transport=transport) as http:
        service = _Service(http, keys, survey, interval)
        *burst, last = waves
        first = _round(service, burst, report, patience_s)
        before = {topline.question: service.districts(topline) for topline in first}
        toplines = _round(service, [last], report, patience_s)
        after = {topline.question: service.districts(topline) for topline in toplines}
    revisions = []
    for old, new in zip(first, toplines, strict=True):
        if new.release_number <= old.release_number:
            raise DemoFailed(f"Wave {last.reference} brought no new release of {new.question}.")
        revisions.append(_revision(old, new, before[old.question], after[new.question]))
    return DemoResult(
        survey=survey,
        first=first,
        toplines=toplines,
        districts=tuple(after[toplines[0].question]),
        revisions=tuple(revisions),
        interval=interval,
        seconds=time.monotonic() - started,
    )


class _Service:
    """The few requests that the demo makes."""

    def __init__(self, http: httpx.Client, keys: DemoKeys, survey: str, interval: float) -> None:
        self._http = http
        self._keys = keys
        self._url = f"/v1/surveys/{survey}"
        self._interval = interval

    def push(self, wave: DemoWave) -> dict[str, Any]:
        key = self._keys.pollsters[wave.pollster]
        reply = self._http.post(
            f"{self._url}/waves",
            headers=_bearer(key),
            data={
                "reference": wave.reference,
                "fieldwork_start": wave.fieldwork_start.isoformat(),
                "fieldwork_end": wave.fieldwork_end.isoformat(),
            },
            files={"file": (wave.path.name, wave.path.read_bytes())},
        )
        if reply.status_code == httpx.codes.OK:
            raise DemoFailed(f"Wave {wave.reference} was there already; start the demo with an empty data folder.")
        body = _body(reply, f"push wave {wave.reference}", expected=httpx.codes.ACCEPTED)
        if not body["jobs"]:
            raise DemoFailed(f"Wave {wave.reference} was stored, but no refit was asked for.")
        return body

    def job(self, job: Mapping[str, Any], pollster: str) -> dict[str, Any]:
        reply = self._http.get(job["url"], headers=_bearer(self._keys.pollsters[pollster]))
        return _body(reply, f"follow the refit of {job['question']}")

    def questions(self) -> list[str]:
        reply = self._http.get(f"{self._url}/questions", headers=_bearer(self._keys.reader))
        return [question["id"] for question in _body(reply, "list the questions")["questions"]]

    def topline(self, question: str) -> Topline:
        body = self._estimates(question, level="nation")
        nation = body["estimates"][0]
        return Topline(
            question=question,
            text=body["text"],
            option=body["option"],
            share=nation["share"],
            low=nation["low"],
            high=nation["high"],
            release_number=body["release_number"],
            release_id=body["release_id"],
            data_through=body["data_through"],
        )

    def districts(self, topline: Topline) -> list[dict[str, Any]]:
        rows = self._estimates(topline.question, level="district", release=topline.release_id)["estimates"]
        if not rows or any(not row["low"] < row["share"] < row["high"] for row in rows):
            raise DemoFailed(f"The districts of {topline.question} came without usable intervals.")
        return list(rows)

    def _estimates(self, question: str, **parameters: str) -> dict[str, Any]:
        reply = self._http.get(
            f"{self._url}/questions/{question}/estimates",
            headers=_bearer(self._keys.reader),
            params={"interval": str(self._interval), **parameters},
        )
        return _body(reply, f"read the estimates of {question}")


def _round(service: _Service, waves: Sequence[DemoWave], report: DemoReport, patience_s: float) -> tuple[Topline, ...]:
    """Push waves, follow their refits, read the toplines of the releases."""
    jobs: dict[str, dict[str, Any]] = {}
    for wave in waves:
        received = service.push(wave)
        report(f"{wave.pollster} pushed {wave.reference}: {received['n_interviews']:,} interviews stored", None)
        for job in received["jobs"]:
            asked = jobs.setdefault(job["question"], job)
            if asked["id"] != job["id"]:
                raise DemoFailed(f"A burst of waves asked twice for the refit of {job['question']}.")
    report(f"{len(jobs)} refits asked for {len(waves)} wave{'s' if len(waves) > 1 else ''}", None)
    deadline = time.monotonic() + patience_s
    for job in jobs.values():
        _follow(service, job, waves[0].pollster, report, deadline)
    toplines = tuple(service.topline(question) for question in service.questions())
    for topline in toplines:
        report(f"release {topline.release_number} of {topline.question} is served", None)
    return toplines


def _follow(service: _Service, job: Mapping[str, Any], pollster: str, report: DemoReport, deadline: float) -> None:
    said = None
    while True:
        seen = service.job(job, pollster)
        if seen["state"] == "failed":
            raise DemoFailed(f"The refit of {job['question']} failed: {seen['detail']}")
        if seen["state"] == "succeeded":
            report(f"refit of {job['question']}: {seen['detail']}", 1.0)
            return
        if time.monotonic() > deadline:
            raise DemoFailed(f"The refit of {job['question']} was still {seen['state']} when patience ended.")
        news = (f"refit of {job['question']}: {seen.get('stage') or seen['state']}", seen.get("progress"))
        if news != said:
            report(*news)
            said = news
        time.sleep(POLL_S)


def _revision(
    old: Topline, new: Topline, before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]
) -> Revision:
    was = {row["area"]: row["share"] for row in before}
    changes = [(row["area_name"], row["share"] - was[row["area"]]) for row in after]
    changes.sort(key=lambda change: -abs(change[1]))
    return Revision(
        question=new.question,
        from_release=old.release_number,
        to_release=new.release_number,
        cause="data",
        national=new.share - old.share,
        districts=tuple(changes[:5]),
    )


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def _body(reply: httpx.Response, what: str, *, expected: int = httpx.codes.OK) -> dict[str, Any]:
    if reply.status_code != expected:
        raise DemoFailed(f"Could not {what}: the service answered {reply.status_code}, {reply.text[:400]}")
    body: dict[str, Any] = reply.json()
    return body
