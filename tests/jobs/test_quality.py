"""Deliveries over a quality limit wait for an analyst; those of the fixtures do not."""

import polars as pl

from jobs import wave_life
from polling.store import surveys, waves
from tests.jobs.house import House


def columns(house: House) -> tuple[pl.DataFrame, dict[str, str]]:
    wave = house.written.waves[0]
    with house.store.read() as session:
        names = surveys.get_declaration(session, house.written.survey_id).columns_of(wave.pollster)
    return pl.read_csv(wave.path.read_bytes(), infer_schema=False), names


def test_waves_of_the_fixtures_are_over_no_limit_and_flags_are_stored(house: House):
    for number in range(1, len(house.written.waves) + 1):
        received = house.push(number)

        assert (received.wave.state, [flag["words"] for flag in received.flags if flag["over"]]) == ("accepted", [])
        assert {"composition", "duplicates"} <= {flag["kind"] for flag in received.wave.flags}
        assert {"kind", "about", "measured", "limit", "over", "words"} == set(received.wave.flags[0])


def test_copied_interviews_hold_the_wave_until_it_is_let_through(house: House):
    table, names = columns(house)
    copies = table.head(table.height // 2).with_columns(pl.col(names["respondent"]) + "x")

    received = house.push(1, content=pl.concat([table, copies]).write_csv().encode())

    assert received.wave.state == "held"
    assert received.jobs == ()
    assert any(flag["kind"] == "duplicates" and flag["over"] for flag in received.wave.flags)
    told = {"survey_id": house.written.survey_id, "wave": received.wave.id, "now": house.now, "actor": "test"}
    through = wave_life.let_through(house.store, house.secrets, house.settings, **told, reason="a panel in two halves")
    assert through.changed[0].state == "accepted"
    assert through.jobs


def test_answers_far_from_the_release_hold_the_next_wave_and_leave_the_counted_one(house: House):
    first = house.push(1)
    while house.worker().turn(house.now) or house.jobs("queued"):
        house.wait(60)
    table, names = columns(house)
    with house.store.read() as session:
        declaration = surveys.get_declaration(session, house.written.survey_id)
    question = next(one for one in declaration.questions if one.id in first.wave.questions and one.kind == "binary")
    # The release of the house's own fit says about one half everywhere.
    content = table.with_columns(pl.lit(question.options[0]).alias(names[question.id])).write_csv().encode()

    received = house.push(1, content=content, replaces=first.wave.reference, reason="all the same")

    assert (received.wave.state, received.wave.version, received.wave.waiting) == ("accepted", 1, 2)
    with house.store.read() as session:
        flags = waves.list_versions(session, first.wave.id)[-1].flags
    (surprise,) = [flag for flag in flags if flag["kind"] == "surprise" and flag["about"] == question.id]
    assert surprise["over"]
    assert "release 1" in surprise["words"]
