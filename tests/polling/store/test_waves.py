"""Waves: one rule for deliveries that come again."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest

from polling.errors import SurveyNotFound, WaveConflict, WaveNotFound
from polling.store import deliveries, surveys, waves
from polling.store.engine import Store
from polling.store.wave_events import changes_after, data_sequence
from polling.store.wave_records import WaveRecord

from .conftest import NOW, n_rows, new_wave, seconds, small_bundle


def receive(store: Store, reference: str = "w1", at: float = 0, **changes: object) -> tuple[WaveRecord, bool]:
    with store.write() as session:
        return deliveries.add_wave(session, new_wave(reference, **changes), now=NOW + seconds(at), actor="test")


def test_a_wave_comes_back_as_it_was_stored(survey_store: Store):
    wave, created = receive(survey_store)
    with survey_store.read() as session:
        assert waves.get_wave(session, "demo", wave.id) == wave
        assert waves.find_wave(session, "demo", "Polly", "w1") == wave
        assert waves.get_wave(session, "demo", "w1") == wave
        assert waves.load_payloads(session, wave) == [new_wave().payload]
        assert [(part.wave, part.payload) for part in waves.load_parts(session, "demo")] == [(wave, new_wave().payload)]
        assert data_sequence(session, "demo") == 1
    assert created
    assert (wave.sequence, wave.state, wave.received_at, wave.questions) == (1, "accepted", NOW, ("tax", "vote"))


def test_the_same_reference_and_bytes_are_the_same_wave(survey_store: Store):
    first, _ = receive(survey_store)
    again, created = receive(survey_store, at=60)
    with survey_store.read() as session:
        assert (n_rows(session, "wave"), data_sequence(session, "demo")) == (1, 1)
    assert (again, created) == (first, False)


def test_other_bytes_under_a_known_reference_conflict(survey_store: Store):
    receive(survey_store)
    with pytest.raises(WaveConflict, match="'w1' was received on 2026-03-02 12:00 UTC with other content"):
        receive(survey_store, content_sha256="ff")


def test_the_same_bytes_under_another_reference_conflict_and_name_it(survey_store: Store):
    receive(survey_store, "w1")
    with pytest.raises(WaveConflict, match="received as 'w1'") as caught:
        receive(survey_store, "w2", content_sha256=new_wave("w1").content_sha256)
    assert caught.value.existing_reference == "w1"


def test_a_repeated_delivery_with_other_dates_conflicts_and_names_both(survey_store: Store):
    receive(survey_store)
    with pytest.raises(WaveConflict, match=r"2026-02-27 to 2026-03-01.*2026-02-26 to 2026-03-01"):
        receive(survey_store, fieldwork_start=date(2026, 2, 26))


def test_the_newest_key_version_that_waves_depend_on(survey_store: Store):
    with survey_store.read() as session:
        assert waves.key_version_used(session, "demo") == 0
    receive(survey_store, "w1", key_version=2)
    receive(survey_store, "w2")
    with survey_store.read() as session:
        assert waves.key_version_used(session, "demo") == 2


def test_pollsters_and_surveys_do_not_share_references_or_bytes(survey_store: Store):
    with survey_store.write() as session:
        surveys.add_survey(session, small_bundle("second"), now=NOW)
    created = [
        receive(survey_store)[1],
        receive(survey_store, pollster="Quizzy")[1],
        receive(survey_store, survey_id="second")[1],
    ]
    with survey_store.read() as session:
        assert [wave.pollster for wave in waves.list_waves(session, "demo")] == ["Polly", "Quizzy"]
        assert [wave.pollster for wave in waves.list_waves(session, "demo", "Quizzy")] == ["Quizzy"]
    assert created == [True, True, True]


def test_a_wave_of_another_survey_is_not_found(survey_store: Store):
    wave, _ = receive(survey_store)
    with survey_store.read() as session:
        with pytest.raises(WaveNotFound):
            waves.get_wave(session, "second", wave.id)
        with pytest.raises(WaveNotFound):
            waves.get_wave(session, "demo", wave.id, pollster="Quizzy")
        assert waves.find_wave(session, "second", "Polly", "w1") is None
        with pytest.raises(SurveyNotFound):
            data_sequence(session, "second")
    with pytest.raises(SurveyNotFound):
        receive(survey_store, survey_id="second")


def test_changes_after_a_moment_name_the_questions_that_they_moved(survey_store: Store):
    for n, questions in enumerate([("vote",), ("tax",), ("tax", "vote")], start=1):
        receive(survey_store, f"w{n}", questions=questions)
    with survey_store.read() as session:
        after = {n: [change.questions for change in changes_after(session, "demo", n)] for n in range(4)}
    assert after == {
        0: [("vote",), ("tax",), ("tax", "vote")],
        1: [("tax",), ("tax", "vote")],
        2: [("tax", "vote")],
        3: [],
    }


def test_deliveries_from_many_threads_each_sent_three_times_are_stored_once(
    survey_store: Store, store_url: str, open_stores: Callable[[str], Store]
):
    other = open_stores(store_url)

    def send(n: int) -> tuple[str, str]:
        wave, _ = receive((survey_store, other)[n % 2], f"w{n % 10}")
        return wave.reference, wave.id

    with ThreadPoolExecutor(4) as threads:
        answers = set(threads.map(send, range(30)))
    with survey_store.read() as session:
        stored = waves.list_waves(session, "demo")
    assert answers == {(wave.reference, wave.id) for wave in stored}
    assert [wave.sequence for wave in stored] == list(range(1, 11))
