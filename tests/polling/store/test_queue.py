"""The queue: bursts are one job, a job has one worker, and a dead worker's effects do not happen."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest

from polling.errors import JobNotFound, LeaseLost
from polling.store import leases, queue
from polling.store.engine import Store
from polling.store.records import Claim, JobRecord

from .conftest import NOW, seconds

LEASE = seconds(10)


def ask(store: Store, at: float = 0, key: str = "demo/vote", **changes: object) -> JobRecord:
    work = {"kind": "refit", "survey_id": None, "question_id": None, "quiet": seconds(2), "patience": seconds(30)}
    with store.write() as session:
        return queue.ask(session, key=key, now=NOW + seconds(at), **(work | changes))


def claim(store: Store, at: float, owner: str = "worker") -> Claim | None:
    with store.write() as session:
        return queue.claim(session, owner=owner, now=NOW + seconds(at), lease=LEASE)


def fail(store: Store, held: Claim, at: float, retry_after: timedelta | None = None) -> JobRecord:
    with store.write() as session:
        now = NOW + seconds(at)
        return queue.fail(session, held, now=now, code="no-memory", detail="It ran out.", retry_after=retry_after)


def finish(store: Store, held: Claim, at: float) -> JobRecord:
    with store.write() as session:
        return queue.finish(session, held, now=NOW + seconds(at), code="published", detail="Release 1.")


def job(store: Store, job_id: str) -> JobRecord:
    with store.read() as session:
        return queue.get_job(session, job_id)


def explain(store: Store, job_id: str, at: float) -> str:
    with store.read() as session:
        return queue.explain(session, job_id, now=NOW + seconds(at))


class TestAsking:
    def test_twenty_five_requests_in_a_burst_make_one_job(self, store: Store):
        asked = [ask(store, at=n / 10) for n in range(25)]
        with store.read() as session:
            assert queue.list_jobs(session) == [asked[-1]]
        assert {record.id for record in asked} == {asked[0].id}
        assert (asked[-1].asked, asked[-1].first_asked_at) == (25, NOW)
        assert asked[-1].run_after == NOW + seconds(2.4 + 2)

    def test_jobs_are_listed_from_any_one_on_also_those_of_one_moment(self, store: Store):
        for n in range(6):
            ask(store, at=n // 3, key=f"demo/{n}")
        with store.read() as session:
            whole = queue.list_jobs(session)
            for place, one in enumerate(whole):
                after = (one.first_asked_at, one.id)
                assert queue.list_jobs(session, after=after) == whole[place + 1 :]
                assert queue.list_jobs(session, after=after, limit=2) == whole[place + 1 :][:2]

    def test_requests_that_never_pause_do_not_postpone_it_beyond_patience(self, store: Store):
        for at in range(40):
            last = ask(store, at=at)
        assert last.run_after == NOW + seconds(30)

    def test_an_impatient_request_brings_it_forward(self, store: Store):
        ask(store)
        assert ask(store, at=1, quiet=seconds(0), patience=seconds(0)).run_after == NOW + seconds(1)
        assert ask(store, at=1.5).run_after == NOW + seconds(1)

    def test_other_work_is_another_job(self, store: Store):
        ids = {ask(store).id, ask(store, key="demo/tax").id, ask(store, kind="confirm").id}
        assert len(ids) == 3

    def test_a_request_during_the_work_is_one_more_job_which_waits_for_it(self, store: Store):
        first = ask(store)
        held = claim(store, at=3)
        second = ask(store, at=4)
        assert second.id != first.id
        assert claim(store, at=9) is None
        assert (
            explain(store, second.id, at=9)
            == f"It waits for job {first.id}, which does the same work for earlier requests."
        )
        finish(store, held, at=10)
        assert claim(store, at=10).job.id == second.id


class TestClaiming:
    def test_nothing_is_claimed_before_it_is_due(self, store: Store):
        ask(store)
        assert claim(store, at=1.9) is None
        held = claim(store, at=2)
        assert (held.job.state, held.job.owner, held.attempt) == ("running", "worker", 1)
        assert held.job.lease_until == NOW + seconds(12)

    def test_what_is_due_longest_comes_first(self, store: Store):
        later = ask(store, at=1, key="b")
        earlier = ask(store, at=0, key="c")
        assert [claim(store, at=9).job.id for _ in range(2)] == [earlier.id, later.id]

    def test_two_claims_at_the_same_moment_get_different_jobs(
        self, store: Store, store_url: str, open_stores: Callable[[str], Store]
    ):
        other = open_stores(store_url)
        for n in range(12):
            ask(store, key=f"k{n}")

        def take(n: int) -> str | None:
            held = claim((store, other)[n % 2], at=5, owner=f"w{n}")
            return held and held.job.id

        with ThreadPoolExecutor(4) as threads:
            taken = [job_id for job_id in threads.map(take, range(20)) if job_id]
        # PostgreSQL skips what is locked, so a claim may come back empty, but never with another's job.
        assert len(taken) == len(set(taken))
        assert {claimed.job.id for claimed in iter(lambda: claim(store, at=5), None)} | set(taken) == all_ids(store)

    @pytest.mark.parametrize("store_kind", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True)
    def test_a_claim_does_not_wait_for_another_claim(
        self, store: Store, store_url: str, open_stores: Callable[[str], Store]
    ):
        """On SQLite it does: there is one writer at a time, for a millisecond."""
        other = open_stores(store_url)
        ask(store, key="a")
        ask(store, key="b")
        with store.write() as session:
            first = claim_in(session, at=5)
            with ThreadPoolExecutor(1) as threads:
                second = threads.submit(claim, other, 5).result(timeout=20)
        assert {first.job.key, second.job.key} == {"a", "b"}

    def test_one_job_and_many_claims_are_one_worker(
        self, store: Store, store_url: str, open_stores: Callable[[str], Store]
    ):
        other = open_stores(store_url)
        ask(store)
        with ThreadPoolExecutor(4) as threads:
            held = list(threads.map(lambda n: claim((store, other)[n % 2], at=5, owner=f"w{n}"), range(16)))
        assert sum(one is not None for one in held) == 1

    def test_a_dead_workers_job_is_taken_over_with_a_new_token(self, store: Store):
        ask(store)
        dead = claim(store, at=2)
        assert claim(store, at=11.9) is None
        alive = claim(store, at=12, owner="other")
        assert (alive.job.id, alive.attempt) == (dead.job.id, 2)
        assert alive.token != dead.token

    def test_a_job_that_kills_every_worker_has_failed_as_crashed(self, store: Store):
        asked = ask(store, max_attempts=2)
        claim(store, at=2)
        claim(store, at=20)
        assert claim(store, at=40) is None
        ended = job(store, asked.id)
        assert (ended.state, ended.code, ended.finished_at) == ("failed", "crashed", NOW + seconds(40))
        assert "died in each of 2 attempts" in ended.detail


class TestHoldingAJob:
    def test_heartbeats_keep_it_and_show_progress(self, store: Store):
        ask(store)
        held = claim(store, at=2)
        progress = {"stage": "tuning", "share": 0.25}
        for at in (8, 16, 24):
            with store.write() as session:
                reply = queue.heartbeat(session, held, now=NOW + seconds(at), lease=LEASE, progress=progress)
        assert not reply.cancel_requested
        assert claim(store, at=33) is None
        assert job(store, held.job.id).progress == progress

    @pytest.mark.parametrize("effect", ["heartbeat", "finish", "fail", "fail and retry", "give back"])
    def test_after_a_takeover_nothing_of_the_first_worker_counts(self, store: Store, effect: str):
        ask(store)
        dead = claim(store, at=2)
        alive = claim(store, at=20, owner="other")
        do = {
            "heartbeat": lambda s: queue.heartbeat(s, dead, now=NOW, lease=LEASE),
            "finish": lambda s: queue.finish(s, dead, now=NOW, code="x", detail="x"),
            "fail": lambda s: queue.fail(s, dead, now=NOW, code="x", detail="x"),
            "fail and retry": lambda s: queue.fail(s, dead, now=NOW, code="x", detail="x", retry_after=LEASE),
            "give back": lambda s: queue.give_back(s, dead, now=NOW),
        }[effect]

        def end_of_work() -> None:
            with store.write() as session:
                leases.record_run(session, "the worker's other effects", NOW)
                do(session)

        with pytest.raises(LeaseLost, match=dead.job.id):
            end_of_work()

        with store.read() as session:
            assert leases.last_run(session, "the worker's other effects") is None
        assert job(store, dead.job.id) == alive.job

    def test_a_worker_that_overslept_may_finish_if_nobody_took_over(self, store: Store):
        ask(store)
        held = claim(store, at=2)
        assert finish(store, held, at=100).state == "succeeded"

    def test_nothing_is_finished_twice(self, store: Store):
        ask(store)
        held = claim(store, at=2)
        finish(store, held, at=3)
        with pytest.raises(LeaseLost):
            finish(store, held, at=3)

    def test_a_token_of_another_claim_by_the_same_owner_does_not_count(self, store: Store):
        ask(store)
        before = claim(store, at=2)
        claim(store, at=20)
        with pytest.raises(LeaseLost):
            finish(store, before, at=21)


class TestFailing:
    def test_without_retry_it_has_failed_and_says_why(self, store: Store):
        ask(store)
        ended = fail(store, claim(store, at=2), at=5)
        assert (ended.state, ended.code, ended.detail) == ("failed", "no-memory", "It ran out.")
        assert (ended.owner, ended.lease_until, ended.finished_at) == (None, None, NOW + seconds(5))
        assert explain(store, ended.id, at=6) == "It ran out."

    def test_with_retry_it_comes_back_after_a_while_with_its_attempts_counted(self, store: Store):
        asked = ask(store)
        back = fail(store, claim(store, at=2), at=5, retry_after=seconds(60))
        assert (back.state, back.run_after, back.attempt) == ("queued", NOW + seconds(65), 1)
        assert claim(store, at=64) is None
        assert "Attempt 1 of 3 failed; it tries again at 2026-03-02 12:01:05 UTC" in explain(store, asked.id, at=64)
        assert claim(store, at=65).attempt == 2

    def test_the_last_attempt_is_not_retried(self, store: Store):
        ask(store, max_attempts=1)
        assert fail(store, claim(store, at=2), at=5, retry_after=seconds(1)).state == "failed"

    def test_with_newer_requests_queued_the_newer_job_does_the_work(self, store: Store):
        ask(store)
        ask(store)
        held = claim(store, at=2)
        newer = ask(store, at=3)
        ended = fail(store, held, at=5, retry_after=seconds(60))
        assert (ended.state, ended.code) == ("failed", "no-memory")
        assert ended.detail == f"It ran out. Job {newer.id}, asked for later, does the work."
        assert job(store, newer.id).asked == 3

    def test_a_worker_that_stops_gives_it_back_without_counting_the_attempt(self, store: Store):
        ask(store)
        with store.write() as session:
            back = queue.give_back(session, claim_in(session, at=2), now=NOW + seconds(3))
        assert (back.state, back.attempt, back.run_after) == ("queued", 0, NOW + seconds(3))
        assert claim(store, at=3).attempt == 1

    def test_a_claim_from_before_it_was_given_back_has_no_effect_though_owner_and_attempt_are_the_same(
        self, store: Store
    ):
        ask(store)
        before = claim(store, at=2)
        assert before is not None
        with store.write() as session:
            queue.give_back(session, before, now=NOW + seconds(3))
        again = claim(store, at=3)
        assert again is not None
        assert (again.owner, again.attempt) == (before.owner, before.attempt)

        with pytest.raises(LeaseLost):
            finish(store, before, at=4)

        assert finish(store, again, at=5).state == "succeeded"


class TestCancelling:
    def test_a_queued_job_ends_at_once(self, store: Store):
        asked = ask(store)
        with store.write() as session:
            ended = queue.cancel(session, asked.id, now=NOW + seconds(1))
        assert (ended.state, ended.code) == ("failed", "cancelled")
        assert claim(store, at=9) is None
        assert ask(store, at=9).id != asked.id

    def test_a_running_job_is_asked_to_stop(self, store: Store):
        ask(store)
        held = claim(store, at=2)
        with store.write() as session:
            assert queue.cancel(session, held.job.id, now=NOW).state == "running"
            assert queue.heartbeat(session, held, now=NOW + seconds(3), lease=LEASE).cancel_requested
        assert "asked to stop" in explain(store, held.job.id, at=4)

    def test_it_does_not_come_back_by_a_retry_or_by_a_dead_worker(self, store: Store):
        for key, end in [("a", lambda held: fail(store, held, 4, LEASE)), ("b", lambda held: claim(store, at=60))]:
            ask(store, key=key)
            held = claim(store, at=2)
            with store.write() as session:
                queue.cancel(session, held.job.id, now=NOW)
            end(held)
            assert (job(store, held.job.id).state, job(store, held.job.id).code) == ("failed", "cancelled")

    def test_an_ended_job_stays_as_it_is(self, store: Store):
        ask(store)
        ended = finish(store, claim(store, at=2), at=3)
        with store.write() as session:
            assert queue.cancel(session, ended.id, now=NOW) == ended


class TestLooking:
    def test_jobs_are_listed_newest_first_by_state(self, store: Store):
        done = ask(store, key="a")
        finish(store, claim(store, at=2), at=2)
        waiting = ask(store, at=3, key="b")
        with store.read() as session:
            assert [record.id for record in queue.list_jobs(session)] == [waiting.id, done.id]
            assert [record.id for record in queue.list_jobs(session, states=("queued", "running"))] == [waiting.id]
            assert queue.list_jobs(session, "another survey") == []

    def test_a_job_says_why_it_has_not_started(self, store: Store):
        asked = ask(store)
        assert explain(store, asked.id, at=1) == (
            "It waits until 2026-03-02 12:00:02 UTC for more requests, to answer them all at once."
        )
        assert (
            "is due since 2026-03-02 12:00:02 UTC and waits for a worker: 0 running, 0 to start before it"
            in explain(store, asked.id, at=3)
        )
        claim(store, at=4)
        assert explain(store, asked.id, at=5) == "It runs since 2026-03-02 12:00:04 UTC, attempt 1 of 3."
        assert "no sign of life since 2026-03-02 12:00:14 UTC" in explain(store, asked.id, at=30)

    def test_an_unknown_job_is_not_found(self, store: Store):
        with store.write() as session:
            for look in (queue.get_job, lambda s, i: queue.cancel(s, i, now=NOW)):
                with pytest.raises(JobNotFound):
                    look(session, "nothing")


def claim_in(session: object, at: float) -> Claim:
    now: datetime = NOW + seconds(at)
    return queue.claim(session, owner="worker", now=now, lease=LEASE)


def all_ids(store: Store) -> set[str]:
    with store.read() as session:
        return {record.id for record in queue.list_jobs(session)}
