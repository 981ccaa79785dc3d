"""Which release tells who belongs to a population: that of the moment, unless it was taken back or lost its draws."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from jobs.draws import forget_draws
from jobs.settings import Settings
from polling.population import Population
from polling.store import by_hand, erasure, fits, releases, surveys
from polling.store.engine import Store
from polling.store.telling import needed_fits, telling_questions, telling_release
from tests.polling.store.conftest import new_fit, small_bundle

DAY = timedelta(days=1)
BEGIN = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture
def told(store: Store) -> Store:
    """A survey whose question "tax" tells who belongs to a population, and whose question "vote" does not."""
    bundle = small_bundle()
    population = Population("payers", "those who pay", "tax")
    declaration = replace(bundle.declaration, populations=(population, replace(population, id="others")))
    with store.write() as session:
        surveys.add_survey(session, replace(bundle, declaration=declaration), now=BEGIN)
    return store


def publish(store: Store, question: str, day: float, *, seed: int) -> str:
    with store.write() as session:
        now = BEGIN + day * DAY
        fit_id = fits.save_fit(session, replace(new_fit(question_id=question), seed=seed), now=now)
        return releases.publish(session, fit_id=fit_id, now=now).id


def telling(store: Store, release_id: str) -> tuple[int, int] | None:
    """Number of the release that tells, and of the newest."""
    with store.read() as session:
        found = telling_release(session, releases.get_release(session, release_id), "tax")
        return None if found is None else (found.release.number, found.newest)


def lose(store: Store, release_id: str) -> None:
    with store.write() as session:
        erasure.forget_fits(session, [releases.get_release(session, release_id).fit_id])


def test_questions_that_tell_are_named_once():
    one = Population("payers", "those who pay", "tax")
    assert telling_questions([one, replace(one, id="b"), replace(one, id="c", question="vote")]) == ("tax", "vote")


def test_what_was_served_at_the_publication_tells_and_newer_ones_do_not(told: Store):
    publish(told, "tax", 0, seed=1)
    vote = publish(told, "vote", 1, seed=2)
    publish(told, "tax", 2, seed=3)
    later = publish(told, "vote", 3, seed=4)
    assert telling(told, vote) == (1, 2)
    assert telling(told, later) == (2, 2)


def test_before_there_was_one_the_first_that_came_tells(told: Store):
    vote = publish(told, "vote", 0, seed=1)
    assert telling(told, vote) is None
    publish(told, "tax", 1, seed=2)
    publish(told, "tax", 2, seed=3)
    assert telling(told, vote) == (1, 2)


def test_one_that_was_taken_back_gives_way_to_what_took_its_place(told: Store):
    good = publish(told, "tax", 0, seed=1)
    publish(told, "tax", 1, seed=2)
    vote = publish(told, "vote", 2, seed=3)
    assert telling(told, vote) == (2, 2)
    with told.write() as session:
        by_hand.roll_back(session, "demo", "tax", good, actor="x", reason="x", now=BEGIN + 3 * DAY)
    assert telling(told, vote) == (1, 1)


def test_one_without_draws_gives_way_to_the_next_that_has_them(told: Store):
    first = publish(told, "tax", 0, seed=1)
    vote = publish(told, "vote", 1, seed=2)
    second, third = publish(told, "tax", 2, seed=3), publish(told, "tax", 3, seed=4)
    lose(told, first)
    assert telling(told, vote) == (2, 3)
    lose(told, second)
    assert telling(told, vote) == (3, 3)
    lose(told, third)
    assert telling(told, vote) is None


def test_draws_stay_while_those_of_a_release_that_is_answered_with_them_do(told: Store):
    old = publish(told, "tax", 0, seed=1)
    vote = publish(told, "vote", 0.1, seed=2)
    for n in range(3):
        publish(told, "tax", 0.2 + n / 10, seed=3 + n)
    with told.write() as session:
        assert forget_draws(session, Settings(), now=BEGIN + 200 * DAY) == 2  # the second and third
    assert telling(told, vote) == (1, 4)
    publish(told, "vote", 201, seed=9)
    with told.write() as session:
        forget_draws(session, Settings(), now=BEGIN + 500 * DAY)  # of the question that was answered with it
        forget_draws(session, Settings(), now=BEGIN + 500 * DAY)
    with told.read() as session:
        assert not releases.get_release(session, vote).has_draws
        assert not releases.get_release(session, old).has_draws
        assert needed_fits(session, []) == set()


@pytest.mark.parametrize(("question", "meets"), [("tax", True), ("vote", False), (None, False)])
def test_whether_what_tells_meets_known_totals_of_its_own_is_told(told: Store, question: str | None, meets: bool):
    noted = {} if question is None else {"known_totals": {"question": question, "by": "place"}}
    with told.write() as session:
        fit = replace(new_fit(question_id="tax"), inputs={"waves": ["w1"], **noted})
        releases.publish(session, fit_id=fits.save_fit(session, fit, now=BEGIN), now=BEGIN)
    vote = publish(told, "vote", 1, seed=2)
    with told.read() as session:
        found = telling_release(session, releases.get_release(session, vote), "tax")
    assert found is not None
    assert found.meets_totals is meets
