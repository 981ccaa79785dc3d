"""A process that does what it is told in children of its own, and tells how they ended; run by ``drill``.

    python -m tests.faults.victim

One JSON order per line: ``act``, ``point``, ``url``, ``folder``, ``temporary``, ``note``, ``variant``, ``now``, and
``after_s`` for a kill from outside. Starting an interpreter with its libraries takes longer than most acts, so the
libraries are loaded once and every act is done by a fork; nothing that has threads is used before.
"""

import json
import os
import signal
import sys
import tempfile
import time
import traceback
import warnings
from datetime import datetime
from pathlib import Path

from polling.store.engine import open_store
from tests.faults.acts import ACTS, Place
from tests.faults.points import arm

__all__ = ["main"]


def main() -> None:
    warnings.simplefilter("ignore", DeprecationWarning)  # that other threads do not live on in a fork
    for line in sys.stdin:
        order = json.loads(line)
        begun = time.monotonic()
        child = os.fork()
        if child == 0:
            _act(order)
        if order.get("after_s") is not None:
            time.sleep(order["after_s"])
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        told = {"code": os.waitstatus_to_exitcode(status), "seconds": time.monotonic() - begun}
        print(json.dumps(told), flush=True)


def _act(order: dict[str, object]) -> None:
    code = 1
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        tempfile.tempdir = os.environ["TMPDIR"] = str(order["temporary"])
        note = Path(str(order["note"]))
        place = Place(open_store(str(order["url"])), Path(str(order["folder"])))
        arm(str(order["point"]), place.store, note)
        _, act = ACTS[str(order["act"])]
        answer = act(place, int(str(order["variant"])), datetime.fromisoformat(str(order["now"])))
        note.with_suffix(".answer").write_text(answer)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
