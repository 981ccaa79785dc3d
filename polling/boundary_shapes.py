"""Shapes of districts: valid, in one piece, oriented, simple enough to be drawn, and in a projection.

References
----------
.. [1] Butler et al. (2016), RFC 7946, "The GeoJSON Format", section 3.1.6: exterior rings run counterclockwise.
.. [2] Bostock, d3-geo: "the exterior ring must be clockwise", for a polygon on the sphere has no outside otherwise.
.. [3] Visvalingam and Whyatt (1993), "Line generalisation by repeated elimination of points", The Cartographic Journal
   30(1), 46-51; as GEOS applies it to a coverage, in which shared borders stay shared.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from polling.boundary_file import Feature
from polling.faults import FaultLog

__all__ = ["PROJECTIONS", "Shape", "aspect_of", "choose_projection", "drawable", "merged", "out_of_range"]

PROJECTIONS = ("mercator", "albersUsa", "identity")
MAP_PX = 900.0
"""Half pixels of a map's longer side: what is smaller is not drawn."""
MOST_LATITUDE = 85.0
"""Where a map in Mercator's projection ends."""
FARTHEST = 1e9
"""Beyond every coordinate on the earth, in degrees, metres or feet."""
DECIMALS = 6
"""Of longitude and latitude: a tenth of a metre."""
USA = ((-125.5, 24.0, -66.5, 49.8), (-180.0, 51.0, -129.0, 72.0), (-161.0, 18.5, -154.0, 23.0))
"""Boxes of the contiguous states, Alaska and Hawaii: west, south, east, north."""
USA_ASPECT = 0.62


