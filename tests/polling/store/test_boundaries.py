"""Boundaries as they are stored: once, the last ones holding, and gone when they are taken away."""

import json
from dataclasses import replace

import pytest

from polling.boundaries import Boundaries, read_boundaries
from polling.errors import BoundariesNotFound
from polling.store import boundaries
from polling.store.engine import Store
from polling.store.tables import BoundaryFile, SurveyBoundaries
from tests.polling.store.conftest import NOW, seconds


def squares(*codes: str) -> Boundaries:
    features = [
        {
            "type": "Feature",
            "properties": {"code": code},
            "geometry": {"type": "Polygon", "coordinates": [[[n, 50], [n + 1, 50], [n + 1, 51], [n, 51], [n, 50]]]},
        }
        for n, code in enumerate(codes)
    ]
    content = json.dumps({"type": "FeatureCollection", "features": features}).encode()
    return read_boundaries(content, {"A": "Ash", "B": "Vale"})


def test_the_last_boundaries_hold_and_equal_ones_are_stored_once(survey_store: Store):
    both, one = squares("A", "B"), squares("A")
    with survey_store.write() as session:
        assert boundaries.find_boundaries(session, "demo") is None
        first, is_new = boundaries.set_boundaries(session, "demo", both, actor="test", now=NOW)
        assert is_new
        assert boundaries.set_boundaries(session, "demo", both, actor="other", now=NOW + seconds(1)) == (first, False)
        second, _ = boundaries.set_boundaries(session, "demo", one, actor="test", now=NOW + seconds(2))
        again, is_new = boundaries.set_boundaries(session, "demo", both, actor="test", now=NOW + seconds(3))
        assert is_new
    with survey_store.read() as session:
        assert boundaries.get_boundaries(session, "demo") == again == replace(first, version=again.version, at=again.at)
        assert first.version < second.version < again.version
        assert (second.n_districts, second.without_shape) == (1, ("B",))
        assert session.query(BoundaryFile).count() == 2
        assert session.query(SurveyBoundaries).count() == 3
        assert boundaries.get_content(session, again.sha256) == both.content
        assert boundaries.get_content(session, again.sha256, drawn=True) == both.drawn


def test_boundaries_that_were_taken_away_are_not_there(survey_store: Store):
    with survey_store.write() as session:
        stored, _ = boundaries.set_boundaries(session, "demo", squares("A"), actor="test", now=NOW)
        assert boundaries.remove_boundaries(session, "demo", actor="test", now=NOW + seconds(1)) == stored
    with survey_store.write() as session:
        assert boundaries.find_boundaries(session, "demo") is None
        with pytest.raises(BoundariesNotFound, match="'demo' has no boundaries"):
            boundaries.remove_boundaries(session, "demo", actor="test", now=NOW)
        # The same again is news then.
        assert boundaries.set_boundaries(session, "demo", squares("A"), actor="test", now=NOW + seconds(2))[1]
