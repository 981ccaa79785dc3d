"""Read outcomes that were written down."""

from collections.abc import Mapping
from typing import Any

from mrp.categorical.options import Options
from mrp.errors import DrawsError
from mrp.outcomes.binary import BinaryOutcome
from mrp.outcomes.categorical import CategoricalOutcome
from mrp.outcomes.numeric import NumericOutcome
from mrp.outcomes.ordinal import OrdinalOutcome
from mrp.outcomes.outcome import Outcome

__all__ = ["outcome_from_json"]


def outcome_from_json(value: Mapping[str, Any]) -> Outcome:
    """Read what `Outcome.to_json` wrote.

    Raises
    ------
    DrawsError
        If there is no such kind.
    """
    options = tuple(value.get("options", ()))
    if value["kind"] == "binary":
        return BinaryOutcome(options, dispersed=value.get("dispersed", False))
    if value["kind"] == "categorical":
        only_in = {
            option: {column: tuple(levels) for column, levels in where.items()}
            for option, where in value["only_in"].items()
        }
        declared = Options(options, columns=value["columns"], only_in=only_in)
        return CategoricalOutcome(declared, value.get("sd", "shared"), dispersed=value.get("dispersed", False))
    if value["kind"] == "ordinal":
        return OrdinalOutcome(options, tuple(value["scores"]))
    if value["kind"] == "numeric":
        within = value.get("within")
        return NumericOutcome(None if within is None else (float(within[0]), float(within[1])))
    raise DrawsError(f"there is no outcome of the kind {value['kind']!r}; refit the question with this version")
