"""Requests that are not even HTTP, or lie about their length, to a really served process: refused or cut off, never a
fault of the service, which answers others meanwhile and afterwards."""

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.api.world import SURVEY
from tests.contract.served import Served, served_world

HOLD = f"/v1/surveys/{SURVEY}/questions/rail/hold"
WAVES = f"/v1/surveys/{SURVEY}/waves"
BODY = b'{"reason": "x"}'
LARGE = 1_300_000


@pytest.fixture(scope="module")
def served(_sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("sockets")
    shutil.copy(_sqlite_template, folder / "hustings.db")
    with served_world(f"sqlite:///{folder}/hustings.db", folder, max_upload_mb=1) as served:
        yield served


def send(served: Served, request: bytes, *, end: bool = True, wait: float = 10) -> bytes:
    """Send bytes on a connection of their own; what comes back until the other end had enough.

    With ``end`` nothing more can follow, which the server takes for a client that has gone away.
    """
    host, port = served.address.removeprefix("http://").split(":")
    got = b""
    with socket.create_connection((host, int(port))) as connection:
        connection.settimeout(wait)
        try:
            connection.sendall(request)
            if end:
                connection.shutdown(socket.SHUT_WR)
            while more := connection.recv(65536):
                got += more
        except (OSError, TimeoutError):
            pass
    return got


def head(served: Served, *lines: str, path: str = HOLD, method: str = "POST", json: bool = True) -> bytes:
    key = served.headers()["Authorization"]
    kind = ["Content-Type: application/json"] if json else []
    sent = (f"{method} {path} HTTP/1.1", "Host: x", "Connection: close", f"Authorization: {key}", *kind, *lines, "", "")
    return "\r\n".join(sent).encode("latin-1")


def status_of(reply: bytes) -> int | None:
    final = reply.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    return int(final.split(b" ", 2)[1]) if final else None


def still_answers(served: Served) -> bool:
    return httpx.get(f"{served.address}/v1/surveys", headers=served.headers(), timeout=10).status_code == 200


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)


def test_a_request_that_is_right_is_answered(served: Served):
    reply = send(served, head(served, f"Content-Length: {len(BODY)}") + BODY, end=False)
    assert status_of(reply) == 200


@pytest.mark.parametrize(
    "lines",
    [
        ["Content-Length: 100"],
        ["Content-Length: 100000000"],
        ["Content-Length: 99999999999999999999999999"],
        ["Content-Length: -1"],
        ["Content-Length: five"],
        ["Content-Length: 3", "Content-Length: 15"],
        ["Transfer-Encoding: chunked"],
        ["Transfer-Encoding: gzip"],
        ["Transfer-Encoding: chunked", "Content-Length: 15"],
        ["Expect: 100-continue", "Content-Length: 100"],
    ],
)
def test_a_length_that_is_a_lie_does_nothing(served: Served, lines: list[str]):
    held = httpx.get(f"{served.address}/v1/surveys/{SURVEY}/questions/tax", headers=served.headers()).json()
    reply = send(served, head(served, *lines, path=HOLD.replace("rail", "tax")) + BODY)

    assert status_of(reply) in (None, 400, 408, 411, 413, 417, 501), reply[:300]
    assert httpx.get(f"{served.address}/v1/surveys/{SURVEY}/questions/tax", headers=served.headers()).json() == held
    assert still_answers(served)


def test_a_body_that_is_longer_than_it_says_is_read_to_there(served: Served):
    reply = send(served, head(served, f"Content-Length: {len(BODY)}") + BODY + b"{}" * 1000, end=False)
    assert status_of(reply) == 200
    assert still_answers(served)


