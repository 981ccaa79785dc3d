"""Rows with faults of their own: set aside, listed, downloaded, and released after the codebook is mended."""

import csv
import io
from dataclasses import replace

import polars as pl
import pytest

from jobs import wave_life
from jobs.counting import count_interviews
from jobs.erasure import erase
from jobs.quarantine import download, list_quarantine, release
from jobs.survey import load_survey, update_survey
from polling.errors import WaveNotFound, WaveRejected, WaveStateRefused
from polling.store import audit, releases, surveys, waves
from polling.store.restatement import restated_waves
from polling.store.wave_events import list_events
from tests.jobs.house import House


def declare(house: House, policy: str = "quarantine", **demographics) -> None:
    bundle = load_survey(house.written.path)
    first, *others = bundle.declaration.demographics
    declaration = replace(bundle.declaration, policy=policy, demographics=(replace(first, **demographics), *others))
    update_survey(
        house.store,
        house.secrets,
        house.settings,
        replace(bundle, declaration=declaration),
        actor="test",
        now=house.now,
    )


def declaration_of(house: House):
    with house.store.read() as session:
        return surveys.get_declaration(session, house.written.survey_id)


def spoiled(house: House, rows: dict[int, str], column: str | None = None) -> bytes:
    """The first wave with other texts in a column of some rows (0 is the first interview)."""
    wave = house.written.waves[0]
    table = pl.read_csv(wave.path.read_bytes(), infer_schema=False)
    if column is None:
        declaration = declaration_of(house)
        column = declaration.columns_of(wave.pollster)[declaration.demographics[0].name]
    values = table[column].to_list()
    for row, text in rows.items():
        values[row] = text
    return table.with_columns(pl.Series(column, values)).write_csv().encode()


def about(house: House) -> dict:
    return {"survey_id": house.written.survey_id, "wave": house.written.waves[0].reference}


def acting(house: House) -> dict:
    return about(house) | {"reason": "mended", "now": house.now, "actor": "test"}


def test_faulty_rows_are_set_aside_and_the_rest_is_counted(house: House):
    declare(house)
    n = house.written.waves[0].n_interviews

    received = house.push(1, content=spoiled(house, {1: "unheard of", 4: "=1+1"}))

    assert (received.wave.state, received.wave.n_interviews, received.wave.n_quarantined) == ("accepted", n - 2, 2)
    assert received.n_faults == 2
    assert {fault.row for fault in received.faults} == {3, 6}
    listed = list_quarantine(house.store, **about(house))
    assert [row for row, _ in listed.rows] == [3, 6]
    assert sum(count for _, count in listed.reasons) == 2
    declaration = declaration_of(house)
    with house.store.read() as session:
        question = next(one for one in declaration.questions if one.id in received.wave.questions)
        counted = count_interviews(session, declaration, question).counts["n"].sum()
    assert counted <= n - 2


def person(house: House, row: int) -> str:
    table = pl.read_csv(house.written.waves[0].path.read_bytes(), infer_schema=False)
    return str(table[declaration_of(house).columns["respondent"]][row])


def erase_somebody(house: House, row: int) -> None:
    asked = {"survey_id": house.written.survey_id, "respondent": person(house, row), "now": house.now, "actor": "test"}
    erase(house.store, house.secrets, house.settings, **asked)


def test_every_row_is_stored_set_aside_or_suppressed_and_none_is_told_twice(house: House):
    declare(house)
    n = house.written.waves[0].n_interviews
    for row in (1, 7):  # one whose row is faulty, one whose is not
        erase_somebody(house, row)

    received = house.push(1, content=spoiled(house, {1: "unheard of", 4: "unheard of"}))

    assert (received.wave.n_interviews, received.wave.n_quarantined, received.n_suppressed) == (n - 3, 1, 2)


def work(house: House) -> None:
    worker = house.worker()
    house.wait(60)
    while worker.turn(house.now):
        house.wait(1)


def current(house: House, question_id: str):
    with house.store.read() as session:
        release = releases.current_release(session, house.written.survey_id, question_id)
        assert release is not None
        return release, restated_waves(session, release)


def test_an_erasure_of_a_row_set_aside_restates_nothing_and_asks_for_no_refit(house: House):
    declare(house)
    received = house.push(1, content=spoiled(house, {1: "unheard of"}))
    work(house)
    erase_somebody(house, 1)
    assert house.jobs("queued") == [] or {job.kind for job in house.jobs("queued")} == {"free-bytes"}
    house.push(2)
    work(house)

    release, restated = current(house, received.wave.questions[0])

    assert (release.number, restated) == (2, ())
    with house.store.read() as session:
        last = list_events(session, received.wave.id)[-1]
    assert (last.kind, last.reason) == ("erased", "nothing that is counted was removed")


