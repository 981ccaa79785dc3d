"""Refuse JSON that two readers would read differently, or that one of the two databases cannot store.

RFC 8259 leaves it open what a name given twice means; not a number and infinities are no JSON at all; a lone surrogate
is no text in UTF-8; PostgreSQL stores no NUL. The framework's own reader takes some of these and names the place of
none.
"""

import json
import math
from collections.abc import Iterator
from typing import Any

from api.errors import NulCharacter, RequestRefused

__all__ = ["refuse_bad_json"]

LARGEST = 2**63 - 1
"""Of whole numbers: what the databases hold."""
DIGITS = len(str(LARGEST))


def refuse_bad_json(content: bytes | str, what: str) -> None:
    """Refuse a text that is not JSON, or not JSON for everybody.

    Parameters
    ----------
    what
        What the text is, for the message, such as ``body``.

    Raises
    ------
    RequestRefused
        If it is empty, cut off, not UTF-8, has a name twice, a number beyond all measure, or a lone surrogate.
    NulCharacter
        If a name or a text has a NUL.
    RecursionError
        If it is nested too deeply.
    """
    if not content.strip():
        raise RequestRefused(f"The {what} is empty. Send a JSON object; {{}} if there is nothing to say.")
    try:
        text = content if isinstance(content, str) else content.decode()
        value = json.loads(
            text, object_pairs_hook=_once, parse_constant=_no_constant, parse_float=_finite, parse_int=_whole
        )
    except UnicodeDecodeError as error:
        raise RequestRefused(f"The {what} is not UTF-8: see byte {error.start + 1:,}.") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno:,}, column {error.colno:,}"
        raise RequestRefused(f"The {what} is not JSON: {error.msg}, {where}.") from None
    for one in _texts(value):
        if "\0" in one:
            raise NulCharacter(what)
        if not one.isascii() and any("\ud800" <= letter <= "\udfff" for letter in one):
            raise RequestRefused(f"The {what} has half of a surrogate pair (\\ud800-\\udfff), which is no character.")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise RequestRefused(f"The body has {twice[:80]!r} twice in one object. Give it once.")
    return found


def _no_constant(name: str) -> Any:
    raise RequestRefused(f"{name} is not JSON. Leave the field out, or write null.")


def _finite(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise RequestRefused(f"The number {text[:40]} is too large to be read.")
    return value


def _whole(text: str) -> int:
    if len(text.lstrip("-")) > DIGITS or abs(value := int(text)) > LARGEST:
        raise RequestRefused(f"The number {text[:40]} is too large to be read: whole numbers go up to {LARGEST:,}.")
    return value


def _texts(value: Any) -> Iterator[str]:
    """Every text in a value, names too. Without recursion: what could be read may still be deep."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, list):
            waiting += one
