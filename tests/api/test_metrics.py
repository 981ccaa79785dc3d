"""What is measured, who may read it, and what it says when the database is away."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from api.house_metrics import OVERLAP, FitTotals
from jobs.clock import LEASE
from polling.store import backup_runs, by_hand, figures, leases, queue, releases
from polling.store.engine import Store
from tests.api.world import OTHER, POLLSTER, RIVAL, SURVEY, World, make_world, wave_csv

RAIL = {"survey": SURVEY, "question": "rail"}
WAITS = "hustings_oldest_unreleased_wave_seconds"


@pytest.fixture
def town(store: Store, tmp_path: Path) -> Iterator[World]:
    """A service, on SQLite and on PostgreSQL."""
    world = make_world(store, tmp_path)
    with world.client:
        yield world


def scrape(world: World, role: str = "monitor") -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample by name and labels."""
    reply = world.get("/metrics", role)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    families = text_string_to_metric_families(reply.text)
    return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}


def value(world: World, name: str, **labels: str) -> float | None:
    return scrape(world).get((name, frozenset(labels.items())))


def requests(world: World, **labels: str) -> float | None:
    return value(world, "hustings_http_requests_total", **labels)


@pytest.mark.parametrize("role", ["monitor", "admin"])
def test_a_key_for_it_reads_them(served: World, role: str):
    assert scrape(served, role)["hustings_database_up", frozenset()] == 1


@pytest.mark.parametrize("role", ["pollster", "reader", "analyst", "dpo"])
def test_another_key_does_not(served: World, role: str):
    assert served.get("/metrics", role).json()["type"] == "role-refused"


@pytest.mark.parametrize("path", ["/v1/surveys", f"/v1/surveys/{SURVEY}", f"/v1/surveys/{SURVEY}/jobs"])
def test_a_monitors_key_reads_nothing_else(served: World, path: str):
    assert served.get(path, "monitor").json()["type"] == "role-refused"


def refused_upload(world: World) -> Any:
    return world.push("large", b"x" * 66_000_000)


@pytest.mark.parametrize(
    ("call", "labels"),
    [
        (lambda w: w.client.get("/health"), {"route": "/health", "status": "200"}),
        (lambda w: w.client.head("/health"), {"method": "HEAD", "route": "/health", "status": "200"}),
        (lambda w: w.client.get("/v1/surveys"), {"route": "/v1/surveys", "status": "401"}),
        (lambda w: w.get("/v1/surveys/none"), {"route": "/v1/surveys/{survey_id}", "status": "404"}),
        (lambda w: w.client.get("/a/b"), {"route": "unmatched", "status": "404"}),
        (lambda w: w.client.get("/c"), {"route": "unmatched", "status": "404"}),
        (lambda w: w.client.delete("/health"), {"method": "DELETE", "route": "unmatched", "status": "405"}),
        (
            lambda w: w.client.post(
                f"/v1/surveys/{SURVEY}/waves/undo", headers=w.bearer("pollster"), json={"reason": "x" * 1_100_000}
            ),
            {"method": "POST", "route": "/v1/surveys/{survey_id}/waves/undo", "status": "413"},
        ),
        (lambda w: w.client.request("BREW", "/pot"), {"method": "other", "route": "unmatched", "status": "404"}),
    ],
    ids=["200", "head", "401", "404", "no-route", "no-other-route", "405", "413", "no-method"],
)
def test_an_answer_is_counted_by_method_route_and_status(served: World, call: Any, labels: dict[str, str]):
    labels = {"method": "GET"} | labels
    before = requests(served, **labels) or 0
    reply = call(served)

    assert str(reply.status_code) == labels["status"]
    assert requests(served, **labels) == before + 1
    assert value(served, "hustings_http_request_seconds_count", **labels) == before + 1
    assert value(served, "hustings_http_request_seconds_bucket", **labels, le="+Inf") == before + 1


def test_a_fault_of_the_service_is_counted_as_one(served: World, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object, **__: object) -> None:
        raise ValueError

    monkeypatch.setattr("polling.store.surveys.get_survey", broken)
    served.get(f"/v1/surveys/{SURVEY}")
    assert requests(served, method="GET", route="/v1/surveys/{survey_id}", status="500") == 1


def test_two_applications_count_apart(world: World, served: World):
    world.client.get("/health")
    assert world.services.metrics is not served.services.metrics
    assert requests(world, method="GET", route="/health", status="200") == 1


