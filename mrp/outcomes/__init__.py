"""What a question's answers are, for who serves questions of every kind on one path.

    outcome = CategoricalOutcome(Options(("Labour", "Conservative", "Green")))
    design = outcome.build("(1|borough) + (1|age)", electorate)
    counts = outcome.collapse(interviews, by=design.count_columns, answer="vote")
    fitted = outcome.fit(design, electorate, counts, Priors(), engine="laplace", seed=1)
    (drawn,) = draws_many(fitted.latents, design, electorate, [Grouping(by=("borough",))])
    green = drawn.of("Green")                                                   # AreaDraws, as of a binary question

An *outcome* is declared: its kind, options and whatever belongs to them. A *design* is stored with a fit and read back
by `design_from_json`, whatever its kind; `draws_many` answers from it. What is estimated of a question are named
columns, `estimands`: the first option of a binary question, all options of a categorical or ordinal one, the mean of a
numeric one.
"""

from mrp.outcomes.baselines import simple_methods, stands_in
from mrp.outcomes.binary import BinaryOutcome
from mrp.outcomes.categorical import CategoricalOutcome
from mrp.outcomes.designs import (
    MEAN,
    SHARE,
    AnyDesign,
    dataset_of,
    default_draws,
    design_from_json,
    draws_many,
    estimands,
)
from mrp.outcomes.held_out import score_alike, score_interviews
from mrp.outcomes.numeric import NumericOutcome
from mrp.outcomes.ordinal import OrdinalOutcome
from mrp.outcomes.outcome import Fitted, Outcome
from mrp.outcomes.reading import outcome_from_json
from mrp.outcomes.surprises import surprises
from mrp.outcomes.telling import priors_in_words, variation

__all__ = [
    "MEAN",
    "SHARE",
    "AnyDesign",
    "BinaryOutcome",
    "CategoricalOutcome",
    "Fitted",
    "NumericOutcome",
    "OrdinalOutcome",
    "Outcome",
    "dataset_of",
    "default_draws",
    "design_from_json",
    "draws_many",
    "estimands",
    "outcome_from_json",
    "priors_in_words",
    "score_alike",
    "score_interviews",
    "simple_methods",
    "stands_in",
    "surprises",
    "variation",
]
