"""Keys, events and leases."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from polling.errors import KeyNotFound, LeaseLost, SurveyNotFound
from polling.store import keys, leases, outbox
from polling.store.engine import Store
from polling.store.records import ApiKeyRecord

from .conftest import NOW, seconds

TTL = seconds(4)


def add_key(store: Store, prefix: str = "abc", **changes: object) -> ApiKeyRecord:
    given = {"key_hash": "h", "role": "reader", "survey_id": "demo", "expires_at": NOW + seconds(60)} | changes
    with store.write() as session:
        return keys.add_key(session, prefix=prefix, now=NOW, **given)


class TestKeys:
    def test_a_key_is_found_by_its_prefix(self, survey_store: Store):
        key = add_key(survey_store, role="pollster", pollster="Polly", label="laptop")
        with survey_store.read() as session:
            assert keys.find_key_by_prefix(session, "abc") == key
            assert keys.find_key_by_prefix(session, "other") is None
        assert (key.role, key.pollster, key.label) == ("pollster", "Polly", "laptop")

    def test_a_key_is_usable_until_it_expires_or_is_revoked(self, survey_store: Store):
        key = add_key(survey_store)
        with survey_store.write() as session:
            revoked = keys.revoke_key(session, "abc", now=NOW + seconds(5))
        assert [key.usable(NOW + seconds(at)) for at in (0, 59, 60)] == [True, True, False]
        assert not revoked.usable(NOW + seconds(6))

    def test_revoking_again_keeps_the_first_moment(self, survey_store: Store):
        add_key(survey_store)
        with survey_store.write() as session:
            keys.revoke_key(session, "abc", now=NOW + seconds(5))
            assert keys.revoke_key(session, "abc", now=NOW + seconds(9)).revoked_at == NOW + seconds(5)

    def test_keys_are_listed_oldest_first(self, survey_store: Store):
        add_key(survey_store, "b", survey_id=None, role="admin")
        add_key(survey_store, "a")
        with survey_store.read() as session:
            assert [key.prefix for key in keys.list_keys(session)] == ["a", "b"]
            assert [key.prefix for key in keys.list_keys(session, "demo")] == ["a"]

    def test_a_key_for_nothing_and_a_revocation_of_nothing_are_refused(self, survey_store: Store):
        with pytest.raises(SurveyNotFound):
            add_key(survey_store, survey_id="nothing")
        with pytest.raises(KeyNotFound, match="no API key with prefix 'zzz'"), survey_store.write() as session:
            keys.revoke_key(session, "zzz", now=NOW)


class TestOutbox:
    def test_events_are_read_in_order_after_an_id(self, survey_store: Store):
        with survey_store.write() as session:
            ids = [outbox.append(session, "wave-received", "demo", {"n": n}, NOW) for n in range(3)]
        with survey_store.read() as session:
            assert [event.payload for event in outbox.read_after(session, ids[0])] == [{"n": 1}, {"n": 2}]
            assert [event.id for event in outbox.read_after(session, 0, limit=1)] == ids[:1]

    def test_an_id_is_not_used_again_after_deletion(self, store: Store):
        with store.write() as session:
            last = outbox.append(session, "x", None, {}, NOW)
            session.execute(text("DELETE FROM outbox"))
        with store.write() as session:
            assert outbox.append(session, "x", None, {}, NOW) > last

    def test_events_of_one_survey_up_to_an_id(self, survey_store: Store):
        with survey_store.write() as session:
            ids = [outbox.append(session, "x", survey, {}, NOW) for survey in ("demo", None, "demo", None, "demo")]
        with survey_store.read() as session:
            read = outbox.read_after(session, ids[0], survey_id="demo", through=ids[3])
            assert [event.id for event in read] == [ids[2]]
            assert (outbox.first_id(session, "demo"), outbox.first_id(session, "nothing")) == (ids[0], 0)
            assert outbox.newest_id(session) == ids[-1]

    def test_of_what_is_forgotten_the_newest_of_each_survey_stays_as_a_mark(self, survey_store: Store):
        with survey_store.write() as session:
            assert outbox.newest_id(session) == 0
            old = [outbox.append(session, "x", survey, {}, NOW) for survey in ("demo", "demo", None, None, "demo")]
            new = [outbox.append(session, "x", survey, {}, NOW + seconds(1)) for survey in ("demo", None)]
        with survey_store.write() as session:
            assert outbox.forget(session, before=NOW + seconds(1)) == 3
        with survey_store.read() as session:
            assert [event.id for event in outbox.read_after(session, 0)] == [old[3], old[4], *new]
            assert outbox.first_id(session, "demo") == old[4]

    def test_a_later_id_is_never_committed_before_an_earlier_one(
        self, store: Store, store_url: str, open_stores: Callable[[str], Store]
    ):
        """Else a follower that saw the later one would never see the earlier one."""
        other = open_stores(store_url)

        def write_later() -> int:
            with other.write() as session:
                return outbox.append(session, "x", None, "later", NOW)

        with ThreadPoolExecutor(1) as threads:
            with store.write() as session:
                earlier = outbox.append(session, "x", None, "earlier", NOW)
                overtaking = threads.submit(write_later)
                with pytest.raises(TimeoutError):
                    overtaking.result(timeout=0.3)
            assert overtaking.result(timeout=20) > earlier


class TestLeases:
    def test_one_owner_at_a_time_with_growing_tokens(self, store: Store):
        with store.write() as session:
            assert leases.acquire_lease(session, "clock", "a", NOW, TTL) == 1
            assert leases.acquire_lease(session, "clock", "b", NOW + seconds(3.9), TTL) is None
            assert leases.acquire_lease(session, "clock", "b", NOW + seconds(4), TTL) == 2
            assert leases.acquire_lease(session, "other", "a", NOW, TTL) == 1

    def test_a_renewed_lease_lasts_longer(self, store: Store):
        with store.write() as session:
            leases.acquire_lease(session, "clock", "a", NOW, TTL)
            leases.renew(session, "clock", owner="a", token=1, now=NOW + seconds(3), ttl=TTL)
            assert leases.acquire_lease(session, "clock", "b", NOW + seconds(6), TTL) is None

    def test_an_owner_who_overslept_can_do_nothing(self, store: Store):
        with store.write() as session:
            leases.acquire_lease(session, "clock", "a", NOW, TTL)
            leases.check(session, "clock", owner="a", token=1)
            leases.acquire_lease(session, "clock", "b", NOW + seconds(9), TTL)
            with pytest.raises(LeaseLost):
                leases.renew(session, "clock", owner="a", token=1, now=NOW + seconds(9), ttl=TTL)
            with pytest.raises(LeaseLost):
                leases.check(session, "clock", owner="a", token=1)
            leases.release(session, "clock", owner="a", token=1, now=NOW + seconds(9))
            leases.check(session, "clock", owner="b", token=2)

    def test_a_released_lease_is_free_and_its_tokens_go_on(self, store: Store):
        with store.write() as session:
            leases.acquire_lease(session, "clock", "a", NOW, TTL)
            leases.release(session, "clock", owner="a", token=1, now=NOW + seconds(1))
            assert leases.acquire_lease(session, "clock", "b", NOW + seconds(1), TTL) == 2

    def test_many_at_once_are_one_leader(self, store: Store):
        def acquire(n: int) -> int | None:
            with store.write() as session:
                return leases.acquire_lease(session, "clock", f"w{n}", NOW, TTL)

        with ThreadPoolExecutor(4) as threads:
            assert sorted(map(bool, threads.map(acquire, range(12)))) == [False] * 11 + [True]

    def test_the_last_run_is_remembered(self, store: Store):
        with store.write() as session:
            assert leases.last_run(session, "nightly") is None
            leases.record_run(session, "nightly", NOW)
            leases.record_run(session, "nightly", NOW + seconds(5))
            assert leases.last_run(session, "nightly") == NOW + seconds(5)


def test_an_end_of_a_key_never_moves_back_and_a_use_never_goes_back(store: Store):
    with store.write() as session:
        key = keys.add_key(session, prefix="abcdefgh", key_hash="h", role="reader", survey_id=None, now=NOW)
        ends = [keys.end_key(session, "abcdefgh", at=NOW + seconds(n)).expires_at for n in (9, 5, 7)]
        keys.note_uses(session, {key.id: NOW, "somebody else": NOW})
        keys.note_uses(session, {key.id: NOW - seconds(3600)})
        found = keys.lock_key(session, "abcdefgh")
        assert ends == [NOW + seconds(n) for n in (9, 5, 5)]
        assert found is not None
        assert found.last_used_at == NOW
        assert keys.lock_key(session, "nobody") is None
        with pytest.raises(KeyNotFound):
            keys.end_key(session, "nobody", at=NOW)


def test_the_successor_of_a_key_is_the_one_that_was_not_revoked(store: Store):
    with store.write() as session:
        for prefix, replaces in (("old", None), ("first", "old"), ("second", "old")):
            keys.add_key(
                session, prefix=prefix, key_hash=prefix, role="reader", survey_id=None, replaces=replaces, now=NOW
            )
        keys.revoke_key(session, "first", now=NOW)
        assert (keys.successor_of(session, "old"), keys.successor_of(session, "second")) == ("second", None)
