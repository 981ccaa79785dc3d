"""Weakly informative priors, named, and overridable per term.

On the logit scale: the intercept is Normal(0, 1.5), which puts shares between 5% and 95%; a coefficient is Normal(0, 1)
per standard deviation of its predictor, or per contrast of levels; the standard deviation of a varying intercept is
HalfNormal(0.5), which calls differences of a factor of e between levels unusual and twice that rare.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from mrp.design import Design
from mrp.errors import PriorError

__all__ = ["HalfNormal", "Normal", "Priors", "parse_priors"]

_CALL = re.compile(r"^\s*(normal|half_normal)\s*\(\s*([^,()]+?)\s*(?:,\s*([^,()]+?)\s*)?\)\s*$")


@dataclass(frozen=True, slots=True)
class Normal:
    """Prior of an intercept or a coefficient."""

    mean: float
    sd: float

    def __str__(self) -> str:
        return f"normal({self.mean:g}, {self.sd:g})"


@dataclass(frozen=True, slots=True)
class HalfNormal:
    """Prior of a standard deviation."""

    scale: float

    def __str__(self) -> str:
        return f"half_normal({self.scale:g})"


@dataclass(frozen=True, slots=True)
class Priors:
    """The priors of a model; the defaults, with exceptions by term."""

    intercept: Normal = Normal(0.0, 1.5)
    coefficient: Normal = Normal(0.0, 1.0)
    sd: HalfNormal = HalfNormal(0.5)
    by_term: Mapping[str, Normal | HalfNormal] = field(default_factory=dict)
    """Exceptions: a predictor's name → `Normal`, a varying term such as "(1|state)" → `HalfNormal`."""

    def for_predictor(self, name: str) -> Normal:
        """Prior of each coefficient of a predictor."""
        prior = self.by_term.get(name, self.coefficient)
        if not isinstance(prior, Normal):
            raise PriorError(f"the prior of {name} is {prior}; a coefficient needs normal(mean, sd)")
        return prior

    def for_sd(self, term: str) -> HalfNormal:
        """Prior of the standard deviation of a varying term."""
        prior = self.by_term.get(term, self.sd)
        if not isinstance(prior, HalfNormal):
            raise PriorError(f"the prior of {term} is {prior}; a standard deviation needs half_normal(scale)")
        return prior

    def check(self, design: Design) -> None:
        """Refuse a prior for a term that the design does not have, or of the wrong kind.

        Raises
        ------
        PriorError
            Naming the term and the terms there are.
        """
        terms = [name for name, _ in design.blocks if name != "intercept"]
        for term in self.by_term:
            if term not in terms:
                raise PriorError(f"there is a prior for {term}, which is not a term; the terms are {', '.join(terms)}")
        for predictor in design.predictors:
            self.for_predictor(predictor.name)
        for effect in design.effects:
            self.for_sd(effect.term)

    def to_json(self) -> dict[str, str]:
        """Text by term, as `parse_priors` reads it; the defaults are included so that a release is complete."""
        defaults = {"intercept": self.intercept, "coefficient": self.coefficient, "sd": self.sd}
        return {name: str(prior) for name, prior in {**defaults, **self.by_term}.items()}

    def describe(self, design: Design) -> dict[str, str]:
        """The prior of every term of a design, in words."""
        words = {"intercept": f"{self.intercept} on the logit scale"}
        for predictor in design.predictors:
            unit = "standard deviation over people" if predictor.scale is not None else "contrast of levels"
            words[predictor.name] = f"{self.for_predictor(predictor.name)} per {unit}"
        for effect in design.effects:
            words[effect.term] = f"normal(0, sd) with sd ~ {self.for_sd(effect.term)}"
        return words


def parse_priors(text: Mapping[str, str]) -> Priors:
    """Read priors from text.

    Parameters
    ----------
    text
        Term → prior, e.g. ``{"(1|state)": "half_normal(1)", "intercept": "normal(0, 2)"}``. The names "intercept",
        "coefficient" and "sd" replace the defaults. Empty: the defaults.

    Raises
    ------
    PriorError
        If a prior cannot be read.
    """
    read = {term.replace(" ", ""): _parse(term, prior) for term, prior in text.items()}
    defaults = Priors()
    intercept = read.pop("intercept", defaults.intercept)
    coefficient = read.pop("coefficient", defaults.coefficient)
    sd = read.pop("sd", defaults.sd)
    if not isinstance(intercept, Normal) or not isinstance(coefficient, Normal):
        raise PriorError("the priors of intercept and coefficient need normal(mean, sd)")
    if not isinstance(sd, HalfNormal):
        raise PriorError(f"the prior of sd is {sd}; it needs half_normal(scale)")
    return Priors(intercept=intercept, coefficient=coefficient, sd=sd, by_term=read)


def _parse(term: str, text: str) -> Normal | HalfNormal:
    called = _CALL.match(text)
    try:
        if called and called[1] == "normal" and called[3] is not None:
            mean, scale = float(called[2]), float(called[3])
        elif called and called[1] == "half_normal" and called[3] is None:
            mean, scale = 0.0, float(called[2])
        else:
            raise ValueError("no such prior")
    except ValueError:
        raise PriorError(f"the prior of {term} is {text!r}; write normal(mean, sd) or half_normal(scale)") from None
    if not 0 < scale < math.inf or not math.isfinite(mean):
        raise PriorError(f"the prior of {term} is {text!r}; it must be finite and its scale above 0")
    return Normal(mean, scale) if called[1] == "normal" else HalfNormal(scale)
