"""How often reports are right, as it is declared, and as a fit noted it; see ``mrp.misreport``."""

from typing import Any

from mrp.misreport import Misreport
from polling.declaration import Question
from polling.store.records import FitRecord

__all__ = ["declared_misreport", "misreport_of"]


def declared_misreport(fit: FitRecord) -> Misreport | None:
    """How often reports are right, of the question of a fit; None if every report is, or nobody has said."""
    known: Any = fit.inputs.get("known_totals") if isinstance(fit.inputs, dict) else None
    # A question that moves along is of what it asks itself.
    if not known or known["question"] != fit.question_id or not (rates := known["reported"]):
        return None
    found = Misreport(rates["sensitivity"], rates["specificity"])
    return None if found.is_none else found


def misreport_of(question: Question) -> Misreport | None:
    """How often reports of what was done are right, as is declared; None if every report is, or nobody has said."""
    reported = None if question.known_totals is None else question.known_totals.reported
    found = None if reported is None else Misreport(reported.sensitivity, reported.specificity)
    return None if found is None or found.is_none else found
