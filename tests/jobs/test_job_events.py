"""What the outbox is told of jobs: every state of a refit, and nothing of other work."""

from datetime import timedelta

from jobs import job_acts
from polling.secrets import SecretsFile
from polling.store import outbox, queue
from tests.jobs.house import House


def told(house: House) -> list[tuple[str, object]]:
    with house.store.read() as session:
        found = outbox.read_after(session, 0, limit=1000)
    return [(one.kind, one.payload["code"]) for one in found if one.kind.startswith("job-")]


def work(house: House) -> None:
    house.wait(60)
    while house.worker().turn(house.now):
        pass


def test_a_refit_is_told_from_the_request_to_the_release(house: House):
    house.push(1)
    house.push(2)  # the same refits wait for it

    assert told(house) == [("job-queued", None)] * 2
    work(house)
    first = [("job-running", None), ("job-succeeded", "published")]
    assert told(house) == [("job-queued", None)] * 2 + first * 2


def test_a_fit_that_is_not_published_has_failed(house: House):
    house.fit.problems = [{"code": "k-hat", "message": "no"}]
    house.push(1)
    work(house)

    assert told(house)[-1] == ("job-failed", "fit-rejected")


def test_a_job_that_is_cancelled_before_it_starts_is_told_once(house: House):
    job = house.push(1).jobs[0]
    secrets = SecretsFile(house.settings.secrets_file)
    for _ in range(2):
        job_acts.cancel(house.store, secrets, job_id=job.id, now=house.now, actor="test")

    assert told(house) == [("job-queued", None)] * 2 + [("job-failed", "cancelled")]


def test_a_job_that_was_given_up_is_told(house: House):
    house.push(1)
    now = house.now + timedelta(hours=1)
    for _ in range(8):
        now += timedelta(minutes=10)
        with house.store.write() as session:
            queue.claim(session, owner="dying", now=now, lease=timedelta(seconds=15))

    assert told(house) == [("job-queued", None)] * 2 + [("job-failed", "crashed")] * 2


def test_work_that_is_no_fit_is_not_told(house: House):
    with house.store.write() as session:
        queue.ask(
            session,
            kind="backup",
            key="backup",
            survey_id=None,
            question_id=None,
            now=house.now,
            quiet=timedelta(0),
            patience=timedelta(0),
        )
    assert told(house) == []
