"""Who was erased stays out although the database is lost: a journal beside the secrets file remembers."""

import json
import os
import stat
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from jobs.backup import make_backup
from jobs.delivery import prepare
from jobs.erasure import erase
from jobs.restore import restore_backup
from jobs.survey import add_survey, load_survey
from jobs.tasks import house_tasks
from polling.errors import ErasedMeanwhile, SecretsError, WaveRejected
from polling.store import audit, erasure, outbox, suppression
from polling.store.schema import upgrade
from tests.jobs.house import House
from tests.jobs.test_erasure import column, everybody, pseudonyms, somebody, table_of
from tests.jobs.test_open_quality import copies
from tests.jobs.test_open_wave import lines, now_known, opened, send
from tests.jobs.test_sources import declare, looked_twice, sidecar, stored, wave


@pytest.fixture
def drop(house: House, tmp_path: Path) -> Path:
    folder = tmp_path / "drop"
    folder.mkdir()
    declare(house, tmp_path, f'kind = "folder"\npath = "{folder}"\npattern = "*.csv"')
    return folder


def forget(house: House, respondent: str):
    told = {"survey_id": house.written.survey_id, "respondent": respondent, "now": house.now, "actor": "test"}
    return erase(house.store, house.secrets, house.settings, **told)


def journal(house: House) -> Path:
    return house.settings.secrets_file.with_name("secrets.toml.erased")


def listed(house: House) -> int:
    with house.store.read() as session:
        return suppression.load(session, house.written.survey_id).n


def delete_database(house: House) -> None:
    assert house.store.path is not None
    house.store.close()
    for path in house.store.path.parent.glob(house.store.path.name + "*"):
        path.unlink()


def tick(house: House) -> None:
    (task,) = [one for one in house_tasks(house.settings) if one.name == "finish-erasures"]
    with house.store.write() as session:
        task.run(session, house.now)


def backed_up(house: House) -> Path:
    house.settings = replace(house.settings, backup_dir=house.settings.data_dir / "backups")
    house.push(1)
    return make_backup(house.store, house.secrets, house.settings, actor="test", now=house.now)


def test_a_respondent_erased_since_the_backup_stays_out_although_the_database_is_lost(house: House):
    backup, who = backed_up(house), somebody(house)
    record = forget(house, who)
    delete_database(house)

    done = restore_backup(backup, house.secrets, house.settings, actor="test", now=house.now)

    assert (done.replaced, done.kept["suppressions"], done.forgetful) == (None, 1, False)
    assert pseudonyms(house, who).isdisjoint(everybody(house))
    with house.store.read() as session:
        assert [one.action for one in audit.read_entries(session)][-2:] == ["erasure-replayed", "restore"]
        kept = erasure.get_case(session, house.written.survey_id, record.case_number)
    assert (kept.requested_at, kept.receipt["n_interviews"]) == (record.requested_at, 0)
    assert "lost with the database" in str(kept.receipt["not_searched"])
    assert not house.push(1).created
    mended = table_of(house, 1).with_columns(pl.lit("1").alias("weight")).write_csv().encode()
    again = house.push(1, content=mended, replaces=house.written.waves[0].reference, reason="sent again")
    assert again.n_suppressed == 1
    assert pseudonyms(house, who).isdisjoint(everybody(house))
    # Asked for once more it is the same case.
    assert forget(house, who).case_number == record.case_number


def test_without_the_journal_a_lost_database_says_that_nobody_knows(house: House):
    backup, who = backed_up(house), somebody(house)
    forget(house, who)
    delete_database(house)
    journal(house).unlink()

    assert restore_backup(backup, house.secrets, house.settings, actor="test", now=house.now).forgetful
    assert not pseudonyms(house, who).isdisjoint(everybody(house))


def test_the_journal_has_codes_alone_and_each_respondent_once(house: House):
    house.push(1)
    for _ in range(2):
        forget(house, somebody(house))
    forget(house, somebody(house, row=5))

    lines = [json.loads(line) for line in journal(house).read_text().splitlines()]

    assert len(lines) == 2
    assert stat.S_IMODE(journal(house).stat().st_mode) == 0o600
    known = {*pseudonyms(house, somebody(house)), somebody(house)}
    assert known.isdisjoint({text for line in lines for text in (line["id_mac"], *line["pseudonym_macs"])})


def test_codes_under_a_newer_key_are_noted_too(house: House):
    house.push(1)
    forget(house, somebody(house))
    house.secrets.rotate_pseudonym_key(house.written.survey_id)
    forget(house, somebody(house))

    with house.store.read() as session:
        (entry,) = suppression.entries(session)
    assert [len(json.loads(line)["pseudonym_macs"]) for line in journal(house).read_text().splitlines()] == [1, 2]
    assert len(entry.pseudonym_macs) == 2


