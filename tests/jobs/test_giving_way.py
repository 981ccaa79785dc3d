"""Whether work that nobody waits for goes on: asked between its parts, with a clock and a queue of the test's own."""

import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from jobs.errors import FitCancelled, WorkerStopping
from jobs.giving_way import LOOK_S, PAUSE, GivingWay
from jobs.heartbeat import Pulse
from jobs.restate import REFIT
from polling.errors import LeaseLost
from polling.store import queue
from polling.store.records import Claim
from tests.api.world import SURVEY, World, make_world


class Waiting:
    """A check that runs, what its job is told, and a timer that the test turns."""

    def __init__(self, world: World) -> None:
        self.world, self.seconds, self.looks = world, 0.0, 0
        self.pulse, self.stop = Pulse(), threading.Event()
        self.ask("check", quiet=0.0)
        with world.store.write() as session:
            claim = queue.claim(session, owner="me", now=world.now, lease=timedelta(seconds=15))
        assert claim is not None
        self.claim: Claim = claim
        self.keep_on = self.of(claim)

    def of(self, claim: Claim) -> GivingWay:
        def now() -> Any:
            self.looks += 1
            return self.world.now

        return GivingWay(
            claim.job,
            self.world.store,
            self.world.settings,
            beat=lambda _: False,
            besides=("check", "confirm"),
            clock=now,
            refits_of=SURVEY,
            timer=lambda: self.seconds,
        )

    def ask(self, kind: str, *, quiet: float) -> None:
        wait = timedelta(seconds=quiet)
        with self.world.store.write() as session:
            told = {"kind": kind, "key": f"{SURVEY}/rail", "survey_id": SURVEY, "question_id": "rail"}
            queue.ask(session, **told, now=self.world.now, quiet=wait, patience=wait)

    def heed(self, *, after: float = 0.0) -> None:
        self.seconds += after
        self.keep_on.heeding(self.pulse, self.stop)()


@pytest.fixture
def waiting(sqlite_store: Any, tmp_path: Any) -> Waiting:
    world = make_world(sqlite_store, tmp_path)
    return Waiting(world)


def test_it_goes_on_while_nothing_waits_and_looks_no_oftener_than_every_second(waiting: Waiting):
    for _ in range(100):
        waiting.heed(after=LOOK_S / 20)
    assert 4 <= waiting.looks <= 5
    assert not waiting.keep_on.gave_way


def test_a_refit_that_is_due_and_that_nobody_takes_ends_it(waiting: Waiting):
    waiting.ask(REFIT, quiet=0.0)
    waiting.world.now += timedelta(seconds=2 * waiting.world.settings.worker_poll_s)
    waiting.heed(after=LOOK_S / 2)  # no look yet
    with pytest.raises(FitCancelled):
        waiting.heed(after=LOOK_S)
    assert waiting.keep_on.gave_way


@pytest.mark.parametrize(
    ("quiet", "kind", "gives_way"),
    [
        (PAUSE.total_seconds() - 1, REFIT, True),
        (PAUSE.total_seconds() + 1, REFIT, False),  # there is time until then
        (PAUSE.total_seconds() - 1, "score", False),
    ],
)
def test_a_refit_of_its_survey_is_made_room_for_in_its_quiet_time(
    waiting: Waiting, quiet: float, kind: str, gives_way: bool
):
    waiting.ask(kind, quiet=quiet)
    if gives_way:
        with pytest.raises(FitCancelled):
            waiting.heed(after=LOOK_S)
    else:
        waiting.heed(after=LOOK_S)
    assert waiting.keep_on.gave_way is gives_way


def test_after_a_day_it_gives_way_no_more(waiting: Waiting):
    waiting.ask(REFIT, quiet=0.0)
    old = replace(waiting.claim.job, first_asked_at=waiting.world.now - timedelta(days=2))
    waiting.keep_on = waiting.of(replace(waiting.claim, job=old))
    waiting.heed(after=LOOK_S)


def test_a_cancel_a_stop_and_the_loss_of_the_job_end_it_without_a_look(waiting: Waiting):
    waiting.pulse.cancelled.set()
    with pytest.raises(FitCancelled):
        waiting.heed()
    assert not waiting.keep_on.gave_way
    waiting.pulse.lost.set()
    with pytest.raises(LeaseLost):
        waiting.heed()
    waiting.stop.set()
    with pytest.raises(WorkerStopping):
        waiting.heed()
    assert waiting.looks == 0
