"""A reader of a running service at a steady rate, in a process of its own: ``python -m jobs.live_reader URL RATE``.

The key is the first line of stdin; the process reads until stdin ends, then prints one JSON object: milliseconds of
every answer, and how many answers of one release differed in their estimates, which would be two releases mixed.
"""

import hashlib
import json
import sys
import threading
import time
from queue import SimpleQueue
from typing import Any

import httpx

__all__ = ["main"]

THREADS = 8


def main(arguments: list[str]) -> int:
    """Ask ``arguments[0]`` so many times a second as ``arguments[1]`` says."""
    url, rate = arguments[0], float(arguments[1])
    headers = {"Authorization": f"Bearer {sys.stdin.readline().strip()}"}
    stop = threading.Event()
    due: SimpleQueue[float | None] = SimpleQueue()
    answers: list[tuple[float, float, int, str, str]] = []
    threads = [threading.Thread(target=_read, args=(url, headers, due, answers)) for _ in range(THREADS)]
    threads.append(threading.Thread(target=_tick, args=(rate, due, stop)))
    for thread in threads:
        thread.start()
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join()
    seen: dict[str, set[str]] = {}
    for _, _, status, release, estimates in answers:
        if status == 200:
            seen.setdefault(release, set()).add(estimates)
    told = {
        "answers": [(at, round(1000 * seconds, 3), status) for at, seconds, status, _, _ in sorted(answers)],
        "releases": len(seen),
        "mixed": sum(len(different) - 1 for different in seen.values()),
    }
    print(json.dumps(told))
    return 0


def _tick(rate: float, due: "SimpleQueue[float | None]", stop: threading.Event) -> None:
    # A moment that was missed is asked for late, and the wait counts: a slow server cannot thin out its readers.
    at = time.time()
    while not stop.is_set():
        at += 1 / rate
        time.sleep(max(0.0, at - time.time()))
        due.put(at)
    for _ in range(THREADS):
        due.put(None)


def _read(
    url: str,
    headers: dict[str, str],
    due: "SimpleQueue[float | None]",
    answers: list[tuple[float, float, int, str, str]],
) -> None:
    with httpx.Client(headers=headers, timeout=30) as client:
        while (at := due.get()) is not None:
            try:
                reply = client.get(url)
            except httpx.HTTPError:
                answers.append((at, time.time() - at, 0, "", ""))
                continue
            seconds = time.time() - at
            body: dict[str, Any] = reply.json() if reply.status_code == 200 else {}
            estimates = hashlib.sha256(json.dumps(body.get("estimates")).encode()).hexdigest()
            answers.append((at, seconds, reply.status_code, str(body.get("release_id")), estimates))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
