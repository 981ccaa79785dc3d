"""Weights, composition and drift: by hand, at the stated rate under chance, and planted; nothing on real polls."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from jobs.backtest_waves import plan_backtest, split_waves
from polling.folder import load_survey_folder
from polling.quality import answer_flags, composition_flags, drift_flags, weight_flags
from polling.quality.sample import composition_of
from polling.quality_limits import Quality
from polling.wave_file import read_wave
from tests.polling.conftest import cases
from tests.polling.quality.test_answers import DECLARATION, wave

__all__ = ["cases"]

FRAME = pl.DataFrame(
    {
        "district": [f"D{i}" for i in range(20)] * 2,
        "age": ["18-29"] * 20 + ["30+"] * 20,
        "n_people": [100.0] * 40,
    }
)


def test_weights_by_hand():
    weights = [1.0] * 99 + [101.0]  # mean 2

    ratio, effect = weight_flags(wave(100, weight=weights), DECLARATION)

    assert (ratio.measured, ratio.over) == (50.5, True)
    assert effect.measured == pytest.approx(100 * (99 + 101**2) / 200**2)
    assert effect.over
    times_ten = [10 * one for one in weights]
    assert weight_flags(wave(100, weight=times_ten), DECLARATION) == [ratio, effect]
    assert weight_flags(wave(100), DECLARATION) == []


def test_composition_by_hand():
    ages = ["18-29"] * 90 + ["30+"] * 10
    composition = composition_of(wave(100, age=ages), DECLARATION)

    found = {one.about: one for one in composition_flags(composition, FRAME, DECLARATION)}

    # 0.4 away; by chance 1/2 * 2 * sqrt(2/pi * 0.25 / 100) = 0.0399.
    assert found["age"].measured == pytest.approx(0.4 - 0.0399, abs=1e-4)
    assert not found["age"].over
    strict = replace(DECLARATION, quality=Quality(composition=0.3))
    assert {one.about for one in composition_flags(composition, FRAME, strict) if one.over} == {"age"}


def test_samples_of_the_population_are_never_off_and_chance_is_allowed_for():
    declaration = replace(DECLARATION, quality=Quality(composition=0.01, drift=0.01))
    over = 0
    for seed in range(100):
        first, second = (composition_of(wave(300, seed=2 * seed + i), DECLARATION) for i in (0, 1))
        found = composition_flags(first, FRAME, declaration) + drift_flags(second, [first], declaration)
        over += sum(one.over for one in found)

    assert over <= 4  # of 400, each beyond four standard deviations of a chi-square


def test_drift_is_measured_from_all_earlier_waves_together():
    old = [composition_of(wave(200, seed=seed), DECLARATION) for seed in (1, 2)]
    young = composition_of(wave(200, age=["18-29"] * 200), DECLARATION)

    found = {one.about: one for one in drift_flags(young, old, DECLARATION)}

    assert found["age"].over
    assert found["age"].measured == pytest.approx(0.46, abs=0.05)
    assert drift_flags(young, [], DECLARATION) == []
    assert all(not one.over for one in drift_flags(young, old, DECLARATION, design_effect=1e6))


@pytest.mark.cases
@pytest.mark.parametrize("case", ["cces2018", "georgia2016", "marriage2005"])
def test_no_real_poll_is_over_a_default_limit(case: str, cases: Path):
    folder = Path(__file__).resolve().parents[2] / "cases" / case
    bundle = load_survey_folder(folder, data_dir=cases / case)
    declaration = bundle.declaration
    waves = split_waves(bundle, plan_backtest(bundle, None, None), cases / case, now=datetime(2026, 1, 1, tzinfo=UTC))
    sent: dict[str, list] = {}
    measured = []
    for one in sorted(waves, key=lambda wave_: str(wave_.fieldwork_end)):
        read = read_wave(one.content, declaration, pollster=one.pollster)
        interviews = read.conversion.interviews
        composition = composition_of(interviews, declaration)
        measured += answer_flags(interviews, declaration, asked=read.questions_asked)
        measured += weight_flags(interviews, declaration)
        measured += composition_flags(composition, bundle.frame, declaration)
        measured += drift_flags(composition, sent.get(one.pollster, []), declaration)
        sent.setdefault(one.pollster, []).append(composition)

    assert len(measured) >= len(waves) * 4
    assert [flag.words for flag in measured if flag.over] == []
    assert max(flag.measured for flag in measured if flag.kind == "duplicates") < 0.06
    assert not np.isnan([flag.measured for flag in measured]).any()
