"""A real refit, once: from waves in the store through the fit process to a release, and to a refusal."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from jobs.refit import electorate_of
from jobs.restate import ask_refit
from jobs.worker import Worker
from mrp.design import Design
from mrp.latents import LatentDraws
from mrp.poststratification import area_draws
from polling.store import fits, queue, releases, surveys
from tests.jobs.house import House, furnish


@pytest.fixture(scope="module")
def fitted(written: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Any, list[Any]]]:
    """Two waves, one real fit of the question ``rail``; the house, the job, and the progress seen on the way."""
    with furnish(written, tmp_path_factory.mktemp("real")) as house:
        house.settings = replace(house.settings, engine="nuts")
        house.push(1)
        received = house.push(2)
        with house.store.write() as session:
            for job in received.jobs:
                if job.question_id != "rail":
                    queue.cancel(session, job.id, now=house.now)
        house.wait(2)
        seen: list[Any] = []

        def clock() -> Any:
            [job] = house.jobs("running") or [None]
            seen.append(job.progress if job else None)
            return house.now

        worker = Worker(house.store, replace(house.settings, heartbeat_s=0.5), clock=clock)
        assert worker.turn(house.now)
        [job] = [job for job in house.jobs() if job.question_id == "rail"]
        yield house, job, seen


def test_a_real_fit_is_published(fitted):
    house, job, _ = fitted

    assert (job.state, job.code) == ("succeeded", "published"), job.detail
    with house.store.read() as session:
        release = releases.current_release(session, "demo", "rail")
        state = releases.question_state(session, "demo", "rail")
    assert release.fit_id == job.fit_id
    assert state.stale_since is None


def test_the_fit_keeps_what_it_rests_on(fitted):
    house, job, _ = fitted
    with house.store.read() as session:
        fit = fits.get_fit(session, job.fit_id)
        survey = surveys.get_survey(session, "demo")

    assert fit.formula == survey.bundle.declaration.question("rail").model
    assert len(fit.inputs["waves"]) == 2
    assert fit.inputs["frame_sha256"] == survey.frame_sha256
    assert {"pymc", "nutpie", "hustings", "python"} <= set(fit.versions)
    assert {"design", "fit", "diagnose"} <= set(fit.seconds)
    assert set(fit.priors) >= {"intercept", "(1|district)"}


def test_the_stored_draws_answer_every_district(fitted):
    house, job, _ = fitted
    with house.store.read() as session:
        latents = LatentDraws.from_bytes(fits.load_draws(session, job.fit_id))
        design = Design.from_json(fits.load_design(session, job.fit_id))
        electorate = electorate_of(surveys.get_survey(session, "demo").bundle)

    districts = area_draws(latents, design, electorate, by=("district",))

    assert districts.areas.height == 8
    assert np.all((districts.draws > 0) & (districts.draws < 1))
    assert latents.n_chains == 4


def test_progress_reaches_the_job(fitted):
    _, _, seen = fitted
    shares = [progress["share"] for progress in seen if progress]

    assert shares
    assert shares == sorted(shares)
    assert all(0 <= share <= 1 for share in shares)


def test_nothing_stays_in_the_spool(fitted):
    house, _, _ = fitted
    assert list(house.settings.spool_dir.iterdir()) == []


def test_a_real_fit_with_too_few_draws_is_kept_and_explained_and_not_served(fitted):
    house, job, _ = fitted
    with house.store.write() as session:
        ask_refit(session, house.settings, survey_id="demo", question_id="rail", now=house.now)
    house.wait(2)
    scant = replace(house.settings, nuts_chains=2, nuts_draws=20, nuts_tune=100)

    assert Worker(house.store, scant, clock=lambda: house.now).turn(house.now)

    rejected = house.jobs("failed")[0]
    assert rejected.code == "fit-rejected"
    assert "ESS" in rejected.detail
    with house.store.read() as session:
        assert not fits.get_fit(session, rejected.fit_id).publishable
        assert releases.current_release(session, "demo", "rail").fit_id == job.fit_id
        assert "ESS" in releases.question_state(session, "demo", "rail").stale_reason