@pytest.mark.parametrize(
    ("chunks", "statuses"),
    [
        (chunked(BODY) + b"0\r\n\r\n", {200}),
        (chunked(BODY[:5], BODY[5:]) + b"0\r\n\r\n", {200}),
        (chunked(BODY), {None, 400}),  # without an end
        (b"zz\r\n" + BODY, {None, 400}),
        (b"-5\r\n" + BODY, {None, 400}),
        (b"ffffffffffffffffffff\r\n" + BODY, {None, 400, 413}),
        (chunked(b"x" * LARGE) + b"0\r\n\r\n", {None, 413}),
        (chunked(*[b"x" * 1000] * (LARGE // 1000)), {None, 413}),
    ],
)
def test_chunks_are_read_or_refused(served: Served, chunks: bytes, statuses: set[int | None]):
    reply = send(served, head(served, "Transfer-Encoding: chunked") + chunks, end=200 not in statuses)

    assert status_of(reply) in statuses, reply[:300]
    assert still_answers(served)


def test_chunks_without_end_are_cut_off(served: Served):
    """A client that never stops sending must not fill the memory."""
    host, port = served.address.removeprefix("http://").split(":")
    sent, got = 0, b""
    with socket.create_connection((host, int(port))) as connection:
        connection.settimeout(10)
        connection.sendall(head(served, "Transfer-Encoding: chunked"))
        try:
            while sent < 50_000_000:
                connection.sendall(chunked(b" " * 100_000))
                sent += 100_000
        except (ConnectionError, TimeoutError):
            pass
        try:
            got = connection.recv(65536)
        except (ConnectionError, TimeoutError):
            got = b""
    assert status_of(got) in (None, 413)
    assert sent < 50_000_000
    assert still_answers(served)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET /health\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /v1/surveys/%00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /v1/surveys/%ED%A0%80 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: x\r\n: no name\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
        b"GET /health HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 1_000_000 + b"\r\n\r\n",
        b"GET /" + b"x" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # the beginning of TLS
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        bytes(range(256)) * 40,
    ],
)
def test_what_is_no_request_is_no_fault(served: Served, request_bytes: bytes):
    reply = send(served, request_bytes, wait=2)

    # HTTP/2's preface is answered in HTTP/2.
    if reply.startswith(b"HTTP/"):
        status = status_of(reply)
        assert status is not None
        assert status < 500 or status == 505, reply[:300]
    assert still_answers(served)


def test_an_upload_that_ends_early_stores_nothing(served: Served):
    form = (
        b'--b\r\nContent-Disposition: form-data; name="reference"\r\n\r\nearly\r\n'
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="w.csv"\r\n\r\nid,district\r\n'
    )
    lines = ("Content-Type: multipart/form-data; boundary=b",)
    for length in (len(form), len(form) + 500):
        reply = send(served, head(served, *lines, f"Content-Length: {length}", path=WAVES, json=False) + form)
        assert status_of(reply) in (None, 400, 422), reply[:300]

    assert httpx.get(f"{served.address}{WAVES}/early", headers=served.headers()).status_code == 404


@pytest.mark.parametrize(
    "boundary", ["", '; boundary=""', "; boundary=" + "b" * 500, "; boundary=\x01", "; boundary=b"]
)
def test_a_form_without_its_boundaries_is_refused(served: Served, boundary: str):
    head_ = head(served, f"Content-Type: multipart/form-data{boundary}", "Content-Length: 3", path=WAVES, json=False)
    assert status_of(send(served, head_ + b"abc")) in (None, 400)


def test_a_thousand_parts_are_refused(served: Served):
    part = b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\ny\r\n'
    form = part * 1000 + b"--b--\r\n"
    lines = ("Content-Type: multipart/form-data; boundary=b", f"Content-Length: {len(form)}")
    assert status_of(send(served, head(served, *lines, path=WAVES, json=False) + form, end=False)) == 400


def test_a_slow_sender_holds_nobody_up(served: Served):
    host, port = served.address.removeprefix("http://").split(":")
    slow = [socket.create_connection((host, int(port))) for _ in range(50)]
    try:
        for one in slow:
            one.sendall(head(served, "Content-Length: 1000") + b"{")
        assert still_answers(served)
    finally:
        for one in slow:
            one.close()
    assert still_answers(served)
