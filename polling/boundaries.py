"""Check boundaries of districts, and bring them into the two forms that are kept: one to give away, one to draw.

A file is GeoJSON (a FeatureCollection) or TopoJSON (`polling.boundary_file`). Each feature has the code of its district
in its ``id`` or in one of its properties: the one that is declared, or the one that has the most codes of the survey.
Features of one code are one district.

What is given away follows RFC 7946: exterior rings counterclockwise. What is drawn is simpler, to half a pixel of a
map, with the borders that districts share kept shared, and its exterior rings run clockwise: d3, by which Vega draws,
takes the other way round for the rest of the globe.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from polling.boundary_file import Feature, read_features
from polling.boundary_shapes import PROJECTIONS, Shape, aspect_of, choose_projection, drawable, merged, out_of_range
from polling.errors import BoundariesRefused
from polling.faults import FaultLog, listing

__all__ = ["MOST_BYTES", "MOST_POINTS", "PROJECTIONS", "Boundaries", "read_boundaries"]

MOST_BYTES = 10_000_000
MOST_POINTS = 300_000
"""Corners of all shapes."""
SIMPLIFY = (
    "Simplify it, for example with `mapshaper FILE -simplify 10% keep-shapes -o out.json`; a map on a page shows "
)
SIMPLIFY += "no more than some 20,000 corners."
PROJECT = "Convert it to longitude and latitude, for example with `ogr2ogr -t_srs EPSG:4326 out.json FILE`, or declare "
PROJECT += "the projection 'identity'."


@dataclass(frozen=True, slots=True)
class Boundaries:
    """Boundaries of a survey's districts, checked."""

    content: bytes
    """GeoJSON, a FeatureCollection sorted by code: properties ``code`` and ``name``."""
    drawn: bytes
    """A JSON object: code -> the geometry that is drawn."""
    projection: str
    """One of ``PROJECTIONS``."""
    aspect: float
    """Height over width of the whole, projected."""
    code_property: str
    """Where the codes were found: "id" or the name of a property."""
    n_districts: int
    """Districts that have a shape."""
    without_shape: tuple[str, ...]
    """Codes of the survey's districts that are not in the file."""
    left_out: tuple[str, ...]
    """Codes in the file that the survey does not have."""


def read_boundaries(
    content: bytes, districts: Mapping[str, str], *, code_property: str | None = None, projection: str | None = None
) -> Boundaries:
    """Check a file of boundaries against the districts of a survey.

    Parameters
    ----------
    content
        The file.
    districts
        Code -> name.
    code_property
        Where the codes are: "id" or the name of a property; None to look for them.
    projection
        One of ``PROJECTIONS``; None to choose by where the districts are.

    Raises
    ------
    BoundariesRefused
        If it is neither GeoJSON nor TopoJSON, too large, without a district of the survey, or if a shape of a district
        cannot be used; names every fault.
    """
    log = FaultLog()
    if len(content) > MOST_BYTES:
        log.add(f"the file has {len(content):,} bytes, and may have {MOST_BYTES:,}", SIMPLIFY)
        raise BoundariesRefused(log.reported(), total=log.total)
    features = read_features(content, most_points=MOST_POINTS, simplify=SIMPLIFY, log=log)
    name, found = _by_district(features, districts, code_property, log)
    shapes = {code: shape for code in sorted(found) if (shape := merged(found[code], code, log)) is not None}
    _check_places(shapes, projection, log)
    if log:
        raise BoundariesRefused(log.reported(), total=log.total)
    chosen = projection or choose_projection(shapes.values())
    known = {code for code, _ in _codes(features, name)}
    return Boundaries(
        content=_given_away(shapes, districts),
        drawn=_json(drawable(shapes, chosen)),
        projection=chosen,
        aspect=aspect_of(shapes.values(), chosen),
        code_property=name,
        n_districts=len(shapes),
        without_shape=tuple(sorted(set(districts) - set(shapes))),
        left_out=tuple(sorted(known - set(districts))),
    )


def _by_district(
    features: list[Feature], districts: Mapping[str, str], declared: str | None, log: FaultLog
) -> tuple[str, dict[str, list[Feature]]]:
    """Where the codes are, and the features of each district."""
    names = ["id", *dict.fromkeys(name for feature in features for name in feature.properties)]
    if declared is not None and declared not in names:
        log.add("no feature has this property", f"Name one of {listing(names)}.", value=declared)
        return declared, {}
    hits = {
        name: len({code for code, _ in _codes(features, name)} & set(districts))
        for name in ([declared] if declared is not None else names)
    }
    best = max(hits, key=lambda name: hits[name])
    found: dict[str, list[Feature]] = {}
    for code, feature in _codes(features, best):
        if code in districts:
            found.setdefault(code, []).append(feature)
    if not found and not log:
        looked = (
            f"property '{declared}'" if declared is not None else f"id and properties ({listing(names[1:]) or 'none'})"
        )
        seen = listing([code for code, _ in _codes(features, best)], most=3) or "nothing"
        log.add(
            f"no feature has the code of a district of this survey in its {looked}; found {seen}",
            f"Codes of the survey are {listing(districts, most=3)}. Write them into a property of each feature.",
        )
    return best, found


def _codes(features: list[Feature], name: str) -> list[tuple[str, Feature]]:
    """The code of each feature that has one, as text: 7 is "7", as 7.0 is."""
    found = []
    for feature in features:
        value = feature.id if name == "id" else feature.properties.get(name)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, str | int) and not isinstance(value, bool):
            found.append((str(value).strip(), feature))
    return found


def _check_places(shapes: Mapping[str, Shape], projection: str | None, log: FaultLog) -> None:
    """Fault coordinates that are no longitude and latitude, unless they are declared to be projected."""
    if projection == "identity":
        return
    wrong = {code: place for code, shape in shapes.items() if (place := out_of_range(shape)) is not None}
    for code, place in list(wrong.items())[:1]:
        n_districts = "1 district" if len(wrong) == 1 else f"{len(wrong)} districts"
        log.add(f"coordinates of {n_districts}, such as '{code}', are no longitude and latitude", PROJECT, value=place)


def _given_away(shapes: Mapping[str, Shape], districts: Mapping[str, str]) -> bytes:
    features = [
        {
            "type": "Feature",
            "properties": {"code": code, "name": districts[code]},
            "geometry": shape.geometry(clockwise=False),
        }
        for code, shape in shapes.items()
    ]
    return _json({"type": "FeatureCollection", "features": features})


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
