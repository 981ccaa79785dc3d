"""How fast a running service answers: crosstabs that are computed, and questions that come again, beside Datasette.

A service of its own (``hustings serve``, with its access log, keys and limits) gets one wave; one client then asks for
crosstabs that nobody asked for before, one after the other. Reads that come again are asked for by ``wrk``, on
connections that it keeps; the same rows are then served by Datasette from SQLite, and asked for in the same way.
"""

import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import polars as pl

from jobs.backtest_waves import plan_backtest, split_waves
from jobs.live_bench import MakeKey, quantile
from jobs.live_service import Push, Wait, furnish, serving
from jobs.read_peer import Reads, datasette, hammer
from jobs.survey import load_survey
from polling.folder import SurveyBundle

__all__ = ["ApiSpeed", "as_json", "bench_api", "crosstabs"]

AREAS = ("nation", "region", "district")
ENOUGH = 1_000_000
"""Requests a second that a key may make: the limiter counts, and refuses nobody."""

type Query = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ApiSpeed:
    """What was measured; milliseconds from request to the last byte of the answer."""

    cells: int
    cores: int
    load_at_start: float
    first_crosstab_ms: float
    """The first of a release, which makes the draws of all crosstabs of two columns."""
    crosstabs: int
    crosstab_p50_ms: float
    crosstab_p95_ms: float
    three_way: int
    three_way_p50_ms: float
    three_way_p95_ms: float
    """Three columns, some of the people: no draws are kept for these."""
    connections: int
    read_kb: float
    """Of one answer that comes again: every district."""
    reads_per_s: float
    reads_p50_ms: float
    reads_p99_ms: float
    datasette_reads_per_s: float
    datasette_p99_ms: float
    reads_vs_datasette: float


