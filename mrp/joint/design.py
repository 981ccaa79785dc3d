r"""Several questions in one linear model, with effects that they share.

    eta_q[i] = intercept_q + sum_j x_q[i, j] coefficient_q[j] + sum_k weight_q[i, k] effect_q[index_q[i, k]]

is the model of one question q, `mrp.design`. A term ``(1|p|district)`` in several of them, the same label and the same
grouping, has a vector of effects per district, one number for each of these questions, drawn from a joint normal
distribution; every other term is of one question alone.

The latents of a joint design are those of its questions, one after the other: what is of one question is a slice.
"""

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mrp.design import Design, build_design
from mrp.electorate import Electorate
from mrp.errors import DrawsError, FormulaError, FrameError
from mrp.formula import parse_formula
from mrp.formula_check import check_formula
from mrp.terms import VaryingIntercept, label_of

__all__ = ["JointDesign", "SharedTerm", "build_joint_design"]

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class SharedTerm:
    """Effects that are correlated across questions."""

    label: str
    term: str
    """As its questions write it."""
    questions: tuple[str, ...]
    """Those that have it, in the order of the design."""


@dataclass(frozen=True, slots=True, eq=False)
class JointDesign:
    """Coding of every term of every question; see `build_joint_design`."""

    designs: Mapping[str, Design]
    """By question, in order."""

    @property
    def questions(self) -> tuple[str, ...]:
        return tuple(self.designs)

    @property
    def shared(self) -> tuple[SharedTerm, ...]:
        """The terms that are correlated across questions, in the order in which they appear."""
        found: dict[str, list[tuple[str, str]]] = {}
        for question, design in self.designs.items():
            for effect in design.effects:
                if label := label_of(effect.term):
                    found.setdefault(label, []).append((question, effect.term))
        return tuple(
            SharedTerm(label, of[0][1], tuple(question for question, _ in of))
            for label, of in found.items()
            if len(of) > 1
        )

    @property
    def n_latents(self) -> int:
        return sum(design.n_latents for design in self.designs.values())

    @property
    def latent_names(self) -> tuple[str, ...]:
        """Names of all latents in order, e.g. "intercept of rail", "(1|p|district)[D01] of rail"."""
        return tuple(f"{name} of {one}" for one, design in self.designs.items() for name in design.latent_names)

    @property
    def parts(self) -> dict[str, slice]:
        """Where the latents of each question are."""
        sizes = [design.n_latents for design in self.designs.values()]
        ends = itertools.accumulate(sizes)
        return {one: slice(end - size, end) for one, size, end in zip(self.designs, sizes, ends, strict=True)}

    def of(self, question: str) -> Design:
        """The design of one question.

        Raises
        ------
        DrawsError
            If there is no such question.
        """
        if question not in self.designs:
            raise DrawsError(f"there is no question {question!r} in the fit; there are {', '.join(self.designs)}")
        return self.designs[question]

    def term(self, label: str) -> SharedTerm:
        """The shared term with a label.

        Raises
        ------
        DrawsError
            If there is none.
        """
        for shared in self.shared:
            if shared.label == label:
                return shared
        labels = ", ".join(shared.label for shared in self.shared) or "none"
        raise DrawsError(f"no term with the label {label!r} is correlated across questions; labels are: {labels}")

    def at_period(self, period: str) -> "JointDesign":
        """The same model, predicting another period with every question that reads periods.

        Raises
        ------
        FrameError
            If no question reads periods, or one does not know this period.
        """
        if not any(design.period for design in self.designs.values()):
            raise FrameError("no question of the model has a term of period: predictions are for all periods")
        of = {one: design.at_period(period) if design.period else design for one, design in self.designs.items()}
        return replace(self, designs=of)

    def to_json(self) -> dict[str, Any]:
        """A value that ``json.dumps`` takes; the inverse of `from_json`."""
        return {
            "format_version": FORMAT_VERSION,
            "kind": "joint",
            "questions": [{"question": one, "design": design.to_json()} for one, design in self.designs.items()],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "JointDesign":
        """Read what `to_json` wrote.

        Raises
        ------
        DrawsError
            If the value is no joint design, or one of another format version.
        """
        if value.get("kind") != "joint" or value.get("format_version") != FORMAT_VERSION:
            told = f"of kind {value.get('kind')!r} and format version {value.get('format_version')!r}"
            raise DrawsError(f"the design is {told}, not 'joint' and {FORMAT_VERSION}; refit the questions")
        return cls({item["question"]: Design.from_json(item["design"]) for item in value["questions"]})


def build_joint_design(
    formulas: Mapping[str, str],
    electorate: Electorate,
    *,
    observed: Mapping[str, Sequence[str]] | None = None,
    period: str | None = None,
    alone: Collection[str] = (),
) -> JointDesign:
    """Code every term of several formulas for an electorate.

    Parameters
    ----------
    formulas
        Question → formula, two or more; see `mrp.formula`. Terms with the same label and grouping are correlated;
        questions without such a term are independent of the others.
    electorate
        Of all questions.
    observed
        As for `mrp.design.build_design`, of the interviews of all questions together: a period in which a question was
        not asked is a gap of it.
    period
        The period to predict. Default: the last one with interviews on any question.
    alone
        Labels that one question may have alone, where the others that have them are not in the fit. The term is then
        fitted as if it had none.

    Raises
    ------
    FormulaError
        With everything that is wrong with the formulas, each problem with its question.
    CountsError
        If ``observed`` names another column, or has levels that are not text.
    FrameError
        If there is no such period.
    """
    written = "; ".join(f"{question}: {formula}" for question, formula in formulas.items())
    if problems := (*_question_problems(formulas), *_formula_problems(formulas, electorate, observed or {}, alone)):
        raise FormulaError(written, problems)
    designs = {question: build_design(formula, electorate, observed=observed) for question, formula in formulas.items()}
    if problems := _map_problems(designs):
        raise FormulaError(written, problems)
    joint = JointDesign(designs)
    return joint if period is None else joint.at_period(period)


def _question_problems(formulas: Mapping[str, str]) -> tuple[str, ...]:
    if len(formulas) < 2:
        told = f"there is one question, {next(iter(formulas))}" if formulas else "there is no question"
        return (f"{told}; a joint fit has two or more: fit one by itself with mrp.fit_model",)
    return tuple(
        f"a question is called {question!r}; its name has to be text without '/'"
        for question in formulas
        if not isinstance(question, str) or not question.strip() or "/" in question
    )


def _formula_problems(
    formulas: Mapping[str, str], electorate: Electorate, observed: Mapping[str, Sequence[str]], alone: Collection[str]
) -> tuple[str, ...]:
    """What is wrong with each formula, then with what they share."""
    found = [
        f"{question}: {problem}"
        for question, formula in formulas.items()
        for problem in check_formula(formula, electorate, observed=observed)
    ]
    if found:
        return tuple(found)
    by_label: dict[str, list[tuple[str, VaryingIntercept]]] = {}
    for question, formula in formulas.items():
        for term in parse_formula(formula).groups:
            if isinstance(term, VaryingIntercept) and term.label:
                by_label.setdefault(term.label, []).append((question, term))
    for label, of in by_label.items():
        (first, term), *others = of
        if different := [(one, other) for one, other in others if other.factors != term.factors]:
            other, its = different[0]
            found.append(
                f"the label {label} has different groupings, {term} in {first} and {its} in {other}; "
                "give each grouping a label of its own, and write its factors in one order"
            )
        elif not others and label not in alone:
            found.append(
                f"the label {label} is in {first} alone, so that {term} is correlated with nothing; write "
                f"{replace(term, label='')}, or {term} in another question as well"
            )
    return tuple(found)


def _map_problems(designs: Mapping[str, Design]) -> tuple[str, ...]:
    mixed = [(one, effect.term) for one, design in designs.items() for effect in design.effects if effect.n_mixings]
    if len(mixed) < 2:
        return ()
    told = " and ".join(f"{term} in {one}" for one, term in mixed)
    return (f"{told} are two maps with a mixing each, of which a model has one; write icar or (1|p|g) in one of them",)
