"""The survey of many questions, and the figures of its measurement; the measurement itself is marked slow."""

import io
import os
import time
from pathlib import Path

import polars as pl
import pytest

from api.cli.bench import _make_key
from jobs.cpu_time import cpu_seconds
from jobs.forty_bench import bench_forty, most_at_once
from jobs.forty_survey import MODEL, ManyQuestions, write_many_questions
from jobs.refit import electorate_of
from jobs.survey import load_survey
from mrp import build_design


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> ManyQuestions:
    place = tmp_path_factory.mktemp("forty")
    return write_many_questions(place / "survey", questions=6, size=300, seed=1, n_districts=5)


def test_every_question_has_the_model_of_the_case_study_and_a_share_of_its_own(made: ManyQuestions):
    bundle = load_survey(made.folder)

    assert [one.id for one in bundle.declaration.questions] == list(made.shares) == [f"q{n:02}" for n in range(1, 7)]
    assert {one.model for one in bundle.declaration.questions} == {MODEL}
    assert list(made.shares.values()) == pytest.approx([0.25, 0.35, 0.45, 0.55, 0.65, 0.75])
    design = build_design(MODEL, electorate_of(bundle))
    assert len(design.effects) == 7
    # 6 ages, 2 genders, 5 levels of education, 4 ethnicities: with 50 districts the 12,000 cells of cces2018.
    assert bundle.frame.height == made.n_cells == 5 * 240


def test_people_who_do_not_answer_are_others_for_each_question(made: ManyQuestions):
    wave = pl.read_csv(io.BytesIO(made.content), infer_schema=False)

    silent = [
        tuple(wave[question].is_in(["DK", "Don't know", "Prefer not to say", "Refused"]).to_list())
        for question in made.shares
    ]
    assert len(set(silent)) == len(silent)
    assert all(0 < sum(one) < 60 for one in silent)


@pytest.mark.parametrize(
    ("spans", "most"),
    [([], 0), ([(0.0, 1.0)], 1), ([(0.0, 1.0), (1.0, 2.0)], 1), ([(0.0, 3.0), (1.0, 2.0), (1.5, 4.0)], 3)],
)
def test_refits_at_once_are_those_that_overlap(spans: list[tuple[float, float]], most: int):
    assert most_at_once(spans) == most


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the kernel tells it in /proc")
def test_processor_time_grows_with_work_and_not_with_sleep():
    before = cpu_seconds(os.getpid())
    time.sleep(0.1)
    began = time.process_time()
    while time.process_time() - began < 0.2:
        sum(range(1000))

    assert cpu_seconds(os.getpid()) - before >= 0.15


@pytest.mark.slow
def test_one_wave_gives_a_release_of_every_question():
    said: list[str] = []

    speed = bench_forty(questions=6, size=1500, seed=2, fit_cores=2, make_key=_make_key, say=said.append)

    assert (speed.released, speed.refits_failed) == (6, 0)
    assert speed.refits_by_engine == {"laplace": 6}
    assert speed.most_at_once == 2
    assert 0 < speed.first_s <= speed.all_s
    # Of six intervals of 90% fewer than three miss the truth, but for once in sixty times.
    assert speed.covered >= 4
    assert said
