"""A question of several options, from a pushed wave to a published release and whatever comes after it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from api.record_words import record_in_words
from api.track_record import track_record
from fixtures.survey_folder import WrittenSurvey
from jobs import wave_life
from jobs.backtest_tables import read_outcomes
from jobs.check import prepare_check
from jobs.check_ask import (
    AT_ONCE,
    LEFT_OUT,
    POLLSTERS,
    PREDICTIVE,
    PRIORS,
    SENSITIVITY,
    ask_next_check,
)
from jobs.check_candidates import compare_candidates
from jobs.check_made import CHECKS
from jobs.confirm import prepare_confirmation
from jobs.confirm_judge import judge
from jobs.erasure import erase
from jobs.errors import BacktestImpossible
from jobs.fit_process import fit
from jobs.fit_request import FitRequest, FitResult
from jobs.known_results import add_known_result
from jobs.outcomes import outcome_of, without_astray
from jobs.purged_counts import collapse_left
from jobs.refit import electorate_of, prepare_refit
from jobs.settings import Settings
from jobs.survey import formula_problems, load_survey
from mrp.categorical.counts import coarsest_options, count_name
from mrp.grouping import Grouping
from mrp.latents import LatentDraws
from mrp.outcomes import design_from_json, draws_many, estimands, outcome_from_json, priors_in_words
from mrp.priors import Priors
from polling.codebook import convert
from polling.declaration import (
    Backtest,
    Demographic,
    Geography,
    Question,
    Retention,
    SurveyDeclaration,
    Weights,
)
from polling.enums import as_texts
from polling.purged import MEAN, SQUARES, counts_of, kept_of, reduce_to_counts
from polling.store import checks, fits, queue, releases, scores, waves
from polling.store.records import ReleaseRecord
from tests.jobs.house import House, furnish
from tests.jobs.kinds import HOME, PARTIES, party_shares, with_party

COLUMNS = [count_name(party) for party in PARTIES]


def in_here(request: FitRequest, settings: Settings, *, beat: Callable[..., bool], stop: Any) -> FitResult:
    """Fits in this process what is meant for one of its own; other questions have no fit."""
    return fit(request, progress=StringIO())


def work(house: House, **changes: Any) -> None:
    house.wait(60)
    worker = house.worker(**changes)
    while worker.turn(house.now):
        pass


@pytest.fixture(scope="module")
def asked(written: WrittenSurvey, tmp_path_factory: pytest.TempPathFactory) -> WrittenSurvey:
    return with_party(written, tmp_path_factory.mktemp("kinds") / "survey")


@pytest.fixture
def house(asked: WrittenSurvey, tmp_path: Path) -> Iterator[House]:
    """Fits take no time in it."""
    with furnish(asked, tmp_path) as mine:
        yield mine


@pytest.fixture(scope="module")
def fitted(asked: WrittenSurvey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house in which all waves of the question are in a release that was really fitted."""
    with furnish(asked, tmp_path_factory.mktemp("fitted")) as mine:
        mine.settings = replace(mine.settings, laplace_points=200, laplace_draws=500)
        for number in (1, 2, 3):
            mine.push(number)
        with mine.store.write() as session:
            for job in queue.list_jobs(session, states=("queued",)):
                if job.question_id != "party":
                    queue.cancel(session, job.id, now=mine.now)
        work(mine, fit=in_here)
        yield mine


def current(house: House) -> ReleaseRecord:
    with house.store.read() as session:
        found = releases.current_release(session, "demo", "party")
    assert found is not None, [(job.code, job.detail) for job in house.jobs()]
    return found


def prepared(house: House) -> Any:
    with house.store.read() as session:
        return prepare_refit(session, house.settings, survey_id="demo", question_id="party")


def loaded(house: House, release: ReleaseRecord) -> tuple[Any, LatentDraws, pl.DataFrame]:
    with house.store.read() as session:
        return (
            design_from_json(fits.load_design(session, release.fit_id)),  # type: ignore[arg-type]
            LatentDraws.from_bytes(fits.load_draws(session, release.fit_id)),
            pl.read_parquet(BytesIO(fits.load_counts(session, release.fit_id))),
        )


