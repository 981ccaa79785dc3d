"""A receiver of webhooks on this machine: https with an authority of its own, and whatever answer a test asks for."""

import base64
import hmac
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme

HOST = "hooks.example"


@dataclass
class Receiver:
    """What came, and what is answered."""

    host: str = HOST
    port: int = 0
    status: int = 200
    pause_s: float = 0.0
    drips_s: float = 0.0
    """For so long it sends a byte now and then, which no timeout between two of them ends."""
    headers: dict[str, str] = field(default_factory=dict)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    after: Callable[[], None] = lambda: None
    """Called when something was accepted, before the answer."""
    looked_up: int = 0
    """How often somebody asked for the address of the host."""

    @property
    def url(self) -> str:
        return f"https://{self.host}:{self.port}/in?for=us"

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.got]

    @property
    def ids(self) -> list[int]:
        return [event["id"] for event in self.events]

    def check(self, secret: str) -> None:
        """Verify every signature, in the receiver's own words."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        for headers, body in self.got:
            signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{body.decode()}".encode()
            mac = base64.b64encode(hmac.new(key, signed, "sha256").digest()).decode()
            assert headers["webhook-signature"] == f"v1,{mac}"


@contextmanager
def receiving(
    folder: Path, patch: pytest.MonkeyPatch, *, host: str = HOST, port: int = 0, authority: trustme.CA | None = None
) -> Iterator[Receiver]:
    """A receiver at ``https://hooks.example``, which is this machine, or at another name or address of it."""
    receiver = Receiver(host)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            time.sleep(receiver.pause_s)
            for _ in range(int(receiver.drips_s / 0.05)):
                self.wfile.write(b"H")
                time.sleep(0.05)
            if 200 <= receiver.status < 300:
                receiver.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                receiver.after()
            self.send_response(receiver.status)
            for name, value in receiver.headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    receiver.port = server.server_address[1]
    authority = authority or trustme.CA()
    trusted = folder / "authority.pem"
    authority.cert_pem.write_to_path(str(trusted))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    patch.setenv("SSL_CERT_FILE", str(trusted))
    real = socket.getaddrinfo

    def lookup(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        if host in (HOST, HOST.encode()):
            receiver.looked_up += 1
            host = "127.0.0.1"
        return real(host, port, *rest, **more)

    patch.setattr(socket, "getaddrinfo", lookup)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
