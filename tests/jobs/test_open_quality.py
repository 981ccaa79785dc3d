"""An open wave is looked at as its batches come, and as a whole when it is closed; what is over a limit waits."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from fixtures.survey_folder import WrittenSurvey
from jobs import wave_life
from jobs.settings import Settings
from jobs.survey import add_survey, load_survey
from polling.errors import WaveConflict, WaveRejected, WaveStateRefused
from polling.secrets import SecretsFile
from polling.store import surveys, waves
from polling.store.engine import Store
from polling.store.wave_events import list_events
from polling.store.wave_records import Standing, WaveRecord
from tests.jobs.house import House
from tests.jobs.test_open_wave import act, counts, lines, now_known, opened, send, told


def table(house: House) -> pl.DataFrame:
    return pl.read_csv(house.written.waves[0].path, infer_schema=False)


def ndjson(frame: pl.DataFrame) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in frame.iter_rows(named=True))


def copies(house: House, start: int, end: int) -> bytes:
    """Interviews of the first file again, under other ids."""
    return ndjson(table(house)[start:end].with_columns(pl.col(house_id(house)) + "x"))


def house_id(house: House) -> str:
    with house.store.read() as session:
        column = surveys.get_declaration(session, "demo").columns_of(house.written.waves[0].pollster)["respondent"]
    assert column is not None
    return column


def stands(house: House) -> Standing:
    wave = now_known(house)
    return Standing(wave.version, wave.state, wave.waiting)


def let_through(house: House) -> WaveRecord:
    more = told(house, wave="tracker", reason="a panel in two halves")
    (changed,) = wave_life.let_through(house.store, house.secrets, house.settings, **more).changed
    return changed


def over(flags: Any) -> set[str]:
    return {flag["kind"] for flag in flags if flag["over"]}


def parts(house: House) -> list[int]:
    with house.store.read() as session:
        return [one.number for one in waves.load_parts(session, "demo")]


def test_a_sound_wave_has_flags_of_all_its_interviews_and_composition_when_it_is_closed(house: House):
    opened(house)
    send(house, 1, lines(house, 0, 30))
    assert now_known(house).flags == ()  # fewer than 50 say nothing
    send(house, 2, lines(house, 30, 120))
    kinds = {flag["kind"] for flag in now_known(house).flags}
    assert "duplicates" in kinds
    assert "composition" not in kinds

    act(house, "close_wave")

    assert stands(house) == Standing(1, "accepted")
    assert {"duplicates", "composition"} <= {flag["kind"] for flag in now_known(house).flags}


def test_a_batch_over_a_limit_waits_with_those_after_it_and_what_was_counted_stays(house: House):
    wave = opened(house)
    send(house, 1, lines(house, 0, 80))
    before = counts(house)

    waits = send(house, 2, copies(house, 0, 80))
    assert over(waits.received.flags) == {"duplicates"}
    assert waits.received.jobs == ()
    send(house, 3, lines(house, 80, 90))

    assert stands(house) == Standing(1, "open", 2)
    assert counts(house).equals(before)
    assert parts(house) == [1]
    assert not send(house, 2, copies(house, 0, 80)).received.created
    with pytest.raises(WaveConflict, match="batch 3 was received"):
        send(house, 3, lines(house, 90, 95))
    with pytest.raises(WaveRejected, match="in an earlier batch"):
        send(house, 4, lines(house, 85, 95))

    changed = let_through(house)

    assert (changed.state, changed.version, changed.n_interviews) == ("open", 2, 170)
    assert parts(house) == [1, 2, 3]
    with house.store.read() as session:
        events = [(one.kind, one.after) for one in list_events(session, wave.id)]
    assert events[2:] == [
        ("batch", Standing(1, "open", 2)),
        ("batch", Standing(1, "open", 2)),
        ("let-through", Standing(2, "open")),
    ]


def test_the_same_on_either_store(store: Store, tmp_path: Path, written: WrittenSurvey):
    url = store.url.render_as_string(hide_password=False)
    settings = replace(Settings(), data_dir=tmp_path, database_url=url, secrets_file=tmp_path / "secrets.toml")
    home = House(store, SecretsFile(settings.secrets_file), settings, written)
    add_survey(store, home.secrets, load_survey(written.path), actor="test", now=home.now)
    opened(home)
    send(home, 1, lines(home, 0, 80))

    send(home, 2, copies(home, 0, 80))

    assert (stands(home), parts(home)) == (Standing(1, "open", 2), [1])
    assert let_through(home).n_interviews == 160
    act(home, "close_wave")
    assert (stands(home), parts(home)) == (Standing(2, "accepted"), [1, 2])


def test_what_was_let_through_does_not_hold_the_next_batch_nor_the_close(house: House):
    opened(house)
    send(house, 1, lines(house, 0, 80))
    send(house, 2, copies(house, 0, 80))
    let_through(house)

    assert over(send(house, 3, lines(house, 80, 90)).received.flags) == {"duplicates"}
    act(house, "close_wave")

    assert stands(house) == Standing(2, "accepted")
    assert over(now_known(house).flags) == {"duplicates"}


def test_a_first_batch_over_a_limit_waits_and_nothing_is_counted(house: House):
    opened(house)
    assert send(house, 1, lines(house, 0, 80) + copies(house, 0, 80)).received.jobs == ()
    assert stands(house) == Standing(0, "open", 1)
    assert parts(house) == []
    assert let_through(house).n_interviews == 160
    assert stands(house) == Standing(1, "open")


def test_a_wave_with_batches_that_wait_is_held_when_it_is_closed(house: House):
    opened(house)
    send(house, 1, lines(house, 0, 80))
    send(house, 2, copies(house, 0, 80))

    act(house, "close_wave")

    assert stands(house) == Standing(2, "held")
    assert parts(house) == []
    with pytest.raises(WaveStateRefused, match="waits for an analyst"):
        send(house, 3, lines(house, 80, 90))
    assert let_through(house).state == "accepted"
    assert parts(house) == [1, 2]


def test_what_waits_is_held_at_the_close_although_later_batches_diluted_it(house: House):
    opened(house)
    send(house, 1, lines(house, 0, 50))
    assert over(send(house, 2, copies(house, 0, 10)).received.flags) == {"duplicates"}
    assert over(send(house, 3, lines(house, 50, 190)).received.flags) == set()
    assert stands(house) == Standing(1, "open", 2)

    act(house, "close_wave")

    assert stands(house) == Standing(2, "held")
    assert over(now_known(house).flags) == set()
    with house.store.read() as session:
        assert "closed while batches" in (list_events(session, now_known(house).id)[-1].reason or "")


def test_batches_each_sound_that_are_no_sample_together_are_held_at_the_close_like_one_file(house: House):
    frame = table(house)
    one = frame.with_columns(pl.lit(frame["district"][0]).alias("district"))
    opened(house)
    for number in range(4):
        assert over(send(house, number + 1, ndjson(one[number * 50 : number * 50 + 50])).received.flags) == set()
    assert stands(house) == Standing(1, "open")

    act(house, "close_wave")

    assert stands(house) == Standing(1, "held")
    assert "composition" in over(now_known(house).flags)
    assert parts(house) == []
    with house.store.read() as session:
        assert "By " in (list_events(session, now_known(house).id)[-1].reason or "")
    assert let_through(house).state == "accepted"


def test_batches_that_wait_are_undone_without_those_that_count(house: House):
    opened(house)
    send(house, 1, lines(house, 0, 80))
    house.wait(60)
    middle = house.now
    send(house, 2, copies(house, 0, 80))
    house.wait(60)
    send(house, 3, lines(house, 80, 90))
    undo = told(house, reason="sent twice")
    with pytest.raises(WaveStateRefused, match="has batches from before"):
        wave_life.undo(house.store, house.secrets, house.settings, since=middle + timedelta(seconds=1), **undo)

    wave_life.undo(house.store, house.secrets, house.settings, since=middle, **undo)

    assert stands(house) == Standing(1, "open")
    assert send(house, 3, lines(house, 80, 90)).received.created
    assert parts(house) == [1, 3]
