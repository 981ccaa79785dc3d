"""Shares or means over periods: a line with its band for each area or group, or each option, waves marked.

Where estimates have a second interval, with the error that polls share, a lighter band has it.
"""

from collections.abc import Sequence
from typing import Any

from api.charts.chart import Chart, draw_chart, name_of, percent
from api.charts.layout import BOTTOM, WIDTH, Key, key_height, key_layers
from api.charts.measures import (
    MODEL_INTERVAL,
    TOTAL_INTERVAL,
    estimate_name,
    is_of_means,
    measure_of,
    outer_of,
    scale_of,
    span_of,
    value_of,
    written,
)
from api.charts.rows import WaveMark
from api.charts.theme import DASHES, SERIES, SHAPES, SMALL, variable
from api.trend_payloads import TrendPayload, TrendPoint

__all__ = ["MOST_LINES", "options_trend_chart", "trend_chart"]

MOST_LINES = 4
"""Areas or groups that can be told apart at a glance; of more the first are drawn, and the description says so."""
UNASKED = frozenset({"no-interviews", "few-interviews"})
"""Flags of points that are hollow."""
BAND, OUTER_BAND = 0.22, 0.1
"""How opaque the model's intervals are, and those with the error that polls share."""
HEIGHT = 200.0
LEFT, RIGHT, TOP = 46.0, 30.0, 10.0
WAVES = 22.0
"""Below the plot, for the marks of waves."""
LABEL = 9.8
"""Width of a character of a period's name, px, with the space between names."""


def trend_chart(payload: TrendPayload, *, waves: Sequence[WaveMark] = (), title: str | None = None) -> Chart:
    """Shares or means over the periods of one fit.

    Parameters
    ----------
    payload
        The answer; of more than ``MOST_LINES`` areas or groups the first are drawn.
    waves
        Are marked below their period.
    title
        Instead of one made from the payload.

    Raises
    ------
    ChartFailed
        If it cannot be drawn.
    """
    lines: dict[str, list[TrendPoint]] = {}
    for point in payload.points:
        lines.setdefault(name_of(point), []).append(point)
    what = measure_of(payload) if is_of_means(payload) else payload.option
    return _chart(payload, lines, waves=waves, title=title or f"{what}: over time", most=MOST_LINES)


def options_trend_chart(
    payloads: Sequence[TrendPayload], *, waves: Sequence[WaveMark] = (), title: str | None = None
) -> Chart:
    """Shares of several options over the periods of one fit, a line and band each.

    Parameters
    ----------
    payloads
        The answer for each option, at least one, of one area or group: of each the first is drawn. Options after the
        eighth are left out, which the description says.
    waves, title
        As for `trend_chart`.

    Raises
    ------
    ChartFailed
        If it cannot be drawn.
    """
    lines = {
        payload.option or "": [point for point in payload.points if name_of(point) == name_of(payload.points[0])]
        for payload in payloads
        if payload.points
    }
    return _chart(payloads[0], lines, waves=waves, title=title or "Options over time", most=len(SERIES))


