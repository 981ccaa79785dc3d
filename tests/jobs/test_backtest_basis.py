"""Folds, curves, comparisons and records estimate as releases do: among voters, over frames, meeting known totals."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose

from fixtures.survey_folder import WrittenSurvey
from jobs.adjustments import adjust_fit
from jobs.backtest_basis import basis_of
from jobs.backtest_compare import compare
from jobs.backtest_curve import learning_curve
from jobs.backtest_fits import Bench, open_bench
from jobs.backtest_folds import run_folds
from jobs.backtest_house import backtest_house
from jobs.backtest_record import NationalErrors, fit_all, score_with_record
from jobs.errors import BacktestImpossible
from jobs.fit_request import FitRequest, FitResult
from jobs.settings import Settings
from jobs.survey import load_survey
from mrp.frames.extension import FrameDraws
from mrp.frames.over_draws import voters_over_frames
from mrp.grouping import Grouping
from mrp.latents import LatentDraws
from mrp.outcomes import design_from_json
from mrp.turnout import voter_draws_many
from tests.jobs.house import FakeFit

NOW = datetime(2025, 12, 1, tzinfo=UTC)
BY = [Grouping(by=("district",))]
SOURCE = "The count of 2024"


@dataclass
class Adjusting(FakeFit):
    """Does with its draws what is declared, as the fit process does."""

    def __call__(self, request: FitRequest, settings: Settings, **how: Any) -> FitResult:
        result = super().__call__(request, settings, **how)
        design = design_from_json(result.design)
        made = adjust_fit(request, request.question, LatentDraws.from_bytes(result.draws), design)
        return replace(result, draws=made.latents.to_bytes(), design=made.design.to_json())


def declared(written: WrittenSurvey, folder: Path, change: Callable[[str, str, str], str]) -> Path:
    """A copy of the survey; ``change`` takes its declaration, the question that is scored, and the other one."""
    folder.mkdir()
    for file in written.path.glob("*.parquet"):
        (folder / file.name).symlink_to(file)
    scored, told = (one.id for one in load_survey(written.path).declaration.questions)
    text = (written.path / "survey.toml").read_text()
    voters = f'\n[populations.voters]\npeople = "likely voters"\nquestion = "{told}"\n'
    text = text.replace(f"[questions.{scored}]\n", f'{voters}[questions.{scored}]\npopulation = "voters"\n')
    (folder / "survey.toml").write_text(change(text, scored, told))
    return folder


@contextmanager
def benched(folder: Path, fit: FakeFit) -> Iterator[Bench]:
    scored = next(iter(load_survey(folder).declaration.questions)).id
    settings = replace(Settings(), engine="laplace")
    with (
        backtest_house(folder, settings=settings, question=scored, now=NOW) as house,
        open_bench(house, fit=fit) as one,
    ):
        yield one


@pytest.fixture(scope="module")
def fit() -> FakeFit:
    return FakeFit()


@pytest.fixture(scope="module")
def bench(written: WrittenSurvey, fit: FakeFit, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Whose question is about likely voters, over two frames that differ in how many are of the first level of age."""
    folder = tmp_path_factory.mktemp("voters") / "survey"
    bundle = load_survey(written.path)
    column, levels = next(iter(bundle.declaration.levels.items()))
    sign = pl.when(pl.col(column) == levels[0]).then(1.0).otherwise(-1.0)
    name = bundle.declaration.frame_count
    tables = [
        bundle.frame.with_columns(pl.col("n_people") * (1 + share * sign), draw=pl.lit(number))
        for number, share in enumerate((0.4, -0.4))
    ]

    def with_draws(text: str, scored: str, told: str) -> str:
        del scored, told
        return text.replace("[frame]\n", '[frame]\ndraws = "frame_draws.parquet"\nsource = "Census"\n')

    declared(written, folder, with_draws)
    pl.concat(tables).rename({"n_people": name}).write_parquet(folder / "frame_draws.parquet")
    with benched(folder, fit) as one:
        yield one


def asked_of(fit: FakeFit) -> list[tuple[str, int]]:
    return [(request.question, int(request.counts["n"].sum())) for request in fit.requests]


def test_a_score_is_of_the_voters_over_the_frames(bench: Bench):
    made = fit_all(bench, seed=5)
    frames = FrameDraws.from_table(bench.house.bundle.frame_draws)
    (expected,) = voters_over_frames(made.latents, made.design, bench.electorate, made.turnout, BY, frames=frames)
    (mean_frame,) = voter_draws_many(made.latents, made.design, bench.electorate, made.turnout, BY)
    drawn = bench.district_draws(made).draws
    assert_allclose(drawn, expected.drawn.draws)
    assert np.abs(drawn - mean_frame.drawn.draws).max() > 1e-4


