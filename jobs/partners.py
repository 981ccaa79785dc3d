"""Which questions of a survey are fitted together: binary ones whose formulas share a label, ``(1|p|district)``.

Of questions that share labels with each other, be it by way of a third, there is one joint model (``mrp.joint``). Each
of them has refits and releases of its own, made of the same interviews with the same seed, so that what two of them
serve is of one fit as soon as both have seen the same data. Whose turn comes first fits for all (``jobs.shared_fits``).
"""

import hashlib
from collections.abc import Collection, Sequence

import polars as pl
from sqlalchemy.orm import Session

from jobs.counted_parts import CountedParts
from jobs.counting import CountedInterviews, count_interviews
from jobs.errors import FitImpossible
from jobs.fit_request import Partner
from jobs.labels import formula_labels
from jobs.outcomes import outcome_of
from mrp.electorate import Electorate
from mrp.errors import FormulaError, MrpError
from mrp.joint import build_joint_design
from mrp.joint.priors import joint_priors
from mrp.priors import parse_priors
from mrp.terms import OBSERVED
from polling.declaration import Question, SurveyDeclaration
from polling.store.fit_inputs import partners_noted
from polling.store.records import FitRecord

__all__ = [
    "concerned",
    "count_partners",
    "hash_of_counts",
    "label_problems",
    "partners_fitted",
    "partners_of",
    "shared_labels",
]


def partners_of(question: Question, questions: Sequence[Question]) -> tuple[Question, ...]:
    """The questions that are fitted with one, by id.

    Parameters
    ----------
    questions
        Among which they are looked for.
    """
    terms = {one.id: shared_labels(one) for one in questions} | {question.id: shared_labels(question)}
    found, last = {question.id}, [question.id]
    while last:
        name = last.pop()
        more = [one for one, of in terms.items() if one not in found and of & terms[name]]
        found.update(more)
        last += more
    return tuple(sorted((one for one in questions if one.id in found - {question.id}), key=lambda one: one.id))


def concerned(declaration: SurveyDeclaration, moved: Collection[str]) -> set[str]:
    """Ids of the questions whose fits change when the interviews of some do: these, and their partners."""
    return set(moved) | {
        partner.id
        for question in declaration.questions
        if question.id in moved
        for partner in partners_of(question, declaration.questions)
    }


def shared_labels(question: Question) -> frozenset[str]:
    """Labels of a question that is fitted jointly; none of a question that cannot be, or whose formula has faults."""
    return frozenset() if question.kind != "binary" or question.dispersion else formula_labels(question.model)


def count_partners(
    session: Session,
    declaration: SurveyDeclaration,
    question: Question,
    *,
    memory: CountedParts | None = None,
) -> dict[str, tuple[Partner, CountedInterviews]]:
    """The partners of a question that have interviews, counted by the rules of each, by id.

    Raises
    ------
    FitImpossible
        If a stored wave that asks one of them no longer fits the codebook.
    """
    # Who has no interviews links nobody: what is left of a chain of labels is fitted together.
    every = partners_of(question, declaration.questions)
    beside = [question.id, *(one.id for one in every)]
    counts: dict[str, CountedInterviews] = {}
    for partner in every:
        try:
            counts[partner.id] = count_interviews(session, declaration, partner, memory=memory, beside=beside)
        except FitImpossible as refused:
            if refused.code != "no-interviews":
                raise
    return {
        one.id: (
            Partner(
                id=one.id,
                outcome=outcome_of(one),
                formula=one.model,
                priors=one.priors,
                counts=counts[one.id].counts,
            ),
            counts[one.id],
        )
        for one in partners_of(question, [other for other in every if other.id in counts])
    }


def partners_fitted(
    session: Session, declaration: SurveyDeclaration, question: Question, fit: FitRecord
) -> tuple[Partner, ...]:
    """The partners that a stored fit was made with, counted again.

    Raises
    ------
    FitImpossible
        If the interviews on one of them are not those of the fit any more.
    """
    noted = {name: of for name, of in partners_noted(fit.inputs).items() if of is not None}
    if not noted:
        return ()
    counted = count_partners(session, declaration, question)
    for name, of in noted.items():
        if name not in counted or hash_of_counts(counted[name][0].counts) != of["counts_sha256"]:
            raise FitImpossible(
                "partners-changed",
                f"Question {question.id} was fitted together with {name}, and the interviews on {name} are not those "
                "of that fit any more. Wait for the next release.",
            )
    return tuple(counted[name][0] for name in noted)


def label_problems(question: Question, questions: Sequence[Question], electorate: Electorate) -> tuple[str, ...]:
    """What stops a question from being fitted with those that share its labels, in words; empty if nothing does."""
    if not (labels := formula_labels(question.model)):
        return ()
    label, problem = min(labels), None
    if question.kind != "binary":
        problem = f"correlates binary questions, and {question.id} is {question.kind}; write the term without a label"
    elif question.dispersion:
        problem = (
            f"is of a joint fit, which knows no dispersion, and {question.id} has dispersion = true; leave out one of "
            "the two"
        )
    if problem is not None:
        return (f"the label {label} {problem}",)
    partners = partners_of(question, questions)
    if not partners:
        return ()
    # What goes for all of them is told of the first.
    together = {question.id, *(one.id for one in partners)}
    first = next(one.id for one in questions if one.id in together)
    return _joint_problems(question, partners, electorate, tells_of_all=question.id == first)


def _joint_problems(
    question: Question, partners: tuple[Question, ...], electorate: Electorate, *, tells_of_all: bool
) -> tuple[str, ...]:
    """What stops the joint model, but for what is wrong with the formula or the priors of a partner by themselves."""
    together = {one.id: one for one in sorted((question, *partners), key=lambda one: one.id)}
    try:
        design = build_joint_design(
            {name: one.model for name, one in together.items()},
            electorate,
            observed=dict.fromkeys(OBSERVED, ("1", "2")),
            alone=frozenset().union(*(formula_labels(one.model) for one in together.values())),
        )
        joint_priors({name: parse_priors(one.priors) for name, one in together.items()}, design)
    except FormulaError as error:
        problems = error.problems
    except MrpError as error:
        problems = (str(error),)
    else:
        return ()
    own, of_partners = f"{question.id}: ", tuple(f"{one.id}: " for one in partners)
    return tuple(
        one.removeprefix(own)
        for one in problems
        if one.startswith(own) or (tells_of_all and not one.startswith(of_partners))
    )


def hash_of_counts(counts: pl.DataFrame) -> str:
    """By which inputs name counts."""
    return hashlib.sha256(counts.write_csv().encode()).hexdigest()
