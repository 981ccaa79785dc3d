"""A small survey, its waves and fits, for tests of the store."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from polling.bundle import SurveyBundle
from polling.declaration import Demographic, Geography, Question, SurveyDeclaration
from polling.store import surveys
from polling.store.engine import Store
from polling.store.records import NewFit
from polling.store.wave_records import NewWave

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def seconds(n: float) -> timedelta:
    return timedelta(seconds=n)


def question(question_id: str) -> Question:
    return Question(
        id=question_id, column=question_id, text="?", kind="binary", options=("yes", "no"), model="(1|age) + (1|place)"
    )


def small_bundle(survey_id: str = "demo", questions: tuple[str, ...] = ("tax", "vote")) -> SurveyBundle:
    declaration = SurveyDeclaration(
        id=survey_id,
        title="Demo",
        universe="Adults",
        geography=Geography(district="place", column="place", districts_file="districts.parquet"),
        demographics=(Demographic(name="age", column="age", levels=("young", "old")),),
        questions=tuple(question(name) for name in questions),
        frame_file="frame.parquet",
        facts={"sponsor": "nobody", "mode": "telephone", "sample_source": "random digits"},
    )
    frame = pl.DataFrame(
        {
            "place": ["A", "A", "B", "B"],
            "age": ["old", "young", "old", "young"],
            "n_people": [100.0, 0.1 + 0.2, 50.0, 0.0],
        }
    )
    districts = pl.DataFrame(
        {
            "code": ["A", "B"],
            "name": ["Aton", "Béville"],
            "region": ["North", None],
            "income": [1.5, -2.0],
            "neighbours": [["B"], []],
        },
        schema_overrides={"neighbours": pl.List(pl.String)},
    )
    return SurveyBundle(declaration=declaration, frame=frame, districts=districts)


def new_wave(reference: str = "w1", **changes: object) -> NewWave:
    content = f"content of {reference}".encode()
    wave = NewWave(
        survey_id="demo",
        survey_version=1,
        pollster="Polly",
        reference=reference,
        content_sha256=content.hex(),
        payload=b"\x00payload " + content,
        n_interviews=12,
        questions=("tax", "vote"),
        fieldwork_start=date(2026, 2, 27),
        fieldwork_end=date(2026, 3, 1),
        key_version=1,
    )
    return replace(wave, **changes)


def new_fit(**changes: object) -> NewFit:
    fit = NewFit(
        survey_id="demo",
        survey_version=1,
        question_id="vote",
        engine="nuts",
        seed=2**62,
        formula="(1|age)",
        priors={"intercept": "Normal(0, 1.5)"},
        settings={"chains": 4},
        versions={"hustings": "0.1.0"},
        inputs={"waves": ["w1"], "frame": "f"},
        data_sequence=1,
        data_through=date(2026, 3, 1),
        n_interviews=12,
        n_cells=3,
        verdict={"problems": []},
        publishable=True,
        seconds={"fit": 1.25},
        design={"terms": ["1"]},
        diagnostics={"r_hat": 1.001},
        counts=b"counts",
        draws=b"draws",
    )
    return replace(fit, **changes)


@pytest.fixture
def survey_store(store: Store) -> Store:
    """A store that holds the small survey."""
    with store.write() as session:
        surveys.add_survey(session, small_bundle(), now=NOW)
    return store


def n_rows(session: Session, table: str) -> int:
    return int(session.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())
