"""Weakly informative priors, named, and overridable per term.

On the logit scale: the intercept is Normal(0, 1.5), which puts shares between 5% and 95%; a coefficient is Normal(0, 1)
per standard deviation of its predictor, or per contrast of levels; the standard deviation of a varying intercept is
HalfNormal(0.5), which calls differences of a factor of e between levels unusual and twice that rare. The same holds for
every other sd: structured effects are scaled so that it means the same. Correlations of slopes are LKJ(2), which
favours none; the autocorrelation r of periods has (r + 1) / 2 ~ Beta(5, 2), which expects opinion to last: 0.43 on
average, seldom below 0. The share phi of the districts' variance that is alike between neighbours is below a half with
probability 0.67 (two thirds: Riebler et al. 2016), and the less likely the further from none; see `mrp.mixing`. The
dispersion of answers in clusters, where it is declared, is HalfNormal(0.3): see `mrp.dispersion`.

The log width of an option inside an ordered scale, the distance between its cutpoints, is Normal(0, 1): widths from
0.14 to 7, where options of equal shares have widths from 1.4 (of three) to 0.6 (the middle one of seven).

Of a question answered with a number all of them are in units of the answers' own spread, and the sd of the residual is
HalfNormal(1); see `mrp.numeric`.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mrp.design import Design
from mrp.effects_in_words import effect_in_words
from mrp.errors import PriorError
from mrp.formula import Formula, parse_formula
from mrp.prior_kinds import AutoBeta, HalfNormal, Lkj, Normal, PcMixing, Prior
from mrp.term_names import by_name, find, order_free, term_name
from mrp.terms import Autoregression, Spatial, VaryingIntercept, VaryingSlopes

__all__ = ["AutoBeta", "HalfNormal", "Lkj", "Normal", "PcMixing", "Prior", "Priors", "parse_priors", "require_priors"]

_CALL = re.compile(r"\s*(normal|half_normal|lkj|beta|pc)\s*\(\s*([^,()]+?)\s*(?:,\s*([^,()]+?)\s*)?\)\s*")
_BETWEEN = re.compile(r"(?<=\))\s*,")
_FORMS = "normal(mean, sd), half_normal(scale), lkj(eta), beta(a, b) or pc(upper, probability)"


@dataclass(frozen=True, slots=True)
class Priors:
    """The priors of a model; the defaults, with exceptions by term."""

    intercept: Normal = Normal(0.0, 1.5)
    coefficient: Normal = Normal(0.0, 1.0)
    sd: HalfNormal = HalfNormal(0.5)
    by_term: Mapping[str, Normal | HalfNormal] = field(default_factory=dict)
    """Exceptions: a predictor's name → `Normal`, another term such as "(1|state)" → `HalfNormal` of its sds. A term is
    understood however it is written, as in a formula."""
    correlation: Lkj = Lkj(2.0)
    autocorrelation: AutoBeta = AutoBeta(5.0, 2.0)
    correlation_by_term: Mapping[str, Lkj | AutoBeta | PcMixing] = field(default_factory=dict)
    """Exceptions: a term with slopes, or one with a label, "(1|p|state)" → `Lkj`, "ar1(period)" → `AutoBeta`,
    "bym2(district)" → `PcMixing`."""
    mixing: PcMixing = PcMixing(0.5, 0.67)
    log_width: Normal = Normal(0.0, 1.0)
    """Of each option inside an ordered scale, see `mrp.ordinal.scale`."""
    residual: HalfNormal = HalfNormal(1.0)
    """Of the sd of what is left of an answer that is a number, in units of the sd of all answers."""
    dispersion: HalfNormal = HalfNormal(0.3)

    def __post_init__(self) -> None:
        for name, kind in _DEFAULTS.items():
            if not isinstance(prior := getattr(self, name), kind):
                raise PriorError(f"the prior of {name} is {prior}; it needs {_FORM_OF[kind]}")
        for name in ("by_term", "correlation_by_term"):
            object.__setattr__(self, name, by_name(getattr(self, name)))

    def for_predictor(self, name: str) -> Normal:
        """Prior of each coefficient of a predictor."""
        prior = find(self.by_term, name, self.coefficient)
        if not isinstance(prior, Normal):
            raise PriorError(f"the prior of {name} is {prior}; a coefficient needs normal(mean, sd)")
        return prior

    def for_sd(self, term: str) -> HalfNormal:
        """Prior of each standard deviation of a term."""
        prior = find(self.by_term, term, self.sd)
        if not isinstance(prior, HalfNormal):
            raise PriorError(f"the prior of {term} is {prior}; a standard deviation needs half_normal(scale)")
        return prior

    def for_correlation(self, term: str) -> Lkj:
        """Prior of the correlations of a term with slopes, or of one with a label between questions."""
        prior = find(self.correlation_by_term, term, self.correlation)
        if not isinstance(prior, Lkj):
            raise PriorError(f"the prior of the correlations of {term} is {prior}; it needs lkj(eta)")
        return prior

    def for_autocorrelation(self, term: str) -> AutoBeta:
        """Prior of the autocorrelation of a term."""
        prior = find(self.correlation_by_term, term, self.autocorrelation)
        if not isinstance(prior, AutoBeta):
            raise PriorError(f"the prior of the autocorrelation of {term} is {prior}; it needs beta(a, b)")
        return prior

    def for_mixing(self, term: str) -> PcMixing:
        """Prior of the share of a term's variance that is alike between neighbours."""
        prior = find(self.correlation_by_term, term, self.mixing)
        if not isinstance(prior, PcMixing):
            raise PriorError(f"the prior of the mixing of {term} is {prior}; it needs pc(upper, probability)")
        return prior

    def check(self, design: Design) -> None:
        """Refuse a prior for a term that the design's formula does not have, or of the wrong kind.

        Raises
        ------
        PriorError
            Naming the term and the terms there are.
        """
        self.check_formula(parse_formula(design.formula))

    def check_formula(self, formula: Formula) -> None:
        """As `check`, before there is a design.

        Raises
        ------
        PriorError
            Naming the term and the terms there are.
        """
        known = formula.term_names
        for term in (*self.by_term, *self.correlation_by_term):
            if order_free(term) not in map(order_free, known):
                raise PriorError(f"there is a prior for {term}, which is not a term; the terms are {', '.join(known)}")
        groups = {order_free(str(term)): term for term in formula.groups}
        for name in map(order_free, known):
            if name in groups:
                self.for_sd(name)
            else:
                self.for_predictor(name)
        for name in self.correlation_by_term:
            group = groups.get(order_free(name))
            if isinstance(group, Autoregression):
                self.for_autocorrelation(name)
            elif isinstance(group, Spatial) and group.call == "bym2":
                self.for_mixing(name)
            elif (isinstance(group, VaryingSlopes) and group.correlated) or (
                isinstance(group, VaryingIntercept) and group.label
            ):
                self.for_correlation(name)
            else:
                raise PriorError(f"{name} has no correlation, and so no prior {self.correlation_by_term[name]} of one")

    def to_json(self) -> dict[str, str]:
        """Text by term, as `parse_priors` reads it; the defaults are included so that a release is complete.

        Those that one kind of question has are included only if they are not the default.
        """
        defaults = {name: str(getattr(self, name)) for name in _DEFAULTS if name not in self._unsaid}
        terms = dict.fromkeys((*self.by_term, *self.correlation_by_term))
        own = (
            (term, [str(of[term]) for of in (self.by_term, self.correlation_by_term) if term in of]) for term in terms
        )
        return defaults | {term: ", ".join(priors) for term, priors in own}

    @property
    def _unsaid(self) -> tuple[str, ...]:
        """Defaults of one kind of question alone that are as they are by default."""
        return tuple(name for name in _OF_ONE_KIND if getattr(self, name) == getattr(type(self)(), name))

    def describe(self, design: Design, *, scale: str = "on the logit scale") -> dict[str, str]:
        """The prior of every term of a design, in words; ``scale`` says on which one, of other kinds of questions."""
        words = {"intercept": f"{self.intercept} {scale}"}
        for predictor in design.predictors:
            unit = "standard deviation over people" if predictor.scale is not None else "contrast of levels"
            if predictor.name.startswith("slope("):
                unit = "way from the first level to the last"
            words[predictor.name] = f"{self.for_predictor(predictor.name)} per {unit}"
        for effect in design.effects:
            words[effect.term] = effect_in_words(effect, self)
        return words


