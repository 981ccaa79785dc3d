"""What a fit notes of its inputs: its waves, and those of the questions that were fitted with it.

    {"waves": [{"id": ..., "version": ..., "payload_sha256": [...]}, ...],
     "partners": {question: {"waves": [...], "counts_sha256": ..., ...} or None},
     "predictors": [{"id": ..., "number": ..., "as_of": ..., "source": ..., "columns": [...], ...}, ...]}

None stands for a question that belongs to the joint model and had no interviews. ``predictors`` are the uploads that
columns of districts were taken from; what is not among them is of the survey's own table.
"""

from collections.abc import Mapping
from typing import Any

__all__ = ["every_wave", "partners_noted", "predictors_noted"]


def partners_noted(inputs: Any) -> Mapping[str, Any]:
    """What is noted of each question that belongs to the same joint model, by its id; empty if there are none."""
    noted = inputs.get("partners") if isinstance(inputs, dict) else None
    return noted if isinstance(noted, dict) else {}


def predictors_noted(inputs: Any) -> list[dict[str, Any]]:
    """What is noted of each upload of predictors that a fit used, in the order in which they were received."""
    noted = inputs.get("predictors") if isinstance(inputs, dict) else None
    return list(noted) if isinstance(noted, list) else []


def every_wave(inputs: Any) -> list[dict[str, Any]]:
    """Waves whose interviews are in a fit, those of its partners too; one of several questions is there for each."""
    own = inputs.get("waves", []) if isinstance(inputs, dict) else []
    return [*own, *(wave for of in partners_noted(inputs).values() if of for wave in of.get("waves", []))]