def test_an_erasure_in_a_wave_that_no_earlier_release_had_restates_nothing(house: House):
    house.push(1)
    work(house)
    question = house.push(2).wave.questions[0]
    house.wait(1)
    second = house.written.waves[1]
    table = pl.read_csv(second.path.read_bytes(), infer_schema=False) if second.path.suffix == ".csv" else None
    assert table is not None
    who = str(table[declaration_of(house).columns_of(second.pollster)["respondent"]][0])
    asked = {"survey_id": house.written.survey_id, "respondent": who, "now": house.now, "actor": "test"}
    assert erase(house.store, house.secrets, house.settings, **asked).n_interviews == 1
    work(house)

    assert current(house, question)[1] == ()


def test_an_erasure_of_counted_interviews_of_an_earlier_release_is_told(house: House):
    question = house.push(1).wave.questions[0]
    work(house)
    erase_somebody(house, 3)
    work(house)

    (restated,) = current(house, question)[1]

    assert "lost interviews to an erasure" in restated.text


def test_under_the_default_policy_and_above_the_share_the_wave_is_rejected_with_every_fault(house: House):
    content = spoiled(house, {1: "unheard of"})
    with pytest.raises(WaveRejected):
        house.push(1, content=content)
    declare(house)
    n = house.written.waves[0].n_interviews
    too_many = dict.fromkeys(range(n // 20 + 1), "unheard of")

    with pytest.raises(WaveRejected, match="may be set aside") as rejected:
        house.push(1, content=spoiled(house, too_many))

    assert rejected.value.n_faults == len(too_many) + 1
    assert house.push(1, content=spoiled(house, dict.fromkeys(range(n // 20), "unheard of"))).wave.n_quarantined


def test_faults_of_the_file_and_rows_that_could_not_be_erased_reject_the_wave(house: House):
    declare(house)
    declaration = declaration_of(house)
    wave = house.written.waves[0]
    names = declaration.columns_of(wave.pollster)
    column = names[declaration.demographics[0].name]
    table = pl.read_csv(wave.path.read_bytes(), infer_schema=False)

    with pytest.raises(WaveRejected, match="missing"):
        house.push(1, content=table.drop(column).write_csv().encode())
    with pytest.raises(WaveRejected, match="could not be erased"):
        house.push(1, content=spoiled(house, {3: ""}, names["respondent"]))


def test_the_download_has_pseudonyms_and_no_formulas_and_is_in_the_audit_chain(house: House):
    declare(house)
    wave = house.written.waves[0]
    house.push(1, content=spoiled(house, {1: "=HYPERLINK(1)"}))
    column = declaration_of(house).columns_of(wave.pollster)["respondent"]
    ids = pl.read_csv(wave.path.read_bytes(), infer_schema=False)[column].to_list()

    text = download(house.store, house.secrets, **about(house), now=house.now, actor="key:abc")

    (row,) = csv.DictReader(io.StringIO(text))
    assert row["file row"] == "3"
    assert "'=HYPERLINK(1)" in row.values()
    assert row[column] not in ids
    with house.store.read() as session:
        last = list(audit.read_entries(session))[-1]
    assert (last.action, last.actor) == ("interviews-read", "key:abc")
    with pytest.raises(WaveNotFound):
        download(house.store, house.secrets, **about(house), pollster="other", now=house.now, actor="key:abc")


def test_after_a_fix_the_rows_that_pass_are_counted_and_the_others_stay(house: House):
    declare(house)
    n = house.written.waves[0].n_interviews
    content = spoiled(house, {1: "mended later", 4: "never"})
    first = house.push(1, content=content)
    told = acting(house)

    unchanged = release(house.store, house.secrets, house.settings, **told)
    assert not unchanged.changed
    declaration = declaration_of(house)
    level = declaration.demographics[0].levels[0]
    declare(house, recode={**declaration.demographics[0].recode, "mended later": level})
    (wave,) = release(house.store, house.secrets, house.settings, **told).changed

    assert (wave.version, wave.n_interviews, wave.n_quarantined) == (2, n - 1, 1)
    assert wave.survey_version > first.wave.survey_version
    listed = list_quarantine(house.store, **about(house))
    assert [row for row, _ in listed.rows] == [6]
    with house.store.read() as session:
        assert list_events(session, wave.id)[-1].kind == "requarantined"
        assert len(waves.load_payloads(session, wave)) == 1
    # The file again is the wave again.
    assert not house.push(1, content=content).created
    # Undone is the file, not that some of its rows count since.
    wrong = {"survey_id": told["survey_id"], "names": [told["wave"]], "reason": "wrong file", "actor": "test"}
    (undone,) = wave_life.undo(house.store, house.secrets, house.settings, now=house.now, **wrong).changed
    assert undone.state == "withdrawn"


def test_a_withdrawn_wave_releases_nothing(house: House):
    declare(house)
    house.push(1, content=spoiled(house, {1: "unheard of"}))
    wave_life.withdraw(house.store, house.secrets, house.settings, **acting(house))

    with pytest.raises(WaveStateRefused, match="withdrawn"):
        release(house.store, house.secrets, house.settings, **acting(house))
