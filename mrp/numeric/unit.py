"""The unit that a model thinks in: answers less a centre, divided by a scale.

    answer = centre + scale * (eta + residual)

Priors of terms are the same for dollars and for cents, and for temperatures from either zero, because the model never
sees these: with the mean and the standard deviation of the answers for centre and scale, an sd of 0.5 is half the
spread of all answers. Both numbers are stored with the design, and estimates come back in the question's own unit.

By default they are those of the answers that are fitted, so that a fit follows from its counts alone. A question whose
answers have a range can declare it instead (`Unit.of_range`): then the priors stay the same from wave to wave.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mrp.errors import CountsError

__all__ = ["Unit"]


@dataclass(frozen=True, slots=True)
class Unit:
    """Where zero is, and how large one is, in the unit of the question."""

    centre: float
    scale: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.centre) or not (math.isfinite(self.scale) and self.scale > 0):
            raise CountsError(
                f"there is no unit with the centre {self.centre} and the scale {self.scale}; "
                "the centre has to be a finite number, and the scale one above 0"
            )

    @classmethod
    def of_range(cls, low: float, high: float) -> "Unit":
        """That of answers from ``low`` to ``high``: centred between them, a quarter of the range for an sd.

        Answers that are spread evenly over a range have an sd of 0.29 of it, answers at both ends one of 0.5, and most
        scales that people are asked about lie between 0.2 and 0.3.

        Raises
        ------
        CountsError
            If the two are no finite numbers in this order.
        """
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise CountsError(f"there is no range from {low} to {high}; give two finite numbers, the lower one first")
        return cls(low + (high - low) / 2, (high - low) / 4)

    def to_json(self) -> dict[str, Any]:
        """A value that ``json.dumps`` takes; the inverse of `from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Unit":
        """Read what `to_json` wrote."""
        return cls(float(value["centre"]), float(value["scale"]))
