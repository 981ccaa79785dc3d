"""Sessions of the web page as they are stored: found until they end, gone with their key."""

from datetime import timedelta

from polling.store import keys, web_sessions
from polling.store.engine import Store
from tests.polling.store.conftest import NOW

HOUR = timedelta(hours=1)


def add_key(store: Store, prefix: str) -> str:
    with store.write() as session:
        return keys.add_key(session, prefix=prefix, key_hash="x", role="reader", survey_id=None, now=NOW).id


def test_a_session_is_found_by_its_hash_with_the_key_that_opened_it(store: Store):
    key_id = add_key(store, "aaaaaaaa")
    with store.write() as session:
        web_sessions.add(session, "one", key_id=key_id, expires_at=NOW + HOUR, now=NOW)
        web_sessions.note_seen(session, "one", NOW + HOUR / 2)
    with store.read() as session:
        found = web_sessions.find(session, "one")
        assert found is not None
        assert (found.key_prefix, found.created_at, found.expires_at) == ("aaaaaaaa", NOW, NOW + HOUR)
        assert found.last_seen_at == NOW + HOUR / 2
        assert web_sessions.find(session, "two") is None
        assert web_sessions.list_live(session, NOW) == {"one": found}
        assert web_sessions.list_live(session, NOW + HOUR) == {}


def test_a_session_ends_alone_or_with_all_of_its_key(store: Store):
    first, second = add_key(store, "aaaaaaaa"), add_key(store, "bbbbbbbb")
    with store.write() as session:
        for name, key_id in (("one", first), ("two", first), ("three", second)):
            web_sessions.add(session, name, key_id=key_id, expires_at=NOW + HOUR, now=NOW)
        assert web_sessions.end(session, "one")
        assert not web_sessions.end(session, "one")
        assert web_sessions.list_live(session, NOW).keys() == {"two", "three"}
        web_sessions.end_of_key(session, first)
        assert web_sessions.list_live(session, NOW).keys() == {"three"}


def test_whose_time_is_over_goes_when_another_comes(store: Store):
    key_id = add_key(store, "aaaaaaaa")
    with store.write() as session:
        web_sessions.add(session, "one", key_id=key_id, expires_at=NOW + HOUR, now=NOW)
        web_sessions.add(session, "two", key_id=key_id, expires_at=NOW + 2 * HOUR, now=NOW + HOUR)
        assert web_sessions.find(session, "one") is None
        assert web_sessions.find(session, "two") is not None
