"""Fill in forms as a browser does: with the cookies of before, and the headers that say where a form comes from."""

import re
from typing import Any

from tests.api.world import World

__all__ = ["OURS", "send", "sign_in", "token_in"]

OURS = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html"}


def token_in(page: str) -> str:
    """The token of the form in a page."""
    found = re.search(r'name="token" value="([0-9a-f]{64})"', page)
    assert found, page
    return found[1]


def send(world: World, path: str, fields: dict[str, str], **headers: str) -> Any:
    """POST a form and do not follow where it leads."""
    return world.client.post(path, data=fields, headers=OURS | headers, follow_redirects=False)


def sign_in(world: World, key: str, *, following: str = "/", **headers: str) -> Any:
    """Open the form and send it; the cookies stay in the client."""
    page = world.client.get("/sign-in", headers={"Accept": "text/html"})
    return send(world, "/sign-in", {"key": key, "token": token_in(page.text), "next": following}, **headers)
