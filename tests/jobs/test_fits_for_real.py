"""What takes minutes, once each from a pushed wave to the end: NUTS of joint fits and scatter, an sd of each option."""

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fixtures.survey_folder import WrittenSurvey
from jobs.confirm_ask import ask_confirmation
from jobs.fit_process import fit
from jobs.fit_request import FitRequest, FitResult
from jobs.refit import electorate_of
from jobs.settings import Settings
from jobs.survey import load_survey
from mrp.grouping import Grouping
from mrp.latents import LatentDraws
from mrp.outcomes import design_from_json, draws_many
from polling.store import confirmations, fits, queue, releases
from polling.store.records import FitRecord, ReleaseRecord
from tests.jobs.house import House, furnish
from tests.jobs.kinds import HOME, PARTIES, with_party
from tests.jobs.test_partners import with_labels

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def in_here(request: FitRequest, settings: Settings, *, beat: Callable[..., bool], stop: Any) -> FitResult:
    return fit(request, progress=StringIO())


def changed(written: WrittenSurvey, folder: Path, old: str, new: str) -> WrittenSurvey:
    """A copy of a survey with a piece of its declaration replaced."""
    shutil.copytree(written.path, folder)
    toml = folder / "survey.toml"
    text = toml.read_text()
    assert old in text
    toml.write_text(text.replace(old, new, 1))
    return replace(
        written, path=folder, waves=tuple(replace(one, path=folder / "waves" / one.path.name) for one in written.waves)
    )


def publish(house: House, question: str) -> None:
    """Push every wave and fit one question."""
    for number in (1, 2, 3):
        house.push(number)
    with house.store.write() as session:
        for job in queue.list_jobs(session, states=("queued",)):
            if job.question_id != question:
                queue.cancel(session, job.id, now=house.now)
    work(house)


def work(house: House) -> None:
    house.wait(7200)
    worker = house.worker(fit=in_here)
    while worker.turn(house.now):
        pass


def served(house: House, question: str) -> tuple[ReleaseRecord, FitRecord]:
    with house.store.read() as session:
        release = releases.current_release(session, "demo", question)
        assert release is not None, [(job.code, job.detail) for job in house.jobs()]
        return release, fits.get_fit(session, release.fit_id)


def diagnostics(house: House, question: str) -> Any:
    release, _ = served(house, question)
    with house.store.read() as session:
        return fits.load_diagnostics(session, release.fit_id)


def district_shares(house: House, question: str) -> np.ndarray:
    """Posterior means of what is estimated, shape (district, estimand)."""
    release, _ = served(house, question)
    electorate = electorate_of(load_survey(house.written.path))
    with house.store.read() as session:
        design: Any = fits.load_design(session, release.fit_id)
        latents = LatentDraws.from_bytes(fits.load_draws(session, release.fit_id))
    (drawn,) = draws_many(latents, design_from_json(design), electorate, [Grouping(by=("district",))])
    return drawn.draws.mean(axis=0)


def test_nuts_confirms_a_joint_fit(written: WrittenSurvey, tmp_path: Path):
    with furnish(with_labels(written, tmp_path / "survey"), tmp_path / "house") as house:
        house.settings = replace(house.settings, laplace_draws=2000, confirm_draws=1500, nuts_target_accept=0.99)
        for number in (1, 2, 3):
            house.push(number)
        work(house)
        release, record = served(house, "rail")
        assert record.engine == "laplace"
        with house.store.write() as session:
            job = ask_confirmation(session, house.settings, survey_id="demo", question_id="rail", now=house.now)
        work(house)
        with house.store.read() as session:
            done = queue.get_job(session, job.id)
            kept = confirmations.find_confirmation(session, release.fit_id)

    assert (done.state, done.code) == ("succeeded", "confirmed"), done.detail
    assert kept is not None
    assert kept.state == "agrees"
    assert re.match(r"NUTS agrees with release 1: the means of \d+ estimates differ by typically", kept.sentence)


def test_a_question_whose_answers_scatter_is_published_by_nuts(written: WrittenSurvey, tmp_path: Path):
    survey = changed(written, tmp_path / "survey", "[questions.rail]\n", "[questions.rail]\ndispersion = true\n")
    with furnish(survey, tmp_path / "house") as house:
        publish(house, "rail")
        _, record = served(house, "rail")
        told = diagnostics(house, "rail")
        shares = district_shares(house, "rail")

    assert record.engine == "nuts"
    assert record.priors["dispersion"] == "half_normal(0.3)"  # type: ignore[index,call-overload]
    assert told["escalated"] == [
        "the Laplace engine knows no beta-binomial answers; the over-dispersed model is sampled with NUTS"
    ]
    assert ((shares > 0.1) & (shares < 0.9)).all()


def test_parties_whose_answers_scatter_are_published_by_nuts(written: WrittenSurvey, tmp_path: Path):
    asked = with_party(written, tmp_path / "party")
    survey = changed(asked, tmp_path / "survey", "[questions.party]\n", "[questions.party]\ndispersion = true\n")
    with furnish(survey, tmp_path / "house") as house:
        publish(house, "party")
        _, record = served(house, "party")
        shares = district_shares(house, "party")

    assert record.engine == "nuts"
    assert record.priors["dispersion"] == "half_normal(0.3)"  # type: ignore[index,call-overload]
    assert shares.sum(axis=1) == pytest.approx(np.ones(8))
    codes = [f"D{number:02d}" for number in range(1, 9)]
    assert [code for code, row in zip(codes, shares, strict=True) if row[3] > 0] == list(HOME)


def test_one_standard_deviation_for_each_option_is_published(written: WrittenSurvey, tmp_path: Path):
    asked = with_party(written, tmp_path / "party")
    survey = changed(asked, tmp_path / "survey", "[questions.party]\n", '[questions.party]\nsd = "by option"\n')
    with furnish(survey, tmp_path / "house") as house:
        publish(house, "party")
        _, record = served(house, "party")
        shares = district_shares(house, "party")

    assert "one for each option" in record.priors["(1|district)"]  # type: ignore[index,call-overload,operator]
    assert shares.sum(axis=1) == pytest.approx(np.ones(8))
    with_one = tmp_path / "one"
    with furnish(asked, with_one) as house:
        publish(house, "party")
        # What few interviews say of the spread of each option moves its shares by a few points at most.
        assert np.abs(district_shares(house, "party") - shares).max() < 0.06


def test_weights_of_several_options_reach_the_release(written: WrittenSurvey, tmp_path: Path):
    asked = with_party(written, tmp_path / "party")
    survey = changed(asked, tmp_path / "survey", "[questions.party]\n", '[questions.party]\nweights = "likelihood"\n')
    with furnish(survey, tmp_path / "house") as house:
        publish(house, "party")
        _, record = served(house, "party")
        told = diagnostics(house, "party")
        shares = district_shares(house, "party")

    assert record.inputs["weights"] == "likelihood"  # type: ignore[index,call-overload]
    # Some waves carry weights, which cost something.
    assert told["design_effect"] > 1.001
    assert shares.sum(axis=1) == pytest.approx(np.ones(8))
    assert shares.shape == (8, len(PARTIES))
