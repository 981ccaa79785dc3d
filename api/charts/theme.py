"""How charts look: one palette of custom properties with a light and a dark value each, and one configuration.

A chart says ``var(--chart-...)`` and ``currentColor``, never a colour, so it follows the page's theme without being
drawn again. Text is ``currentColor`` in the page's font.

| property | is for | contrast with the surface |
|---|---|---|
| ``--chart-surface`` | the page behind charts | |
| ``--chart-mark`` | estimates: dots, intervals, bars | >= 3 |
| ``--chart-series-1`` ... ``8`` | several options or groups; dashes and shapes differ too | >= 3 |
| ``--chart-muted`` | text of second rank, and what stands beside an estimate (raw shares, a frame) | >= 4.5 |
| ``--chart-line`` | axes and the line at zero or one half | >= 3 |
| ``--chart-grid`` | lines that only guide the eye | |
| ``--chart-map-R-C`` | the map: row R of uncertainty, class C of the share | (shapes have an outline) |
| ``--chart-map-R-C-ink`` | text on it | >= 4.5 |
| ``--chart-lead-R-C`` | the map of what leads: option C, the greyer the less sure (row R) | (shapes have an outline) |
| ``--chart-lead-R-C-ink`` | text on it | >= 4.5 |

The map's colours are a value-suppressing uncertainty palette [1]: the wider the interval, the fewer classes of the
share are told apart (8, 4, 2, 1) and the greyer they are, so that a map shouts only what is known.

References
----------
.. [1] Correll, Moritz and Heer (2018), "Value-suppressing uncertainty palettes", CHI 2018,
   https://doi.org/10.1145/3173574.3174216
"""

from functools import cache
from typing import Any, Final

from api.charts.colour import contrast, mix

__all__ = [
    "CONFIG",
    "DASHES",
    "FONT_SIZE",
    "LEAD_ROWS",
    "MAP_CLASSES",
    "N_SERIES",
    "SERIES",
    "SHAPES",
    "SMALL",
    "palette",
    "stylesheet",
    "variable",
]

FONT_SIZE: Final = 14
"""Of text, px at full size; on a phone of 360 px a chart is about three quarters as large."""
SMALL: Final = 13
"""Of text in keys of maps."""

MAP_CLASSES: Final = (8, 4, 2, 1)
"""Classes of the share that are told apart, from the surest row of the map's palette to the least sure."""

_LIGHT: Final = {
    "surface": "#ffffff",
    "mark": "#0b5fa5",
    "series-1": "#0b5fa5",
    "series-2": "#d1610e",
    "series-3": "#22997d",
    "series-4": "#4a0d3d",
    "series-5": "#8c3116",
    "series-6": "#5990f3",
    "series-7": "#0407fb",
    "series-8": "#0b098c",
    "muted": "#57606a",
    "line": "#767f89",
    "grid": "#d9dde2",
}
_DARK: Final = {
    "surface": "#14191f",
    "mark": "#4c9bff",
    "series-1": "#4c9bff",
    "series-2": "#f08030",
    "series-3": "#9df2dc",
    "series-4": "#c07ac4",
    "series-5": "#d30618",
    "series-6": "#f7fd01",
    "series-7": "#0d56fd",
    "series-8": "#895a83",
    "muted": "#a3adb8",
    "line": "#7d8894",
    "grid": "#343c46",
}
# Viridis (van der Walt and Smith 2015), which keeps its order for colour-blind people and in grey. The largest share is
# what stands out most from the surface.
_VIRIDIS: Final = ("#440154", "#3b528b", "#21918c", "#5ec962", "#fde725")
_UNSURE: Final = {"light": "#d3d7dc", "dark": "#4b535d"}
_GREYNESS: Final = (0.0, 0.3, 0.55, 0.8)
# Against any colour, black or white has a contrast of 4.58 or more.
_LEAD_GREYNESS: Final = (0.0, 0.45, 0.8)
_INKS: Final = ("#ffffff", "#000000")

