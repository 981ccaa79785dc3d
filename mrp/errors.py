"""What can go wrong inside the estimator.

* MrpError
  x FormulaError            the model formula cannot be read, or names nothing
  x PriorError              a prior cannot be read, or is for a term that is not in the model
  x FrameError              the population frame or the table of districts cannot be used
    + UncoveredPopulation   people live in cells the model has no draws for
  x ShapeMismatch           an array does not line up with its labels
  x CountsError             interviews cannot be collapsed to counts, or the counts cannot be fitted
  x SamplingError           the sampler could not start or was stopped
  x DrawsError              stored draws cannot be read, or do not belong to the design
  x ScoreError              estimates and truth cannot be compared
"""

__all__ = [
    "CountsError",
    "DrawsError",
    "FormulaError",
    "FrameError",
    "MrpError",
    "PriorError",
    "SamplingError",
    "ScoreError",
    "ShapeMismatch",
    "UncoveredPopulation",
]


class MrpError(Exception):
    """Base class; a caller that catches this has caught every expected failure of data, model and fit.

    A setting that is out of range, such as an interval of 1.5, is a `ValueError`.
    """


class FormulaError(MrpError):
    """The formula is not one that this version can fit on this electorate."""

    def __init__(self, formula: str, problems: tuple[str, ...]) -> None:
        self.formula = formula
        self.problems = problems
        super().__init__(f"formula {formula!r}: {'; '.join(problems)}")


class PriorError(MrpError):
    """A prior is not understood, or belongs to no term."""


class FrameError(MrpError):
    """The population frame or the table of districts cannot support the requested estimate."""


class UncoveredPopulation(FrameError):
    """People exist in frame cells for which there is no draw."""

    def __init__(self, n_people: float, examples: list[str]) -> None:
        self.n_people = n_people
        self.examples = examples
        super().__init__(
            f"{n_people:,.0f} people are in cells with no draws, e.g. {', '.join(examples)}. "
            "Fit the model on every level of the frame, or coarsen the frame first."
        )


class ShapeMismatch(MrpError):
    """An array's shape disagrees with the labels it came with."""

    def __init__(self, name: str, expected: str, actual: tuple[int, ...]) -> None:
        super().__init__(f"{name} must have shape {expected}, got {actual}")


class CountsError(MrpError):
    """Interviews cannot be collapsed to counts, or counts cannot be fitted."""


class SamplingError(MrpError):
    """The sampler could not start, or ended without draws."""


class DrawsError(MrpError):
    """Stored draws are unreadable or belong to another design."""


class ScoreError(MrpError):
    """Estimates and truth have no district in common, or a truth is not a share."""
