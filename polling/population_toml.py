"""Read and check ``[populations.<id>]`` of ``survey.toml``; the keys are documented in ``polling.population``."""

import re

from polling.declaration import SurveyDeclaration
from polling.faults import did_you_mean, listing
from polling.population import EVERYBODY, Population
from polling.toml_section import Section

__all__ = ["check_populations", "parse_populations"]

_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


def parse_populations(root: Section) -> tuple[Population, ...]:
    """Read every population, and record the faults of its section."""
    return tuple(_population(name, section) for name, section in root.sections("populations").items())


def _population(name: str, section: Section) -> Population:
    population = Population(
        id=name,
        people=section.text("people"),
        question=section.text("question"),
        within=section.maybe_text("within"),
        validated=section.flag("validated"),
    )
    section.close()
    return population


def check_populations(declaration: SurveyDeclaration, root: Section) -> None:
    """Record populations of questions that cannot tell them, and questions about populations that are not declared."""
    every = root.section("populations", required=False)
    ids = [one.id for one in declaration.populations]
    kinds = {question.id: question.kind for question in declaration.questions}
    for one in declaration.populations:
        section = every.section(one.id)
        if not _ID.fullmatch(one.id):
            remedy = "Use up to 64 lowercase letters, digits, '-' and '_', beginning with a letter or digit."
            every.fault(one.id, "this cannot be an id", remedy, value=one.id)
        if one.id == EVERYBODY:
            every.fault(one.id, f"'{EVERYBODY}' means all people of the frame", "Choose another id.")
        if one.question and one.question not in kinds:
            section.fault("question", "no such question", did_you_mean(one.question, list(kinds)), value=one.question)
        elif one.question and kinds[one.question] != "binary":
            reason = f"'{one.question}' is {kinds[one.question]}, and one of two answers must say who belongs to them"
            section.fault("question", reason, "Name a binary question, or declare one of the same column.")
        if one.within is not None and one.within not in ids:
            section.fault("within", "no such population", did_you_mean(one.within, ids), value=one.within)
    if circle := _circle(declaration.populations):
        reason = f"{listing(circle)} would be within each other"
        every.section(circle[0]).fault("within", reason, "Begin with one that is within none.")
        return
    _check_questions(declaration, root)


def _check_questions(declaration: SurveyDeclaration, root: Section) -> None:
    ids = [one.id for one in declaration.populations]
    telling = {one.question for one in declaration.populations}
    for question in declaration.questions:
        if question.population is None:
            continue
        section = root.section("questions").section(question.id)
        if question.population not in (EVERYBODY, *ids):
            hint = did_you_mean(question.population, [EVERYBODY, *ids])
            section.fault("population", "no such population", hint, value=question.population)
        elif question.id in telling and question.population != EVERYBODY:
            reason = "this question tells who belongs to a population, so that its own answers are about everybody"
            section.fault("population", reason, "Remove the key.", value=question.population)


def _circle(populations: tuple[Population, ...]) -> list[str]:
    """Populations each of which would be within the next, the last within the first; empty if there are none."""
    within = {one.id: one.within for one in populations}
    for first, outer in within.items():
        seen, at = [first], outer
        while at is not None and at in within and at not in seen:
            seen.append(at)
            at = within[at]
        if at == first:
            return seen
    return []
