"""A process that delivers waves until it is killed; run by test_killed_writers.

    python writer_process.py URL REFERENCE_PREFIX [inside]

Prints a reference when its wave is committed. With ``inside`` it prints it in
the middle of the transaction instead, and waits there.
"""

import sys
import time
from datetime import UTC, datetime, timedelta
from itertools import count

from polling.store import deliveries, outbox, queue, releases
from polling.store.engine import open_store
from polling.store.wave_records import NewWave


def main(url: str, prefix: str, inside: bool) -> None:
    store = open_store(url)
    for n in count():
        reference = f"{prefix}-{n}"
        now = datetime.now(UTC)
        wave = NewWave(
            survey_id="demo",
            survey_version=1,
            pollster="Polly",
            reference=reference,
            content_sha256=reference,
            payload=reference.encode() * 5_000,
            n_interviews=1,
            questions=("vote",),
            fieldwork_start=None,
            fieldwork_end=None,
            key_version=1,
        )
        with store.write() as session:
            deliveries.add_wave(session, wave, now=now, actor="test")
            queue.ask(
                session,
                kind="refit",
                key="demo/vote",
                survey_id="demo",
                question_id="vote",
                now=now,
                quiet=timedelta(seconds=2),
                patience=timedelta(seconds=30),
            )
            if inside:
                print(reference, flush=True)
                time.sleep(60)
            releases.mark_stale(session, "demo", "vote", now, "x")
            outbox.append(session, "wave-received", "demo", {"reference": reference}, now)
        print(reference, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:] == ["inside"])
