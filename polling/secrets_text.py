"""Write the secrets file: the part of TOML that ``tomllib`` reads back unchanged, tables of texts, numbers and lists.

What the program did not write itself, such as the credentials of sources, is kept; comments are not.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

__all__ = ["render_secrets"]

_TITLE = "# Secrets of hustings. Keep this file outside the database and its backups, and back it up apart."
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def render_secrets(held: Mapping[str, Any]) -> str:
    """The text of the file.

    Raises
    ------
    ValueError
        If a value is neither text, number, flag, a list of these, nor a table.
    """
    return "\n".join([_TITLE, *_lines(held, ())]) + "\n"


def _lines(table: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    lines = [f"{_key(name)} = {_value(value)}" for name, value in table.items() if not isinstance(value, Mapping)]
    if path and (lines or not table):
        lines = ["", f"[{'.'.join(map(_key, path))}]", *lines]
    for name, value in table.items():
        if isinstance(value, Mapping):
            lines += _lines(value, (*path, name))
    return lines


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def _text(value: str) -> str:
    # A JSON string is a TOML string, but for one control character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")


def _value(value: object) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list):
        return f"[{', '.join(_value(one) for one in value)}]"
    raise ValueError(f"a secret of type {type(value).__name__} cannot be written; use text")
