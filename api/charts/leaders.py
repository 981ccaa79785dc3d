"""The map of several options: in each district the colour of the one that leads, the greyer the less sure that is.

Who cannot tell the colours apart reads the mark on a tile, which the key explains, or a district's name; the table
beside the map says the same exactly.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.answer_payloads import GroupRow
from api.charts.chart import Chart, Link, draw_chart, percent
from api.charts.coloured import text_layer
from api.charts.layout import WIDTH, Key, key_height, key_layers
from api.charts.maps import NO_ESTIMATE, map_layers
from api.charts.measures import estimate_name
from api.charts.places import Places, Shapes
from api.charts.theme import LEAD_ROWS, N_SERIES, SERIES, variable
from api.leading import AreaLeader, LeadersPayload

__all__ = ["leaders_map", "marks_of"]

SQUARE = 16.0


def leaders_map(
    payload: LeadersPayload,
    options: Sequence[str],
    places: Places,
    *,
    link: Link | None = None,
    title: str | None = None,
) -> Chart:
    """The leading option by district, on a map.

    Parameters
    ----------
    payload
        One row a district; `GroupRow.area` is its code.
    options
        All options of the question, in the order that gives them their colours. Those after the eighth are grey.
    places, link, title
        As for `api.charts.district_map`.

    Raises
    ------
    ChartFailed
        If it cannot be drawn.
    """
    rows = {row.area: row for row in payload.leaders}
    withheld = {row.area: row.reason for row in payload.withheld}
    names = places.names if isinstance(places, Shapes) else {tile.code: tile.name for tile in places.tiles}
    short = marks_of(options)
    marks = {
        code: _Colouring(options, short).mark(rows[code])
        if code in rows
        else {"name": f"{name}: {withheld.get(code, NO_ESTIMATE)}", "fill": None, "ink": None, "text": ""}
        for code, name in names.items()
    }
    for code, name in names.items():
        area = rows.get(code) or GroupRow(area=code, area_name=name, groups={})
        marks[code]["href"] = None if link is None else link(area)
    layers, height = map_layers(places, marks)
    seen = [option for option in options if any(row.option == option for row in rows.values())]
    keys = [
        Key(_key(option, short, is_tiled=not isinstance(places, Shapes)), _plain(options, option)) for option in seen
    ]
    below = key_height(keys) + 2 * SQUARE + 20
    spec = {
        "width": WIDTH - 4,
        "height": height,
        "padding": {"left": 2, "right": 2, "top": 2, "bottom": below + 8},
        "layer": [
            layer
            for layer in [
                *layers,
                *key_layers(keys, left=0, top=height + 10),
                *_sureness(height + 14 + key_height(keys)),
            ]
            if layer["data"]["values"]
        ],
    }
    what = title or f"Which option leads: by {payload.level}"
    return draw_chart(spec, title=what, description=_described(payload, seen, len(names)))


def marks_of(options: Sequence[str]) -> dict[str, str]:
    """What stands for each option on a tile: its first letter if that tells all apart, else its number."""
    letters = {option: option[:1].upper() for option in options}
    if len(set(letters.values())) == len(options):
        return letters
    return {option: str(place) for place, option in enumerate(options, start=1)}


@dataclass(frozen=True, slots=True)
class _Colouring:
    """Options with their colours and what stands for them."""

    options: Sequence[str]
    short: Mapping[str, str]

    def mark(self, row: AreaLeader) -> dict[str, Any]:
        """A district's."""
        place = self.options.index(row.option)
        colour = f"lead-{_row(row.p_leads)}-{place}"
        spoken = f"{row.area_name}: “{row.option}” leads with a probability of {percent(row.p_leads)}"
        spoken = f"{spoken}; {estimate_name('its share', row)}"
        return {
            "name": f"{spoken}, nobody interviewed" if "no-interviews" in row.flags else spoken,
            "fill": variable(colour) if place < N_SERIES else variable("grid"),
            "ink": variable(f"{colour}-ink") if place < N_SERIES else "currentColor",
            "text": self.short[row.option],
        }


def _row(probability: float) -> int:
    """Row of the palette for how probable the lead is."""
    return next((row for row, least in enumerate(LEAD_ROWS) if probability >= least), len(LEAD_ROWS))


def _plain(options: Sequence[str], option: str) -> str:
    place = options.index(option)
    return SERIES[place] if place < N_SERIES else variable("grid")


def _key(option: str, short: Mapping[str, str], *, is_tiled: bool) -> str:
    return f"{short[option]}: {option}" if is_tiled else option


def _sureness(top: float) -> list[dict[str, Any]]:
    """What greyness means, shown with the first colour."""
    least = (f"{percent(LEAD_ROWS[0])} or more", f"{percent(LEAD_ROWS[1])} or more", "less")
    step = WIDTH / 3.2
    squares = [
        {
            "x": step * row,
            "x2": step * row + SQUARE,
            "y": top + 14,
            "y2": top + 14 + SQUARE,
            "fill": variable(f"lead-{row}-0"),
        }
        for row in range(len(least))
    ]
    place = {channel: {"field": channel, "type": "quantitative", "scale": None, "axis": None} for channel in ("x", "y")}
    texts = [{"x": step * row + SQUARE + 6, "y": top + 14 + SQUARE / 2, "text": text} for row, text in enumerate(least)]
    return [
        {
            "name": "sureness",
            "data": {"values": squares},
            "mark": {"type": "rect", "stroke": variable("line"), "strokeWidth": 0.75, "aria": False},
            "encoding": {
                **place,
                "x2": {"field": "x2"},
                "y2": {"field": "y2"},
                "fill": {"field": "fill", "type": "nominal", "scale": None, "legend": None},
            },
        },
        text_layer("sureness-names", texts),
        text_layer(
            "sureness-title", [{"x": 0, "y": top + 8, "text": "Probability to lead"}], weight="bold", baseline="bottom"
        ),
    ]


def _described(payload: LeadersPayload, seen: Sequence[str], n_districts: int) -> str:
    if not payload.leaders:
        return f"Map of {n_districts} districts. There is no estimate for any of them."
    ahead = [sum(row.option == option for row in payload.leaders) for option in seen]
    sure = sum(row.p_leads >= LEAD_ROWS[0] for row in payload.leaders)
    told = ", ".join(f"“{option}” in {n}" for option, n in zip(seen, ahead, strict=True))
    return (
        f"Map of {n_districts} districts. Colour shows which option leads: {told}. It is the greyer, the less probable "
        f"the lead is; with {percent(LEAD_ROWS[0])} or more it leads in {sure} of them. Question: {payload.text}"
    )
