"""Which draws are kept: of what is served or pinned, of the last days, and of what was served when a day ended."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from jobs.draws import MOST, forget_draws
from jobs.settings import Settings
from polling.errors import ReleaseRefused
from polling.store import by_hand, fits, pins, releases, surveys
from polling.store.engine import Store
from tests.polling.store.conftest import new_fit, small_bundle

DAY = timedelta(days=1)
BEGIN = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture
def survey_store(store: Store) -> Store:
    with store.write() as session:
        surveys.add_survey(session, small_bundle(), now=BEGIN)
    return store


def publish(store: Store, seed: int, at: datetime, **changes: object) -> str:
    with store.write() as session:
        fit_id = fits.save_fit(session, replace(new_fit(**changes), seed=seed), now=at)
        if changes.get("publishable", True):
            return releases.publish(session, fit_id=fit_id, now=at).id
        return fit_id


def forget(store: Store, at: datetime) -> int:
    with store.write() as session:
        return forget_draws(session, Settings(), now=at)


def kept(store: Store) -> set[int]:
    """Seeds of the fits whose draws are there."""
    with store.read() as session:
        return {one.seed for one in fits.list_fits(session, "demo", "vote") if fits.has_draws(session, one.id)}


def test_what_was_served_when_a_day_ended_is_kept_for_ninety_days_and_the_rest_for_seven(survey_store: Store):
    # Three a day for four days, the last of each at six in the evening; then nothing new.
    for seed in range(12):
        publish(survey_store, seed, BEGIN + seed // 3 * DAY + seed % 3 * timedelta(hours=3))

    assert forget(survey_store, BEGIN + 6 * DAY) == 0
    # The first was replaced after three hours, the third on the next day.
    assert forget(survey_store, BEGIN + 7.3 * DAY) == 2
    assert kept(survey_store) == set(range(2, 12))
    assert forget(survey_store, BEGIN + 30 * DAY) == 6
    assert kept(survey_store) == {2, 5, 8, 11}
    # The end of the second of March is 90 days away, that of the third not yet.
    assert forget(survey_store, BEGIN + 90.6 * DAY) == 1
    assert kept(survey_store) == {5, 8, 11}
    forget(survey_store, BEGIN + 400 * DAY)
    assert kept(survey_store) == {11}
    with survey_store.read() as session:
        assert [one.has_draws for one in releases.list_releases(session, "demo")] == [True] + [False] * 11


def test_the_time_of_a_release_begins_when_it_is_served_no_more(survey_store: Store):
    old = publish(survey_store, 1, BEGIN)
    publish(survey_store, 2, BEGIN + 100 * DAY)
    publish(survey_store, 3, BEGIN + 100.1 * DAY)

    assert forget(survey_store, BEGIN + 106 * DAY) == 0
    with survey_store.write() as session:  # so one can go back to it
        by_hand.roll_back(session, "demo", "vote", old, actor="x", reason="x", now=BEGIN + 106 * DAY)
    forget(survey_store, BEGIN + 500 * DAY)
    assert kept(survey_store) == {1}


def test_pinned_and_kept_back_draws_stay_and_those_never_published_go(survey_store: Store):
    pinned = publish(survey_store, 1, BEGIN)
    publish(survey_store, 2, BEGIN + timedelta(hours=1))
    publish(survey_store, 3, BEGIN, publishable=False)
    with survey_store.write() as session:
        assert pins.pin(session, pinned, actor="a", reason="cited", now=BEGIN) is True
        assert pins.pin(session, pinned, actor="b", reason="again", now=BEGIN) is False
        assert pins.find_pin(session, pinned).reason == "cited"
        by_hand.hold(session, "demo", "vote", actor="x", reason="x", now=BEGIN)
        by_hand.keep_back(session, fits.save_fit(session, replace(new_fit(), seed=4), now=BEGIN))
    forget(survey_store, BEGIN + 300 * DAY)
    assert kept(survey_store) == {1, 2, 4}

    with survey_store.write() as session:
        assert (pins.unpin(session, pinned), pins.unpin(session, pinned)) == (True, False)
    forget(survey_store, BEGIN + 300 * DAY)
    assert kept(survey_store) == {2, 4}
    with survey_store.write() as session, pytest.raises(ReleaseRefused, match="nothing to pin"):
        pins.pin(session, pinned, actor="a", reason="x", now=BEGIN)


def test_a_fit_that_is_made_again_has_everything_again(survey_store: Store):
    publish(survey_store, 1, BEGIN)
    publish(survey_store, 2, BEGIN + timedelta(hours=1))
    forget(survey_store, BEGIN + 300 * DAY)
    again = publish(survey_store, 1, BEGIN + 300 * DAY)

    with survey_store.read() as session:
        fit_id = releases.get_release(session, again).fit_id
        assert (fits.load_draws(session, fit_id), fits.load_counts(session, fit_id)) == (b"draws", b"counts")


def test_many_go_a_few_at_a_time(sqlite_store: Store):
    with sqlite_store.write() as session:
        surveys.add_survey(session, small_bundle(), now=BEGIN)
    for seed in range(MOST + 5):
        publish(sqlite_store, seed, BEGIN, publishable=False)

    assert [forget(sqlite_store, BEGIN + 8 * DAY) for _ in range(3)] == [MOST, 5, 0]
