"""Any sequence of what workers and pollsters do to the queue, against a model in plain Python."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy.orm import Session

from polling.errors import LeaseLost
from polling.store import queue
from polling.store.engine import Store, open_store
from polling.store.records import Claim
from polling.store.tables import Base

from .conftest import NOW, seconds

LEASE, QUIET, PATIENCE = seconds(10), seconds(2), seconds(7)
MAX_ATTEMPTS = 2


@dataclass
class Expected:
    """What the model knows of a job: the definition, with no index and no SQL."""

    key: str
    first_asked: datetime
    run_after: datetime
    latest: datetime
    asked: int = 1
    state: str = "queued"
    attempt: int = 0
    token: str | None = None
    lease_until: datetime | None = None
    cancelled: bool = False


class QueueMachine(RuleBasedStateMachine):
    claims = Bundle("claims")

    @initialize()
    def start(self) -> None:
        self.folder = TemporaryDirectory()
        self.store: Store = open_store(f"sqlite:///{Path(self.folder.name)}/queue.db")
        Base.metadata.create_all(self.store.writer)
        self.now = NOW
        self.jobs: dict[str, Expected] = {}

    @rule(by=st.sampled_from([0.5, 2, 5, 11]))
    def time_passes(self, by: float) -> None:
        self.now += timedelta(seconds=by)

    @rule(key=st.sampled_from("ab"))
    def somebody_asks(self, key: str) -> None:
        with self.store.write() as session:
            asked = queue.ask(
                session,
                kind="refit",
                key=key,
                survey_id=None,
                question_id=None,
                now=self.now,
                quiet=QUIET,
                patience=PATIENCE,
                max_attempts=MAX_ATTEMPTS,
            )
        queued = self._in(key, "queued")
        if queued is None:
            assert asked.id not in self.jobs
            self.jobs[asked.id] = Expected(key, self.now, self.now + QUIET, self.now + PATIENCE)
        else:
            assert asked.id == queued
            job = self.jobs[queued]
            job.asked += 1
            job.run_after = min(job.latest, self.now + QUIET)

    @rule(target=claims)
    def a_worker_claims(self) -> object:
        with self.store.write() as session:
            held = queue.claim(session, owner="w", now=self.now, lease=LEASE)
        expired = sorted(
            (job for job in self.jobs.values() if job.state == "running" and job.lease_until <= self.now),
            key=lambda job: (job.lease_until, job.key),
        )
        takeover = None
        for job in expired:
            if job.cancelled or job.attempt == MAX_ATTEMPTS:
                job.state = "failed"
            else:
                takeover = job
                break
        due = [
            job
            for job in self.jobs.values()
            if job.state == "queued" and job.run_after <= self.now and not self._in(job.key, "running")
        ]
        if held is None:
            assert takeover is None
            assert due == []
            return multiple()
        job = self.jobs[held.job.id]
        if takeover is not None:
            assert job.lease_until == takeover.lease_until
        else:
            assert job in due
            assert job.run_after == min(one.run_after for one in due)
        job.state, job.token, job.attempt, job.lease_until = "running", held.token, job.attempt + 1, self.now + LEASE
        assert held.attempt == job.attempt
        return held

    @rule(held=claims)
    def it_gives_a_sign_of_life(self, held: Claim) -> None:
        with self._lost_if_not_held(held) as session:
            reply = queue.heartbeat(session, held, now=self.now, lease=LEASE)
            job = self.jobs[held.job.id]
            assert reply.cancel_requested == job.cancelled
            job.lease_until = self.now + LEASE

    @rule(held=claims)
    def it_finishes(self, held: Claim) -> None:
        with self._lost_if_not_held(held) as session:
            queue.finish(session, held, now=self.now, code="published", detail="")
            self.jobs[held.job.id].state = "succeeded"

    @rule(held=claims, retry=st.sampled_from([None, 0, 5]))
    def it_fails(self, held: Claim, retry: float | None) -> None:
        after = None if retry is None else timedelta(seconds=retry)
        with self._lost_if_not_held(held) as session:
            queue.fail(session, held, now=self.now, code="no-memory", detail="", retry_after=after)
            job = self.jobs[held.job.id]
            newer = self._in(job.key, "queued")
            again = after is not None and job.attempt < MAX_ATTEMPTS and not job.cancelled
            if again and newer is None:
                job.state, job.run_after, job.latest = "queued", self.now + after, self.now + after
            else:
                job.state = "failed"
                if again:
                    self.jobs[newer].asked += job.asked

    @rule(held=claims)
    def it_stops(self, held: Claim) -> None:
        with self._lost_if_not_held(held) as session:
            queue.give_back(session, held, now=self.now)
            job = self.jobs[held.job.id]
            newer = self._in(job.key, "queued")
            if job.cancelled:
                job.state = "failed"
            elif newer is None:
                job.state, job.run_after, job.latest, job.attempt = "queued", self.now, self.now, job.attempt - 1
            else:
                job.state = "failed"
                self.jobs[newer].asked += job.asked

    @rule(held=claims)
    def somebody_cancels(self, held: Claim) -> None:
        with self.store.write() as session:
            queue.cancel(session, held.job.id, now=self.now)
        job = self.jobs[held.job.id]
        if job.state == "queued":
            job.state = "failed"
        elif job.state == "running":
            job.cancelled = True

    @invariant()
    def the_database_agrees(self) -> None:
        if not hasattr(self, "store"):
            return
        with self.store.read() as session:
            stored = {job.id: job for job in queue.list_jobs(session)}
        assert {job_id: (job.state, job.asked, job.attempt) for job_id, job in stored.items()} == {
            job_id: (job.state, job.asked, job.attempt) for job_id, job in self.jobs.items()
        }
        for job_id, job in self.jobs.items():
            if job.state == "queued":
                assert stored[job_id].run_after == job.run_after
        for state in ("queued", "running"):
            keys = [job.key for job in stored.values() if job.state == state]
            assert len(keys) == len(set(keys))

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            self.folder.cleanup()

    def _in(self, key: str, state: str) -> str | None:
        return next((i for i, job in self.jobs.items() if (job.key, job.state) == (key, state)), None)

    @contextmanager
    def _lost_if_not_held(self, held: Claim) -> Iterator[Session]:
        """A write transaction that raises ``LeaseLost`` exactly if the claim is lost."""
        job = self.jobs[held.job.id]
        lost = job.state != "running" or job.token != held.token
        try:
            with self.store.write() as session:
                yield session
        except LeaseLost:
            assert lost
        else:
            assert not lost


def test_any_sequence_of_events_leaves_the_queue_as_the_model_says():
    run_state_machine_as_test(
        QueueMachine,
        settings=settings(
            max_examples=15,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            phases=(Phase.generate, Phase.shrink),
        ),
    )
