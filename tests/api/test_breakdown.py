"""Fine breakdowns: the same numbers in pieces, no draws of what is not told, a limit that says how to stay below it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from numpy.testing import assert_allclose

from api import breakdown, estimands, release_cache
from tests.api.world import AGES, GENDERS, SURVEY, World

URL = f"/v1/surveys/{SURVEY}/questions/rail/estimates"
FINE = {"level": "district", "by": "gender,age"}


@pytest.fixture
def in_pieces(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Nothing is kept and five groups are a piece; what was made: cells in, groups out."""
    made: list[tuple[int, int]] = []

    def drawn_many(latents: Any, design: Any, electorate: Any, groupings: Any, **about: Any) -> Any:
        (drawn,) = estimands.drawn_many(latents, design, electorate, groupings, **about)
        made.append((electorate.frame.height, drawn["share"].draws.shape[1]))
        return (drawn,)

    monkeypatch.setattr(breakdown, "drawn_many", drawn_many)
    monkeypatch.setattr(breakdown, "PIECE_MB", 5 * 200 * 8 / 1_000_000)
    monkeypatch.setattr(release_cache, "MAX_BREAKDOWN_MB", 0.002)
    monkeypatch.setattr(release_cache, "MAX_SHARES_MB", 0)
    return made


def ask(world: World, **parameters: Any) -> Any:
    """The estimates without the memory of earlier answers."""
    world.forget_answers()
    return world.estimates(**parameters)


@pytest.mark.parametrize(
    "parameters",
    [
        FINE,
        FINE | {"option": "no"},
        {"level": "region", "by": "age"},
        {"by": "gender,age"},
        {"level": "district"},
        {"level": "region"},
        {"districts": "D6,D2", "by": "age"},
    ],
)
def test_pieces_give_the_numbers_of_the_whole(
    served: World, parameters: dict[str, str], request: pytest.FixtureRequest
):
    whole = ask(served, **parameters)
    made = request.getfixturevalue("in_pieces")
    pieces = ask(served, **parameters)

    assert made
    assert pieces["withheld"] == whole["withheld"]
    for one, other in zip(pieces["estimates"], whole["estimates"], strict=True):
        (interval,), (other_interval,) = one.pop("intervals"), other.pop("intervals")
        assert interval == pytest.approx(other_interval, rel=1e-4)
        numbers = [name for name, value in one.items() if isinstance(value, float)]
        assert {"share", "low", "high", "sd", "mc_error", "n_people", "n_equivalent"} <= set(numbers)
        assert_allclose([one.pop(name) for name in numbers], [other.pop(name) for name in numbers], rtol=1e-4)
        assert one == other


def _counted(passes: list[int]) -> Callable[..., Any]:
    """Notes of how many cells draws are made."""

    def made(*given: Any, **more: Any) -> Any:
        passes.append(given[2].frame.height)
        return estimands.drawn_many(*given, **more)

    return made


def test_options_share_the_draws_that_are_made_for_one_of_them(kinds: World, monkeypatch: pytest.MonkeyPatch):
    asked = f"/v1/surveys/{SURVEY}/questions/party/estimates"
    kinds.forget_answers()
    passes: list[int] = []
    monkeypatch.setattr(breakdown, "drawn_many", _counted(passes))

    for option in ("Rail", "Town", "Isles"):
        assert kinds.get(asked, params={"option": option, "where": "gender:man", "by": "age"}).status_code == 200
    assert len(passes) == 1


def test_the_groups_of_one_district_are_made_alone_and_alike_whatever_is_in_memory(
    kinds: World, monkeypatch: pytest.MonkeyPatch
):
    loaded = kinds.services.releases.load(
        kinds.get(f"/v1/surveys/{SURVEY}/questions/party/estimates").json()["release_id"]
    )
    loaded._breakdowns._values.clear()
    loaded._margins._values.clear()
    kinds.forget_answers()
    passes: list[int] = []
    monkeypatch.setattr(breakdown, "drawn_many", _counted(passes))
    url = f"/v1/surveys/{SURVEY}/questions/party/districts/D2"
    few = kinds.get(url).json()
    n_cells = len(GENDERS) * len(AGES)

    assert passes == [n_cells] * 3  # for gender, for age, and for the chance to lead
    assert loaded._margins.find(()) is None
    assert kinds.get(f"/v1/surveys/{SURVEY}/questions/party/estimates?by=age").status_code == 200
    assert loaded._margins.find(()) is not None
    kinds.forget_answers()
    # To the last digit: another process may have been asked for all of them before.
    assert kinds.get(url).json() == few


def test_no_piece_is_larger_than_allowed(served: World, in_pieces: list[tuple[int, int]]):
    ask(served, **FINE)

    assert [n_groups for _, n_groups in in_pieces] == [5] * 7


def test_no_draws_are_made_of_other_districts_or_of_groups_that_are_withheld(
    served: World, in_pieces: list[tuple[int, int]]
):
    body = ask(served, districts="D6", by="gender,age")

    assert (len(body["estimates"]), len(body["withheld"])) == (5, 1)
    assert in_pieces == [(5, 5)]


def test_a_fine_breakdown_is_not_kept(served: World, in_pieces: list[tuple[int, int]]):
    loaded = served.services.releases.load(served.estimates()["release_id"])
    loaded._breakdowns._values.clear()
    ask(served, **FINE)

    assert len(loaded._breakdowns) == 0


def test_a_breakdown_above_the_limit_is_refused_with_what_to_do(world: World, in_pieces: list[tuple[int, int]]):
    world.release()
    limited = World(world.store, world.secrets, replace(world.settings, max_groups=35), now=world.now)

    reply = limited.get(URL, params=FINE)

    assert (reply.status_code, reply.json()["type"]) == (422, "too-many-groups")
    assert "36 groups; one answer has at most 35" in reply.json()["detail"]
    assert "name some districts" in reply.json()["detail"]
    assert in_pieces == []
    assert len(limited.estimates(districts="D6,D1", by="gender,age")["estimates"]) == 11


FILTERED = (
    {"level": "district", "by": "age", "where": "gender:woman"},
    {"by": "gender", "where": "region:South,age:old"},
)


@pytest.mark.parametrize("parameters", FILTERED)
def test_kept_draws_of_cells_give_the_numbers_of_those_that_are_made(
    served: World, parameters: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    kept = ask(served, **parameters)
    monkeypatch.setattr(release_cache, "MAX_SHARES_MB", 0)
    made = ask(served, **parameters)

    for one, other in zip(kept["estimates"], made["estimates"], strict=True):
        numbers = ("share", "low", "high", "sd", "mc_error")
        assert_allclose([one[name] for name in numbers], [other[name] for name in numbers], rtol=1e-4)


def test_draws_of_cells_are_kept_once_they_are_worth_it_and_go_with_the_release(served: World):
    releases = served.services.releases
    release = served.estimates()["release_id"]
    releases._shares.drop(release)
    ask(served, where="district:D1,gender:man,age:old")
    assert releases._shares.find(release) is None
    ask(served, where="gender:woman")
    shares = releases._shares.find(release)
    assert shares is not None
    assert shares.shape == (releases.load(release).electorate.frame.height, 200)
    ask(served, where="gender:man")
    assert releases._shares.find(release) is shares
