"""A reader of a running service at a steady rate, in a process of its own: ``python -m jobs.live_reader URL RATE``.

The key is the first line of stdin; the process reads until stdin ends, then prints one JSON object: milliseconds of
every answer, and how many answers of one release differed in their estimates, which would be two releases mixed.
Two cores are shared with what is measured: of answers that are equal byte by byte, one is looked into.
"""

import json
import sys
import threading
import time
from collections.abc import Iterable
from http.client import HTTPConnection, HTTPException
from queue import SimpleQueue
from urllib.parse import urlsplit

__all__ = ["count_mixed", "main"]

THREADS = 8
TIMEOUT_S = 30
SWITCH_S = 0.0005
"""After this a thread that computes lets another one note that its answer is there: it is not to wait for its peers."""

type Answer = tuple[float, float, int]
"""When it was to be asked, seconds until it was there, status; 0 without an answer."""


def main(arguments: list[str]) -> int:
    """Ask ``arguments[0]`` so many times a second as ``arguments[1]`` says."""
    sys.setswitchinterval(SWITCH_S)
    url, rate = arguments[0], float(arguments[1])
    key = sys.stdin.readline().strip()
    stop = threading.Event()
    due: SimpleQueue[float | None] = SimpleQueue()
    answers: list[Answer] = []
    bodies: set[bytes] = set()
    threads = [threading.Thread(target=_read, args=(url, key, due, answers, bodies)) for _ in range(THREADS)]
    threads.append(threading.Thread(target=_tick, args=(rate, due, stop)))
    for thread in threads:
        thread.start()
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join()
    told = {
        "answers": [(at, round(1000 * seconds, 3), status) for at, seconds, status in sorted(answers)],
        "mixed": count_mixed(bodies),
    }
    print(json.dumps(told))
    return 0


def count_mixed(bodies: Iterable[bytes]) -> int:
    """Answers to one question, of one release, that differ in their estimates from another one's."""
    seen: dict[str, set[str]] = {}
    for one in bodies:
        body = json.loads(one)
        seen.setdefault(body["release_id"], set()).add(json.dumps(body["estimates"]))
    return sum(len(different) - 1 for different in seen.values())


def _tick(rate: float, due: "SimpleQueue[float | None]", stop: threading.Event) -> None:
    # A moment that was missed is asked for late, and the wait counts: a slow server cannot thin out its readers.
    at = time.time()
    while not stop.is_set():
        at += 1 / rate
        time.sleep(max(0.0, at - time.time()))
        due.put(at)
    for _ in range(THREADS):
        due.put(None)


def _read(url: str, key: str, due: "SimpleQueue[float | None]", answers: list[Answer], bodies: set[bytes]) -> None:
    where = urlsplit(url)
    headers = {"Authorization": f"Bearer {key}"}
    connection = HTTPConnection(where.hostname or "", where.port, timeout=TIMEOUT_S)
    while (at := due.get()) is not None:
        status = 0
        try:
            connection.request("GET", f"{where.path}?{where.query}", headers=headers)
            reply = connection.getresponse()
            body = reply.read()
            status = reply.status
        except (OSError, HTTPException):
            connection.close()  # and opened again for the next
        answers.append((at, time.time() - at, status))
        if status == 200:
            bodies.add(body)
    connection.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
