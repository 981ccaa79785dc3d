"""Requests made from ``/openapi.json`` by schemathesis, sent to a really served process, the answers held to it.

    python -m tests.contract.fuzz [--store sqlite|postgresql] [--cases N] [--seed N] [--report]

Half of the cases obey the document, half break it somewhere. Names alone lead nowhere in a world that nobody knows, so
that most of them are replaced by what there is: surveys, waves, releases, levels. What a request ends, a key or a
webhook, is made for it. An answer must be documented: its status, its media type, the schema of its body; a 5xx is
wrong in any case.
"""

import argparse
import json
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, MutableMapping
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from requests.adapters import HTTPAdapter
from schemathesis import checks
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.transport import Response

from tests.api.world import DISTRICTS, OTHER, SURVEY, wave_csv
from tests.contract.served import Served, new_database, served_world

__all__ = ["Outcome", "fuzz"]

REPORTS = Path(__file__).with_name("reports")
CHECKS = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance")
MODES = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
BATCHES = [f'{{"id": "b{n}", "district": "D1", "gender": "man", "age": "old", "rail": "yes"}}' for n in range(40)]
WAVE = ("file", "fieldwork_start", "fieldwork_end", "reference")
ALPHA = {"pollster": "Alpha"}
NEEDED = (*WAVE, "reason", "respondent", "url", "first", "second")
ENDLESS_S = 0.2
"""How long a stream of events is listened to."""
PATIENCE_S = 300.0
"""How long an answer may take to begin: on a busy machine pictures take a minute."""


@dataclass
class Outcome:
    """What was sent and what was wrong with the answers."""

    cases: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    by_operation: dict[str, Counter[int]] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)
    """Operation, status and check -> what was wrong the first time, and with which request."""