def by_hand(asked: WrittenSurvey, *numbers: int) -> pl.DataFrame:
    """How many of each district chose each party, without the refit's code."""
    declaration = load_survey(asked.path).declaration
    tables = []
    for number in numbers:
        wave = asked.waves[number - 1]
        columns = declaration.columns_of(wave.pollster)
        table = pl.read_csv(wave.path, infer_schema=False)
        tables.append(table.select(pl.col(columns["district"]).alias("district"), "party"))
    answers = pl.concat(tables).filter(pl.col("party") != "?").with_columns(pl.col("party").replace("Railway", "Rail"))
    return answers.pivot("party", index="district", aggregate_function="len", values="party").sort("district")


def test_a_question_of_several_options_is_counted_by_cell_and_option(asked: WrittenSurvey, house: House):
    house.push(1)
    house.push(2)
    request = prepared(house)
    counts, expected = request.request.counts, by_hand(asked, 1, 2)
    districts = counts.group_by("district").agg(pl.col("n", *COLUMNS).sum()).sort("district")

    assert counts.columns == ["district", "age", "gender", "education", "n", *COLUMNS]
    for party, column in zip(PARTIES, COLUMNS, strict=True):
        assert districts[column].to_list() == expected[party].fill_null(0).to_list()
    assert districts["n"].to_list() == districts.select(pl.sum_horizontal(COLUMNS)).to_series().to_list()
    assert request.inputs["outcome"] == outcome_of(request.question).to_json()
    assert "option" not in request.inputs
    assert request.n_interviews == counts["n"].sum()


def test_who_chose_an_option_where_it_does_not_stand_is_left_out_and_it_is_said(asked: WrittenSurvey, house: House):
    wave = asked.waves[0]
    column = load_survey(asked.path).declaration.columns_of(wave.pollster)["district"]
    table = pl.read_csv(wave.path, infer_schema=False).with_row_index("row")
    abroad = ~pl.col(column).is_in(list(HOME)) & (pl.col("party") == "Green")
    table = table.with_columns(pl.when(abroad).then(pl.lit("Isles")).otherwise("party").alias("party")).drop("row")
    n_green = pl.read_csv(wave.path, infer_schema=False).filter(abroad).height
    house.push(1, content=table.write_csv().encode())
    request = prepared(house)

    assert request.inputs["n_astray"] == n_green > 0
    assert request.n_interviews == (table["party"] != "?").sum() - n_green
    assert request.request.counts.filter(~pl.col("district").is_in(list(HOME)))[COLUMNS[3]].sum() == 0
    work(house)
    with house.store.read() as session:
        verdict: Any = fits.get_fit(session, current(house).fit_id).verdict
    assert [text.split(":")[1] for text in verdict["warnings"]] == [
        " they chose an option where it does not stand, by [questions.party.only_in]"
    ]


def test_counts_without_strays_are_as_they_were(asked: WrittenSurvey, house: House):
    house.push(3)
    request = prepared(house)
    counts, electorate = request.request.counts, electorate_of(load_survey(asked.path))

    kept, n_astray = without_astray(counts, request.question, electorate)
    assert (kept.equals(counts), n_astray) == (True, 0)
    everywhere = replace(request.question, only_in={})
    assert without_astray(counts, everywhere, electorate)[0] is counts