@dataclass(frozen=True, slots=True)
class Shape:
    """The shape of one district."""

    polygons: Any
    """A shapely Polygon or MultiPolygon, valid and flat."""

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north."""
        return self.polygons.bounds  # type: ignore[no-any-return]

    def geometry(self, *, clockwise: bool, decimals: int = DECIMALS) -> dict[str, Any]:
        """As GeoJSON."""
        import shapely

        oriented = shapely.orient_polygons(self.polygons, exterior_cw=clockwise)
        return _as_json(shapely.transform(oriented, lambda points: np.round(points, decimals)))


def merged(features: list[Feature], code: str, log: FaultLog) -> Shape | None:
    """The shape of a district of one or several features; None if one of them cannot be used."""
    import shapely

    polygons: list[Any] = []
    is_whole = True
    for feature in features:
        found = _polygons(feature, code, log)
        is_whole = is_whole and found is not None
        polygons += found or []
    if not is_whole:
        return None
    return Shape(polygons[0] if len(polygons) == 1 else shapely.multipolygons(polygons))


def _polygons(feature: Feature, code: str, log: FaultLog) -> list[Any] | None:
    """The valid polygons of a feature; None, and a fault, if it has none."""
    import shapely
    from shapely.geometry import shape

    kind = feature.geometry.get("type") if isinstance(feature.geometry, dict) else None
    if kind not in ("Polygon", "MultiPolygon"):
        remedy = "A district is a Polygon or MultiPolygon."
        log.add(
            f"the feature of '{code}' has no area",
            remedy,
            row=feature.number,
            value=None if kind is None else str(kind),
        )
        return None
    try:
        found = shapely.force_2d(shape(feature.geometry))
        if not (np.abs(shapely.get_coordinates(found)) < FARTHEST).all():  # NaN is not either
            raise ValueError("a coordinate is not finite")
        # Simplified borders often cross themselves; the mended shape covers the same land.
        valid = found if found.is_valid else shapely.make_valid(found)
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
        shapely.errors.ShapelyError,
    ):
        remedy = "A ring is a list of four or more positions, the last being the first."
        log.add(f"the coordinates of '{code}' make no polygon", remedy, row=feature.number)
        return None
    parts = [
        part for part in shapely.get_parts(shapely.get_parts([valid])) if part.geom_type == "Polygon" and part.area > 0
    ]
    if not parts:
        log.add(f"the feature of '{code}' has no area", "Leave it out.", row=feature.number)
        return None
    return parts


def out_of_range(shape: Shape) -> str | None:
    """A corner that is no longitude and latitude, for readers; None if there is none."""
    west, south, east, north = shape.bounds
    for x, y in ((west, south), (east, north)):
        if abs(x) > 180 or abs(y) > 90:
            return f"{x:.0f}, {y:.0f}"
    return None


def choose_projection(shapes: Iterable[Shape]) -> str:
    """Albers' for the United States if every district is in one of its three boxes, Mercator's otherwise."""
    points = [shape.polygons.representative_point() for shape in shapes]

    def is_in(box: tuple[float, float, float, float], point: Any) -> bool:
        west, south, east, north = box
        return bool(west <= point.x <= east and south <= point.y <= north)

    is_usa = all(any(is_in(box, point) for box in USA) for point in points)
    # A map of one state alone is not squeezed into the place that it has in the map of all.
    spread = {number for point in points for number, box in enumerate(USA) if is_in(box, point)}
    width = max(point.x for point in points) - min(point.x for point in points)
    return "albersUsa" if is_usa and (len(spread) > 1 or width > 30) else "mercator"


def aspect_of(shapes: Collection[Shape], projection: str) -> float:
    """Height over width of all shapes together, projected."""
    if projection == "albersUsa":
        return USA_ASPECT
    west, south, east, north = _bounds(shapes)
    if projection == "identity":
        return (north - south) / (east - west)
    return (_mercator(north) - _mercator(south)) / math.radians(east - west)


def drawable(shapes: Mapping[str, Shape], projection: str) -> dict[str, dict[str, Any]]:
    """What is drawn of each district: to half a pixel, exterior rings clockwise."""
    import shapely

    west, south, east, north = _bounds(shapes.values())
    pixel = max(east - west, north - south) / MAP_PX
    polygons = [shape.polygons for shape in shapes.values()]
    try:
        simple = shapely.coverage_simplify(polygons, pixel)
    except shapely.errors.GEOSException:
        simple = [shapely.simplify(one, pixel) for one in polygons]  # districts overlap: each for itself
    decimals = max(0, math.ceil(-math.log10(pixel)) + 1)
    drawn = {}
    for code, one in zip(shapes, simple, strict=True):
        parts = sorted(shapely.get_parts(one), key=lambda part: -part.area)
        seen = [part for part in parts if part.area >= pixel**2] or parts[:1]
        whole = seen[0] if len(seen) == 1 else shapely.multipolygons(seen)
        if projection != "identity":
            whole = shapely.transform(whole, _within_map)
        drawn[code] = Shape(whole).geometry(clockwise=True, decimals=decimals)
    return drawn


def _within_map(points: Any) -> Any:
    return np.column_stack([points[:, 0], np.clip(points[:, 1], -MOST_LATITUDE, MOST_LATITUDE)])


def _bounds(shapes: Iterable[Shape]) -> tuple[float, float, float, float]:
    every = np.array([shape.bounds for shape in shapes])
    west, south = every[:, :2].min(axis=0)
    east, north = every[:, 2:].max(axis=0)
    return float(west), float(south), float(east), float(north)


def _mercator(latitude: float) -> float:
    clipped = min(max(latitude, -MOST_LATITUDE), MOST_LATITUDE)
    return math.log(math.tan(math.pi / 4 + math.radians(clipped) / 2))


def _as_json(polygons: Any) -> dict[str, Any]:
    def rings(polygon: Any) -> list[Any]:
        return [[list(point) for point in ring.coords] for ring in (polygon.exterior, *polygon.interiors)]

    if polygons.geom_type == "Polygon":
        return {"type": "Polygon", "coordinates": rings(polygons)}
    return {"type": "MultiPolygon", "coordinates": [rings(polygon) for polygon in polygons.geoms]}