def test_the_queue_is_told_by_kind_and_state(town: World):
    assert value(town, "hustings_jobs", kind="refit", state="queued") == 0
    assert value(town, "hustings_oldest_due_job_seconds") == 0
    town.push("w1", wave_csv(questions=("rail", "tax")))

    town.now += timedelta(seconds=1)  # both wait out the quiet time of 2 s
    assert value(town, "hustings_jobs", kind="refit", state="queued") == 2
    assert value(town, "hustings_oldest_due_job_seconds") == 0
    town.now += timedelta(seconds=31)
    assert value(town, "hustings_oldest_due_job_seconds") == 30
    with town.store.write() as session:
        assert queue.claim(session, owner="one", now=town.now, lease=timedelta(seconds=15)) is not None
    assert value(town, "hustings_jobs", kind="refit", state="running") == 1
    assert value(town, "hustings_jobs", kind="refit", state="queued") == 1
    assert value(town, "hustings_workers_busy") == 1
    town.now += timedelta(seconds=16)
    assert value(town, "hustings_workers_busy") == 0


def test_whether_a_worker_keeps_the_schedule(town: World):
    assert value(town, "hustings_clock_held") == 0
    with town.store.write() as session:
        leases.acquire_lease(session, LEASE, "one", town.now, timedelta(seconds=15))
    assert value(town, "hustings_clock_held") == 1
    town.now += timedelta(seconds=16)
    assert value(town, "hustings_clock_held") == 0


def test_how_long_a_wave_has_been_waiting_for_its_release(town: World):
    assert value(town, WAITS, **RAIL) == 0
    town.push("w1")
    town.now += timedelta(seconds=5)
    town.push("w2", wave_csv(start=1000))
    town.now += timedelta(seconds=5)
    assert value(town, WAITS, **RAIL) == 10
    assert value(town, WAITS, survey=SURVEY, question="tax") == 0
    assert value(town, "hustings_release_age_seconds", **RAIL) is None

    with town.store.write() as session:
        releases.mark_stale(session, SURVEY, "tax", town.now, "for another reason; no wave asks it")
    assert value(town, WAITS, survey=SURVEY, question="tax") == 0

    town.work()
    assert value(town, WAITS, **RAIL) == 0
    town.now += timedelta(seconds=7)
    assert value(town, "hustings_release_age_seconds", **RAIL) == 7
    town.push("w3", wave_csv(start=2000))
    town.now += timedelta(seconds=3)
    assert value(town, WAITS, **RAIL) == 3


def test_a_wave_that_is_withdrawn_or_held_waits_for_nothing(town: World):
    town.release()
    town.push("w2", wave_csv(start=1000))
    waves = {one["reference"]: one["url"] for one in town.get(f"/v1/surveys/{SURVEY}/waves").json()["waves"]}
    town.now += timedelta(seconds=3)
    assert value(town, WAITS, **RAIL) == 3
    town.client.post(f"{waves['w2']}/withdraw", headers=town.bearer("pollster"), json={"reason": "test"})

    with town.store.write() as session:  # what a wave that needs an analyst looks like
        stale = "UPDATE question_state SET stale_since = (SELECT max(at) FROM wave_event) WHERE question_id = 'rail'"
        session.execute(text(stale))
    assert value(town, WAITS, **RAIL) == 0
    town.push("w3", wave_csv(start=2000))
    with town.store.write() as session:
        session.execute(text("UPDATE wave SET state = 'held' WHERE reference = 'w3'"))
    town.now += timedelta(seconds=3)
    assert value(town, WAITS, **RAIL) == 0


def test_a_correction_that_an_analyst_has_to_let_through_waits_for_no_release(town: World):
    town.release()
    town.push("w2", wave_csv(start=1000))
    with town.store.write() as session:  # w1 is counted as it was, its next version waits
        session.execute(text("UPDATE wave_event SET sequence = sequence + 10 WHERE sequence = 1"))
        session.execute(text("UPDATE wave_event SET waiting = 2 WHERE sequence = 11"))
        session.execute(text("UPDATE wave SET state = 'withdrawn' WHERE reference = 'w2'"))
    town.now += timedelta(seconds=3)
    assert value(town, WAITS, **RAIL) == 0
    with town.store.write() as session:
        session.execute(text("UPDATE wave_event SET waiting = NULL"))
    assert value(town, WAITS, **RAIL) == 63


def test_questions_that_are_stale_held_or_unreleased(town: World):
    town.release()
    assert value(town, "hustings_questions_stale") == 0
    assert value(town, "hustings_questions_unreleased") == 2
    town.push("w2", wave_csv(start=1000))
    with town.store.write() as session:
        by_hand.hold(session, SURVEY, "tax", actor="test", reason="test", now=town.now)
    assert value(town, "hustings_questions") == 3
    assert value(town, "hustings_questions_stale") == 2
    assert value(town, "hustings_questions_held") == 1


def test_fits_by_verdict_and_their_seconds(town: World):
    town.release()
    town.fit.problems = [{"code": "r-hat", "message": "R-hat 1.2 of 'intercept'"}]
    town.push("w2", wave_csv(start=1000))
    town.work()

    assert value(town, "hustings_fits_total", engine="nuts", publishable="yes") == 1
    assert value(town, "hustings_fits_total", engine="nuts", publishable="no") == 1
    assert value(town, "hustings_fit_seconds_count", engine="nuts") == 2
    assert value(town, "hustings_fit_seconds_sum", engine="nuts") == pytest.approx(0.2)


