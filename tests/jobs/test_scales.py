"""Questions of ordered scales and of numbers, from a pushed wave to a published release and whatever comes after it."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from fixtures.survey_folder import WrittenSurvey
from jobs.check import prepare_check, request_of
from jobs.check_ask import LEFT_OUT, POLLSTERS, PREDICTIVE, PRIORS, SENSITIVITY, ask_next_check
from jobs.check_candidates import compare_candidates
from jobs.check_made import CHECKS
from jobs.check_refits import REFIT_CHECKS, Refits
from jobs.confirm import prepare_confirmation
from jobs.confirm_judge import judge
from jobs.fit_process import fit
from jobs.fit_request import FitRequest, FitResult
from jobs.known_results import add_known_result
from jobs.outcomes import outcome_of
from jobs.purged_counts import collapse_left
from jobs.refit import electorate_of, prepare_refit
from jobs.survey import load_survey
from mrp.grouping import Grouping
from mrp.latents import LatentDraws
from mrp.outcomes import design_from_json, draws_many, estimands
from polling.codebook import convert
from polling.declaration import Retention
from polling.disclosure import DisclosureRules
from polling.enums import as_texts
from polling.errors import ResultRejected
from polling.purged import reduce_to_counts
from polling.store import fits, queue, releases, scores
from tests.jobs.house import House, furnish
from tests.jobs.kinds import AGREE, agree_shares, warmth, with_scales

KINDS = ("agree", "warmth")


def in_here(request: FitRequest, *_: object, **__: object) -> FitResult:
    return fit(request, progress=StringIO())


def work(house: House) -> None:
    house.wait(60)
    worker = house.worker(fit=in_here)
    while worker.turn(house.now):
        pass


@pytest.fixture(scope="module")
def asked(written: WrittenSurvey, tmp_path_factory: pytest.TempPathFactory) -> WrittenSurvey:
    return with_scales(written, tmp_path_factory.mktemp("scales") / "survey")


@pytest.fixture(scope="module")
def fitted(asked: WrittenSurvey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house in which two waves of both questions are in releases that were really fitted."""
    with furnish(asked, tmp_path_factory.mktemp("fitted")) as mine:
        mine.settings = replace(mine.settings, laplace_points=200, laplace_draws=500)
        for number in (1, 2):
            mine.push(number)
        with mine.store.write() as session:
            for job in queue.list_jobs(session, states=("queued",)):
                if job.question_id not in KINDS:
                    queue.cancel(session, job.id, now=mine.now)
        work(mine)
        yield mine


def served(house: House, question: str) -> tuple[Any, Any, LatentDraws, pl.DataFrame]:
    """The fit that is served: record, design, draws, counts."""
    with house.store.read() as session:
        release = releases.current_release(session, "demo", question)
        assert release is not None, [(job.code, job.detail) for job in house.jobs()]
        return (
            fits.get_fit(session, release.fit_id),
            design_from_json(cast("Any", fits.load_design(session, release.fit_id))),
            LatentDraws.from_bytes(fits.load_draws(session, release.fit_id)),
            pl.read_parquet(BytesIO(fits.load_counts(session, release.fit_id))),
        )


def answers(asked: WrittenSurvey, question: str) -> pl.Series:
    tables = [pl.read_csv(wave.path, infer_schema=False)[question] for wave in asked.waves[:2]]
    said = pl.concat(tables)
    return said.filter(said != "?")


def test_a_scale_is_counted_by_option_and_numbers_by_their_mean(asked: WrittenSurvey, fitted: House):
    *_, agree = served(fitted, "agree")
    *_, degrees = served(fitted, "warmth")
    said = answers(asked, "agree")
    number = answers(asked, "warmth").cast(pl.Float64)

    assert [agree[f"y[{option}]"].sum() for option in AGREE] == [(said == option).sum() for option in AGREE]
    assert degrees["n"].sum() == len(number)
    assert (degrees["n"] * degrees["mean"]).sum() / len(number) == pytest.approx(number.mean())
    spread = degrees["ss"].sum() + (degrees["n"] * (degrees["mean"] - number.mean()) ** 2).sum()
    assert spread == pytest.approx(number.var(ddof=0) * len(number))


