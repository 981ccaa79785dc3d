"""Whether two replicas say the same: byte for byte of one release, at the same time of a new one, in their events."""

import gzip
import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import httpx

from polling.store import releases
from polling.store.engine import Store
from tests.api.world import SURVEY
from tests.faults.replicas_reads import ANALYST, ANSWERS, BASE, DOCUMENTS, PICTURES, QUESTIONS, Ask, path_of, plain_path

__all__ = ["SWITCH_S", "Followers", "Switches", "Twins"]

SWITCH_S: Final = 3.0
"""A second in which others may still get the answer that was right (``api.answers``), and time to make the new one."""
COMPARED: Final = ("etag", "content-type", "content-encoding", "content-disposition", "cache-control", "vary", "link")


type _Sent = tuple[int, dict[str, str], bytes]
"""Status, headers and body as they were sent."""


class Twins:
    """Asks both replicas the same and compares status, headers and the bytes as they were sent.

    One is asked, the other, and the first again: where the first answers twice alike nothing was committed in between
    that matters, and the second has to say the same.
    """

    def __init__(self, addresses: Sequence[str], reader: str, analyst: str, *, seed: int) -> None:
        self.n_equal = 0
        self.n_moved = 0
        """Comparisons that something was committed in the middle of."""
        self.wrong: Counter[str] = Counter()
        self._clients = [httpx.Client(base_url=one, timeout=300, limits=_LIMITS) for one in addresses]
        self._keys = {"reader": reader, "analyst": analyst}
        self._chance = random.Random(f"twins {seed}")

    def compare(self) -> None:
        """Compare one answer of one of the last releases."""
        chance = self._chance
        kind = chance.random()
        question, path, parameters = path_of(chance.choice(ANSWERS), chance)
        listed = self._clients[0].get(
            f"{BASE}/questions/{question}/releases", params={"limit": 4}, headers=self._headers("reader")
        )
        release = chance.choice(listed.json()["releases"])["id"]
        if kind < 0.7:
            self._compare(path, parameters | {"release": release}, "reader")
        elif kind < 0.8:
            self._compare(path, parameters, "reader")
        else:
            ask: Ask = chance.choice([one for one in (*DOCUMENTS, *ANALYST) if question in one.of])
            self._compare(f"{BASE}/releases/{release}/{ask.path}".rstrip("/"), ask.parameters, "analyst")

    def compare_all(self) -> None:
        """Compare every kind of answer of every question's current release."""
        for question in QUESTIONS:
            current = self._clients[0].get(plain_path(question), headers=self._headers("reader"))
            if current.status_code != 200:
                self.wrong[f"estimates were answered {current.status_code}: {current.text[:300]}"] += 1
                continue
            release = current.json()["release_id"]
            for ask in ANSWERS:
                if question in ask.of:
                    self._compare(f"{BASE}/questions/{question}/{ask.path}", ask.parameters, "reader")
            for ask in (one for one in (*DOCUMENTS, *ANALYST, *PICTURES) if question in one.of):
                self._compare(f"{BASE}/releases/{release}/{ask.path}".rstrip("/"), ask.parameters, "analyst")

    def close(self) -> None:
        for client in self._clients:
            client.close()

    def _compare(self, path: str, parameters: dict[str, str], role: str) -> None:
        encoding = self._chance.choice(("gzip", "identity"))
        first, other, again = (self._ask(n, path, parameters, role, encoding) for n in (0, 1, 0))
        if first != again:
            self.n_moved += 1
        elif first == other:
            self.n_equal += 1
        else:
            self.wrong[f"unequal: {path} {parameters}: {_difference(first, other)}"] += 1

    def _ask(self, replica: int, path: str, parameters: dict[str, str], role: str, encoding: str) -> _Sent:
        headers = self._headers(role) | {"Accept-Encoding": encoding}
        with self._clients[replica].stream("GET", path, params=parameters, headers=headers) as reply:
            body = b"".join(reply.iter_raw())
        return reply.status_code, {name: reply.headers[name] for name in COMPARED if name in reply.headers}, body

    def _headers(self, role: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._keys[role]}"}


