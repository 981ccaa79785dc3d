"""How right estimates were: coverage of intervals, error against lead time, error against the number of interviews."""

from collections.abc import Sequence
from typing import Any

from api.charts.chart import Chart, draw_chart, percent
from api.charts.layout import BOTTOM, WIDTH, Key, key_height, key_layers
from api.charts.rows import CoveragePoint, LeadTimePoint, LearningPoint
from api.charts.scales import Scale, count_scale, share_scale
from api.charts.theme import DASHES, SERIES, SHAPES, variable

__all__ = ["calibration_chart", "lead_time_chart", "learning_chart"]

LEFT, RIGHT, TOP = 62.0, 20.0, 10.0
SQUARE, HEIGHT = 300.0, 200.0
CHANCE = 0.9
"""Probability with which the observed coverage of right intervals lies in the band."""


def calibration_chart(points: Sequence[CoveragePoint], *, title: str = "Calibration") -> Chart:
    """How often intervals held the truth, against how often they should have: on the diagonal they are right.

    Around it is the band in which ``CHANCE`` of right intervals would lie: binomial, from the smallest number of
    intervals behind a point, as if their errors were independent (they are not quite, so a point a little outside
    proves nothing).

    Raises
    ------
    ChartFailed
        If it cannot be drawn.
    """
    every = Scale(0.0, 1.0, (0.0, 0.2, 0.4, 0.6, 0.8, 1.0), "format(datum.value, '.0%')")
    n = min((point.n for point in points), default=0)
    drawn: list[dict[str, Any]] = [
        {
            "x": point.nominal,
            "y": point.observed,
            "series": point.series,
            "name": f"{_of(point.series)}{percent(point.nominal)} intervals held the truth in "
            f"{percent(point.observed)} of {point.n}",
        }
        for point in points
    ]
    x, y = _axis("x", every, "Probability of the interval"), _axis("y", every, "How often it held the truth")
    layers = [
        {
            "name": "band",
            "data": {"values": _chance_band(n)},
            "mark": {"type": "area", "color": variable("muted"), "opacity": 0.2, "aria": False},
            "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}},
        },
        {
            "name": "diagonal",
            "data": {"values": [{"x": 0, "y": 0}, {"x": 1, "y": 1}]},
            "mark": {"type": "line", "color": variable("line"), "strokeWidth": 1.5, "aria": False},
            "encoding": {"x": x, "y": y},
        },
        *_series_layers(drawn, x, y, is_line=False),
    ]
    said = ". ".join(point["name"] for point in drawn) or "Nothing was scored"
    return _square_chart(layers, drawn, SQUARE, title=title, description=f"{said}.")


def lead_time_chart(
    points: Sequence[LeadTimePoint], *, title: str = "Error by lead time", error: str = "Error"
) -> Chart:
    """The error of each release against the days before the truth was known; time runs to the right.

    Parameters
    ----------
    error
        What kind of error, for the axis: "RMSE of district shares".

    Raises
    ------
    ChartFailed
        If it cannot be drawn.
    """
    days, errors = count_scale([point.days for point in points]), _error_scale([point.error for point in points])
    drawn: list[dict[str, Any]] = [
        {
            "x": point.days,
            "y": point.error,
            "series": point.series,
            "name": f"{_of(point.series)}{point.name}, {point.days:g} days before: {100 * point.error:.1f} points",
        }
        for point in sorted(points, key=lambda point: (point.series, -point.days))
    ]
    x = _axis("x", days, "Days before the result")
    x["scale"] = {**x["scale"], "reverse": True}
    layers = _series_layers(drawn, x, _axis("y", errors, f"{error}, points"), is_line=True)
    said = ". ".join(point["name"] for point in drawn[:12]) or "No release was scored"
    return _square_chart(layers, drawn, HEIGHT, title=title, description=f"{said}.")