def test_weights_are_counted_for_every_option_and_go_with_who_is_left_out(asked: WrittenSurvey):
    bundle = load_survey(asked.path)
    electorate, question = electorate_of(bundle), bundle.declaration.question("party")
    rows = [("D01", "Rail", 1.0), ("D01", "Isles", 3.0), ("D07", "Isles", 2.0), ("D07", "Isles", 4.0)]
    interviews = pl.DataFrame(rows, schema=["district", "party", "weight"], orient="row")
    counts = outcome_of(replace(question, weights="likelihood")).collapse(
        interviews, by=("district",), answer="party", weight="weight"
    )
    kept, n_astray = without_astray(counts, question, electorate)

    columns = ["n", "y[Isles]", "weight", "weight[Rail]", "weight[Isles]", "weight_square"]
    # Relative to their mean, 2.5.
    assert counts.select(columns).rows()[0] == pytest.approx((2, 1, 1.6, 0.4, 1.2, 1.6))
    # Of the squares the part of the weight is kept, a quarter: which were those of whom is not known any more.
    assert kept.select(columns).rows()[0] == pytest.approx((1, 0, 0.4, 0.4, 0.0, 0.4))
    assert kept.rows()[1] == counts.rows()[1]
    assert n_astray == 1
    assert coarsest_options(outcome_of(question).build("1", electorate), kept)["n"].sum() > 0


def test_what_is_declared_of_standard_deviations_and_dispersion_reaches_the_fit(asked: WrittenSurvey):
    bundle = load_survey(asked.path)
    party, rail = (bundle.declaration.question(name) for name in ("party", "rail"))
    by_option = outcome_of(replace(party, sd="by option", dispersion=True))
    dispersed = outcome_of(replace(rail, dispersion=True))

    assert by_option.build(party.model, electorate_of(bundle)).sd == "by option"  # type: ignore[union-attr]
    for outcome in (by_option, dispersed, outcome_of(party), outcome_of(rail)):
        assert outcome_from_json(outcome.to_json()) == outcome
    assert "dispersed" not in outcome_of(rail).to_json()  # whose seed is that of before
    words = priors_in_words(Priors(), by_option.build(party.model, electorate_of(bundle)), dispersed=True)
    assert words["(1|age)"] == "normal(0, sd) with sd ~ half_normal(0.5), one for each option"
    assert words["dispersion"] == "half_normal(0.3)"


@pytest.mark.parametrize("weights", ["ignored", "likelihood"])
def test_what_a_purge_leaves_counts_as_the_interviews_did(asked: WrittenSurvey, weights: Weights):
    declaration = load_survey(asked.path).declaration
    declaration = replace(declaration, retention=Retention(30, 1))
    wave = asked.waves[1]
    table = pl.read_csv(wave.path, infer_schema=False)
    question = replace(declaration.question("party"), weights=weights)
    weight = "weight" if weights == "likelihood" else None
    record: Any = type("Wave", (), {"reference": wave.reference, "pollster": wave.pollster})
    by = declaration.cell_columns

    left = reduce_to_counts(table, declaration, pollster=wave.pollster)
    counts = collapse_left(left, record, declaration, question, by=by, of_wave={}, weight=weight)

    interviews = convert(table, declaration, pollster=wave.pollster).interviews
    kept = interviews.filter(pl.col("party").is_not_null() & ~pl.col("excluded"))
    expected = outcome_of(question).collapse(as_texts(kept), by=by, answer="party", weight=weight)
    assert_frame_equal(counts, expected.sort(by), check_exact=weight is None)


def test_of_numbers_a_purge_keeps_how_many_their_mean_and_their_squares():
    question = Question("warmth", "warmth", "?", "numeric", (), "1", not_asked=("-",))
    declaration = SurveyDeclaration(
        id="small",
        title="Small",
        universe="Adults",
        columns={"date": "day"},
        geography=Geography("place", "place", "d", codes=("A", "B")),
        demographics=(Demographic("age", "age", ("young", "old")),),
        questions=(question,),
        frame_file="f",
        retention=Retention(30, 2),
    )
    rows = [("A", "young", "1"), ("A", "young", "4"), ("A", "young", "7"), ("A", "old", "5"), ("B", "old", "2")]
    rows += [("B", "old", "2"), ("B", "young", "-"), ("B", "young", "9")]
    table = pl.DataFrame(rows, schema=["place", "age", "warmth"], orient="row").with_columns(day=pl.lit("2026-02-16"))

    content = reduce_to_counts(table, declaration, pollster="Acme")

    left = counts_of(content, "warmth").filter(pl.col("status") == "answered")
    assert left.select("place", "age", "n", MEAN, SQUARES).rows() == [
        ("A", "young", 3, 4.0, 18.0),  # 9 + 0 + 9
        ("B", "old", 2, 2.0, 0.0),
        ("B", "young", 1, 9.0, 0.0),
    ]
    assert (kept_of(content)["warmth"].n_kept, kept_of(content)["warmth"].n_dropped) == (7, 1)


