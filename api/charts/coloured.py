"""What maps and tables coloured by share and uncertainty have in common: areas, texts, the palette's legend."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from api.answer_payloads import GroupsHead
from api.charts.chart import percent
from api.charts.layout import WIDTH
from api.charts.map_classes import MapClasses, map_classes, mean_classes
from api.charts.measures import Estimate, is_of_means, measure_of, number, span_of, value_of
from api.charts.theme import MAP_CLASSES, SMALL, variable

__all__ = ["LEGEND", "area_layer", "classes_of", "legend", "pixels", "text_layer"]

LEGEND = 132.0
"""Height that the legend takes, px."""
LEFT, CELL, ROW = 18.0, 26.0, 16.0


def classes_of(head: GroupsHead, rows: Sequence[Estimate]) -> MapClasses:
    """Classes of the palette for shares or means."""
    find = mean_classes if is_of_means(head) else map_classes
    spans = [span_of(row) for row in rows]
    return find([value_of(row) for row in rows], [high - low for low, high in spans])


def area_layer(kind: str, mark: str, values: list[dict[str, Any]], place: dict[str, Any]) -> dict[str, Any]:
    encoding: dict[str, Any] = {**place, "description": {"field": "name", "type": "nominal"}}
    if any(value["href"] for value in values):
        encoding["href"] = {"field": "href", "type": "nominal"}
    looks: dict[str, Any] = {"stroke": variable("line"), "strokeWidth": 0.75, "strokeJoin": "round"}
    if kind != "without":
        encoding["fill"] = {"field": "fill", "type": "nominal", "scale": None, "legend": None}
    else:
        looks |= {"fill": variable("surface"), "strokeDash": [3, 3]}
    return {"name": kind, "data": {"values": values}, "mark": {"type": mark, **looks}, "encoding": encoding}


def legend(head: GroupsHead, classes: MapClasses, top: float) -> list[dict[str, Any]]:
    """The palette as a table: shares to the right, wider intervals downwards."""
    first = top + 38
    cells = [
        {
            "x": LEFT + CELL * 2**row * column + 0.5,
            "x2": LEFT + CELL * 2**row * (column + 1) - 0.5,
            "y": first + ROW * row + 0.5,
            "y2": first + ROW * (row + 1) - 0.5,
            "fill": variable(f"map-{row}-{column}"),
        }
        for row, n_classes in enumerate(MAP_CLASSES)
        for column in range(n_classes)
    ]
    right = LEFT + CELL * MAP_CLASSES[0] + 10
    edges = classes.share_edges
    shares = [
        {"x": LEFT + 2 * CELL * place, "y": first - 8, "text": text}
        for place, text in enumerate(_edge_texts(head, edges[::2]))
    ]
    texts = [
        {"x": right, "y": first + ROW * (row + 0.5), "text": text}
        for row, text in enumerate(_width_texts(head, classes))
    ]
    titles = [
        {"x": 0, "y": top + 10, "text": measure_of(head)},
        # A line lower: the other may be long. The last edge is written half to the right of its place.
        {"x": right + 14, "y": first - 8, "text": f"{percent(head.interval)} interval{_whose(head)}"},
    ]
    return [
        {
            "name": "legend",
            "data": {"values": cells},
            "mark": {"type": "rect", "stroke": variable("line"), "strokeWidth": 0.75, "aria": False},
            "encoding": {
                **pixels("x", "y"),
                "x2": {"field": "x2"},
                "y2": {"field": "y2"},
                "fill": {"field": "fill", "type": "nominal", "scale": None, "legend": None},
            },
        },
        text_layer("legend-shares", shares, align="center", baseline="bottom"),
        text_layer("legend-widths", texts),
        text_layer("legend-titles", titles, weight="bold", baseline="bottom"),
    ]


def _whose(head: GroupsHead) -> str:
    """Which interval the colours tell of, where estimates have a second one."""
    return " of the model" if head.systematic_error is not None and head.uncertainty == "model" else ""


def _edge_texts(head: GroupsHead, edges: Sequence[float]) -> list[str]:
    """Where classes begin."""
    if is_of_means(head):
        return [number(edge) for edge in edges]
    decimals = 0 if all(abs(100 * edge - round(100 * edge)) < 1e-6 for edge in edges) else 1
    return [f"{100 * edge:.{decimals}f}%" for edge in edges]


def _width_texts(head: GroupsHead, classes: MapClasses) -> list[str]:
    """How wide intervals are in each row, of shares in points."""
    is_mean = is_of_means(head)
    most = [f"{width if is_mean else 100 * width:.3g}" for width in classes.most_widths]
    return [
        f"up to {most[0]} wide" if is_mean else f"up to {most[0]} points wide",
        *(f"{low}–{high}" for low, high in pairwise(most)),
        f"over {most[-1]}",
    ]


def text_layer(
    name: str,
    values: list[dict[str, Any]],
    *,
    align: str = "left",
    baseline: str = "middle",
    weight: str = "normal",
    limit: float = WIDTH,
) -> dict[str, Any]:
    """Texts (fields ``text``, and ``x`` and ``y`` in px)."""
    return {
        "name": name,
        "data": {"values": values},
        "mark": {
            "type": "text",
            "align": align,
            "baseline": baseline,
            "fontWeight": weight,
            "fontSize": SMALL,
            "limit": limit,
        },
        "encoding": {**pixels("x", "y"), "text": {"field": "text", "type": "nominal"}},
    }


def pixels(x: str, y: str) -> dict[str, Any]:
    """Positions that are pixels already."""
    return {
        channel: {"field": field, "type": "quantitative", "scale": None, "axis": None}
        for channel, field in (("x", x), ("y", y))
    }
