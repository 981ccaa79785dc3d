"""What people do: look while a wave is pushed, use the keyboard alone, go without script, sign out."""

from typing import Any

import pytest

from tests.browser.town import QUESTION, Town, watched

pytestmark = pytest.mark.browser


def test_a_page_shows_the_next_release_by_itself(town: Town, browser: Any):
    with watched(browser) as tab:
        page = tab.page
        town.sign_in(page, "reader")
        page.goto(town.url + QUESTION)
        page.get_by_text("Live", exact=True).wait_for()
        # What would be lost if it were loaded anew: a mark, an opened table, the focus, the place on the page.
        page.evaluate("window.mark = 1")
        page.locator("#groups-table summary").click()
        page.get_by_role("link", name="What changed").focus()
        page.evaluate("window.scrollTo(0, 300)")
        before = page.locator("main .about").inner_text()

        number = town.publish()

        page.locator("#live", has_text=f"Updated: release {number}.").wait_for()
        assert page.locator("main .about").inner_text().startswith(f"Release {number} ")
        assert page.locator("main .about").inner_text() != before
        assert page.evaluate("[window.mark, window.scrollY]") == [1, 300]
        assert page.locator("#groups-table").evaluate("one => one.open")
        assert page.evaluate("document.activeElement.textContent") == "What changed"
        assert page.title().startswith("Should a rail line be built?")
        assert tab.complaints == []


def test_a_page_catches_up_after_its_server_was_away_from_it(town: Town, browser: Any):
    with watched(browser) as tab:
        town.sign_in(tab.page, "reader")
        tab.page.goto(town.url + QUESTION)
        tab.page.get_by_text("Live", exact=True).wait_for()
        # Out of sight it holds no connection; back in sight it is told what it missed.
        hide = "Object.defineProperty(document, 'hidden', {value: %s, configurable: true});"
        tab.page.evaluate(hide % "true" + "document.dispatchEvent(new Event('visibilitychange'))")
        number = town.publish()
        assert f"Release {number} " not in tab.page.locator("main .about").inner_text()
        tab.page.evaluate(hide % "false" + "document.dispatchEvent(new Event('visibilitychange'))")
        tab.page.locator("#live", has_text=f"Updated: release {number}.").wait_for()


def test_the_keyboard_is_enough(town: Town, browser: Any):
    with watched(browser) as tab:
        page = tab.page
        page.goto(f"{town.url}/sign-in")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to content"
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        page.keyboard.insert_text(town.world.bearer("reader")["Authorization"].removeprefix("Bearer "))
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Surveys").wait_for()

        press_until(page, "Should a rail line be built?")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="What people think now").wait_for()
        press_until(page, "Crosstab")
        page.keyboard.press("Enter")
        page.get_by_label("Rows").wait_for()
        press_until_id(page, "rows")
        page.keyboard.press("ArrowDown")
        press_until(page, "Show")
        page.keyboard.press("Enter")
        page.wait_for_url("**/crosstab?rows=age&**")
        assert page.get_by_role("rowheader", name="middle").count() == 1

        page.go_back()
        press_until(page, "Overview")
        page.keyboard.press("Enter")
        page.locator("svg a").first.wait_for()
        press_until(page, "District 1", within="svg")
        page.keyboard.press("Enter")
        page.wait_for_url("**/districts/D1")
        assert "District 1" in page.locator(".place").inner_text()


def test_without_script_everything_can_be_asked(town: Town, browser: Any):
    with watched(browser, java_script_enabled=False) as tab:
        page = tab.page
        town.sign_in(page, "reader")
        page.goto(f"{town.url}{QUESTION}/crosstab")
        page.get_by_label("Rows").select_option("age")
        page.get_by_label("Columns").select_option("no columns")
        page.get_by_label("Only").select_option("woman")
        page.get_by_role("button", name="Show").click()
        assert page.get_by_text("gender: woman").count() == 1
        assert page.get_by_role("rowheader", name="old").count() == 1
        page.get_by_role("link", name="Count everybody again").click()
        assert page.get_by_text("gender: woman").count() == 0


def test_a_sign_out_leaves_nothing_to_go_back_to(town: Town, browser: Any):
    with watched(browser) as tab:
        page = tab.page
        town.sign_in(page, "reader")
        page.goto(town.url + QUESTION)
        (cookie,) = [one for one in page.context.cookies() if one["name"] == "hustings"]
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")
        assert "hustings" not in page.evaluate("document.cookie")
        page.get_by_role("button", name="Sign out").click()
        page.get_by_label("Your key").wait_for()
        assert page.goto(town.url + QUESTION).status == 401
        assert page.get_by_label("Your key").count() == 1


def press_until(page: Any, text: str, *, within: str = "body") -> None:
    """Press Tab until something with this name has the focus."""
    named = "e => e && (e.getAttribute('aria-label') || e.textContent || '').trim()"
    for _ in range(120):
        page.keyboard.press("Tab")
        inside, name = page.evaluate(
            f"[!!document.activeElement.closest('{within}'), ({named})(document.activeElement)]"
        )
        if inside and name.startswith(text):
            return
    pytest.fail(f"Tab does not lead to {text!r}")


def press_until_id(page: Any, name: str) -> None:
    """Press Tab until the field with this id has the focus."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == name:
            return
    pytest.fail(f"Tab does not lead to {name!r}")
