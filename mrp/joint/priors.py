"""Priors of several questions: of each its own, or the same for all."""

from collections.abc import Mapping

from mrp.errors import PriorError
from mrp.joint.design import JointDesign
from mrp.priors import Priors, require_priors

__all__ = ["describe_priors", "joint_priors"]


def joint_priors(priors: Priors | Mapping[str, Priors], design: JointDesign) -> dict[str, Priors]:
    """The priors of each question.

    Parameters
    ----------
    priors
        By question, or the same for all questions that have the term: a prior for a term that only some of them have
        has to be given by question. The sd of a shared term is that of each question; the prior of its correlations,
        ``lkj(eta)`` for its term or for "correlation", has to be the same with all of them.

    Raises
    ------
    PriorError
        If a question has none, there is no such question, they do not belong to its terms, or questions differ in the
        prior of correlations between them.
    """
    if isinstance(priors, Mapping):
        if missing := [one for one in design.questions if one not in priors]:
            raise PriorError(
                f"there are no priors for {missing[0]}; give every question its own, Priors() for defaults"
            )
        if unknown := [one for one in priors if one not in design.questions]:
            raise PriorError(
                f"there are priors for {unknown[0]}, which is no question; {', '.join(design.questions)} are"
            )
    of = {one: priors[one] if isinstance(priors, Mapping) else priors for one in design.questions}
    for question, own in of.items():
        try:
            require_priors(own, design.of(question))
        except PriorError as error:
            raise PriorError(f"{question}: {error}") from error
    for shared in design.shared:
        first, *others = shared.questions
        eta = of[first].for_correlation(shared.term)
        for other in others:
            if (theirs := of[other].for_correlation(shared.term)) != eta:
                raise PriorError(
                    f"the correlations of {shared.term} have the prior {eta} in {first} and {theirs} in {other}; they "
                    "are between these questions, so give both the same"
                )
    return of


def describe_priors(priors: Mapping[str, Priors], design: JointDesign) -> dict[str, str]:
    """The prior of every term of every question, in words, by names such as "(1|age) of rail"."""
    words = {
        f"{term} of {question}": text
        for question, one in design.designs.items()
        for term, text in priors[question].describe(one).items()
    }
    for shared in design.shared:
        prior = priors[shared.questions[0]].for_correlation(shared.term)
        *others, last = shared.questions
        words[shared.term] = f"correlations between {', '.join(others)} and {last} ~ {prior}"
    return words
