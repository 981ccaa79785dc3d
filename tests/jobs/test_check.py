"""A release is checked after it was published: what is kept of it names the fault and tells no count."""

import io
import json
import sqlite3
import threading
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from jobs.check import prepare_check
from jobs.check_ask import (
    AREAS,
    CHECK,
    LEFT_OUT,
    POLLSTERS,
    PREDICTIVE,
    PRIORS,
    REST,
    SENSITIVITY,
    SETTLED,
    ask_check,
    ask_next_check,
    kinds,
)
from jobs.check_candidates import compare_candidates
from jobs.check_made import CHECKS, check_predictive
from jobs.check_refits import REFIT_CHECKS
from jobs.check_shown import ShownCounts
from jobs.errors import FitCancelled, FitImpossible, FitProcessFailed
from polling.disclosure import DisclosureRules, perturb_counts
from polling.errors import ReleaseNotFound, ReleaseRefused
from polling.store import checks, fits, outbox, queue, releases
from polling.store.records import JobRecord
from polling.store.tables import Fit
from tests.api.world import DISTRICTS, GENDERS, SURVEY, World, make_world, wave_csv
from tests.mrp.checks.worlds import WORLD, counts_of, interviews


@pytest.fixture
def world(sqlite_store: Any, tmp_path: Any) -> World:
    return make_world(sqlite_store, tmp_path)


def biased(n: int, *, yes: float, start: int) -> bytes:
    """Interviews that say yes so often, in cells that take turns."""
    lines = ["id,district,gender,age,rail"]
    for i in range(n):
        answer = "yes" if (i * 37) % 100 < 100 * yes else "no"
        lines.append(
            f"r{start + i},{DISTRICTS[i % 4]},{GENDERS[(i // 4) % 2]},{('young', 'old')[(i // 8) % 2]},{answer}"
        )
    return ("\n".join(lines) + "\n").encode()


@dataclass
class Sure:
    """Stands in for the fit process: one share everywhere, and hardly any doubt about it."""

    share: float = 0.5
    inner: Any = None
    requests: list[Any] = field(default_factory=list)

    def __call__(self, request: Any, settings: Any, **how: Any) -> Any:
        result = self.inner(request, settings, **how)
        self.requests.append(request)
        draws = np.random.default_rng(1).normal(0, 0.01, self.inner.draws.shape).astype(np.float32)
        draws[:, 0] += np.log(self.share / (1 - self.share))
        from mrp.latents import LatentDraws

        latents = LatentDraws(draws, self.inner.design.latent_names, n_chains=4)
        return replace(result, draws=latents.to_bytes())


def serve(world: World, *, blue: float = 0.5, red: float = 0.5) -> None:
    """Two pollsters, who say what they say, and a fit that believes in one half."""
    world.fit = Sure(inner=world.fit)
    for n, (pollster, yes) in enumerate((("Blue", blue), ("Red", red), ("Grey", 0.5), ("Green", 0.5))):
        pushed = world.push(f"w{n}", biased(400, yes=yes, start=1000 * n), role="admin", pollster=pollster)
        assert pushed.status_code == 202, pushed.text
    world.work()


def run(world: World, *, minutes: float = 5) -> JobRecord:
    """Have the release checked when it has been served for so long."""
    world.now += timedelta(minutes=minutes)
    with world.store.write() as session:
        assert ask_next_check(session, world.settings, now=world.now) is not None
    world.work()
    with world.store.read() as session:
        return queue.list_jobs(session, kind=CHECK, limit=1)[0]


def found(world: World) -> tuple[Any, tuple[checks.ConcernRecord, ...] | None]:
    with world.store.read() as session:
        release = releases.current_release(session, SURVEY, "rail")
        assert release is not None
        made = {one.kind: one.content for one in checks.checks_of(session, release.fit_id)}
        return made.get(PREDICTIVE), checks.concerns_of(session, release.fit_id)


def test_a_biased_pollster_is_named_although_the_formula_reads_no_pollster(world: World):
    serve(world, blue=0.3, red=0.7)

    job = run(world)

    content, concerns = found(world)
    assert (job.state, job.code) == ("succeeded", "checked")
    assert concerns is not None
    assert concerns[0].columns == ("pollster",)
    assert concerns[0].severity == "grave"
    assert concerns[0].levels in (("Blue",), ("Red",))
    assert concerns[0].sentence in job.detail
    margins = {tuple(one["columns"]): one for one in content["margins"]}
    assert margins[("pollster",)]["found"] == "misfit"
    assert {g["levels"][0] for g in margins[("pollster",)]["groups"] if g["off"]} == {"Blue", "Red"}
    assert margins[("gender",)]["found"] == "fits"


