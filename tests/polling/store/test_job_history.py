"""How long jobs take: told afterwards, expected before, forgotten at last."""

from datetime import timedelta

from polling.store import fits, job_history, queue, releases
from polling.store.engine import Store
from polling.store.records import JobRecord

from .conftest import NOW, new_fit, seconds

LEASE = seconds(15)


def ask(store: Store, key: str, at: float = 0) -> JobRecord:
    nothing = timedelta(0)
    with store.write() as session:
        return queue.ask(
            session,
            kind="refit",
            key=key,
            survey_id=None,
            question_id=None,
            now=NOW + seconds(at),
            quiet=nothing,
            patience=nothing,
        )


def did(store: Store, key: str, at: float, takes: float, *, fit_id: str | None = None, waits: float = 2) -> JobRecord:
    ask(store, key, at - waits)
    with store.write() as session:
        held = queue.claim(session, owner="w", now=NOW + seconds(at), lease=LEASE)
        end = NOW + seconds(at + takes)
        return queue.finish(session, held, now=end, code="published", detail="", fit_id=fit_id)


def ends(store: Store, *jobs: JobRecord, at: float) -> list[float | None]:
    with store.read() as session:
        now = [queue.get_job(session, job.id) for job in jobs]
        found = job_history.expected_ends(session, now, now=NOW + seconds(at))
    return [(found[job.id] - NOW).total_seconds() if job.id in found else None for job in jobs]


def test_the_end_is_expected_from_earlier_jobs_and_then_told_by_the_fit(sqlite_store: Store):
    for number, takes in enumerate((4, 6, 8)):
        did(sqlite_store, "a", 10 * number, takes)
    did(sqlite_store, "b", 40, 20)
    first, second, unknown = ask(sqlite_store, "a", 100), ask(sqlite_store, "b", 101), ask(sqlite_store, "c", 102)
    # Of its own kind there is none of c: 4, 6, 8, 20.
    assert ends(sqlite_store, first, second, unknown, at=110) == [116, 136, 143]

    with sqlite_store.write() as session:
        held = queue.claim(session, owner="w", now=NOW + seconds(110), lease=LEASE)
    assert ends(sqlite_store, first, at=112) == [116]
    with sqlite_store.write() as session:
        told = {"stage": "sampling", "share": 0.5, "expected_end_at": (NOW + seconds(123)).isoformat()}
        queue.heartbeat(session, held, now=NOW + seconds(112), lease=LEASE, progress=told)
    assert ends(sqlite_store, first, second, at=113) == [123, 143]
    assert ends(sqlite_store, first, at=130) == [130]


def test_without_history_nothing_is_expected(sqlite_store: Store):
    assert ends(sqlite_store, ask(sqlite_store, "a"), at=5) == [None]


def test_durations_are_kept_by_work(store: Store):
    for number, takes in enumerate((4, 6, 8)):
        did(store, "a", 10 * number, takes, waits=number)
    with store.read() as session:
        (found,) = job_history.durations(session, since=NOW)
        assert (found.queued_s, found.ran_s, found.longest_s, found.n_succeeded) == (1, 6, 8, 3)
        assert job_history.durations(session, since=NOW + seconds(60)) == []
        (job,) = queue.list_jobs(session, limit=1)
    assert (job.queued_s, job.ran_s) == (2, 8)


def test_old_jobs_are_forgotten_but_not_the_last_nor_those_of_what_is_served(survey_store: Store):
    with survey_store.write() as session:
        served, newest = (fits.save_fit(session, new_fit(seed=n), now=NOW + seconds(n)) for n in (1, 2))
        releases.publish(session, fit_id=served, now=NOW)
    kept = [did(survey_store, "a", at, 1, fit_id=fit_id) for at, fit_id in ((0, served), (10, newest))]
    gone = did(survey_store, "a", 20, 1)
    last = [did(survey_store, key, 30, 1) for key in "ab"]
    waiting = ask(survey_store, "c", 0)

    with survey_store.write() as session:
        assert job_history.forget_jobs(session, before=NOW + seconds(15)) == 0
        assert job_history.forget_jobs(session, before=NOW + timedelta(days=1)) == 1
        left = {job.id for job in queue.list_jobs(session)}
    assert left == {job.id for job in (*kept, *last, waiting)}
    assert gone.id not in left
