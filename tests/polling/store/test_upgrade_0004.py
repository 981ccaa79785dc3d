"""From 0003 to 0004: what was published is the history of what was served, on both stores."""

from collections.abc import Callable

import pytest
from alembic import command
from sqlalchemy import text

from polling.store import releases, schema, serving, surveys
from polling.store.engine import Store

from .conftest import NOW, seconds, small_bundle


@pytest.fixture
def filled(empty_url: str, open_stores: Callable[[str], Store], monkeypatch: pytest.MonkeyPatch) -> Store:
    """A database of schema 0003 with a survey and two releases of a question; only the columns of then are named."""
    store = open_stores(empty_url)
    newest = command.upgrade
    with monkeypatch.context() as patch:
        patch.setattr(command, "upgrade", lambda config, _target: newest(config, "0003"))
        schema.upgrade(store)
    zone = "" if store.dialect == "sqlite" else "+00"
    with store.write() as session:
        surveys.add_survey(session, small_bundle(), now=NOW)
        for number in (2, 1):
            at = (NOW + seconds(100 * number)).strftime("%Y-%m-%d %H:%M:%S.%f") + zone
            told = {"id": f"r{number}", "fit": f"f{number}", "number": number, "at": at}
            session.execute(
                text(
                    "INSERT INTO fit (id, survey_id, survey_version, question_id, engine, seed, formula, priors, "
                    "settings, versions, inputs, inputs_sha256, data_sequence, n_interviews, n_cells, verdict, "
                    "publishable, seconds, created_at) VALUES (:fit, 'demo', 1, 'vote', 'laplace', 1, '1', '{}', "
                    "'{}', '{}', '{}', 'x', 0, 1, 1, '{}', true, '{}', :at)"
                ),
                told,
            )
            session.execute(
                text(
                    "INSERT INTO release (id, survey_id, question_id, number, fit_id, published_at) "
                    "VALUES (:id, 'demo', 'vote', :number, :fit, :at)"
                ),
                told,
            )
        session.execute(text("UPDATE question_state SET release_id = 'r2' WHERE question_id = 'vote'"))
    return store


def test_what_was_served_when_is_known_and_nothing_is_held(filled: Store):
    assert schema.upgrade(filled) is True

    with filled.read() as session:
        then = [serving.served_at(session, "demo", "vote", NOW + seconds(at)) for at in (99, 100, 199, 200)]
        first = releases.get_release(session, "r1")
        assert serving.successor(session, first).sentence == "Release 2 replaced it."
        assert releases.question_state(session, "demo", "vote").hold is None
    assert then == [None, "r1", "r1", "r2"]
