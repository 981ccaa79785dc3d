"""How fast the web page comes: the first screen with all that it loads, and every page of a question, first and again.

A service of its own gets one wave; one client signs in as a browser does, by the form, and then asks for pages over one
connection. What is on the wire is counted as it is sent, compressed. Charts are part of the pages: no library for them
is sent.
"""

import os
import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from io import BytesIO
from itertools import permutations
from pathlib import Path
from typing import Any

import httpx
import polars as pl

from jobs.backtest_waves import plan_backtest, split_waves
from jobs.live_bench import MakeKey, quantile
from jobs.live_service import Push, Wait, furnish, serving
from jobs.survey import load_survey

__all__ = ["PageSpeed", "as_json", "bench_pages"]

ENOUGH = 1_000_000
"""Requests a second that a key may make: the limiter counts, and refuses nobody."""


@dataclass(frozen=True, slots=True)
class PageSpeed:
    """What was measured; from request to the last byte."""

    cells: int
    districts: int
    cores: int
    load_at_start: float
    first_screen_s: float
    """The first screen after a release, made anew, with style sheet, script and icons one after the other."""
    first_screen_kb: float
    """All of it on the wire."""
    pages: int
    """Pages of the question, each with its first answer of the release."""
    made_p50_ms: float
    made_p95_ms: float
    made_worst_ms: float
    made_worst: str
    again: int
    again_p50_ms: float
    again_p95_ms: float


def bench_pages(
    folder: Path,
    data_dir: Path | None,
    *,
    interviews: str | None,
    times: int,
    make_key: MakeKey,
    say: Callable[[str], None],
) -> PageSpeed:
    """Measure with the interviews of a survey folder's backtest.

    Parameters
    ----------
    times
        How often each page is asked for again.
    """
    load = os.getloadavg()[0]
    bundle = load_survey(folder, data_dir=data_dir)
    plan = plan_backtest(bundle, None, interviews)
    now = datetime.now(UTC)
    whole = split_waves(bundle, plan, data_dir or folder, now=now)[0]
    survey, question = bundle.declaration.id, plan.question
    with tempfile.TemporaryDirectory(prefix="hustings-pages-") as name:
        place = Path(name)
        store, secrets = furnish(place, bundle, now=now)
        pushing = make_key(store, secrets, "pollster", whole.pollster)
        looking = make_key(store, secrets, "analyst", None)
        store.close()
        limits: dict[str, Any] = {"key_rate": ENOUGH, "key_burst": ENOUGH}
        with serving(place, **limits) as served, httpx.Client(base_url=served.url, timeout=60) as client:
            path = f"/v1/surveys/{survey}/questions/{question}"
            days = {"fieldwork_start": whole.fieldwork_start, "fieldwork_end": whole.fieldwork_end}
            Push(client, survey, pushing, **days)("base", pl.read_parquet(BytesIO(whole.content)))
            release, _ = Wait(client, path, looking)()
            _sign_in(client, served.url, looking)
            first = f"/surveys/{survey}/questions/{question}"
            took, size = _load_whole(client, first)
            say(f"first screen: {took:.2f} s, {size / 1000:.0f} kB")
            pages = _pages(first, survey, release, list(bundle.declaration.levels), bundle.districts["code"].to_list())
            made = {page: _get(client, page)[0] for page in pages}
            say(f"made: 95% within {quantile(list(made.values()), 0.95):.0f} ms")
            again = [_get(client, page)[0] for _ in range(times) for page in pages]
            say(f"again: 95% within {quantile(again, 0.95):.0f} ms")
    worst = max(made, key=lambda page: made[page])
    return PageSpeed(
        cells=bundle.frame.height,
        districts=bundle.districts.height,
        cores=os.cpu_count() or 1,
        load_at_start=round(load, 2),
        first_screen_s=round(took, 3),
        first_screen_kb=round(size / 1000, 1),
        pages=len(pages),
        made_p50_ms=quantile(list(made.values()), 0.5),
        made_p95_ms=quantile(list(made.values()), 0.95),
        made_worst_ms=round(made[worst], 1),
        made_worst=worst,
        again=len(again),
        again_p50_ms=quantile(again, 0.5),
        again_p95_ms=quantile(again, 0.95),
    )


def as_json(speed: PageSpeed) -> dict[str, Any]:
    """What was measured, as one object."""
    return asdict(speed)


def _sign_in(client: httpx.Client, url: str, key: str) -> None:
    form = client.get("/sign-in").text
    token = re.search(r'name="token" value="([^"]+)"', form)
    assert token is not None, "the page for signing in has no form"
    reply = client.post("/sign-in", data={"key": key, "token": token[1]}, headers={"Origin": url})
    assert reply.status_code == 303, f"signing in was answered {reply.status_code}"


def _load_whole(client: httpx.Client, page: str) -> tuple[float, int]:
    """Seconds and bytes of a page with what it names, one after the other."""
    started = time.perf_counter()
    _, size, text = _get(client, page)
    for name in sorted(set(re.findall(r'(?:href|src)="(/page/[^"]+)"', text))):
        size += _get(client, name)[1]
    return time.perf_counter() - started, size


def _get(client: httpx.Client, path: str) -> tuple[float, int, str]:
    """Milliseconds, bytes on the wire, text."""
    started = time.perf_counter()
    with client.stream("GET", path, headers={"Accept": "text/html,*/*"}) as reply:
        text = reply.read().decode()
        if reply.status_code != 200:
            raise RuntimeError(f"{path} was answered {reply.status_code}")
        return 1000 * (time.perf_counter() - started), reply.num_bytes_downloaded, text


def _pages(first: str, survey: str, release: str, demographics: list[str], districts: list[str]) -> list[str]:
    """Every kind of page, with every crosstab of two demographics and some districts."""
    of_release = f"/surveys/{survey}/releases/{release}"
    return [
        first,
        *(f"{first}/{name}" for name in ("districts", "seats", "revision", "releases", "methods", "track-record")),
        *(f"{of_release}/{name}" for name in ("representation", "disclosure", "diagnostics")),
        *(f"{first}/crosstab?rows={one}&columns={two}" for one, two in permutations(demographics, 2)),
        *(f"{first}/districts/{code}" for code in districts[:20]),
    ]