def test_every_kind_of_check_is_kept(world: World):
    serve(world)
    run(world)

    with world.store.read() as session:
        release = releases.current_release(session, SURVEY, "rail")
        made = {one.kind: one.content for one in checks.checks_of(session, release.fit_id)}
    assert set(made) == set(kinds(world.settings, since=REST)) == {*CHECKS, *REFIT_CHECKS}
    assert "not poststratified estimates" in made[LEFT_OUT]["caution"]
    assert {one["level"] for one in made[LEFT_OUT]["estimates"]} == {"nation", "district", "gender", "age", "region"}
    assert [one["term"] for one in made[PRIORS]["conflicts"]] == ["intercept", "gender", "(1|district)"]
    assert made[PRIORS]["predictive"]["surprise"] > 0.1
    assert {"nation", "gender man", "district D1"} <= {one["name"] for one in made[SENSITIVITY]["quantities"]}
    with world.store.read() as session:
        told = [one for one in outbox.read_after(session, 0) if one.kind == "release-checked"]
    assert {one.payload["release_id"] for one in told} == {release.id}


def test_a_release_that_fits_raises_no_concern_and_is_checked_once(world: World):
    serve(world)
    run(world)

    assert found(world)[1] == ()
    with world.store.write() as session:
        assert ask_next_check(session, world.settings, now=world.now) is None


def test_one_check_at_a_time_and_less_urgent_than_a_refit(world: World):
    serve(world)
    with world.store.write() as session:
        # The next wave may be on its way: it should not wait for a check to give way.
        assert ask_next_check(session, world.settings, now=world.now) is None
        world.now += SETTLED + timedelta(seconds=1)
        asked = ask_next_check(session, world.settings, now=world.now)
        assert asked is not None
        assert asked.priority > 0
        assert ask_next_check(session, world.settings, now=world.now) is None


def test_if_the_waves_changed_since_pollsters_are_not_told_apart(world: World):
    serve(world, blue=0.3, red=0.7)
    world.push("w9", wave_csv(100, start=9000))  # a wave that the release does not know
    with world.store.read() as session:
        checked = prepare_check(session, world.settings, survey_id=SURVEY, question_id="rail")
        release = releases.current_release(session, SURVEY, "rail")
        stored = pl.read_parquet(io.BytesIO(fits.load_counts(session, release.fit_id)))

    assert "pollster" not in checked.counts.columns
    assert checked.counts.equals(stored)


def test_a_wave_that_cannot_be_counted_any_more_leaves_the_stored_counts(world: World, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: Any, **__: Any) -> None:
        raise FitImpossible("wave-purged", "Nothing is left of it.")

    serve(world)
    monkeypatch.setattr("jobs.check.count_interviews", refuse)
    with world.store.read() as session:
        assert (
            "pollster"
            not in prepare_check(session, world.settings, survey_id=SURVEY, question_id="rail").counts.columns
        )


def test_who_was_erased_while_it_was_checked_is_in_no_check(world: World):
    serve(world)

    def erased(checked: Any) -> Any:
        with world.store.write() as session:
            session.get_one(Fit, checked.release.fit_id).contains_erased_at = world.now
        return check_predictive(checked)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jobs.check.CHECKS", CHECKS | {PREDICTIVE: erased})
        job = run(world)

    assert (job.state, job.code) == ("succeeded", "check-dropped")
    assert found(world) == (None, None)


