"""Boundaries: what is accepted, what is refused and why, and what is made of them."""

import json
from copy import deepcopy
from typing import Any

import pytest
import shapely
from topojson import Topology

from polling.boundaries import MOST_BYTES, Boundaries, read_boundaries
from polling.errors import BoundariesRefused

DISTRICTS = {"A": "Northmoor", "B": "Ash", "C": "Vale"}


def square(x: float, y: float, size: float = 1.0, *, clockwise: bool = False) -> dict[str, Any]:
    ring = [[x, y], [x + size, y], [x + size, y + size], [x, y + size], [x, y]]
    return {"type": "Polygon", "coordinates": [ring[::-1] if clockwise else ring]}


def feature(geometry: Any, *, id_: Any = None, **properties: Any) -> dict[str, Any]:
    named = {} if id_ is None else {"id": id_}
    return {"type": "Feature", "properties": properties, "geometry": geometry, **named}


def collection(*features: Any) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(features)}


THREE = collection(
    feature(square(0, 50), lad="A", region="North"),
    feature(square(1, 50), lad="B", region="North"),
    feature(square(0, 51), lad="C", region="South"),
)


def read(document: Any, districts: dict[str, str] = DISTRICTS, **declared: Any) -> Boundaries:
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    return read_boundaries(content, districts, **declared)


def faults(document: Any, **declared: Any) -> list[str]:
    with pytest.raises(BoundariesRefused) as refused:
        read(document, **declared)
    assert refused.value.n_faults >= len(refused.value.faults) > 0
    return [str(fault) for fault in refused.value.faults]


def shapes_of(boundaries: Boundaries) -> dict[str, Any]:
    return {
        one["properties"]["code"]: shapely.geometry.shape(one["geometry"])
        for one in json.loads(boundaries.content)["features"]
    }


def test_the_property_with_the_codes_is_found():
    boundaries = read(THREE)

    assert boundaries.code_property == "lad"
    assert boundaries.n_districts == 3
    assert (boundaries.without_shape, boundaries.left_out) == ((), ())
    given = json.loads(boundaries.content)["features"]
    assert [one["properties"] for one in given] == [
        {"code": "A", "name": "Northmoor"},
        {"code": "B", "name": "Ash"},
        {"code": "C", "name": "Vale"},
    ]
    assert shapes_of(boundaries)["B"].equals(shapely.box(1, 50, 2, 51))


def test_codes_may_be_ids_and_numbers():
    numbered = collection(feature(square(0, 50), id_=1), feature(square(1, 50), id_=2.0))
    boundaries = read(numbered, {"1": "One", "2": "Two"})

    assert (boundaries.code_property, boundaries.n_districts) == ("id", 2)


def test_a_declared_property_is_taken_though_another_has_more_codes():
    document = collection(feature(square(0, 50), lad="A", old="B"), feature(square(1, 50), lad="C", old="none"))

    assert set(shapes_of(read(document))) == {"A", "C"}
    assert set(shapes_of(read(document, code_property="old"))) == {"B"}
    assert "Name one of id, lad, old" in faults(document, code_property="code")[0]


def test_districts_without_a_shape_and_shapes_without_a_district_are_named():
    boundaries = read(collection(feature(square(0, 50), lad="A"), feature(square(1, 50), lad="Z")))

    assert (boundaries.without_shape, boundaries.left_out) == (("B", "C"), ("Z",))


def test_features_of_one_code_are_one_district():
    (shape,) = shapes_of(read(collection(feature(square(0, 50), lad="A"), feature(square(5, 50), lad="A")))).values()

    assert shape.area == pytest.approx(2)


@pytest.mark.parametrize("clockwise", [False, True])
def test_rings_run_as_readers_and_as_the_drawer_expect(clockwise: bool):
    boundaries = read(collection(feature(square(0, 50, clockwise=clockwise), lad="A")))

    (given,) = shapes_of(boundaries).values()
    drawn = shapely.geometry.shape(json.loads(boundaries.drawn)["A"])
    assert given.exterior.is_ccw  # RFC 7946
    assert not drawn.exterior.is_ccw  # d3


def test_topojson_is_the_same_as_the_geojson_it_was_made_of():
    topology = json.loads(Topology(THREE, prequantize=10_000, object_name="districts").to_json())
    # A file of districts often has their regions too, in fewer shapes.
    topology["objects"]["regions"] = {"type": "GeometryCollection", "geometries": []}
    # A geometry that collapsed has no type.
    topology["objects"]["districts"]["geometries"].append({"type": None, "properties": {"lad": "Z"}})

    assert "arcs" in topology
    from_topology, plain = shapes_of(read(topology)), shapes_of(read(THREE))
    assert from_topology.keys() == plain.keys()
    for code, shape in plain.items():
        assert from_topology[code].symmetric_difference(shape).area < 1e-3


def test_borders_stay_shared_when_they_are_simplified():
    """A wiggly border between two districts: simpler, and still one line."""
    wiggle = [[1 + 0.001 * (n % 2), 50 + n / 1000] for n in range(1001)]
    west = {"type": "Polygon", "coordinates": [[[0, 50], *wiggle, [0, 51], [0, 50]]]}
    east = {"type": "Polygon", "coordinates": [[[2, 51], *wiggle[::-1], [2, 50], [2, 51]]]}
    boundaries = read(collection(feature(west, lad="A"), feature(east, lad="B")))

    drawn = {code: shapely.geometry.shape(shape) for code, shape in json.loads(boundaries.drawn).items()}
    assert len(shapely.get_coordinates(shapes_of(boundaries)["A"])) > 1000
    assert len(shapely.get_coordinates(drawn["A"])) < 200
    assert drawn["A"].intersection(drawn["B"]).area == pytest.approx(0, abs=1e-9)
    assert drawn["A"].union(drawn["B"]).area == pytest.approx(2, abs=1e-6)


