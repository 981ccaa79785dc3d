"""A Dask cluster of this machine, on the loopback: a scheduler and workers as processes, for measuring and breaking.

Its processes have none of the settings, so that a fit which needed a database or a secret would fail. A Dask worker
has one thread and no nanny: who kills it has killed it.
"""

import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

__all__ = ["DaskMachines"]

PROGRAM = Path(__file__).resolve().parent.parent
READY_S = 60.0
END_S = 20.0


class DaskMachines:
    """Processes in a folder, all of which end with `close`; what they say is in its file ``log``."""

    def __init__(self, place: Path) -> None:
        place.mkdir(parents=True, exist_ok=True)
        self._place = place
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.scheduler: subprocess.Popen[bytes] | None = None
        self.workers: list[subprocess.Popen[bytes]] = []

    @property
    def address(self) -> str:
        """As ``hustings worker --executor`` takes it."""
        return f"dask://127.0.0.1:{self.port}"

    def start_scheduler(self) -> None:
        """Start it, always on the same port; returns when it listens.

        Raises
        ------
        RuntimeError
            If it does not.
        """
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", str(self.port))
        until = time.monotonic() + READY_S
        while time.monotonic() < until and self.scheduler.poll() is None:
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            time.sleep(0.05)
        raise RuntimeError(f"The Dask scheduler does not listen: {self.log()}")

    def start_worker(self) -> subprocess.Popen[bytes]:
        """Start one, which finds its scheduler by itself."""
        limits = ("--nthreads", "1", "--no-nanny", "--memory-limit", "0", "--local-directory", str(self._place))
        worker = self._start("worker", f"tcp://127.0.0.1:{self.port}", "--host", "127.0.0.1", *limits)
        self.workers.append(worker)
        return worker

    def kill(self, process: "subprocess.Popen[bytes]") -> None:
        """End one by SIGKILL."""
        process.kill()
        process.wait()

    def log(self) -> str:
        """The end of what they said."""
        return (self._place / "log").read_text(encoding="utf-8", errors="replace")[-4000:]

    def close(self) -> None:
        """End all of them: workers first, which tell their scheduler so."""
        scheduler = [] if self.scheduler is None else [self.scheduler]
        for group in (self.workers, scheduler):
            for process in group:
                process.terminate()
            for process in group:
                try:
                    process.wait(END_S)
                except subprocess.TimeoutExpired:
                    self.kill(process)

    def _start(self, role: str, *options: str) -> "subprocess.Popen[bytes]":
        ours = {name: value for name, value in os.environ.items() if not name.startswith("HUSTINGS_")}
        search = os.pathsep.join(filter(None, (str(PROGRAM), os.environ.get("PYTHONPATH", ""))))
        command = [sys.executable, "-m", f"distributed.cli.dask_{role}", *options, "--no-dashboard"]
        with (self._place / "log").open("ab") as log:
            # A session of its own: a Ctrl-C in the terminal is for whoever measures, who then ends it.
            return subprocess.Popen(
                command, stdout=log, stderr=log, env=ours | {"PYTHONPATH": search}, start_new_session=True
            )