def fuzz(served: Served, n_cases: int, *, seed: int = 1) -> Outcome:
    """Send so many cases, the operations in turn."""
    document = httpx.get(f"{served.address}/openapi.json").json()
    for path in document["paths"].values():
        for one in path.values():
            del one["security"]  # schemathesis would make up keys, and get no further
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=served.address)
    operations = [one.ok() for one in schema.get_all_operations()]
    outcome = Outcome()
    with requests.Session() as session, closing(Known(served)) as known:
        session.mount(served.address, _Patient())
        for turn in range(n_cases):
            each = max(1, min(20, (n_cases - outcome.cases) // len(operations)))
            for operation in operations:
                each = min(each, n_cases - outcome.cases)
                if each > 0:
                    _send_some(operation, each, seed + turn, known, session, outcome)
            if outcome.cases >= n_cases:
                break
    return outcome


@schemathesis.serializer("application/x-ndjson")
def _lines(_: Any, value: Any) -> dict[str, Any]:
    return {"data": value if isinstance(value, bytes) else str(value).encode(errors="surrogatepass")}


class _Patient(HTTPAdapter):
    """Waits for an answer to begin; the time that is asked for is how long is listened once it has begun."""

    def send(self, request: requests.PreparedRequest, *args: Any, **more: Any) -> requests.Response:
        listening = more.pop("timeout", None)
        reply = super().send(request, *args, timeout=PATIENCE_S, **more)
        connection = reply.raw.connection
        if connection is not None and connection.sock is not None:
            connection.sock.settimeout(listening)
        return reply


class Known:
    """Names that mean something in the world, by the name of the parameter or field that takes them."""

    def __init__(self, served: Served) -> None:
        self.served = served
        about = {
            "headers": served.headers(),
            "base_url": f"{served.address}/v1/surveys/{SURVEY}",
            "timeout": PATIENCE_S,
        }
        self._client = httpx.Client(**about)
        releases = [one["id"] for one in self._get("/questions/rail/releases", "releases")]
        waves = [one["reference"] for one in self._get("/waves", "waves")]
        jobs = [one["id"] for one in self._get("/jobs", "jobs")]
        self._numbers = count()
        tracker = self._opened()
        case = self._client.post("/erasures", json={"respondent": "nobody"}).json()["case_number"]
        self.values: dict[str, list[Any]] = {
            "survey_id": [*[SURVEY] * 9, OTHER],
            "question_id": ["rail", "rail", "tax", "bridge"],
            "release_id": releases,
            "release": releases,
            "before": releases,
            "wave_id": [*waves, tracker, tracker],
            "job_id": jobs,
            "case_number": [case],
            "district": list(DISTRICTS),
            "number": [*range(1, 40), 1_000_000],
            "event_id": [1, 2],
            "level": ["nation", "region", "district"],
            "districts": ["D1", "D1,D2"],
            "by": ["age", "age,gender"],
            "where": ["age:old", "gender:man,region:North"],
            "first": ["age:old", "district:D1"],
            "second": ["age:young", "district:D2"],
            "option": ["yes", "no"],
            "versus": ["no"],
            "interval": [0.5, 0.9],
            "threshold": [0, 0.5, 1],
            "seats": ["income"],
            "as_of": ["2026-03-02T12:05:00Z"],
            "last_event_id": ["0", "1"],
            "Last-Event-ID": ["0", "1"],
            "format": ["json", "html", "markdown"],
            "reason": ["because"],
            "reference": ["w1", *(f"f{n}" for n in range(40))],
            "replaces": ["w1"],
            "pollster": ["Alpha"],
            "fieldwork_start": ["2026-02-20"],
            "fieldwork_end": ["2026-02-25"],
            "file": [wave_csv(50, start=1000 * n) for n in range(30, 60)],
            "waves": [["w2"]],
            "since": ["2026-03-02T12:00:00Z"],
            "respondent": ["r1", "nobody"],
            "role": ["reader", "analyst"],
            "url": ["https://[2001:4860:4860::8888]/in"],
        }
        # Ended by the request that names them.
        self.made = {"prefix": lambda: served.world.key("reader").split("_")[1], "webhook_id": self._webhook}

    def replace(self, draw: Callable[[Any], Any], case: Any) -> None:
        """Put what there is in the place of some of the names, and leave out what means nothing."""
        if isinstance(case.body, str) and draw(st.booleans()):
            case.body = draw(st.sampled_from(BATCHES))
        if isinstance(case.body, dict) and "file" in case.body and draw(st.booleans()):
            case.body = {name: draw(st.sampled_from(self.values[name])) for name in (*WAVE, "pollster")}
        sparse = draw(st.booleans())
        for container in (case.path_parameters, case.query, case.headers, case.body):
            if not isinstance(container, MutableMapping):
                continue
            for name in [*container]:
                if sparse and container is not case.path_parameters and self._is_spared(draw, name):
                    del container[name]
                elif name in self.values and draw(st.integers(0, 19)) < (
                    19 if container is case.path_parameters else 16
                ):
                    container[name] = draw(st.sampled_from(self.values[name]))

    def _is_spared(self, draw: Callable[[Any], Any], name: str) -> bool:
        return name not in self.values or (name not in NEEDED and draw(st.integers(0, 3)) < 3)

    def close(self) -> None:
        self._client.close()

    def make(self, case: Any) -> None:
        """Put something new in the place of what the request may end."""
        for name in self.made.keys() & case.path_parameters.keys():
            case.path_parameters[name] = self.made[name]()
        if operation_of(case) in ("closeWave", "receiveBatch"):
            case.path_parameters["wave_id"] = self._opened()

    def _opened(self) -> str:
        reference = f"open{next(self._numbers)}"
        self._client.post("/waves/open", json={"reference": reference, "fieldwork_start": "2026-02-20", **ALPHA})
        return reference

    def _webhook(self) -> str:
        listed = self._get("/webhooks", "webhooks")  # a survey has a few at most
        one = listed[0] if listed else self._client.post("/webhooks", json={"url": self.values["url"][0]}).json()
        return str(one["id"])

    def _get(self, path: str, name: str) -> list[Any]:
        return list(self._client.get(path).json()[name])


def operation_of(case: Any) -> str:
    """Its operation id."""
    return str(case.operation.definition.raw["operationId"])


def _send_some(operation: Any, n: int, seed: int, known: Known, session: requests.Session, outcome: Outcome) -> None:
    @st.composite
    def cases(draw: Callable[[Any], Any], mode: Any) -> Any:
        case = draw(operation.as_strategy(generation_mode=mode))
        known.replace(draw, case)
        role = draw(st.sampled_from(["admin"] * 8 + ["reader", "pollster", "analyst", "dpo", "monitor"]))
        return case, role, draw(st.integers(0, 9)) < 8

    # Any text may stand in a path: only a query, a header or a body can break the document.
    breakable = any((operation.query, operation.headers, operation.body))
    for mode, share in zip(MODES, ((n + 1) // 2, n // 2) if breakable else (n, 0), strict=True):

        @seeded(seed)
        @settings(
            max_examples=max(share, 1),
            phases=[Phase.generate],
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(drawn=cases(mode))
        def send(drawn: tuple[Any, str, bool]) -> None:
            case, role, make = drawn
            if make:
                known.make(case)
            _send(case, role, known, session, outcome)

        if share > 0:
            send()


def _send(case: Any, role: str, known: Known, session: requests.Session, outcome: Outcome) -> None:
    name = operation_of(case)
    headers = known.served.headers(role)
    timeout = ENDLESS_S if name == "followEvents" else PATIENCE_S
    reply: Response = case.call(session=session, headers=headers, timeout=timeout)
    outcome.cases += 1
    outcome.statuses[reply.status_code] += 1
    outcome.by_operation.setdefault(name, Counter())[reply.status_code] += 1
    try:
        # The schema of a stream is that of its text; schemathesis holds single events to it.
        held_to = [getattr(checks, one) for one in CHECKS if (name, one) != ("followEvents", CHECKS[-1])]
        case.validate_response(reply, checks=held_to, headers=headers)
    except (FailureGroup, Failure) as failed:
        for one in getattr(failed, "exceptions", [failed]):
            where = f"{name} {reply.status_code} {type(one).__name__}"
            curl = case.as_curl_command(headers={"Authorization": f"Bearer <{role}>"})
            outcome.wrong.setdefault(where, f"{one}\n{reply.text[:500]}\n{curl[:2000]}")


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; 1 if an answer was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.contract.fuzz")
    parser.add_argument("--store", choices=["sqlite", "postgresql"], action="append")
    parser.add_argument("--cases", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", action="store_true")
    chosen = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    failed = False
    for kind in chosen.store or ["sqlite", "postgresql"]:
        begun = time.monotonic()
        with new_database(kind) as (url, folder), served_world(url, folder) as served:
            outcome = fuzz(served, chosen.cases, seed=chosen.seed)
        told = {
            "store": kind,
            "schemathesis": schemathesis.__version__,
            "cases": outcome.cases,
            "operations": len(outcome.by_operation),
            "checks": list(CHECKS),
            "seconds": round(time.monotonic() - begun),
            "statuses": {str(status): n for status, n in sorted(outcome.statuses.items())},
            "wrong": outcome.wrong,
            "by_operation": {
                name: {str(status): n for status, n in sorted(counts.items())}
                for name, counts in sorted(outcome.by_operation.items())
            },
        }
        text = json.dumps(told, indent=1)
        if chosen.report:
            REPORTS.mkdir(exist_ok=True)
            (REPORTS / f"fuzz-{kind}.json").write_text(text + "\n", encoding="utf-8")
        print(text)
        failed = failed or bool(outcome.wrong) or outcome.cases < chosen.cases
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
