"""Versions of what computes a fit."""

import sys
from functools import cache
from importlib.metadata import version

__all__ = ["versions"]

_PACKAGES = ("hustings", "pymc", "nutpie", "arviz", "numpy", "numba")


def versions() -> dict[str, str]:
    """As they are stored with every fit: another version is another fit."""
    return {"python": sys.version.split()[0]} | {name: _version(name) for name in _PACKAGES}


@cache
def _version(package: str) -> str:
    """Looked up once: a package is read from its files, which takes milliseconds, and stays what was imported."""
    return version(package)
