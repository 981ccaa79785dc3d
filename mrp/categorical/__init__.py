"""Questions with several options: parties, candidates, any answers of which one is chosen.

    from mrp.categorical import Options, build_categorical_design, collapse_options, fit_categorical, option_draws

    options = Options(("Labour", "Conservative", "Green"), columns={"past": {"Labour": "labour_2012", ...}})
    design = build_categorical_design("offset(log(past)) + (1|borough) + (1|age)", electorate, options)
    counts = collapse_options(interviews, by=design.count_columns, answer="vote", options=options.labels)
    fit = fit_categorical(design, electorate, counts, Priors(), engine="laplace", seed=1)
    shares = option_draws(fit.latents, design, electorate, by=("borough",))     # (draw, area, option)
    table = summarise(shares.by_option())

The language of models is that of binary questions, `mrp.formula`, with terms for each option's own predictors,
`mrp.categorical.options`; every latent is a vector over options that sums to zero, `mrp.categorical.model`.

References
----------
Alvarez and Nagler (1998), "When politics and models collide: estimating models of multiparty elections", American
Journal of Political Science 42(1), 55-96: predictors of each option's own.
"""

from mrp.categorical.counts import coarsest_options, collapse_options, count_name
from mrp.categorical.design import CategoricalDesign, build_categorical_design
from mrp.categorical.fit import (
    CategoricalFit,
    default_option_estimates,
    fit_categorical,
    fit_categorical_laplace,
)
from mrp.categorical.nuts import sample_categorical_nuts
from mrp.categorical.options import Options
from mrp.categorical.posterior import categorical_latents
from mrp.categorical.poststratification import OptionDraws, option_draws, option_draws_many

__all__ = [
    "CategoricalDesign",
    "CategoricalFit",
    "OptionDraws",
    "Options",
    "build_categorical_design",
    "categorical_latents",
    "coarsest_options",
    "collapse_options",
    "count_name",
    "default_option_estimates",
    "fit_categorical",
    "fit_categorical_laplace",
    "option_draws",
    "option_draws_many",
    "sample_categorical_nuts",
]
