"""Hundreds of streams of one real server, and their end."""

import signal
import socket
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.keys import create_key
from jobs.survey import add_survey, load_survey
from polling.secrets import SecretsFile
from polling.store import outbox
from polling.store.engine import open_store
from tests.api.test_server import serving
from tests.api.world import SURVEY, write_survey


class Client:
    """A socket that follows; reads when asked to."""

    def __init__(self, address: str, key: str, after: int | None) -> None:
        host, port = address.removeprefix("http://").split(":")
        self.socket = socket.create_connection((host, int(port)))
        self.socket.settimeout(20)
        header = "" if after is None else f"Last-Event-ID: {after}\r\n"
        request = f"GET /v1/surveys/{SURVEY}/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n{header}\r\n"
        self.socket.sendall(request.encode())
        self.got = b""

    def until(self, text: bytes) -> None:
        while text not in self.got:
            more = self.socket.recv(65536)
            assert more, self.got[-300:]
            self.got += more

    def to_the_end(self) -> None:
        while more := self.socket.recv(65536):
            self.got += more


@pytest.mark.slow
def test_two_hundred_clients_are_told_and_the_service_ends_in_seconds(tmp_path: Path):
    with serving(tmp_path, "--no-worker", "--quiet", streams_per_key=300) as (process, address):
        store = open_store(f"sqlite:///{tmp_path}/data/hustings.sqlite3")
        secrets, now = SecretsFile(tmp_path / "secrets.toml"), datetime.now(UTC)
        add_survey(store, secrets, load_survey(write_survey(tmp_path / SURVEY)), actor="test", now=now)
        key, _ = create_key(store, secrets, role="admin", survey_id=SURVEY, actor="test", now=now)

        def happen(version: int) -> int:
            with store.write() as session:
                return outbox.append(session, "survey-updated", SURVEY, {"version": version}, datetime.now(UTC))

        clients = [Client(address, key, None) for _ in range(200)]
        for client in clients:
            client.until(b"event: ready")
        threads = len(list(Path(f"/proc/{process.pid}/task").iterdir()))
        first = happen(1)
        for client in clients:
            client.until(b"id: %d\n" % first)
        # Half of them go, and come back to what they missed.
        for client in clients[:100]:
            client.socket.close()
        missed = [happen(version) for version in range(2, 12)]
        clients[:100] = [Client(address, key, first) for _ in range(100)]
        for client in clients:
            client.until(b"id: %d\n" % missed[-1])
            assert [client.got.count(b"id: %d\n" % one) for one in missed] == [1] * 10

        process.send_signal(signal.SIGTERM)
        asked = time.monotonic()
        for client in clients:
            client.to_the_end()
            assert b"The service is stopping" in client.got
        _, errors = process.communicate(timeout=6)
        assert time.monotonic() - asked < 5
        assert process.returncode == 0, errors
        assert "Traceback" not in errors
        assert threads < 100
        for client in clients:
            client.socket.close()
        store.close()
