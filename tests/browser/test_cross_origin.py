"""Pages of other origins in a browser, which asks by itself whether they may call."""

from typing import Any

import pytest

pytestmark = pytest.mark.browser

CALL = """async (url) => {
    try {
        const reply = await fetch(url, {headers: {Authorization: "Bearer none"}});
        return [reply.status, (await reply.json()).type, reply.headers.get("x-request-id") !== null];
    } catch (error) { return [0, error.name, false]; }
}"""


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", [401, "key-refused", True]), ("127.0.0.1", [0, "TypeError", False])],
    ids=["named", "not named"],
)
def test_a_page_may_call_if_its_origin_is_named(
    server: str, pages_port: int, browser: Any, host: str, expected: list[Any]
):
    page = browser.new_page()
    page.goto(f"http://{host}:{pages_port}/")

    assert page.evaluate(CALL, f"{server}/v1/surveys") == expected
    page.close()
