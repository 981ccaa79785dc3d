"""A wave that takes batches while fieldwork lasts counts like one file of all of them."""

import json
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from jobs import open_wave, wave_life
from jobs.counting import count_interviews
from jobs.tasks import house_tasks
from polling.errors import WaveConflict, WaveNotFound, WaveRejected, WaveStateRefused, WaveWithdrawn
from polling.store import outbox, surveys, waves
from polling.store.audit import read_entries
from polling.store.wave_events import list_events
from polling.store.wave_records import WaveRecord
from tests.jobs.house import House


def told(house: House, **more: Any) -> dict[str, Any]:
    return {"survey_id": "demo", "now": house.now, "actor": "test"} | more


def opened(house: House, **more: Any) -> WaveRecord:
    wave = house.written.waves[0]
    said = {"pollster": wave.pollster, "reference": "tracker", "fieldwork_start": wave.fieldwork_start}
    changed = open_wave.open_wave(house.store, house.secrets, house.settings, **told(house, **(said | more)))
    return (changed.changed or changed.unchanged)[0]


def lines(house: House, start: int, end: int) -> bytes:
    """Interviews of the first file as NDJSON."""
    frame = pl.read_csv(house.written.waves[0].path, infer_schema=False)[start:end]
    return b"".join(json.dumps(row).encode() + b"\n" for row in frame.iter_rows(named=True))


def send(house: House, number: int, content: bytes, **more: Any) -> open_wave.ReceivedBatch:
    said = told(house, wave="tracker", number=number, content=content)
    return open_wave.receive_batch(house.store, house.secrets, house.settings, **(said | more))


def act(house: House, name: str, **more: Any):
    module = open_wave if name == "close_wave" else wave_life
    return getattr(module, name)(house.store, house.secrets, house.settings, **told(house, wave="tracker", **more))


def counts(house: House) -> pl.DataFrame:
    with house.store.read() as session:
        declaration = surveys.get_declaration(session, "demo")
        made = count_interviews(session, declaration, declaration.question("rail")).counts
    return made.sort(made.columns)


def now_known(house: House) -> WaveRecord:
    with house.store.read() as session:
        return waves.get_wave(session, "demo", "tracker")


def test_batches_in_any_order_count_like_one_file(house: House):
    opened(house)
    assert send(house, 2, lines(house, 120, 200)).received.created
    second = send(house, 1, lines(house, 0, 120))
    act(house, "close_wave")
    assert second.received.wave.n_interviews == 200
    assert {job.kind for job in second.received.jobs} == {"refit"}
    batched = counts(house)

    act(house, "withdraw", reason="for comparison")
    house.push(1)

    assert batched.equals(counts(house))


def test_every_batch_is_an_event_an_audit_entry_and_a_message(house: House):
    wave = opened(house)
    send(house, 1, lines(house, 0, 50))
    act(house, "close_wave")

    with house.store.read() as session:
        events = [(one.kind, one.after.state, one.after.version) for one in list_events(session, wave.id)]
        audited = [one.action for one in read_entries(session) if one.subject == wave.id]
        sent = [one.kind for one in outbox.read_after(session, 0) if one.kind.startswith("wave-")]
    assert events == [("opened", "open", 0), ("batch", "open", 1), ("closed", "accepted", 1)]
    assert audited == sent == ["wave-opened", "wave-batch", "wave-closed"]


def test_a_batch_sent_again_is_the_same_batch_even_after_the_close(house: House):
    opened(house)
    first = send(house, 7, lines(house, 0, 50))
    act(house, "close_wave")
    house.wait(60)
    again = send(house, 7, lines(house, 0, 50))

    assert (again.received.created, again.n_interviews) == (False, 50)
    assert again.received.jobs == first.received.jobs
    assert now_known(house).n_interviews == 50


def test_other_bytes_under_a_number_and_the_same_bytes_under_another_are_conflicts(house: House):
    opened(house)
    send(house, 1, lines(house, 0, 50))
    with pytest.raises(WaveConflict, match="batch 1 was received"):
        send(house, 1, lines(house, 50, 60))
    with pytest.raises(WaveConflict, match="part 1 of 'tracker'"):
        send(house, 2, lines(house, 0, 50))
    assert now_known(house).n_interviews == 50


def test_a_respondent_of_an_earlier_batch_is_a_fault_that_names_the_row(house: House):
    opened(house)
    send(house, 1, lines(house, 0, 50))
    with pytest.raises(WaveRejected, match=r"rows 2, 3.*the respondent is in an earlier"):
        send(house, 2, lines(house, 48, 60))
    assert now_known(house).n_interviews == 50


def test_the_interviews_of_another_wave_are_a_conflict(house: House):
    house.push(1)
    opened(house)
    with pytest.raises(WaveConflict, match="respondents are in"):
        send(house, 1, lines(house, 0, 50))


