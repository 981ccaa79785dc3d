"""Stamps: equal while nothing is committed, different as soon as anything is, and never wrongly equal."""

import threading

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from polling.store import surveys
from polling.store.engine import Store, open_store
from tests.polling.store.conftest import NOW, small_bundle


def test_a_stamp_stays_while_nothing_is_committed_and_goes_with_every_commit(store: Store):
    seen = [store.stamp(), store.stamp()]
    for name in ("one", "two"):
        with store.write() as session:
            surveys.add_survey(session, small_bundle(name), now=NOW)
        seen.append(store.stamp())
    with store.read() as session:
        surveys.list_surveys(session)
    seen.append(store.stamp())

    assert seen[0] == seen[1]
    assert len(set(seen)) == 3
    assert seen[3] == seen[4]


def test_a_commit_by_another_process_is_seen(store: Store):
    other = open_store(store.url.render_as_string(hide_password=False))
    before = store.stamp()
    with other.write() as session:
        surveys.add_survey(session, small_bundle(), now=NOW)
    other.close()

    assert store.stamp() != before


def test_what_was_read_between_two_equal_stamps_is_what_is_stored(store: Store):
    """A reader that trusts its stamps never lacks what was committed before it asked, whoever writes meanwhile."""
    committed, stop = [0], threading.Event()

    def write() -> None:
        while not stop.is_set():
            with store.write() as session:
                surveys.add_survey(session, small_bundle(f"s{committed[0]}"), now=NOW)
            committed[0] += 1

    writer = threading.Thread(target=write)
    writer.start()
    kept: tuple[object, int] = (None, 0)
    n_kept, late = 0, []
    try:
        while committed[0] < 40:
            at_least = committed[0]
            stamp = store.stamp()
            if kept[0] == stamp:
                n_kept += 1
            else:
                with store.read() as session:
                    kept = stamp, len(surveys.list_surveys(session))
            if kept[1] < at_least:
                late.append((at_least, kept))
    finally:
        stop.set()
        writer.join()

    assert late == []
    assert n_kept > 0


def test_a_new_connection_never_repeats_an_old_stamp(store: Store):
    before = store.stamp()
    store.close()
    with store.write() as session:
        surveys.add_survey(session, small_bundle(), now=NOW)

    assert store.stamp() != before


def test_a_database_that_does_not_answer_is_an_operational_error_and_is_asked_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
):
    before = store.stamp()
    with monkeypatch.context() as patch:
        patch.setattr(store._stamps, "_statement", "SELECT nothing FROM nowhere")
        with pytest.raises(OperationalError):
            store.stamp()

    assert store.stamp() != before
    with store.read() as session:
        assert session.scalar(text("SELECT 1")) == 1
