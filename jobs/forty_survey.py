"""A survey that asks many questions at once, of the shape of cces2018: 50 districts, 12,000 cells, one wave.

Every question has a share, and effects of people and places, of its own, and the model of the case study: predictors,
region, seven varying terms. People who do not know are others for each question, so that no two have the same cells.
The one pollster has no house effects, which one pollster alone does not show, so that intervals should hold the truth.
"""

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from fixtures.demo import demo_plans, demo_settings
from fixtures.demographics import Demographic, first_demographics
from fixtures.electorate import build_electorate
from fixtures.interviews import as_sent, draw_wave
from fixtures.survey_toml import render_survey_toml

__all__ = ["MODEL", "SURVEY", "ManyQuestions", "write_many_questions"]

SURVEY = "forty"
MODEL = (
    "last_share + region + gender + (1|district) + (1|ethnicity) + (1|education) + (1|age) + (1|gender:ethnicity) + "
    "(1|education:age) + (1|education:ethnicity)"
)


@dataclass(frozen=True, slots=True)
class ManyQuestions:
    """The survey's folder, its wave, and what is true."""

    folder: Path
    shares: dict[str, float]
    """Of every question: the share of its first option among all people."""
    pollster: str
    fieldwork_start: date
    fieldwork_end: date
    content: bytes
    """The wave as its pollster sends it."""
    n_cells: int


def write_many_questions(folder: Path, *, questions: int, size: int, seed: int, n_districts: int = 50) -> ManyQuestions:
    """Write the survey into a folder, and draw a wave of ``size`` interviews."""
    settings = demo_settings(seed=seed, n_districts=n_districts, n_waves=1, n_demographics=4)
    asked = tuple(
        replace(
            settings.questions[number % 2],
            id=f"q{number + 1:02}",
            text=f"Question {number + 1} of {questions}?",
            share=0.2 + 0.6 * (number + 0.5) / questions,
            events=(),
            model=MODEL,
        )
        for number in range(questions)
    )
    demographics = tuple(_as_in_cces(one) for one in first_demographics(4))
    electorate = build_electorate(
        replace(settings, questions=asked, demographics=demographics, n_silent_districts=0, house_sd=0.0)
    )
    folder.mkdir(parents=True)
    text = render_survey_toml(electorate, survey_id=SURVEY, title=f"{questions} questions at once", backtest=False)
    (folder / "survey.toml").write_text(text, encoding="utf-8")
    electorate.districts.write_parquet(folder / "districts.parquet")
    electorate.frame.write_parquet(folder / "frame.parquet")
    (plan,) = demo_plans(electorate.settings, n_waves=1, n_interviews=size)
    wave = draw_wave(electorate, plan)
    return ManyQuestions(
        folder=folder,
        shares={one.id: one.share for one in asked},
        pollster=plan.pollster,
        fieldwork_start=wave.fieldwork_start,
        fieldwork_end=wave.fieldwork_end,
        content=as_sent(electorate, wave).write_csv().encode(),
        n_cells=electorate.frame.height,
    )


def _as_in_cces(one: Demographic) -> Demographic:
    """Five levels of education, and not four: with them there are as many cells as in cces2018."""
    if one.name != "education":
        return one
    return replace(
        one,
        levels=("Basic", "School", "Some college", "College", "Degree"),
        scores=(-1.0, -0.4, 0.0, 0.4, 1.0),
        shares=(0.11, 0.29, 0.22, 0.23, 0.15),
    )