def test_a_withdrawn_wave_is_in_no_count_any_more(asked: WrittenSurvey, house: House):
    house.push(1)
    house.push(2)
    work(house)
    told = {"survey_id": "demo", "reason": "a mistake", "now": house.now, "actor": "test"}
    wave_life.withdraw(house.store, house.secrets, house.settings, wave=asked.waves[0].reference, **told)
    work(house)

    release = current(house)
    _, _, counts = loaded(house, release)
    assert release.number == 2
    assert tuple(counts[column].sum() for column in COLUMNS) == by_hand(asked, 2).select(pl.col(PARTIES).sum()).row(0)


def test_an_erased_respondent_is_in_no_count_any_more(asked: WrittenSurvey, house: House):
    house.push(1)
    work(house)
    before = loaded(house, current(house))[2]
    table = pl.read_csv(asked.waves[0].path, infer_schema=False)
    who = table.filter(pl.col("party") == "Green").row(0, named=True)
    erase(
        house.store,
        house.secrets,
        house.settings,
        survey_id="demo",
        respondent=who["respondent"],
        now=house.now,
        actor="test",
    )
    with house.store.read() as session:
        assert fits.get_fit(session, current(house).fit_id).contains_erased_at is not None
    work(house)
    after = loaded(house, current(house))[2]

    assert [int(before[name].sum() - after[name].sum()) for name in ("n", *COLUMNS)] == [1, 0, 0, 1, 0]


def test_a_wave_far_from_the_release_waits_and_the_flag_names_the_option(asked: WrittenSurvey, house: House):
    house.push(1)
    work(house)
    wave = asked.waves[1]
    table = pl.read_csv(wave.path, infer_schema=False).with_columns(party=pl.lit("Green"))

    received = house.push(2, content=table.write_csv().encode())

    (flag,) = [one for one in received.wave.flags if one["kind"] == "surprise" and one["about"] == "party"]
    assert received.wave.state == "held"
    assert flag["over"]
    assert flag["words"].startswith("The share of Green is 1.000 where ")


def test_a_wave_as_predicted_is_no_surprise(fitted: House):
    with fitted.store.read() as session:
        flags = [flag for wave in waves.list_waves(session, "demo") for flag in wave.flags]
    assert not [flag for flag in flags if flag["about"] == "party" and flag["over"]]


def test_the_release_is_that_of_the_model_and_finds_the_planted_truth(asked: WrittenSurvey, fitted: House):
    release, bundle = current(fitted), load_survey(asked.path)
    design, latents, counts = loaded(fitted, release)
    electorate = electorate_of(bundle)
    with fitted.store.read() as session:
        record = fits.get_fit(session, release.fit_id)
        diagnostics: Any = fits.load_diagnostics(session, release.fit_id)
    verdict, priors = (cast("Any", one) for one in (record.verdict, record.priors))

    assert (record.engine, verdict["problems"], verdict["warnings"]) == ("laplace", [], [])
    assert estimands(design) == PARTIES
    assert (
        record.n_interviews
        == counts["n"].sum()
        == by_hand(asked, 1, 2, 3).select(pl.col(PARTIES).sum()).sum_horizontal()[0]
    )
    assert set(priors) == {"intercept", "own(log(past))", "(1|district)", "(1|age)"}
    assert {one["term"] for one in diagnostics["variation"]} == set(priors) - {"intercept"}

    districts, nation = draws_many(latents, design, electorate, [Grouping(by=("district",)), Grouping()])
    np.testing.assert_allclose(districts.draws.sum(axis=2), 1, atol=1e-6)
    abroad = ~districts.areas["district"].is_in(list(HOME)).to_numpy()
    assert (districts.of("Isles").draws[:, abroad] == 0).all()
    truth = party_shares(pl.read_parquet(written_districts(asked)), electorate.frame, bundle.declaration.levels["age"])
    people = electorate.frame["n_people"].to_numpy()
    expected = people @ truth / people.sum()
    mean, sd = nation.draws.mean(axis=0)[0], nation.draws.std(axis=0)[0]
    # Four shares that sum to one, each within its own three sds and a half: one honest seed in 500 would fail.
    assert (np.abs(mean - expected) < 3.5 * sd).all(), (mean, expected, sd)
    assert (sd < 0.04).all()


