"""What analysts do with what is served, over HTTP and from the command line, with a worker: from wave to estimate."""

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from jobs.fit_process import fit as fit_here
from jobs.fit_request import FitRequest, FitResult
from jobs.settings import Settings
from jobs.worker import Worker
from mrp.design import build_design
from mrp.latents import LatentDraws
from polling.store import confirmations, fits, outbox, releases
from polling.store.audit import read_entries
from tests.api.test_lost_secrets import hustings
from tests.api.world import AGES, DISTRICTS, GENDERS, SILENT, SURVEY, World, wave_csv

BASE = f"/v1/surveys/{SURVEY}"
RAIL = f"{BASE}/questions/rail"


def act(world: World, what: str, role: str = "analyst", *, key: str | None = None, **body: str) -> Any:
    headers = world.bearer(role) | ({"Idempotency-Key": key} if key else {})
    return world.client.post(f"{RAIL}/{what}", headers=headers, json={"reason": "looks odd"} | body)


def events(world: World) -> list[str]:
    with world.store.read() as session:
        return [one.kind for one in outbox.read_after(session, 0)]


def next_wave(world: World, start: int = 1000) -> None:
    world.now += timedelta(hours=1)
    assert world.push(f"w{start}", wave_csv(start=start)).json()["state"] == "accepted"
    world.work()


class TestHold:
    def test_a_held_question_serves_what_it_served_and_says_why_until_it_is_released(self, world: World):
        first = world.release()
        before = world.estimates()["estimates"]
        assert act(world, "hold", key="a").json()["changed"] is True
        assert act(world, "hold", key="a").json()["changed"] is True  # the same request again
        assert act(world, "hold").json()["changed"] is False
        next_wave(world)

        held = world.estimates()
        assert (held["release_id"], held["estimates"]) == (first.id, before)
        assert held["stale_since"] is not None
        assert "Held by key:" in held["stale_reason"]
        assert ": looks odd. A newer fit is kept back. Wave w1000 of Alpha is not in it yet." in held["stale_reason"]
        question = world.get(RAIL).json()
        assert (question["held_since"], question["stale_reason"]) == (held["stale_since"], held["stale_reason"])
        job = world.get(f"{BASE}/jobs").json()["jobs"][0]
        assert (job["state"], job["code"]) == ("succeeded", "held")

        released = act(world, "hold/end", reason="it is fine").json()
        assert (released["changed"], released["published"], released["held"]) == (True, 2, None)
        now = world.estimates()
        assert (now["release_number"], now["stale_reason"]) == (2, None)
        assert now["estimates"] != before
        assert act(world, "hold/end").json()["changed"] is False
        assert [one for one in events(world) if one.startswith("question")] == ["question-held", "question-released"]
        with world.store.read() as session:
            entries = [one for one in read_entries(session) if one.action.startswith("question-")]
        assert [(one.action, one.subject, one.detail["reason"]) for one in entries] == [
            ("question-held", "rail", "looks odd"),
            ("question-released", "rail", "it is fine"),
        ]
        assert entries[0].actor.startswith("key:")

    def test_a_reason_is_needed_and_nothing_served_can_be_held_too(self, world: World):
        assert act(world, "hold", reason="").status_code == 400
        assert act(world, "hold").json()["release_id"] is None
        world.push()
        world.work()
        reply = world.get(f"{RAIL}/estimates")
        assert (reply.status_code, reply.json()["type"]) == (404, "no-release-yet")
        assert "Held by key:" in reply.json()["detail"]
        assert act(world, "hold/end").json()["published"] == 1

    def test_a_fit_with_problems_is_not_published_by_hand(self, world: World):
        first = world.release()
        act(world, "hold")
        world.fit.problems = [{"code": "divergences", "message": "9 divergences after warmup, limit 0"}]
        next_wave(world)
        ended = act(world, "hold/end").json()
        assert (ended["published"], ended["release_id"]) == (None, first.id)
        assert "9 divergences after warmup" in ended["stale_reason"]


