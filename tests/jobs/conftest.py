"""Fixtures: the synthetic survey on disk, and a house of its own for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.demo import write_demo
from fixtures.survey_folder import WrittenSurvey
from tests.jobs.house import House, furnish


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> WrittenSurvey:
    """Eight districts, three demographics, two questions, three waves of 200."""
    folder = tmp_path_factory.mktemp("survey")
    return write_demo(folder, n_districts=8, n_waves=3, n_interviews=200, n_demographics=3)


@pytest.fixture
def house(tmp_path: Path, written: WrittenSurvey) -> Iterator[House]:
    """A house of its own for one test."""
    with furnish(written, tmp_path) as mine:
        yield mine