_DEFAULTS: Mapping[str, type[Prior]] = {
    "intercept": Normal,
    "coefficient": Normal,
    "sd": HalfNormal,
    "correlation": Lkj,
    "autocorrelation": AutoBeta,
    "mixing": PcMixing,
    "log_width": Normal,
    "residual": HalfNormal,
    "dispersion": HalfNormal,
}


_OF_ONE_KIND: Mapping[str, str] = {
    "log_width": "only options in order have widths",
    "residual": "only answers that are numbers have a residual",
}
"""Priors that questions of one kind have, and what is said to the others."""


def parse_priors(text: Mapping[str, str]) -> Priors:
    """Read priors from text.

    Parameters
    ----------
    text
        Term → prior, e.g. ``{"(1|state)": "half_normal(1)", "intercept": "normal(0, 2)"}``, or two for a term with a
        correlation or a mixing: ``{"(gender|educ)": "half_normal(1), lkj(4)"}``. A term may be written in every way
        that means it, as in a formula. The names "intercept", "coefficient", "sd", "correlation", "autocorrelation",
        "mixing", "log_width", "residual" and "dispersion" replace the defaults. Empty: the defaults.

    Raises
    ------
    PriorError
        If a prior cannot be read, or a term has two of one kind.
    """
    defaults: dict[str, Any] = {}
    by_term: dict[str, Normal | HalfNormal] = {}
    correlation_by_term: dict[str, Lkj | AutoBeta | PcMixing] = {}
    for written, priors in text.items():
        term = term_name(written)
        if not isinstance(priors, str):
            raise PriorError(f"the prior of {term} is {priors!r}, which is not text; write {_FORMS}")
        for one in _BETWEEN.split(priors):
            prior = _parse(term, one)
            if term in (defaults if term in _DEFAULTS else correlation_by_term if _correlates(prior) else by_term):
                raise PriorError(f"the prior of {term} is {priors!r}, two of one kind; keep one")
            if term in _DEFAULTS:
                if not isinstance(prior, _DEFAULTS[term]):
                    raise PriorError(f"the prior of {term} is {prior}; it needs {_FORM_OF[_DEFAULTS[term]]}")
                defaults[term] = prior
            elif isinstance(prior, Lkj | AutoBeta | PcMixing):
                correlation_by_term[term] = prior
            else:
                by_term[term] = prior
    return Priors(by_term=by_term, correlation_by_term=correlation_by_term, **defaults)