N_SERIES: Final = 8
SERIES: Final = tuple(f"var(--chart-series-{number})" for number in range(1, N_SERIES + 1))
DASHES: Final = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [12, 3], [4, 4], [1, 3], [10, 3, 3, 3])
SHAPES: Final = (
    "circle",
    "square",
    "triangle-up",
    "diamond",
    "cross",
    "triangle-down",
    "triangle-left",
    "triangle-right",
)
LEAD_ROWS: Final = (0.95, 0.75)
"""An option that leads with these probabilities has its colour in full, half greyed; with less it is nearly grey."""


def variable(name: str) -> str:
    """A colour of the palette as a chart names it."""
    return f"var(--chart-{name})"


@cache
def palette(theme: str) -> dict[str, str]:
    """Every colour of a theme ("light" or "dark") by its name without ``--chart-``."""
    colours = dict(_LIGHT if theme == "light" else _DARK)
    ramp = _VIRIDIS[::-1] if theme == "light" else _VIRIDIS
    for row, (n_classes, greyness) in enumerate(zip(MAP_CLASSES, _GREYNESS, strict=True)):
        for column in range(n_classes):
            colour = mix(_along(ramp, (column + 0.5) / n_classes), _UNSURE[theme], greyness)
            colours[f"map-{row}-{column}"] = colour
            colours[f"map-{row}-{column}-ink"] = _ink(colour)
    for row, greyness in enumerate(_LEAD_GREYNESS):
        for number in range(N_SERIES):
            colour = mix(colours[f"series-{number + 1}"], _UNSURE[theme], greyness)
            colours[f"lead-{row}-{number}"] = colour
            colours[f"lead-{row}-{number}-ink"] = _ink(colour)
    return colours


@cache
def stylesheet() -> str:
    """The palette and the few rules of charts as CSS, for the page's style sheet.

    Dark where the reader's system asks for it and the root element has no ``data-theme="light"``, or where it has
    ``data-theme="dark"``. Printed, always light.
    """
    light, dark = (
        "".join(f"--chart-{name}:{colour};" for name, colour in palette(theme).items()) for theme in ("light", "dark")
    )
    return (
        f":root{{{light}}}\n"
        f'@media screen and (prefers-color-scheme:dark){{:root:not([data-theme="light"]){{{dark}}}}}\n'
        f'@media screen{{:root[data-theme="dark"]{{{dark}}}}}\n'
        ".chart svg{display:block;width:100%;height:auto;max-width:34rem;overflow:visible}\n"
        ".chart svg a:focus-visible{outline:3px solid currentColor;outline-offset:1px}\n"
        ".chart svg a:hover path,.chart svg a:focus-visible path{stroke:currentColor;stroke-width:2}\n"
        "@media print{.chart svg{break-inside:avoid}}\n"
    )


def _ink(colour: str) -> str:
    """The colour of text that is read best on another."""
    return max(_INKS, key=lambda ink: contrast(ink, colour))


def _along(ramp: tuple[str, ...], part: float) -> str:
    """The colour at a part, in [0, 1], of the way along a ramp."""
    whole = min(int(part * (len(ramp) - 1)), len(ramp) - 2)
    return mix(ramp[whole], ramp[whole + 1], part * (len(ramp) - 1) - whole)


_TEXT: Final = "currentColor"

CONFIG: Final[dict[str, Any]] = {
    "view": {"stroke": None},
    "font": "sans-serif",
    "axis": {
        "labelColor": _TEXT,
        "titleColor": _TEXT,
        "labelFontSize": FONT_SIZE,
        "titleFontSize": FONT_SIZE,
        "titleFontWeight": "normal",
        "labelPadding": 6,
        "labelFlush": False,
        "labelOverlap": True,
        "domainColor": variable("line"),
        "tickColor": variable("line"),
        "gridColor": variable("grid"),
        "ticks": False,
        "domain": False,
    },
    "text": {"color": _TEXT, "fontSize": FONT_SIZE, "aria": False},
    "rule": {"color": variable("line"), "aria": False},
    "point": {"opacity": 1, "filled": True, "color": variable("mark")},
    "bar": {"color": variable("mark")},
    "area": {"color": variable("mark")},
    "line": {"color": variable("mark")},
}
"""What every chart has in common, as Vega-Lite's ``config``."""