def test_the_same_interviews_have_the_same_seed_in_another_house(asked: WrittenSurvey, fitted: House, house: House):
    house.settings = replace(house.settings, laplace_points=200, laplace_draws=500)
    for number in (3, 1, 2):
        house.push(number)
    with fitted.store.read() as session:
        seed = fits.get_fit(session, current(fitted).fit_id).seed
    assert prepared(house).request.seed == seed


def test_a_request_reads_back_as_it_was_written(fitted: House, tmp_path: Path):
    request = prepared(fitted).request
    request.write(tmp_path)
    read = FitRequest.read(tmp_path)

    assert read.outcome.to_json() == request.outcome.to_json()
    assert read.outcome.kind == "categorical"
    assert read.counts.equals(request.counts)


def test_what_happened_is_scored_option_by_option(asked: WrittenSurvey, fitted: House):
    bundle = load_survey(asked.path)
    frame = bundle.frame
    share = party_shares(pl.read_parquet(written_districts(asked)), frame, bundle.declaration.levels["age"])
    rows = []
    for code in bundle.districts["code"]:
        here = (frame["district"] == code).to_numpy()
        people = frame["n_people"].to_numpy()[here]
        rows += [(code, party, one) for party, one in zip(PARTIES, people @ share[here] / people.sum(), strict=True)]
    # Who reports leaves out where nobody stood, and one party of one district.
    table = pl.DataFrame(rows, schema=["geography", "option", "share"], orient="row").filter(pl.col("share") > 0)
    table = table.filter(~((pl.col("geography") == "D01") & (pl.col("option") == "Rail")))
    add_known_result(
        fitted.store,
        fitted.secrets,
        survey_id="demo",
        question_id="party",
        content=table.write_csv().encode(),
        refers_to=date(2025, 10, 1),
        source="the generator",
        now=fitted.now,
        actor="test",
    )
    work(fitted, fit=in_here)
    with fitted.store.read() as session:
        (record,) = scores.list_scores(session, "demo", "party")
        told = track_record(session, "demo", "party", level=None)
    found = {(row["option"], row["method"], row["level"]): row for row in record.scores or ()}

    # Isles has a truth in two districts: too few for the nation, which follows from all of them.
    assert {option for option, method, level in found if (method, level) == ("mrp", "district")} == set(PARTIES)
    assert [found[party, "mrp", "district"]["n_areas"] for party in PARTIES] == [7, 8, 8, 2]
    assert {option for option, method, level in found if (method, level) == ("mrp", "nation")} == {"Town", "Green"}
    assert found["Green", "mrp", "district"]["rmse"] < 0.08
    assert {row.option for row in told.scores} == set(PARTIES)
    squares = [found[party, "mrp", "district"]["rmse"] ** 2 for party in PARTIES]
    (_, sentence) = record_in_words(told)
    assert sentence.startswith(f"Release 1 was typically {100 * np.sqrt(np.mean(squares)):.1f} points off, ")
    assert {method for option, method, _ in found if option == "Green"} >= {"mrp", "national_mean", "predictors_alone"}