def test_releases_of_both_find_the_planted_truth(asked: WrittenSurvey, fitted: House):
    bundle = load_survey(asked.path)
    electorate, levels = electorate_of(bundle), bundle.declaration.levels["age"]
    people = electorate.frame["n_people"].to_numpy()
    truth = {
        "agree": people @ agree_shares(bundle.districts, electorate.frame, levels) / people.sum(),
        "warmth": [people @ warmth(bundle.districts, electorate.frame, levels) / people.sum()],
    }
    for question, names in (("agree", AGREE), ("warmth", ("mean",))):
        record, design, latents, counts = served(fitted, question)
        (nation,) = draws_many(latents, design, electorate, [Grouping()])
        mean, sd = nation.draws[:, 0].mean(axis=0), nation.draws[:, 0].std(axis=0)

        assert (record.engine, record.verdict["problems"]) == ("laplace", [])
        assert estimands(design) == names
        assert record.n_interviews == counts["n"].sum() == len(answers(asked, question))
        assert record.inputs["outcome"]["kind"] == {"agree": "ordinal", "warmth": "numeric"}[question]
        # Each within three and a half of its own sds: one honest seed in 400 would fail. Answers beyond 0 and 100 were
        # cut off, which moves the mean by less than a tenth of a degree.
        assert (np.abs(mean - truth[question]) < 3.5 * sd).all(), (mean, truth[question], sd)
        assert (sd < (1.5 if question == "warmth" else 0.04)).all()


def test_priors_and_variation_are_told_in_the_unit_of_the_question(fitted: House):
    record, design, *_ = served(fitted, "warmth")
    with fitted.store.read() as session:
        release = releases.current_release(session, "demo", "warmth")
        assert release is not None
        diagnostics: Any = fits.load_diagnostics(session, release.fit_id)
    sds = {one["term"]: one["sd"] for one in diagnostics["variation"]}

    assert design.unit.scale == 25.0  # a quarter of the declared range
    assert record.priors["intercept"] == "normal(0, 1.5) in units of 25 around 50"
    # A lean of 1.6 from the youngest to the oldest, 8 degrees each: an sd of some 4.
    assert 2.5 < sds["(1|age)"] < 6
    agree, *_ = served(fitted, "agree")
    assert "above the middle of the scale" in agree.priors["intercept"]


@pytest.mark.parametrize("question", KINDS)
def test_what_a_purge_leaves_counts_as_the_interviews_did(asked: WrittenSurvey, question: str):
    declaration = load_survey(asked.path).declaration
    declaration = replace(declaration, retention=Retention(30, 1))
    wave, declared = asked.waves[1], declaration.question(question)
    table, by = pl.read_csv(wave.path, infer_schema=False), declaration.cell_columns
    record: Any = type("Wave", (), {"reference": wave.reference, "pollster": wave.pollster})

    left = reduce_to_counts(table, declaration, pollster=wave.pollster)
    counts = collapse_left(left, record, declaration, declared, by=by, of_wave={}, weight=None)

    interviews = convert(table, declaration, pollster=wave.pollster).interviews
    kept = interviews.filter(pl.col(question).is_not_null() & ~pl.col("excluded"))
    expected = outcome_of(declared).collapse(as_texts(kept), by=by, answer=question)
    assert_frame_equal(counts, expected.sort(by), check_exact=False, rel_tol=1e-9, abs_tol=1e-6)


@pytest.mark.parametrize("question", KINDS)
def test_nuts_can_confirm_it(fitted: House, question: str):
    with fitted.store.write() as session:
        about = prepare_confirmation(session, fitted.settings, survey_id="demo", question_id=question)
    assert about.request.outcome.kind == {"agree": "ordinal", "warmth": "numeric"}[question]
    latents, rng = about.latents, np.random.default_rng(5)
    mean, sd = latents.draws.mean(axis=0), latents.draws.std(axis=0)

    def draws(n_chains: int) -> LatentDraws:
        made = (mean + sd * rng.standard_normal((8000, len(sd)))).astype(np.float32)
        return LatentDraws(made, latents.names, n_chains=n_chains, link=latents.link)

    result = FitResult("nuts", draws(4).to_bytes(), about.design, {"problems": []}, {}, about.fit.priors, {}, {})
    said = judge(replace(about, latents=draws(1)), result)

    assert said.state == "agrees", said.sentence
    assert said.numbers["n_estimates"] == (1 + 8 + 6 + 2 + 4) * (4 if question == "agree" else 1)