class TestRollBack:
    def test_the_earlier_release_is_served_everywhere_and_the_past_stays_true(self, world: World):
        first = world.release()
        before = world.estimates()["estimates"]
        next_wave(world)
        second = world.get(RAIL).json()["release_id"]
        between = world.now
        tag = world.get(f"{RAIL}/estimates").headers["etag"]
        world.now += timedelta(hours=1)

        done = act(world, "roll-back", release=first.id).json()

        assert (done["release_id"], done["release_number"]) == (first.id, 1)
        assert (done["held"]["taken_back"], done["held"]["reason"]) == (2, "looks odd")
        now = world.get(f"{RAIL}/estimates", headers={"If-None-Match": tag})
        assert (now.status_code, now.json()["release_id"], now.json()["estimates"]) == (200, first.id, before)
        assert now.json()["stale_reason"].startswith("Release 2 was taken back by key:")
        listed = world.get(f"{RAIL}/releases").json()["releases"]
        assert [(one["number"], one["current"]) for one in listed] == [(2, False), (1, True)]
        then = world.estimates(as_of=between.isoformat())
        assert then["release_id"] == second
        assert then["stale_reason"].startswith("It was taken back by key:")
        assert world.estimates(as_of=world.now.isoformat())["release_id"] == first.id
        assert world.estimates(as_of=first.published_at.isoformat())["release_id"] == first.id
        assert world.estimates(release=second)["stale_reason"] == then["stale_reason"]
        again = act(world, "roll-back", release=first.id)
        assert (again.status_code, again.json()["type"]) == (409, "release-refused")

        next_wave(world, start=2000)
        assert world.estimates()["release_id"] == first.id
        assert act(world, "hold/end").json()["published"] == 3
        assert world.estimates(as_of=between.isoformat())["release_id"] == second
        # It was served twice: what took its place the first time, and the last.
        assert world.estimates(as_of=first.published_at.isoformat())["stale_reason"] == "Release 2 replaced it."
        assert world.estimates(release=first.id)["stale_reason"] == "Release 3 replaced it."

    def test_released_without_a_newer_fit_a_refit_is_asked_for(self, world: World):
        first = world.release()
        next_wave(world)
        act(world, "roll-back", release=first.id)
        ended = act(world, "hold/end").json()
        assert (ended["published"], ended["release_id"], [one["state"] for one in ended["jobs"]]) == (
            None,
            first.id,
            ["queued"],
        )
        world.work()
        assert world.estimates()["release_number"] == 3

    def test_the_command_line_does_the_same(self, world: World):
        world.release()
        next_wave(world)
        why = ("--reason", "looks odd")
        held = hustings(world, "question", "hold", SURVEY, "rail", *why)
        assert (held.exit_code, "Held by cli:" in held.output) == (0, True)
        assert "it stood so already" in hustings(world, "question", "hold", SURVEY, "rail", *why).output
        back = hustings(world, "question", "roll-back", SURVEY, "rail", "1", *why)
        assert (back.exit_code, "Release 2 was taken back by cli:" in back.output) == (0, True)
        assert hustings(world, "question", "roll-back", SURVEY, "rail", "7", *why).exit_code == 2
        assert hustings(world, "question", "roll-back", SURVEY, "rail", "1", *why).exit_code == 1
        shown = hustings(world, "question", "show", SURVEY, "rail")
        assert "Served for rail of town: release 1" in shown.output
        assert "NUTS made it" in shown.output
        assert "A refit is queued" in hustings(world, "question", "release", SURVEY, "rail", *why).output


