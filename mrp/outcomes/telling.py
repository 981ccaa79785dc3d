"""Say of a fit of any kind what it is made of: its priors, and how much each term explains."""

from mrp.categorical.design import CategoricalDesign
from mrp.categorical.variation import option_variation
from mrp.design import Design
from mrp.electorate import Electorate
from mrp.latents import LatentDraws
from mrp.outcomes.designs import AnyDesign
from mrp.priors import Priors
from mrp.variation import TermVariation, term_variation

__all__ = ["priors_in_words", "variation"]


def priors_in_words(priors: Priors, design: AnyDesign) -> dict[str, str]:
    """The prior of every term of a design; see `mrp.priors.Priors.describe`."""
    if isinstance(design, Design):
        return priors.describe(design)
    words = priors.describe(design.common)
    if isinstance(design, CategoricalDesign):
        unit = "standard deviation over people and options"
        words |= {one.term: f"{priors.for_predictor(one.term)} per {unit}" for one in design.own}
    return words


def variation(latents: LatentDraws, design: AnyDesign, electorate: Electorate) -> tuple[TermVariation, ...]:
    """The terms that tell people apart, see `mrp.variation.term_variation`; empty where it is not defined."""
    if isinstance(design, Design):
        return term_variation(latents, design, electorate)
    if isinstance(design, CategoricalDesign):
        return option_variation(latents, design, electorate)
    return ()
