"""The page that describes the HTTP interface, as a person sees it."""

from typing import Any

import pytest

pytestmark = pytest.mark.browser


def test_the_page_shows_the_operations_and_asks_nobody_else_for_anything(server: str, browser: Any):
    page = browser.new_page()
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))

    page.goto(f"{server}/docs")
    page.wait_for_selector(".opblock-summary-path")

    paths = [one.replace("\u200b", "") for one in page.locator(".opblock-summary-path").all_inner_texts()]
    assert any(path.endswith("/questions/{question_id}/estimates") for path in paths), paths
    assert [url for url in asked if not url.startswith((server, "data:"))] == []
    assert complaints == []
    page.close()


def test_an_operation_can_be_opened_and_explains_its_parameters(server: str, browser: Any):
    page = browser.new_page()
    page.goto(f"{server}/docs")

    page.locator(".opblock-summary", has_text="estimates").first.click()

    page.get_by_text("interval").first.wait_for()
    page.close()
