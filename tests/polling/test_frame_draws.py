"""Draws of a frame in a survey's folder: what they have to be."""

from pathlib import Path

import polars as pl
import pytest

from polling.errors import SurveyRejected
from polling.folder import load_survey_folder
from tests.api.world import frame_table, write_survey

FRAME = frame_table()


def write(folder: Path, draws: pl.DataFrame) -> Path:
    """A survey folder with several frames."""
    write_survey(folder)
    toml = folder / "survey.toml"
    toml.write_text(toml.read_text().replace('count = "count"', 'count = "count"\ndraws = "draws.csv"'))
    draws.rename({"n_people": "count"}).write_csv(folder / "draws.csv")
    return folder


def two(change: float = 0.2) -> pl.DataFrame:
    """A frame with more old people, and one with fewer, each by the same."""
    by = pl.when(pl.col("age") == "old").then(change * pl.col("n_people")).otherwise(0.0)
    return pl.concat(
        FRAME.with_columns((pl.col("n_people") + sign * by).alias("n_people"), draw=pl.lit(number))
        for number, sign in ((7, 1), (9, -1))
    )


def test_draws_come_in_canonical_form(tmp_path: Path):
    bundle = load_survey_folder(write(tmp_path, two().sample(fraction=1.0, shuffle=True, seed=1)))
    draws = bundle.frame_draws
    assert draws is not None
    assert draws.columns == ["draw", "district", "gender", "age", "n_people"]
    assert draws["draw"].unique().to_list() == [0, 1]
    assert draws.filter(pl.col("draw") == 1).select(bundle.frame.columns[:-1]).equals(bundle.frame.drop("n_people"))
    assert draws["n_people"].sum() == pytest.approx(2 * bundle.frame["n_people"].sum())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda draws: draws.filter(pl.col("draw") == 7), "there are 1 draws; 2 to 100"),
        (lambda draws: draws.head(draws.height - 1), "a draw has other cells than the frame"),
        (lambda draws: draws.with_columns(n_people=pl.col("n_people") * 1.01), "is not the frame, in 36 cells"),
        (lambda draws: draws.with_columns(n_people=-pl.col("n_people")), "is negative"),
        (lambda draws: draws.drop("draw"), "the column is missing"),
    ],
)
def test_other_draws_are_refused_in_words(tmp_path: Path, change, said: str):
    with pytest.raises(SurveyRejected) as refused:
        load_survey_folder(write(tmp_path, change(two())))
    assert any(said in str(fault) for fault in refused.value.faults), refused.value.faults


def test_a_cell_that_some_draws_leave_empty_is_refused(tmp_path: Path):
    with pytest.raises(SurveyRejected) as refused:
        load_survey_folder(write(tmp_path, two(1.0)))
    assert "12 cells have people in some of the draws only" in str(refused.value.faults[0])
