"""What further interviews would narrow: a bar for each group, most first, and a map of districts."""

from collections.abc import Sequence
from typing import Any

from api.answer_payloads import GroupRow
from api.charts.chart import Chart, Link, draw_chart, name_of, percent
from api.charts.coloured import text_layer
from api.charts.layout import WIDTH, Dot, Row, row_spec
from api.charts.map_classes import MapClasses, map_classes
from api.charts.maps import NO_ESTIMATE, map_layers
from api.charts.places import Places, Shapes
from api.charts.scales import share_scale
from api.charts.theme import MAP_CLASSES, variable
from api.whom_to_ask_payloads import GroupNarrowing, WhomToAskPayload

__all__ = ["narrowing_chart", "narrowing_map"]

MEASURE = "Part of their width that intervals lose"
LEGEND = 56.0
"""Height that the legend takes, px."""
CELL, ROW = 48.0, 16.0


def narrowing_chart(answer: WhomToAskPayload, rows: Sequence[GroupNarrowing], *, title: str) -> Chart:
    """A bar for each group, as long as what interviews in it would narrow on average.

    Parameters
    ----------
    rows
        Of the answer, those that are shown, in their order.

    Raises
    ------
    ChartFailed
        If it cannot be drawn.
    """
    bars = [
        Row(
            label=name_of(row),
            dots=(Dot(row.narrower, 0.0, row.narrower),),
            name=f"{name_of(row)}: {percent(row.narrower)} narrower",
            text=percent(row.narrower),
        )
        for row in rows
    ]
    scale = share_scale([0.0, *(row.narrower for row in rows)])
    spec = row_spec(bars, scale, axis_title=f"{MEASURE}, {answer.n:,} interviews")
    return draw_chart(spec, title=title, description=_described(answer))


def narrowing_map(answer: WhomToAskPayload, places: Places, *, link: Link | None, title: str) -> Chart:
    """The same of districts, on a map: the darker, the more interviews there would narrow.

    Parameters
    ----------
    answer
        Of districts that are not broken down.
    places, link
        As for `api.charts.district_map`.

    Raises
    ------
    ChartFailed
        If it cannot be drawn.
    """
    rows = {row.area: row for row in answer.groups}
    withheld = {row.area: row.reason for row in answer.withheld}
    # Expected, not estimated: nothing about them is unsure, so that they have the first row of the palette.
    classes = map_classes([row.narrower for row in rows.values()], [0.0] * len(rows))
    names = places.names if isinstance(places, Shapes) else {tile.code: tile.name for tile in places.tiles}
    marks = {}
    for code, name in names.items():
        row = rows.get(code)
        told = withheld.get(code, NO_ESTIMATE) if row is None else f"{percent(row.narrower)} narrower"
        marks[code] = {
            "name": f"{name}: {told}",
            "href": None if link is None else link(row or GroupRow(area=code, area_name=name, groups={})),
            "fill": None if row is None else classes.colour(row.narrower, 0.0),
            "ink": None if row is None else classes.ink(row.narrower, 0.0),
            "text": "" if row is None else percent(row.narrower).removesuffix("%"),
        }
    layers, height = map_layers(places, marks)
    spec = {
        "width": WIDTH - 4,
        "height": height,
        "padding": {"left": 2, "right": 2, "top": 2, "bottom": LEGEND},
        "layer": [layer for layer in [*layers, *_legend(classes, height + 12)] if layer["data"]["values"]],
    }
    return draw_chart(spec, title=title, description=_described(answer))


def _legend(classes: MapClasses, top: float) -> list[dict[str, Any]]:
    n, edges = MAP_CLASSES[0], classes.share_edges
    cells = [
        {
            "x": CELL * column,
            "x2": CELL * (column + 1),
            "y": top + 6,
            "y2": top + 6 + ROW,
            "fill": variable(f"map-0-{column}"),
        }
        for column in range(n)
    ]
    texts = [
        {"x": CELL * place, "y": top + 14 + ROW, "text": f"{100 * edge:.3g}%"} for place, edge in enumerate(edges[:-1])
    ]
    pixel = {"type": "quantitative", "scale": None, "axis": None}
    return [
        {
            "name": "legend",
            "data": {"values": cells},
            "mark": {"type": "rect", "stroke": variable("line"), "strokeWidth": 0.75, "aria": False},
            "encoding": {
                "x": {"field": "x", **pixel},
                "y": {"field": "y", **pixel},
                "x2": {"field": "x2"},
                "y2": {"field": "y2"},
                "fill": {"field": "fill", "type": "nominal", "scale": None, "legend": None},
            },
        },
        text_layer("legend-shares", texts, baseline="top"),
        text_layer("legend-titles", [{"x": 0, "y": top, "text": MEASURE}], weight="bold", baseline="bottom"),
    ]


def _described(answer: WhomToAskPayload) -> str:
    kind = f"What {answer.n:,} further interviews in each group would narrow, {len(answer.groups)} groups"
    return f"{kind}. Most: {answer.groups[0].sentence}" if answer.groups else f"{kind}."