def test_what_tells_who_votes_is_fitted_without_the_waves_that_are_held_out(bench: Bench, fit: FakeFit):
    fit.requests.clear()
    run_folds(bench, 3)
    scored, told = bench.question.id, bench.chain[0].question
    asked = asked_of(fit)
    assert [name for name, _ in asked] == [told, scored] * 3
    whole = bench.counts()
    sizes = [int(counts["n"].sum()) for counts in whole.values()]
    assert [n for name, n in asked if name == scored] == [sum(sizes) - size for size in sizes]
    of_told = [n for name, n in asked if name == told]
    assert len(set(of_told)) > 1
    assert sum(of_told) % 2 == 0  # each wave is left out once of three


def test_a_sample_has_as_large_a_part_of_those_who_tell_it(bench: Bench, fit: FakeFit):
    fit.requests.clear()
    total = sum(int(counts["n"].sum()) for counts in bench.counts().values())
    learning_curve(bench, sizes=[total // 4, total], seeds=1)
    scored, told = bench.question.id, bench.chain[0].question
    n = {name: [size for asked, size in asked_of(fit) if asked == name] for name in (scored, told)}
    assert n[scored] == [total // 4, total]
    assert n[told][0] == round(total // 4 / total * n[told][1])


def test_of_several_models_it_is_fitted_once(bench: Bench, fit: FakeFit):
    fit.requests.clear()
    report = compare(bench, models={"own": bench.question.model, "flat": "(1|district)"}, engines=["laplace"], seed=9)
    assert [name for name, _ in asked_of(fit)].count(bench.chain[0].question) == 1
    assert [one.publishable for one in report.candidates] == [True, True]


def test_a_fit_that_tells_who_votes_and_may_not_be_published_is_told(bench: Bench, fit: FakeFit):
    fit.problems.append({"code": "rhat", "message": "R-hat is 1.3"})
    try:
        made = bench.fit(bench.add(list(bench.counts().values())), name="fit", seed=77)
    finally:
        fit.problems.clear()
    assert not made.publishable
    assert made.problems == (
        "R-hat is 1.3",
        f"question {bench.chain[0].question}, which tells who likely voters are: R-hat is 1.3",
    )


def test_who_tells_it_in_held_out_waves_alone_is_refused(bench: Bench):
    counts = bench.add(list(bench.counts().values()))
    with pytest.raises(BacktestImpossible, match="which tells who likely voters are, is asked in waves that are held"):
        bench.fit(counts, name="fit", seed=1, without=tuple(bench.waves.values()))


def test_the_report_says_whom_over_what_and_which_totals(bench: Bench):
    told = bench.chain[0].question
    assert bench.basis.to_json() == {
        "electorate": {
            "population": "voters",
            "people": "likely voters",
            "told_by": [told],
            "n_frames": 2,
            "frame_source": "Census",
            "frame_date": None,
        },
        "known_totals": None,
        "of_what_people_did": False,
        "fitted_apart_from": [],
    }
    whom, totals = bench.basis.sentences()
    assert whom.startswith(f"Scored are estimates among likely voters, who are told by {told}")
    assert whom.endswith("over all 2 frames, each draw with one of them.")
    assert totals == "No known totals are met."
    everybody = basis_of(bench.house.bundle, bench.question.id, partners=(), among=False)
    assert everybody.to_json()["electorate"]["population"] == "everybody"


def test_known_totals_are_met_by_every_draw_with_and_without_the_error_of_others(
    written: WrittenSurvey, tmp_path: Path
):
    share = 0.37

    def with_totals(text: str, scored: str, told: str) -> str:
        option = load_survey(written.path).declaration.question(scored).options[0]
        plain = text.replace('population = "voters"\n', "")
        return plain + (
            f'\n[questions.{scored}.known_totals]\nby = "district"\ndate = 2024-11-05\nsource = "{SOURCE}"\n'
            f'reported = {{ sensitivity = 1, specificity = 1 }}\nshares = {{ "{option}" = "known" }}\n'
        )

    bundle = load_survey(written.path)
    known = bundle.districts.with_columns(known=pl.lit(share))
    folder = declared(written, tmp_path / "survey", with_totals)
    (folder / bundle.declaration.geography.districts_file).unlink()
    known.write_parquet(folder / bundle.declaration.geography.districts_file)
    with benched(folder, Adjusting()) as bench:
        made = fit_all(bench, seed=3)
        assert_allclose(bench.district_draws(made).draws[:, :, 0], share, atol=1e-6)
        half = dict.fromkeys(("yes", "no"), 0.5)
        other = NationalErrors("other", {"yes": 0.1, "no": -0.1}, half, dict.fromkeys(half, 0.06))
        report = score_with_record(bench, [other], correlation=0.7, seed=1)
        assert report.total.whole.mean_width == pytest.approx(0, abs=1e-5)
        assert bench.basis.known_totals is not None
        assert bench.basis.known_totals["source"] == SOURCE
        (_, said) = bench.basis.sentences()
        assert said == f"Every draw meets the known totals of {bench.question.id} by district ({SOURCE})."
