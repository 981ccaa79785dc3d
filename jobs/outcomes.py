"""What the estimator makes of a declared question."""

from jobs.errors import FitImpossible
from mrp.categorical.options import Options
from mrp.outcomes import BinaryOutcome, CategoricalOutcome, Outcome
from polling.codebook import counted_labels
from polling.declaration import Question

__all__ = ["outcome_of"]


def outcome_of(question: Question) -> Outcome:
    """The outcome of a question, whose options are all labels that count: those of the base too.

    Raises
    ------
    FitImpossible
        If there is no model of this kind of question.
    """
    if question.kind == "binary" and not question.dispersion:
        return BinaryOutcome(counted_labels(question))
    if question.kind == "categorical" and not question.dispersion and question.sd == "shared":
        return CategoricalOutcome(Options(question.options, columns=question.own_columns, only_in=question.only_in))
    what: str = "overdispersed" if question.dispersion else question.kind
    what = f"{question.kind} with sd = '{question.sd}'" if question.sd != "shared" else what
    raise FitImpossible("kind-not-supported", f"There is no model for question {question.id}, which is {what}.")
