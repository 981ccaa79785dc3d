"""The map: one mark a district, with its share and how sure it is, in one colour.

The palette suppresses what is not known: see `api.charts.theme` and `api.charts.map_classes`. Every mark has the
district's name, share and interval as its name; the table beside a map (`api.charts.intervals`) says the same exactly.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from api.answer_payloads import AreaEstimate, GroupRow, GroupsHead
from api.charts.chart import Chart, Link, draw_chart, percent, share_name
from api.charts.coloured import LEGEND, area_layer, legend, pixels, text_layer
from api.charts.layout import WIDTH
from api.charts.map_classes import MapClasses, map_classes
from api.charts.places import Places, Shapes, Tile, Tiles
from api.charts.theme import FONT_SIZE

__all__ = ["district_map"]

LARGEST_TILE = 44.0
GAP = 2.0
NUMBERED = 20.0
"""Tiles as large as this have their share written on them, px."""
HEADING = 24.0
SHORTEST, TALLEST = 160.0, 560.0
"""Of a map of shapes, px."""
NO_ESTIMATE = "no estimate"


def district_map(
    head: GroupsHead,
    estimates: Sequence[AreaEstimate],
    places: Places,
    *,
    link: Link | None = None,
    title: str | None = None,
) -> Chart:
    """Shares of one option by district, on a map.

    Parameters
    ----------
    head
        What was asked: the payload that the estimates are of.
    estimates
        One row a district, of any payload that has shares; `GroupRow.area` is the district's code. Districts without
        a row have an empty mark, whose name says "no estimate", or why it is withheld.
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
    rows = {row.area: row for row in estimates}
    withheld = {row.area: row.reason for row in head.withheld}
    classes = map_classes([row.share for row in rows.values()], [row.high - row.low for row in rows.values()])
    names = places.names if isinstance(places, Shapes) else {tile.code: tile.name for tile in places.tiles}
    marks = {
        code: _mark(code, name, rows.get(code), reason=withheld.get(code, NO_ESTIMATE), classes=classes, link=link)
        for code, name in names.items()
    }
    if isinstance(places, Shapes):
        layers, height = _shapes(places, marks)
    else:
        layers, height = _tiles(places, marks)
    spec = {
        "width": WIDTH - 4,
        "height": height,
        "padding": {"left": 2, "right": 2, "top": 2, "bottom": LEGEND},
        "layer": [layer for layer in [*layers, *legend(head, classes, height + 16)] if layer["data"]["values"]],
    }
    return draw_chart(
        spec, title=title or f"{head.option}: by {head.level}", description=_described(places, head, rows, len(names))
    )


def _mark(
    code: str, name: str, row: AreaEstimate | None, *, reason: str, classes: MapClasses, link: Link | None
) -> dict[str, Any]:
    href = link(row or GroupRow(area=code, area_name=name, groups={})) if link is not None else None
    if row is None:
        return {"name": f"{name}: {reason}", "href": href, "fill": None, "ink": None, "text": ""}
    width = row.high - row.low
    spoken = share_name(row.area_name, row.share, row.low, row.high)
    return {
        "name": f"{spoken}, nobody interviewed" if "no-interviews" in row.flags else spoken,
        "href": href,
        "fill": classes.colour(row.share, width),
        "ink": classes.ink(row.share, width),
        "text": percent(row.share).removesuffix("%"),
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
    numbers = [mark for mark in placed if mark["text"]] if size >= NUMBERED else []
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
                "fontSize": round(min(FONT_SIZE, size * 0.48), 1),
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


def _described(places: Places, head: GroupsHead, rows: Mapping[str, AreaEstimate], n_districts: int) -> str:
    kind, without = "Tile map", ""
    if isinstance(places, Shapes):
        kind = "Map"
        if n_without := n_districts - len(places.geometries.keys() & places.names.keys()):
            without = f" {n_without} of them {'has' if n_without == 1 else 'have'} no shape and cannot be seen here."
    text = (
        f"{kind} of {n_districts} districts.{without} Colour shows the share answering “{head.option}”; it is greyer, "
        f"and tells fewer shares apart, the wider the {percent(head.interval)} interval is."
    )
    if not rows:
        return f"{text} There is no estimate for any of them."
    most = max(rows.values(), key=lambda row: row.share)
    least = min(rows.values(), key=lambda row: row.share)
    return (
        f"{text} Largest: {share_name(most.area_name, most.share, most.low, most.high)}. "
        f"Smallest: {share_name(least.area_name, least.share, least.low, least.high)}."
    )
