"""The backtest: which interviews are pushed, what they are compared with, and what is reported."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, date, datetime
from io import BytesIO

import numpy as np
import polars as pl
import pytest

from jobs.backtest import backtest
from jobs.backtest_methods import baselines_of
from jobs.backtest_report import BacktestReport, ScoreRow
from jobs.backtest_score import Outcomes, baseline_columns, score_against
from jobs.backtest_tables import Outcome, district_estimates, read_outcome, read_table
from jobs.backtest_waves import plan_backtest, split_waves
from jobs.errors import BacktestImpossible
from jobs.refit import electorate_of
from jobs.release_scores import ReleaseDraws
from jobs.settings import Settings
from jobs.survey import load_survey
from mrp.baselines import Baseline
from mrp.design import build_design
from mrp.grouping import Grouping
from mrp.outcomes import draws_many
from mrp.poststratification import AreaDraws
from mrp.turnout import voter_draws_many
from polling.bundle import SurveyBundle
from polling.declaration import Backtest, LastResult
from polling.errors import QuestionNotFound

NOW = datetime(2025, 10, 6, tzinfo=UTC)
SCORES = [
    *("rmse", "mae", "bias", "correlation", "coverage", "interval_score", "mean_width"),
    *("crps", "brier", "log_score", "rank_correlation"),
]
KEYS = [
    *("survey", "question", "option", "engine", "seed", "n_interviews", "n_cells", "n_districts", "national"),
    *SCORES,
    *("seconds", "verdict", "formula", "priors", "baselines"),
]


@pytest.fixture(scope="module")
def bundle(written) -> SurveyBundle:
    return load_survey(written.path)


def declaring(bundle, **changes):
    """The bundle with another [backtest]; ``None`` for none."""
    declaration = bundle.declaration
    backtest = replace(declaration.backtest, **changes) if changes else None
    return replace(bundle, declaration=replace(declaration, backtest=backtest))


def split(bundle, written, **changes):
    changed = declaring(bundle, **changes)
    return split_waves(changed, plan_backtest(changed, None, None), written.path, now=NOW)


def interviews(wave):
    return pl.read_parquet(BytesIO(wave.content))


def test_a_file_is_split_into_the_waves_of_its_pollsters(bundle, written):
    waves = split(bundle, written, pollster_column="pollster")

    assert [(wave.pollster, wave.reference) for wave in waves] == [
        ("northlight", "northlight-wave-1"),
        ("quayside", "quayside-wave-2"),
        ("fernhill", "fernhill-wave-3"),
    ]
    assert [interviews(wave).height for wave in waves] == [200, 200, 200]


def test_without_a_column_to_split_by_there_is_one_wave(bundle, written):
    [wave] = split(bundle, written, wave_by=None)

    assert (wave.pollster, wave.reference) == ("backtest", "interviews")
    assert interviews(wave).height == 600


def test_only_interviews_that_are_declared_to_be_kept_are_pushed(bundle, written):
    [wave] = split(bundle, written, wave_by=None, keep={"gender": ("Woman",), "district": ("D01", "D02")})

    kept = interviews(wave)
    assert set(kept["gender"]) == {"Woman"}
    assert set(kept["district"]) == {"D01", "D02"}


def test_fieldwork_is_read_from_the_interviews_where_it_is_not_declared(bundle, written):
    first = split(bundle, written, pollster_column="pollster")[0]

    assert (first.fieldwork_start, first.fieldwork_end) == (date(2025, 9, 1), date(2025, 9, 5))


def test_fieldwork_that_is_declared_stands(bundle, written):
    days = {"fieldwork_start": date(2025, 1, 1), "fieldwork_end": date(2025, 1, 2)}
    [wave] = split(bundle, written, wave_by=None, **days)

    assert (wave.fieldwork_start, wave.fieldwork_end) == (date(2025, 1, 1), date(2025, 1, 2))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"keep": {"turnout": ("yes",)}}, "no column 'turnout'"),
        ({"keep": {"gender": ("woman",)}}, "No interview"),
        ({"wave_by": "poll"}, "no column 'poll'"),
        ({"interviews": "nowhere.parquet"}, r"nowhere\.parquet cannot be read"),
    ],
)
def test_a_file_that_does_not_fit_its_declaration_is_refused(bundle, written, changes, said):
    with pytest.raises(BacktestImpossible, match=said):
        split(bundle, written, **changes)


def test_a_survey_without_a_backtest_cannot_be_scored(bundle):
    with pytest.raises(BacktestImpossible, match=r"no \[backtest\]"):
        plan_backtest(declaring(bundle), None, None)


def test_one_of_several_questions_has_to_be_named(bundle):
    with pytest.raises(BacktestImpossible, match="rail, voting_age"):
        plan_backtest(declaring(bundle, question=None), None, None)
    assert plan_backtest(declaring(bundle, question=None), "voting_age", None).question == "voting_age"


def test_a_question_that_is_not_asked_cannot_be_scored(bundle):
    with pytest.raises(QuestionNotFound):
        plan_backtest(bundle, "weather", None)


def truth(tmp_path, bundle, rows, *, option=None, columns=("geography", "option", "share")):
    path = tmp_path / "truth.csv"
    pl.DataFrame(rows, schema=list(columns), orient="row").write_csv(path)
    declared = Backtest(interviews="x", option=option)
    question = bundle.declaration.question("rail")
    return read_outcome(path, declared, question, districts=bundle.districts["code"])


def test_the_truth_is_that_of_the_first_option(tmp_path, bundle):
    rows = [("D02", "Build it", "0.4"), ("D01", "Build it", "0.6"), ("D01", "Do not build it", "0.4")]
    outcome = truth(tmp_path, bundle, rows)

    assert outcome.codes == ("D01", "D02")
    assert outcome.share.tolist() == [0.6, 0.4]
    assert outcome.se is None


def test_the_truth_may_call_the_option_something_else(tmp_path, bundle):
    assert truth(tmp_path, bundle, [("D01", "Yes", "0.6")], option="Yes").share.tolist() == [0.6]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([("D01", "Yes", "0.6")], "no option 'Build it'; it has Yes"),
        ([("D01", "Build it", "0.6"), ("D01", "Build it", "0.7")], "more than one row for D01"),
        ([("D99", "Build it", "0.6")], "'D99', which is no district"),
        ([("D01", "Build it", "60")], "outside 0 and 1"),
    ],
)
def test_a_truth_that_cannot_be_compared_is_refused(tmp_path, bundle, rows, said):
    with pytest.raises(BacktestImpossible, match=said):
        truth(tmp_path, bundle, rows)


def test_a_truth_without_shares_is_refused(tmp_path, bundle):
    with pytest.raises(BacktestImpossible, match="no column 'share'"):
        truth(tmp_path, bundle, [("D01", "Build it", "9")], columns=("geography", "option", "n"))


def test_a_table_that_is_no_parquet_is_refused(tmp_path):
    (tmp_path / "truth.parquet").write_bytes(b"nothing")
    with pytest.raises(BacktestImpossible, match="cannot be read"):
        read_table(tmp_path / "truth.parquet")


def own(shares):
    """The same as estimates to score."""
    drawn = estimated(shares)
    return Baseline(tuple(drawn.areas["district"]), drawn.draws.mean(axis=0), drawn.draws)


def estimated(shares):
    """Two draws per district, 0.1 apart."""
    areas = pl.DataFrame({"district": list(shares), "n_people": [1.0] * len(shares)})
    middle = np.array(list(shares.values()))
    return AreaDraws(areas=areas, draws=np.vstack([middle - 0.05, middle + 0.05]))


def test_scores_are_those_of_the_districts_that_have_a_truth():
    known = Outcomes(truth=Outcome(("D01", "D03"), np.array([0.5, 0.1]), None))
    row = score_against(known, own({"D01": 0.4, "D02": 0.9, "D03": 0.1}))

    # Errors -0.1 and 0; D02 has no truth.
    assert row.n_districts == 2
    assert row.rmse == pytest.approx(np.sqrt(0.01 / 2))
    assert row.bias == pytest.approx(-0.05)


def test_without_a_truth_there_are_no_scores_but_the_rank_correlation():
    known = Outcomes(benchmark=Outcome(("D01", "D02", "D03"), np.array([0.7, 0.8, 0.9]), None))
    row = score_against(known, own({"D01": 0.1, "D02": 0.2, "D03": 0.3}))

    assert row == ScoreRow(n_districts=3, rank_correlation=pytest.approx(1.0))


def test_the_table_of_districts_has_every_district_interviewed_or_not():
    counts = pl.DataFrame({"district": ["D01", "D01"], "n": [3, 1], "y": [1, 1]})
    districts = pl.DataFrame({"code": ["D01", "D02"], "name": ["One", "Two"]})
    table = district_estimates(districts, estimated({"D01": 0.4, "D02": 0.5}), counts, district="district")

    assert table["name"].to_list() == ["One", "Two"]
    assert table["n_interviews"].to_list() == [4, 0]
    assert table["raw"].to_list() == [0.5, None]
    assert table["share"].to_list() == pytest.approx([0.4, 0.5])


def test_the_baselines_include_the_last_result_where_one_is_declared(bundle):
    electorate = electorate_of(bundle)
    counts = electorate.frame.head(4).with_columns(n=pl.lit(2), y=pl.lit(1)).drop("n_people")
    question = bundle.declaration.question("rail")
    design = build_design(question.model, electorate)

    without = baselines_of(counts, electorate, design, question, None).of("Build it")
    known = LastResult("last_share", complement=True)
    against = baselines_of(counts, electorate, design, question, known).of("Build it")

    assert list(without) == ["raw_by_district", "national_mean", "predictors_alone"]
    assert list(against) == [*without, "last_result", "uniform_swing"]
    before = bundle.districts.sort("code")["last_share"].to_numpy()
    assert against["last_result"].share == pytest.approx(1 - before)
    table = baseline_columns(pl.DataFrame({"district": bundle.districts["code"]}), against)
    assert table.columns == ["district", "national_mean", "predictors_alone", "last_result", "uniform_swing"]


def test_the_report_has_the_documented_keys():
    report = BacktestReport(
        survey="s",
        question="q",
        option="o",
        engine="nuts",
        seed=1,
        n_interviews=10,
        n_cells=5,
        national_mean=0.5,
        national_sd=0.1,
        scores=ScoreRow(n_districts=2),
        baselines={"national_mean": ScoreRow(n_districts=2)},
        seconds={"total": 1.0},
        publishable=False,
        problems=({"code": "r-hat", "message": "too high"},),
        warnings=("pollster and period cannot be told apart",),
        formula="(1|district)",
        priors={"intercept": "Normal(0, 1.5)"},
        districts=pl.DataFrame(),
    )
    shown = json.loads(json.dumps(report.to_json()))

    assert list(shown) == KEYS
    assert shown["national"] == {"mean": 0.5, "sd": 0.1}
    assert shown["verdict"] == {
        "publishable": False,
        "problems": [{"code": "r-hat", "message": "too high"}],
        "warnings": ["pollster and period cannot be told apart"],
    }
    assert shown["baselines"]["national_mean"]["rmse"] is None


def test_a_fit_that_is_not_publishable_is_scored_all_the_same(written):
    scant = replace(
        Settings(), engine="nuts", nuts_chains=2, nuts_tune=100, nuts_draws=20, data_dir=written.path / "untouched"
    )
    report = backtest(written.path, settings=scant, seed=7, now=NOW)

    assert not report.publishable
    assert report.problems
    assert set(report.priors) >= {"intercept", "(1|district)"}
    assert (report.seed, report.n_districts, report.scores.n_districts) == (7, 8, 8)
    assert report.scores.rmse is not None
    assert list(report.scores.coverage) == ["0.5", "0.8", "0.9", "0.95"]
    assert set(report.seconds) == {"read", "fit", "poststratify", "total"}
    assert {"last_result", "uniform_swing"} <= set(report.baselines)
    assert report.districts["truth"].null_count() == 0
    assert not scant.data_dir.exists()


def test_a_question_about_voters_is_scored_among_them(written, tmp_path):
    folder = tmp_path / "survey"
    shutil.copytree(written.path, folder)
    scored, told = (one.id for one in load_survey(folder).declaration.questions)
    toml = (folder / "survey.toml").read_text()
    head = f"[questions.{scored}]\n"
    assert head in toml
    voters = f'[populations.voters]\npeople = "likely voters"\nquestion = "{told}"\n'
    (folder / "survey.toml").write_text(toml.replace(head, f'{voters}{head}population = "voters"\n'))
    settings = replace(Settings(), laplace_points=100, laplace_draws=200, data_dir=folder / "untouched")
    fitted: list[ReleaseDraws] = []

    def spy(self: ReleaseDraws, groupings):
        fitted.append(self)
        return drawn(self, groupings)

    drawn = ReleaseDraws.drawn
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ReleaseDraws, "drawn", spy)
        report = backtest(folder, settings=settings, question=scored, seed=7, now=NOW)

    (one,) = fitted
    (turnout,) = one.turnout
    # Turnout is a fit of its own, of the same interviews.
    assert turnout.latents.fit != one.latents.fit
    by = [Grouping(by=("district",))]
    (among,) = voter_draws_many(one.latents, one.design, one.electorate, [turnout], by)
    (everybody,) = draws_many(one.latents, one.design, one.electorate, by)
    shown = report.districts.sort("district")["share"].to_numpy()
    np.testing.assert_allclose(shown, among.drawn.draws[:, :, 0].mean(axis=0), atol=1e-6)
    assert not np.allclose(shown, everybody.draws[:, :, 0].mean(axis=0), atol=1e-4)
    assert not [warning for warning in report.warnings if "everybody in the frame" in warning]
