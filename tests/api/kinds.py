"""The small service with questions of other kinds: parties, a scale and a number."""

from pathlib import Path

import polars as pl

from polling.store import releases
from polling.store.engine import Store
from tests.api.world import AGES, DISTRICTS, GENDERS, REGIONS, SILENT, SURVEY, World, change_survey, make_world

__all__ = ["AGREE", "KINDS", "PARTIES", "SCORES", "add_kinds", "kinds_csv", "make_kinds"]

PARTIES = ("Rail", "Town", "Isles")
AGREE = ("no", "perhaps", "yes")
SCORES = (-1.0, 0.0, 1.0)
KINDS = """
[questions.party]
text = "Which party would you vote for?"
kind = "categorical"
options = ["Rail", "Town", "Isles"]
model = "gender + (1|district)"
[questions.party.only_in.Isles]
region = ["South"]
[questions.agree]
text = "Is it worth its price?"
kind = "ordinal"
options = ["no", "perhaps", "yes"]
scores = [-1, 0, 1]
model = "gender + (1|district)"
[questions.minutes]
text = "How many minutes do you walk to the station?"
kind = "numeric"
unit = "minutes"
range = [0, 60]
model = "gender + (1|district)"
"""


def kinds_csv(n: int = 480, *, start: int = 0) -> bytes:
    """Interviews in every district but one; of the questions of `KINDS` alone."""
    asked = [district for district in DISTRICTS if district != SILENT]
    rows = []
    for i in range(n):
        district = asked[i % 5]
        options = PARTIES if REGIONS[district] == "South" else PARTIES[:2]
        party = options[(i // 5 + i // 7) % len(options)]
        agree, minutes = AGREE[(i // 3 + i // 11) % 3], 5 + (i * 13) % 40 + i / 100
        rows.append((f"k{start + i}", district, GENDERS[i // 5 % 2], AGES[i // 10 % 3], party, agree, minutes))
    columns = ["id", "district", "gender", "age", "party", "agree", "minutes"]
    return pl.DataFrame(rows, schema=columns, orient="row").write_csv().encode()


def add_kinds(world: World) -> None:
    """Declare the questions, and have them asked and fitted."""
    change_survey(world, "survey.toml", "[questions.rail]", KINDS + "[questions.rail]")
    reply = world.push("kinds", kinds_csv())
    assert reply.status_code == 202, reply.text
    world.work()
    with world.store.read() as session:
        for question in ("party", "agree", "minutes"):
            assert releases.current_release(session, SURVEY, question) is not None, question


def make_kinds(store: Store, folder: Path) -> World:
    """Such a world, with a release of every question of `KINDS`."""
    world = make_world(store, folder)
    add_kinds(world)
    return world