@pytest.mark.parametrize(
    ("content", "fault"), [(b"{", "one object per line"), (b"a,b\n1,2\n", "question|NDJSON"), (b"", "empty|interviews")]
)
def test_a_faulty_batch_stores_nothing(house: House, content: bytes, fault: str):
    opened(house)
    with pytest.raises(WaveRejected, match=fault):
        send(house, 1, content)
    assert now_known(house).version == 0


def test_a_file_is_no_batch(house: House):
    opened(house)
    with pytest.raises(WaveRejected, match="NDJSON"):
        send(house, 1, house.written.waves[0].path.read_bytes())


def test_the_same_words_open_the_same_wave_and_others_are_a_conflict(house: House):
    first = opened(house, facts={"mode": "phone"})
    assert opened(house, facts={"mode": "phone"}) == first
    assert first.facts == {"mode": "phone"}
    with pytest.raises(WaveConflict, match="opened with other dates or facts"):
        opened(house, facts={"mode": "web"})
    with pytest.raises(WaveConflict, match="it is open"):
        house.push(1, reference="tracker")


@pytest.mark.parametrize("changes", [{"facts": {"mod": "x"}}, {"reference": " "}, {"closes_on": date(2000, 1, 1)}])
def test_words_that_mean_nothing_open_no_wave(house: House, changes: dict[str, Any]):
    with pytest.raises(WaveRejected):
        opened(house, **changes)
    with pytest.raises(WaveNotFound):
        now_known(house)


def test_the_clock_closes_a_wave_when_its_last_day_is_over(house: House):
    opened(house, closes_on=house.now.date())
    send(house, 1, lines(house, 0, 50))
    (task,) = [one for one in house_tasks(house.settings) if one.name == "close-waves"]
    with house.store.write() as session:
        task.run(session, house.now)
    assert now_known(house).state == "open"

    house.now += timedelta(days=1)
    with pytest.raises(WaveStateRefused, match="its last day was"):
        send(house, 2, lines(house, 50, 60))
    with house.store.write() as session:
        task.run(session, house.now)

    assert now_known(house).state == "accepted"
    with house.store.read() as session:
        assert list_events(session, now_known(house).id)[-1].actor == "clock"


def test_an_open_wave_is_withdrawn_and_takes_batches_again_when_restored(house: House):
    opened(house)
    send(house, 1, lines(house, 0, 50))
    act(house, "withdraw", reason="wrong questionnaire")
    with pytest.raises(WaveWithdrawn):
        send(house, 2, lines(house, 50, 60))

    act(house, "restore")
    assert now_known(house).state == "open"
    assert send(house, 2, lines(house, 50, 60)).received.wave.n_interviews == 60


def test_a_wave_that_is_closed_empty_is_withdrawn(house: House):
    opened(house)
    assert act(house, "close_wave").changed[0].state == "withdrawn"
    assert act(house, "close_wave").unchanged[0].state == "withdrawn"


def test_a_closed_wave_is_corrected_by_a_file(house: House):
    opened(house)
    send(house, 1, lines(house, 0, 50))
    with pytest.raises(WaveConflict, match="it is open"):
        house.push(1, reference=None, replaces="tracker", reason="weights")
    act(house, "close_wave")
    assert house.push(1, reference=None, replaces="tracker", reason="weights").wave.version == 2
    with pytest.raises(WaveStateRefused, match="closed"):
        send(house, 2, lines(house, 50, 60))


def test_undo_takes_back_an_open_wave_as_a_whole(house: House):
    opened(house)
    send(house, 1, lines(house, 0, 50))
    middle = house.now + timedelta(seconds=30)
    house.wait(60)
    send(house, 2, lines(house, 50, 60))
    undo = told(house, reason="a mistake")
    with pytest.raises(WaveStateRefused, match="has batches from before"):
        wave_life.undo(house.store, house.secrets, house.settings, since=middle, **undo)
    changed = wave_life.undo(house.store, house.secrets, house.settings, names=["tracker"], **undo).changed
    assert changed[0].state == "withdrawn"


def test_what_was_known_on_a_moment_has_the_batches_of_then(house: House):
    opened(house)
    send(house, 1, lines(house, 0, 50))
    then = house.now
    house.wait(60)
    send(house, 2, lines(house, 50, 60))
    with house.store.read() as session:
        assert [one.number for one in waves.load_parts(session, "demo", at=then)] == [1]
        assert [one.number for one in waves.load_parts(session, "demo")] == [1, 2]


def test_another_pollster_finds_no_wave(house: House):
    opened(house)
    for call in (
        lambda: send(house, 1, lines(house, 0, 5), pollster="Rival"),
        lambda: act(house, "close_wave", pollster="Rival"),
    ):
        with pytest.raises(WaveNotFound):
            call()