class TestConfirmation:
    @pytest.fixture
    def fast(self, world: World) -> World:
        """Its release was made by the fast engine."""
        world.release()
        with world.store.write() as session:
            session.connection().exec_driver_sql("UPDATE fit SET engine = 'laplace'")
        return world

    def say(self, world: World, state: str, sentence: str) -> None:
        world.now += timedelta(hours=1)
        with world.store.write() as session:
            release = releases.current_release(session, SURVEY, "rail")
            said = {"state": state, "sentence": sentence, "numbers": {"n_estimates": 10}, "now": world.now}
            confirmations.add_confirmation(session, release, **said)

    def test_what_nuts_said_is_in_the_answers_and_the_check_up(self, fast: World):
        unasked = world_tag(fast)
        assert fast.estimates()["confirmation"] == {
            "state": "none",
            "at": None,
            "sentence": "NUTS has not looked at it yet.",
        }
        self.say(fast, "disagrees", "NUTS disagrees with release 1: far off.")

        assert world_tag(fast) != unasked
        told = fast.estimates()
        assert (told["confirmation"]["state"], told["confirmation"]["sentence"]) == (
            "disagrees",
            "NUTS disagrees with release 1: far off.",
        )
        release = fast.get(f"{BASE}/releases/{told['release_id']}").json()
        assert release["confirmation"] == told["confirmation"]
        diagnostics = fast.get(f"{BASE}/releases/{told['release_id']}/diagnostics").json()
        assert diagnostics["confirmation"] == {"n_estimates": 10}
        assert "NUTS disagrees with release 1" in hustings(fast, "estimates", SURVEY, "rail").output
        assert "NUTS disagrees with release 1" in hustings(fast, "diagnostics", SURVEY, "rail").output
        doctor = " ".join(hustings(fast, "doctor").output.split())
        assert "town/rail: NUTS disagrees with release 1: far off." in doctor
        self.say(fast, "agrees", "NUTS agrees with release 1.")
        assert "NUTS agrees with 1 of 1 releases" in " ".join(hustings(fast, "doctor").output.split())

    def test_analysts_ask_for_it_and_many_asks_are_one_job(self, fast: World):
        asked = [fast.client.post(f"{RAIL}/confirm", headers=fast.bearer("analyst")) for _ in range(2)]
        assert [one.status_code for one in asked] == [202, 202]
        assert asked[0].json()["id"] == asked[1].json()["id"]
        waiting = hustings(fast, "confirm", SURVEY, "rail", "--no-wait")
        assert (waiting.exit_code, asked[0].json()["id"] in waiting.output) == (0, True)
        fast.work()
        job = fast.get(asked[0].json()["url"]).json()
        assert (job["kind"], job["state"], job["code"]) == ("confirm", "succeeded", "not-confirmed")
        assert "effective draws, need 2,000" in job["detail"]  # the 200 draws of these tests are no reference
        assert fast.estimates()["stale_reason"] is None
        assert hustings(fast, "confirm", SURVEY, "tax").exit_code == 2


def world_tag(world: World) -> str:
    return str(world.get(f"{RAIL}/estimates").headers["etag"])


