"""Shapes of districts: unit squares side by side."""

import json
from collections.abc import Sequence
from typing import Any

from tests.api.world import DISTRICTS

__all__ = ["collection", "feature", "geo_json", "square"]


def square(x: float, y: float, size: float = 1.0) -> dict[str, Any]:
    """A square from its south-west corner, counterclockwise."""
    ring = [[x, y], [x + size, y], [x + size, y + size], [x, y + size], [x, y]]
    return {"type": "Polygon", "coordinates": [ring]}


def feature(code: str, geometry: Any, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "properties": {"code": code, **properties}, "geometry": geometry}


def collection(codes: Sequence[str] = DISTRICTS, *, columns: int = 3) -> dict[str, Any]:
    """A square for each district, in rows from 50 degrees north."""
    features = [feature(code, square(n % columns, 50 + n // columns)) for n, code in enumerate(codes)]
    return {"type": "FeatureCollection", "features": features}


def geo_json(codes: Sequence[str] = DISTRICTS) -> bytes:
    return json.dumps(collection(codes)).encode()
