"""A whole service in processes of its own, to be broken: web server, workers, database, a small survey.

Everything is done from outside: command lines, HTTP, signals. What is in the database afterwards is read from it.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from api.keys import create_key
from jobs.survey import add_survey, load_survey
from jobs.worker import utc_now
from polling.secrets import SecretsFile
from polling.store import fits, queue, releases, waves
from polling.store.engine import open_store
from polling.store.records import JobRecord, ReleaseRecord
from polling.store.schema import upgrade
from tests.api.world import POLLSTER, SURVEY, wave_csv, write_survey
from tests.conftest import PostgresServer

__all__ = ["QUESTION", "Service", "children_of", "free_port", "wait_for"]

QUESTION = "rail"
FORM = {"fieldwork_start": "2026-02-20", "fieldwork_end": "2026-02-25"}
RESTING = 0.02


class Service:
    """A folder, a database, and the processes that were started; all of them end with it."""

    def __init__(self, folder: Path, url: str, server: PostgresServer | None, **settings: object) -> None:
        self.folder = folder
        self.url = url
        self.server = server
        self.store = open_store(url)
        self._settings = settings
        self._running: list[subprocess.Popen[str]] = []
        self.port = free_port()
        upgrade(self.store)
        secrets = SecretsFile(folder / "secrets.toml")
        now = utc_now()
        add_survey(self.store, secrets, load_survey(write_survey(folder / "survey")), actor="drill", now=now)
        about = {"survey_id": SURVEY, "actor": "drill", "now": now}
        self.pushing = create_key(self.store, secrets, role="pollster", pollster=POLLSTER, **about)[0]
        self.reading = create_key(self.store, secrets, role="reader", **about)[0]

    @classmethod
    @contextmanager
    def open(cls, kind: str, **settings: object) -> Iterator["Service"]:
        """A service on one kind of store: ``sqlite``, or ``postgresql`` with a server of its own."""
        folder = Path(tempfile.mkdtemp(prefix="hst"))  # short: a socket's path has at most 107 characters
        server: PostgresServer | None = None
        try:
            url = f"sqlite:///{folder}/hustings.db"
            if kind == "postgresql":
                (folder / "server").mkdir()
                folder.chmod(0o755)
                server = PostgresServer(folder / "server")
                url = server.url(server.create())
            service = cls(folder, url, server, **settings)
            try:
                yield service
            finally:
                service.close()
        finally:
            if server is not None:
                server.stop()
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(
        self, command: str, *, limit: Callable[[], None] | None = None, **environment: str
    ) -> subprocess.Popen[str]:
        """``hustings COMMAND`` in a process group of its own."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("HUSTINGS_")}
        chosen = {
            "data_dir": self.folder,
            "database_url": self.url,
            "secrets_file": self.folder / "secrets.toml",
            "backup_dir": self.folder / "backups",
            "refit_quiet_s": 0.2,
            "refit_patience_s": 2.0,
            "retry_backoff_s": 0.5,
            "lease_s": 3.0,
            "heartbeat_s": 0.5,
            "sweep_s": 5.0,
            **self._settings,
        }
        ours |= {f"HUSTINGS_{name.upper()}": str(value) for name, value in chosen.items()} | environment
        with (self.folder / "log").open("a") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "api.cli", *command.split()],
                stdout=log,
                stderr=log,
                env=ours,
                text=True,
                start_new_session=True,
                preexec_fn=limit,  # noqa: PLW1509
            )
        self._running.append(process)
        return process

    def serve(self, *options: str, **more: Any) -> subprocess.Popen[str]:
        """``hustings serve`` on the port of this service; returns when it answers."""
        process = self.start(" ".join(("serve", "--quiet", "--port", str(self.port), *options)), **more)
        wait_for(lambda: self.is_ready() or process.poll() is not None, 60, "the service answers")
        assert process.poll() is None, self.log()
        return process

    def is_ready(self) -> bool:
        with suppress(httpx.HTTPError):
            return httpx.get(f"{self.address}/ready", timeout=5).status_code == 200
        return False

    def push(self, number: int, *, timeout: float = 10.0) -> httpx.Response:
        """Push wave ``number``, with respondents of its own."""
        return httpx.post(
            f"{self.address}/v1/surveys/{SURVEY}/waves",
            headers={"Authorization": f"Bearer {self.pushing}"},
            data={"reference": f"w{number}", **FORM},
            files={"file": ("wave.csv", wave_csv(60, start=1000 * number))},
            timeout=timeout,
        )

    def read(self, *, timeout: float = 10.0) -> httpx.Response:
        """The estimates of the question by district."""
        return httpx.get(
            f"{self.address}/v1/surveys/{SURVEY}/questions/{QUESTION}/estimates?level=district",
            headers={"Authorization": f"Bearer {self.reading}"},
            timeout=timeout,
        )

    def jobs(self, *states: str) -> list[JobRecord]:
        with self.store.read() as session:
            return queue.list_jobs(session, survey_id=SURVEY, states=states or None, question_id=QUESTION)

    def releases(self) -> list[ReleaseRecord]:
        """Newest first."""
        with self.store.read() as session:
            return releases.list_releases(session, SURVEY, QUESTION)

    def stored(self) -> dict[str, int]:
        """Reference of each stored wave -> its interviews."""
        with self.store.read() as session:
            return {wave.reference: wave.n_interviews for wave in waves.list_waves(session, SURVEY)}

    def released(self) -> set[str]:
        """References of the waves that are in the current release."""
        with self.store.read() as session:
            current = releases.current_release(session, SURVEY, QUESTION)
            if current is None:
                return set()
            inputs: Any = fits.get_fit(session, current.fit_id).inputs
            names = {wave.id: wave.reference for wave in waves.list_waves(session, SURVEY)}
            return {names[one["id"]] for one in inputs["waves"]}

    def settle(self, *references: str, within: float = 240.0) -> None:
        """Wait until these waves are in the current release and nothing is left to do.

        Long: fits are niced, so that on a machine with other work they crawl, which is no fault of theirs.
        """
        wanted = set(references)
        try:
            wait_for(lambda: wanted <= self.released() and not self.jobs("queued", "running"), within, "it is released")
        except TimeoutError as error:
            jobs = [(one.state, one.attempt, one.owner, one.code, one.detail, one.progress) for one in self.jobs()[:4]]
            raise TimeoutError(f"{error}; released: {self.released()}, jobs: {jobs}\n{self.log()}") from None

    def end(self, process: subprocess.Popen[str], number: signal.Signals = signal.SIGKILL) -> None:
        """Signal a process and everything in its group; wait for its end."""
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        process.wait(30)
        self._running.remove(process)

    def log(self) -> str:
        """The end of what the processes said."""
        return (self.folder / "log").read_text(errors="replace")[-4000:]

    def close(self) -> None:
        for process in [*self._running]:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGCONT)
            self.end(process)
        self.store.close()


def children_of(pid: int) -> list[int]:
    """Processes that a process started, and theirs."""
    found: list[int] = []
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, tasks.read_text(encoding="ascii").split()):
                found += [child, *children_of(child)]
    return found


def wait_for(what: Callable[[], object], within: float, words: str) -> float:
    """Seconds until something is true; an error if it does not become so."""
    begun = time.monotonic()
    while not what():
        if time.monotonic() - begun > within:
            raise TimeoutError(f"not within {within:g} s: {words}")
        time.sleep(RESTING)
    return time.monotonic() - begun


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
