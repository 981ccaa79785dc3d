"""What pages say of how close releases came, once it is known what happened."""

from typing import Any

import pytest

from api.page import record as record_page
from tests.api.page.test_pages import QUESTION, words
from tests.api.world import DISTRICTS, SURVEY, World, wave_csv


def know(world: World, share: float) -> None:
    """The same share in every district, long after the interviews; scored by the worker."""
    table = "\n".join(["geography,option,share", *(f"{district},yes,{share}" for district in DISTRICTS)])
    reply = world.client.post(
        f"/v1/surveys/{SURVEY}/questions/rail/known-results",
        headers=world.bearer("analyst"),
        data={"date": "2026-03-01", "source": "the count"},
        files={"file": ("result.csv", table.encode())},
    )
    assert reply.status_code == 201, reply.text
    world.work()


def test_the_first_screen_learns_of_a_result_that_came_after_it_was_shown(world: World):
    world.release()
    assert "intervals that should hold" not in words(world.page(QUESTION))

    know(world, 0.02)

    for path in (QUESTION, f"{QUESTION}/track-record"):
        assert f"Of {len(DISTRICTS)} district intervals that should hold what happened with 90%, 0 did" in words(
            world.page(path)
        )
    assert "Intervals look too narrow." in words(world.page(QUESTION))


def test_the_band_of_several_releases_is_that_of_their_areas(world: World, monkeypatch: pytest.MonkeyPatch):
    world.release()
    assert world.push("w2", wave_csv(start=1000)).status_code == 202
    world.work()
    drawn: list[Any] = []
    monkeypatch.setattr(record_page, "calibration_chart", drawn.extend)
    know(world, 0.5)

    world.page(f"{QUESTION}/track-record")

    told = world.get(f"/v1{QUESTION}/track-record").json()["calibration"]
    every = [row for row in told if (row["level"], row["of"]) == ("district", "all")]
    assert {row["n_intervals"] for row in every} == {2 * len(DISTRICTS)}
    assert {point.n for point in drawn} == {len(DISTRICTS)}