def test_a_check_that_fails_is_tried_again_and_what_is_served_is_none_the_worse(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    serve(world)
    monkeypatch.setattr("jobs.check.CHECKS", {PREDICTIVE: lambda _: 1 / 0})
    job = run(world)
    assert (job.state, job.attempt) == ("queued", 1)
    for _ in range(3):
        world.now += timedelta(minutes=5)
        world.work()
    with world.store.read() as session:
        job = queue.list_jobs(session, kind=CHECK, limit=1)[0]
        state = releases.question_state(session, SURVEY, "rail")

    assert (job.state, job.code, state.stale_since) == ("failed", "internal-error", None)


def test_nothing_to_check_and_nothing_that_can_be_are_refused(world: World):
    with world.store.write() as session, pytest.raises(ReleaseNotFound, match="nothing to check"):
        ask_check(session, world.settings, survey_id=SURVEY, question_id="rail", now=world.now)
    serve(world)
    with world.store.write() as session:
        release = releases.current_release(session, SURVEY, "rail")
        session.get_one(Fit, release.fit_id).contains_erased_at = world.now
        with pytest.raises(ReleaseRefused, match="erased"):
            ask_check(session, world.settings, survey_id=SURVEY, question_id="rail", now=world.now)


def shown(counts: pl.DataFrame, key: bytes = b"k", least: int = 30) -> ShownCounts:
    return ShownCounts(counts, ("district", "sex", "age"), WORLD, "s", "q", key, DisclosureRules(100, least))


def test_what_is_told_follows_from_perturbed_counts_alone():
    counts = counts_of(interviews(seed=4, n=800))
    of_pollsters = shown(counts).of(("pollster",))

    assert of_pollsters == shown(counts.reverse()).of(("pollster",))
    assert of_pollsters != shown(counts, b"another").of(("pollster",))
    exact = counts.group_by("pollster").agg(pl.col("n").sum())
    assert {name: n for (name,), (n, _, _) in of_pollsters.items()} != dict(exact.iter_rows())


def test_parts_add_up_to_the_whole_as_in_every_other_count_of_a_release():
    counts = counts_of(interviews(seed=4, n=800))
    whole = shown(counts, least=0).of(())[()][0]

    for columns in (("sex",), ("region",), ("sex", "age"), ("district",)):
        assert sum(n for n, _, _ in shown(counts, least=0).of(columns).values()) == whole


def test_weighted_shares_are_told_moved_as_the_counts_were():
    plain = counts_of(interviews(seed=4, n=800))
    n, y = pl.col("n").cast(pl.Float64), pl.col("y").cast(pl.Float64)
    equal = plain.with_columns(weight=3 * n, weight_y=3 * y, weight_square=9 * n)
    # Who says yes counts for twice as much.
    uneven = plain.with_columns(weight=n + y, weight_y=2 * y, weight_square=n + 3 * y)

    for columns in ((), ("pollster",), ("sex", "age")):
        told, same, more = (shown(counts).of(columns) for counts in (plain, equal, uneven))
        assert {name: (k, pytest.approx(share)) for name, (k, share, _) in told.items()} == {
            name: (k, share) for name, (k, share, _) in same.items()
        }
        assert all(more[name][1] > share + 0.05 for name, (_, share, _) in told.items())


def test_groups_below_the_threshold_are_neither_told_nor_judged(world: World):
    world.settings = replace(world.settings, min_interviews=700)
    serve(world, blue=0.3, red=0.7)
    with world.store.read() as session:
        checked = prepare_check(session, world.settings, survey_id=SURVEY, question_id="rail")

    content, concerns = check_predictive(checked)

    assert all(g["n_interviews"] >= 700 for m in content["margins"] for g in m["groups"])
    assert all("pollster" not in one.columns for one in concerns)
    assert "Blue" not in json.dumps([content, [one.to_json() for one in concerns]])


def held_out(world: World, kind: str) -> Any:
    with world.store.read() as session:
        release = releases.current_release(session, SURVEY, "rail")
        return next((one.content for one in checks.checks_of(session, release.fit_id) if one.kind == kind), None)


def test_each_pollster_is_compared_with_a_fit_to_the_others(world: World):
    serve(world, blue=0.1)
    n_fits = len(world.fit.requests)
    run(world)

    rows = {one["pollster"]: one for one in held_out(world, POLLSTERS)["groups"]}
    assert set(rows) == {"Blue", "Green", "Grey", "Red"}
    assert rows["Blue"]["chance_below"] <= 0.01
    assert rows["Grey"]["chance_below"] is None
    fits_without = world.fit.requests[n_fits:]
    assert [one.counts["n"].sum() for one in fits_without] == [1200] * 4
    assert {one.engine for one in fits_without} == {"laplace"}
    assert all(one.counts.columns == world.fit.requests[0].counts.columns for one in fits_without)
    concern = next(one for one in found(world)[1] if one.check == POLLSTERS)
    assert (concern.kind, concern.levels) == ("held-out", ("Blue",))
    # The survey has two regions: a fit to one of them says little of the other.
    assert "3 areas" in held_out(world, AREAS)["skipped"]


def test_a_young_release_is_looked_at_without_fits_and_again_when_it_has_been_served_for_a_while(world: World):
    serve(world)
    n_fits = len(world.fit.requests)
    run(world, minutes=0.25)
    assert len(world.fit.requests) == n_fits
    first = found(world)[0]
    with world.store.write() as session:
        assert ask_next_check(session, world.settings, now=world.now) is None

    run(world)
    assert len(world.fit.requests) == n_fits + 4
    assert len(held_out(world, POLLSTERS)["groups"]) == 4
    assert found(world)[0] == first


def test_without_a_budget_nothing_is_fitted_again(world: World):
    world.settings = replace(world.settings, check_budget_s=0)
    serve(world)
    n_fits = len(world.fit.requests)
    run(world)

    assert len(world.fit.requests) == n_fits
    assert held_out(world, POLLSTERS) is None
    with world.store.write() as session:
        assert ask_next_check(session, world.settings, now=world.now) is None


def test_a_check_gives_way_to_a_refit_and_goes_on_with_what_is_missing(world: World, monkeypatch: pytest.MonkeyPatch):
    serve(world)
    waiting = [True]
    monkeypatch.setattr("jobs.giving_way.confirmations.is_work_waiting", lambda *_, **__: waiting[0])
    monkeypatch.setattr("jobs.giving_way.LOOK_S", 1e9)  # not while it computes
    inner = world.fit

    job = run(world)
    assert (job.state, held_out(world, POLLSTERS)) == ("queued", None)
    assert len(inner.requests) == 1
    assert held_out(world, PREDICTIVE) is not None  # what needs no fit is kept already

    waiting[0] = False
    world.now += timedelta(minutes=5)
    world.work()
    assert len(held_out(world, POLLSTERS)["groups"]) == 4


def kept(world: World) -> set[str]:
    with world.store.read() as session:
        release = releases.current_release(session, SURVEY, "rail")
        return {one.kind for one in checks.checks_of(session, release.fit_id)}


def test_a_check_gives_way_in_the_middle_of_a_kind_and_goes_on_with_it(world: World, monkeypatch: pytest.MonkeyPatch):
    serve(world)
    waiting, tried = [False], []
    monkeypatch.setattr("jobs.giving_way.confirmations.is_work_waiting", lambda *_, **__: waiting[0])
    monkeypatch.setattr("jobs.giving_way.LOOK_S", 0.0)

    def make(kind: str) -> Any:
        def made(checked: Any) -> Any:
            tried.append(kind)
            if kind == LEFT_OUT and tried.count(kind) == 1:
                waiting[0] = True  # a wave came in the meantime
            return CHECKS[kind](checked)

        return made

    monkeypatch.setattr("jobs.check.CHECKS", {kind: make(kind) for kind in CHECKS})

    job = run(world)
    assert (job.state, job.attempt, job.run_after - world.now) == ("queued", 0, timedelta(minutes=1))
    assert (tried, kept(world)) == ([PREDICTIVE, LEFT_OUT], {PREDICTIVE})

    waiting[0] = False
    world.now += timedelta(minutes=5)
    world.work()
    assert tried == [PREDICTIVE, LEFT_OUT, LEFT_OUT, PRIORS, SENSITIVITY]
    assert kept(world) == {*CHECKS, *REFIT_CHECKS}


def test_a_check_that_is_cancelled_while_it_computes_ends(world: World, monkeypatch: pytest.MonkeyPatch):
    serve(world)
    world.settings = replace(world.settings, heartbeat_s=0.05)

    def cancelled(checked: Any) -> Any:
        with world.store.write() as session:
            job = queue.list_jobs(session, kind=CHECK, limit=1)[0]
            queue.cancel(session, job.id, now=world.now)
        for _ in range(10_000):  # it is told at the next sign of life
            threading.Event().wait(0.01)
            checked.heed()
        raise AssertionError("it was not told")

    monkeypatch.setattr("jobs.check.CHECKS", CHECKS | {LEFT_OUT: cancelled})
    job = run(world)
    assert (job.state, job.code, kept(world)) == ("failed", "cancelled", {PREDICTIVE})


def test_nothing_is_read_while_it_computes(world: World, monkeypatch: pytest.MonkeyPatch):
    serve(world)
    busy = []

    def made(checked: Any) -> Any:
        with world.store.write() as session:
            session.get_one(Fit, checked.release.fit_id)
        with sqlite3.connect(world.store.path, isolation_level=None) as other:
            busy.append(other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0])
        other.close()
        return check_predictive(checked)

    monkeypatch.setattr("jobs.check.CHECKS", CHECKS | {PREDICTIVE: made})
    run(world)
    assert busy == [0]


