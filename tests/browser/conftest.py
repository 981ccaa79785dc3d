"""A real server and a real browser; both end with the session."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.browser.town import Town, serve_town

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)

QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
"""Chromium in a container, without the errands that it runs by itself."""


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"<!DOCTYPE html><title>A page</title>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Tell nothing."""


@pytest.fixture(scope="session")
def pages_port() -> Iterator[int]:
    """Port of this machine at which somebody else's pages are."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Page) as pages:
        thread = threading.Thread(target=pages.serve_forever, daemon=True)
        thread.start()
        yield pages.server_address[1]
        pages.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, pages_port: int) -> Iterator[str]:
    """Address of a server with an empty database, which the pages at ``localhost`` may call."""
    folder: Path = tmp_path_factory.mktemp("server")
    settings = folder / "hustings.toml"
    settings.write_text(
        f'data_dir = "{folder}/data"\nsecrets_file = "{folder}/secrets.toml"\n'
        f'cors_origins = "http://localhost:{pages_port}"\n'
    )
    command = [sys.executable, "-m", "api.cli", "--settings", str(settings)]
    command += ["serve", "--port", "0", "--no-worker", "--with-parent"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "serving at " in line, line
        yield line.split("serving at ")[1].split()[0]
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        finally:
            process.kill()
            process.stdout.close()


@pytest.fixture(scope="session")
def town(_sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A server with a survey and a release."""
    with serve_town(tmp_path_factory.mktemp("town"), _sqlite_template) as town:
        yield town


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium."""
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is not installed; .ci/run installs it")
        pytest.skip("Chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield browser
        browser.close()
