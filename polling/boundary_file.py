"""Read GeoJSON and TopoJSON into features.

TopoJSON is read by its library. A small one can name a long border a million times, so its corners are counted first.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from polling.faults import FaultLog, listing

__all__ = ["Feature", "read_features"]

_KINDS = "Send GeoJSON (a FeatureCollection) or TopoJSON (a Topology)."


@dataclass(frozen=True, slots=True)
class Feature:
    """A shape and what it is called, as read."""

    number: int
    """Its place in the file, from 1."""
    id: Any
    properties: dict[str, Any]
    geometry: Any


def read_features(content: bytes, *, most_points: int, simplify: str, log: FaultLog) -> list[Feature]:
    """The features of a file; none if it cannot be read.

    Parameters
    ----------
    most_points
        Corners of all shapes; more are a fault, with ``simplify`` as the remedy.
    log
        Receives what is wrong.
    """
    try:
        document = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        log.add(f"the file is no JSON ({error})", _KINDS)
        return []
    kind = document.get("type") if isinstance(document, dict) else None
    if kind == "Topology":
        return _topology(document, most_points=most_points, simplify=simplify, log=log)
    features = document.get("features") if kind == "FeatureCollection" else [document] if kind == "Feature" else None
    if not isinstance(features, list):
        log.add("the file is no collection of features", _KINDS, value=None if kind is None else str(kind))
        return []
    found = _features(features, log)
    try:
        n_points = sum(_n_corners(feature.geometry) for feature in found)
    except RecursionError:
        n_points = 0  # so deep that no shape is: the shapes are refused
    return found if _is_small(n_points, most_points, simplify, log) else []


def _features(items: list[Any], log: FaultLog) -> list[Feature]:
    found = []
    for number, item in enumerate(items, start=1):
        properties = item.get("properties") if isinstance(item, dict) else None
        if not isinstance(item, dict) or not isinstance(properties, dict | None):
            log.add("this is no feature", "A feature has a type, properties and a geometry.", row=number)
            continue
        found.append(Feature(number, item.get("id"), properties or {}, item.get("geometry")))
    return found


def _n_corners(geometry: Any) -> int:
    coordinates = geometry.get("coordinates") if isinstance(geometry, dict) else None
    return _n_positions(coordinates)


def _n_positions(part: Any) -> int:
    if not isinstance(part, list) or not part:
        return 0
    return sum(map(_n_positions, part)) if isinstance(part[0], list) else 1


def _is_small(n_points: int, most: int, simplify: str, log: FaultLog) -> bool:
    if n_points > most:
        log.add(f"the shapes have {n_points:,} corners, and may have {most:,}", simplify)
    return n_points <= most


def _topology(document: dict[str, Any], *, most_points: int, simplify: str, log: FaultLog) -> list[Feature]:
    """The features of the object that has the most: a file of districts often has their regions too."""
    from shapely.errors import ShapelyError
    from topojson.utils import serialize_as_geojson

    objects, arcs = document.get("objects"), document.get("arcs")
    if not isinstance(objects, dict) or not isinstance(arcs, list):
        log.add("the topology has no objects and arcs", _KINDS)
        return []
    collections = {
        name: value["geometries"]
        for name, value in objects.items()
        if isinstance(value, dict) and isinstance(value.get("geometries"), list)
    }
    if not collections:
        log.add("the topology has no collection of geometries", _KINDS, value=listing(objects) or None)
        return []
    name = max(collections, key=lambda one: len(collections[one]))
    try:
        lengths = [len(arc) for arc in arcs]
        n_points = sum(
            lengths[arc if arc >= 0 else ~arc] for one in collections[name] for arc in _arcs(one.get("arcs"))
        )
        if not _is_small(n_points, most_points, simplify, log):
            return []
        document["objects"][name]["geometries"] = [one for one in collections[name] if one.get("type")]
        with np.errstate(all="ignore"):  # what is not finite is a fault of its shape
            read = serialize_as_geojson(document, objectname=name)
    except (ArithmeticError, AttributeError, LookupError, RecursionError, ShapelyError, TypeError, ValueError) as error:
        log.add(f"the topology cannot be read ({type(error).__name__}: {error})", "Write it again with its program.")
        return []
    return _features(read["features"], log)


def _arcs(part: Any) -> Iterator[int]:
    if isinstance(part, list):
        for one in part:
            yield from _arcs(one)
    elif part is not None:
        yield part
