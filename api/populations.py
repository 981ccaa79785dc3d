"""Whom an answer is about: everybody in the frame, or those of them who vote, or belong to some other part.

A part of the population is told by other questions of the survey (``polling.population``), each with a release of its
own (``polling.store.telling``). Which releases those are is found with the release that answers, and told with it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from api.errors import EstimateRefused, NoReleaseYet, UnknownChoice
from polling.population import EVERYBODY, Population, chain_of
from polling.store import surveys
from polling.store.records import ReleaseRecord
from polling.store.telling import TellingRelease, telling_questions, telling_release

__all__ = ["Populations", "doubts_of", "find_populations"]


@dataclass(frozen=True, slots=True)
class Populations:
    """The populations that a release can be asked about."""

    question: str = ""
    """The question of the release."""
    declared: tuple[Population, ...] = ()
    default: str = EVERYBODY
    telling: Mapping[str, TellingRelease] = field(default_factory=dict)
    """By question; those that have a release with draws."""

    @property
    def names(self) -> tuple[str, ...]:
        """What can be asked for."""
        return (EVERYBODY, *(one.id for one in self.declared))

    def chain(self, asked: str | None) -> tuple[Population, ...]:
        """The population asked for, or the default, and what it is within, the largest first; empty for everybody.

        Raises
        ------
        UnknownChoice
            If there is no such population.
        EstimateRefused
            If the question tells itself who belongs to a population.
        NoReleaseYet
            If a question that tells who belongs to it has no release that could be used.
        """
        name = self.default if asked is None else asked
        if name not in self.names:
            raise UnknownChoice("population", name, self.names)
        if name == EVERYBODY:
            return ()
        if self.question in telling_questions(self.declared):
            raise EstimateRefused(
                f"Question {self.question} tells who belongs to a population, and is answered for everybody only. "
                f"Leave population out, or ask for {EVERYBODY}."
            )
        chain = chain_of(self.declared, name)
        for one in chain:
            if one.question not in self.telling:
                raise NoReleaseYet(
                    f"Who the {one.people} are is told by question '{one.question}', which has no release that could "
                    f"be used yet. Ask for population={EVERYBODY}, or push a wave that asks it."
                )
        return chain

    def told_by(self, chain: tuple[Population, ...]) -> tuple[TellingRelease, ...]:
        """The releases that tell who belongs to a population, in the order of its chain."""
        return tuple(self.telling[one.question] for one in chain)

    def used(self, asked: str | None) -> tuple[TellingRelease, ...]:
        """The releases that an answer rests on besides its own; none where it is refused."""
        try:
            return self.told_by(self.chain(asked))
        except (EstimateRefused, NoReleaseYet):
            return ()

    def sentences(self) -> list[str]:
        """What to say of the populations, of those alone that something tells."""
        if self.question in telling_questions(self.declared):
            return []
        chains = [chain_of(self.declared, one.id) for one in self.declared]
        told = [chain for chain in chains if all(one.question in self.telling for one in chain)]
        return [sentence for chain in told for sentence in self._sentences(chain)]

    def _sentences(self, chain: tuple[Population, ...]) -> list[str]:
        part, told_by = chain[-1], self.told_by(chain)
        by = " and ".join(f"release {self.telling[one.question].release.number} of {one.question}" for one in chain)
        asked = "unless another population is asked for" if part.id == self.default else "where that is asked for"
        about = (
            f"Estimates are about {part.people} {asked}: each combination of district and demographics counts with "
            f"those of its people who belong to them, as {by} tells, draw by draw. Within a combination they are taken "
            "to think like the others."
        )
        return [about, *(f"{doubt[0].upper()}{doubt[1:]}." for doubt in doubts_of((part,), told_by[-1:]))]


def doubts_of(chain: Sequence[Population], told_by: Sequence[TellingRelease]) -> list[str]:
    """What to know of parts of the population that neither records nor known totals tell, in the form of warnings."""
    return [
        f"who the {part.people} are is what respondents say of themselves in answer to '{part.question}', which meets "
        "no known totals: more people say that they vote, and are registered, than do, and those who answer surveys do "
        f"so more often than others. Use records ([populations] validated), or declare [questions.{part.question}."
        "known_totals]"
        for part, told in zip(chain, told_by, strict=True)
        if not (part.validated or told.meets_totals)
    ]


def find_populations(session: Session, release: ReleaseRecord) -> Populations:
    """The populations that are declared in the version of the survey that a release used."""
    declaration = surveys.get_declaration(session, release.survey_id, release.survey_version)
    question = declaration.question(release.question_id)
    telling = {name: telling_release(session, release, name) for name in telling_questions(declaration.populations)}
    return Populations(
        release.question_id,
        declaration.populations,
        question.population or EVERYBODY,
        {name: one for name, one in telling.items() if one is not None},
    )
