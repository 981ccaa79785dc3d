"""What is declared of a question beside its interviews, as the estimator takes it, and as its fits note it.

A fit is calibrated and given its systematic error in the process that fits, before its draws are stored; see
``mrp.adjusted``. Its inputs name what was done, so that a release can be made again:

    {"known_totals": {"question": ..., "by": ..., "date": ..., "source": ..., "reported": {...} or None, "sha256": ...},
     "systematic_error": {"national_sd": ..., "correlation": ..., "basis": ...}}

The seed of the fit does not depend on any of it: the same interviews give the same fit, and partners the same one.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from jobs.fit_request import FitRequest
from mrp.adjusted import Adjusted, Adjustments, Along, Totals, adjust
from mrp.errors import FormulaError
from mrp.formula import parse_formula
from mrp.frames.extension import FrameDraws
from mrp.latents import LatentDraws
from mrp.outcomes.designs import SHARE, AnyDesign
from mrp.systematic import SystematicError
from mrp.terms import VaryingIntercept
from polling.beyond import NATION, KnownTotals
from polling.beyond_check import column_of
from polling.beyond_dates import far_from_frame
from polling.bundle import SurveyBundle
from polling.declaration import Question, SurveyDeclaration

__all__ = [
    "adjust_fit",
    "adjustments_of",
    "cannot_move",
    "distant_totals",
    "frames_of",
    "moving_problems",
    "noted_adjustments",
    "of_fit",
]


def adjustments_of(question: Question, bundle: SurveyBundle, *, partners: Collection[str]) -> Adjustments:
    """What is done to the draws of a question.

    Parameters
    ----------
    partners
        Questions that are fitted together with it, and have interviews.
    """
    declared = bundle.declaration.systematic_error_of(question)
    error = None if declared is None else SystematicError(declared.national_sd, declared.correlation)
    known = _known(question, bundle, partners)
    if known is None:
        return Adjustments(error=error)
    name, totals = known
    reported = totals.reported
    return Adjustments(
        Totals(
            question=name,
            by=None if totals.by == NATION else totals.by,
            shares=_shares(bundle.declaration.question(name), totals, bundle),
            sensitivity=None if reported is None else reported.sensitivity,
            specificity=None if reported is None else reported.specificity,
        ),
        error,
    )


def noted_adjustments(
    question: Question, bundle: SurveyBundle, *, partners: Collection[str], uploads: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """What a fit notes of it among its inputs; empty if nothing is declared.

    Parameters
    ----------
    bundle, uploads
        The survey with the uploads that the fit uses in its table of districts, and what the fit notes of each, see
        ``jobs.predictors``: totals from them have their day and source.
    """
    noted: dict[str, Any] = {}
    if (known := _known(question, bundle, partners)) is not None:
        name, totals = known
        shares = _shares(bundle.declaration.question(name), totals, bundle)
        noted["known_totals"] = {
            "question": name,
            "by": totals.by,
            **_about(totals, uploads),
            "reported": None if totals.reported is None else asdict(totals.reported),
            "sha256": hashlib.sha256(json.dumps(shares, sort_keys=True).encode()).hexdigest(),
        }
    if (error := bundle.declaration.systematic_error_of(question)) is not None:
        noted["systematic_error"] = asdict(error)
    return noted


def distant_totals(declaration: SurveyDeclaration, inputs: Any) -> Iterator[str]:
    """What to know of a fit that meets totals of other days than the frame, in the form of warnings."""
    if known := inputs.get("known_totals"):
        date = None if known["date"] is None else dt.date.fromisoformat(known["date"])
        yield from far_from_frame(declaration, known["question"], date)


def of_fit(inputs: Any, bundle: SurveyBundle, question: Question) -> Adjustments:
    """What was done to the draws of a stored fit, from its inputs and the version of the survey that it used."""
    together = inputs.get("partners") or {}
    return adjustments_of(question, bundle, partners=[name for name, of in together.items() if of is not None])


def adjust_fit(
    request: FitRequest, question: str, latents: LatentDraws, design: AnyDesign, along: Along | None = None
) -> Adjusted[AnyDesign]:
    """The draws of a fit that are kept, of the question that was asked for or of a partner.

    The seed of the error is that of the fit with the question's id: questions of one fit err apart from each other.

    Raises
    ------
    MrpError
        If a total cannot be met.
    """
    digest = hashlib.sha256(f"{request.seed}/{question}/systematic".encode()).digest()
    seed = int.from_bytes(digest[:4])
    adjustments = request.part(question).adjustments
    return adjust(latents, design, request.electorate, adjustments, seed=seed, along=along, frames=request.frames)


def frames_of(bundle: SurveyBundle) -> FrameDraws | None:
    """The frames with which draws meet known totals; None if there is one, or nothing is known."""
    if bundle.frame_draws is None or not any(one.known_totals for one in bundle.declaration.questions):
        return None
    return FrameDraws.from_table(bundle.frame_draws)


def moving_problems(question: Question, questions: Collection[Question]) -> tuple[str, ...]:
    """What stops a question from moving along with another one, in words; empty if nothing does."""
    if question.moved_by is None:
        return ()
    other = next((one for one in questions if one.id == question.moved_by.question), None)
    if other is None or other.known_totals is None:
        return ()  # said of the declaration
    by = other.known_totals.by
    mine, its = (_labels_by(one.model, by) for one in (question, other))
    if mine & its:
        return ()
    problem = f"{question.id} moves along with {other.id} by the effects of {by}, and the formulas share no such term"
    return (f"{problem}; write (1|p|{by}) in both",)


def cannot_move(question: Question, *, partners: Collection[str]) -> bool:
    """Whether the question that a question moves along with has no part in its fit, for want of interviews."""
    return question.moved_by is not None and question.moved_by.question not in partners


def _labels_by(formula: str, by: str) -> frozenset[str]:
    """Labels of the varying intercepts of a kind of area."""
    try:
        groups = parse_formula(formula).groups
    except FormulaError:
        return frozenset()
    return frozenset(
        term.label for term in groups if isinstance(term, VaryingIntercept) and term.label and term.factors == (by,)
    )


def _about(totals: KnownTotals, uploads: Sequence[dict[str, Any]]) -> dict[str, str | None]:
    """Of when totals are, and who says so: of those that were uploaded the last day, and every source."""
    columns = {one for one in totals.shares.values() if isinstance(one, str)}
    used = [one for one in uploads if columns & set(one["columns"])]
    uploaded = {column for one in used for column in one["columns"]}
    declared = [] if columns and columns <= uploaded else [totals.source]
    dates = [one["as_of"] for one in used] + ([totals.date.isoformat()] if totals.date and declared else [])
    sources = dict.fromkeys([*declared, *(one["source"] for one in used)])
    return {"date": max(dates, default=None), "source": "; ".join(sources)}


def _known(question: Question, bundle: SurveyBundle, partners: Collection[str]) -> tuple[str, KnownTotals] | None:
    """The question whose totals are met, itself or the one that it moves with, and the totals."""
    if question.known_totals is not None:
        return question.id, question.known_totals
    if question.moved_by is None or cannot_move(question, partners=partners):
        return None
    name = question.moved_by.question
    totals = bundle.declaration.question(name).known_totals
    return None if totals is None else (name, totals)


def _shares(question: Question, totals: KnownTotals, bundle: SurveyBundle) -> dict[str, dict[str, float]]:
    """As ``mrp.known_totals.calibrate`` takes them."""
    column = column_of(totals, bundle)
    areas = ["all"] * bundle.districts.height if column is None else bundle.districts[column].to_list()
    shares: dict[str, dict[str, float]] = {}
    for option, of in totals.shares.items():
        values = bundle.districts[of].to_list() if isinstance(of, str) else [of] * len(areas)
        name = SHARE if question.kind == "binary" else option
        shares[name] = dict(zip(areas, map(float, values), strict=True))
    return shares
