"""Versions of what computes a fit."""

import sys
from importlib.metadata import version

__all__ = ["versions"]

_PACKAGES = ("hustings", "pymc", "nutpie", "arviz", "numpy", "numba")


def versions() -> dict[str, str]:
    """As they are stored with every fit: another version is another fit."""
    return {"python": sys.version.split()[0]} | {name: version(name) for name in _PACKAGES}
