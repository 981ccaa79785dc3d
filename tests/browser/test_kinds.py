"""Pages of questions with several options and of numbers in a browser: for everybody, in the dark, on a phone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.kinds import add_kinds
from tests.api.world import SURVEY
from tests.browser.test_pages import findings
from tests.browser.town import Town, serve_town, watched

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PARTY, AGREE, MINUTES = (f"/surveys/{SURVEY}/questions/{one}" for one in ("party", "agree", "minutes"))
PATHS = (
    PARTY,
    f"{PARTY}?option=Town",
    f"{PARTY}/crosstab?rows=age&columns=*",
    f"{PARTY}/districts",
    f"{PARTY}/districts/D5",
    f"{PARTY}/seats",
    f"{PARTY}/methods?by=age",
    AGREE,
    MINUTES,
    f"{MINUTES}/crosstab?rows=age&columns=gender",
    f"{MINUTES}/districts",
    f"{MINUTES}/districts/D1",
    f"{MINUTES}/methods",
)


@pytest.fixture(scope="module")
def kinds_town(_sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A server with releases of every kind of question."""
    with serve_town(tmp_path_factory.mktemp("kinds"), _sqlite_template, add_kinds) as town:
        yield town


def test_pages_of_every_kind_are_for_everybody_and_fit_a_phone(kinds_town: Town, browser: Any):
    with watched(browser) as tab:
        kinds_town.sign_in(tab.page, "analyst")
        for path in PATHS:
            page = tab.page
            page.set_viewport_size({"width": 1200, "height": 900})
            page.emulate_media(color_scheme="light")
            assert page.goto(kinds_town.url + path).status == 200, path
            for details in page.locator("details").all():
                details.evaluate("one => { one.open = true; }")
            assert findings(page) == [], path
            page.emulate_media(color_scheme="dark")
            assert findings(page) == [], path
            page.set_viewport_size({"width": 360, "height": 740})
            assert page.evaluate("document.documentElement.scrollWidth") == 360, path
            assert findings(page) == [], path
        assert tab.complaints == []
