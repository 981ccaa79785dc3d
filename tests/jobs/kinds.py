"""The synthetic survey with questions of other kinds, whose truth is planted here."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from fixtures.survey_folder import WrittenSurvey
from jobs.survey import load_survey
from polling.codebook import convert

__all__ = [
    "AGREE",
    "HOME",
    "PARTIES",
    "agree_shares",
    "party_shares",
    "warmth",
    "with_backtest",
    "with_party",
    "with_scales",
]

type Answers = Callable[[pl.DataFrame, pl.DataFrame, tuple[str, ...], np.random.Generator], list[pl.Series]]

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
AGREE = ("No", "Rather no", "Rather yes", "Yes")
SCALES = """
[questions.agree]
text = "Is the line worth its price?"
kind = "ordinal"
options = ["No", "Rather no", "Rather yes", "Yes"]
scores = [0, 1, 2, 3]
dont_know = ["?"]
model = "last_share + (1|district) + (1|age)"

[questions.warmth]
text = "How warm do you feel about railways?"
kind = "numeric"
unit = "degrees"
range = [0, 100]
dont_know = ["?"]
model = "last_share + (1|district) + (1|age)"
"""
_CUTS = np.array([-1.2, 0.1, 1.3])
_SD = 12.0
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
    return _written(written, folder, _party)


def with_scales(written: WrittenSurvey, folder: Path) -> WrittenSurvey:
    """A copy of the synthetic survey that asks for agreement and warmth too; every twentieth does not know."""
    shutil.copytree(written.path, folder)
    toml = folder / "survey.toml"
    toml.write_text(toml.read_text() + SCALES)
    return _written(written, folder, _scales)


def with_backtest(written: WrittenSurvey, folder: Path, question: str) -> WrittenSurvey:
    """A copy with all of these questions, whose backtest is of one: its pooled interviews and its truth by district."""
    made = with_scales(with_party(written, folder / "party"), folder / "survey")
    declaration = load_survey(made.path).declaration
    districts, levels = pl.read_parquet(made.path / "districts.parquet"), declaration.levels["age"]
    interviews = pl.read_parquet(made.path / "interviews.parquet")
    answers = _party if question == "party" else _scales
    interviews.with_columns(answers(districts, interviews, levels, np.random.default_rng(7))).write_parquet(
        made.path / "interviews.parquet"
    )
    _truth(question, districts, pl.read_parquet(made.path / "frame.parquet"), levels).write_parquet(
        made.path / "truth.parquet"
    )
    toml = made.path / "survey.toml"
    text = toml.read_text().replace('question = "rail"', f'question = "{question}"')
    if question == "party":
        text = text.replace('last_result = "last_share"', 'last_result = "past"')
    toml.write_text(text)
    return made


def _truth(question: str, districts: pl.DataFrame, cells: pl.DataFrame, levels: tuple[str, ...]) -> pl.DataFrame:
    """The planted truth of every district, as a backtest reads it."""
    if question == "warmth":
        values = {"mean": warmth(districts, cells, levels)}
    else:
        shares = (party_shares if question == "party" else agree_shares)(districts, cells, levels)
        values = dict(zip(PARTIES if question == "party" else AGREE, shares.T, strict=True))
    people = pl.col("n_people")
    table = cells.with_columns(pl.Series(name, of) for name, of in values.items())
    table = table.group_by(pl.col("district").alias("geography")).agg(
        ((people * pl.col(name)).sum() / people.sum()).alias(name) for name in values
    )
    if question == "warmth":
        return table.sort("geography")
    return table.unpivot(index="geography", variable_name="option", value_name="share").sort("geography", "option")


def party_shares(districts: pl.DataFrame, cells: pl.DataFrame, levels: tuple[str, ...]) -> np.ndarray:
    """The planted truth, shape (cell, party)."""
    place, age = _place(districts, cells), _age(cells, levels)
    with np.errstate(divide="ignore"):
        eta = 0.8 * np.log(_past(districts))[place] + age[:, None] * _GRADIENT
    share = np.exp(eta)
    return share / share.sum(axis=1, keepdims=True)


def agree_shares(districts: pl.DataFrame, cells: pl.DataFrame, levels: tuple[str, ...]) -> np.ndarray:
    """The planted truth of the scale, shape (cell, option)."""
    below = 1 / (1 + np.exp(-(_CUTS - _lean(districts, cells, levels)[:, None])))
    return np.diff(below, axis=1, prepend=0.0, append=1.0)


def warmth(districts: pl.DataFrame, cells: pl.DataFrame, levels: tuple[str, ...]) -> np.ndarray:
    """The planted means in degrees, shape (cell,)."""
    return 50 + 8 * _lean(districts, cells, levels)


def _lean(districts: pl.DataFrame, cells: pl.DataFrame, levels: tuple[str, ...]) -> np.ndarray:
    place, age = _place(districts, cells), _age(cells, levels)
    return 3 * (districts["last_share"].to_numpy()[place] - 0.5) - 0.8 * age


def _place(districts: pl.DataFrame, cells: pl.DataFrame) -> np.ndarray:
    codes = districts["code"].to_list()
    return cells["district"].cast(pl.String).replace_strict(codes, list(range(len(codes)))).to_numpy()


def _age(cells: pl.DataFrame, levels: tuple[str, ...]) -> np.ndarray:
    """From 1 for the youngest to -1."""
    return cells["age"].cast(pl.String).replace_strict(levels, np.linspace(1, -1, len(levels)).tolist()).to_numpy()


def _past(districts: pl.DataFrame) -> np.ndarray:
    rail = districts["last_share"].to_numpy() * 0.8
    home = districts["code"].is_in(list(HOME)).to_numpy()
    isles = np.where(home, 0.3, 0.0)
    green = np.linspace(0.08, 0.18, districts.height)
    return np.column_stack([rail * (1 - isles), (1 - rail - green) * (1 - isles), green * (1 - isles), isles])


def _written(written: WrittenSurvey, folder: Path, answers: Answers) -> WrittenSurvey:
    declaration = load_survey(folder).declaration
    districts = pl.read_parquet(folder / "districts.parquet")
    waves = []
    for number, wave in enumerate(written.waves):
        table = pl.read_csv(wave.path, infer_schema=False)
        cells = convert(table, declaration, pollster=wave.pollster).interviews
        path = folder / "waves" / wave.path.name
        made = answers(districts, cells, declaration.levels["age"], np.random.default_rng(2020 + number))
        silent = pl.int_range(pl.len()) % 20 == 0
        table.with_columns(made).with_columns(
            pl.when(silent).then(pl.lit("?")).otherwise(one.name).alias(one.name) for one in made
        ).write_csv(path)
        waves.append(replace(wave, path=path))
    return replace(written, path=folder, waves=tuple(waves))


def _party(
    districts: pl.DataFrame, cells: pl.DataFrame, levels: tuple[str, ...], rng: np.random.Generator
) -> list[pl.Series]:
    chosen = _drawn(party_shares(districts, cells, levels), rng)
    return [pl.Series("party", np.array(["Railway", *PARTIES[1:]])[chosen])]


def _scales(
    districts: pl.DataFrame, cells: pl.DataFrame, levels: tuple[str, ...], rng: np.random.Generator
) -> list[pl.Series]:
    agree = np.array(AGREE)[_drawn(agree_shares(districts, cells, levels), rng)]
    degrees = warmth(districts, cells, levels) + _SD * rng.standard_normal(cells.height)
    return [pl.Series("agree", agree), pl.Series("warmth", degrees.clip(0, 100).round(1)).cast(pl.String)]


def _drawn(shares: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    at = (shares.cumsum(axis=1) < rng.random((len(shares), 1))).sum(axis=1)
    return np.minimum(at, shares.shape[1] - 1)
