"""A table of shares or means by two demographics, coloured like the map."""

from collections.abc import Sequence
from typing import Any

from api.answer_payloads import GroupsHead
from api.charts.chart import ABSENT, Chart, Link, draw_chart, percent
from api.charts.coloured import LEGEND, area_layer, classes_of, legend, pixels, text_layer
from api.charts.layout import WIDTH
from api.charts.measures import (
    Estimate,
    estimate_name,
    estimated,
    is_of_means,
    measure_of,
    number,
    span_of,
    value_of,
    written,
)

__all__ = ["crosstab_chart"]

LABELS = 110.0
HEADER = 40.0
CELL_HEIGHT = 40.0


def crosstab_chart(
    head: GroupsHead, estimates: Sequence[Estimate], *, link: Link | None = None, title: str | None = None
) -> Chart:
    """Shares of one option, or means, by two demographics: in each cell the number, below it the interval, the colour
    showing both.

    Parameters
    ----------
    head
        What was asked, with two demographics in ``by``: the first are rows, the second columns.
    estimates
        Of one area; cells without an estimate are empty, and named by why it is withheld.

    Raises
    ------
    ValueError
        If ``by`` has not two demographics.
    ChartFailed
        If it cannot be drawn.
    """
    if len(head.by) != 2:
        raise ValueError(f"a table needs two demographics, and this answer has {head.by}")
    first, second = head.by
    every = [*estimates, *head.withheld]
    row_names = list(dict.fromkeys(row.groups[first] for row in every))
    column_names = list(dict.fromkeys(row.groups[second] for row in every))
    classes = classes_of(head, estimates)
    width = (WIDTH - 4 - LABELS) / max(len(column_names), 1)
    reasons = {(row.groups[first], row.groups[second]): row.reason for row in head.withheld}
    absent = {(row.groups[first], row.groups[second]): ABSENT for row in estimates}
    found = {(row.groups[first], row.groups[second]): row for row in estimated(estimates)}
    cells: list[dict[str, Any]] = []
    for y, row_name in enumerate(row_names):
        for x, column_name in enumerate(column_names):
            estimate = found.get((row_name, column_name))
            name = f"{row_name}, {column_name}"
            corners = {
                "x": LABELS + x * width + 1,
                "x2": LABELS + (x + 1) * width - 1,
                "y": HEADER + y * CELL_HEIGHT + 1,
                "y2": HEADER + (y + 1) * CELL_HEIGHT - 1,
                "middle": LABELS + (x + 0.5) * width,
            }
            if estimate is None:
                reason = (absent | reasons).get((row_name, column_name), "no estimate")
                cells.append({**corners, "name": f"{name}: {reason}", "href": None, "fill": None, "ink": None})
                continue
            low, high = span_of(estimate)
            spread = high - low
            cells.append(
                {
                    **corners,
                    "name": estimate_name(name, estimate),
                    "href": None if link is None else link(estimate),
                    "fill": classes.colour(value_of(estimate), spread),
                    "ink": classes.ink(value_of(estimate), spread),
                    "value": written(estimate),
                    "ends": _ends(head, low, high),
                }
            )
    height = HEADER + CELL_HEIGHT * len(row_names)
    place = {**pixels("x", "y"), "x2": {"field": "x2"}, "y2": {"field": "y2"}}
    filled = [cell for cell in cells if cell["fill"] is not None]
    layers = [
        area_layer("cells", "rect", filled, place),
        area_layer("without", "rect", [cell for cell in cells if cell["fill"] is None], place),
        _cell_texts("shares", filled, "value", 13 if width >= 40 else 11, 16),
        # No room for an interval: the colour and the cell's name have it.
        _cell_texts("intervals", filled if width >= 46 else [], "ends", 11, 30),
        text_layer(
            "row-names",
            [
                {"x": LABELS - 8, "y": HEADER + (y + 0.5) * CELL_HEIGHT, "text": name}
                for y, name in enumerate(row_names)
            ],
            align="right",
            limit=LABELS - 10,
        ),
        text_layer(
            "column-names",
            [{"x": LABELS + (x + 0.5) * width, "y": HEADER - 8, "text": name} for x, name in enumerate(column_names)],
            align="center",
            baseline="bottom",
            limit=width - 2,
        ),
        text_layer(
            "row-title", [{"x": 0, "y": HEADER - 8, "text": first}], weight="bold", baseline="bottom", limit=LABELS
        ),
        text_layer("column-title", [{"x": LABELS, "y": 14, "text": second}], weight="bold", baseline="bottom"),
        *legend(head, classes, height + 12),
    ]
    spec = {
        "width": WIDTH - 4,
        "height": height,
        "padding": {"left": 2, "right": 2, "top": 2, "bottom": LEGEND},
        "layer": [layer for layer in layers if layer["data"]["values"]],
    }
    what = title or f"{measure_of(head) if is_of_means(head) else head.option}: by {first} and {second}"
    return draw_chart(spec, title=what, description=_described(head, estimates, len(reasons)))


def _cell_texts(name: str, cells: list[dict[str, Any]], field: str, size: float, down: float) -> dict[str, Any]:
    return {
        "name": name,
        "data": {"values": cells},
        "mark": {
            "type": "text",
            "baseline": "middle",
            "fontSize": size,
            "fontWeight": "bold" if field == "value" else "normal",
            "dy": down - 2,
        },
        "encoding": {
            **pixels("middle", "y"),
            "text": {"field": field, "type": "nominal"},
            "color": {"field": "ink", "type": "nominal", "scale": None, "legend": None},
        },
    }


def _ends(head: GroupsHead, low: float, high: float) -> str:
    if is_of_means(head):
        return f"{number(low)} to {number(high)}"  # a dash would be read as a minus
    return f"{percent(low)}–{percent(high)}".replace("%", "")


def _described(head: GroupsHead, estimates: Sequence[Estimate], n_withheld: int) -> str:
    first, second = head.by
    estimates = estimated(estimates)
    if not estimates:
        return f"Nothing is estimated by {first} and {second} of {head.text}"
    most, least = max(estimates, key=value_of), min(estimates, key=value_of)
    ends = [estimate_name(", ".join(row.groups.values()), row) for row in (most, least)]
    left_out = f" {n_withheld} are withheld." if n_withheld else ""
    return (
        f"{len(estimates)} groups by {first} and {second}. Largest: {ends[0]}. Smallest: {ends[1]}.{left_out} "
        f"Question: {head.text}"
    )