def test_crossing_borders_are_mended():
    bow = {"type": "Polygon", "coordinates": [[[0, 50], [1, 51], [1, 50], [0, 51], [0, 50]]]}
    (shape,) = shapes_of(read(collection(feature(bow, lad="A")))).values()

    assert shape.is_valid
    assert shape.area == pytest.approx(0.5)


def test_the_projection_follows_the_place():
    iowa, alaska, hawaii = square(-94, 41), square(-150, 62), square(-156, 19, 0.5)
    usa = collection(feature(iowa, lad="A"), feature(alaska, lad="B"), feature(hawaii, lad="C"))

    assert read(THREE).projection == "mercator"
    assert read(usa).projection == "albersUsa"
    assert read(collection(feature(iowa, lad="A"))).projection == "mercator"
    assert read(usa, projection="mercator").projection == "mercator"


def test_the_height_of_the_map_follows_the_shape():
    # At 60 degrees a degree of longitude is half as wide as one of latitude, and Mercator makes the square stand.
    assert read(collection(feature(square(0, 59.5), lad="A"))).aspect == pytest.approx(2, rel=0.001)
    tall = {"type": "Polygon", "coordinates": [[[0, 0], [1e5, 0], [1e5, 3e5], [0, 3e5], [0, 0]]]}
    assert read(collection(feature(tall, lad="A")), projection="identity").aspect == pytest.approx(3)


def test_every_fault_is_told_at_once():
    told = faults(
        collection(
            feature({"type": "Point", "coordinates": [0, 50]}, lad="A"),
            feature({"type": "Polygon", "coordinates": [[[0, 50], [1, 50]]]}, lad="B"),
            feature(None, lad="C"),
            "nonsense",
        )
    )
    assert len(told) == 4
    assert "row 1: the feature of 'A' has no area (found 'Point')" in told[0]
    assert "row 2: the coordinates of 'B' make no polygon" in told[1]
    assert "row 3: the feature of 'C' has no area" in told[2]
    assert "row 4: this is no feature" in told[3]


def test_metres_are_not_degrees():
    (told,) = faults(collection(feature(square(530_000, 180_000, 1000), lad="A")))

    assert "coordinates of 1 district, such as 'A', are no longitude and latitude (found '530000, 180000')" in told
    assert "ogr2ogr -t_srs EPSG:4326" in told
    boundaries = read(collection(feature(square(530_000, 180_000, 1000), lad="A")), projection="identity")
    assert boundaries.projection == "identity"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[" * 100_000 + b"]" * 100_000, "no JSON"),
        (b"[]", "no collection of features"),
        (b'{"type": "FeatureCollection"}', "no collection of features"),
        (b'{"type": "FeatureCollection", "features": []}', "no feature has the code of a district"),
        (b'{"type": "Topology"}', "no objects and arcs"),
        (b'{"type": "Topology", "objects": {"a": {"type": "Point"}}, "arcs": []}', "no collection of geometries"),
        (
            b'{"type": "Topology", "objects": {"a": {"geometries": [{"type": "Polygon", "arcs": [[7]]}]}}, "arcs": []}',
            "cannot be read",
        ),
        (b" " * (MOST_BYTES + 1), "may have 10,000,000"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_reason(content: bytes, why: str):
    assert why in faults(content)[0]


def test_a_file_of_other_districts_is_refused_with_codes_of_both():
    (told,) = faults(collection(feature(square(0, 50), lad="E07")))

    assert "found E07" in told or "id and properties (lad)" in told
    assert "Codes of the survey are A, B, C" in told


def test_a_small_topology_of_many_corners_is_refused_before_it_is_unfolded():
    """A border of 1,000 corners that is named 10,000 times is 10 million corners in a file of 60 kB."""
    arc = [[0, 0]] + [[1, 0]] * 999
    geometries = [{"type": "Polygon", "arcs": [[0] * 10_000], "properties": {"lad": "A"}}]
    bomb = {"type": "Topology", "objects": {"a": {"geometries": geometries}}, "arcs": [arc]}

    assert "10,000,000 corners, and may have 300,000" in faults(bomb)[0]
    assert "mapshaper" in faults(bomb)[0]


JUNK = [None, True, -1, 7, 1e308, 5e-324, "", "A", [], {}, [[]], [[[]]], [[0, 0]], [1, "x"], {"type": "Polygon"}]
TOPOLOGY = json.loads(Topology(THREE, prequantize=1000, object_name="districts").to_json())


def places_in(part: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of everything in a document."""
    inner = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    return [path, *(place for key, value in inner for place in places_in(value, (*path, key)))]


@pytest.mark.parametrize("document", [THREE, TOPOLOGY], ids=["geojson", "topojson"])
def test_a_damaged_file_is_read_or_refused_and_nothing_else(document: dict[str, Any]):
    """Every part of a file replaced by every kind of junk, or left out."""
    n_refused = 0
    for place in places_in(document)[1:]:
        for junk in (*JUNK, ...):
            damaged = deepcopy(document)
            holder = damaged
            for key in place[:-1]:
                holder = holder[key]
            if junk is ...:
                del holder[place[-1]]
            else:
                holder[place[-1]] = junk
            try:
                read(damaged)
            except BoundariesRefused:
                n_refused += 1
    assert n_refused > 0
