"""What lies beside a file of interviews and tells of it: ``wave7.csv.toml``, or the same as ``wave7.csv.json``.

===============  ==================================================================
key              meaning
===============  ==================================================================
reference        the pollster's name for the wave (default: the file's name without its ending)
fieldwork_start  first day of interviewing (default: the least date of an interview)
fieldwork_end    last day (default: the greatest)
replaces         the wave that this file corrects
reason           why; with ``replaces``
facts            table: mode, sponsor, ... (see ``jobs.wave_facts``)
===============  ==================================================================
"""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from polling.errors import WaveRejected
from polling.faults import FaultLog, did_you_mean

__all__ = ["MAX_SIDECAR", "Sidecar", "read_sidecar"]

MAX_SIDECAR = 100_000
_KEYS = ("reference", "fieldwork_start", "fieldwork_end", "replaces", "reason", "facts")


@dataclass(frozen=True, slots=True)
class Sidecar:
    """What it tells; None where it does not."""

    reference: str | None = None
    fieldwork_start: date | None = None
    fieldwork_end: date | None = None
    replaces: str | None = None
    reason: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


def read_sidecar(content: bytes, name: str) -> Sidecar:
    """Read a sidecar.

    Parameters
    ----------
    name
        Its file name, which says whether it is TOML or JSON.

    Raises
    ------
    WaveRejected
        With everything that is wrong with it.
    """
    log = FaultLog(name)
    try:
        text = content.decode("utf-8-sig")
        table = tomllib.loads(text) if name.endswith(".toml") else json.loads(text)
    except (ValueError, RecursionError):  # both decoders', and UTF-8's
        table = None
    if not isinstance(table, dict):
        kind = "TOML" if name.endswith(".toml") else "a JSON object"
        log.add(f"this is not {kind} in UTF-8", "Correct the file.")
        raise WaveRejected(log.reported(), 0, total=log.total)
    for key in table:
        if key not in _KEYS:
            log.add("there is no such key", did_you_mean(key, _KEYS), column=key)
    read = Sidecar(
        reference=_text(table, "reference", log),
        fieldwork_start=_day(table, "fieldwork_start", log),
        fieldwork_end=_day(table, "fieldwork_end", log),
        replaces=_text(table, "replaces", log),
        reason=_text(table, "reason", log),
        facts=_table(table, "facts", log),
    )
    if log:
        raise WaveRejected(log.reported(), 0, total=log.total)
    return read


def _text(table: Mapping[str, Any], key: str, log: FaultLog) -> str | None:
    value = table.get(key)
    if value is None or (isinstance(value, str) and value.strip() and "\x00" not in value):
        return value
    log.add(f"'{key}' must be text", "Write it in quotes.", column=key)
    return None


def _day(table: Mapping[str, Any], key: str, log: FaultLog) -> date | None:
    value = table.get(key)
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value)
        except ValueError:
            value = ""
    if value is None or type(value) is date:  # a datetime is a date, too
        return value
    log.add(f"'{key}' must be a day", "Write it as 2026-11-23.", column=key)
    return None


def _table(table: Mapping[str, Any], key: str, log: FaultLog) -> Mapping[str, Any]:
    value = table.get(key, {})
    if isinstance(value, dict):
        return value
    log.add(f"'{key}' must be a table", 'Write it as mode = "phone" below [facts].', column=key)
    return {}