def _chart(
    payload: TrendPayload,
    lines: dict[str, list[TrendPoint]],
    *,
    waves: Sequence[WaveMark],
    title: str,
    most: int,
) -> Chart:
    drawn = dict(list(lines.items())[:most])
    shown = [point for line in drawn.values() for point in line]
    outer = [ends for point in shown if (ends := outer_of(point)) is not None]
    scale = scale_of(payload, [end for ends in (*map(span_of, shown), *outer) for end in ends])
    at = {period: number for number, period in enumerate(payload.periods)}
    points = [
        {
            "x": at[point.period],
            "value": value_of(point),
            "low": point.low,
            "high": point.high,
            **_outer_ends(point),
            "series": name,
            "name": f"{_in(point, name, len(drawn))}{_interviewed(point)}",
            "is_hollow": bool(UNASKED.intersection(point.flags)),
        }
        for name, line in drawn.items()
        for point in line
        if point.period in at
    ]
    keys = [Key(name, SERIES[number], SHAPES[number]) for number, name in enumerate(drawn)] if len(drawn) > 1 else []
    if outer:
        keys += [
            Key(MODEL_INTERVAL, variable("mark"), "square", opacity=BAND + OUTER_BAND),
            Key(TOTAL_INTERVAL, variable("mark"), "square", opacity=OUTER_BAND),
        ]
    key_space = key_height(keys)
    width = WIDTH - LEFT - RIGHT
    spec = {
        "width": width,
        "height": HEIGHT,
        "padding": {"left": LEFT, "right": RIGHT, "top": TOP + key_space, "bottom": BOTTOM + (WAVES if waves else 0)},
        "layer": [
            layer
            for layer in (
                *_lines(
                    points,
                    list(drawn),
                    scale=scale.encoding(),
                    axis=scale.axis(title=measure_of(payload) if is_of_means(payload) else None),
                    periods=payload.periods,
                    width=width,
                ),
                *_waves(waves, at, width),
                *key_layers(keys, left=-LEFT + 4, top=-key_space - TOP + 4),
            )
            if layer["data"]["values"]
        ],
    }
    return draw_chart(
        spec,
        title=title,
        description=_described(payload, drawn, len(lines), waves),
    )


