"""Print for people (tables) or for programs (one JSON document on standard output)."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from polling.store.wave_records import WaveRecord, WaveVersionRecord

__all__ = ["JSON_ASKED", "as_json", "fieldwork", "percent", "print_json", "print_table", "short_time"]

_PUNCTUATION = str.maketrans("", "", ",.+-")

JSON_ASKED = "hustings.json"
"""Where the context keeps whether JSON was asked for: a refusal is a document then too."""


def _remember(ctx: click.Context, _: click.Parameter, value: bool) -> bool:
    ctx.meta[JSON_ASKED] = value
    return value


as_json = click.option(
    "--json", "json_", is_flag=True, callback=_remember, help="Print one JSON document instead of a table."
)


def print_json(value: Any) -> None:
    """Print any plain value, dataclass or struct as JSON."""
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2).decode())


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None) -> None:
    """Print a table; numbers are aligned right. A pipe gets full width, so that no cell is cut."""
    import sys

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    headed = any(columns)
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold", show_header=headed)
    texts = [[_text(value) for value in row] for row in rows]
    for index, name in enumerate(columns):
        numeric = bool(texts) and all(_is_number(row[index]) for row in texts)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in texts:
        # Text, not markup: a label may contain brackets.
        table.add_row(*(Text(value) for value in row))
    width = None if sys.stdout.isatty() else 200
    Console(width=width, highlight=False).print(table)


def percent(share: float) -> str:
    """A share as a percentage with one decimal."""
    return f"{100 * share:.1f}%"


def fieldwork(wave: "WaveRecord | WaveVersionRecord", *, closes_on: date | None = None) -> str:
    """The days of a wave in words; an open one ends when it is closed, or on its closing date."""
    closes = getattr(wave, "closes_on", closes_on)
    if wave.fieldwork_end is not None:
        return f"{wave.fieldwork_start} to {wave.fieldwork_end}"
    return f"from {wave.fieldwork_start}" + (f", closes on {closes}" if closes else ", open")


def short_time(when: datetime | None) -> str:
    """A time to the second, in UTC."""
    return "" if when is None else when.strftime("%Y-%m-%d %H:%M:%S")


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return short_time(value)
    return str(value)


def _is_number(text: str) -> bool:
    return text == "" or text.rstrip("%").translate(_PUNCTUATION).isdigit()