def test_nuts_is_compared_with_every_share_that_varies(fitted: House):
    with fitted.store.write() as session:
        about = prepare_confirmation(session, fitted.settings, survey_id="demo", question_id="party")
    latents = about.latents.draws
    rng = np.random.default_rng(5)
    mean, sd = latents.mean(axis=0), latents.std(axis=0)

    def draws(n_chains: int) -> LatentDraws:
        made = (mean + sd * rng.standard_normal((8000, len(sd)))).astype(np.float32)
        return LatentDraws(made, about.latents.names, n_chains=n_chains, link="softmax")

    result = FitResult("nuts", draws(4).to_bytes(), about.design, {"problems": []}, {}, about.fit.priors, {}, {})
    said = judge(replace(about, latents=draws(1)), result)

    assert said.state == "agrees", said.sentence
    # Everybody, 8 districts, 6 ages, 2 genders, 4 levels of education, of 4 parties each, without Isles in 6 of them.
    assert said.numbers["n_estimates"] == 4 * (1 + 8 + 6 + 2 + 4) - 6
    one = draws(1)
    off = replace(about, latents=replace(one, draws=one.draws + 2 * sd.astype(np.float32)))
    assert judge(off, result).state == "disagrees"


def test_every_option_is_checked_against_the_interviews(fitted: House):
    with fitted.store.read() as session:
        checked = prepare_check(session, fitted.settings, survey_id="demo", question_id="party")
    assert "pollster" in checked.counts.columns  # as the waves are those that were fitted
    content, concerns = CHECKS[PREDICTIVE](checked)
    margins: Any = content["margins"]

    assert concerns == ()
    assert {one["option"] for one in margins} == set(PARTIES)
    whole = {one["option"]: one["groups"][0] for one in margins if one["columns"] == []}
    everybody = [one for one in PARTIES if one != "Isles"]
    assert all(whole[one]["low"] <= whole[one]["predicted"] <= whole[one]["high"] for one in everybody)
    # The noise of what is told is of 400 cells of few people.
    exact = checked.counts.select(pl.col("n", *COLUMNS).sum()).row(0)
    for party, n in zip(PARTIES[:3], exact[1:4], strict=True):
        assert abs(whole[party]["predicted"] - n / exact[0]) < 0.03

    # Of a party that stands in some districts only, both are of those.
    home = checked.counts.filter(pl.col("district").is_in(list(HOME)))
    share = home["y[Isles]"].sum() / home["n"].sum()
    assert abs(whole["Isles"]["predicted"] - share) < 0.1
    assert whole["Isles"]["n_interviews"] < 2 * home["n"].sum() < exact[0]

    # A party that everybody under 25 would rather have than the model says.
    young = (pl.col("age") == "18-24") & (pl.col("y[Rail]") > 0)
    moved = [pl.when(young).then(0).otherwise("y[Rail]").alias("y[Rail]")]
    moved.append(pl.when(young).then(pl.col("y[Green]") + pl.col("y[Rail]")).otherwise("y[Green]").alias("y[Green]"))
    wrong = replace(checked, counts=checked.counts.with_columns(moved))
    _, (first, *_) = CHECKS[PREDICTIVE](wrong)
    assert first.columns == ("age",)
    assert first.sentence.startswith(("Rail: By age, ", "Green: By age, "))