def test_results_of_a_scale_are_scored_option_by_option_and_of_numbers_refused(asked: WrittenSurvey, fitted: House):
    bundle = load_survey(asked.path)
    levels = bundle.declaration.levels["age"]
    people = bundle.frame["n_people"].to_numpy()
    share = people @ agree_shares(bundle.districts, bundle.frame, levels) / people.sum()
    rows = [("all", option, one) for option, one in zip(AGREE, share, strict=True)]
    content = pl.DataFrame(rows, schema=["geography", "option", "share"], orient="row").write_csv().encode()
    about = {"survey_id": "demo", "content": content, "refers_to": date(2025, 10, 1), "source": "the generator"}
    add_known_result(
        fitted.store, fitted.secrets, question_id="agree", now=fitted.now, actor="test", **cast("Any", about)
    )
    work(fitted)
    with fitted.store.read() as session:
        (record,) = scores.list_scores(session, "demo", "agree")

    found = {row["option"]: row for row in record.scores or () if row["method"] == "mrp"}
    assert list(found) == list(AGREE)
    assert all(row["rmse"] < 0.1 for row in found.values())
    with pytest.raises(ResultRejected, match="answered with a number"):
        add_known_result(
            fitted.store, fitted.secrets, question_id="warmth", now=fitted.now, actor="test", **cast("Any", about)
        )


def test_every_option_of_a_scale_is_checked_against_the_interviews(fitted: House):
    with fitted.store.read() as session:
        checked = prepare_check(session, fitted.settings, survey_id="demo", question_id="agree")
    content, concerns = CHECKS[PREDICTIVE](checked)
    margins: Any = content["margins"]

    assert concerns == ()
    assert {one["option"] for one in margins} == set(AGREE)
    whole = {one["option"]: one["groups"][0] for one in margins if one["columns"] == []}
    assert all(one["low"] <= one["predicted"] <= one["high"] for one in whole.values())

    # A scale that was turned round for the oldest.
    names = [f"y[{option}]" for option in AGREE]
    turned = [
        pl.when(pl.col("age") == checked.electorate.levels("age")[-1]).then(pl.col(back)).otherwise(pl.col(name))
        for name, back in zip(names, reversed(names), strict=True)
    ]
    wrong = checked.counts.with_columns(one.alias(name) for one, name in zip(turned, names, strict=True))
    _, (first, *_) = CHECKS[PREDICTIVE](replace(checked, counts=wrong))
    assert "By age, " in first.sentence


def test_means_are_checked_against_the_interviews_and_no_observed_mean_is_told(fitted: House):
    with fitted.store.read() as session:
        checked = prepare_check(session, fitted.settings, survey_id="demo", question_id="warmth")
    content, concerns = CHECKS[PREDICTIVE](checked)
    margins: Any = content["margins"]

    assert concerns == ()
    assert ["age"] in [one["columns"] for one in margins]
    assert [(one["found"], one["groups"], one["typical"]) for one in margins] == [("fits", [], None)] * len(margins)

    oldest = pl.col("age") == checked.electorate.levels("age")[-1]
    warmer = pl.when(oldest).then(pl.col("mean") + 20).otherwise("mean").alias("mean")
    told, (first, *_) = CHECKS[PREDICTIVE](replace(checked, counts=checked.counts.with_columns(warmer)))
    assert first.columns == ("age",)
    assert " higher than it expects" in first.sentence
    assert "point" not in first.sentence
    assert "observed" not in json.dumps(told)
    # Groups of few interviews are not looked at.
    few = replace(checked, rules=DisclosureRules(100, 10_000))
    none: Any = CHECKS[PREDICTIVE](few)[0]
    assert none["margins"] == []


