"""Read what tells who belongs to the population that a release is about, as the estimator takes it."""

from typing import Any

from sqlalchemy.orm import Session

from jobs.misreport import declared_misreport
from mrp.adjusted import second_design
from mrp.design import Design
from mrp.electorate import Electorate
from mrp.errors import DrawsError
from mrp.latents import LatentDraws
from mrp.outcomes import design_from_json
from mrp.turnout import Turnout
from polling.declaration import SurveyDeclaration
from polling.population import EVERYBODY, chain_of
from polling.store import fits
from polling.store.records import ReleaseRecord
from polling.store.telling import telling_release

__all__ = ["turnout_of"]


def turnout_of(
    session: Session, release: ReleaseRecord, declaration: SurveyDeclaration, *, erring: Electorate | None = None
) -> tuple[Turnout, ...]:
    """Of the population that the question of a release is about by its declaration; empty for everybody.

    Parameters
    ----------
    declaration
        The version of the survey that the release used.
    erring
        If given, the draws have the systematic error where it is declared of what tells it: the electorate of the
        release.

    Raises
    ------
    DrawsError
        If nothing tells yet who belongs to it.
    DrawsNotFound
        If the draws that tell it are not kept any more.
    """
    name = declaration.question(release.question_id).population
    if name in (None, EVERYBODY):
        return ()
    found = []
    for one in chain_of(declaration.populations, str(name)):
        told = telling_release(session, release, one.question)
        if told is None:
            raise DrawsError(
                f"the question is about {one.people}, and question {one.question}, which tells who they are, has no "
                "release that could be used"
            )
        stored: Any = fits.load_design(session, told.release.fit_id)
        design, draws = design_from_json(stored), fits.load_draws(session, told.release.fit_id)
        if not isinstance(design, Design):
            raise DrawsError(f"question {one.question} was of another kind when it was last fitted; refit it")
        misreport = declared_misreport(fits.get_fit(session, told.release.fit_id))
        second = None if erring is None else fits.load_second(session, told.release.fit_id)
        if erring is None or second is None:
            found.append(Turnout(LatentDraws.from_bytes(draws), design, misreport))
        else:
            found.append(Turnout(LatentDraws.from_bytes(second), second_design(design, erring), misreport))
    return tuple(found)