def require_priors(priors: Priors, design: Design, *, own: str | None = None) -> None:
    """Refuse what is not `Priors`, and priors that do not belong to a design.

    Parameters
    ----------
    own
        The prior that questions of this kind alone have, "log_width" or "residual".

    Raises
    ------
    PriorError
        As `Priors.check`, or saying how priors are made.
    """
    if not isinstance(priors, Priors):
        made = "mrp.parse_priors(...) of it" if isinstance(priors, Mapping) else "mrp.Priors() for the defaults"
        raise PriorError(f"priors is {priors!r:.60} ({type(priors).__name__}); it has to be Priors: write {made}")
    for name, reason in _OF_ONE_KIND.items():
        if name != own and getattr(priors, name) != getattr(Priors(), name):
            raise PriorError(f"the prior of {name} is {getattr(priors, name)}; {reason}")
    priors.check(design)


def _correlates(prior: Prior) -> bool:
    return isinstance(prior, Lkj | AutoBeta | PcMixing)


_FORM_OF: Mapping[type[Prior], str] = {
    Normal: "normal(mean, sd)",
    HalfNormal: "half_normal(scale)",
    Lkj: "lkj(eta)",
    AutoBeta: "beta(a, b)",
    PcMixing: "pc(upper, probability)",
}


def _parse(term: str, text: str) -> Prior:
    called = _CALL.fullmatch(text)
    try:
        if called is None:
            raise ValueError("no such prior")
        numbers = [float(number) for number in called.groups()[1:] if number is not None]
        if len(numbers) != (2 if called[1] in ("normal", "beta", "pc") else 1):
            raise ValueError("the wrong number of parameters")
    except ValueError:
        raise PriorError(f"the prior of {term} is {text!r}; write {_FORMS}") from None
    positive = numbers[1:] if called[1] == "normal" else numbers
    if not all(0 < number < math.inf for number in positive) or not math.isfinite(numbers[0]):
        raise PriorError(f"the prior of {term} is {text!r}; it must be finite and its scale above 0")
    match called[1]:
        case "normal":
            return Normal(*numbers)
        case "half_normal":
            return HalfNormal(*numbers)
        case "lkj":
            return Lkj(*numbers)
        case "beta":
            return AutoBeta(*numbers)
        case _:
            return PcMixing(*numbers)