def _lines(
    points: list[dict[str, Any]],
    names: list[str],
    *,
    scale: dict[str, Any],
    axis: dict[str, Any],
    periods: Sequence[str],
    width: float,
) -> list[dict[str, Any]]:
    # Half a step of room at both ends; a single period stands in the middle.
    ends = [-0.5, max(len(periods), 1) - 0.5]
    longest = max((len(period) for period in periods), default=1)
    every = max(1, -(-int(longest * LABEL * len(periods)) // int(width)))
    shown = list(range(len(periods) - 1, -1, -every))[::-1]  # the last one always
    label = "[" + ",".join(f"'{_quoted(period)}'" for period in periods) + "][datum.value]"
    x = {
        "field": "x",
        "type": "quantitative",
        "scale": {"domain": ends, "nice": False, "zero": False},
        "axis": {
            "values": shown,
            "labelExpr": label,
            "grid": False,
            "title": None,
            "domain": True,
            "ticks": True,
            "labelOverlap": False,
        },
    }
    y = {"field": "value", "type": "quantitative", "scale": scale, "axis": axis}
    colours, shapes, dashes = list(SERIES[: len(names)]), list(SHAPES[: len(names)]), list(DASHES[: len(names)])
    colour = {"field": "series", "type": "nominal", "scale": {"domain": names, "range": colours}, "legend": None}
    shape = {"field": "series", "type": "nominal", "scale": {"domain": names, "range": shapes}, "legend": None}
    dash = {"field": "series", "type": "nominal", "scale": {"domain": names, "range": dashes}, "legend": None}
    data = {"values": points}
    outer = [point for point in points if point["outer_low"] is not None]
    hollow = {"condition": {"test": "datum.is_hollow", "value": variable("surface")}, **colour}
    return [
        {
            "name": "outer-band",
            "data": {"values": outer},
            "mark": {"type": "area", "opacity": OUTER_BAND, "aria": False},
            "encoding": {"x": x, "y": {**y, "field": "outer_low"}, "y2": {"field": "outer_high"}, "color": colour},
        },
        {
            "name": "outer",
            "data": {"values": [point for point in outer if _is_alone(point, points)]},
            "mark": {"type": "rule", "strokeWidth": 2, "opacity": 0.4, "aria": False},
            "encoding": {"x": x, "y": {**y, "field": "outer_low"}, "y2": {"field": "outer_high"}, "color": colour},
        },
        {
            "name": "band",
            "data": data,
            "mark": {"type": "area", "opacity": BAND, "aria": False},
            "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}, "color": colour},
        },
        {
            "name": "interval",
            "data": {"values": [point for point in points if _is_alone(point, points)]},
            "mark": {"type": "rule", "strokeWidth": 2},
            "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}, "color": colour},
        },
        {
            "name": "line",
            "data": data,
            "mark": {"type": "line", "strokeWidth": 2, "aria": False},
            "encoding": {"x": x, "y": y, "color": colour, "strokeDash": dash},
        },
        {
            "name": "estimate",
            "data": data,
            "mark": {"type": "point", "size": 44, "strokeWidth": 2, "opacity": 1},
            "encoding": {
                "x": x,
                "y": y,
                "stroke": colour,
                "fill": hollow,
                "shape": shape,
                "description": {"field": "name", "type": "nominal"},
            },
        },
    ]


def _outer_ends(point: TrendPoint) -> dict[str, float | None]:
    low, high = outer_of(point) or (None, None)
    return {"outer_low": low, "outer_high": high}


def _is_alone(point: dict[str, Any], points: list[dict[str, Any]]) -> bool:
    """Whether it is the only one of its line: a band of one period has no width."""
    return sum(1 for other in points if other["series"] == point["series"]) == 1


def _waves(waves: Sequence[WaveMark], at: dict[str, int], width: float) -> list[dict[str, Any]]:
    """Triangles below the axis, one a period with all its waves in its name, and what they mean."""
    names: dict[str, list[str]] = {}
    for wave in waves:
        if wave.period in at:
            names.setdefault(wave.period, []).append(wave.name)
    step = width / max(len(at), 1)
    y = HEIGHT + 34
    marks = [
        {"x": (at[period] + 0.5) * step, "y": y, "name": f"{period}: {', '.join(those)}", "text": _times(len(those))}
        for period, those in names.items()
    ]
    place = {channel: {"field": channel, "type": "quantitative", "scale": None, "axis": None} for channel in ("x", "y")}
    legend = [{"x": -LEFT + 4, "y": HEIGHT + 58, "text": "▲ waves of interviews"}] if marks else []
    text = {"text": {"field": "text", "type": "nominal"}}
    return [
        {
            "name": "waves",
            "data": {"values": marks},
            "mark": {"type": "point", "shape": "triangle-up", "size": 60, "color": variable("muted")},
            "encoding": {**place, "description": {"field": "name", "type": "nominal"}},
        },
        {
            "name": "wave-counts",
            "data": {"values": [mark for mark in marks if mark["text"]]},
            "mark": {"type": "text", "align": "left", "dx": 8, "baseline": "middle", "fontSize": SMALL},
            "encoding": {**place, **text},
        },
        {
            "name": "wave-key",
            "data": {"values": legend},
            "mark": {"type": "text", "align": "left", "baseline": "middle", "fontSize": SMALL},
            "encoding": {**place, **text},
        },
    ]


def _times(number: int) -> str:
    return f"×{number}" if number > 1 else ""


def _quoted(text: str) -> str:
    """Text within a literal of Vega's expressions."""
    return text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", " ")


def _in(point: TrendPoint, name: str, n_lines: int) -> str:
    return estimate_name(f"{name}, {point.period}" if n_lines > 1 else point.period, point)


def _interviewed(point: TrendPoint) -> str:
    if "no-interviews" in point.flags:
        return ", nobody interviewed in it"
    return ", few interviewed in it" if UNASKED.intersection(point.flags) else ""


def _described(
    payload: TrendPayload, drawn: dict[str, list[TrendPoint]], n_lines: int, waves: Sequence[WaveMark]
) -> str:
    if not any(drawn.values()):
        return f"Nothing is estimated over time of {payload.text}"
    ends = [
        f"{name}: from {written(line[0])} in {line[0].period} to {estimate_name(line[-1].period, line[-1])}"
        for name, line in drawn.items()
    ]
    left_out = f" The first {len(drawn)} of {n_lines} are drawn." if n_lines > len(drawn) else ""
    marked = f" {len(waves)} waves are marked." if waves else ""
    hollow = (
        " Hollow: nobody or few interviewed in the period."
        if any(UNASKED.intersection(p.flags) for d in drawn.values() for p in d)
        else ""
    )
    return f"{percent(payload.interval)} intervals as bands. {'. '.join(ends)}.{left_out}{hollow}{marked}"
