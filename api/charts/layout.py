"""The pieces that charts are put together from, as Vega-Lite layers: axes, marks of rows, keys of colours.

A chart is `WIDTH` px wide and says in its ``padding`` where its plot begins; nothing is measured, so that a chart looks
the same whatever font the page has. One unit of a row chart's vertical scale is one row.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from api.charts.scales import Scale
from api.charts.theme import FONT_SIZE, variable

__all__ = ["ROW", "WIDTH", "Dot", "Key", "Row", "key_height", "key_layers", "label_layer", "row_spec"]

WIDTH = 440
LABELS = 148
"""Of it, for names of rows."""
VALUES = 46
"""Of it, for a number at the right."""
ROW = 26
"""Height of a row; more than the 24 px that a target must have (WCAG 2.2, 2.5.8)."""
BOTTOM = 46
"""For the axis and its title."""
TOP = 6
ONE_LINE = 17
"""Characters of a name that fit into one line; a longer one has two, in smaller letters."""
SMALL_NAME = 11
CHARACTER = 8.0
"""Mean width of a character, px, with some to spare."""
KEY_LINE = 20
MANY_ROWS = 20
"""Above more rows than this the axis is written too."""
AXIS = 18

_HIDDEN_AXIS = {"axis": None}


@dataclass(frozen=True, slots=True)
class Dot:
    """A point, and the interval around it."""

    value: float
    low: float | None = None
    high: float | None = None
    inner: tuple[float, float] | None = None
    """A narrower interval within it, drawn thicker."""
    outer: tuple[float, float] | None = None
    """A wider interval around it, drawn lighter."""
    colour: str = field(default_factory=lambda: variable("mark"))
    interval_colour: str | None = None
    """None: the same."""
    shape: str = "circle"
    is_hollow: bool = False
    offset: float = 0.0
    """From the middle of the row, in rows."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row with its marks; a heading if it has none and no ``text``."""

    label: str
    dots: tuple[Dot, ...] = ()
    name: str = ""
    """What the row is called by a screen reader, and shown where the pointer rests."""
    text: str = ""
    """At the right end."""
    href: str | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """What a colour and shape stand for."""

    name: str
    colour: str
    shape: str = "circle"
    is_hollow: bool = False
    opacity: float = 1.0
    """Of what is within its outline."""


