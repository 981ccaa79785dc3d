"""Which pictures there are of a fit, and what they tell, in words for people who were not there."""

from dataclasses import dataclass

__all__ = ["CATALOGUE", "FigureKind", "kinds_of"]


@dataclass(frozen=True, slots=True)
class FigureKind:
    """One picture."""

    name: str
    """In a URL."""
    title: str
    caption: str
    """What is to be seen in it, and what it should look like."""
    engine: str | None = None
    """The engine that leaves what it shows; None: both."""


CATALOGUE = (
    FigureKind(
        "variation",
        "How much differs between groups",
        "Standard deviation of each varying term of the model: the point is the median, the thick line half of the "
        "probability, the thin one 94%. A term near zero tells groups apart hardly at all.",
    ),
    FigureKind(
        "prior-posterior",
        "What the interviews have told beyond the priors",
        "Standard deviations before the interviews (prior) and after (posterior). Where both are the same, the "
        "interviews say nothing about that term; where they hardly overlap, they contradict the prior.",
    ),
    FigureKind(
        "coefficients",
        "Coefficients of predictors",
        "Coefficients on the scale of the logit, with half of the probability and 94% of it. Numeric predictors are "
        "per standard deviation over the population.",
    ),
    FigureKind(
        "rank",
        "Do the chains agree?",
        "Ranks of each chain's draws among all, as deviations from uniform. Lines within the grey band mean that the "
        "chains tell the same; a chain that leaves it was somewhere else.",
        "nuts",
    ),
    FigureKind(
        "trace",
        "Draws in the order in which they were made",
        "Left the distribution by chain, right the draws. It should look like noise without trend, the same for all "
        "chains; black marks would be divergences.",
        "nuts",
    ),
    FigureKind(
        "energy",
        "Energy of the sampler",
        "How much of the posterior each step of the sampler can reach. Both curves should be of about the same width; "
        "the limit of the fraction is 0.3.",
        "nuts",
    ),
    FigureKind(
        "ess",
        "Effective draws as sampling went on",
        "Effective sample size of bulk and tails, growing with the draws. It should grow in a straight line, and end "
        "above 400.",
        "nuts",
    ),
    FigureKind(
        "profiles",
        "Likelihood of the standard deviations",
        "Each dot is a value at which the posterior density was computed exactly; its height is the log density below "
        "the largest. The upper edge of the dots is the profile: the more it bends, the more is known.",
        "laplace",
    ),
    FigureKind(
        "weights",
        "Importance weights",
        "By how much the draws of the fast engine had to be corrected, the largest correction first. An even line says "
        "that the approximation was nearly exact; a steep start, that few draws carry the answer.",
        "laplace",
    ),
    FigureKind(
        "confirmation",
        "Fast engine against NUTS",
        "Each dot is an estimate: of the nation, a district or a level of a demographic. Dots on the line are the same "
        "by both engines; the bars are the posterior standard deviations of both.",
    ),
)


def kinds_of(engine: str, *, confirmed: bool) -> tuple[FigureKind, ...]:
    """Pictures of a fit by an engine.

    Parameters
    ----------
    confirmed
        Whether NUTS was run on the same interviews, with estimates to compare.
    """
    own = (kind for kind in CATALOGUE if kind.engine in (None, engine))
    return tuple(kind for kind in own if kind.name != "confirmation" or confirmed)