def test_checks_of_numbers_are_in_their_unit_and_tell_no_mean_of_interviews(fitted: House):
    with fitted.store.read() as session:
        checked = prepare_check(session, fitted.settings, survey_id="demo", question_id="warmth")
    made: Any = {kind: CHECKS[kind](checked) for kind in CHECKS}

    left_out, _ = made[LEFT_OUT]
    assert left_out["of"] == "means"
    assert {"level", "error", "noise", "crps"} == set(left_out["estimates"][0])
    # Of about 570 answers with an sd of 12.
    assert 0.3 < left_out["estimates"][0]["noise"] < 0.8
    priors, concerns = made[PRIORS]
    assert concerns == ()
    assert -50 < priors["predictive"]["nation"]["0.05"] < 50 < priors["predictive"]["nation"]["0.95"] < 150
    assert [one["term"] for one in priors["conflicts"]][-1] == "residual"
    names = {one["name"] for one in made[SENSITIVITY][0]["quantities"]}
    assert {"sd residual", "sd (1|district)", "nation", "district D01"} <= names


def test_parts_of_the_interviews_are_compared_with_fits_to_the_others(fitted: House):
    for question in KINDS:
        with fitted.store.read() as session:
            checked = prepare_check(session, fitted.settings, survey_id="demo", question_id=question)
            request = request_of(session, fitted.settings, checked)
        refits = Refits(request, lambda one, _: fit(one, progress=StringIO()), fitted.settings, time.monotonic() + 600)
        content, concerns = REFIT_CHECKS[POLLSTERS](checked, refits)
        groups: Any = content["groups"]

        assert concerns == ()
        assert {one["pollster"] for one in groups} == {wave.pollster for wave in fitted.written.waves[:2]}
        if question == "warmth":
            assert (content["of"], set(groups[0])) == ("means", {"pollster", "predicted", "shift", "chance_below"})
            assert all(40 < one["predicted"] < 60 for one in groups)
        else:
            assert {one["option"] for one in groups} == set(AGREE)
            assert all(0 < one["low"] < one["predicted"] < one["high"] < 1 for one in groups)


def test_other_models_of_numbers_are_compared_with_that_of_the_release(fitted: House):
    first, poorer = compare_candidates(
        fitted.store,
        fitted.settings,
        survey_id="demo",
        question_id="warmth",
        formulas=["(1|district)"],
        fit=lambda request: fit(request, progress=StringIO()),
    )

    assert (first.difference, poorer.nation_option) == (0, None)
    # Ages differ by up to 13 degrees, which was planted.
    assert poorer.difference < -2 * poorer.se
    assert "age" in poorer.misfits


def test_the_job_checks_both_and_ends_well(fitted: House):
    for _ in KINDS:
        with fitted.store.write() as session:
            assert ask_next_check(session, fitted.settings, now=fitted.now + timedelta(hours=1)) is not None
        work(fitted)
    jobs = [one for one in fitted.jobs() if one.kind == "check"]
    assert {(one.question_id, one.code) for one in jobs} == {(question, "checked") for question in KINDS}


def test_the_same_interviews_have_the_same_seed_in_another_house(asked: WrittenSurvey, fitted: House, tmp_path: Path):
    with furnish(asked, tmp_path) as house:
        house.settings = fitted.settings
        house.push(2)
        house.push(1)
        for question in KINDS:
            with house.store.read() as session:
                prepared = prepare_refit(session, fitted.settings, survey_id="demo", question_id=question)
            assert prepared.request.seed == served(fitted, question)[0].seed


def test_a_wave_of_numbers_that_is_far_from_the_release_waits(asked: WrittenSurvey, fitted: House):
    table = pl.read_csv(asked.waves[2].path, infer_schema=False)
    some, others = table[:100], table[100:]
    number = others["warmth"].cast(pl.Float64, strict=False)
    usual = fitted.push(3, reference="some", content=some.write_csv().encode())
    # Somebody coded the scale from 0 to 10.
    tenth = (number / 10).cast(pl.String).fill_null("?").alias("warmth")
    received = fitted.push(3, reference="others", content=others.with_columns(tenth).write_csv().encode())

    assert not [one for one in usual.wave.flags if one["about"] == "warmth" and one["over"]]
    (flag,) = [one for one in received.wave.flags if one["kind"] == "surprise" and one["about"] == "warmth"]
    assert received.wave.state == "held"
    assert flag["over"]
    assert flag["words"].startswith(f"The mean is {number.mean() / 10:.3f} where ")
