"""Worlds: one per test for tests that write, one per module for tests that only read."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from polling.store.engine import open_store
from tests.api.kinds import add_kinds
from tests.api.world import World, make_world


@pytest.fixture
def world(_sqlite_template: Path, tmp_path: Path) -> Iterator[World]:
    """A service without waves."""
    yield from _world(_sqlite_template, tmp_path)


@pytest.fixture(scope="module")
def served(_sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A service with one release of the first question; tests only read from it."""
    for world in _world(_sqlite_template, tmp_path_factory.mktemp("served")):
        world.release()
        yield world


@pytest.fixture(scope="module")
def weekly(_sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A service with a release whose model has an effect of every week; tests only read from it."""
    for world in _world(_sqlite_template, tmp_path_factory.mktemp("weekly")):
        world.weekly_release()
        yield world


def _world(template: Path, folder: Path) -> Iterator[World]:
    shutil.copy(template, folder / "hustings.db")
    store = open_store(f"sqlite:///{folder}/hustings.db")
    world = make_world(store, folder)
    with world.client:
        yield world
    store.close()


@pytest.fixture(scope="module")
def kinds(_sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A service with releases of questions of several options, of a scale and of numbers; tests only read from it."""
    for world in _world(_sqlite_template, tmp_path_factory.mktemp("kinds")):
        add_kinds(world)
        yield world