def divided_csv(*, flipped: bool = False, start: int = 0, n: int = 400) -> bytes:
    """Four in five women say yes and one in five men: half of all, however the options are coded."""
    asked = [one for one in DISTRICTS if one != SILENT]
    lines = ["id,district,gender,age,rail"]
    for i in range(n):
        woman = (i // 4) % 2 == 0
        yes = (((i // 8) % 5 != 0) == woman) != flipped
        cell = (asked[i % 4], GENDERS[0 if woman else 1], AGES[(i // 40) % 3])
        lines.append(",".join((f"r{start + i}", *cell, "yes" if yes else "no")))
    return ("\n".join(lines) + "\n").encode()


def from_the_counts(request: FitRequest, settings: Settings, *, beat: Callable[..., bool], stop: Any) -> FitResult:
    """Stands in for the fit process: draws around what the interviews say of women and men."""
    design = build_design(request.formula, request.electorate)
    by = request.counts.group_by("gender").agg(pl.col("y", "n").sum())
    logit = {row[0]: float(np.log(row[1] / (row[2] - row[1]))) for row in by.iter_rows()}
    rng = np.random.default_rng(request.seed)
    draws = 0.05 * rng.standard_normal((400, design.n_latents))
    draws[:, design.latent_names.index("intercept")] += (logit["woman"] + logit["man"]) / 2
    draws[:, design.latent_names.index("gender[man]")] += logit["man"] - logit["woman"]
    latents = LatentDraws(draws.astype(np.float32), design.latent_names)
    verdict: dict[str, Any] = {"problems": []}
    return FitResult("laplace", latents.to_bytes(), design.to_json(), verdict, {}, {}, {}, {"fit": 0.1})


def test_a_wave_with_flipped_answers_waits_and_moves_the_estimates_only_when_it_is_let_through(world: World):
    world.fit = from_the_counts  # type: ignore[assignment]
    world.release("w1", divided_csv())
    women = next(one for one in world.estimates(by="gender")["estimates"] if one["groups"]["gender"] == "woman")
    assert women["share"] == pytest.approx(0.8, abs=0.02)
    served = world.estimates(by="gender")
    nation = world.estimates()["estimates"][0]["share"]

    flipped = world.push("w2", divided_csv(flipped=True, start=1000)).json()
    assert (flipped["state"], flipped["jobs"]) == ("held", [])
    (surprise,) = [one for one in flipped["flags"] if one["kind"] == "surprise"]
    assert surprise["over"]
    assert "the slope on the prediction is -" in surprise["words"]
    world.work()
    assert world.estimates(by="gender") == served

    path = f"{BASE}/waves/{flipped['wave_id']}/let-through"
    through = world.client.post(path, headers=world.bearer("analyst"), json={"reason": "it was asked so"})
    assert through.json()["changed"][0]["state"] == "accepted"
    world.work()
    moved = world.estimates(by="gender")
    assert moved["release_number"] == 2
    assert [one["share"] for one in moved["estimates"]] == pytest.approx([0.5, 0.5], abs=0.03)
    assert world.estimates()["estimates"][0]["share"] == pytest.approx(nation, abs=0.02)


def really(request: FitRequest, settings: Settings, *, beat: Callable[..., bool], stop: Any) -> FitResult:
    """The fit itself, without a process of its own."""
    return fit_here(request, progress=io.StringIO())


def test_real_nuts_confirms_a_real_release_and_one_that_diverges_is_not_published(world: World):
    world.fit = really  # type: ignore[assignment]
    world.release("w1", divided_csv())
    good = world.estimates(by="gender")
    assert good["engine"] == "laplace"
    assert world.client.post(f"{RAIL}/confirm", headers=world.bearer("analyst")).status_code == 202
    world.work()
    confirmation = world.estimates()["confirmation"]
    # Pseudonyms, and so the seed of NUTS, differ each time; one in a hundred pairs is apart by more than the limit.
    assert confirmation["state"] == "agrees" or "chance alone may make it" in confirmation["sentence"]
    assert "about release 1" in confirmation["sentence"] or "with release 1" in confirmation["sentence"]

    careless = {"engine": "nuts", "nuts_tune": 30, "nuts_draws": 60, "nuts_chains": 2}
    world.settings = replace(world.settings, **careless, nuts_target_accept=0.3, nuts_retry_target_accept=0.3)
    world.push("w2", divided_csv(start=1000))
    world.now += timedelta(minutes=1)
    Worker(world.store, world.settings, fit=really, clock=lambda: world.now).turn(world.now)

    now = world.estimates(by="gender")
    assert (now["release_id"], now["estimates"]) == (good["release_id"], good["estimates"])
    assert now["stale_reason"].startswith("A fit on about 800 interviews in 2 waves was not published: ")
    assert "divergences after warmup, limit 0" in now["stale_reason"]
    assert now["stale_reason"].count(". ") == 0  # one sentence
    with world.store.read() as session:
        newest = fits.list_fits(session, SURVEY, "rail")[0]
    assert (newest.engine, newest.publishable) == ("nuts", False)
    assert {"divergences"} <= {one["code"] for one in newest.verdict["problems"]}
