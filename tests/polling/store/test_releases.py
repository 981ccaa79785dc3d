"""What is served: never older than before, never silently stale."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from polling.errors import (
    DisclosureIncomplete,
    FitNotFound,
    FitNotPublishable,
    FitSuperseded,
    QuestionNotFound,
    ReleaseNotFound,
)
from polling.store import deliveries, fits, outbox, releases, surveys
from polling.store.engine import Store
from polling.store.records import QuestionStateRecord, ReleaseRecord
from polling.store.wave_events import lock_survey

from .conftest import NOW, n_rows, new_fit, new_wave, seconds, small_bundle


def save(store: Store, **changes: object) -> str:
    with store.write() as session:
        return fits.save_fit(session, new_fit(**changes), now=NOW)


def publish(store: Store, fit_id: str, at: float = 100) -> ReleaseRecord:
    with store.write() as session:
        return releases.publish(session, fit_id=fit_id, now=NOW + seconds(at))


def receive(store: Store, reference: str, at: float, questions: tuple[str, ...] = ("vote",)) -> None:
    """What arrival of a wave does to the store."""
    with store.write() as session:
        deliveries.add_wave(session, new_wave(reference, questions=questions), now=NOW + seconds(at), actor="test")
        for name in questions:
            reason = f"Wave {reference} of Polly is not in it yet."
            releases.mark_stale(session, "demo", name, NOW + seconds(at), reason)


def state(store: Store, question_id: str = "vote") -> QuestionStateRecord:
    with store.read() as session:
        return releases.question_state(session, "demo", question_id)


def current(store: Store, question_id: str = "vote") -> ReleaseRecord | None:
    with store.read() as session:
        return releases.current_release(session, "demo", question_id)


def test_before_the_first_release_nothing_is_served(survey_store: Store):
    assert current(survey_store) is None
    assert (state(survey_store).release_id, state(survey_store).stale_since) == (None, None)


def test_publishing_makes_a_release_current(survey_store: Store):
    receive(survey_store, "w1", at=0)
    fit_id = save(survey_store)
    release = publish(survey_store, fit_id)

    assert (release.number, release.fit_id, release.published_at) == (1, fit_id, NOW + seconds(100))
    assert (release.survey_version, release.engine, release.data_through) == (1, "nuts", new_fit().data_through)
    assert current(survey_store) == release
    assert current(survey_store, "tax") is None
    assert (state(survey_store).stale_since, state(survey_store).stale_reason) == (None, None)
    with survey_store.read() as session:
        assert releases.get_release(session, release.id) == release
        event = outbox.read_after(session, 0)[-1]
    assert (event.kind, event.payload["release_id"], event.payload["number"]) == ("release-published", release.id, 1)


def test_numbers_count_per_question_and_old_releases_stay(survey_store: Store):
    first = publish(survey_store, save(survey_store, seed=1), at=1)
    second = publish(survey_store, save(survey_store, seed=2), at=2)
    other = publish(survey_store, save(survey_store, question_id="tax"), at=3)
    with survey_store.read() as session:
        assert releases.list_releases(session, "demo", "vote") == [second, first]
        assert releases.list_releases(session, "demo") == [other, second, first]
    assert (first.number, second.number, other.number) == (1, 2, 1)
    assert current(survey_store) == second


def test_publishing_what_is_served_changes_nothing(survey_store: Store):
    fit_id = save(survey_store)
    release = publish(survey_store, fit_id)
    before = state(survey_store)
    assert publish(survey_store, fit_id, at=200) == release
    assert state(survey_store) == before


def test_a_fit_with_problems_is_not_served(survey_store: Store):
    served = publish(survey_store, save(survey_store))
    with pytest.raises(FitNotPublishable, match="cannot be published"):
        publish(survey_store, save(survey_store, seed=2, publishable=False))
    assert current(survey_store) == served


def test_a_fit_on_older_data_does_not_replace_a_newer_one(survey_store: Store):
    served = publish(survey_store, save(survey_store, data_sequence=5))
    with pytest.raises(FitSuperseded, match="older than release 1, which is served: its data end at change 4"):
        publish(survey_store, save(survey_store, seed=2, data_sequence=4))
    assert current(survey_store) == served


def test_a_fit_of_an_older_survey_version_does_not_replace_a_newer_one(survey_store: Store):
    with survey_store.write() as session:
        surveys.update_survey(session, small_bundle(questions=("vote",)), now=NOW)
    served = publish(survey_store, save(survey_store, survey_version=2))
    with pytest.raises(FitSuperseded, match="version 1 of the survey, the release 2"):
        publish(survey_store, save(survey_store, survey_version=1, data_sequence=9))
    assert current(survey_store) == served


def test_a_refused_fit_leaves_the_transaction_usable(survey_store: Store):
    publish(survey_store, save(survey_store, data_sequence=5))
    with survey_store.write() as session:
        fit_id = fits.save_fit(session, new_fit(seed=2, data_sequence=4), now=NOW)
        with pytest.raises(FitSuperseded):
            releases.publish(session, fit_id=fit_id, now=NOW)
    with survey_store.read() as session:
        assert fits.get_fit(session, fit_id).seed == 2


class TestStaleness:
    def test_a_wave_makes_what_is_served_stale_since_its_arrival(self, survey_store: Store):
        publish(survey_store, save(survey_store))
        receive(survey_store, "w1", at=120)
        stale = state(survey_store)
        assert (stale.stale_since, stale.stale_reason) == (NOW + seconds(120), "Wave w1 of Polly is not in it yet.")
        assert state(survey_store, "tax").stale_since is None

    def test_the_oldest_moment_and_the_newest_reason_are_kept(self, survey_store: Store):
        receive(survey_store, "w1", at=10)
        with survey_store.write() as session:
            releases.mark_stale(session, "demo", "vote", NOW + seconds(90), "The refit was rejected.")
        assert (state(survey_store).stale_since, state(survey_store).stale_reason) == (
            NOW + seconds(10),
            "The refit was rejected.",
        )
        with survey_store.write() as session:
            releases.mark_stale(session, "demo", "vote", NOW + seconds(5), "Something older.")
        assert state(survey_store).stale_since == NOW + seconds(5)

    def test_a_wave_that_came_during_the_fit_keeps_the_release_stale(self, survey_store: Store):
        receive(survey_store, "w1", at=0)
        fit_id = save(survey_store, data_sequence=1)
        receive(survey_store, "w2", at=50)
        receive(survey_store, "w3", at=60, questions=("tax",))
        publish(survey_store, fit_id)
        stale = state(survey_store)
        assert (stale.stale_since, stale.stale_reason) == (NOW + seconds(50), "Wave w2 of Polly is not in it yet.")

        receive(survey_store, "w4", at=70)
        publish(survey_store, fit_id)
        assert (
            state(survey_store).stale_reason
            == "Wave w4 of Polly is not in it yet, nor is 1 earlier change of its waves."
        )

        publish(survey_store, save(survey_store, data_sequence=4, inputs={"waves": ["w1", "w2", "w4"]}))
        assert state(survey_store).stale_since is None

    def test_the_same_fit_at_a_later_moment_clears_it(self, survey_store: Store):
        """A wave without a usable interview changes no count: the refit is the fit that is served."""
        receive(survey_store, "w1", at=0)
        release = publish(survey_store, save(survey_store, data_sequence=1))
        receive(survey_store, "w2", at=50)
        assert state(survey_store).stale_since is not None
        assert publish(survey_store, save(survey_store, data_sequence=2), at=200).id == release.id
        assert state(survey_store).stale_since is None

    def test_every_change_and_nothing_else_moves_the_version(self, survey_store: Store):
        versions = [state(survey_store).version]

        def note() -> None:
            versions.append(state(survey_store).version)

        receive(survey_store, "w1", at=0)
        note()
        with survey_store.write() as session:  # the same again
            releases.mark_stale(session, "demo", "vote", NOW + seconds(9), "Wave w1 of Polly is not in it yet.")
        note()
        publish(survey_store, save(survey_store))
        note()
        assert versions[0] < versions[1] == versions[2] < versions[3]
        with survey_store.read() as session:
            assert [one.question_id for one in releases.list_question_states(session)] == ["tax", "vote"]
            assert releases.list_question_states(session, "demo")[1].version == versions[3]


def test_publications_at_the_same_moment_get_different_numbers_and_one_is_current(
    survey_store: Store, store_url: str, open_stores: Callable[[str], Store]
):
    other = open_stores(store_url)
    ids = [save(survey_store, seed=n) for n in range(8)]
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda n: publish((survey_store, other)[n % 2], ids[n]), range(8)))
    assert sorted(release.number for release in made) == list(range(1, 9))
    assert current(survey_store).number == 8


def test_a_publication_does_not_wait_for_a_wave_that_is_being_received(
    survey_store: Store, store_url: str, open_stores: Callable[[str], Store]
):
    """The one holds the question and points at the survey, the other holds the survey and asks for the question."""
    if survey_store.dialect == "sqlite":
        pytest.skip("one transaction writes at a time")
    fit_id = save(survey_store)
    other = open_stores(store_url)
    with survey_store.write() as session, ThreadPoolExecutor(1) as threads:
        lock_survey(session, "demo")
        assert threads.submit(publish, other, fit_id).result(timeout=20).number == 1


def test_a_failure_after_publishing_publishes_nothing(survey_store: Store):
    before = state(survey_store)

    def break_off() -> None:
        with survey_store.write() as session:
            fit_id = fits.save_fit(session, new_fit(), now=NOW)
            releases.publish(session, fit_id=fit_id, now=NOW)
            raise RuntimeError("lease lost")

    with pytest.raises(RuntimeError):
        break_off()
    assert state(survey_store) == before
    with survey_store.read() as session:
        assert [n_rows(session, table) for table in ("fit", "fit_draws", "release", "outbox")] == [0, 0, 0, 0]


def test_what_does_not_exist_is_not_found(survey_store: Store):
    with survey_store.write() as session:
        with pytest.raises(FitNotFound):
            releases.publish(session, fit_id="nothing", now=NOW)
        with pytest.raises(ReleaseNotFound):
            releases.get_release(session, "nothing")
        with pytest.raises(QuestionNotFound):
            releases.question_state(session, "demo", "nothing")
        with pytest.raises(QuestionNotFound):
            releases.mark_stale(session, "nothing", "vote", NOW, "x")


def test_a_release_that_would_not_tell_who_paid_is_not_published(store: Store):
    bundle = small_bundle()
    silent = replace(bundle, declaration=replace(bundle.declaration, facts={"mode": "m", "sample_source": "s"}))
    with store.write() as session:
        surveys.add_survey(session, silent, now=NOW)
        told = new_wave("w1", facts={"sponsor": "a paper"})
        waves = [deliveries.add_wave(session, one, now=NOW, actor="t")[0] for one in (told, new_wave("w2"))]
        inputs = {"waves": [{"id": one.id, "version": 1} for one in waves]}
        both = fits.save_fit(session, new_fit(inputs=inputs, data_sequence=2), now=NOW)
        first = fits.save_fit(session, new_fit(inputs={"waves": inputs["waves"][:1]}, seed=2), now=NOW)
        with pytest.raises(DisclosureIncomplete, match=r"who paid for the interviews \(sponsor; wave w2 of Polly\)"):
            releases.publish(session, fit_id=both, now=NOW)
        # Nothing was written, so that the transaction goes on.
        assert releases.publish(session, fit_id=first, now=NOW).number == 1
