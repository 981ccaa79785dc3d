"""A chart as it goes into a page, and what all builders share: size, text, names."""

from collections.abc import Callable
from typing import Any

import msgspec

from api.answer_payloads import GroupRow
from api.charts.theme import CONFIG
from api.drawing.renderer import ChartFailed, render

__all__ = ["ABSENT", "Chart", "ChartFailed", "Link", "draw_chart", "name_of", "percent", "points", "share_name"]

type Link = Callable[[GroupRow], str | None]
"""Where the mark of a row leads: an address, relative or absolute, or None for none."""

ABSENT = "does not stand"
"""What is said in place of a share where the option cannot be chosen."""

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"


class Chart(msgspec.Struct, frozen=True):
    """A chart, and what it is called."""

    svg: str
    """Complete and escaped: goes into a page or a file as it is."""
    title: str
    description: str
    """What is to be seen, in sentences: for those who do not see it."""


def draw_chart(spec: dict[str, Any], *, title: str, description: str) -> Chart:
    """Draw a specification that says nothing of its looks that `api.charts.theme` says for all.

    Raises
    ------
    ChartFailed
        If it cannot be drawn.
    """
    whole = {
        "$schema": SCHEMA,
        # Nothing is measured: a builder knows where its scales begin and end.
        "autosize": "none",
        "background": None,
        "config": CONFIG,
        "usermeta": {"title": title, "description": description},
        **spec,
    }
    return Chart(render(whole), title, description)


def name_of(row: GroupRow, *, whole: str = "Everybody") -> str:
    """The name of an area or group: "Northmoor", "65+ · women", "Northmoor, 65+"."""
    groups = " · ".join(row.groups.values())
    if row.area == "all":
        return groups or whole
    return f"{row.area_name}, {groups}" if groups else row.area_name


def percent(share: float) -> str:
    """A share for readers: 0.54 is "54%"; "<1%" and ">99%" where rounding would say that nobody or everybody does."""
    rounded = round(100 * share)
    if rounded == 0 and share > 0:
        return "<1%"
    if rounded == 100 and share < 1:
        return ">99%"
    return f"{rounded:d}%"


def points(difference: float) -> str:
    """A difference of shares for readers, in points: "+3.2", "−1.0", "0.0"."""
    text = f"{abs(100 * difference):.1f}"
    if text == "0.0":
        return text
    return f"+{text}" if difference > 0 else f"−{text}"


def share_name(name: str, share: float, low: float | None, high: float | None) -> str:
    """What a mark is called: "Northmoor: 54% (48 to 60)", or "Northmoor: does not stand" without an interval."""
    if low is None or high is None:
        return f"{name}: {ABSENT}"
    return f"{name}: {percent(share)} ({percent(low).removesuffix('%')} to {percent(high).removesuffix('%')})"
