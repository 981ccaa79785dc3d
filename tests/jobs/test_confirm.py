"""NUTS looks at what is served: on the same inputs, when nobody else has work, and with an alarm if it disagrees."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from jobs.clock import HouseClock
from jobs.confirm_ask import NIGHT, ask_confirmation
from jobs.errors import FitCancelled, FitTimedOut
from jobs.fit_request import FitRequest, FitResult
from jobs.settings import Settings
from jobs.tasks import house_tasks
from mrp.agreement import Agreement, Moments, agreement
from mrp.design import build_design
from mrp.latents import LatentDraws
from polling.errors import QuestionNotFound, ReleaseNotFound, ReleaseRefused
from polling.store import by_hand, confirmations, fits, outbox, queue, releases
from polling.store.records import JobRecord
from polling.store.release_records import ConfirmationRecord
from tests.jobs.house import House

NUTS_PROBLEM = {"code": "divergences", "message": "7 divergences after warmup, limit 0"}


@dataclass
class TwoEngines:
    """Stands in for the fit process: both engines draw from one posterior, NUTS beside it by ``off`` sds."""

    off: float = 0.0
    problems: list[dict[str, str]] = field(default_factory=list)
    """Of NUTS."""
    fails: Exception | None = None
    requests: list[FitRequest] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None
    """Called while NUTS runs."""
    n_fits: int = 0

    def __call__(self, request: FitRequest, settings: Settings, *, beat: Callable[..., bool], stop: Any) -> FitResult:
        self.requests.append(request)
        nuts = request.engine == "nuts"
        if nuts:
            self.meanwhile()
            if beat(None):
                raise FitCancelled("The fit was cancelled.")
            if self.fails is not None:
                raise self.fails
        design = build_design(request.formula, request.electorate)
        # Not the seed of the request, which follows from the fit's random id: chance would decide now and then.
        self.n_fits += 1
        rng = np.random.default_rng(self.n_fits)
        draws = 0.1 * (rng.standard_normal((20_000, design.n_latents)) + nuts * self.off)
        latents = LatentDraws(draws.astype(np.float32), design.latent_names, n_chains=4 if nuts else 1)
        verdict = {"problems": self.problems if nuts else []}
        return FitResult(request.engine, latents.to_bytes(), design.to_json(), verdict, {}, {}, {}, {"fit": 1.0})


@pytest.fixture
def fit(house: House) -> TwoEngines:
    """The house fits with this, and a release of each of its two questions is served."""
    engines = TwoEngines()
    house.fit = engines  # type: ignore[assignment]
    house.push(1)
    settle(house)
    engines.requests.clear()
    return engines


def settle(house: House, *, kinds: tuple[str, ...] = ("refit",)) -> None:
    """Let time pass, and a worker work, until no such job is open."""
    while any(job.kind in kinds for job in house.jobs("queued", "running")):
        house.wait(60)
        while house.worker().turn(house.now):
            pass


def ask(house: House, question_id: str | None = None) -> JobRecord:
    with house.store.write() as session:
        return ask_confirmation(
            session,
            house.settings,
            survey_id=house.written.survey_id,
            question_id=question_id or questions(house)[0],
            now=house.now,
        )


def questions(house: House) -> list[str]:
    with house.store.read() as session:
        return [one.question_id for one in releases.list_question_states(session, house.written.survey_id)]


def said(house: House, question_id: str | None = None) -> ConfirmationRecord | None:
    with house.store.read() as session:
        current = releases.current_release(session, house.written.survey_id, question_id or questions(house)[0])
        return confirmations.find_confirmation(session, current.fit_id)


def confirm_jobs(house: House) -> list[JobRecord]:
    return [job for job in house.jobs() if job.kind == "confirm"]


def begin_night(house: House) -> bool:
    task = next(one for one in house_tasks(house.settings) if one.name == NIGHT)
    return HouseClock(house.store, (task,), owner="test").tick(task, house.now)


def test_nuts_is_asked_for_exactly_what_the_release_was_fitted_on(house: House, fit: TwoEngines):
    with house.store.read() as session:
        state = releases.question_state(session, house.written.survey_id, questions(house)[0])
        before = fits.get_fit(session, releases.get_release(session, state.release_id).fit_id)
    house.push(2)  # newer interviews wait for their own fit
    job = ask(house)
    house.worker().turn(house.now)

    (request,) = fit.requests
    assert (request.engine, request.formula, int(request.counts["n"].sum())) == (
        "nuts",
        before.formula,
        before.n_interviews,
    )
    assert request.seed != before.seed
    assert (request.nuts.tune, request.nuts.draws) == (1000, house.settings.confirm_draws)
    (ended,) = confirm_jobs(house)
    found = said(house)
    assert (ended.id, ended.state, ended.code, ended.detail) == (job.id, "succeeded", "confirmed", found.sentence)
    assert (found.state, found.at, found.fit_id) == ("agrees", house.now, before.id)
    assert found.sentence.startswith("NUTS agrees with release 1: the means of ")
    # How far the engines are apart stays when the draws are gone; estimates, of however few people, do not.
    assert {name: len(values) for name, values in found.numbers["apart"].items()} == {
        "difference": found.numbers["n_estimates"],
        "log_sd_ratio": found.numbers["n_estimates"],
    }
    assert "estimates" not in found.numbers
    assert found.numbers["agreement"]["problems"] == []
    assert found.numbers["reference"]["effective"] > 3000


def test_a_disagreement_is_an_alarm_and_publishes_nothing(
    house: House, fit: TwoEngines, caplog: pytest.LogCaptureFixture
):
    fit.off = 1.0
    ask(house)
    house.worker().turn(house.now)

    found = said(house)
    assert found.state == "disagrees"
    assert found.sentence.startswith("NUTS disagrees with release 1: means differ by typically")
    assert [record.levelname for record in caplog.records if "NUTS disagrees" in record.message] == ["WARNING"]
    with house.store.read() as session:
        (event,) = [one for one in outbox.read_after(session, 0) if one.kind == "confirmation-failed"]
        state = releases.question_state(session, house.written.survey_id, questions(house)[0])
        assert releases.get_release(session, state.release_id).number == 1
    assert event.payload["sentence"] == found.sentence
    assert (confirm_jobs(house)[0].code, state.stale_since) == ("confirmation-failed", None)


@pytest.mark.parametrize("how", ["verdict", "time", "model"])
def test_a_run_that_is_no_reference_settles_nothing_and_is_longer_the_next_time(
    house: House, fit: TwoEngines, how: str
):
    if how == "verdict":
        fit.problems = [NUTS_PROBLEM]
    elif how == "time":
        fit.fails = FitTimedOut(3600)
    else:
        with house.store.write() as session:
            connection = session.connection()
            connection.exec_driver_sql("""UPDATE fit SET priors = '{"intercept":"another"}'""")
    for _ in range(3):
        ask(house)
        house.worker().turn(house.now)
        house.wait(10)

    found = said(house)
    assert found.state == "inconclusive"
    expected = {"verdict": "7 divergences after warmup", "time": "ended after 3,600 s", "model": "another model"}
    assert expected[how] in found.sentence
    assert {job.code for job in confirm_jobs(house)} == {"not-confirmed"}
    draws = house.settings.confirm_draws
    assert [one.nuts.draws for one in fit.requests] == [draws, 2 * draws, 4 * draws]
    assert len({one.seed for one in fit.requests}) == 3
    with house.store.read() as session:
        assert all(one.stale_since is None for one in releases.list_question_states(session))


def test_a_difference_that_may_be_chance_is_no_alarm(house: House, fit: TwoEngines, monkeypatch: pytest.MonkeyPatch):
    def a_little_over(*both: Moments) -> Agreement:
        return replace(agreement(*both), typical=0.06, typical_by_chance=0.07, problems=("means differ by 0.06",))

    monkeypatch.setattr("jobs.confirm_judge.agreement", a_little_over)
    ask(house)
    house.worker().turn(house.now)
    assert (said(house).state, confirm_jobs(house)[0].code) == ("inconclusive", "not-confirmed")
    assert "means differ by 0.06, and chance alone may make it 0.070" in said(house).sentence


class TestNight:
    def test_each_release_is_confirmed_once_one_after_the_other(self, house: House, fit: TwoEngines):
        assert begin_night(house)
        assert len(confirm_jobs(house)) == 1
        while house.worker().turn(house.now):
            assert len([job for job in confirm_jobs(house) if job.state == "queued"]) <= 1
            house.wait(300)

        assert {said(house, one).state for one in questions(house)} == {"agrees"}
        assert len(fit.requests) == len(questions(house)) == 2
        house.wait(24 * 3600)
        assert begin_night(house)
        assert len(confirm_jobs(house)) == 2

    def test_none_begins_when_the_time_is_over_and_the_rest_comes_first_the_next_night(
        self, house: House, fit: TwoEngines
    ):
        house.settings = replace(house.settings, confirm_budget_s=250.0)
        fit.meanwhile = lambda: house.wait(300)
        fit.problems = [NUTS_PROBLEM]
        for _ in range(2):
            assert begin_night(house)
            while house.worker().turn(house.now):
                pass
            house.wait(24 * 3600)

        assert [job.question_id for job in reversed(confirm_jobs(house))] == questions(house)
        assert len(fit.requests) == 2

    def test_a_budget_of_nothing_asks_for_nothing(self, house: House, fit: TwoEngines):
        house.settings = replace(house.settings, confirm_budget_s=0.0)
        assert begin_night(house)
        assert confirm_jobs(house) == []


class TestGivesWay:
    def test_to_a_refit_that_is_due_and_is_begun_again_later(self, house: House, fit: TwoEngines):
        def arrives() -> None:
            fit.meanwhile = lambda: None
            house.push(2)
            house.wait(house.settings.refit_quiet_s + 1)

        ask(house)
        fit.meanwhile = arrives
        house.worker().turn(house.now)

        (job,) = confirm_jobs(house)
        assert (job.state, job.attempt) == ("queued", 0)
        assert said(house) is None
        for _ in questions(house):
            assert house.worker().turn(house.now)
        assert [job.code for job in house.jobs("succeeded") if job.kind == "refit"][:2] == ["published", "published"]
        assert not house.worker().turn(house.now)  # it lets others work
        house.wait(61)
        assert house.worker().turn(house.now)
        assert said(house).sentence.startswith("NUTS agrees with release 2")

    def test_not_to_another_confirmation_nor_to_work_that_an_idle_worker_may_take(self, house: House, fit: TwoEngines):
        def arrives() -> None:
            ask(house, questions(house)[1])
            house.push(2)  # its refit is not due yet

        ask(house)
        fit.meanwhile = arrives
        house.worker().turn(house.now)
        assert said(house).state == "agrees"

    def test_and_ends_when_it_is_cancelled(self, house: House, fit: TwoEngines):
        job = ask(house)

        def cancel() -> None:
            with house.store.write() as session:
                queue.cancel(session, job.id, now=house.now)

        fit.meanwhile = cancel
        house.worker().turn(house.now)
        (ended,) = confirm_jobs(house)
        assert (ended.state, ended.code, said(house)) == ("failed", "cancelled", None)


def test_a_worker_that_lost_the_job_keeps_nothing(house: House, fit: TwoEngines):
    ask(house)

    def other_takes_over() -> None:
        fit.meanwhile = lambda: None
        house.wait(house.settings.lease_s + 1)
        house.worker().turn(house.now)

    fit.meanwhile = other_takes_over
    house.worker().turn(house.now)
    with house.store.read() as session:
        kinds = [one.kind for one in outbox.read_after(session, 0)]
    assert kinds.count("release-confirmed") == 1


def test_only_what_can_be_confirmed_is_asked_for(house: House, fit: TwoEngines):
    first = questions(house)[0]
    with pytest.raises(QuestionNotFound, match="has no question 'nothing'"):
        ask(house, "nothing")
    with house.store.write() as session:
        session.connection().exec_driver_sql("UPDATE fit SET engine = 'nuts'")
    with pytest.raises(ReleaseRefused, match="NUTS made it itself"):
        ask(house)
    with house.store.write() as session:
        session.connection().exec_driver_sql("UPDATE fit SET engine = 'laplace'")
        session.connection().exec_driver_sql("DELETE FROM fit_draws")
    with pytest.raises(ReleaseRefused, match="its draws are not kept"):
        ask(house)
    with house.store.write() as session:
        session.connection().exec_driver_sql("UPDATE question_state SET release_id = NULL")
    with pytest.raises(ReleaseNotFound, match=f"no release of question '{first}' yet"):
        ask(house)


def test_a_refit_of_a_held_question_is_kept_until_the_hold_ends(house: House, fit: TwoEngines):
    told: dict[str, Any] = {"actor": "key:abc", "reason": "looks odd", "now": house.now}
    first = questions(house)[0]
    with house.store.write() as session:
        by_hand.hold(session, house.written.survey_id, first, **told)
    house.push(2)
    settle(house)

    newest = {job.question_id: job for job in reversed(house.jobs()) if job.kind == "refit"}
    assert newest[first].code == "held"
    assert newest[first].state == "succeeded"
    assert "Held by key:abc" in newest[first].detail
    with house.store.write() as session:
        assert releases.current_release(session, house.written.survey_id, first).number == 1
        _, published = by_hand.end_hold(session, house.written.survey_id, first, **told)
    assert (published.number, published.fit_id) == (2, newest[first].fit_id)
