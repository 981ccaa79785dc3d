"""Surveys for a burst: made up by seed, each of the shape of the demo, one of them greedy.

The greedy survey asks four times as many questions as the others, and sends five times as many waves: each of its
questions is a refit, so that it always has more work waiting than all that one turn does.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np

from fixtures.demo import demo_plans, demo_settings
from fixtures.electorate import SyntheticElectorate, build_electorate
from fixtures.interviews import WavePlan, as_sent, draw_wave
from fixtures.settings import ElectorateSettings
from fixtures.survey_toml import render_survey_toml

__all__ = ["GREEDY_QUESTIONS", "GREEDY_WAVES", "BurstSurvey", "BurstWave", "in_order", "write_surveys"]

GREEDY_QUESTIONS = 4
GREEDY_WAVES = 5
N_PERIODS = 6


@dataclass(frozen=True, slots=True)
class BurstWave:
    """One wave as its pollster sends it."""

    survey: str
    reference: str
    pollster: str
    fieldwork_start: date
    fieldwork_end: date
    path: Path


@dataclass(frozen=True, slots=True)
class BurstSurvey:
    """A survey folder, and the waves that will be sent to it."""

    id: str
    folder: Path
    questions: tuple[str, ...]
    waves: tuple[BurstWave, ...]
    greedy: bool


def write_surveys(
    place: Path, *, surveys: int, waves: int, size: int, seed: int, n_districts: int = 50, n_demographics: int = 5
) -> Iterator[BurstSurvey]:
    """Write surveys into folders of ``place``, one by one, the greedy one last.

    Parameters
    ----------
    surveys
        How many, the greedy one included; no two share a frame.
    waves, size
        How many waves of how many interviews each of them sends; the greedy one sends more, and the first one more.
    """
    for number in range(1, surveys + 1):
        greedy = number == surveys
        settings = demo_settings(
            seed=seed * 10_000 + number, n_districts=n_districts, n_waves=3, n_demographics=n_demographics
        )
        if greedy:
            settings = _greedy(settings)
        n_waves = waves * GREEDY_WAVES if greedy else waves + (number == 1)
        yield _write(place, "greedy" if greedy else f"s{number:03}", settings, n_waves=n_waves, size=size)


def in_order(surveys: list[BurstSurvey], *, seed: int) -> list[BurstWave]:
    """The order in which all waves are sent: a wave of the greedy survey first, the others shuffled."""
    first = [survey.waves[0] for survey in surveys if survey.greedy]
    others = [wave for survey in surveys for wave in survey.waves if wave not in first]
    return first + [others[place] for place in np.random.default_rng(seed).permutation(len(others))]


def _greedy(settings: ElectorateSettings) -> ElectorateSettings:
    """The same electorate, asked more."""
    questions = [
        replace(question, id=f"{question.id}_{again}" if again else question.id)
        for again in range(GREEDY_QUESTIONS)
        for question in settings.questions
    ]
    return replace(settings, questions=tuple(questions))


def _write(place: Path, name: str, settings: ElectorateSettings, *, n_waves: int, size: int) -> BurstSurvey:
    electorate = build_electorate(settings)
    folder = place / name
    folder.mkdir(parents=True)
    # No truth beside it: nobody scores these, and tabulating it takes longer than the rest.
    text = render_survey_toml(electorate, survey_id=name, title=f"Burst: {name}", backtest=False)
    (folder / "survey.toml").write_text(text, encoding="utf-8")
    electorate.districts.write_parquet(folder / "districts.parquet")
    electorate.frame.write_parquet(folder / "frame.parquet")
    plans = [
        replace(plan, period=number % N_PERIODS)
        for number, plan in enumerate(demo_plans(settings, n_waves=n_waves, n_interviews=size))
    ]
    waves = tuple(_write_wave(electorate, plan, name, folder) for plan in plans)
    return BurstSurvey(name, folder, tuple(one.id for one in settings.questions), waves, greedy=name == "greedy")


def _write_wave(electorate: SyntheticElectorate, plan: WavePlan, survey: str, folder: Path) -> BurstWave:
    wave = draw_wave(electorate, plan)
    path = folder / f"{plan.reference}.csv"
    as_sent(electorate, wave).write_csv(path)
    return BurstWave(survey, plan.reference, plan.pollster, wave.fieldwork_start, wave.fieldwork_end, path)
