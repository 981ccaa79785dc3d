"""An analyst holds, lets go, goes back; what was served when stays known."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from sqlalchemy import text

from polling.errors import FitNotPublishable, QuestionHeld, QuestionNotFound, ReleaseNotFound, ReleaseRefused
from polling.store import by_hand, confirmations, erasure, fits, outbox, queue, releases, serving
from polling.store.engine import Store
from polling.store.records import ReleaseRecord

from .conftest import NOW, new_fit, seconds
from .test_releases import current, publish, receive, save, state

BY = {"actor": "key:abc", "reason": "looks odd."}


def hold(store: Store, at: float = 150) -> bool:
    with store.write() as session:
        return by_hand.hold(session, "demo", "vote", now=NOW + seconds(at), **BY)


def end_hold(store: Store, at: float = 300) -> tuple[bool, ReleaseRecord | None]:
    with store.write() as session:
        return by_hand.end_hold(session, "demo", "vote", now=NOW + seconds(at), **BY)


def roll_back(store: Store, release_id: str, at: float = 250) -> ReleaseRecord:
    with store.write() as session:
        return by_hand.roll_back(session, "demo", "vote", release_id, now=NOW + seconds(at), **BY)


def served_at(store: Store, at: float) -> int | None:
    with store.read() as session:
        release = releases.release_at(session, "demo", "vote", NOW + seconds(at))
        return None if release is None else release.number


def try_to_publish(store: Store, fit_id: str, at: float = 200) -> ReleaseRecord | None:
    """What a worker does with a fit that may be published."""
    with store.write() as session:
        try:
            return releases.publish(session, fit_id=fit_id, now=NOW + seconds(at))
        except QuestionHeld:
            by_hand.keep_back(session, fit_id)
            return None


class TestHold:
    def test_new_fits_are_kept_and_the_newest_is_published_at_the_end(self, survey_store: Store):
        served = publish(survey_store, save(survey_store, data_sequence=1))
        assert hold(survey_store)
        newest = save(survey_store, seed=3, data_sequence=3)
        for fit_id in (newest, save(survey_store, seed=2, data_sequence=2)):  # an older one comes late
            assert try_to_publish(survey_store, fit_id) is None
        assert current(survey_store) == served

        ended, published = end_hold(survey_store)

        assert (ended, published.number, published.fit_id) == (True, 2, newest)
        assert current(survey_store) == published
        assert (state(survey_store).hold, state(survey_store).stale_since) == (None, None)
        assert [served_at(survey_store, at) for at in (99, 100, 299, 300)] == [None, 1, 1, 2]
        with survey_store.read() as session:
            kinds = [event.kind for event in outbox.read_after(session, 0)]
        assert kinds == ["release-published", "question-held", "question-released", "release-published"]

    def test_what_is_held_says_since_when_by_whom_and_why(self, survey_store: Store):
        publish(survey_store, save(survey_store))
        before = state(survey_store).version
        assert hold(survey_store)
        assert not hold(survey_store, at=160)  # the first one stands
        told = state(survey_store)
        assert told.version > before
        assert (told.stale_since, told.stale_reason) == (
            NOW + seconds(150),
            "Held by key:abc on 2026-03-02 12:02 UTC: looks odd.",
        )
        receive(survey_store, "w1", at=170)
        receive(survey_store, "w0", at=180, questions=("tax",))
        assert state(survey_store).stale_reason.endswith("looks odd. Wave w1 of Polly is not in it yet.")
        assert state(survey_store, "tax").hold is None
        try_to_publish(survey_store, save(survey_store, seed=2, data_sequence=2))
        assert "A newer fit is kept back." in state(survey_store).stale_reason
        assert end_hold(survey_store)[0]
        assert end_hold(survey_store) == (False, None)

    def test_a_fit_with_problems_is_not_published_by_hand_either(self, survey_store: Store):
        publish(survey_store, save(survey_store))
        hold(survey_store)
        bad = save(survey_store, seed=2, publishable=False)
        with survey_store.write() as session:
            by_hand.keep_back(session, bad)
            with pytest.raises(FitNotPublishable):
                releases.publish(session, fit_id=bad, now=NOW)
        assert end_hold(survey_store) == (True, None)
        assert current(survey_store).number == 1

    def test_a_kept_fit_without_draws_is_not_published(self, survey_store: Store):
        hold(survey_store)
        try_to_publish(survey_store, save(survey_store, draws=None))
        assert end_hold(survey_store) == (True, None)
        assert current(survey_store) is None

    def test_a_kept_fit_on_older_data_than_what_is_served_stays_back(self, survey_store: Store):
        served = save(survey_store, seed=1, data_sequence=1)
        publish(survey_store, served)
        hold(survey_store)
        try_to_publish(survey_store, save(survey_store, seed=2, data_sequence=2))
        save(survey_store, seed=1, data_sequence=3)  # the wave was withdrawn: the served fit is that of all data
        assert end_hold(survey_store) == (True, None)
        assert current(survey_store).fit_id == served

    def test_either_the_hold_or_the_publication_comes_first(
        self, survey_store: Store, store_url: str, open_stores: Callable[[str], Store]
    ):
        """Never is a fit published after the hold was answered."""
        other = open_stores(store_url)
        for n in range(6):
            fit_id = save(survey_store, seed=n, data_sequence=n)
            with ThreadPoolExecutor(2) as threads:
                published = threads.submit(try_to_publish, other, fit_id, 10.0 * n)
                threads.submit(hold, survey_store, 10.0 * n).result()
                served = current(survey_store)
            kept = state(survey_store).hold.fit_id
            # A publication that won was there when the hold was answered.
            assert (published.result() is None) == (kept == fit_id)
            assert served == current(survey_store)
            with survey_store.write() as session:
                by_hand.end_hold(session, "demo", "vote", now=NOW, **BY)

    def test_what_does_not_exist_is_not_found(self, survey_store: Store):
        with survey_store.write() as session:
            for act in (by_hand.hold, by_hand.end_hold):
                with pytest.raises(QuestionNotFound):
                    act(session, "demo", "nothing", now=NOW, **BY)
            with pytest.raises(ReleaseNotFound):
                by_hand.roll_back(session, "demo", "vote", "nothing", now=NOW, **BY)


class TestRollBack:
    @pytest.fixture
    def both(self, survey_store: Store) -> tuple[ReleaseRecord, ReleaseRecord]:
        first = publish(survey_store, save(survey_store, seed=1, data_sequence=0), at=100)
        receive(survey_store, "w1", at=150)
        return first, publish(survey_store, save(survey_store, seed=2, data_sequence=1), at=200)

    def test_the_earlier_release_is_served_and_the_question_held(
        self, survey_store: Store, both: tuple[ReleaseRecord, ReleaseRecord]
    ):
        first, second = both

        assert roll_back(survey_store, first.id) == first

        assert current(survey_store) == first
        told = state(survey_store)
        assert told.stale_since == NOW + seconds(150)
        assert told.stale_reason == (
            "Release 2 was taken back by key:abc on 2026-03-02 12:04 UTC: looks odd. Wave w1 of Polly is not in it yet."
        )
        assert try_to_publish(survey_store, save(survey_store, seed=3, data_sequence=1)) is None
        assert [served_at(survey_store, at) for at in (99, 100, 200, 249, 250)] == [None, 1, 2, 2, 1]
        with survey_store.read() as session:
            event = outbox.read_after(session, 0)[-1]
            taken = serving.successor(session, second)
            then = serving.successor(session, first, at=NOW + seconds(120))
            assert serving.successor(session, first) is None
        assert (event.kind, event.payload["number"], event.payload["taken_back_id"]) == (
            "release-rolled-back",
            1,
            second.id,
        )
        assert taken.sentence == (
            "It was taken back by key:abc on 2026-03-02 12:04 UTC: looks odd. Release 1 took its place."
        )
        assert then.sentence == "Release 2 replaced it."

    def test_after_the_hold_the_next_fit_is_a_new_release(
        self, survey_store: Store, both: tuple[ReleaseRecord, ReleaseRecord]
    ):
        first, second = both
        roll_back(survey_store, first.id)
        assert end_hold(survey_store) == (True, None)
        assert current(survey_store) == first
        assert state(survey_store).stale_reason == "Wave w1 of Polly is not in it yet."
        again = publish(survey_store, second.fit_id, at=400)  # the same inputs make the same fit
        assert (again.number, again.fit_id) == (3, second.fit_id)
        assert [served_at(survey_store, at) for at in (260, 400)] == [1, 3]

    def test_a_release_that_cannot_answer_or_is_served_is_refused(
        self, survey_store: Store, both: tuple[ReleaseRecord, ReleaseRecord]
    ):
        first, second = both
        with pytest.raises(ReleaseRefused, match="release 2: it is served already"):
            roll_back(survey_store, second.id)
        with pytest.raises(ReleaseNotFound), survey_store.write() as session:
            by_hand.roll_back(session, "demo", "tax", first.id, now=NOW, **BY)
        with survey_store.write() as session:
            session.execute(text("UPDATE fit SET contains_erased_at = :at WHERE seed = 1"), {"at": "2026-03-02 12:00"})
        with pytest.raises(ReleaseRefused, match="somebody who was erased since"):
            roll_back(survey_store, first.id)
        with survey_store.write() as session:
            session.execute(text("UPDATE fit SET contains_erased_at = NULL"))
            erasure.forget_fits(session, [first.fit_id])
        with pytest.raises(ReleaseRefused, match="its draws are not kept"):
            roll_back(survey_store, first.id)
        assert current(survey_store) == second
        assert state(survey_store).hold is None


class TestConfirmations:
    def add(self, store: Store, release: ReleaseRecord, told: str, at: float = 500) -> None:
        with store.write() as session:
            said = confirmations.add_confirmation(
                session, release, state=told, sentence=f"It {told}.", numbers={"typical": 0.01}, now=NOW + seconds(at)
            )
            assert said.numbers == {"typical": 0.01}

    def left(self, store: Store) -> list[tuple[str, datetime | None]]:
        with store.read() as session:
            found = confirmations.unconfirmed(session, tries=2, kind="confirm")
        return [(release.question_id, last) for release, last in found]

    def test_unconfirmed_releases_come_oldest_first_and_then_those_tried_longest_ago(self, survey_store: Store):
        vote = publish(survey_store, save(survey_store, engine="laplace"), at=100)
        tax = publish(survey_store, save(survey_store, engine="laplace", question_id="tax"), at=50)
        assert self.left(survey_store) == [("tax", None), ("vote", None)]
        self.add(survey_store, tax, "inconclusive")
        assert self.left(survey_store) == [("vote", None), ("tax", NOW + seconds(500))]
        with survey_store.write() as session:  # a job that failed was a try too
            told = {"kind": "confirm", "key": "x", "survey_id": "demo", "question_id": "vote", "quiet": seconds(0)}
            queue.ask(session, **told, now=NOW + seconds(510), patience=seconds(0), max_attempts=1)
            claim = queue.claim(session, owner="me", now=NOW + seconds(520), lease=seconds(9))
            queue.fail(session, claim, now=NOW + seconds(530), code="x", detail="x")
        assert self.left(survey_store) == [("tax", NOW + seconds(500)), ("vote", NOW + seconds(530))]
        self.add(survey_store, tax, "inconclusive", at=540)
        assert [name for name, _ in self.left(survey_store)] == ["vote"]
        self.add(survey_store, vote, "disagrees", at=550)
        assert self.left(survey_store) == []

    def test_only_current_releases_of_the_fast_engine_that_can_be_compared_are_asked_about(self, survey_store: Store):
        first = publish(survey_store, save(survey_store, engine="laplace"), at=100)
        publish(survey_store, save(survey_store, seed=2), at=200)
        assert self.left(survey_store) == []  # the first is not current, the second is of NUTS
        roll_back(survey_store, first.id)
        assert self.left(survey_store) == [("vote", None)]
        publish(survey_store, save(survey_store, engine="laplace", question_id="tax", counts=None))
        assert self.left(survey_store) == [("vote", None)]

    def test_what_settled_something_outlives_what_did_not(self, survey_store: Store):
        release = publish(survey_store, save(survey_store, engine="laplace"))
        before = state(survey_store).version
        for told, at in (("disagrees", 1), ("agrees", 2), ("inconclusive", 3)):
            self.add(survey_store, release, told, at=500 + at)
        with survey_store.read() as session:
            assert confirmations.find_confirmation(session, release.fit_id).state == "agrees"
            assert confirmations.find_confirmation(session, "x") is None
            kinds = [event.kind for event in outbox.read_after(session, 0)]
        assert kinds[1:] == ["confirmation-failed", "release-confirmed", "confirmation-inconclusive"]
        assert state(survey_store).version == before + 3

    def test_work_waits_when_it_is_due_and_nobody_took_it(self, survey_store: Store):
        def waits(at: float) -> bool:
            with survey_store.read() as session:
                return confirmations.is_work_waiting(
                    session, besides=("confirm",), now=NOW + seconds(at), since=seconds(1)
                )

        def ask(session: object, kind: str, at: float) -> None:
            told = {"kind": kind, "key": "k", "survey_id": "demo", "question_id": "vote"}
            queue.ask(session, **told, now=NOW + seconds(at), quiet=seconds(5), patience=seconds(5))

        with survey_store.write() as session:
            ask(session, "confirm", 0)
            ask(session, "refit", 0)
        assert [waits(at) for at in (4, 5, 6)] == [False, False, True]
        with survey_store.write() as session:
            queue.cancel(session, queue.list_jobs(session, states=("queued",))[-1].id, now=NOW)
            queue.cancel(session, queue.list_jobs(session, states=("queued",))[0].id, now=NOW)
            ask(session, "refit", 0)
            queue.claim(session, owner="me", now=NOW + seconds(6), lease=seconds(99))
            ask(session, "refit", 7)  # waits for the one that runs
            ask(session, "confirm", 7)
        assert not waits(30)


def test_fits_tell_whether_their_draws_are_kept(survey_store: Store):
    with_draws, without = save(survey_store), save(survey_store, seed=2, draws=None)
    with survey_store.read() as session:
        assert [fits.has_draws(session, one) for one in (with_draws, without)] == [True, False]
    assert new_fit().draws is not None