def test_the_job_that_checks_ends_well_with_every_kind_of_check(fitted: House):
    fitted.settings = replace(fitted.settings, check_budget_s=60.0)
    fitted.wait(3600)
    with fitted.store.write() as session:
        assert ask_next_check(session, fitted.settings, now=fitted.now) is not None
    work(fitted, fit=in_here)
    (job,) = [one for one in fitted.jobs() if one.kind == "check"]
    assert (job.state, job.code) == ("succeeded", "checked"), job.detail
    with fitted.store.read() as session:
        made: Any = {one.kind: one.content for one in checks.checks_of(session, current(fitted).fit_id)}
    assert not any("skipped" in made[kind] for kind in (*AT_ONCE, POLLSTERS))
    assert {one.get("option") for one in made[LEFT_OUT]["estimates"]} == {None, *PARTIES}
    nation = {one["option"]: one["nation"] for one in made[PRIORS]["options"]}
    # Of four options none is expected to win, and one of two districts of eight is expected to have less.
    assert 0.15 < nation["Rail"]["0.5"] < 0.4
    assert {"(1|district)", "own(log(past))", "intercept"} == {one["term"] for one in made[PRIORS]["conflicts"]} - {
        "(1|age)"
    }
    names = {one["name"] for one in made[SENSITIVITY]["quantities"]}
    assert {"nation, Rail", "district D07, Isles", "own(log(past))", "sd (1|district)"} <= names
    shown = made[POLLSTERS]["groups"]
    assert {one["pollster"] for one in shown} == {wave.pollster for wave in fitted.written.waves}
    assert {one["option"] for one in shown} == set(PARTIES)
    assert all(one["low"] < one["predicted"] < one["high"] for one in shown)


def test_other_models_of_parties_are_compared_with_that_of_the_release(fitted: House):
    about: dict[str, Any] = {"survey_id": "demo", "question_id": "party"}
    first, poorer = compare_candidates(
        fitted.store,
        fitted.settings,
        **about,
        formulas=["(1|district)"],
        fit=lambda request: fit(request, progress=StringIO()),
    )

    assert first.formula == "own(log(past)) + (1|district) + (1|age)"
    assert (first.difference, first.nation_shift) == (0, 0)
    # Age was planted.
    assert poorer.difference < -2 * poorer.se
    assert any(one.startswith("age (") for one in poorer.misfits)
    assert poorer.nation_option in PARTIES
    levels = {one.level for one in first.scores if one.option is None}
    assert levels == {one.level for one in first.scores if one.option == "Town"}


def test_a_formula_is_checked_as_that_of_its_kind(asked: WrittenSurvey):
    bundle = load_survey(asked.path)
    party, rail = (bundle.declaration.question(name) for name in ("party", "rail"))

    assert formula_problems(party, bundle) == ()
    assert (
        "no columns of the options are declared as 'now'"
        in formula_problems(replace(party, model="own(now)"), bundle)[0]
    )
    assert formula_problems(replace(rail, model="own(past)"), bundle)
    weighted = replace(party, weights="likelihood")
    assert formula_problems(weighted, bundle) == ()
    assert "cannot be over-dispersed as well" in formula_problems(replace(weighted, dispersion=True), bundle)[0]
    assert formula_problems(replace(party, sd="by option", dispersion=True), bundle) == ()
    assert formula_problems(replace(party, priors={"own(log(past))": "normal(1, 0.5)"}), bundle) == ()
    assert formula_problems(replace(party, priors={"own(past)": "normal(1, 0.5)"}), bundle)


def written_districts(asked: WrittenSurvey) -> Path:
    return asked.path / "districts.parquet"


def test_a_truth_is_read_of_the_options_that_it_has(asked: WrittenSurvey, tmp_path: Path):
    party = load_survey(asked.path).declaration.question("party")
    rows = [("D01", "Railway", 0.5), ("D02", "Railway", 0.6), ("D01", "Green", 0.1), ("D01", "Nobody", 0.4)]
    pl.DataFrame(rows, schema=["geography", "option", "share"], orient="row").write_csv(tmp_path / "truth.csv")
    declared, codes = Backtest("x", option="Railway"), pl.Series(["D01", "D02"])

    known = read_outcomes(tmp_path / "truth.csv", declared, party, districts=codes, options=PARTIES)

    assert {option: (one.codes, one.share.tolist()) for option, one in known.items()} == {
        "Rail": (("D01", "D02"), [0.5, 0.6]),
        "Green": (("D01",), [0.1]),
    }
    with pytest.raises(BacktestImpossible, match="has no option 'Town'"):
        read_outcomes(tmp_path / "truth.csv", declared, party, districts=codes, options=("Town", "Isles"))
