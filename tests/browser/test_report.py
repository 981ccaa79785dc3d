"""A report as somebody opens it who was sent the file."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.page.asking import ask_release
from api.report import make_report
from polling.store.engine import open_store
from tests.api.world import SURVEY, make_world, wave_csv

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def file(_sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A report of a release with periods."""
    folder = tmp_path_factory.mktemp("report")
    shutil.copy(_sqlite_template, folder / "hustings.db")
    store = open_store(f"sqlite:///{folder}/hustings.db")
    world = make_world(store, folder)
    with world.client:
        world.release("w-early", wave_csv(200, start=9000))
        world.weekly_release()
        report = folder / "report.html"
        report.write_text(make_report(ask_release(world.services, SURVEY, "rail", None)))
        yield report
    store.close()


@pytest.fixture(params=["light", "dark", "narrow"])
def page(request: pytest.FixtureRequest, file: Path, browser: Any) -> Iterator[Any]:
    """The opened file, in both colours and on a phone."""
    about: dict[str, Any] = {"color_scheme": "dark"} if request.param == "dark" else {}
    if request.param == "narrow":
        about["viewport"] = {"width": 360, "height": 740}
    context = browser.new_context(**about)
    page = context.new_page()
    page.asked, page.complaints = [], []
    page.on("request", lambda one: page.asked.append(one.url))
    page.on("console", lambda one: page.complaints.append(one.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.goto(file.as_uri())
    yield page
    context.close()


def test_it_opens_from_a_disk_asks_nobody_complains_of_nothing_and_fits(page: Any, file: Path):
    assert [url for url in page.asked if not url.startswith("data:")] == [file.as_uri()]
    assert page.complaints == []
    assert page.locator("h1").inner_text() == "Should a rail line be built?"
    assert page.locator("svg").count() >= 7
    pictures = page.locator("figure.drawing img")
    assert pictures.count() >= 1
    assert all(one.evaluate("image => image.naturalWidth > 100") for one in pictures.all())
    assert all(box["width"] > 100 for box in (one.bounding_box() for one in page.locator("figure svg").all()))
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_it_has_no_serious_barrier(page: Any):
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]

    assert [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")] == []


def test_it_prints_everything(browser: Any, file: Path):
    page = browser.new_page()
    page.goto(file.as_uri())
    page.emulate_media(media="print")

    assert page.locator("#statement").is_visible()
    assert not page.locator("nav.contents").is_visible()
    assert len(page.pdf()) > 20_000
    page.close()
