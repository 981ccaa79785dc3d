"""A TypeScript client generated from ``/openapi.json`` compiles under ``--strict`` and reads an estimate of a running
server."""

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import httpx
import pytest

from tests.contract.served import served_world

HERE = Path(__file__).with_name("typescript")
CACHE = Path(__file__).resolve().parents[2] / ".cache"


def missing(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What package-lock.json names, installed once and kept between runs."""
    if absent := [tool for tool in ("node", "npm") if shutil.which(tool) is None]:
        missing(f"{' and '.join(absent)} not found: install Node.js 18 or newer to try the TypeScript client")
    lock = (HERE / "package-lock.json").read_bytes()
    kept = CACHE / f"typescript-{hashlib.sha256(lock).hexdigest()[:16]}" / "node_modules"
    if not kept.exists():
        CACHE.mkdir(exist_ok=True)
        folder = Path(shutil.copytree(HERE, tmp_path_factory.mktemp("npm") / "made"))
        quiet = ["--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(
            ["npm", "ci", *quiet], cwd=folder, capture_output=True, text=True, timeout=200, check=False
        )
        if done.returncode:
            missing(f"npm could not install the TypeScript tools: {done.stderr[-800:]}")
        # Whole or not at all: another test process may be doing the same.
        part = CACHE / f"typescript-{os.getpid()}.part"
        part.mkdir()
        shutil.move(folder / "node_modules", part / "node_modules")
        try:
            part.rename(kept.parent)
        except OSError:
            shutil.rmtree(part)
    return kept


def test_it_compiles_and_reads_an_estimate(node_modules: Path, sqlite_url: str, tmp_path: Path):
    folder = Path(shutil.copytree(HERE, tmp_path / "typescript"))
    (folder / "node_modules").symlink_to(node_modules)

    def run(*command: str, **environment: str) -> str:
        done = subprocess.run(
            command, cwd=folder, env=os.environ | environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    with served_world(sqlite_url, tmp_path) as served:
        (folder / "openapi.json").write_text(httpx.get(f"{served.address}/openapi.json").text)
        run("node_modules/.bin/openapi-typescript", "openapi.json", "--output", "schema.ts")
        run("node_modules/.bin/tsc", "--project", "tsconfig.json")
        key = served.world.keys["reader"]
        told = json.loads(run("node", "out/read.js", HUSTINGS_URL=served.address, HUSTINGS_KEY=key))
        answer = served.world.estimates()

    (row,) = answer["estimates"]
    assert told["share"] == row["share"]
    assert told["width"] == pytest.approx(row["high"] - row["low"])
    assert told["interviews"] == row["n_interviews"]
    assert told["release"] == answer["release_id"]
    assert told["refused"] == "unknown-choice"
