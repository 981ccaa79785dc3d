"""Sections of a disclosure statement on what interviews do not say: known totals, and the error that polls share."""

from typing import Any

from api.statement.payloads import StatementSection
from api.statement.records import Records
from api.systematic_words import NOT_INCLUDED, meaning

__all__ = ["beyond_sections"]


def beyond_sections(records: Records) -> list[StatementSection]:
    """What was known, where it was, and whether a systematic error is in a second interval."""
    inputs: Any = records.fit.inputs
    known = inputs.get("known_totals")
    return [*([] if known is None else [_known(records, known)]), _systematic(records, inputs.get("systematic_error"))]


def _known(records: Records, known: dict[str, Any]) -> StatementSection:
    question, mine = known["question"], records.question.id
    areas = "the nation" if known["by"] == "nation" else f"every {known['by']}"
    of_when = f", of {known['date']}" if known["date"] else ""
    text = [f"What is known of {areas}: {known['source'].rstrip('.')}{of_when}."]
    if question == mine:
        text.append(
            "In every draw the estimates of an area were moved by one number for each option, on the scale of the "
            "model, so that the area as a whole has the known total (logit shift). Groups within it keep their odds "
            "against each other."
        )
    else:
        text.append(
            f"These are totals of the question {question}, which was fitted together with this one. In every draw the "
            f"estimates of {question} were moved so that each area has its total, and those of this question moved "
            "along, as the model says that the effects of areas on both hang together (Marble and Clinton 2024)."
        )
    reported = known["reported"]
    if reported is None:
        text.append(
            f"Whether respondents report rightly what they did is not declared: the totals of {question} are met as if "
            "every report were right. Where reports are wrong, the estimates are off by as much."
        )
    elif reported["sensitivity"] == reported["specificity"] == 1:
        text.append("Every report of it is declared to be right.")
    else:
        text.append(
            f"Reports are declared to be wrong at times: {100 * reported['sensitivity']:.3g}% of those who did it say "
            f"so, and {100 * reported['specificity']:.3g}% of the others say that they did not. Estimates of "
            f"{question} are of what is reported, and meet what then would be reported of the totals."
        )
    return StatementSection("known_totals", "Known totals", ["AAPOR 9"], text)


def _systematic(records: Records, declared: dict[str, Any] | None) -> StatementSection:
    if declared is None:
        text = [NOT_INCLUDED]
    else:
        text = [
            meaning(declared),
            (
                "It is in a second interval, labelled as such, and in chances, ranks and seats unless they are asked "
                "for without it. The scale was fixed beforehand; the interviews say nothing of it."
            ),
        ]
        if records.fit.inputs.get("known_totals"):  # type: ignore[union-attr]
            text.append("Where totals are known they are met in the second interval too.")
    return StatementSection("systematic_error", "Error that polls share", ["AAPOR 8", "ESOMAR/WAPOR"], text)
