"""The small service with what is known of a question's districts, and an error that polls share."""

import polars as pl

from jobs.survey import load_survey, update_survey
from tests.api.world import SURVEY, World

__all__ = ["BASIS", "ERROR", "FRIENDS", "KNOWN", "TOTALS", "declare"]

KNOWN = {"D1": 0.42, "D2": 0.55, "D3": 0.61, "D4": 0.38, "D5": 0.5, "D6": 0.47}
BASIS = "The errors of eight polls of the town since 2010."
ERROR = f"""
[systematic_error]
national_sd = 0.15
correlation = 0.6
basis = "{BASIS}"
"""
TOTALS = """
[questions.rail.known_totals]
by = "district"
date = 2025-10-05
source = "The returning officer's count"
reported = { sensitivity = 1, specificity = 1 }
[questions.rail.known_totals.shares]
yes = "rail_2025"
"""

FRIENDS = """
[populations.friends]
people = "friends of the rail line"
question = "rail"
validated = true
"""


def declare(world: World, *sections: str) -> None:
    """Add sections to the survey, and what is known to its table of districts: a new version."""
    folder = world.settings.data_dir / SURVEY
    districts = pl.read_csv(folder / "districts.csv")
    known = pl.DataFrame({"code": list(KNOWN), "rail_2025": list(KNOWN.values())})
    districts.drop("rail_2025", strict=False).join(known, on="code", maintain_order="left").write_csv(
        folder / "districts.csv"
    )
    toml = folder / "survey.toml"
    toml.write_text("".join((toml.read_text(), *sections)))
    update_survey(world.store, world.secrets, world.settings, load_survey(folder), actor="test", now=world.now)
