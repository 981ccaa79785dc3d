"""Known totals and the error that polls share, from the declaration to the stored draws."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose

from fixtures.survey_folder import WrittenSurvey
from jobs.adjustments import moving_problems
from jobs.confirm import prepare_confirmation
from jobs.confirm_judge import judge
from jobs.fit_process import fit
from jobs.fit_request import FitRequest, FitResult
from jobs.refit import electorate_of, prepare_refit
from jobs.survey import formula_problems, load_survey, update_survey
from mrp.adjusted import NOTHING, second_design
from mrp.design import Design
from mrp.errors import FrameError
from mrp.grouping import Grouping
from mrp.known_totals import calibrate
from mrp.latents import LatentDraws
from mrp.outcomes import design_from_json
from mrp.outcomes.designs import AnyDesign, draws_many
from mrp.poststratification import cell_shares
from mrp.shifts import as_fitted
from polling.errors import PredictorsRejected
from polling.store import fits, releases
from polling.store.records import FitRecord
from tests.jobs.house import NOON, House, furnish
from tests.jobs.kinds import HOME, with_party
from tests.jobs.test_partners import in_here, with_labels, without, work
from tests.jobs.test_predictors import prepare, upload

KNOWN = """
[systematic_error]
national_sd = 0.04
basis = "The errors of ten polls."

[questions.voting_age.known_totals]
by = "district"
date = 2020-11-03
source = "The count of 2020"
shares = { "yes" = "old_enough" }

[questions.rail.moved_by]
question = "voting_age"

[questions.party.known_totals]
by = "district"
date = 2020-11-03
source = "The count of 2020"
reported = { sensitivity = 1, specificity = 1 }
shares = { "Rail" = "of_rail", "Town" = "of_town", "Green" = "of_green", "Isles" = "of_isles" }
"""
QUESTIONS = ("party", "rail", "voting_age")


def with_totals(written: WrittenSurvey, folder: Path) -> WrittenSurvey:
    """A copy of the survey in which two questions are fitted together, and it is known what was answered to one."""
    labelled = with_party(with_labels(written, folder / "labels"), folder / "survey")
    path = labelled.path
    text = (path / "survey.toml").read_text()
    first = re.search(r'\[questions\.voting_age\][^\[]*options = \["([^"]*)"', text)
    assert first is not None
    (path / "survey.toml").write_text(text + KNOWN.replace('"yes" = "old', f'"{first[1]}" = "old'))
    districts = pl.read_parquet(path / "districts.parquet")
    n = districts.height
    home = districts["code"].is_in(list(HOME)).to_numpy()
    isles = np.where(home, 0.25, 0.0)
    green = np.full(n, 0.15)
    rail = (1 - isles - green) * np.linspace(0.3, 0.7, n)
    shares = {"of_rail": rail, "of_town": 1 - isles - green - rail, "of_green": green, "of_isles": isles}
    districts.with_columns(pl.Series(name, of) for name, of in shares.items()).with_columns(
        old_enough=pl.Series(np.linspace(0.35, 0.65, n))
    ).write_parquet(path / "districts.parquet")
    return replace(labelled, path=path)


@pytest.fixture(scope="module")
def declared(written: WrittenSurvey, tmp_path_factory: pytest.TempPathFactory) -> WrittenSurvey:
    return with_totals(written, tmp_path_factory.mktemp("totals"))


@pytest.fixture(scope="module")
def fitted(declared: WrittenSurvey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house in which a wave is in a release of each question that was really fitted."""
    with furnish(declared, tmp_path_factory.mktemp("known")) as mine:
        mine.settings = replace(mine.settings, laplace_points=150, laplace_draws=400)
        mine.push(1)
        work(mine, fit=in_here)
        yield mine


@pytest.fixture
def house(declared: WrittenSurvey, tmp_path: Path) -> Iterator[House]:
    """Fits take no time in it."""
    with furnish(declared, tmp_path) as mine:
        yield mine


def served(house: House, question: str) -> FitRecord:
    with house.store.read() as session:
        release = releases.current_release(session, "demo", question)
        assert release is not None, [(job.code, job.detail) for job in house.jobs()]
        return fits.get_fit(session, release.fit_id)


def drawn(house: House, question: str) -> tuple[tuple[LatentDraws, AnyDesign], tuple[LatentDraws, AnyDesign]]:
    """First and second draws with their designs, as they are stored."""
    fit_id = served(house, question).id
    with house.store.read() as session:
        first, second = fits.load_draws(session, fit_id), fits.load_second(session, fit_id)
        stored: Any = fits.load_design(session, fit_id)
    assert second is not None
    design = design_from_json(stored)
    seconds = second_design(design, electorate(house))
    return (LatentDraws.from_bytes(first), design), (LatentDraws.from_bytes(second), seconds)


