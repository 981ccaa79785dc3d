"""Receive a wave: all of it or nothing, once, with its refits."""

from datetime import date, timedelta
from io import BytesIO

import polars as pl
import pytest

from jobs.respondents import refuse_repeated
from polling.errors import SecretsError, SurveyNotFound, WaveConflict, WaveRejected
from polling.payload import from_payload
from polling.store import outbox, releases, waves


def stored_waves(house):
    with house.store.read() as session:
        return waves.list_waves(session, "demo")


def test_a_wave_is_stored_with_a_refit_of_every_question_it_answers(house):
    received = house.push(1)

    assert received.created
    assert received.wave.n_interviews == 200
    assert [job.question_id for job in received.jobs] == ["rail", "voting_age"]
    assert {job.state for job in received.jobs} == {"queued"}
    assert stored_waves(house) == [received.wave]


def test_a_refit_waits_until_no_wave_has_arrived_for_a_while(house):
    job = house.push(1).jobs[0]

    assert job.run_after == house.now + timedelta(seconds=2)


def test_a_burst_of_waves_asks_once(house):
    first = house.push(1)
    house.wait(1)
    second = house.push(2)

    assert [job.id for job in second.jobs] == [job.id for job in first.jobs]
    assert [job.asked for job in second.jobs] == [2, 2]
    assert second.jobs[0].run_after == house.now + timedelta(seconds=2)


def test_the_same_file_again_is_the_same_answer_and_stores_nothing(house):
    first = house.push(1)
    house.wait(600)
    again = house.push(1)

    assert not again.created
    assert again.wave == first.wave
    assert [job.id for job in again.jobs] == [job.id for job in first.jobs]
    assert len(stored_waves(house)) == 1
    assert len(house.jobs()) == 2


def test_the_same_file_names_its_own_refits_even_after_they_ran(house):
    first = house.push(1)
    house.wait(10)
    worker = house.worker()
    assert worker.turn(house.now)
    assert worker.turn(house.now)
    later = house.push(2)
    again = house.push(1)

    assert [job.id for job in again.jobs] == [job.id for job in first.jobs]
    assert {job.state for job in again.jobs} == {"succeeded"}
    assert {job.id for job in later.jobs}.isdisjoint(job.id for job in again.jobs)


def test_a_reference_cannot_be_used_for_other_bytes(house):
    house.push(1)
    wave = house.written.waves[0]

    with pytest.raises(WaveConflict):
        house.push(1, content=wave.path.read_bytes() + b"\n")
    assert len(stored_waves(house)) == 1


def test_the_same_bytes_under_another_reference_would_count_twice(house):
    house.push(1)

    with pytest.raises(WaveConflict, match="count twice"):
        house.push(1, reference="wave-1b")


def test_every_fault_of_a_file_is_reported_and_nothing_is_stored(house):
    lines = house.written.waves[0].path.read_text().splitlines()
    lines[1] = lines[1].replace("45-54", "45 or so")
    lines[3] = ",".join(["", *lines[3].split(",")[1:]])

    with pytest.raises(WaveRejected) as refused:
        house.push(1, content="\n".join(lines).encode())
    assert {fault.row for fault in refused.value.faults} == {2, 4}
    assert stored_waves(house) == []
    assert house.jobs() == []


def test_a_district_that_the_survey_does_not_have_is_a_fault(house):
    content = house.written.waves[0].path.read_bytes().replace(b",D04,", b",D99,", 1)

    with pytest.raises(WaveRejected, match="D99"):
        house.push(1, content=content)
    assert stored_waves(house) == []


@pytest.mark.parametrize(
    ("changes", "column"),
    [
        ({"reference": " "}, "reference"),
        ({"reference": "wave\x001"}, "reference"),
        ({"pollster": "n" * 201}, "pollster"),
        ({"fieldwork_start": date(2025, 9, 6), "fieldwork_end": date(2025, 9, 5)}, "fieldwork_end"),
        ({"fieldwork_end": date(2025, 10, 8)}, "fieldwork_end"),
        ({"fieldwork_end": date(2035, 9, 5)}, "fieldwork_end"),
    ],
)
def test_what_is_said_about_a_wave_is_checked_too(house, changes, column):
    with pytest.raises(WaveRejected) as refused:
        house.push(1, **changes)
    assert [fault.column for fault in refused.value.faults] == [column]


def test_fieldwork_may_end_tomorrow_where_it_is_tomorrow_already(house):
    assert house.push(1, fieldwork_end=date(2025, 10, 7)).created


def test_an_interview_outside_fieldwork_is_a_fault_told_with_those_of_the_form(house):
    with pytest.raises(WaveRejected) as refused:
        house.push(1, reference=" ", fieldwork_start=date(2025, 9, 2))

    assert {fault.column for fault in refused.value.faults} == {"reference", "date"}
    assert {fault.value for fault in refused.value.faults} == {" ", "2025-09-01"}
    assert refused.value.n_rows == 200
    assert stored_waves(house) == []


def test_the_same_file_with_other_dates_is_a_conflict_that_names_both(house):
    house.push(1)

    with pytest.raises(WaveConflict, match=r"2025-09-01 to 2025-09-05.* 2025-08-31 to 2025-09-05"):
        house.push(1, fieldwork_start=date(2025, 8, 31))
    assert len(stored_waves(house)) == 1


def test_the_first_wave_of_a_pollster_is_called_so(house):
    assert house.push(1).first_of_pollster
    assert house.push(1).first_of_pollster  # the same file again is answered in the same words
    waves_of = [wave.pollster for wave in house.written.waves]
    assert house.push(2).first_of_pollster == (waves_of[1] != waves_of[0])


