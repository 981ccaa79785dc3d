"""Charts in a real browser, on a page that allows nothing inline: seen, followed by keyboard, free of findings."""

from collections.abc import Iterator
from typing import Any

import pytest

from api.charts import Chart, district_map, interval_chart, stylesheet, tiles_of
from tests.api.charts.payloads import answer, estimate
from tests.api.charts.tables import districts
from tests.api.charts.test_every_chart import CHARTS

pytestmark = pytest.mark.browser

PLACE = "http://charts.test/"
STRICT = "default-src 'none'; style-src 'self'"


@pytest.fixture(scope="module")
def charts() -> list[Chart]:
    rows = [
        estimate(
            f"D{n:03}", 0.3 + n / 40, 0.26 + n / 50, 0.36 + n / 30, name=f"The district of Somewhere-on-the-Water {n}"
        )
        for n in range(14)
    ]
    return [
        interval_chart(answer(rows), rows, link=lambda row: f"#{row.area}"),
        district_map(answer(rows), rows, tiles_of(districts(14)), link=lambda row: f"#{row.area}"),
        *(make("Northmoor") for make in CHARTS.values()),
    ]


@pytest.fixture(params=["light", "dark"], scope="module")
def page(request: pytest.FixtureRequest, browser: Any, charts: list[Chart]) -> Iterator[Any]:
    figures = "".join(f'<figure class="chart"><figcaption>{one.title}</figcaption>{one.svg}</figure>' for one in charts)
    body = f"<main><h1>Charts</h1>{figures}</main>"
    head = "<title>Charts</title><link rel=stylesheet href=style.css>"
    html = f"<!DOCTYPE html><html lang=en>{head}<body>{body}</body></html>"
    css = stylesheet() + (
        "body{margin:16px;font:16px sans-serif;background:var(--chart-surface);color:#14191f}figure{margin:0}"
        "@media(prefers-color-scheme:dark){body{color:#e6edf3}}"
    )
    context = browser.new_context(color_scheme=request.param, viewport={"width": 360, "height": 640})
    page = context.new_page()

    def fulfil(route: Any) -> None:
        if route.request.url == PLACE:
            headers = {"Content-Security-Policy": STRICT}
            route.fulfill(body=html, content_type="text/html; charset=utf-8", headers=headers)
        elif route.request.url == f"{PLACE}style.css":
            route.fulfill(body=css, content_type="text/css")
        else:
            route.fulfill(status=404, body="")

    page.route("**/*", fulfil)
    page.said = []
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.goto(PLACE)
    yield page
    context.close()


def test_a_strict_page_shows_every_chart_without_a_complaint(page: Any, charts: list[Chart]):
    shown = page.locator("figure.chart svg").all()

    assert len(shown) == len(charts)
    for svg in shown:
        box = svg.bounding_box()
        # Within the 360 px of a phone, less the margins.
        assert box["x"] >= 15
        assert box["x"] + box["width"] <= 345
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert [text for text in page.said if "favicon" not in text] == []


def test_colours_follow_the_theme(page: Any):
    fills = page.evaluate(
        """[...document.querySelectorAll('svg .estimate path')].map(one => getComputedStyle(one).fill)"""
    )
    is_dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")

    assert ("rgb(76, 155, 255)" if is_dark else "rgb(11, 95, 165)") in fills


def test_every_row_and_tile_is_reached_by_the_keyboard(page: Any):
    reached = []
    for _ in range(28):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.getAttribute('aria-label')"))
    assert len(set(reached)) == 28 - 14  # a district has the same name in the chart and on the map
    assert all(name.startswith("The district of Somewhere-on-the-Water") for name in reached)
    page.keyboard.press("Enter")
    assert page.url == f"{PLACE}#D013"


def test_axe_finds_nothing_serious(page: Any):
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")] == []