def bench_api(
    folder: Path,
    data_dir: Path | None,
    *,
    interviews: str | None,
    queries: int,
    seconds: int,
    connections: int,
    seed: int,
    make_key: MakeKey,
    say: Callable[[str], None],
) -> ApiSpeed:
    """Measure with the interviews of a survey folder's backtest.

    Parameters
    ----------
    queries
        Crosstabs of one and two columns; half as many of three.
    seconds, connections
        Of each of the two rounds of repeated reads.

    Raises
    ------
    jobs.errors.ToolMissing
        If ``wrk`` or Datasette is not installed.
    """
    load = os.getloadavg()[0]
    bundle = load_survey(folder, data_dir=data_dir)
    plan = plan_backtest(bundle, None, interviews)
    now = datetime.now(UTC)
    whole = split_waves(bundle, plan, data_dir or folder, now=now)[0]
    survey = bundle.declaration.id
    with tempfile.TemporaryDirectory(prefix="hustings-api-") as name:
        place = Path(name)
        store, secrets = furnish(place, bundle, now=now)
        pushing = make_key(store, secrets, "pollster", whole.pollster)
        asking = make_key(store, secrets, "reader", None)
        store.close()
        limits = {"key_rate": ENOUGH, "key_burst": ENOUGH}
        with (
            serving(place, log_access=True, **limits) as served,
            httpx.Client(base_url=served.url, timeout=60) as client,
        ):
            path = f"/v1/surveys/{survey}/questions/{plan.question}"
            days = {"fieldwork_start": whole.fieldwork_start, "fieldwork_end": whole.fieldwork_end}
            Push(client, survey, pushing, **days)("base", pl.read_parquet(BytesIO(whole.content)))
            Wait(client, path, asking)()
            estimates, bearer = f"{path}/estimates", {"Authorization": f"Bearer {asking}"}
            two, three = (
                list(crosstabs(bundle, plan.question, n, filtered=n_columns == (3,), columns=n_columns, seed=seed))
                for n, n_columns in ((queries, (1, 2)), (queries // 2, (3,)))
            )
            first = _ask(client, estimates, bearer, two[:1])
            say(f"first crosstab: {first[0]:.0f} ms")
            took = [_ask(client, estimates, bearer, some) for some in (two[1:], three)]
            say(f"95% of crosstabs: {quantile(took[0], 0.95):.0f} ms, of three columns: {quantile(took[1], 0.95):.0f}")
            districts = client.get(f"{estimates}?level=district", headers=bearer)
            again = hammer(f"{served.url}{estimates}?level=district", bearer, connections=connections, seconds=seconds)
            say(f"the same again: {again.per_s:,.0f} a second, 99% within {again.p99_ms:.1f} ms")
        peer = _peer(place, districts.json()["estimates"], connections=connections, seconds=seconds)
        say(f"Datasette: {peer.per_s:,.0f} a second, 99% within {peer.p99_ms:.1f} ms")
    return ApiSpeed(
        cells=bundle.frame.height,
        cores=os.cpu_count() or 1,
        load_at_start=round(load, 2),
        first_crosstab_ms=round(first[0], 1),
        crosstabs=len(took[0]),
        crosstab_p50_ms=round(statistics.median(took[0]), 1),
        crosstab_p95_ms=quantile(took[0], 0.95),
        three_way=len(took[1]),
        three_way_p50_ms=round(statistics.median(took[1]), 1),
        three_way_p95_ms=quantile(took[1], 0.95),
        connections=connections,
        read_kb=round(len(districts.content) / 1000, 1),
        reads_per_s=round(again.per_s, 1),
        reads_p50_ms=round(again.p50_ms, 2),
        reads_p99_ms=round(again.p99_ms, 2),
        datasette_reads_per_s=round(peer.per_s, 1),
        datasette_p99_ms=round(peer.p99_ms, 2),
        reads_vs_datasette=round(again.per_s / peer.per_s, 1),
    )


def as_json(speed: ApiSpeed) -> dict[str, Any]:
    """What was measured, as one object."""
    return asdict(speed)


def crosstabs(
    bundle: SurveyBundle, question: str, n: int, *, columns: tuple[int, ...], filtered: bool, seed: int
) -> Iterator[Query]:
    """Queries at random, none of which was asked before: each has an interval of its own.

    Parameters
    ----------
    columns
        How many columns a crosstab may have: an area above the nation and demographics.
    filtered
        Whether only those at one level of another demographic are counted.
    """
    chance = random.Random(seed)  # noqa: S311 (no secret)
    levels = {one.name: tuple(one.levels or ()) for one in bundle.declaration.demographics}
    geography = bundle.declaration.geography
    areas = ["nation", *(geography.parents or ())[:1], "district"]
    options = bundle.declaration.question(question).options
    for _ in range(n):
        level, n_columns = chance.choice(areas), chance.choice(columns)
        most = len(levels) - filtered
        by = chance.sample(sorted(levels), min(most, n_columns - (level != "nation")))
        query = {
            "level": level,
            "by": ",".join(by),
            "interval": f"{chance.uniform(0.5, 0.99):.6f}",
            "option": chance.choice(options),
        }
        if filtered:
            name = chance.choice([other for other in sorted(levels) if other not in by])
            query["where"] = f"{name}:{chance.choice(levels[name])}"
        yield {key: value for key, value in query.items() if value}


def _ask(client: httpx.Client, path: str, headers: dict[str, str], queries: list[Query]) -> list[float]:
    """Milliseconds of each answer."""
    took = []
    for query in queries:
        started = time.perf_counter()
        reply = client.get(f"{path}?{urlencode(query)}", headers=headers)
        took.append(1000 * (time.perf_counter() - started))
        if reply.status_code != 200:
            raise RuntimeError(f"{query} was answered {reply.status_code}: {reply.text}")
    return took


def _peer(place: Path, rows: list[dict[str, Any]], *, connections: int, seconds: int) -> Reads:
    with datasette(place, rows) as url:
        return hammer(url, {}, connections=connections, seconds=seconds)
