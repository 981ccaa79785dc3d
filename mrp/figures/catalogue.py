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
    alt: str
    """What whoever does not see it is told in its place; the numbers are in the diagnostics."""
    engine: str | None = None
    """The engine that leaves what it shows; None: both."""


CATALOGUE = (
    FigureKind(
        "variation",
        "How much differs between groups",
        "Standard deviation of each varying term of the model: the point is the median, the thick line half of the "
        "probability, the thin one 90%. A term near zero tells groups apart hardly at all.",
        "Intervals of the standard deviations, one line for each varying term.",
    ),
    FigureKind(
        "prior-posterior",
        "What the interviews have told beyond the priors",
        "Standard deviations before the interviews (prior) and after (posterior). Where both are the same, the "
        "interviews say nothing about that term; where they hardly overlap, they contradict the prior.",
        "Prior and posterior densities of each standard deviation and correlation.",
    ),
    FigureKind(
        "coefficients",
        "Coefficients of predictors",
        "Coefficients on the scale of the logit, with half of the probability and 90% of it. Numeric predictors are "
        "per standard deviation over the population.",
        "Intervals of the coefficients, one line for each predictor.",
    ),
    FigureKind(
        "rank",
        "Do the chains agree?",
        "Ranks of each chain's draws among all, as deviations from uniform. Lines within the grey band mean that the "
        "chains tell the same; a chain that leaves it was somewhere else, and by more than chance where it is black.",
        "Rank plots, one line for each chain, and the band in which chains that agree lie.",
        "nuts",
    ),
    FigureKind(
        "trace",
        "Draws in the order in which they were made",
        "Left the distribution by chain, right the draws. It should look like noise without trend, the same for all "
        "chains; black marks would be divergences.",
        "Densities and traces of the main parameters, one line for each chain.",
        "nuts",
    ),
    FigureKind(
        "energy",
        "Energy of the sampler",
        "How much of the posterior each step of the sampler can reach. Both curves should be of about the same width; "
        "the limit of the fraction is 0.3.",
        "Energy fractions of the chains, and the densities of energy and of its steps.",
        "nuts",
    ),
    FigureKind(
        "ess",
        "Effective draws as sampling went on",
        "Effective sample size of bulk and tails, growing with the draws. It should grow in a straight line, and end "
        "above 400.",
        "Effective sample sizes of bulk and tails against the number of draws.",
        "nuts",
    ),
    FigureKind(
        "profiles",
        "Likelihood of the standard deviations",
        "Each dot is a value at which the posterior density was computed exactly; its height is the log density below "
        "the largest. The upper edge of the dots is the profile: the more it bends, the more is known.",
        "Log density of every explored point against each standard deviation and correlation.",
        "laplace",
    ),
    FigureKind(
        "weights",
        "Importance weights",
        "By how much the draws of the fast engine had to be corrected, the largest correction first. An even line says "
        "that the approximation was nearly exact; a steep start, that few draws carry the answer.",
        "Importance weights of both stages, the largest first.",
        "laplace",
    ),
    FigureKind(
        "confirmation",
        "Fast engine against NUTS",
        "Each dot is an estimate: of the nation, a district or a level of a demographic. To the right the fast engine "
        "gives more than NUTS, upwards it is less sure. Within the grey box, a tenth of the uncertainty and a "
        "twentieth of its size, a difference does not matter.",
        "Differences of means against log ratios of standard deviations, one dot for each estimate.",
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
