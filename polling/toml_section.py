"""Read a TOML table key by key and remember every fault: wrong type, missing key, unknown key, and its line."""

import datetime as dt
import math
import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from typing import Any

from polling.faults import FaultLog, did_you_mean, listing

__all__ = ["Section", "open_toml"]

_HEADER = re.compile(r"^\s*\[([^\[\]]+)\]\s*(?:#.*)?$")
_ARRAY = re.compile(r"^\s*\[\[([^\[\]]+)\]\]\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")
_SYNTAX_LINE = re.compile(r"\(at line (\d+), column \d+\)")


class Section:
    """One table of the file. Getters note what they asked for, so that ``close`` can name what nobody asked for."""

    def __init__(
        self, table: Mapping[str, Any], path: tuple[str, ...], log: FaultLog, lines: Mapping[str, int]
    ) -> None:
        self._table = table
        self._path = path
        self._log = log
        self._lines = lines
        self._known: list[str] = []

    def fault(self, key: str | None, reason: str, remedy: str, *, value: object = None) -> None:
        """Record a fault at a key of this table (None: at the table)."""
        path = ".".join(self._path if key is None else (*self._path, key))
        row = self._lines.get(path, self._lines.get(".".join(self._path)))
        self._log.add(reason, remedy, row=row, column=path, value=None if value is None else str(value))

    def names(self) -> tuple[str, ...]:
        """Keys of this table, in the order of the file."""
        return tuple(self._table)

    def text(self, key: str) -> str:
        """A text that must be there and not be empty; "" after recording the fault otherwise."""
        if key not in self._table:
            self._known.append(key)
            self.fault(key, f"'{key}' is missing", f'Add {key} = "..." to this section.')
            return ""
        return self.maybe_text(key) or ""

    def maybe_text(self, key: str) -> str | None:
        """A text that may be left out."""
        value = self._get(key, str, "text in quotes")
        if value is None or (isinstance(value, str) and value.strip()):
            return value
        self.fault(key, f"'{key}' is empty", "Give it a value or leave the key out.")
        return None

    def texts(self, key: str) -> tuple[str, ...] | None:
        """A list of texts; one text stands for a list of one."""
        value = self._get(key, (list, str), 'a list such as ["a", "b"]')
        if value is None:
            return None
        values = [value] if isinstance(value, str) else value
        for item in values:
            if not isinstance(item, str):
                self.fault(key, f"'{key}' holds something that is not text", f'Write "{item}" in quotes.', value=item)
            elif not item.strip():
                self.fault(key, f"'{key}' holds an empty text", "Remove it: a blank cell needs no declaration.")
        texts = [item for item in values if isinstance(item, str)]
        if twice := sorted({item for item in texts if texts.count(item) > 1}):
            self.fault(key, f"'{key}' names {listing(twice)} more than once", "Keep each once.")
        return tuple(dict.fromkeys(texts))

    def choice(self, key: str, choices: tuple[str, ...], default: str | None = None) -> str:
        """One of a few words; the first choice after recording the fault."""
        value = self.text(key) if default is None else (self.maybe_text(key) or default)
        if value in choices:
            return value
        if value:
            self.fault(key, f"'{key}' must be one of {listing(choices)}", "Choose one of these.", value=value)
        return choices[0]

    def flag(self, key: str) -> bool:
        """True or false (default)."""
        return bool(self._get(key, bool, "true or false"))

    def is_false(self, key: str) -> bool:
        """Whether the key is there and says ``false``."""
        self._known.append(key)
        return self._table.get(key) is False

    def positive(self, key: str) -> int | None:
        """A whole number above 0 that may be left out."""
        value = self._get(key, int, "a whole number")
        if value is not None and (isinstance(value, bool) or value <= 0):
            self.fault(key, f"'{key}' must be a whole number above 0", "Correct it.", value=value)
            return None
        return None if value is None else int(value)

    def number(self, key: str) -> float | None:
        """A number above 0 that may be left out."""
        value = self._get(key, (int, float), "a number above 0")
        if value is not None and (isinstance(value, bool) or not math.isfinite(value) or value <= 0):
            self.fault(key, f"'{key}' must be a number above 0", "Correct it.", value=value)
            return None
        return None if value is None else float(value)

    def number_or_text(self, key: str) -> float | str | None:
        """A number above 0, or a text; None after recording the fault."""
        if isinstance(self._table.get(key), str):
            return self.maybe_text(key)
        return self.number(key)

    def numbers(self, key: str) -> tuple[float, ...] | None:
        """A list of numbers; None if it is left out, or after recording the fault."""
        value = self._get(key, list, "a list of numbers such as [1, 2, 3]")
        if value is None:
            return None
        for item in value:
            if isinstance(item, bool) or not isinstance(item, int | float) or not math.isfinite(item):
                self.fault(
                    key, f"'{key}' holds something that is no number", "Write numbers without quotes.", value=item
                )
                return None
        return tuple(map(float, value))

    def band(self, key: str) -> tuple[float, float | None] | None:
        """A least and a greatest number, or the least alone."""
        value = self._get(key, list, "the least and the greatest number, such as [18, 29], or the least alone, [70]")
        if value is None:
            return None
        numbers = [float(end) for end in value if isinstance(end, int | float) and not isinstance(end, bool)]
        whole = len(numbers) == len(value) and all(map(math.isfinite, numbers))
        if not whole or len(numbers) not in (1, 2) or numbers[0] > numbers[-1]:
            reason = f"'{key}' must be the least and the greatest number, or the least alone"
            self.fault(key, reason, "Write it as [18, 29] or [70].", value=value)
            return None
        return (numbers[0], numbers[1] if len(numbers) == 2 else None)

    def date(self, key: str) -> dt.date | None:
        """A date without time, written 2018-11-06 without quotes."""
        value = self._get(key, dt.date, "a date such as 2018-11-06, without quotes")
        if isinstance(value, dt.datetime):
            self.fault(key, f"'{key}' must be a date without a time", "Write it as 2018-11-06.", value=value)
            return None
        return value if isinstance(value, dt.date) else None

    def labels(self, key: str, *, remedy: str | None = None) -> dict[str, str]:
        """A table of text to text; empty if left out.

        Parameters
        ----------
        remedy
            What to do if it is something else.
        """
        section = self.section(key, required=False, remedy=remedy)
        return {label: section.text(label) for label in section.names()}

    def section(self, key: str, *, required: bool = True, remedy: str | None = None) -> "Section":
        """A table within this one; an empty one if it is left out or is no table."""
        missing = key not in self._table
        value = self._get(key, dict, "a section", remedy)
        path = (*self._path, key)
        if missing and required:
            self.fault(None, f"section [{'.'.join(path)}] is missing", "Add it.")
        return Section(value or {}, path, self._log, self._lines)

    def sections(self, key: str) -> dict[str, "Section"]:
        """The tables within a table, by name, in the order of the file."""
        parent = self.section(key, required=False)
        return {name: parent.section(name) for name in parent.names()}

    def tables(self, key: str) -> "tuple[Section, ...]":
        """The tables of an array, written ``[[key]]``; none if it is left out."""
        value = self._get(key, list, f"a list of sections [[{key}]]") or []
        path = (*self._path, key)
        if any(not isinstance(item, dict) for item in value):
            self.fault(key, f"'{key}' holds something that is no section", f"Write [[{key}]] above each.")
        items = [item for item in value if isinstance(item, dict)]
        return tuple(
            Section(item, (*path[:-1], f"{key}[{number}]"), self._log, self._lines)
            for number, item in enumerate(items, start=1)
        )

    def close(self) -> None:
        """Record every key that no getter asked for."""
        for key in self._table:
            if key not in self._known:
                self.fault(key, f"'{key}' is not a key of this section", did_you_mean(key, self._known))

    def _get(self, key: str, kind: type | tuple[type, ...], described: str, remedy: str | None = None) -> Any:
        self._known.append(key)
        value = self._table.get(key)
        if value is not None and not isinstance(value, kind):
            self.fault(key, f"'{key}' must be {described}", remedy or "Correct it.", value=value)
            return None
        return value


