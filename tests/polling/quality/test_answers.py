"""Duplicates, speeders, straight lines and impossible combinations: by hand, under chance, and planted."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from polling.declaration import Demographic, Geography, Question, SurveyDeclaration
from polling.quality import answer_flags
from polling.quality.answers import _chance_repetitions
from polling.quality_limits import Quality

OPTIONS = ("yes", "no")
QUESTIONS = tuple(Question(q, q, q, "binary", OPTIONS, "1") for q in ("a", "b", "c"))
ASKED = ("a", "b", "c")
DECLARATION = SurveyDeclaration(
    "s",
    "S",
    "all",
    Geography("district", "district", "d"),
    (Demographic("age", "age", ("18-29", "30+")),),
    QUESTIONS,
    "f",
)


def wave(n: int, *, seed: int = 1, districts: int = 20, weighted: bool = False, **columns) -> pl.DataFrame:
    """Interviews whose answers are unrelated."""
    rng = np.random.default_rng(seed)
    interviews = pl.DataFrame(
        {
            "row": pl.Series(range(2, n + 2), dtype=pl.UInt32),
            "district": rng.choice([f"D{i}" for i in range(districts)], n),
            "age": rng.choice(["18-29", "30+"], n),
            "date": pl.Series([None] * n, dtype=pl.Date),
            "weight": rng.gamma(3, 1, n) if weighted else pl.Series([None] * n, dtype=pl.Float64),
            "excluded": np.zeros(n, dtype=bool),
            **{q: rng.choice(OPTIONS, n) for q in ASKED},
            **{f"{q}:status": ["answered"] * n for q in ASKED},
        }
    )
    return interviews.with_columns(pl.Series(name, values) for name, values in columns.items())


def flags(interviews: pl.DataFrame, **quality):
    declaration = replace(DECLARATION, quality=Quality(**quality))
    return {one.kind: one for one in answer_flags(interviews, declaration, asked=ASKED)}


def test_repetitions_by_chance_by_hand():
    # One cell of two interviews, answers x and y: m - sum_k (1 - (1 - 1/2)^2) = 2 - 2 * 3/4; no pair differs in answers
    # and is alike in the rest, which is null here and so alike.
    two = pl.DataFrame({"cell": ["c", "c"], "k": ["x", "y"], "weight": [None, None], "date": [None, None]})

    assert _chance_repetitions(two, ["cell"], ["k"]) == pytest.approx(0.5)


def test_chance_makes_no_duplicates():
    measured = [flags(wave(500, seed=seed, weighted=seed % 2 == 0))["duplicates"].measured for seed in range(30)]

    assert max(measured) < 0.05
    assert np.mean(measured) < 0.02


@pytest.mark.parametrize("districts", [5, 100, 2000])
def test_chance_makes_no_duplicates_in_large_waves_with_dates(districts: int):
    days = [date(2026, 9, 1) + timedelta(days=n) for n in range(28)]
    for seed in range(3):
        fielded = np.random.default_rng(seed).choice(days, 20_000).tolist()
        found = flags(wave(20_000, seed=seed, districts=districts, date=fielded))["duplicates"]

        assert found.measured < 0.02


@pytest.mark.parametrize("weighted", [False, True])
def test_copied_interviews_are_found(weighted: bool):
    seconds = {} if weighted else {"timing": np.random.default_rng(2).uniform(300, 900, 400)}
    sound = wave(400, weighted=weighted, **seconds)
    copied = pl.concat([sound, sound.head(100)]).with_columns(row=pl.Series(range(2, 502), dtype=pl.UInt32))

    found = flags(copied)["duplicates"]

    assert found.over
    assert found.measured == pytest.approx(0.2, abs=0.07)
    assert "equal an earlier one" in found.words


def test_order_of_rows_changes_nothing():
    interviews = wave(300)

    assert flags(interviews) == flags(interviews.reverse())


def test_speeders_are_those_below_a_share_of_the_median_or_seconds():
    seconds = [600.0] * 90 + [100.0] * 10  # a third of the median is 200

    assert flags(wave(100, timing=seconds))["speeders"].measured == 0.1
    assert not flags(wave(100, timing=seconds))["speeders"].over
    assert flags(wave(100, timing=seconds), speeders=0.05)["speeders"].over
    assert flags(wave(100, timing=seconds), fast_seconds=601.0)["speeders"].measured == 1
    assert "speeders" not in flags(wave(100))
    assert "speeders" not in flags(wave(100, timing=[None] * 60 + [1.0] * 40))


def test_straight_lines_of_a_battery():
    same = ["yes"] * 60 + ["no"] * 40
    battery = {"batteries": {"trust": ASKED}}

    found = flags(wave(100, a=same, b=same, c=same), **battery)["straight_lining"]

    assert (found.measured, found.over, found.about) == (1.0, True, "trust")
    assert "28.0%" in found.words  # 0.6^3 + 0.4^3
    assert flags(wave(1000), **battery)["straight_lining"].measured == pytest.approx(0.25, abs=0.05)
    assert "straight_lining" not in flags(wave(100))


def test_impossible_combinations_are_counted_once_an_interview():
    age = ["18-29"] * 3 + ["30+"] * 97
    combinations = ((("age", "18-29"), ("a", "yes")), (("age", "18-29"), ("b", "yes")))

    found = flags(wave(100, age=age, a=["yes"] * 100, b=["yes"] * 100), impossible=combinations)["impossible"]

    assert (found.measured, found.over) == (0.03, True)
    assert "age = '18-29' and a = 'yes' (3)" in found.words


def test_few_interviews_and_limits_that_are_off_say_nothing():
    assert flags(wave(49)) == {}
    assert flags(wave(0)) == {}
    assert flags(wave(100), duplicates=None) == {}