def learning_chart(points: Sequence[LearningPoint], *, title: str = "Learning curve", error: str = "Error") -> Chart:
    """The error against the number of interviews, on a logarithmic axis, with an interval over repetitions.

    Raises
    ------
    ChartFailed
        If it cannot be drawn.
    """
    errors = _error_scale([end for point in points for end in (point.error, point.high)])
    drawn: list[dict[str, Any]] = [
        {
            "x": point.n_interviews,
            "y": point.error,
            "low": point.low,
            "high": point.high,
            "series": point.series,
            "name": f"{_of(point.series)}{point.n_interviews:,} interviews: {100 * point.error:.1f} points",
        }
        for point in sorted(points, key=lambda point: (point.series, point.n_interviews))
    ]
    numbers = sorted({point.n_interviews for point in points}) or [1]
    x = {
        "field": "x",
        "type": "quantitative",
        "scale": {"type": "log", "domain": [numbers[0] / 1.15, numbers[-1] * 1.15], "nice": False},
        "axis": {
            "values": numbers,
            "title": "Interviews",
            "format": ",d",
            "grid": False,
            "domain": True,
            "ticks": True,
        },
    }
    y = _axis("y", errors, f"{error}, points")
    names = _names(drawn)
    ends = {
        "name": "interval",
        "data": {"values": [point for point in drawn if point["low"] < point["high"]]},
        "mark": {"type": "rule", "strokeWidth": 1.5},
        "encoding": {
            "x": x,
            "y": {**y, "field": "low"},
            "y2": {"field": "high"},
            "color": _by_series(names, list(SERIES)),
        },
    }
    layers = [ends, *_series_layers(drawn, x, y, is_line=True)]
    said = ". ".join(point["name"] for point in drawn[:12]) or "Nothing was scored"
    return _square_chart(layers, drawn, HEIGHT, title=title, description=f"{said}.")


def _square_chart(
    layers: list[dict[str, Any]], drawn: list[dict[str, Any]], height: float, *, title: str, description: str
) -> Chart:
    names = [name for name in _names(drawn) if name]
    keys = [Key(name, SERIES[number % len(SERIES)], SHAPES[number % len(SHAPES)]) for number, name in enumerate(names)]
    key_space = key_height(keys)
    spec = {
        "width": WIDTH - LEFT - RIGHT,
        "height": height,
        "padding": {"left": LEFT, "right": RIGHT, "top": TOP + key_space, "bottom": BOTTOM + 2},
        "layer": [
            layer
            for layer in [*layers, *key_layers(keys, left=-LEFT + 4, top=-key_space - TOP + 4)]
            if layer["data"]["values"]
        ]
        or [{"mark": {"type": "point"}, "data": {"values": []}}],
    }
    return draw_chart(spec, title=title, description=description)


def _series_layers(
    drawn: list[dict[str, Any]], x: dict[str, Any], y: dict[str, Any], *, is_line: bool
) -> list[dict[str, Any]]:
    names = _names(drawn)
    colour = _by_series(names, list(SERIES))
    line = {
        "name": "line",
        "data": {"values": drawn},
        "mark": {"type": "line", "strokeWidth": 2, "aria": False},
        "encoding": {"x": x, "y": y, "color": colour, "strokeDash": _by_series(names, list(DASHES))},
    }
    dots = {
        "name": "estimate",
        "data": {"values": drawn},
        "mark": {"type": "point", "size": 64, "opacity": 1},
        "encoding": {
            "x": x,
            "y": y,
            "fill": colour,
            "shape": _by_series(names, list(SHAPES)),
            "description": {"field": "name", "type": "nominal"},
        },
    }
    return [line, dots] if is_line else [dots]


def _names(drawn: Sequence[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(point["series"] for point in drawn))


def _by_series(names: list[str], values: list[Any]) -> dict[str, Any]:
    range_ = [values[number % len(values)] for number in range(len(names))]
    return {"field": "series", "type": "nominal", "scale": {"domain": names, "range": range_}, "legend": None}


def _axis(field: str, scale: Scale, title: str) -> dict[str, Any]:
    return {
        "field": field,
        "type": "quantitative",
        "scale": scale.encoding(),
        # Room for three digits, so that the title stands clear of short numbers too.
        "axis": scale.axis(title=title, titlePadding=8, **({"minExtent": 34} if field == "y" else {})),
    }


def _error_scale(errors: Sequence[float]) -> Scale:
    """From zero on, in points."""
    scale = share_scale([0.0, *errors], most_steps=5)
    decimals = 0 if scale.ticks[1] - scale.ticks[0] >= 0.00999 else 1
    return Scale(scale.low, scale.high, scale.ticks, f"format(100 * datum.value, '.{decimals}f')")


def _chance_band(n: int) -> list[dict[str, float]]:
    if n <= 0:
        return []
    from scipy.stats import binom

    nominal = [number / 40 for number in range(41)]
    ends = [binom.interval(CHANCE, n, share) if 0 < share < 1 else (n * share, n * share) for share in nominal]
    return [
        {"x": share, "low": float(low) / n, "high": float(high) / n}
        for share, (low, high) in zip(nominal, ends, strict=True)
    ]


def _of(series: str) -> str:
    return f"{series}: " if series else ""