def electorate(house: House) -> Any:
    return electorate_of(load_survey(house.written.path))


def shares(house: House, latents: LatentDraws, design: AnyDesign) -> np.ndarray:
    """Of every district, shape (draw, district, estimand)."""
    (found,) = draws_many(latents, design, electorate(house), [Grouping(("district",))])
    return found.draws


def districts(house: House) -> pl.DataFrame:
    return pl.read_parquet(house.written.path / "districts.parquet").sort("code")


def test_stored_draws_of_a_question_meet_its_totals_with_and_without_the_error(fitted: House):
    known = districts(fitted)["old_enough"].to_numpy()

    for latents, design in drawn(fitted, "voting_age"):
        assert_allclose(
            shares(fitted, latents, design)[:, :, 0], np.tile(known, (latents.draws.shape[0], 1)), atol=1e-5
        )


def test_those_of_several_options_do_too_and_who_does_not_stand_has_nobody(fitted: House):
    known = districts(fitted).select("of_rail", "of_town", "of_green", "of_isles").to_numpy()

    for latents, design in drawn(fitted, "party"):
        assert_allclose(shares(fitted, latents, design), np.tile(known, (latents.draws.shape[0], 1, 1)), atol=1e-5)


def test_a_partner_moves_along_by_the_slope_of_each_draw(fitted: House):
    of = {}
    for question in ("rail", "voting_age"):
        (latents, design), _ = drawn(fitted, question)
        of[question] = latents.draws[:, design.common.n_fitted :].astype(np.float64)
    fit = np.array([(x @ y) / (x @ x) for x, y in zip(of["voting_age"], of["rail"], strict=True)])

    assert fit.std() > 0
    assert_allclose(of["rail"], of["voting_age"] * fit[:, None], atol=1e-5)
    assert served(fitted, "rail").seed == served(fitted, "voting_age").seed


def test_the_fit_itself_is_as_it_would_be_without_totals(fitted: House):
    request = prepared(fitted, "voting_age")
    plain = fit(replace(request, adjustments=NOTHING), progress=StringIO())
    (latents, design), _ = drawn(fitted, "voting_age")

    found, of = as_fitted(latents, design)
    assert np.array_equal(found.draws, LatentDraws.from_bytes(plain.draws).draws)
    assert of.to_json() == design_from_json(plain.design).to_json()
    assert plain.second is None


def test_inputs_name_the_totals_and_the_scale(fitted: House):
    inputs: Any = served(fitted, "rail").inputs

    known = inputs["known_totals"]
    assert (known["question"], known["by"], known["date"]) == ("voting_age", "district", "2020-11-03")
    assert known["source"] == "The count of 2020"
    assert len(known["sha256"]) == 64
    assert inputs["systematic_error"]["national_sd"] == 0.04
    assert inputs["systematic_error"]["correlation"] == 0.7


def test_uploaded_totals_take_the_place_of_those_of_the_table_from_their_day_on(house: House):
    house.push(1)
    before = {question: prepare(house, question) for question in QUESTIONS}
    asked = {job.question_id for job in upload(house, date(2025, 8, 1), "the recount", old_enough=0.4).jobs}
    after = {question: prepare(house, question) for question in QUESTIONS}

    assert asked == {"voting_age", "rail"}
    for question in asked:
        totals = after[question].request.adjustments.totals
        assert totals is not None
        assert totals.shares["share"] == {f"D0{n}": pytest.approx(0.39 + 0.01 * n) for n in range(1, 9)}
        known = after[question].inputs["known_totals"]
        assert (known["date"], known["source"]) == ("2025-08-01", "the recount")
        assert known["sha256"] != before[question].inputs["known_totals"]["sha256"]
        # The same interviews make the same fit, whatever it is calibrated to.
        assert after[question].request.seed == before[question].request.seed
        assert [one["columns"] for one in after[question].inputs["predictors"]] == [["old_enough"]]


def test_uploaded_totals_that_cannot_be_are_refused(house: House):
    with pytest.raises(PredictorsRejected, match="the total of district 'D07' must be above 0 and below 1"):
        upload(house, date(2025, 8, 2), old_enough=0.94)
    with pytest.raises(PredictorsRejected, match="the totals of district 'D01' sum to"):
        upload(house, date(2025, 8, 2), of_rail=0.9)


def test_the_verdict_warns_of_reports_and_the_diagnostics_tell_how_far_areas_moved(fitted: House):
    warnings = {question: served(fitted, question).verdict["warnings"] for question in QUESTIONS}  # type: ignore[index, call-overload]

    for question in ("rail", "voting_age"):
        assert any("as if all of them remembered" in one for one in warnings[question])
    assert not any("remembered" in one for one in warnings["party"])
    with fitted.store.read() as session:
        told: Any = fits.load_diagnostics(session, served(fitted, "party").id)
    assert set(told["known_totals"]["moved"]) == set(districts(fitted)["code"])


