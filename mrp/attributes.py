"""Facts of a fit as attributes of its tree: what every format of labelled arrays can write, and how to read it back.

NetCDF has numbers, text and lists of these as attributes, and gives a list of one back as the one. So objects become
JSON text and truth values 0 or 1.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from xarray import DataTree

__all__ = ["as_attributes", "facts_of"]

_OBJECTS = ("seconds", "versions")
_TRUTHS = ("retried",)
_LISTS = ("warnings",)


def as_attributes(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes that can be written to NetCDF and Zarr."""
    return {name: _written(value) for name, value in facts.items()}


def facts_of(tree: "DataTree") -> dict[str, Any]:
    """What `as_attributes` was given, from the attributes of a fit that was perhaps written and read."""
    facts = {str(name): value for name, value in tree.attrs.items()}
    facts |= {name: json.loads(facts[name]) for name in _OBJECTS if isinstance(facts.get(name), str)}
    facts |= {name: bool(facts[name]) for name in _TRUTHS if name in facts}
    return facts | {name: [str(one) for one in np.atleast_1d(facts[name])] for name in _LISTS if name in facts}


def _written(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    return json.dumps(value) if isinstance(value, dict) else value
