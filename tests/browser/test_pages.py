"""Every page in a browser: nothing from elsewhere, no complaint; for everybody, on a phone, in the dark, on paper."""

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from api.auth import PAGES
from tests.api.world import SURVEY
from tests.browser.town import QUESTION, Town, Watched, watched

pytestmark = pytest.mark.browser

PATHS = {
    "pageHome": "/",
    "pageSurvey": f"/surveys/{SURVEY}",
    "pageQuestion": QUESTION,
    "pageCrosstab": f"{QUESTION}/crosstab?rows=age&columns=gender&where=district:D6",
    "pageDistricts": f"{QUESTION}/districts",
    "pageDistrict": f"{QUESTION}/districts/D5",
    "pageTrend": f"{QUESTION}/trend?by=gender",
    "pageSeats": f"{QUESTION}/seats",
    "pageRevision": f"{QUESTION}/revision",
    "pageReleases": f"{QUESTION}/releases",
    "pageDisclosure": f"/surveys/{SURVEY}/releases/RELEASE/disclosure",
    "pageDiagnostics": f"/surveys/{SURVEY}/releases/RELEASE/diagnostics",
    "pageChecks": f"/surveys/{SURVEY}/releases/RELEASE/checks",
    "pageRepresentation": f"/surveys/{SURVEY}/releases/RELEASE/representation",
    "pageMethods": f"{QUESTION}/methods?by=age",
    "pageTrackRecord": f"{QUESTION}/track-record",
    "pageWhomToAsk": f"{QUESTION}/whom-to-ask",
    "no page": "/nothing",
}


@pytest.fixture(scope="module")
def tab(town: Town, browser: Any) -> Iterator[Watched]:
    """A tab of an analyst."""
    with watched(browser) as tab:
        town.sign_in(tab.page, "analyst")
        yield tab


def findings(page: Any) -> list[tuple[str, str, list[str]]]:
    """What axe finds, of whatever weight."""
    found = Axe().run(page).response["violations"]
    return [(one["id"], one["impact"], [node["html"][:200] for node in one["nodes"][:3]]) for one in found]


def test_no_page_is_left_out():
    assert PATHS.keys() - {"no page"} == PAGES.keys() - {"pageEvents", "pageFigure"}


@pytest.mark.parametrize("operation", PATHS)
def test_a_page_is_whole_and_for_everybody(town: Town, tab: Watched, operation: str):
    page = tab.page
    releases = town.world.get(f"/v1{QUESTION}/releases").json()["releases"]
    tab.asked.clear()
    tab.complaints.clear()
    page.set_viewport_size({"width": 1200, "height": 900})
    page.emulate_media(color_scheme="light", media="screen")

    reply = page.goto(town.url + PATHS[operation].replace("RELEASE", releases[0]["id"]))

    assert reply.status == (404 if operation == "no page" else 200)
    assert page.locator("h1").count() == 1
    assert page.title().endswith(" · hustings")
    for details in page.locator("details").all():
        details.evaluate("one => { one.open = true; }")
    assert findings(page) == []
    page.emulate_media(color_scheme="dark")
    assert findings(page) == []
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert findings(page) == []
    assert [url for url in tab.asked if not url.startswith((town.url, "data:"))] == []
    expected = ["Failed to load resource"] if operation == "no page" else []
    assert [one for one in tab.complaints if not any(one.startswith(begin) for begin in expected)] == []


def test_on_paper_there_is_what_can_be_read_and_nothing_to_press(town: Town, tab: Watched):
    page = tab.page
    page.goto(town.url + QUESTION)
    page.emulate_media(media="print")
    for hidden in ("nav.tabs", "nav.who", "#live", "footer"):
        assert not page.locator(hidden).first.is_visible(), hidden
    for shown in ("h1", ".toplines", "#districts-table table", "#groups-table table"):
        assert page.locator(shown).first.is_visible(), shown
    page.emulate_media(media="screen")


def test_the_form_to_sign_in_is_for_everybody(town: Town, browser: Any):
    with watched(browser) as tab:
        tab.page.goto(town.url + QUESTION)
        assert findings(tab.page) == []
        tab.page.get_by_label("Your key").fill("hust_wrong")
        tab.page.get_by_role("button", name="Sign in").click()
        assert "not accepted" in tab.page.get_by_role("alert").inner_text()
        assert findings(tab.page) == []
        assert tab.page.get_by_label("Your key").input_value() == ""
