"""The audit chain from the side of those who do things: in their transaction, and noted outside after it."""

import re
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from jobs import ledger
from polling.audit_head import HeadFile
from polling.errors import SecretsError
from polling.store import audit, waves
from tests.jobs.house import House


def heads(house: House) -> list[int]:
    return [one.id for one in HeadFile(house.secrets.audit_head_path).heads(house.secrets.audit_key())]


def record(session: Session, house: House, action: str = "interviews-read") -> None:
    ledger.record(session, house.secrets, actor="test", action=action, survey_id="demo", now=house.now)


def test_the_head_is_noted_once_per_commit_and_never_for_what_was_rolled_back(house: House):
    begun = heads(house)[-1]
    with house.store.write() as session:
        record(session, house)
        record(session, house)
        assert heads(house)[-1] == begun
    assert heads(house)[-1] == begun + 2

    class Stop(Exception):
        pass

    with pytest.raises(Stop):
        _write_and_stop(house, Stop())
    assert heads(house)[-1] == begun + 2
    with house.store.read() as session:
        assert ledger.verify(session, house.secrets).ok


def test_a_head_that_cannot_be_noted_does_not_undo_what_was_done(house: House, caplog: pytest.LogCaptureFixture):
    file = house.secrets.audit_head_path
    file.unlink()
    file.mkdir()
    with house.store.write() as session:
        record(session, house)
    assert "could not be noted" in caplog.text
    with house.store.read() as session:
        assert [one.action for one in audit.read_entries(session)][-1] == "interviews-read"


def test_a_wave_under_an_exchanged_pseudonym_key_is_refused_and_one_under_a_rotated_key_is_not(house: House):
    house.push(1)
    file = house.settings.secrets_file
    held = file.read_text()
    file.write_text(re.sub(r'^v1 = "..', 'v1 = "00', held, flags=re.M))

    with pytest.raises(SecretsError, match=r"pseudonym_keys\.demo\.v1.*not the key that was used so far"):
        house.push(2)
    with house.store.read() as session:
        assert len(waves.list_waves(session, "demo")) == 1

    file.write_text(held)
    house.secrets.rotate_pseudonym_key("demo")
    house.now += timedelta(minutes=1)
    assert house.push(2).wave.key_version == 2


def _write_and_stop(house: House, error: Exception) -> None:
    with house.store.write() as session:
        record(session, house)
        raise error
