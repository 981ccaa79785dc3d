"""Many questions of one survey: their refits are done beside each other, each a job of its own. Fits are stand-ins."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.demo import demo_plans, demo_settings
from fixtures.electorate import build_electorate
from fixtures.survey_folder import WrittenSurvey, write_survey_folder
from jobs.errors import FitCancelled, FitProcessFailed, WorkerStopping
from jobs.fit_request import FitProgress, FitRequest, FitResult
from jobs.helping import LEAST_WAITING, Roll, fitted_apart
from jobs.survey import load_survey
from jobs.worker import Worker
from polling.declaration import SurveyDeclaration
from polling.population import Population
from polling.store import queue, releases
from polling.store.fits import list_fits
from tests.jobs.house import FakeFit, House, furnish

N_QUESTIONS = 8
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> WrittenSurvey:
    """Four districts, two demographics, eight questions, one wave of 100."""
    settings = demo_settings(n_districts=4, n_waves=1, n_demographics=2)
    questions = tuple(replace(settings.questions[n % 2], id=f"q{n}", events=()) for n in range(N_QUESTIONS))
    settings = replace(settings, questions=questions)
    plans = demo_plans(settings, n_waves=1, n_interviews=100)
    folder = tmp_path_factory.mktemp("many")
    return write_survey_folder(build_electorate(settings), folder, plans=plans, survey_id="many", title="Many")


@pytest.fixture
def house(tmp_path: Path, many: WrittenSurvey) -> Iterator[House]:
    with furnish(many, tmp_path) as mine:
        yield mine


class Fits:
    """Stand-ins for the fits of a worker and of its hand, which note who did what."""

    def __init__(self, during: Callable[[str], None] = lambda _: None, *, says: FitProgress | None = None) -> None:
        self.did: list[tuple[str, str, int]] = []
        """Who, which question, with how many threads."""
        self.closed = 0
        self._during = during
        self._says = says

    def by(self, who: str) -> "_Fit":
        return _Fit(self, who)

    def of(self, who: str) -> list[str]:
        return [question for one, question, _ in self.did if one == who]

    def run(self, who: str, request: FitRequest, *arguments: Any, **more: Any) -> FitResult:
        self.did.append((who, request.question, request.laplace.threads))
        assert more["beat"](self._says) is False
        self._during(who)
        return FakeFit()(request, *arguments, **more)


class _Fit:
    def __init__(self, fits: Fits, who: str) -> None:
        self._fits, self._who = fits, who

    def __call__(self, request: FitRequest, *arguments: Any, **more: Any) -> FitResult:
        return self._fits.run(self._who, request, *arguments, **more)

    def close(self) -> None:
        self._fits.closed += 1


def work(house: House, fits: Fits, *, until: Callable[[], bool] | None = None, **changes: Any) -> None:
    """Run a worker with one hand until nothing is left to refit."""
    worker = house.worker(**({"fit": fits.by("worker"), "hosts": lambda: fits.by("hand")} | changes))
    stop = threading.Event()
    loop = threading.Thread(target=worker.run, args=(stop,))
    loop.start()
    try:
        done = until or (lambda: not house.jobs("queued", "running"))
        for _ in range(int(PATIENCE_S / 0.02)):
            if done() or not loop.is_alive():
                break
            stop.wait(0.02)
        else:
            pytest.fail("the refits did not end")
    finally:
        stop.set()
        loop.join()


def test_every_question_is_published_once_whoever_fits_it(house: House):
    both = threading.Barrier(2)
    met = threading.Event()

    def meet(_who: str) -> None:
        if not met.is_set():
            both.wait(PATIENCE_S)  # broken, and an error, unless the two fit at the same time
            met.set()

    fits = Fits(meet)
    house.push(1)
    house.wait(2)
    work(house, fits)

    done = house.jobs("succeeded")
    assert {job.question_id: job.code for job in done} == {f"q{n}": "published" for n in range(N_QUESTIONS)}
    assert Counter(question for _, question, _ in fits.did) == Counter(f"q{n}" for n in range(N_QUESTIONS))
    assert fits.of("worker")
    assert fits.of("hand")
    with house.store.read() as session:
        assert [one.number for one in releases.list_releases(session, "many")] == [1] * N_QUESTIONS
    assert fits.closed == 1


def test_fits_beside_each_other_have_a_core_each_and_say_what_is_always_said(house: House):
    fits = Fits()
    house.push(1)
    house.wait(2)
    work(house, fits)

    assert {threads for who, _, threads in fits.did if who == "hand"} <= {1}
    assert next(threads for who, _, threads in fits.did if who == "worker") == 1
    with house.store.read() as session:
        stored = [list_fits(session, "many", f"q{n}")[0].settings["laplace"]["threads"] for n in range(N_QUESTIONS)]
    assert stored == N_QUESTIONS * [house.settings.fit_cores]


def test_whoever_waits_is_told_which_of_how_many_it_is(house: House):
    told: list[str] = []

    def tell(_who: str) -> None:
        told.extend(job.progress["stage"] for job in house.jobs("running") if isinstance(job.progress, dict))

    fits = Fits(tell, says=FitProgress("explore", 0.5))
    house.push(1)
    house.wait(2)
    work(house, fits)

    assert {one.partition(", ")[0] for one in told} == {"explore"}
    assert {f"explore, question {n} of {N_QUESTIONS}" for n in range(1, N_QUESTIONS + 1)} >= set(told)
    assert len(set(told)) > N_QUESTIONS // 2


def test_refits_are_numbered_until_none_waits_and_for_each_survey_by_itself():
    roll = Roll()

    places = [roll.call(name, waiting=n) for name, n in (("a", 2), ("a", 1), ("b", 1), ("a", 0), ("a", 0), ("a", 5))]

    assert places == ["question 1 of 3", "question 2 of 3", "question 1 of 2", "", "", "question 1 of 6"]


def test_a_wave_that_comes_meanwhile_makes_them_more():
    roll = Roll()

    assert [roll.call("a", waiting=n) for n in (3, 2, 6)][1:] == ["question 2 of 4", "question 3 of 9"]


def test_a_fit_that_fails_holds_no_other_one_up(house: House):
    def fail(who: str) -> None:
        if who == "hand":
            raise FitProcessFailed("fit-refused", "x is constant", retry=False)

    fits = Fits(fail)
    house.push(1)
    house.wait(2)
    work(house, fits)

    failed = house.jobs("failed")
    assert {job.question_id for job in failed} == set(fits.of("hand"))
    assert {job.code for job in failed} <= {"fit-refused"}
    assert {job.question_id for job in house.jobs("succeeded")} == set(fits.of("worker"))


def test_a_question_that_is_cancelled_stops_by_itself(house: House):
    class Endless(_Fit):
        def __call__(self, request: FitRequest, *arguments: Any, **more: Any) -> FitResult:
            fits.did.append(("hand", request.question, request.laplace.threads))
            with house.store.write() as session:
                [job] = queue.list_jobs(session, "many", question_id=request.question)
                queue.cancel(session, job.id, now=house.now)
            if more["beat"](None):
                raise FitCancelled("The fit was cancelled.")
            pytest.fail("nobody said that it was cancelled")

    fits = Fits()
    house.push(1)
    house.wait(2)
    work(house, fits, hosts=lambda: Endless(fits, "hand"))

    assert {job.question_id: job.code for job in house.jobs("failed")} == dict.fromkeys(fits.of("hand"), "cancelled")
    assert {job.question_id for job in house.jobs("succeeded")} == set(fits.of("worker"))


def test_a_worker_that_stops_gives_back_what_its_hand_does(house: House):
    begun = threading.Barrier(3)

    def stop_in_the_middle(_who: str) -> None:
        begun.wait(PATIENCE_S)
        raise WorkerStopping("stop")

    fits = Fits(stop_in_the_middle)
    house.push(1)
    house.wait(2)

    def both_begun() -> bool:
        begun.wait(PATIENCE_S)
        return True

    work(house, fits, until=both_begun)

    assert len(house.jobs("queued")) == N_QUESTIONS
    assert {job.attempt for job in house.jobs("queued")} == {0}


def test_a_few_questions_are_not_worth_a_hand(house: House):
    fits = Fits()
    house.push(1)
    house.wait(2)
    with house.store.write() as session:
        for job in queue.list_jobs(session, "many")[: N_QUESTIONS - LEAST_WAITING]:
            queue.cancel(session, job.id, now=house.now)
    work(house, fits)

    assert len(fits.of("worker")) == LEAST_WAITING
    assert not fits.of("hand")
    assert {threads for *_, threads in fits.did} == {house.settings.fit_cores}


def test_a_turn_by_itself_does_one_job_and_asks_nobody(house: House):
    fits = Fits()
    house.push(1)
    house.wait(2)
    worker: Worker = house.worker(fit=fits.by("worker"), hosts=lambda: fits.by("hand"))

    assert worker.turn(house.now)
    worker.close()

    assert len(fits.did) == 1
    assert len(house.jobs("queued")) == N_QUESTIONS - 1


def test_a_fit_with_one_core_has_no_hands(house: House):
    fits = Fits()
    house.push(1)
    house.wait(2)
    house.settings = replace(house.settings, fit_cores=1)
    work(house, fits)

    assert len(fits.of("worker")) == N_QUESTIONS


def declared(many: WrittenSurvey, **changes: str) -> SurveyDeclaration:
    """The survey, with the models of some questions changed."""
    declaration = load_survey(many.path).declaration
    return replace(
        declaration,
        questions=tuple(replace(one, model=changes.get(one.id, one.model)) for one in declaration.questions),
    )


def test_questions_that_are_fitted_together_are_not_fitted_beside_each_other(many: WrittenSurvey):
    joint = "region + (1|p|district)"

    apart = fitted_apart(declared(many, q1=joint, q4=joint))

    assert apart == {f"q{n}" for n in range(N_QUESTIONS)} - {"q1", "q4"}


def test_a_question_that_tells_who_belongs_to_a_population_comes_before_others(many: WrittenSurvey):
    declaration = declared(many)
    voters = Population("voters", "likely voters", "q3")

    apart = fitted_apart(replace(declaration, populations=(voters,)))

    assert apart == {f"q{n}" for n in range(N_QUESTIONS)} - {"q3"}
