import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polling.errors import KeyRefused
from polling.keys import KeyScope, Role, hash_key, key_matches, key_prefix, new_key

PEPPER = b"p" * 32
NOW = datetime(2024, 5, 1, tzinfo=UTC)


def test_a_key_shows_its_prefix_and_hides_its_text():
    key = new_key()

    assert re.fullmatch(r"hust_[0-9a-z]{8}_[0-9A-Za-z]{38}", key.text)
    assert key_prefix(key.text) == key.prefix
    assert key.text not in repr(key)


def test_keys_differ():
    assert len({new_key().text for _ in range(100)}) == 100


@given(place=st.integers(0, 51), other=st.sampled_from("0aZ_ é"))
def test_a_key_with_any_character_changed_is_refused(place: int, other: str):
    text = new_key().text
    assert len(text) == 52
    if text[place] == other:
        return
    with pytest.raises(KeyRefused):
        key_prefix(text[:place] + other + text[place + 1 :])


@pytest.mark.parametrize("text", ["", "hust_", "hust_abc", "Bearer x", "hust_00000000_" + "0" * 37, "x" * 100_000])
def test_what_is_no_key_is_refused_without_repeating_it(text: str):
    with pytest.raises(KeyRefused, match="This is not an API key") as caught:
        key_prefix(text)
    assert len(str(caught.value)) < 200


def test_a_refused_key_is_named_by_its_prefix_only():
    key = new_key()
    wrong = key.text[:-1] + ("0" if key.text[-1] != "0" else "1")

    with pytest.raises(KeyRefused, match=key.prefix) as caught:
        key_prefix(wrong)
    assert key.text[14:40] not in str(caught.value)


def test_only_a_keyed_hash_is_stored():
    key = new_key()
    stored = hash_key(key.text, PEPPER)

    assert stored == hmac.new(PEPPER, key.text.encode(), hashlib.sha256).hexdigest()
    assert key_matches(key.text, stored, PEPPER)
    assert not key_matches(key.text, stored, b"q" * 32)
    assert not key_matches(new_key().text, stored, PEPPER)


def test_the_hash_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch):
    compared: list[tuple[str, str]] = []
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append((a, b)) or a == b)

    key_matches("x", "y", PEPPER)

    assert len(compared) == 1


def test_the_roles_are_those_of_the_design():
    assert {str(role) for role in Role} == {"pollster", "reader", "analyst", "dpo", "monitor", "admin"}


def test_a_scope_covers_its_survey_or_all():
    assert KeyScope(Role.READER, survey_id="town").covers("town")
    assert not KeyScope(Role.READER, survey_id="town").covers("country")
    assert KeyScope(Role.ADMIN).covers("anything")


def test_a_key_expires_at_its_moment():
    scope = KeyScope(Role.READER, expires_at=NOW)

    assert not scope.expired(NOW - timedelta(microseconds=1))
    assert scope.expired(NOW)
    assert not KeyScope(Role.READER).expired(NOW)


def test_only_pollsters_speak_for_a_pollster_and_they_must():
    with pytest.raises(KeyRefused, match="needs the pollster"):
        KeyScope(Role.POLLSTER, survey_id="town")
    with pytest.raises(KeyRefused, match="Only a pollster's key"):
        KeyScope(Role.READER, pollster="Acme")
    assert KeyScope(Role.POLLSTER, survey_id="town", pollster="Acme").pollster == "Acme"


def test_an_expiry_without_a_zone_is_refused():
    with pytest.raises(KeyRefused, match="no time zone"):
        KeyScope(Role.READER, expires_at=datetime(2024, 5, 1))  # noqa: DTZ001 (the mistake that is tested)
