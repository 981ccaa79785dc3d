"""Read ``[[sources]]`` of ``survey.toml``; the keys are documented in ``polling.declaration``."""

import ipaddress
import re
from collections.abc import Collection
from pathlib import PurePosixPath
from typing import cast
from urllib.parse import urlsplit

from polling.faults import did_you_mean
from polling.source import Source, SourceKind
from polling.toml_section import Section

__all__ = ["parse_sources"]

EVERY = 15
MAX_EVERY = 7 * 24 * 60
_KINDS = ("folder", "https", "s3")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_ONLY = {"path": "folder", "url": "https", "bucket": "s3", "prefix": "s3", "region": "s3", "endpoint": "s3"}
"""Keys that belong to one kind."""


def parse_sources(root: Section, facts: Collection[str]) -> tuple[Source, ...]:
    """Every declared source, after recording what is wrong with them.

    Parameters
    ----------
    root
        The whole file.
    facts
        What can be said of a wave.
    """
    found: list[Source] = []
    for section in root.tables("sources"):
        source = _source(section, facts)
        if source.name in {one.name for one in found}:
            section.fault("name", "two sources have this name", "Give each its own.", value=source.name)
        found.append(source)
    return tuple(found)


def _source(section: Section, facts: Collection[str]) -> Source:
    kind = section.choice("kind", _KINDS)
    given = {key: section.maybe_text(key) or "" for key in _ONLY}
    for key, of in _ONLY.items():
        if given[key] and of != kind:
            section.fault(key, f"'{key}' is for sources of kind '{of}'", "Leave it out, or change the kind.")
    source = Source(
        name=section.text("name"),
        pollster=section.text("pollster"),
        kind=cast("SourceKind", kind),
        every=section.positive("every") or EVERY,
        **given,
        pattern=section.maybe_text("pattern") or "*",
        changed="replaces"
        if section.choice("changed", ("conflict", "replaces"), "conflict") == "replaces"
        else "conflict",
        credentials=section.maybe_text("credentials"),
        facts=_facts(section.section("facts", required=False), facts),
    )
    section.close()
    if source.name and not _NAME.fullmatch(source.name):
        remedy = "Use up to 64 lowercase letters, digits, '-' and '_', beginning with a letter or digit."
        section.fault("name", "this cannot be the name of a source", remedy, value=source.name)
    if source.every > MAX_EVERY:
        section.fault("every", "a source is looked at once a week at least", f"Give at most {MAX_EVERY:,} minutes.")
    if "/" in source.pattern:
        section.fault("pattern", "a pattern has no '/'", "Files in folders below are not read.", value=source.pattern)
    _check_place(source, section)
    return source


def _check_place(source: Source, section: Section) -> None:
    """Say what is wrong with the path, address or bucket."""
    needed = {"folder": "path", "https": "url", "s3": "bucket"}[source.kind]
    if not getattr(source, needed):
        section.fault(needed, f"'{needed}' is missing", f'Add {needed} = "..." to this source.')
    if source.path and not PurePosixPath(source.path).is_absolute():
        section.fault("path", "the folder's path is not absolute", "Begin it with '/'.", value=source.path)
    for key in ("url", "endpoint"):
        address = getattr(source, key)
        if address and not _is_address(address):
            remedy = "Write https://host/path; a user or password belongs into the secrets file."
            section.fault(key, "this is not an https address", remedy, value=address)


def _is_address(address: str) -> bool:
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or parts.password is not None:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _facts(section: Section, known: Collection[str]) -> dict[str, str | dict[str, str]]:
    facts: dict[str, str | dict[str, str]] = {}
    for name in section.names():
        if name == "wording":
            facts[name] = section.labels(
                name, remedy='Write one key per question: wording.QUESTION = "the text as asked".'
            )
        elif name not in known:
            section.fault(name, "there is no such fact of a wave", did_you_mean(name, known))
        else:
            facts[name] = section.text(name)
    return facts
