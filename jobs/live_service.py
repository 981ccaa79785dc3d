"""A running service as its users see it: started for a measurement, sent waves, waited for, read at a steady rate."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import httpx
import polars as pl

from jobs.settings import Settings
from jobs.survey import add_survey
from polling.folder import SurveyBundle
from polling.secrets import SecretsFile
from polling.store.engine import Store, open_store
from polling.store.schema import upgrade

__all__ = ["READS_PER_S", "Push", "Served", "Wait", "furnish", "reading", "send_wave", "serving"]

READS_PER_S = 100.0
LOOK_S = 0.03
"""Pause between two looks for a new release: its readers are the load, not this."""
PATIENCE_S = 300.0


class Push:
    """Sends interviews as a wave; tells when the last byte was sent and when it was answered, by this clock."""

    def __init__(
        self, client: httpx.Client, survey: str, key: str, *, fieldwork_start: date, fieldwork_end: date
    ) -> None:
        self._client = client
        self._path = f"/v1/surveys/{survey}/waves"
        self._headers = {"Authorization": f"Bearer {key}"}
        self._days = {"fieldwork_start": fieldwork_start.isoformat(), "fieldwork_end": fieldwork_end.isoformat()}

    def __call__(self, reference: str, interviews: pl.DataFrame) -> tuple[float, float]:
        content = interviews.write_csv().encode()
        return send_wave(self._client, self._path, self._headers, {"reference": reference} | self._days, content)


def send_wave(
    client: httpx.Client, path: str, headers: dict[str, str], form: dict[str, str], content: bytes
) -> tuple[float, float]:
    """Send a wave; when the last byte was sent and when it was answered, by this clock.

    Raises
    ------
    RuntimeError
        If it was not accepted.
    """
    files = {"file": ("wave.csv", content)}
    made = client.build_request("POST", path, headers=headers, data=form, files=files)
    body, sent = made.read(), 0.0

    def parts() -> Iterator[bytes]:
        nonlocal sent
        yield body
        sent = time.time()

    reply = client.send(httpx.Request("POST", made.url, headers=made.headers, content=parts()))
    if reply.status_code != 202:
        raise RuntimeError(f"A wave was answered {reply.status_code}: {reply.text}")
    return sent, time.time()


class Wait:
    """Waits until another release than the last is visible and not stale; returns its id and the time."""

    def __init__(self, client: httpx.Client, question: str, key: str) -> None:
        self._client = client
        self._path = f"{question}/estimates?level=nation"
        self._headers = {"Authorization": f"Bearer {key}"}
        self._release: str | None = None

    def __call__(self) -> tuple[str, float]:
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            reply = self._client.get(self._path, headers=self._headers)
            body = reply.json() if reply.status_code == 200 else {}
            if body and body["release_id"] != self._release and body["stale_since"] is None:
                self._release = str(body["release_id"])
                return self._release, time.time()
            time.sleep(LOOK_S)
        raise RuntimeError(f"No new release within {PATIENCE_S:g} s.")


@dataclass(frozen=True, slots=True)
class Served:
    """A running service."""

    url: str
    pid: int
    """Of the web server, which has started the worker."""


def furnish(place: Path, bundle: SurveyBundle, *, now: datetime) -> tuple[Store, SecretsFile]:
    """A new database and secrets file in a folder, where `serving` looks for them, with one survey."""
    settings = replace(Settings(), data_dir=place, secrets_file=place / "secrets.toml")
    secrets, store = SecretsFile(settings.secrets_file), open_store(settings.store_url)
    upgrade(store)
    add_survey(store, secrets, bundle, actor="bench", now=now)
    return store, secrets


@contextmanager
def serving(place: Path, *, log_access: bool = False, **more: float | str) -> Iterator[Served]:
    """``hustings serve`` with its data in a folder and 0.2 s of quiet.

    Parameters
    ----------
    log_access
        Whether requests are logged, into a file.
    more
        Other settings.
    """
    ours = {name: value for name, value in os.environ.items() if not name.startswith("HUSTINGS_")}
    folders = {"data_dir": place, "secrets_file": place / "secrets.toml", "backup_dir": place / "backups"}
    chosen = folders | {"refit_quiet_s": 0.2, "refit_patience_s": 2} | more
    ours |= {f"HUSTINGS_{name.upper()}": str(value) for name, value in chosen.items()}
    command = [sys.executable, "-m", "api.cli", "serve", "--port", "0", "--with-parent"]
    command += [] if log_access else ["--quiet"]
    with (place / "log").open("w") as log:
        # A session of its own: a Ctrl-C in the terminal is for whoever measures, who then ends it.
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, env=ours, text=True, start_new_session=True
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if "serving at " not in line:
            raise RuntimeError((place / "log").read_text())
        yield Served(line.split("serving at ")[1].split()[0], process.pid)
    finally:
        process.terminate()
        process.communicate()


@contextmanager
def reading(url: str, key: str) -> Iterator[dict[str, Any]]:
    """Readers (``jobs.live_reader``) while the block lasts; what they saw is in the mapping afterwards."""
    command = [sys.executable, "-m", "jobs.live_reader", url, str(READS_PER_S)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdin is not None
    process.stdin.write(f"{key}\n")
    process.stdin.flush()
    seen: dict[str, Any] = {}
    try:
        yield seen
    finally:
        out, _ = process.communicate("")
        seen |= json.loads(out)
