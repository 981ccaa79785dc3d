"""Times and JSON mean the same on both stores."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import StatementError

from polling.store import leases, outbox
from polling.store.columns import canonical_json, json_sha256
from polling.store.engine import Store

from .conftest import NOW


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 3, 29, 2, 30, 0, 123456, tzinfo=timezone(timedelta(hours=2))),
        datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    ],
)
def test_a_time_comes_back_as_the_same_moment_in_utc(store: Store, moment: datetime):
    with store.write() as session:
        leases.record_run(session, "x", moment)
    with store.read() as session:
        found = leases.last_run(session, "x")
    assert found == moment
    assert found.utcoffset() == timedelta(0)
    assert found.tzinfo is UTC


def test_a_time_without_zone_is_refused(store: Store):
    with pytest.raises(StatementError, match="2026-03-02T12:00:00 has no time zone"), store.write() as session:
        leases.record_run(session, "x", NOW.replace(tzinfo=None))


def test_json_comes_back_as_it_was_given_also_with_a_nul(store: Store):
    value = {"b": [1, 2.5, None, True], "a": {"é\u0000": "\U0001f5f3"}}
    with store.write() as session:
        outbox.append(session, "x", None, value, NOW)
    with store.read() as session:
        assert outbox.read_after(session, 0)[0].payload == value


def test_canonical_json_ignores_the_order_of_keys():
    assert canonical_json({"b": 1, "a": [1.0, "é"]}) == '{"a":[1.0,"é"],"b":1}'
    assert json_sha256({"b": 1, "a": 2}) == json_sha256({"a": 2, "b": 1})


def test_a_number_that_json_cannot_hold_is_refused_with_its_place():
    with pytest.raises(ValueError, match=r"\$\.rows\[1\]\.r_hat cannot be written as JSON.*store null"):
        canonical_json({"rows": [{"r_hat": 1.0}, {"r_hat": float("nan")}]})


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_equal_values_have_equal_text(value: object):
    import json

    again = json.loads(canonical_json(value))
    assert again == value
    assert canonical_json(again) == canonical_json(value)
