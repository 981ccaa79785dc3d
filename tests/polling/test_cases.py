"""The declarations of the public cases fit their data."""

import io
from pathlib import Path

import polars as pl
import pytest

from polling.bundle import SurveyBundle
from polling.folder import load_survey_folder
from polling.wave_file import read_wave

pytestmark = pytest.mark.cases

DECLARATIONS = Path(__file__).resolve().parents[1] / "cases"


def load(cases: Path, name: str) -> SurveyBundle:
    return load_survey_folder(DECLARATIONS / name, data_dir=cases / name)


def interviews_of(cases: Path, bundle: SurveyBundle) -> pl.DataFrame:
    """Every interview of the backtest, through the reader and the codebook."""
    backtest = bundle.declaration.backtest
    assert backtest is not None
    table = pl.read_parquet(cases / bundle.declaration.id / backtest.interviews)
    for column, values in backtest.keep.items():
        table = table.filter(pl.col(column).is_in(values))
    waves = table.partition_by(backtest.wave_by, maintain_order=True) if backtest.wave_by else [table]
    converted = []
    for wave in waves:
        pollster = wave[backtest.pollster_column][0] if backtest.pollster_column else backtest.pollster
        buffer = io.BytesIO()
        wave.write_parquet(buffer)
        converted.append(read_wave(buffer.getvalue(), bundle.declaration, pollster=pollster).conversion.interviews)
    return pl.concat(converted)


def answers(interviews: pl.DataFrame, question: str) -> dict[str, int]:
    counted = interviews.filter(~pl.col("excluded"))[question].drop_nulls()
    return dict(counted.value_counts().rows())


def test_cces2018_has_5000_interviews_in_50_states(cases: Path):
    bundle = load(cases, "cces2018")

    assert (bundle.frame.height, bundle.districts.height) == (12_000, 50)
    assert bundle.parents == ("region",)
    assert bundle.predictors == ("rep_share_2016",)
    assert answers(interviews_of(cases, bundle), "abortion") == {"Support": 2157, "Oppose": 2843}


def test_georgia2016_has_861_validated_voters_and_no_column_that_leaks_the_result(cases: Path):
    bundle = load(cases, "georgia2016")

    assert bundle.predictors == ("romney_2012", "mccain_2008")
    assert bundle.parents == ("region",)
    found = answers(interviews_of(cases, bundle), "president")
    assert sum(found.values()) == 861
    backtest = bundle.declaration.backtest
    assert backtest is not None
    assert backtest.last_result is not None
    assert (backtest.last_result.predictor, backtest.last_result.complement) == ("romney_2012", True)


def test_marriage2005_counts_6341_of_6548_interviews_in_five_polls(cases: Path):
    bundle = load(cases, "marriage2005")
    interviews = interviews_of(cases, bundle)

    assert interviews.height == 6548
    assert interviews["date"].n_unique() == 5
    assert interviews["excluded"].sum() == 207
    assert sum(answers(interviews, "marriage").values()) == 6341


@pytest.mark.parametrize("name", ["cces2018", "georgia2016", "marriage2005"])
def test_what_the_backtest_compares_with_fits_the_districts(cases: Path, name: str):
    bundle = load(cases, name)
    backtest = bundle.declaration.backtest
    assert backtest is not None
    reference = pl.read_parquet(cases / name / (backtest.truth or backtest.benchmark or ""))
    option = backtest.option or bundle.declaration.questions[0].options[0]

    compared = reference.filter(option=option)

    assert sorted(compared["geography"]) == bundle.districts["code"].to_list()
    assert compared["share"].is_between(0, 1).all()


def test_london2016_has_1347_voters_and_one_party_against_all_others(cases: Path):
    bundle = load(cases, "london2016")

    assert (bundle.frame.height, bundle.districts.height) == (6_240, 32)
    assert (bundle.parents, bundle.predictors) == ((), ("lab_share_2012",))
    assert answers(interviews_of(cases, bundle), "mayor") == {"Labour": 589, "not Labour": 758}
