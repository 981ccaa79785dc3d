"""Mixed load on two replicas: who pushes, reads, looks at pages, downloads, judges, erases, pins, holds, uploads.

Each client is a thread that does one kind of thing at a steady pace, through either replica, and says which answers it
expects. What one replica was told is asked of the other at once: both answer from one database.
"""

import random
import re
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import httpx

from tests.api.kinds import kinds_csv
from tests.api.page.browser import OURS, token_in
from tests.api.world import DISTRICTS, SURVEY, wave_csv
from tests.faults.replicas_reads import (
    ANALYST,
    ANSWERS,
    BASE,
    DOCUMENTS,
    PAGES,
    PICTURES,
    QUESTIONS,
    Ask,
    path_of,
    plain_path,
)

__all__ = ["Load"]

FIELDWORK = {"fieldwork_start": "2026-02-20", "fieldwork_end": "2026-02-25"}
SIZE = 60
"""Interviews of a wave."""
TIMEOUT_S = 300.0
"""Longer than any limit of the service itself: what takes longer never ends."""
GONE_TOO = (200, 410)
"""Of a release by name: draws that rest on somebody who was erased meanwhile are deleted by the next refit."""
PACES: dict[str, tuple[float, int]] = {
    "read": (0.25, 4),
    "ask many at once": (3.0, 1),
    "page": (1.0, 1),
    "document": (2.0, 1),
    "draw": (4.0, 1),
    "look at pictures": (60.0, 1),
    "push": (15.0, 1),
    "push kinds": (60.0, 1),
    "stream a wave": (50.0, 1),
    "erase": (60.0, 1),
    "pin": (35.0, 1),
    "upload predictors": (150.0, 1),
    "withdraw": (80.0, 1),
    "hold": (110.0, 1),
    "make a key": (25.0, 1),
}
"""Client -> seconds between two of its acts, and how many there are of it."""