class Switches:
    """How long after a release became current in the database each replica serves it, or a later one."""

    def __init__(self, store: Store, addresses: Sequence[str], key: str, question: str) -> None:
        self.seconds: list[list[float]] = [[] for _ in addresses]
        self.wrong: Counter[str] = Counter()
        self._store = store
        self._question = question
        headers = {"Authorization": f"Bearer {key}"}
        self._clients = [httpx.Client(base_url=one, timeout=60, headers=headers, limits=_LIMITS) for one in addresses]
        self._last = self._stored()

    def look(self) -> None:
        """Look for a new release; if there is one, ask both replicas until they serve it."""
        number = self._stored()
        if number == self._last:
            return
        seen, self._last = time.monotonic(), number
        threads = [threading.Thread(target=self._wait, args=(n, number, seen)) for n in range(len(self._clients))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def close(self) -> None:
        for client in self._clients:
            client.close()

    def _stored(self) -> int:
        with self._store.read() as session:
            current = releases.current_release(session, SURVEY, self._question)
        assert current is not None
        return current.number

    def _wait(self, replica: int, number: int, seen: float) -> None:
        while True:
            with suppress(httpx.HTTPError):
                reply = self._clients[replica].get(f"{BASE}/questions/{self._question}/estimates?level=nation")
                if reply.status_code == 200 and reply.json()["release_number"] >= number:
                    break
            if time.monotonic() - seen > 10 * SWITCH_S:
                break
        took = time.monotonic() - seen
        self.seconds[replica].append(took)
        if took > SWITCH_S:
            self.wrong[f"replica {replica + 1} served a new release only after more than {SWITCH_S:g} s"] += 1


class Followers:
    """One stream of events at each replica; both have to tell the same."""

    def __init__(self, addresses: Sequence[str], key: str) -> None:
        self.ids: list[list[int]] = [[] for _ in addresses]
        self.wrong: Counter[str] = Counter()
        self._addresses = addresses
        self._headers = {"Authorization": f"Bearer {key}"}
        self._stop = threading.Event()

    def __enter__(self) -> "Followers":
        self._threads = [
            threading.Thread(target=self._follow, args=(n,), name=f"follower {n}", daemon=True)
            for n in range(len(self._addresses))
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()  # noticed with the next event, or with the comment that comes every 15 seconds
        for thread in self._threads:
            thread.join()

    @property
    def same(self) -> int:
        """How many events both had, from the later beginning to the earlier end."""
        begun, ended = max(ids[0] for ids in self.ids), min(ids[-1] for ids in self.ids)
        parts = [[one for one in ids if begun <= one <= ended] for ids in self.ids]
        if any(part != parts[0] for part in parts):
            self.wrong["the replicas told other events, or in another order"] += 1
        return len(parts[0])

    def _follow(self, replica: int) -> None:
        url, seen = f"{self._addresses[replica]}{BASE}/events", self.ids[replica]
        with httpx.Client(headers=self._headers, timeout=httpx.Timeout(30, read=40)) as client:
            while not self._stop.is_set():
                after = {"last_event_id": str(seen[-1])} if seen else {}
                try:
                    with client.stream("GET", url, params=after) as stream:
                        if stream.status_code != 200:
                            self.wrong[f"a stream was answered {stream.status_code}"] += 1
                            return
                        for line in stream.iter_lines():
                            if line.startswith("id: "):
                                seen.append(int(line[4:]))
                            if self._stop.is_set():
                                return
                    self.wrong["a stream ended by itself"] += 1
                except httpx.HTTPError as error:
                    self.wrong[f"a stream broke: {type(error).__name__}"] += 1


def _difference(one: _Sent, other: _Sent) -> str:
    """Where two answers differ, in a few words."""
    if one[0] != other[0]:
        return f"status {one[0]} and {other[0]}"
    for name in one[1].keys() | other[1].keys():
        if one[1].get(name) != other[1].get(name):
            return f"{name} {one[1].get(name)} and {other[1].get(name)}"
    bodies = [gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body for body in (one[2], other[2])]
    at = next((n for n, (a, b) in enumerate(zip(*bodies, strict=False)) if a != b), min(map(len, bodies)))
    return " and ".join(repr(body[max(0, at - 60) : at + 60]) for body in bodies)


_LIMITS = httpx.Limits(keepalive_expiry=2.0)