def open_toml(content: bytes, log: FaultLog) -> Section | None:
    """The root table of a TOML file, or None after recording why it cannot be read."""
    try:
        text = content.decode("utf-8-sig")
        table = tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        log.add("the file is not UTF-8 text", "Save it as UTF-8.", row=line)
        return None
    except tomllib.TOMLDecodeError as error:
        at = _SYNTAX_LINE.search(str(error))
        line = int(at[1]) if at else text.count("\n") + 1
        log.add(f"this is not TOML: {_SYNTAX_LINE.sub('', str(error)).strip()}", "Correct the line.", row=line)
        return None
    except RecursionError:
        log.add("this is not a survey declaration: it is nested too deeply", "Use the documented keys.")
        return None
    if _has_nul(table):
        log.add("a text contains a NUL character", "Remove it: it cannot be stored.")
        return None
    return Section(table, (), log, _line_numbers(text))


def _line_numbers(text: str) -> dict[str, int]:
    """Dotted key -> line of its first appearance; enough to point a reader at the place."""
    lines: dict[str, int] = {}
    table: list[str] = []
    counts: Counter[str] = Counter()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            table = _parts(header[1])
            lines.setdefault(".".join(table), number)
        elif array := _ARRAY.match(line):
            *parents, last = _parts(array[1])
            counts[array[1]] += 1
            table = [*parents, f"{last}[{counts[array[1]]}]"]
            lines.setdefault(".".join(table), number)
        elif key := _KEY.match(line):
            lines.setdefault(".".join([*table, *_parts(key[1])]), number)
    return lines


def _parts(dotted: str) -> list[str]:
    return [part.strip("\"'") for part in _PART.findall(dotted)]


def _has_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any(_has_nul(item) for pair in value.items() for item in pair)
    return isinstance(value, list) and any(_has_nul(item) for item in value)
