"""How probable each number of seats is."""

from collections.abc import Sequence
from typing import Any

from api.charts.chart import Chart, draw_chart, percent
from api.charts.layout import BOTTOM, WIDTH, Dot, Key, Row, key_height, key_layers, row_spec
from api.charts.scales import count_scale, share_scale
from api.charts.theme import DASHES, SERIES, SHAPES, SMALL, variable
from api.district_payloads import OptionSeatsPayload, SeatsPayload

__all__ = ["seats_chart"]

HEIGHT = 150.0
LEFT, RIGHT, TOP = 46.0, 14.0, 24.0
MOST_BARS = 60
"""More numbers of seats than this are taken together in steps."""


def seats_chart(payload: SeatsPayload, *, title: str | None = None) -> Chart:
    """The distribution of seats of either option, with the line of the majority; of more options their intervals.

    Raises
    ------
    ChartFailed
        If it cannot be drawn.
    """
    if len(payload.options) > 2:
        return _of_several(payload, title or "Seats")
    options = payload.options
    numbers = [chance.seats for option in options for chance in option.distribution] or [0]
    majority = payload.n_seats // 2 + 1
    low, high = min(numbers), max(numbers)
    step = max(1, -(-(high - low + 1) // MOST_BARS))
    bars = [bar for number, option in enumerate(options) for bar in _bars(option, number, low, step)]
    y_scale = share_scale([0.0, *(bar["probability"] for bar in bars)], most_steps=4)
    keys = [Key(option.option, SERIES[number], "square", is_hollow=number > 0) for number, option in enumerate(options)]
    key_space = key_height(keys)
    is_in_view = low - 2 * step <= majority <= high + 2 * step
    in_view = [low, high, *([majority] if is_in_view else [])]
    last = max(low + -(-(high - low + 1) // step) * step - 1, *in_view)
    domain = [min(in_view) - 0.5, last + 0.5]
    x = {
        "field": "seats",
        "type": "quantitative",
        "scale": {"domain": domain, "nice": False, "zero": False},
        "axis": {
            "title": f"Seats of {payload.n_seats}",
            "grid": False,
            "domain": True,
            "tickMinStep": 1,
            "format": "d",
        },
    }
    y = {"field": "probability", "type": "quantitative", "scale": y_scale.encoding(), "axis": y_scale.axis(title=None)}
    place = {"x": x, "x2": {"field": "end"}, "y": y, "y2": {"field": "zero"}}
    layers: list[dict[str, Any]] = []
    for number in range(len(options)):
        mine = [bar for bar in bars if bar["option"] == number]
        # The second is an outline, so that where both are both are seen.
        looks: dict[str, Any] = (
            {"fill": SERIES[0], "fillOpacity": 0.75}
            if number == 0
            else {
                "fill": SERIES[1],
                "fillOpacity": 0.2,
                "stroke": SERIES[1],
                "strokeWidth": 1.5,
                "strokeDash": DASHES[0],
            }
        )
        layers.append(
            {
                "name": f"option-{number + 1}",
                "data": {"values": mine},
                "mark": {"type": "rect", **looks},
                "encoding": {**place, "description": {"field": "name", "type": "nominal"}},
            }
        )
    if is_in_view:
        layers += _majority(majority, x)
    layers += key_layers(keys, left=-LEFT + 4, top=-key_space - TOP + 4)
    spec = {
        "width": WIDTH - LEFT - RIGHT,
        "height": HEIGHT,
        "padding": {"left": LEFT, "right": RIGHT, "top": TOP + key_space, "bottom": BOTTOM},
        "layer": [layer for layer in layers if layer["data"]["values"]],
    }
    description = f"How probable each number of seats is, of {payload.n_seats}; a majority is {majority}. "
    return draw_chart(spec, title=title or "Seats", description=description + _said(options))


def _of_several(payload: SeatsPayload, title: str) -> Chart:
    """Seats of each option with their interval, one row an option: bars of more than two would hide each other."""
    majority = payload.n_seats // 2 + 1
    rows = [
        Row(
            label=option.option,
            dots=(Dot(option.seats, option.low, option.high, colour=_colour(place), shape=_shape(place)),),
            name=f"{option.option}: {option.seats:.0f} seats ({option.low:.0f} to {option.high:.0f})",
            text=f"{option.seats:.0f}",
        )
        for place, option in enumerate(payload.options)
    ]
    highest = max(option.high for option in payload.options)
    is_in_view = majority <= 1.25 * highest
    spec = row_spec(
        rows,
        count_scale([highest, *([float(majority)] if is_in_view else [])]),
        axis_title=f"Seats of {payload.n_seats}" + (f", line at {majority}: the majority" if is_in_view else ""),
        reference=float(majority) if is_in_view else None,
    )
    description = f"Seats of each option with their intervals, of {payload.n_seats}; a majority is {majority}. "
    return draw_chart(spec, title=title, description=description + _said(payload.options))


def _colour(place: int) -> str:
    return SERIES[place] if place < len(SERIES) else variable("muted")


def _shape(place: int) -> str:
    return SHAPES[place % len(SHAPES)]


def _said(options: Sequence[OptionSeatsPayload]) -> str:
    said = [
        f"{option.option}: {option.seats:.0f} seats ({option.low:.0f} to {option.high:.0f}), "
        f"{percent(option.p_majority)} probable to have a majority"
        for option in options
    ]
    return f"{'. '.join(said)}."


def _bars(option: OptionSeatsPayload, number: int, low: int, step: int) -> list[dict[str, Any]]:
    together: dict[int, float] = {}
    for chance in option.distribution:
        first = low + (chance.seats - low) // step * step
        together[first] = together.get(first, 0.0) + chance.probability
    return [
        {
            "option": number,
            "seats": first - 0.5 + 0.06 * step,
            "end": first + step - 0.5 - 0.06 * step,
            "probability": probability,
            "zero": 0,
            "name": f"{option.option}: {_seats(first, step)}, {percent(probability)}",
        }
        for first, probability in sorted(together.items())
    ]


def _seats(first: int, step: int) -> str:
    if step > 1:
        return f"{first} to {first + step - 1} seats"
    return "1 seat" if first == 1 else f"{first} seats"


def _majority(majority: int, x: dict[str, Any]) -> list[dict[str, Any]]:
    at = {"values": [{"seats": majority - 0.5, "text": f"majority: {majority}"}]}
    return [
        {
            "name": "majority",
            "data": at,
            "mark": {"type": "rule", "strokeWidth": 1.5, "color": variable("line"), "strokeDash": [4, 3]},
            "encoding": {"x": x},
        },
        {
            "name": "majority-name",
            "data": at,
            "mark": {"type": "text", "baseline": "bottom", "fontSize": SMALL, "dy": -4},
            "encoding": {"x": x, "y": {"value": 0}, "text": {"field": "text", "type": "nominal"}},
        },
    ]