@pytest.mark.parametrize("how", ["folder", "mode"])
def test_nobody_is_erased_where_the_journal_cannot_be_written(house: House, how: str):
    house.push(1)
    if how == "folder":
        journal(house).mkdir()
    else:
        journal(house).touch(mode=0o644)
    before = everybody(house)

    with pytest.raises(SecretsError, match="journal of erasures"):
        forget(house, somebody(house))

    assert (everybody(house), listed(house)) == (before, 0)
    with house.store.read() as session:
        assert erasure.list_cases(session, house.written.survey_id) == []


def test_an_erasure_that_failed_after_it_was_noted_is_done_by_the_clock(house: House, monkeypatch: pytest.MonkeyPatch):
    house.push(1)
    who = somebody(house)

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the database is gone")

    monkeypatch.setattr("jobs.erasure.ask_free", fail)
    with pytest.raises(RuntimeError):
        forget(house, who)
    monkeypatch.undo()
    assert (listed(house), len(journal(house).read_text().splitlines())) == (0, 1)

    tick(house)

    assert listed(house) == 1
    assert pseudonyms(house, who).isdisjoint(everybody(house))
    with house.store.read() as session:
        assert [one.actor for one in audit.read_entries(session, action="erasure-replayed")] == ["clock"]
        assert "wave-erased" in [one.kind for one in outbox.read_after(session, 0)]


def test_a_lost_journal_is_written_anew_by_the_clock(house: House):
    house.push(1)
    forget(house, somebody(house))
    before = journal(house).read_bytes()
    journal(house).unlink()
    house.now += timedelta(hours=1)

    tick(house)

    assert journal(house).read_bytes() == before


def test_a_survey_that_is_added_again_keeps_out_who_was_erased(house: House):
    house.push(1)
    who = somebody(house)
    forget(house, who)
    delete_database(house)
    # There was no backup: the survey is added again, and the file is pushed again.
    upgrade(house.store)
    tick(house)
    assert listed(house) == 0

    add_survey(house.store, house.secrets, load_survey(house.written.path), actor="test", now=house.now)

    assert house.push(1).n_suppressed == 1
    assert pseudonyms(house, who).isdisjoint(everybody(house))


def test_a_batch_of_an_open_wave_does_not_bring_them_back(house: House):
    opened(house)
    send(house, 1, lines(house, 0, 50))
    who = somebody(house)
    forget(house, who)

    # Among others in a new batch, and alone in another; the row is the one that was erased.
    again = send(house, 2, lines(house, 3, 4) + lines(house, 50, 60))
    with pytest.raises(WaveRejected, match="every respondent of it was erased"):
        send(house, 3, lines(house, 3, 4))

    assert (again.n_interviews, again.received.n_suppressed, again.received.wave.n_interviews) == (10, 1, 59)
    assert pseudonyms(house, who).isdisjoint(everybody(house))
    assert not send(house, 1, lines(house, 0, 50)).received.created  # the first batch, as it was
    assert now_known(house).n_interviews == 59


def test_who_is_erased_while_a_batch_is_read_is_not_stored_with_it(house: House, monkeypatch: pytest.MonkeyPatch):
    opened(house)
    who = somebody(house)

    def meanwhile(*args: object, **more: object) -> object:
        prepared = prepare(*args, **more)
        forget(house, who)
        return prepared

    monkeypatch.setattr("jobs.open_wave.prepare", meanwhile)
    with pytest.raises(ErasedMeanwhile):
        send(house, 1, lines(house, 0, 50))
    monkeypatch.undo()

    assert send(house, 1, lines(house, 0, 50)).received.n_suppressed == 1


def test_a_batch_that_waits_for_an_analyst_is_erased_too(house: House):
    opened(house)
    send(house, 1, lines(house, 0, 80))
    send(house, 2, copies(house, 0, 80))
    assert now_known(house).waiting == 2
    who = somebody(house)

    assert forget(house, who).n_interviews == 2  # of the version that counts and of the one that waits
    assert forget(house, f"{who}x").n_interviews == 1

    assert (pseudonyms(house, who) | pseudonyms(house, f"{who}x")).isdisjoint(everybody(house))
    assert now_known(house).n_interviews == 79


def test_a_drop_folder_does_not_bring_them_back(house: House, drop: Path):
    (drop / "w1.csv").write_bytes(wave(house))
    assert looked_twice(house) == "1 taken"
    who = somebody(house)
    forget(house, who)

    # Touched, corrected, and alone under another name.
    os.utime(drop / "w1.csv", (1, 1))
    assert looked_twice(house) == "nothing new"
    (drop / "w1.csv").write_bytes(table_of(house, 1).with_columns(weight=pl.lit("1")).write_csv().encode())
    (drop / "w1.csv.toml").write_text(sidecar(house, replaces="w1", reason="weights"))
    assert looked_twice(house) == "1 taken"

    assert stored(house) == [("w1", 2, 199)]
    assert pseudonyms(house, who).isdisjoint(everybody(house))
    (drop / "copy.csv").write_bytes(table_of(house, 1).filter(pl.col(column(house)) == who).write_csv().encode())
    assert looked_twice(house) == "1 rejected"
    assert pseudonyms(house, who).isdisjoint(everybody(house))