def test_a_fit_that_would_take_longer_than_all_may_is_not_begun_and_that_is_said(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    serve(world)
    n_fits = len(world.fit.requests)
    monkeypatch.setattr("jobs.check._took_s", lambda *_: 250.0)
    job = run(world)

    assert (job.state, len(world.fit.requests)) == ("succeeded", n_fits)
    assert "about 250 s" in held_out(world, POLLSTERS)["skipped"]
    assert "60 s together" in held_out(world, POLLSTERS)["skipped"]


@pytest.mark.parametrize(("took_s", "ended"), [(30.0, True), (2.0, False)])
def test_a_long_fit_is_ended_for_others_and_a_short_one_is_not(
    world: World, monkeypatch: pytest.MonkeyPatch, took_s: float, ended: bool
):
    serve(world)
    inner, waiting, told = world.fit, [False], []
    monkeypatch.setattr("jobs.giving_way.confirmations.is_work_waiting", lambda *_, **__: waiting[0])
    monkeypatch.setattr("jobs.giving_way.LOOK_S", 1e9)
    monkeypatch.setattr("jobs.check._took_s", lambda *_: took_s)

    def fit(request: Any, settings: Any, *, beat: Any, stop: Any) -> Any:
        waiting[0] = True
        told.append(beat(None))
        if told[-1]:
            raise FitCancelled("The fit was cancelled.")
        return inner(request, settings, beat=beat, stop=stop)

    world.fit = fit
    job = run(world)
    # After the short one the next does not begin.
    assert (job.state, told, held_out(world, POLLSTERS)) == ("queued", [ended], None)


def test_cells_are_perturbed_once_for_all_margins_and_the_same():
    counts = counts_of(interviews(seed=4, n=800))
    one = shown(counts, least=0)
    south = WORLD.districts.filter(pl.col("region") == "South")["code"].to_list()
    here = counts.filter(pl.col("district").is_in(south))
    part = replace(one, counts=here)
    part.of(("district",))  # first the part, then the whole

    for columns in ((), ("district",), ("sex", "age"), ("pollster",)):
        assert one.of(columns) == shown(counts, least=0).of(columns)
        assert part.of(columns) == shown(here, least=0).of(columns)
        assert one.large_enough(columns) == frozenset(one.of(columns))
    by = ("district", "sex", "age")
    assert one.perturbed[by].equals(perturb_counts(counts, by=by, survey="s", question="q", key=b"k"))


def test_a_fit_that_fails_says_nothing_and_is_named(world: World):
    serve(world)
    inner = world.fit

    def fails(request: Any, settings: Any, **how: Any) -> Any:
        if len(inner.requests) == 2:
            inner.requests.append(request)
            raise FitProcessFailed("fit-crashed", "It crashed.", retry=False)
        return inner(request, settings, **how)

    world.fit = fails
    job = run(world)

    content = held_out(world, POLLSTERS)
    assert job.state == "succeeded"
    assert (len(content["groups"]), [one["why"] for one in content["failed"]]) == (3, ["It crashed."])


def test_candidates_are_fitted_to_the_same_interviews_and_a_wrong_formula_is_refused(world: World):
    serve(world, blue=0.2)

    def fit(request: Any) -> Any:
        return world.fit(request, world.settings, beat=lambda _: False, stop=None)

    asked = {"survey_id": SURVEY, "question_id": "rail", "fit": fit}
    other = "gender + (1|district) + house(pollster)"
    released, candidate = compare_candidates(world.store, world.settings, formulas=[other, other], **asked)

    assert "pollster" in released.misfits
    assert candidate.formula == other
    assert world.fit.requests[-1].counts["n"].sum() == 1600
    assert released.difference == 0
    with pytest.raises(FitImpossible, match="nonsense"):
        compare_candidates(world.store, world.settings, formulas=["nonsense"], **asked)
