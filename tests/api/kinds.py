"""The small service with questions of other kinds: parties, a scale and a number."""

import polars as pl

from polling.store import releases
from tests.api.world import AGES, DISTRICTS, GENDERS, REGIONS, SILENT, SURVEY, World, change_survey

__all__ = ["AGREE", "KINDS", "MINUTES", "PARTIES", "SCORES", "add_kinds", "kinds_csv", "minutes_csv"]

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
"""
MINUTES = """
[questions.minutes]
text = "How many minutes do you walk to the station?"
kind = "numeric"
unit = "minutes"
range = [0, 60]
model = "gender + (1|district)"
"""
KINDS += MINUTES


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


def minutes_csv(*, start: int = 30_000) -> bytes:
    """Interviews of the question of numbers alone."""
    return pl.read_csv(kinds_csv(start=start)).drop("party", "agree").write_csv().encode()


def add_kinds(world: World) -> None:
    """Declare the questions, and have them asked and fitted."""
    change_survey(world, "survey.toml", "[questions.rail]", KINDS + "[questions.rail]")
    reply = world.push("kinds", kinds_csv())
    assert reply.status_code == 202, reply.text
    world.work()
    with world.store.read() as session:
        for question in ("party", "agree", "minutes"):
            assert releases.current_release(session, SURVEY, question) is not None, question