class Load:
    """Clients of two replicas.

    Parameters
    ----------
    addresses
        Of the replicas.
    keys
        Role -> key; ``pollster`` and ``rival`` are two pollsters.
    """

    def __init__(self, addresses: Sequence[str], keys: dict[str, str], *, seed: int) -> None:
        self.addresses = addresses
        self.wrong: Counter[str] = Counter()
        """What was not as expected -> how often."""
        self.asked: Counter[str] = Counter()
        """Client and status -> how many answers."""
        self.seconds: defaultdict[str, list[float]] = defaultdict(list)
        """Client -> how long its answers took."""
        self.pushed: list[str] = []
        """References of acknowledged waves."""
        self.n_erased = 0
        self._keys = keys
        self._seed = seed
        self._turns = Counter[str]()
        self._rail: list[int] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._local = threading.local()

    def __enter__(self) -> "Load":
        self.sign_in()
        acts: dict[str, Callable[[random.Random], None]] = {
            "read": self._read,
            "ask many at once": self._ask_many,
            "page": self._page,
            "document": self._document,
            "draw": partial(self._draw, ANALYST),
            "look at pictures": partial(self._draw, PICTURES),
            "push": self._push,
            "push kinds": self._push_kinds,
            "stream a wave": self._stream,
            "erase": self._erase,
            "pin": self._pin,
            "upload predictors": self._upload,
            "withdraw": self._withdraw,
            "hold": self._hold,
            "make a key": self._make_key,
        }
        self._threads = [
            threading.Thread(target=self._go_on, args=(name, act, number), name=f"{name} {number}", daemon=True)
            for name, act in acts.items()
            for number in range(PACES[name][1])
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def expect(self, holds: object, words: str) -> None:
        if not holds:
            with self._lock:
                self.wrong[words] += 1

    def send(
        self,
        who: str,
        replica: int,
        method: str,
        path: str,
        *,
        role: str | None,
        ok: Collection[int] = (200,),
        **more: Any,
    ) -> httpx.Response:
        """One request; an answer that nobody expects is noted.

        Parameters
        ----------
        role
            Whose key is sent; None: the cookie of the session.
        """
        headers = more.pop("headers", {}) | ({"Authorization": f"Bearer {self._keys.get(role, role)}"} if role else {})
        begun = time.monotonic()
        reply = self._client().request(method, f"{self.addresses[replica]}{path}", headers=headers, **more)
        with self._lock:
            self.seconds[who].append(time.monotonic() - begun)
            self.asked[f"{who} {reply.status_code}"] += 1
        if reply.status_code not in ok:
            shape = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", f"{method} {path} {more.get('params', '')}")
            self.expect(False, f"{who}: {shape} was answered {reply.status_code}: {reply.text[:300]}")
            raise _Unexpected
        return reply

    def sign_in(self) -> None:
        """A session, made through the first replica."""
        with httpx.Client(base_url=self.addresses[0], timeout=TIMEOUT_S) as client:
            form = client.get("/sign-in", headers={"Accept": "text/html"})
            fields = {"key": self._keys["admin"], "token": token_in(form.text), "next": "/"}
            reply = client.post("/sign-in", data=fields, headers=OURS, follow_redirects=False)
            assert reply.status_code == 303, reply.text
            self._cookies = dict(client.cookies)

    def current(self, replica: int, question: str) -> str:
        """Id of the release that a replica serves."""
        return str(self.send("look", replica, "GET", plain_path(question), role="reader").json()["release_id"])

    def push(self, number: int, replica: int, *, kinds: bool = False) -> None:
        """Push a wave; now and then once more through the other replica, as a client does that got no answer."""
        reference, role = (f"kinds{number}", "rival") if kinds else (f"w{number}", "pollster")
        content = kinds_csv(SIZE * 2, start=1000 * number) if kinds else wave_csv(SIZE, start=1000 * number)
        about: Any = {
            "role": role,
            "data": {"reference": reference, **FIELDWORK},
            "files": {"file": ("w.csv", content)},
        }
        first = self.send("push", replica, "POST", f"{BASE}/waves", ok=(202,), **about).json()
        with self._lock:
            self.pushed.append(reference)
            if not kinds:
                self._rail.append(number)
        if number % 4 == 0:
            again = self.send("push", 1 - replica, "POST", f"{BASE}/waves", ok=(200,), **about).json()
            self.expect(again["wave_id"] == first["wave_id"], "a wave that was sent again became another")

    def _go_on(self, name: str, act: Callable[[random.Random], None], number: int) -> None:
        chance, pace = random.Random(f"{self._seed} {name} {number}"), PACES[name][0]
        # Not all at once; and each at least once, however short the run is.
        pause = chance.uniform(0, min(pace, 20.0))
        while not self._stop.wait(pause):
            with suppress(_Unexpected):
                try:
                    act(chance)
                except (httpx.HTTPError, KeyError, IndexError, ValueError) as error:
                    self.expect(False, f"{name}: {type(error).__name__} {error}")
            pause = chance.uniform(0.5, 1.5) * pace

    def _client(self) -> httpx.Client:
        if not hasattr(self._local, "client"):
            # A kept connection is dropped before the server drops it, which would look like a fault.
            limits = httpx.Limits(keepalive_expiry=2.0)
            self._local.client = httpx.Client(timeout=TIMEOUT_S, limits=limits)
        return self._local.client

    def _next(self, name: str) -> int:
        with self._lock:
            self._turns[name] += 1
            return self._turns[name]

    def _read(self, chance: random.Random) -> None:
        _, path, parameters = path_of(chance.choice(ANSWERS), chance)
        ok = GONE_TOO if path.endswith("revision") else (200,)  # it looks at the release before, too
        reply = self.send("read", chance.randrange(2), "GET", path, role="reader", params=parameters, ok=ok)
        if (
            reply.status_code == 200 and chance.random() < 0.3
        ):  # as an app does that has the answer already; through the other one
            tag = {"If-None-Match": reply.headers["etag"]}
            self.send(
                "read", chance.randrange(2), "GET", path, role="reader", params=parameters, headers=tag, ok=(*ok, 304)
            )

    def _ask_many(self, chance: random.Random) -> None:
        queries = [{"question": one, "kind": "rank", "level": "district"} for one in QUESTIONS]
        reply = self.send(
            "ask many", chance.randrange(2), "POST", f"{BASE}/queries", role="reader", json={"queries": queries}
        )
        statuses = {one.get("status", 200) for one in reply.json()["answers"]}
        self.expect(statuses == {200}, f"many at once were answered {statuses}")

    def _page(self, chance: random.Random) -> None:
        replica, question = chance.randrange(2), chance.choice(QUESTIONS)
        path = chance.choice(PAGES)
        ok = GONE_TOO if "{release}" in path else (200,)
        release = self.current(replica, question) if "{release}" in path else ""
        path = path.format(s=SURVEY, q=question, release=release)
        cookie = {"Accept": "text/html", "Cookie": "; ".join(f"{a}={b}" for a, b in self._cookies.items())}
        self.send("page", replica, "GET", path, role=None, headers=cookie, ok=ok)

    def _document(self, chance: random.Random) -> None:
        replica, ask = chance.randrange(2), chance.choice(DOCUMENTS)
        release = self.current(replica, chance.choice(QUESTIONS))
        path = f"{BASE}/releases/{release}/{ask.path}".rstrip("/")
        self.send("document", 1 - replica, "GET", path, role="analyst", params=ask.parameters, ok=GONE_TOO)

    def _draw(self, asks: Sequence[Ask], chance: random.Random) -> None:
        replica, ask = chance.randrange(2), chance.choice(asks)
        release = self.current(replica, chance.choice(ask.of))
        path = f"{BASE}/releases/{release}/{ask.path}"
        self.send("draw", 1 - replica, "GET", path, role="analyst", params=ask.parameters, ok=GONE_TOO)

    def _push(self, chance: random.Random) -> None:
        self.push(100 + self._next("push"), chance.randrange(2))

    def _push_kinds(self, chance: random.Random) -> None:
        self.push(100 + self._next("push kinds"), chance.randrange(2), kinds=True)

    def _stream(self, chance: random.Random) -> None:
        """Open a wave, send batches through both replicas, close it."""
        number, replica = 50_000 + self._next("stream"), chance.randrange(2)
        body = {"reference": f"open{number}", "fieldwork_start": "2026-02-20"}
        self.send("stream", replica, "POST", f"{BASE}/waves/open", role="pollster", json=body)
        rows = wave_csv(SIZE, start=1000 * number).decode().splitlines()
        names = rows[0].split(",")
        lines = [_ndjson(names, row.split(",")) for row in rows[1:]]
        path = f"{BASE}/waves/open{number}"
        for batch in range(3):
            content = "\n".join(lines[batch * 20 : batch * 20 + 20]).encode()
            headers = {"Content-Type": "application/x-ndjson"}
            self.send(
                "stream", (replica + batch) % 2, "POST", f"{path}/batches/{batch + 1}", role="pollster",
                content=content, headers=headers, ok=(202,),
            )  # fmt: skip
        closed = self.send("stream", 1 - replica, "POST", f"{path}/close", role="pollster", json={}).json()
        self.expect(closed["changed"][0]["state"] == "accepted", f"a closed wave is {closed['changed'][0]['state']}")
        with self._lock:
            self.pushed.append(f"open{number}")

    def _erase(self, chance: random.Random) -> None:
        with self._lock:
            number = chance.choice(self._rail)
        replica, asked = chance.randrange(2), {"respondent": f"r{1000 * number + self._next('erase') % SIZE}"}
        receipt = self.send("erase", replica, "POST", f"{BASE}/erasures", role="dpo", json=asked).json()
        other = self.send("erase", 1 - replica, "POST", f"{BASE}/access", role="dpo", json=asked, ok=(200, 404))
        left = other.json()["interviews"] if other.status_code == 200 else []
        self.expect(not left, "the other replica still tells of somebody who was erased")
        self.send("erase", 1 - replica, "GET", f"{BASE}/erasures/{receipt['case_number']}", role="dpo")
        self.n_erased += receipt["n_interviews"] > 0

    def _pin(self, chance: random.Random) -> None:
        replica = chance.randrange(2)
        path = f"{BASE}/releases/{self.current(replica, chance.choice(QUESTIONS))}"
        reason = {"reason": "kept for a paper"}
        # 409: its draws went in this very moment, with somebody who was erased.
        pinned = self.send("pin", replica, "POST", f"{path}/pin", role="analyst", json=reason, ok=(200, 409))
        if pinned.status_code == 409:
            return
        told = self.send("pin", 1 - replica, "GET", path, role="reader").json()
        self.expect(told["pinned_since"] is not None, "the other replica does not know of a pin")
        self._stop.wait(5)
        self.send("pin", 1 - replica, "POST", f"{path}/unpin", role="analyst", json=reason)

    def _upload(self, chance: random.Random) -> None:
        replica, turn = chance.randrange(2), self._next("upload")
        rows = "".join(f"{code},{0.1 * n + turn / 100}\n" for n, code in enumerate(DISTRICTS))
        said = {"as_of": "2026-02-01", "source": f"the office, edition {turn}"}
        file = {"file": ("income.csv", f"code,income\n{rows}".encode())}
        path = f"{BASE}/predictors"
        made = self.send("upload", replica, "POST", path, role="admin", data=said, files=file, ok=(201,)).json()
        self.send("upload", 1 - replica, "GET", f"{path}/{made['upload']['id']}", role="admin")

    def _withdraw(self, chance: random.Random) -> None:
        with self._lock:
            number = chance.choice(self._rail)
        replica, path, why = chance.randrange(2), f"{BASE}/waves/w{number}", {"reason": "looked at again"}
        self.send("withdraw", replica, "POST", f"{path}/withdraw", role="pollster", json=why)
        told = self.send("withdraw", 1 - replica, "GET", path, role="pollster").json()
        self.expect(told["state"] == "withdrawn", f"the other replica says that a withdrawn wave is {told['state']}")
        self._stop.wait(3)
        self.send("withdraw", 1 - replica, "POST", f"{path}/restore", role="pollster", json=why)

    def _hold(self, chance: random.Random) -> None:
        replica, question = chance.randrange(2), chance.choice(QUESTIONS)
        path = f"{BASE}/questions/{question}"
        why = {"reason": "looked at by two"}
        self.send("hold", replica, "POST", f"{path}/hold", role="analyst", json=why)
        told = self.send("hold", 1 - replica, "GET", plain_path(question), role="reader").json()
        self.expect("looked at by two" in (told["stale_reason"] or ""), "the other replica does not know of a hold")
        self._stop.wait(2)
        self.send("hold", 1 - replica, "POST", f"{path}/hold/end", role="analyst", json=why)

    def _make_key(self, chance: random.Random) -> None:
        replica, asked = chance.randrange(2), f"{BASE}/questions/rail/estimates"
        made = self.send("key", replica, "POST", f"{BASE}/keys", role="admin", json={"role": "reader"}, ok=(201,))
        key, prefix = made.json()["key"], made.json()["about"]["prefix"]
        self.send("key", 1 - replica, "GET", asked, role=key)
        self.send("key", 1 - replica, "POST", f"{BASE}/keys/{prefix}/revoke", role="admin", json={})
        self.send("key", replica, "GET", asked, role=key, ok=(401,))


class _Unexpected(Exception):
    """An answer that was noted already."""


def _ndjson(names: Sequence[str], values: Sequence[str]) -> str:
    return "{" + ", ".join(f'"{name}": "{value}"' for name, value in zip(names, values, strict=True)) + "}"
