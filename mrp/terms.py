"""The terms that a formula is made of, and how each is written."""

import re
from dataclasses import dataclass
from typing import Literal

__all__ = [
    "OBSERVED",
    "Autoregression",
    "GroupTerm",
    "Nuisance",
    "Predictor",
    "Spatial",
    "Term",
    "VaryingIntercept",
    "VaryingSlopes",
    "Walk",
    "label_of",
    "observed_columns",
]

OBSERVED = ("period", "pollster", "mode")
"""What is known of an interview and not of a person: columns of the counts, not of the frame."""


@dataclass(frozen=True, slots=True)
class Predictor:
    """A coefficient, or one per contrast when the column has levels."""

    name: str

    @property
    def names(self) -> tuple[str, ...]:
        """The columns this term reads."""
        return (self.name,)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class VaryingIntercept:
    """One effect per combination of levels, drawn from a normal with an unknown standard deviation."""

    factors: tuple[str, ...]
    label: str = ""
    """Of effects that are correlated with those of other questions that have the same label; see `mrp.joint`."""

    @property
    def names(self) -> tuple[str, ...]:
        """The columns this term reads."""
        return self.factors

    def __str__(self) -> str:
        return f"(1|{self.label + '|' if self.label else ''}{':'.join(self.factors)})"


@dataclass(frozen=True, slots=True)
class VaryingSlopes:
    """Coefficients, perhaps with an intercept, that differ between the combinations of levels."""

    factors: tuple[str, ...]
    predictors: tuple[str, ...]
    intercept: bool
    correlated: bool

    @property
    def names(self) -> tuple[str, ...]:
        """The columns this term reads."""
        return (*self.predictors, *self.factors)

    def __str__(self) -> str:
        bar = "|" if self.correlated else "||"
        return f"({'+'.join(('1' if self.intercept else '0', *self.predictors))}{bar}{':'.join(self.factors)})"


@dataclass(frozen=True, slots=True)
class Walk:
    """A random walk over ordered levels, one for every combination of ``factors`` if there are any."""

    name: str
    order: Literal[1, 2]
    factors: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The columns this term reads."""
        return (*self.factors, self.name)

    def __str__(self) -> str:
        return f"rw{self.order}({self.name}{'|' + ':'.join(self.factors) if self.factors else ''})"


@dataclass(frozen=True, slots=True)
class Autoregression:
    """Effects of periods that remember a part of the one before."""

    name: str

    @property
    def names(self) -> tuple[str, ...]:
        """The columns this term reads."""
        return (self.name,)

    def __str__(self) -> str:
        return f"ar1({self.name})"


@dataclass(frozen=True, slots=True)
class Spatial:
    """Effects of districts that are alike between neighbours: altogether, or as far as the data say."""

    call: Literal["icar", "bym2"]
    name: str

    @property
    def factors(self) -> tuple[str, ...]:
        """The columns whose levels have effects."""
        return (self.name,)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns this term reads."""
        return (self.name,)

    def __str__(self) -> str:
        return f"{self.call}({self.name})"


@dataclass(frozen=True, slots=True)
class Nuisance:
    """Effects of how people were asked: in the likelihood, summing to zero, not in the prediction."""

    call: str
    name: str

    @property
    def names(self) -> tuple[str, ...]:
        """The columns this term reads."""
        return (self.name,)

    def __str__(self) -> str:
        return f"{self.call}({self.name})"


def label_of(term: str) -> str:
    """The label of a term by its name: "p" of "(1|p|district)"; empty if it has none."""
    parts = term.split("|")
    return parts[1] if len(parts) == 3 else ""


def observed_columns(formula: str) -> tuple[str, ...]:
    """Which of `OBSERVED` a formula names: what interviews have to be counted by besides the columns of the frame."""
    unlabelled = re.sub(r"\|\s*\w+\s*\|", "|", formula)  # a label may be called as a column
    named = set(re.findall(r"\b\w+\b(?!\s*\()", unlabelled))
    return tuple(name for name in OBSERVED if name in named)


type GroupTerm = VaryingIntercept | VaryingSlopes | Walk | Autoregression | Spatial | Nuisance
type Term = Predictor | GroupTerm
