"""Read a section ``[questions.<id>]`` of ``survey.toml``; the keys are documented in ``polling.declaration``."""

from typing import cast

from polling.beyond_toml import parse_known_totals, parse_moved_by, parse_systematic
from polling.declaration import Kind, Question, Sd, Status, Weights
from polling.toml_section import Section

__all__ = ["KEYS_OF_KINDS", "KINDS", "parse_question"]

KINDS = ("binary", "categorical", "ordinal", "numeric")
"""Of questions."""
_WEIGHTS = ("ignored", "likelihood")
_SDS = ("shared", "by option")

KEYS_OF_KINDS = {
    "columns": ("categorical",),
    "only_in": ("categorical",),
    "sd": ("categorical",),
    "dispersion": ("binary", "categorical"),
    "scores": ("ordinal",),
    "unit": ("numeric",),
    "range": ("numeric",),
    "known_totals": ("binary", "categorical"),
    "moved_by": ("binary",),
    "systematic_error": ("binary", "categorical", "ordinal"),
}
"""Keys that not every kind of question has."""


def parse_question(question_id: str, section: Section) -> Question:
    """Read one question, and record every fault of its section."""
    columns = section.sections("columns")
    question = Question(
        id=question_id,
        column=section.maybe_text("column") or question_id,
        text=section.text("text"),
        kind=cast("Kind", section.choice("kind", KINDS)),
        options=section.texts("options") or (),
        model=section.text("model"),
        recode=section.labels("recode"),
        dont_know=section.texts("dont_know") or (),
        refused=section.texts("refused") or (),
        not_asked=section.texts("not_asked") or (),
        priors=section.labels("priors"),
        weights=cast("Weights", section.choice("weights", _WEIGHTS, default="ignored")),
        base=cast("tuple[Status, ...]", section.texts("base") or ("answered",)),
        own_columns={name: {option: of.text(option) for option in of.names()} for name, of in columns.items()},
        only_in=_only_in(section),
        sd=cast("Sd", section.choice("sd", _SDS, default="shared")),
        dispersion=section.flag("dispersion"),
        scores=section.numbers("scores") or (),
        unit=section.maybe_text("unit"),
        range=_range(section),
        population=section.maybe_text("population"),
        known_totals=parse_known_totals(section),
        moved_by=parse_moved_by(section),
        systematic_error=parse_systematic(section),
    )
    section.close()
    return question


def _only_in(section: Section) -> dict[str, dict[str, tuple[str, ...]]]:
    of_options = section.sections("only_in")
    return {option: {area: where.texts(area) or () for area in where.names()} for option, where in of_options.items()}


def _range(section: Section) -> tuple[float, float] | None:
    ends = section.numbers("range")
    if ends is None:
        return None
    if len(ends) != 2 or not ends[0] < ends[1]:
        reason = "'range' must be the least and the greatest answer"
        section.fault("range", reason, "Write it as [0, 100].", value=list(ends))
        return None
    return ends[0], ends[1]
