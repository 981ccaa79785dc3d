"""What a disclosure statement says of the answers to a question: which there are, where, and how they count."""

from api.statement.payloads import StatementTable
from polling.declaration import Question

__all__ = ["answers_counted", "answers_tables"]

BASES = {
    "dont_know": "who did not know",
    "refused": "who refused to answer",
    "not_asked": "who were not asked",
}


def answers_counted(question: Question) -> list[str]:
    """Which answers count, and in what."""
    if question.kind == "numeric":
        unit = f", in {question.unit}" if question.unit else ""
        ends = (
            ""
            if question.range is None
            else f", from {question.range[0]:g} to {question.range[1]:g}; others are faults"
        )
        return [
            f"Answers are numbers{unit}{ends}.",
            "Means are of those who gave a number. Others are left out.",
        ]
    text = [f"Answers counted: {', '.join(question.options)}."]
    if question.kind == "ordinal":
        scores = question.scores or range(1, len(question.options) + 1)
        counted = ", ".join(f"{option} {score:g}" for option, score in zip(question.options, scores, strict=True))
        declared = "" if question.scores else " (none are declared: their places are taken)"
        text.append(f"They are in this order. In means of scores they count as numbers: {counted}{declared}.")
    others = [BASES[status] for status in question.base if status in BASES]
    also = f", with those {' and those '.join(others)}, as not having chosen the option" if others else ""
    text.append(f"Shares are of those who gave one of these answers{also}. Others are left out.")
    if question.only_in:
        text.append(
            f"{', '.join(question.only_in)} cannot be chosen everywhere. Where an option does not stand its share is 0 "
            "by definition, and whoever gave it as an answer there is left out."
        )
    return text


def answers_tables(question: Question) -> list[StatementTable]:
    """Where options stand that do not stand everywhere."""
    rows = [
        [option, column, ", ".join(areas)]
        for option, where in question.only_in.items()
        for column, areas in where.items()
    ]
    caption = "Where options stand that do not stand everywhere"
    return [StatementTable(caption, ["option", "kind of area", "stands in"], rows)] if rows else []