def row_spec(
    rows: Sequence[Row],
    scale: Scale,
    *,
    axis_title: str,
    reference: float | None = None,
    keys: Sequence[Key] = (),
    row_height: float = ROW,
    has_separators: bool = False,
) -> dict[str, Any]:
    """A chart of rows: names at the left, marks on a common scale, numbers at the right.

    Parameters
    ----------
    reference
        Where a line stands behind the marks, such as 0 or one half; None for none.
    keys
        Are explained above the rows.
    row_height
        In px.
    has_separators
        Whether there are lines between rows: where a row has several marks.
    """
    key_space = key_height(keys)
    above = AXIS if len(rows) > MANY_ROWS else 0
    dots = [
        {
            "y": number + 0.5 + dot.offset,
            "value": dot.value,
            "low": dot.low,
            "high": dot.high,
            "inner_low": dot.inner[0] if dot.inner else None,
            "inner_high": dot.inner[1] if dot.inner else None,
            "outer_low": dot.outer[0] if dot.outer else None,
            "outer_high": dot.outer[1] if dot.outer else None,
            "colour": dot.colour,
            "fill": variable("surface") if dot.is_hollow else dot.colour,
            "interval_colour": dot.interval_colour or dot.colour,
            "shape": dot.shape,
        }
        for number, row in enumerate(rows)
        for dot in row.dots
    ]
    with_interval = [dot for dot in dots if dot["low"] is not None]
    with_outer = [dot | {"interval_colour": variable("muted")} for dot in dots if dot["outer_low"] is not None]
    with_inner = [dot for dot in dots if dot["inner_low"] is not None]
    y = {"field": "y", "type": "quantitative", "scale": {"domain": [0, len(rows)], "reverse": True}, "axis": None}
    x = {
        "field": "value",
        "type": "quantitative",
        "scale": scale.encoding(),
        "axis": scale.axis(title=axis_title, titlePadding=8),
    }
    colour = {"field": "colour", "type": "nominal", "scale": None, "legend": None}

    def span(data: list[dict[str, Any]], prefix: str, width: float, name: str) -> dict[str, Any]:
        ends = {"x": {**x, "field": f"{prefix}low"}, "x2": {"field": f"{prefix}high"}}
        return {
            "name": name,
            "data": {"values": data},
            "mark": {"type": "rule", "strokeWidth": width, "strokeCap": "butt"},
            "encoding": {**ends, "y": y, "color": {**colour, "field": "interval_colour"}},
        }

    layers: list[dict[str, Any]] = [_separators(rows, y)] if has_separators else []
    if reference is not None:
        layers.append(
            {
                "name": "reference",
                "data": {"values": [{"value": reference}]},
                "mark": {"type": "rule", "strokeWidth": 1.5},
                "encoding": {"x": x},
            }
        )
    layers += [
        span(with_outer, "outer_", 2, "outer"),
        span(with_interval, "", 2, "interval"),
        span(with_inner, "inner_", 5, "inner"),
        {
            "name": "estimate",
            "data": {"values": dots},
            "mark": {"type": "point", "size": 64, "strokeWidth": 2, "opacity": 1, "aria": False},
            "encoding": {
                "x": x,
                "y": y,
                "stroke": colour,
                "fill": {"field": "fill", "type": "nominal", "scale": None, "legend": None},
                "shape": {"field": "shape", "type": "nominal", "scale": None, "legend": None},
            },
        },
        *_row_texts(rows, y, row_height),
        _row_targets(rows, y),
        _upper_axis(scale, x) if above else {"data": {"values": []}},
        *key_layers(keys, left=-LABELS, top=-above - key_space - TOP + 2),
    ]
    height = row_height * len(rows)
    return {
        "width": WIDTH - LABELS - VALUES,
        "height": height,
        "padding": {"left": LABELS, "right": VALUES, "top": TOP + above + key_space, "bottom": BOTTOM},
        "layer": [layer for layer in layers if layer["data"]["values"]],
    }


def _upper_axis(scale: Scale, x: dict[str, Any]) -> dict[str, Any]:
    """The numbers of the axis again, above many rows."""
    return {
        "name": "upper-axis",
        "data": {"values": [{"value": tick} for tick in scale.ticks]},
        "mark": {"type": "text", "baseline": "bottom", "text": {"expr": scale.label}},
        "encoding": {"x": x, "y": {"value": -6}},
    }


def _separators(rows: Sequence[Row], y: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": "separators",
        "data": {"values": [{"y": number} for number in range(1, len(rows))]},
        "mark": {"type": "rule", "color": variable("grid")},
        "encoding": {"x": {"value": -LABELS}, "x2": {"value": WIDTH - LABELS}, "y": y},
    }


def _row_texts(rows: Sequence[Row], y: dict[str, Any], row_height: float) -> list[dict[str, Any]]:
    headings: list[dict[str, Any]] = []
    names: list[dict[str, Any]] = []
    halves: list[dict[str, Any]] = []
    for number, row in enumerate(rows):
        middle, lines = number + 0.5, _lines(row.label)
        if not row.dots and not row.text:
            headings.append({"y": middle, "text": row.label})
        elif len(lines) == 1:
            names.append({"y": middle, "text": row.label})
        else:
            apart = 0.24 * ROW / row_height
            halves += [{"y": middle + side * apart, "text": line} for side, line in zip((-1, 1), lines, strict=True)]
    values = [{"y": number + 0.5, "text": row.text} for number, row in enumerate(rows) if row.text]
    return [
        label_layer(names, y, x=-10, align="right", name="labels", limit=LABELS - 12),
        label_layer(halves, y, x=-10, align="right", name="long-labels", limit=LABELS - 12, size=SMALL_NAME),
        label_layer(headings, y, x=-LABELS, align="left", name="headings", limit=WIDTH, weight="bold"),
        label_layer(values, y, x=WIDTH - LABELS - 2, align="right", name="values", limit=VALUES),
    ]


