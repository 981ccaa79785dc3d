"""What is answered as it was known at a moment, and what a release says anew."""

from datetime import timedelta
from typing import Any

from sqlalchemy import text

from polling.store import releases
from tests.api.test_lost_secrets import hustings
from tests.api.world import SURVEY, World, wave_csv

URL = f"/v1/surveys/{SURVEY}/questions/rail"


def ask(world: World, moment: Any, **more: str) -> Any:
    return world.get(
        f"{URL}/estimates", params={"as_of": moment if isinstance(moment, str) else moment.isoformat()} | more
    )


def corrected(world: World) -> tuple[Any, Any]:
    """Two releases: of a wave, and of its correction an hour later."""
    first = world.release()
    world.now += timedelta(hours=1)
    reply = world.push("w1", wave_csv(380), replaces="w1", reason="20 were test interviews")
    assert (reply.status_code, reply.json()["version"]) == (202, 2)
    stale = world.estimates()["stale_reason"]
    assert "Wave w1 of Alpha was corrected (version 2)" in stale
    assert "20 were test interviews" in stale
    world.work()
    with world.store.read() as session:
        second = releases.current_release(session, SURVEY, "rail")
    return first, second


def test_estimates_as_known_on_a_moment_are_those_of_the_release_then(world: World):
    first, second = corrected(world)
    between = first.published_at + timedelta(minutes=10)

    then, now = ask(world, between), ask(world, world.now)

    assert (then.json()["release_id"], now.json()["release_id"]) == (first.id, second.id)
    assert then.json()["stale_reason"] == "Release 2 replaced it."
    assert ask(world, first.published_at).json()["release_id"] == first.id


def test_before_the_first_release_nothing_was_known(world: World):
    first = world.release()
    reply = ask(world, first.published_at - timedelta(seconds=1))
    assert (reply.status_code, reply.json()["type"]) == (404, "no-release-yet")
    assert "Nothing was published for question 'rail'" in reply.json()["detail"]


def test_draws_that_are_gone_are_said_to_be_gone(world: World):
    first, _ = corrected(world)
    with world.store.write() as session:
        session.execute(text("DELETE FROM fit_draws WHERE fit_id = :fit"), {"fit": first.fit_id})
    world.services.releases._loaded._values.clear()  # what is in memory may still answer
    reply = ask(world, first.published_at, interval="0.5")
    assert (reply.status_code, reply.json()["type"]) == (410, "draws-gone")


def test_a_moment_needs_a_zone_and_stands_alone(world: World):
    first = world.release()
    for path in (f"{URL}/estimates", f"/v1/surveys/{SURVEY}/waves"):
        reply = world.get(path, params={"as_of": "2026-03-02T12:00:00"})
        assert (reply.status_code, reply.json()["type"]) == (400, "moment-without-zone")
    assert ask(world, world.now, release=first.id).status_code == 422


def test_waves_are_listed_as_they_stood(world: World):
    world.push()
    then = world.now
    world.now += timedelta(hours=1)
    world.push("w1", wave_csv(380), replaces="w1", reason="x")
    listed = world.get(f"/v1/surveys/{SURVEY}/waves", params={"as_of": then.isoformat()}).json()
    assert [(wave["version"], wave["n_interviews"]) for wave in listed["waves"]] == [(1, 400)]
    history = world.get(f"/v1/surveys/{SURVEY}/waves/w1/history").json()
    assert [one["version"] for one in history["versions"]] == [1, 2]
    assert [one["kind"] for one in history["events"]] == ["received", "replaced"]


def test_a_release_says_what_it_restates(world: World):
    first, second = corrected(world)
    assert world.get(f"/v1/surveys/{SURVEY}/releases/{first.id}").json()["restates"] == []
    (restated,) = world.get(f"/v1/surveys/{SURVEY}/releases/{second.id}").json()["restates"]
    assert (restated["reference"], restated["change"], restated["version"]) == ("w1", "replaced", 2)
    assert restated["text"].startswith("Wave w1 of Alpha was corrected (version 2) on")


def test_facts_come_in_fields_or_in_one_object(world: World):
    wording = '{"sponsor": "A club", "wording": {"rail": "A railway?"}}'
    wave = world.push(mode="phone", facts=wording).json()["wave_id"]
    facts = world.get(f"/v1/surveys/{SURVEY}/waves/{wave}").json()["facts"]
    assert (facts["mode"], facts["sponsor"], facts["wording"]) == ("phone", "A club", {"rail": "A railway?"})
    assert facts["universe"] == "Adults of the town"
    for given, says in (("[1]", "facts must be a JSON object"), ('{"mode": "web"}', "mode was given in facts too")):
        reply = world.push("w2", mode="phone", facts=given)
        assert (reply.status_code, says in reply.json()["detail"]) == (400, True)


def test_the_command_line_does_the_same(world: World, tmp_path: Any):
    file = tmp_path / "w1.csv"
    days = ("--fieldwork-start", "2026-02-20", "--fieldwork-end", "2026-02-25", "--pollster", "Alpha")
    file.write_bytes(wave_csv())
    assert hustings(world, "wave", "push", SURVEY, str(file), *days, "--fact", "mode=phone").exit_code == 0
    file.write_bytes(wave_csv(380))
    refused = hustings(world, "wave", "push", SURVEY, str(file), *days)
    assert (refused.exit_code, "say that it replaces 'w1'" in refused.output) == (1, True)
    more = ("--replaces", "w1", "--reason", "20 were tests", "--fact", "wording.rail=A railway?")
    done = hustings(world, "wave", "push", SURVEY, str(file), *days, *more)
    assert (done.exit_code, "380 interviews stored as version 2" in done.output) == (0, True)
    assert "withdrawn, version 2." in hustings(world, "wave", "withdraw", SURVEY, "w1", "--reason", "x").output
    assert "accepted, version 2." in hustings(world, "wave", "restore", SURVEY, "w1", "--reason", "x").output
    assert "as it was" in hustings(world, "wave", "let-through", SURVEY, "w1", "--reason", "x").output
    assert "accepted, version 1." in hustings(world, "wave", "undo", SURVEY, "w1", "--reason", "x").output
    assert hustings(world, "wave", "undo", SURVEY, "--reason", "x").exit_code == 2
    assert "20 were tests" in hustings(world, "wave", "history", SURVEY, "w1").output
    assert hustings(world, "wave", "list", SURVEY, "--as-of", "2000-01-01").exit_code == 0
    assert hustings(world, "wave", "history", SURVEY, "w9").exit_code == 2