def parquet(house, number: int = 1) -> bytes:
    """The interviews of a wave in another form."""
    buffer = BytesIO()
    pl.read_csv(house.written.waves[number - 1].path, infer_schema=False).write_parquet(buffer)
    return buffer.getvalue()


def test_the_same_interviews_in_another_form_would_count_twice(house):
    house.push(1)
    text = house.written.waves[0].path.read_text()
    forms = [b"\xef\xbb\xbf" + text.encode(), text.replace(",", ";").encode(), parquet(house)]
    forms.append(text.rsplit("\n", 30)[0].encode())  # some of them

    for content in forms:
        with pytest.raises(WaveConflict, match="of its respondents are in 'wave-1' too") as refused:
            house.push(1, reference="again", content=content)
        assert refused.value.existing_reference == "wave-1"
        assert text.splitlines()[1].split(",")[0] not in str(refused.value)
    assert len(stored_waves(house)) == 1
    assert len(house.jobs()) == 2


def test_a_panel_may_be_interviewed_again_later(house):
    house.push(1)
    text = house.written.waves[0].path.read_text()
    for day in range(1, 6):
        text = text.replace(f"2025-09-0{day}", f"2025-09-1{day}")

    again = house.push(
        1,
        reference="second",
        content=text.encode(),
        fieldwork_start=date(2025, 9, 11),
        fieldwork_end=date(2025, 9, 15),
    )

    assert again.created


def test_a_questionnaire_may_come_in_parts(house):
    columns = pl.read_csv(house.written.waves[0].path, infer_schema=False)
    house.push(1, content=columns.drop("rail").write_csv().encode())

    assert house.push(1, reference="part-2", content=columns.drop("voting_age").write_csv().encode()).created


def test_a_repeated_wave_that_arrives_meanwhile_is_noticed_in_the_transaction(house, monkeypatch):
    calls: list[int] = []

    def meanwhile(session: object, **more: object) -> int:
        seen = refuse_repeated(session, **more)
        calls.append(seen)
        if len(calls) == 1:
            house.push(1)
        return seen

    monkeypatch.setattr("jobs.delivery.refuse_repeated", meanwhile)

    with pytest.raises(WaveConflict, match="too, whose fieldwork"):
        house.push(1, reference="again", content=parquet(house))
    assert [wave.reference for wave in stored_waves(house)] == ["wave-1"]


def test_a_lost_secrets_file_is_not_replaced_while_waves_depend_on_it(house):
    house.push(1)
    house.settings.secrets_file.unlink()

    with pytest.raises(SecretsError, match="restore the file"):
        house.push(2)
    assert not house.settings.secrets_file.exists()
    assert len(stored_waves(house)) == 1


def test_another_file_without_the_surveys_key_is_refused_too(house):
    house.push(1)
    house.settings.secrets_file.unlink()
    house.secrets.pepper()

    with pytest.raises(SecretsError, match="v1"):
        house.push(2)


def test_a_survey_that_does_not_exist_is_refused(house):
    with pytest.raises(SurveyNotFound):
        house.push(1, survey_id="nowhere")


def test_a_question_that_the_wave_does_not_answer_gets_no_refit(house):
    rows = [line.split(",") for line in house.written.waves[0].path.read_text().splitlines()]
    at = rows[0].index("voting_age")
    without = "\n".join(",".join(row[:at] + row[at + 1 :]) for row in rows)

    received = house.push(1, content=without.encode())

    assert received.wave.questions == ("rail",)
    assert [job.question_id for job in received.jobs] == ["rail"]


def test_a_question_to_which_nobody_gave_an_answer_gets_no_refit(house):
    rows = [line.split(",") for line in house.written.waves[0].path.read_text().splitlines()]
    at = rows[0].index("voting_age")
    unsure = "\n".join(",".join([*row[:at], row[at] if row is rows[0] else "Refused", *row[at + 1 :]]) for row in rows)

    assert [job.question_id for job in house.push(1, content=unsure.encode()).jobs] == ["rail"]


def test_a_wave_marks_what_is_served_as_stale(house):
    house.push(1)

    with house.store.read() as session:
        state = releases.question_state(session, "demo", "rail")
    assert state.stale_since == house.now
    assert "wave-1" in state.stale_reason


def test_the_outbox_tells_of_the_wave(house):
    wave = house.push(1).wave

    with house.store.read() as session:
        told = [event for event in outbox.read_after(session, 0) if event.kind == "wave-received"]
    assert [event.payload["wave_id"] for event in told] == [wave.id]


def test_respondents_are_pseudonyms_in_what_is_stored(house):
    plain = house.written.waves[0].path.read_text().splitlines()[1].split(",")[0]
    wave = house.push(1).wave

    with house.store.read() as session:
        (payload,) = waves.load_payloads(session, wave)
    stored = from_payload(payload)
    assert plain.encode() not in payload
    assert plain not in stored["respondent"].to_list()
    assert stored["respondent"].n_unique() == 200
    assert stored["district"].to_list()[0] == "D04"


def test_nothing_is_stored_if_the_store_fails_in_the_middle(house, monkeypatch):
    def broken(*_arguments: object, **_more: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("polling.store.outbox.append", broken)
        with pytest.raises(OSError, match="disk is full"):
            house.push(1)
    assert stored_waves(house) == []
    assert house.jobs() == []
    with house.store.read() as session:
        assert releases.question_state(session, "demo", "rail").stale_since is None

    assert house.push(1).created  # and the same delivery succeeds once the disk is mended