def _lines(text: str) -> list[str]:
    """A name in one line, or in two of about equal length if it is too long for one."""
    words = text.split()
    if len(text) <= ONE_LINE or len(words) < 2:
        return [text]
    breaks = [(" ".join(words[:at]), " ".join(words[at:])) for at in range(1, len(words))]
    return list(min(breaks, key=lambda halves: max(map(len, halves))))


def _row_targets(rows: Sequence[Row], y: dict[str, Any]) -> dict[str, Any]:
    """A clear box over each row: what a pointer rests on, and what a link is around."""
    boxes = [
        {"y": number, "y2": number + 1, "name": row.name, "href": row.href}
        for number, row in enumerate(rows)
        if row.name
    ]
    encoding: dict[str, Any] = {
        "x": {"value": -LABELS + 1},
        "x2": {"value": WIDTH - LABELS - 1},
        "y": y,
        "y2": {"field": "y2"},
        "description": {"field": "name", "type": "nominal"},
    }
    if any(box["href"] for box in boxes):
        encoding["href"] = {"field": "href", "type": "nominal"}
    return {
        "name": "rows",
        "data": {"values": boxes},
        # Filled, if with nothing to be seen: what is not filled is not rested on.
        "mark": {"type": "rect", "fill": "currentColor", "fillOpacity": 0, "stroke": None},
        "encoding": encoding,
    }


def label_layer(
    texts: Sequence[dict[str, Any]],
    y: dict[str, Any],
    *,
    x: float,
    align: str,
    name: str,
    limit: float,
    weight: str = "normal",
    size: float = FONT_SIZE,
) -> dict[str, Any]:
    """Texts (fields ``y`` and ``text``) in a column at ``x`` px."""
    return {
        "name": name,
        "data": {"values": list(texts)},
        "mark": {
            "type": "text",
            "align": align,
            "baseline": "middle",
            "limit": limit,
            "fontWeight": weight,
            "fontSize": size,
        },
        "encoding": {"x": {"value": x}, "y": y, "text": {"field": "text", "type": "nominal"}},
    }


def key_height(keys: Sequence[Key]) -> float:
    """How much room the keys take, px."""
    return KEY_LINE * (1 + max(line for _, _, line in _placed(keys))) + 2 if keys else 0


def key_layers(keys: Sequence[Key], *, left: float, top: float) -> list[dict[str, Any]]:
    """Keys of colours and shapes, one after the other in lines, beginning at a point of the plot, px."""
    values = [
        {
            "x": left + x + 8,
            "y": top + KEY_LINE * (line + 0.5),
            "text": key.name,
            "colour": key.colour,
            "fill": variable("surface") if key.is_hollow else key.colour,
            "shape": key.shape,
            "opacity": key.opacity,
        }
        for key, x, line in _placed(keys)
    ]
    place = {name: {"field": name, "type": "quantitative", "scale": None, "axis": None} for name in ("x", "y")}
    plain = {"type": "nominal", "scale": None, "legend": None}
    bands = any(key.opacity < 1 for key in keys)
    return [
        {
            "name": "keys",
            "data": {"values": values},
            "mark": {"type": "point", "size": 64, "strokeWidth": 2, "aria": False},
            "encoding": {
                **place,
                "stroke": {"field": "colour", **plain},
                "fill": {"field": "fill", **plain},
                "shape": {"field": "shape", **plain},
                **({"fillOpacity": {"field": "opacity", **plain, "type": "quantitative"}} if bands else {}),
            },
        },
        {
            "name": "key-names",
            "data": {"values": values},
            "mark": {"type": "text", "align": "left", "baseline": "middle", "dx": 9, "fontSize": FONT_SIZE},
            "encoding": {**place, "text": {"field": "text", "type": "nominal"}},
        },
    ]


def _placed(keys: Sequence[Key]) -> list[tuple[Key, float, int]]:
    """Each key with its distance from the left, px, and its line."""
    placed, x, line = [], 0.0, 0
    for key in keys:
        width = 18 + CHARACTER * len(key.name) + 14
        if x and x + width > WIDTH:
            x, line = 0.0, line + 1
        placed.append((key, x, line))
        x += width
    return placed
