"""Say of a backtest whom it scores, over which frame, and which known totals its draws meet.

Every backtest estimates as a release does: among the population of its question, over all frames that are declared, by
draws that meet the totals that are known. Its report says which these are, for what a score is worth depends on it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from jobs.adjustments import noted_adjustments
from jobs.misreport import misreport_of
from jobs.partners import partners_of
from polling.bundle import SurveyBundle
from polling.declaration import SurveyDeclaration
from polling.population import EVERYBODY, Population, chain_of

__all__ = ["Basis", "basis_of", "chain_among"]


@dataclass(frozen=True, slots=True)
class Basis:
    """What estimates of a backtest are made with."""

    population: str
    """Its id."""
    people: str
    told_by: tuple[str, ...]
    """Questions that tell who belongs to it, the largest part first; empty: everybody in the frame does."""
    n_frames: int
    frame_source: str | None
    frame_date: str | None
    known_totals: dict[str, Any] | None
    """As a fit notes them: ``question``, ``by``, ``date``, ``source``, ``reported``, ``sha256``."""
    is_turned_back: bool
    """Whether estimates are of what people did, where their reports of it are wrong at declared rates."""
    fitted_apart: tuple[str, ...]
    """Questions that a release is fitted together with, and this backtest is not."""

    def to_json(self) -> dict[str, Any]:
        """The part of a report with it."""
        return {
            "electorate": {
                "population": self.population,
                "people": self.people,
                "told_by": list(self.told_by),
                "n_frames": self.n_frames,
                "frame_source": self.frame_source,
                "frame_date": self.frame_date,
            },
            "known_totals": self.known_totals,
            "of_what_people_did": self.is_turned_back,
            "fitted_apart_from": list(self.fitted_apart),
        }

    def sentences(self) -> list[str]:
        """The same for people to read."""
        whom = f"Scored are estimates among {self.people}"
        if self.told_by:
            told = " and ".join(self.told_by)
            whom += f", who are told by {told}, fitted to the same interviews; the simpler methods are of everybody"
        frame = "the frame" if self.n_frames == 1 else f"all {self.n_frames} frames, each draw with one of them"
        said = [f"{whom}; over {frame}."]
        if self.known_totals is None:
            said.append("No known totals are met.")
        else:
            of, by, source = (self.known_totals[name] for name in ("question", "by", "source"))
            said.append(f"Every draw meets the known totals of {of} by {by} ({source}).")
            if self.is_turned_back:
                said.append("Reports are wrong at declared rates: scored is what people did, as the draws tell of it.")
        if self.fitted_apart:
            said.append(
                f"A release is fitted together with {', '.join(self.fitted_apart)}, and these fits are not: they do "
                "not move with their totals, and borrow nothing from them."
            )
        return said


def basis_of(bundle: SurveyBundle, question_id: str, *, partners: Collection[str], among: bool = True) -> Basis:
    """What estimates of a question are made with.

    Parameters
    ----------
    partners
        Questions that it was fitted together with.
    among
        Whether what tells its population was fitted; else everybody is scored.
    """
    declaration = bundle.declaration
    question = declaration.question(question_id)
    chain = chain_among(declaration, question_id) if among else ()
    every = [one.id for one in partners_of(question, declaration.questions)]
    return Basis(
        population=chain[-1].id if chain else EVERYBODY,
        people=chain[-1].people if chain else declaration.universe,
        told_by=tuple(one.question for one in chain),
        n_frames=1 if bundle.frame_draws is None else bundle.frame_draws["draw"].n_unique(),
        frame_source=declaration.facts.get("frame_source"),
        frame_date=declaration.facts.get("frame_date"),
        known_totals=noted_adjustments(question, bundle, partners=partners).get("known_totals"),
        is_turned_back=misreport_of(question) is not None,
        fitted_apart=tuple(name for name in every if name not in partners),
    )


def chain_among(declaration: SurveyDeclaration, question_id: str) -> tuple[Population, ...]:
    """The population that a question is about, last, after those that it is within; empty: everybody."""
    name = declaration.question(question_id).population
    return () if name is None or name == EVERYBODY else chain_of(declaration.populations, name)
