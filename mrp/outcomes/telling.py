"""Say of a fit of any kind what it is made of: its priors, and how much each term explains."""

from dataclasses import replace

from mrp.categorical.design import CategoricalDesign
from mrp.categorical.variation import option_variation
from mrp.design import Design
from mrp.electorate import Electorate
from mrp.latents import LatentDraws
from mrp.numeric.design import NumericDesign
from mrp.numeric.residual import describe_numeric_priors
from mrp.ordinal.design import OrdinalDesign
from mrp.ordinal.model import describe_ordinal_priors
from mrp.outcomes.designs import AnyDesign
from mrp.priors import Priors
from mrp.variation import TermVariation, term_variation

__all__ = ["priors_in_words", "variation"]


def priors_in_words(priors: Priors, design: AnyDesign, *, dispersed: bool = False) -> dict[str, str]:
    """The prior of every term of a design, and of the dispersion; see `mrp.priors.Priors.describe`."""
    words = _of_terms(priors, design)
    return words | ({"dispersion": str(priors.dispersion)} if dispersed else {})


def _of_terms(priors: Priors, design: AnyDesign) -> dict[str, str]:
    if isinstance(design, Design):
        return priors.describe(design)
    if isinstance(design, OrdinalDesign):
        return describe_ordinal_priors(priors, design)
    if isinstance(design, NumericDesign):
        return describe_numeric_priors(priors, design.common, design.require_unit())
    words = priors.describe(design.common)
    if isinstance(design, CategoricalDesign):
        if design.sd == "by option":
            effects = {effect.term for effect in design.common.effects}
            words = {term: f"{text}, one for each option" if term in effects else text for term, text in words.items()}
        unit = "standard deviation over people and options"
        words |= {one.term: f"{priors.for_predictor(one.term)} per {unit}" for one in design.own}
    return words


def variation(latents: LatentDraws, design: AnyDesign, electorate: Electorate) -> tuple[TermVariation, ...]:
    """The terms that tell people apart, see `mrp.variation.term_variation`; of numbers in their unit."""
    if isinstance(design, Design):
        return term_variation(latents, design, electorate)
    if isinstance(design, CategoricalDesign):
        return option_variation(latents, design, electorate)
    scale = design.require_unit().scale if isinstance(design, NumericDesign) else 1.0
    found = term_variation(latents, design.common, electorate)
    return tuple(replace(one, sd=scale * one.sd, low=scale * one.low, high=scale * one.high) for one in found)
