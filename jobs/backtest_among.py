"""Score a backtest among those whom its question is about.

A question may be about a part of the population, such as likely voters, whom others tell (``polling.population``).
These are then fitted in the same run, from the same interviews, and estimates are made as those of a release are.
"""

from collections.abc import Mapping
from typing import Any, cast

from sqlalchemy.orm import Session

from jobs.misreport import declared_misreport, misreport_of
from jobs.release_scores import ReleaseDraws
from mrp.categorical.poststratification import OptionDraws
from mrp.design import Design
from mrp.electorate import Electorate
from mrp.frames.extension import FrameDraws
from mrp.grouping import Grouping
from mrp.latents import LatentDraws
from mrp.outcomes import AnyDesign, design_from_json
from mrp.turnout import Turnout
from mrp.verdict import FitVerdict
from polling.bundle import SurveyBundle
from polling.population import Population
from polling.store import fits

__all__ = ["among_of", "district_draws", "not_among"]


def among_of(
    session: Session, chain: tuple[Population, ...], made: Mapping[str, str | None]
) -> tuple[tuple[Turnout, ...], tuple[str, ...]]:
    """What tells who belongs to a population, as it was fitted, and warnings.

    Parameters
    ----------
    made
        Question → its fit; None where there is none.

    Returns
    -------
    turnout, warnings
        No turnout if a question of the chain has no fit: then everybody is scored, and a warning says so.
    """
    turnout, warnings = [], []
    for one in chain:
        if (fit_id := made.get(one.question)) is None:
            return (), (not_among(chain[-1], one.question),)
        design = design_from_json(cast(dict[str, Any], fits.load_design(session, fit_id)))
        assert isinstance(design, Design)  # as the declaration was checked for
        fit = fits.get_fit(session, fit_id)
        latents = LatentDraws.from_bytes(fits.load_draws(session, fit_id))
        turnout.append(Turnout(latents, design, declared_misreport(fit)))
        verdict = FitVerdict.from_json(cast(dict[str, Any], fit.verdict))
        warnings += [
            f"question {one.question}, which tells who {one.people} are: {problem.message}"
            for problem in verdict.problems
        ]
    return tuple(turnout), tuple(warnings)


def district_draws(
    fitted: tuple[LatentDraws, AnyDesign],
    turnout: tuple[Turnout, ...],
    electorate: Electorate,
    bundle: SurveyBundle,
    *,
    question: str,
) -> OptionDraws:
    """Estimates of all districts, made as those of a release are: among voters, over all frames, of what people did."""
    latents, design = fitted
    release = ReleaseDraws(
        latents,
        design,
        electorate,
        bundle.declaration.question(question),
        last_result=None,
        counts=None,
        turnout=turnout,
        misreport=misreport_of(bundle.declaration.question(question)),
        frames=None if bundle.frame_draws is None else FrameDraws.from_table(bundle.frame_draws),
    )
    (drawn,) = release.drawn([Grouping(by=(electorate.district,))])
    return drawn


def not_among(population: Population, question_id: str) -> str:
    """What to know of a score that could not be made among the population."""
    return (
        f"the question is about {population.people}, and there is no fit of question {question_id}, which tells who "
        "they are, from these interviews: scored is what everybody in the frame would answer"
    )
