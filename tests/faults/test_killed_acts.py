"""Kill -9 at named points, once each on SQLite; `make faults` does it twenty times at every point, on both stores."""

from collections.abc import Iterator

import pytest

from tests.faults.acts import ACTS, make_bases
from tests.faults.drill import READERS, Drill, Victim
from tests.faults.state import Databases


@pytest.fixture(scope="module")
def drill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    folder = tmp_path_factory.mktemp("faults")
    victim = Victim()
    with Databases.open("sqlite", folder) as databases:
        yield Drill(folder, databases, make_bases(folder / "bases"), victim)
    victim.close()


def some(points: dict[str, str]) -> list[str]:
    """The last statement of each act, the commits, what is special to it."""
    statements = [point for point in points if point.startswith("statement:")]
    commits = [point for point in points if point.startswith("commit:")][:2]
    special = [point for point in points if point.startswith(("call:keys", "vacuum"))]
    return [*statements[-1:], *commits, *special[:2]]


@pytest.mark.slow
def test_a_delivery_killed_at_any_point_is_stored_whole_or_not_at_all_and_once_in_the_end(drill: Drill):
    wrong = {point: drill.run("push", point, 1) for point in drill.points("push")}
    assert len(wrong) > 20
    assert {point: found for point, found in wrong.items() if found} == {}


@pytest.mark.parametrize("act", sorted(ACTS.keys() - {"limited"}))
def test_an_act_killed_in_the_middle_is_done_or_not_and_once_in_the_end(drill: Drill, act: str):
    wrong = {point: drill.run(act, point, 2) for point in some(drill.points(act))}
    assert len(wrong) >= 2
    assert {point: found for point, found in wrong.items() if found} == {}


@pytest.mark.parametrize("point", READERS)
def test_a_limited_process_does_not_outlive_its_parent_nor_take_a_delivery_with_it(drill: Drill, point: str):
    assert drill.run("limited", point, 0) == []
