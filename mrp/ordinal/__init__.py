"""Questions whose options are in order: agreement scales, satisfaction, how often.

    from mrp.ordinal import build_ordinal_design, collapse_ordinal, fit_ordinal, ordinal_draws

    options = ("Disagree", "Neither", "Agree")                                   # from the lowest to the highest
    design = build_ordinal_design("income + (1|district) + (1|age)", electorate, options)
    counts = collapse_ordinal(interviews, by=design.count_columns, answer="view", options=options)
    fit = fit_ordinal(design, electorate, counts, Priors(), engine="laplace", seed=1)
    drawn = ordinal_draws(fit.latents, design, electorate, by=("district",))
    table = summarise(drawn.by_option())                                         # shares of all options
    means = summarise(drawn.mean((-1, 0, 1)))                                    # means of scores

The language of models is that of binary questions, `mrp.formula`; the model is the cumulative logit, see
`mrp.ordinal.model`.

References
----------
McCullagh (1980), "Regression models for ordinal data", Journal of the Royal Statistical Society B 42(2), 109-142.
"""

from mrp.ordinal.counts import coarsest_ordinal, collapse_ordinal
from mrp.ordinal.design import OrdinalDesign, build_ordinal_design
from mrp.ordinal.fit import OrdinalFit, default_ordinal_estimates, fit_ordinal, fit_ordinal_laplace
from mrp.ordinal.nuts import sample_ordinal_nuts
from mrp.ordinal.posterior import ordinal_latents
from mrp.ordinal.poststratification import mean_scores, ordinal_draws, ordinal_draws_many
from mrp.ordinal.scale import cutpoints, option_shares

__all__ = [
    "OrdinalDesign",
    "OrdinalFit",
    "build_ordinal_design",
    "coarsest_ordinal",
    "collapse_ordinal",
    "cutpoints",
    "default_ordinal_estimates",
    "fit_ordinal",
    "fit_ordinal_laplace",
    "mean_scores",
    "option_shares",
    "ordinal_draws",
    "ordinal_draws_many",
    "ordinal_latents",
    "sample_ordinal_nuts",
]
