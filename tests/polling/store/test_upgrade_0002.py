"""From 0001 to 0002: what was stored is there afterwards, on both stores."""

from collections.abc import Callable
from datetime import date

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from polling.store import fits, queue, releases, schema, surveys, waves
from polling.store.engine import Store
from polling.store.tables import Base
from polling.store.wave_events import changes_after, data_sequence, list_events
from polling.store.wave_records import Standing

from .conftest import NOW, new_fit, seconds, small_bundle

WAVES = [("a", "w1", 1, "Polly", '["tax","vote"]'), ("b", "w2", 2, "Quizzy", '["vote"]')]


@pytest.fixture
def filled(empty_url: str, open_stores: Callable[[str], Store], monkeypatch: pytest.MonkeyPatch) -> Store:
    """A database of schema 0001 with a survey and two waves; no other table of it changed but ``fit``."""
    store = open_stores(empty_url)
    newest = command.upgrade
    with monkeypatch.context() as patch:
        patch.setattr(command, "upgrade", lambda config, _target: newest(config, "0001"))
        schema.upgrade(store)
    assert schema.current_revision(store) == "0001"
    with store.write() as session:
        surveys.add_survey(session, small_bundle(), now=NOW)
        for wave_id, reference, sequence, pollster, questions in WAVES:
            session.execute(
                text(
                    "INSERT INTO wave (id, survey_id, survey_version, sequence, pollster, reference, content_sha256, "
                    "payload_sha256, n_interviews, questions, fieldwork_start, fieldwork_end, received_at, state, "
                    "key_version, payload) VALUES (:id, 'demo', 1, :sequence, :pollster, :reference, :content, 'p', "
                    "12, :questions, '2026-02-27', :end, :at, 'accepted', 3, :payload)"
                ),
                {
                    "id": wave_id,
                    "sequence": sequence,
                    "pollster": pollster,
                    "reference": reference,
                    "content": f"content of {reference}",
                    "questions": questions,
                    "end": "2026-03-01" if wave_id == "a" else None,
                    "at": (NOW + seconds(sequence)).strftime("%Y-%m-%d %H:%M:%S.%f")
                    + ("" if store.dialect == "sqlite" else "+00"),
                    "payload": b"\x00payload of " + reference.encode(),
                },
            )
        session.execute(text("UPDATE survey SET data_sequence = 2"))
        session.execute(text("UPDATE question_state SET stale_since = NULL"))
    return store


def test_waves_become_waves_of_one_version_that_were_received_once(filled: Store):
    assert schema.upgrade(filled) is True

    with filled.read() as session:
        first, second = waves.list_waves(session, "demo")
        parts = waves.load_parts(session, "demo")
        events = {wave.reference: list_events(session, wave.id) for wave in (first, second)}
        before = waves.state_at(session, "demo", NOW + seconds(1.5))
        assert data_sequence(session, "demo") == 2
        assert [change.questions for change in changes_after(session, "demo", 0)] == [("tax", "vote"), ("vote",)]
        assert waves.key_version_used(session, "demo") == 3
    assert (first.id, first.pollster, first.reference, first.sequence, first.version) == ("a", "Polly", "w1", 1, 1)
    assert (first.state, first.waiting, first.facts, first.flags) == ("accepted", None, {}, ())
    assert (first.questions, first.n_interviews, first.received_at) == (("tax", "vote"), 12, NOW + seconds(1))
    assert (first.created_at, first.survey_version, first.content_sha256) == (NOW + seconds(1), 1, "content of w1")
    assert (first.fieldwork_start, first.fieldwork_end) == (date(2026, 2, 27), date(2026, 3, 1))
    assert second.fieldwork_end is None
    assert [(part.number, part.payload_sha256, part.payload) for part in parts] == [
        (1, "p", b"\x00payload of w1"),
        (1, "p", b"\x00payload of w2"),
    ]
    for reference, (event,) in events.items():
        assert (event.kind, event.after, event.sequence) == ("received", Standing(1, "accepted"), int(reference[1]))
    assert [wave.reference for wave in before] == ["w1"]


def test_the_upgraded_database_has_the_declared_schema_and_works(filled: Store):
    schema.upgrade(filled)

    with filled.writer.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True, "target_metadata": Base.metadata}
        )
        assert compare_metadata(context, Base.metadata) == []
    with filled.write() as session:
        fit_id = fits.save_fit(session, new_fit(data_sequence=1), now=NOW)
        release = releases.publish(session, fit_id=fit_id, now=NOW)
        state = releases.question_state(session, "demo", "vote")
        assert queue.list_jobs(session) == []
    assert (release.number, state.stale_reason) == (1, "Wave w2 of Quizzy is not in it yet.")


def test_nothing_of_the_old_table_is_left(filled: Store):
    schema.upgrade(filled)

    with filled.read() as session:
        for table in ("wave_0001", "alembic_tmp"):
            exists = "SELECT count(*) FROM {} WHERE {} LIKE '{}%'"
            where = ("sqlite_master", "name") if filled.dialect == "sqlite" else ("pg_tables", "tablename")
            assert session.execute(text(exists.format(*where, table))).scalar_one() == 0