def test_a_fit_is_counted_once_however_late_it_is_seen(town: World):
    town.release()
    totals = FitTotals()
    with town.store.read() as session:
        (first,) = figures.fits_after(session, None)
        assert totals.read(session)[0] == {("nuts", True): 1}
        assert totals.read(session)[0] == {("nuts", True): 1}
    with town.store.write() as session:  # another worker's clock is behind, or it was slow to commit
        columns = session.execute(text("SELECT * FROM fit")).keys()
        same = ", ".join(one for one in columns if one not in ("id", "created_at"))
        earlier = f"INSERT INTO fit (id, created_at, {same}) SELECT 'late', :at, {same} FROM fit"
        at = first.created_at - OVERLAP / 2
        session.execute(text(earlier), {"at": at if town.store.dialect == "postgresql" else at.replace(tzinfo=None)})
    with town.store.read() as session:
        assert totals.read(session)[0] == {("nuts", True): 2}
        assert totals.read(session)[1] == {"nuts": pytest.approx(0.2)}
        assert FitTotals().read(session)[0] == {("nuts", True): 2}  # as after a restart


def test_a_key_of_one_survey_is_told_of_no_other(served: World):
    assert value(served, "hustings_release_age_seconds", **RAIL) is not None
    assert OTHER not in served.get("/metrics", "monitor").text
    served.keys["everywhere"] = served.key("monitor", survey=None)
    everything = served.client.get("/metrics", headers=served.bearer("everywhere")).text
    assert f'survey="{OTHER}"' in everything


def test_they_hold_no_pollster_no_wave_no_key_and_no_query(world: World):
    world.push("secret-reference", wave_csv(30, start=500).decode().replace("r507", "canary").encode())
    world.work()
    world.client.get("/health?canary=canary")
    world.client.get("/canary/hust_abcdefgh_secret")
    said = world.get("/metrics", "monitor").text

    for secret in (POLLSTER, RIVAL, "secret-reference", "canary", "hust_", world.keys["monitor"]):
        assert secret not in said


@pytest.fixture
def away(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A service whose database went away after one scrape."""
    world.bearer("admin")
    world.bearer("reader")
    scrape(world)
    world.services.memory.look()

    def gone(*_: object) -> None:
        raise OperationalError("SELECT", {}, Exception("server closed"))

    monkeypatch.setattr(world.store, "stamp", gone)
    monkeypatch.setattr(world.store, "read", gone)
    return world


def test_when_the_database_is_away_a_known_key_hears_of_it(away: World):
    assert away.get("/v1/surveys").status_code == 503
    found = scrape(away)

    assert found["hustings_database_up", frozenset()] == 0
    labels = {"method": "GET", "route": "/v1/surveys", "status": "503"}
    assert found["hustings_http_requests_total", frozenset(labels.items())] == 1
    assert not any(name.startswith(("hustings_jobs", "hustings_question")) for name, _ in found)


def test_when_the_database_is_away_keys_open_what_they_opened_before(away: World):
    bearer = away.bearer("monitor")
    unknown = {"Authorization": bearer["Authorization"][:-1] + "x"}
    assert away.client.get("/metrics", headers=unknown).status_code == 401
    assert away.client.get("/metrics").status_code == 401
    assert away.get("/metrics", "reader").status_code == 403
    assert away.client.get("/v1/surveys", headers=bearer).status_code == 403


def test_a_database_that_lacks_a_table_is_not_up(world: World):
    scrape(world)
    with world.store.write() as session:
        session.execute(text("DROP TABLE question_hold"))
    assert value(world, "hustings_database_up") == 0


def test_the_readme_lists_every_metric_with_its_labels(world: World):
    world.release()
    with world.store.write() as session:
        backup_runs.add(session, path="b", n_bytes=1, sha256="", expires_at=world.now, now=world.now)
    world.client.get("/health")
    found = {
        (one.name + "_total" * (one.type == "counter"), *sorted(one.samples[0].labels.keys() - {"le"}))
        for one in text_string_to_metric_families(world.get("/metrics", "monitor").text)
    }

    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(hustings_\w+)` \| ([\w`, ]*) \| ", readme, flags=re.MULTILINE)
    assert {(name, *sorted(re.findall(r"\w+", labels))) for name, labels in rows} == found


def test_a_scrape_takes_few_statements(world: World):
    from sqlalchemy import event

    world.release()
    bearer = world.bearer("monitor")
    seen: list[str] = []
    event.listen(world.store._reader, "before_cursor_execute", lambda *about: seen.append(about[2]))
    assert world.client.get("/metrics", headers=bearer).status_code == 200
    selects = [one for one in seen if one.startswith("SELECT")]
    assert len(selects) <= 9, selects
    assert not any("payload" in one or "content" in one for one in selects)
