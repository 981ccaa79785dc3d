"""The map: one mark a district, with its share and how sure it is, in one colour.

The palette suppresses what is not known: see `api.charts.theme` and `api.charts.map_classes`. Every mark has the
district's name, share and interval as its name; the table beside a map (`api.charts.intervals`) says the same exactly.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from api.answer_payloads import GroupRow, GroupsHead
from api.charts.chart import ABSENT, Chart, Link, draw_chart, percent
from api.charts.coloured import LEGEND, area_layer, classes_of, legend, pixels, text_layer
from api.charts.layout import WIDTH
from api.charts.map_classes import MapClasses
from api.charts.measures import Estimate, estimate_name, estimated, is_of_means, measure_of, span_of, value_of, written
from api.charts.places import Places, Shapes, Tile, Tiles
from api.charts.theme import FONT_SIZE

__all__ = ["NO_ESTIMATE", "district_map", "map_layers"]

LARGEST_TILE = 44.0
GAP = 2.0
NUMBERED = 20.0
"""Tiles as large as this have their share written on them, px."""
SHORT_NUMBER = 3
"""Characters that always fit; longer numbers, as means are, get smaller letters, or none below `SMALLEST` px."""
CHARACTER, SMALLEST = 0.62, 9.0
"""Width of a digit as a part of the size of letters."""
HEADING = 24.0
SHORTEST, TALLEST = 160.0, 560.0
"""Of a map of shapes, px."""
NO_ESTIMATE = "no estimate"


def district_map(
    head: GroupsHead,
    estimates: Sequence[Estimate],
    places: Places,
    *,
    link: Link | None = None,
    title: str | None = None,
) -> Chart:
    """Shares of one option, or means, by district, on a map.

    Parameters
    ----------
    head
        What was asked: the payload that the estimates are of.
    estimates
        One row a district, of any payload that has shares or means; `GroupRow.area` is the district's code. Districts
        without a row, or where the option does not stand, have an empty mark, whose name says so, or why it is
        withheld.
    places
        Where they are: see `api.charts.places`.
    link
        Where a district leads; asked for those without a row too.
    title
        Instead of one made from ``head``.

    Raises
    ------
    ChartFailed
        If it cannot be drawn.
    """
    rows = {row.area: row for row in estimated(estimates)}
    withheld = {row.area: ABSENT for row in estimates} | {row.area: row.reason for row in head.withheld}
    classes = classes_of(head, list(rows.values()))
    names = places.names if isinstance(places, Shapes) else {tile.code: tile.name for tile in places.tiles}
    marks = {
        code: _mark(code, name, rows.get(code), reason=withheld.get(code, NO_ESTIMATE), classes=classes, link=link)
        for code, name in names.items()
    }
    layers, height = map_layers(places, marks)
    spec = {
        "width": WIDTH - 4,
        "height": height,
        "padding": {"left": 2, "right": 2, "top": 2, "bottom": LEGEND},
        "layer": [layer for layer in [*layers, *legend(head, classes, height + 16)] if layer["data"]["values"]],
    }
    what = title or f"{measure_of(head) if is_of_means(head) else head.option}: by {head.level}"
    return draw_chart(spec, title=what, description=_described(places, head, rows, len(names)))


def map_layers(places: Places, marks: Mapping[str, dict[str, Any]]) -> tuple[list[dict[str, Any]], float]:
    """Layers of shapes or tiles, and their height.

    Parameters
    ----------
    marks
        Code of a district → its ``name``, ``href``, ``fill`` (None without an estimate), and ``text`` on it in ``ink``.
    """
    return _shapes(places, marks) if isinstance(places, Shapes) else _tiles(places, marks)


def _mark(
    code: str, name: str, row: Estimate | None, *, reason: str, classes: MapClasses, link: Link | None
) -> dict[str, Any]:
    href = link(row or GroupRow(area=code, area_name=name, groups={})) if link is not None else None
    if row is None:
        return {"name": f"{name}: {reason}", "href": href, "fill": None, "ink": None, "text": ""}
    low, high = span_of(row)
    width = high - low
    spoken = estimate_name(row.area_name, row)
    return {
        "name": f"{spoken}, nobody interviewed" if "no-interviews" in row.flags else spoken,
        "href": href,
        "fill": classes.colour(value_of(row), width),
        "ink": classes.ink(value_of(row), width),
        "text": written(row).removesuffix("%"),
    }


def _tiles(places: Tiles, marks: Mapping[str, dict[str, Any]]) -> tuple[list[dict[str, Any]], float]:
    """Layers of tiles, and their height."""
    columns, n_rows = places.size
    size = min((WIDTH - 4) / columns, LARGEST_TILE)
    left = (WIDTH - 4 - columns * size) / 2 if not places.headings else 0.0

    def top(tile: Tile) -> float:
        return tile.y * size + HEADING * sum(1 for y, _ in places.headings if y <= tile.y)

    placed = [
        {
            **marks[tile.code],
            "x": left + tile.x * size + GAP / 2,
            "x2": left + (tile.x + 1) * size - GAP / 2,
            "y": top(tile) + GAP / 2,
            "y2": top(tile) + size - GAP / 2,
            "middle_x": left + (tile.x + 0.5) * size,
            "middle_y": top(tile) + size / 2,
        }
        for tile in places.tiles
    ]
    headings = [
        {"x": 0, "y": y * size + HEADING * number + HEADING - 8, "text": text}
        for number, (y, text) in enumerate(places.headings)
    ]
    longest = max((len(mark["text"]) for mark in placed), default=0)
    font_size = min(FONT_SIZE, size * 0.48)
    if longest > SHORT_NUMBER:
        font_size = min(font_size, (size - 2 * GAP) / (CHARACTER * longest))
    numbers = [mark for mark in placed if mark["text"]] if size >= NUMBERED and font_size >= SMALLEST else []
    layers = [
        text_layer("headings", headings, weight="bold"),
        *(
            area_layer(kind, "rect", values, {**pixels("x", "y"), "x2": {"field": "x2"}, "y2": {"field": "y2"}})
            for kind, values in _with_and_without(placed)
        ),
        {
            "name": "numbers",
            "data": {"values": numbers},
            "mark": {
                "type": "text",
                "baseline": "middle",
                "fontSize": round(font_size, 1),
                "fontWeight": "bold",
            },
            "encoding": {
                **pixels(x="middle_x", y="middle_y"),
                "text": {"field": "text", "type": "nominal"},
                "color": {"field": "ink", "type": "nominal", "scale": None, "legend": None},
            },
        },
    ]
    return layers, n_rows * size + HEADING * len(headings)


def _shapes(places: Shapes, marks: Mapping[str, dict[str, Any]]) -> tuple[list[dict[str, Any]], float]:
    """Layers of shapes, and their height."""
    height = min(max((WIDTH - 4) * places.aspect, SHORTEST), TALLEST)
    features = [
        {"type": "Feature", "geometry": geometry, "properties": marks[code], **marks[code]}
        for code, geometry in places.geometries.items()
        if code in marks
    ]
    projection: dict[str, Any] = {"type": places.projection}
    if places.projection == "identity":
        projection["reflectY"] = True  # northings grow upwards, pixels downwards
    layers = [area_layer(kind, "geoshape", values, {}) for kind, values in _with_and_without(features)]
    return [{**layer, "projection": projection} for layer in layers], height


def _with_and_without(values: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    return [
        ("districts", [value for value in values if value["fill"] is not None]),
        ("without", [value for value in values if value["fill"] is None]),
    ]


def _described(places: Places, head: GroupsHead, rows: Mapping[str, Estimate], n_districts: int) -> str:
    kind, without = "Tile map", ""
    if isinstance(places, Shapes):
        kind = "Map"
        if n_without := n_districts - len(places.geometries.keys() & places.names.keys()):
            without = f" {n_without} of them {'has' if n_without == 1 else 'have'} no shape and cannot be seen here."
    text = (
        f"{kind} of {n_districts} districts.{without} Colour shows the {_lowered(measure_of(head))}; it is greyer, "
        f"and tells fewer {'means' if is_of_means(head) else 'shares'} apart, the wider the {percent(head.interval)} "
        "interval is."
    )
    if not rows:
        return f"{text} There is no estimate for any of them."
    most, least = max(rows.values(), key=value_of), min(rows.values(), key=value_of)
    ends = [estimate_name(row.area_name, row) for row in (most, least)]
    return f"{text} Largest: {ends[0]}. Smallest: {ends[1]}."


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]
