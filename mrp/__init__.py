"""Multilevel regression and poststratification: opinion in every district and group, from a poll of few.

    from mrp import Electorate, Priors, build_design, collapse, fit_model, area_draws, summarise

    design = build_design("income + (1|state) + (1|age:gender)", electorate)
    counts = collapse(interviews, by=design.count_columns, answer="vote", option="yes", options=("yes", "no"))
    fit = fit_model(design, electorate, counts, Priors(), engine="laplace", seed=1)
    assert fit.verdict.publishable
    estimate = area_draws(fit.latents, design, electorate, by=("state",))
    table = summarise(estimate, interval=0.9)

What else can be asked of estimates is in the modules `mrp.contrast`, `mrp.change`, `mrp.revision`, `mrp.chances` (above
a threshold, in the lead, ranks), `mrp.seats`, `mrp.information` (how much is data) and `mrp.mix_and_mind`; raw and
weighted figures beside a model's in `mrp.direct` and `mrp.raking`; building the frame in `mrp.frames`; questions of
several options in `mrp.categorical`, of ordered ones in `mrp.ordinal`, of numbers in `mrp.numeric`, several in one fit
in `mrp.joint`; what can go wrong in `mrp.errors`. They need no import of their own: `mrp.seats.seats(options)`,
`mrp.contrast.lead(estimate)`.

Nothing here reads a file, a clock, the environment or a global random generator. Importing it loads neither PyMC nor
numba nor pandas; only the functions that parse a formula or sample do.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mrp import categorical as categorical
    from mrp import chances as chances
    from mrp import change as change
    from mrp import contrast as contrast
    from mrp import direct as direct
    from mrp import errors as errors
    from mrp import frames as frames
    from mrp import information as information
    from mrp import joint as joint
    from mrp import mix_and_mind as mix_and_mind
    from mrp import numeric as numeric
    from mrp import ordinal as ordinal
    from mrp import raking as raking
    from mrp import revision as revision
    from mrp import seats as seats
    from mrp.common_passes import common_passes
    from mrp.counts import collapse, observed_levels
    from mrp.design import Design, build_design
    from mrp.diagnostics import diagnose
    from mrp.electorate import Electorate
    from mrp.fit import FittedModel, fit_model
    from mrp.formula_check import check_formula
    from mrp.grouping import Grouping
    from mrp.latents import LatentDraws, from_datatree
    from mrp.nuts import NutsSettings, sample_nuts
    from mrp.parity import term_parity
    from mrp.poststratification import AreaDraws, area_draws, area_draws_many, poststratify
    from mrp.priors import Priors, parse_priors
    from mrp.scoring import score
    from mrp.summary import summarise
    from mrp.verdict import FitVerdict, judge_nuts

__all__ = [
    "AreaDraws",
    "Design",
    "Electorate",
    "FitVerdict",
    "FittedModel",
    "Grouping",
    "LatentDraws",
    "NutsSettings",
    "Priors",
    "area_draws",
    "area_draws_many",
    "build_design",
    "check_formula",
    "collapse",
    "common_passes",
    "diagnose",
    "fit_model",
    "from_datatree",
    "judge_nuts",
    "observed_levels",
    "parse_priors",
    "poststratify",
    "sample_nuts",
    "score",
    "summarise",
    "term_parity",
]

_HOMES = {
    "AreaDraws": "mrp.poststratification",
    "Design": "mrp.design",
    "Electorate": "mrp.electorate",
    "FitVerdict": "mrp.verdict",
    "FittedModel": "mrp.fit",
    "Grouping": "mrp.grouping",
    "LatentDraws": "mrp.latents",
    "NutsSettings": "mrp.nuts",
    "Priors": "mrp.priors",
    "area_draws": "mrp.poststratification",
    "area_draws_many": "mrp.poststratification",
    "build_design": "mrp.design",
    "check_formula": "mrp.formula_check",
    "collapse": "mrp.counts",
    "common_passes": "mrp.common_passes",
    "diagnose": "mrp.diagnostics",
    "fit_model": "mrp.fit",
    "from_datatree": "mrp.latents",
    "judge_nuts": "mrp.verdict",
    "observed_levels": "mrp.counts",
    "parse_priors": "mrp.priors",
    "poststratify": "mrp.poststratification",
    "sample_nuts": "mrp.nuts",
    "score": "mrp.scoring",
    "summarise": "mrp.summary",
    "term_parity": "mrp.parity",
}

_MODULES = (
    "categorical",
    "change",
    "chances",
    "contrast",
    "direct",
    "errors",
    "frames",
    "information",
    "joint",
    "mix_and_mind",
    "ordinal",
    "numeric",
    "raking",
    "revision",
    "seats",
)
"""Modules that are reached as attributes, as the functions of the same names are in them."""


def __getattr__(name: str) -> object:
    # Looked up on first use: a process that only serves estimates need not load what fits and scores.
    if name in _MODULES:
        return import_module(f"mrp.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'mrp' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_MODULES})
