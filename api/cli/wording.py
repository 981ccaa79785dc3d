"""Refusals that the HTTP interface and the command line have in common, in the words of the command line."""

import re

__all__ = ["in_own_words"]

_ROUTE = re.compile(r"/[a-z-]+ \((`hustings [^`]+`)\)")
"""A route, with the command that asks the same."""
_IN_A_URL = re.compile(r" ?\((?:in a URL|in an address)[^)]*\)")
_PARAMETER = re.compile(
    r"(?<![\w-])(before|by|districts|estimand|first|interval|level|measure|merge|option|period|population|second|since|threshold"
    r"|uncertainty|until|versus|where)"
    r"=(?=[^\s=])"
)
"""What was given, or could be, as HTTP writes it."""


def in_own_words(message: str) -> str:
    """The message with options and commands in place of parameters and routes: "--level district"."""
    message = _IN_A_URL.sub("", _ROUTE.sub(r"\1", message))
    return _PARAMETER.sub(r"--\1 ", message)