def test_a_confirmation_compares_what_the_engines_gave(fitted: House):
    with fitted.store.read() as session:
        about = prepare_confirmation(session, fitted.settings, survey_id="demo", question_id="voting_age")
    assert about.request.adjustments == prepared(fitted, "voting_age").adjustments
    result = FitResult("nuts", about.latents.to_bytes(), about.design, {"problems": []}, {}, about.fit.priors, {}, {})
    told = judge(about, result).sentence

    # Draws that meet totals do not vary, and would leave nothing to compare.
    assert "differ by typically 0.00" in told or "settled nothing" in told


def prepared(house: House, question: str) -> FitRequest:
    with house.store.read() as session:
        return prepare_refit(session, house.settings, survey_id="demo", question_id=question).request


def test_a_request_crosses_with_its_adjustments(fitted: House, tmp_path: Path):
    request = prepared(fitted, "rail")
    request.write(tmp_path)

    assert FitRequest.read(tmp_path).adjustments == request.adjustments


def test_totals_of_a_partner_without_interviews_move_nothing_and_are_missed(house: House):
    house.push(1, content=without(house, 1, "voting_age", "party"))
    with house.store.read() as session:
        about = prepare_refit(session, house.settings, survey_id="demo", question_id="rail")

    assert about.request.adjustments.totals is None
    assert about.request.adjustments.error is not None
    work(house)
    warnings: Any = served(house, "rail").verdict
    assert any("do not move rail" in one for one in warnings["warnings"])


def test_totals_that_a_partner_cannot_meet_stop_its_own_fit_alone(fitted: House):
    rail, voting_age = prepared(fitted, "rail"), prepared(fitted, "voting_age")
    totals = voting_age.adjustments.totals
    assert totals is not None
    of_nobody = replace(voting_age.adjustments, totals=replace(totals, shares={"share": {"nowhere": 0.5}}))
    (partner,) = rail.partners
    alone = replace(rail, adjustments=NOTHING, partners=(replace(partner, adjustments=of_nobody),))

    assert alone.part("voting_age").adjustments == of_nobody
    assert not fit(alone, progress=StringIO()).others
    with pytest.raises(FrameError, match="'nowhere'"):
        fit(replace(voting_age, adjustments=of_nobody), progress=StringIO())


def test_a_changed_total_is_another_fit_of_the_same_seed(house: House):
    house.push(1)
    before = prepared(house, "rail")
    path = house.written.path / "survey.toml"
    text = path.read_text()
    try:
        path.write_text(text.replace("national_sd = 0.04", "national_sd = 0.05").replace("of 2020", "of 2021"))
        update_survey(
            house.store, house.secrets, house.settings, load_survey(house.written.path), actor="test", now=NOON
        )
    finally:
        path.write_text(text)
    with house.store.read() as session:
        after = prepare_refit(session, house.settings, survey_id="demo", question_id="rail")

    assert after.request.seed == before.seed
    assert after.inputs["known_totals"]["source"] == "The count of 2021"
    assert {job.question_id for job in house.jobs("queued") if job.kind == "refit"} == set(QUESTIONS)


def test_a_question_cannot_move_along_where_the_formulas_share_no_effects_of_the_areas(declared: WrittenSurvey):
    bundle = load_survey(declared.path)
    rail, other = (bundle.declaration.question(one) for one in ("rail", "voting_age"))
    assert formula_problems(rail, bundle) == ()
    plain = replace(rail, model="last_share + (1|district) + (1|p|age)")

    (problem,) = moving_problems(plain, [plain, other])
    assert "share no such term; write (1|p|district) in both" in problem


def test_odds_within_a_district_are_those_of_the_fit_and_a_second_time_changes_nothing(fitted: House):
    (latents, design), _ = drawn(fitted, "voting_age")
    assert isinstance(design, Design)
    of = electorate(fitted)
    logits = [
        np.log(1 / (1 / cell_shares(*one, of.frame).astype(np.float64) - 1))
        for one in ((latents, design), as_fitted(latents, design))
    ]
    moved = logits[0] - logits[1]
    for code in of.codes:
        here = (of.frame["district"] == code).to_numpy()
        assert_allclose(moved[:, here], np.tile(moved[:, here][:, :1], (1, int(here.sum()))), atol=2e-4)

    met = prepared(fitted, "voting_age").adjustments.totals
    assert met is not None
    again = calibrate(latents, design, of, met.met, by="district")
    assert_allclose(again.delta, 0, atol=1e-4)
