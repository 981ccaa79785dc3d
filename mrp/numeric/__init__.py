"""Questions answered with a number: feeling thermometers, amounts, years.

    from mrp.numeric import build_numeric_design, collapse_numeric, fit_numeric, numeric_draws

    design = build_numeric_design("income + (1|state) + (1|age)", electorate)
    counts = collapse_numeric(interviews, by=design.count_columns, answer="thermometer", within=(0, 100))
    fit = fit_numeric(design, electorate, counts, Priors(), engine="laplace", seed=1)
    means = numeric_draws(fit.latents, fit.design, electorate, by=("state",))     # AreaDraws, in degrees
    table = summarise(means)

The language of models is that of binary questions, `mrp.formula`. The likelihood is normal, with one sd for the
residuals of all people: a model of means, whose estimates are good where means are what is wanted, and which knows of
no range that answers have.

References
----------
Gelman and Hill (2007), "Data Analysis Using Regression and Multilevel/Hierarchical Models", chapter 12.
"""

from mrp.numeric.counts import add_numeric, coarsest_numeric, collapse_numeric
from mrp.numeric.design import NumericDesign, build_numeric_design
from mrp.numeric.direct import direct_means
from mrp.numeric.fit import NumericFit, default_numeric_estimates, fit_numeric, fit_numeric_laplace
from mrp.numeric.nuts import sample_numeric_nuts
from mrp.numeric.posterior import numeric_latents
from mrp.numeric.poststratification import answer_variances, numeric_draws, numeric_draws_many
from mrp.numeric.residual import describe_numeric_priors
from mrp.numeric.surprise import numeric_surprise
from mrp.numeric.unit import Unit

__all__ = [
    "NumericDesign",
    "NumericFit",
    "Unit",
    "add_numeric",
    "answer_variances",
    "build_numeric_design",
    "coarsest_numeric",
    "collapse_numeric",
    "default_numeric_estimates",
    "describe_numeric_priors",
    "direct_means",
    "fit_numeric",
    "fit_numeric_laplace",
    "numeric_draws",
    "numeric_draws_many",
    "numeric_latents",
    "numeric_surprise",
    "sample_numeric_nuts",
]
