"""The survey of ``tests.api.world`` behind a real server, as browsers see it; what is pushed is fitted here."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.pictures import figure_kinds
from jobs.pictures import pack_figures
from polling.store import fits
from polling.store.engine import open_store
from polling.store.records import ReleaseRecord
from tests.api.world import SURVEY, World, make_world, wave_csv

__all__ = ["QUESTION", "Town", "Watched", "serve_town", "watched"]

QUESTION = f"/surveys/{SURVEY}/questions/rail"


@dataclass
class Town:
    """The service and its address."""

    world: World
    url: str
    n_waves: int = 0

    def publish(self) -> int:
        """Push a wave and have it fitted, as a pollster and a worker would; the number of the release."""
        self.n_waves += 1
        start = 10_000 * self.n_waves
        return self.world.release(f"more{self.n_waves}", wave_csv(200, start=start)).number

    def sign_in(self, page: Any, role: str) -> None:
        """Fill in the form."""
        page.goto(f"{self.url}/sign-in")
        page.get_by_label("Your key").fill(self.world.bearer(role)["Authorization"].removeprefix("Bearer "))
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Surveys").wait_for()


@contextmanager
def serve_town(folder: Path, template: Path, prepare: Callable[[World], None] | None = None) -> Iterator[Town]:
    """A survey with three weeks, or whatever ``prepare`` makes of it, served by a process of its own."""
    (folder / "hustings.db").write_bytes(template.read_bytes())
    store = open_store(f"sqlite:///{folder}/hustings.db")
    world = make_world(store, folder)
    settings = folder / "hustings.toml"
    settings.write_text(
        f'data_dir = "{folder}"\nsecrets_file = "{folder}/secrets.toml"\ndatabase_url = "sqlite:///{folder}/hustings.db"\n'
    )
    command = [sys.executable, "-m", "api.cli", "--settings", str(settings)]
    command += ["serve", "--port", "0", "--no-worker", "--with-parent"]
    with world.client:
        (prepare or _three_weeks)(world)
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert "serving at " in line, line
            yield Town(world, line.split("serving at ")[1].split()[0])
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            finally:
                process.kill()
                process.stdout.close()
    store.close()


def _three_weeks(world: World) -> None:
    keep_figures(world, world.weekly_release())


def keep_figures(world: World, release: ReleaseRecord) -> None:
    """Have the pictures of a fit drawn: ArviZ takes seconds for them, and what they show does not matter here."""
    drawn = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 20"><path d="M0 20L40 0" stroke="#000"/></svg>'
    with world.store.write() as session:
        kinds = figure_kinds(session, release)
        made = pack_figures({kind.name: drawn for kind in kinds}, confirmed=False)
        fits.save_figures(session, release.fit_id, made)


@dataclass
class Watched:
    """A tab, and what it asked for and complained of."""

    page: Any
    asked: list[str]
    complaints: list[str]


@contextmanager
def watched(browser: Any, **options: Any) -> Iterator[Watched]:
    """A tab of a new window, watched."""
    context = browser.new_context(**{"viewport": {"width": 1200, "height": 900}} | options)
    context.set_default_timeout(30_000)
    page = context.new_page()
    tab = Watched(page, [], [])
    page.on("request", lambda request: tab.asked.append(request.url))
    page.on("console", lambda told: tab.complaints.append(told.text) if told.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: tab.complaints.append(str(error)))
    try:
        yield tab
    finally:
        context.close()
