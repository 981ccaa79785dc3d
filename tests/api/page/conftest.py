"""The worlds of ``tests.api``, whose client forgets its cookies after every test."""

from collections.abc import Iterator

import pytest

from tests.api.world import World


@pytest.fixture(autouse=True)
def _forget_cookies(request: pytest.FixtureRequest) -> Iterator[None]:
    names = sorted({"served", "weekly", "public", "kinds"} & set(request.fixturenames))
    worlds: list[World] = [request.getfixturevalue(name) for name in names]
    yield
    for world in worlds:
        world.client.cookies.clear()
