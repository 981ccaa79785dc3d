"""The synthetic survey with questions of other kinds, whose truth is planted here."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from fixtures.survey_folder import WaveFile, WrittenSurvey
from jobs.survey import load_survey
from polling.codebook import convert
from polling.declaration import SurveyDeclaration

__all__ = ["HOME", "PARTIES", "party_shares", "with_party"]

PARTIES = ("Rail", "Town", "Green", "Isles")
HOME = ("D07", "D08")
"""The districts in which the last party stands."""
PARTY = """
[questions.party]
text = "Which party would you vote for?"
kind = "categorical"
options = ["Rail", "Town", "Green", "Isles"]
dont_know = ["?"]
model = "own(log(past)) + (1|district) + (1|age)"

[questions.party.recode]
Railway = "Rail"

[questions.party.columns.past]
Rail = "rail_2020"
Town = "town_2020"
Green = "green_2020"
Isles = "isles_2020"

[questions.party.only_in.Isles]
district = ["D07", "D08"]
"""
_GRADIENT = np.array([0.6, -0.6, 0.4, 0.0])
"""From the oldest to the youngest, on the scale of the logit."""


def with_party(written: WrittenSurvey, folder: Path) -> WrittenSurvey:
    """A copy of the synthetic survey that asks for a party too; every twentieth does not know."""
    shutil.copytree(written.path, folder)
    districts = pl.read_parquet(folder / "districts.parquet")
    past = _past(districts)
    added = [pl.Series(f"{party.lower()}_2020", past[:, k]) for k, party in enumerate(PARTIES)]
    districts.with_columns(added).write_parquet(folder / "districts.parquet")
    toml = folder / "survey.toml"
    toml.write_text(toml.read_text() + PARTY)
    declaration = load_survey(folder).declaration
    waves = tuple(_asked(wave, folder, declaration, districts, seed) for seed, wave in enumerate(written.waves))
    return replace(written, path=folder, waves=waves)


def party_shares(districts: pl.DataFrame, cells: pl.DataFrame, levels: tuple[str, ...]) -> np.ndarray:
    """The planted truth, shape (cell, party)."""
    place = cells["district"].cast(pl.String).replace_strict(districts["code"], range(districts.height)).to_numpy()
    age = cells["age"].cast(pl.String).replace_strict(levels, np.linspace(1, -1, len(levels)).tolist()).to_numpy()
    with np.errstate(divide="ignore"):
        eta = 0.8 * np.log(_past(districts))[place] + age[:, None] * _GRADIENT
    share = np.exp(eta)
    return share / share.sum(axis=1, keepdims=True)


def _past(districts: pl.DataFrame) -> np.ndarray:
    rail = districts["last_share"].to_numpy() * 0.8
    home = districts["code"].is_in(list(HOME)).to_numpy()
    isles = np.where(home, 0.3, 0.0)
    green = np.linspace(0.08, 0.18, districts.height)
    return np.column_stack([rail * (1 - isles), (1 - rail - green) * (1 - isles), green * (1 - isles), isles])


def _asked(
    wave: WaveFile, folder: Path, declaration: SurveyDeclaration, districts: pl.DataFrame, seed: int
) -> WaveFile:
    table = pl.read_csv(wave.path, infer_schema=False)
    cells = convert(table, declaration, pollster=wave.pollster).interviews
    shares = party_shares(districts, cells, declaration.levels["age"])
    rng = np.random.default_rng(2020 + seed)
    chosen = np.array(["Railway", *PARTIES[1:]])[(shares.cumsum(axis=1) < rng.random((len(shares), 1))).sum(axis=1)]
    chosen[::20] = "?"
    path = folder / "waves" / wave.path.name
    table.with_columns(party=pl.Series(chosen)).write_csv(path)
    return replace(wave, path=path)
