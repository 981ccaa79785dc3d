"""What the report of a frame's build says of the frame, in sentences.

``hustings frame build`` writes ``frame.json`` beside ``frame.parquet``: how closely margins were reached, cells that no
table has, what was assumed and warned of. When a survey is loaded, these are taken over in words into its declaration,
so that they stand in the disclosure statement of every release over this frame. The report is of this frame only if it
names the SHA-256 of its file.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from polling.faults import listing

__all__ = ["NAME_THE_DRAWS", "REPORT", "ToldFrame", "told_of_frame"]

REPORT = "frame.json"
NAME_THE_DRAWS = (
    "Estimates with the mean of the frame's draws alone leave out what the draws do not agree on; name them in "
    'survey.toml, [frame] draws = "frame_draws.parquet", to have it in every interval.'
)
"""Of a frame with draws, in a survey that does not read them."""
MOST_SENTENCES = 20
"""Assumptions that are taken over, and as many warnings."""


class _Gap(msgspec.Struct, frozen=True):
    margin: str
    people: float
    share: float
    level: list[str]


class _Step(msgspec.Struct, frozen=True):
    do: str
    gaps: list[_Gap]


class _Hashes(msgspec.Struct, frozen=True):
    outputs: dict[str, str]


class _Report(msgspec.Struct, frozen=True):
    """The part of ``frame.json`` that is told."""

    source: str
    date: str
    n_draws: int
    n_cells_created: int
    n_cells_without_people: int
    assumptions: list[str]
    warnings: list[str]
    steps: list[_Step]
    sha256: _Hashes


@dataclass(frozen=True, slots=True)
class ToldFrame:
    """What is told of a frame."""

    facts: Mapping[str, str]
    """``frame_source`` and ``frame_date``, as far as they are known."""
    checks: tuple[str, ...]
    """Sentences; empty if there is no report of a build beside it."""


def told_of_frame(frame: Path, *, declared: Mapping[str, str], draws_named: bool) -> ToldFrame:
    """What the report beside a frame says of it, and the survey where the report is silent.

    Where both tell its source, or its date, the report counts: it was written with this very file, and the survey is
    written by hand. That they differ is said. A report of another file is said to be one, and nothing else of it.

    Parameters
    ----------
    frame
        The file of the frame.
    declared
        ``frame_source`` and ``frame_date`` as the survey declares them, if it does.
    draws_named
        Whether the survey reads draws of the frame.
    """
    if (report := _report_of(frame)) is None:
        return ToldFrame(dict(declared), ())
    if isinstance(report, str):
        return ToldFrame(dict(declared), (report,))
    facts = {"frame_source": report.source, "frame_date": report.date}
    differing = [
        f"survey.toml tells another {name} of the frame, {declared[fact]!r}; the one that is told is that of its build."
        for name, fact in (("source", "frame_source"), ("date", "frame_date"))
        if declared.get(fact, facts[fact]) != facts[fact]
    ]
    unnamed = [f"Warning of the build: {NAME_THE_DRAWS}"] if report.n_draws and not draws_named else []
    return ToldFrame(facts, (*_told(report), *unnamed, *differing))


def _report_of(frame: Path) -> _Report | str | None:
    """The report of a frame, or why it cannot be told; None if there is none."""
    try:
        report = msgspec.json.decode(frame.with_name(REPORT).read_bytes(), type=_Report)
        sha256 = hashlib.sha256(frame.read_bytes()).hexdigest()
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        # A file of this name may be about anything; a frame that cannot be read is a fault elsewhere.
        return None
    if sha256 not in report.sha256.outputs.values():
        said = f"The report of a build that lies beside the frame ({REPORT}) is of another file"
        return f"{said}: how this frame was checked is not told."
    return report


def _told(report: _Report) -> Iterator[str]:
    steps = ", ".join(step.do for step in report.steps)
    yield f"The frame was built from tables by a recipe (steps: {steps})."
    if gaps := [gap for step in report.steps for gap in step.gaps]:
        yield _reached(gaps)
    yield (
        f"{report.n_cells_created:,} of its cells are in none of the tables and were created; "
        f"{report.n_cells_without_people:,} of all have no people."
    )
    yield from _first(report.assumptions, "Assumed in building it", "assumptions")
    yield from _first(report.warnings, "Warning of the build", "warnings")


def _reached(gaps: Sequence[_Gap]) -> str:
    worst = max(gaps, key=lambda gap: gap.share)
    margins = listing(list(dict.fromkeys(gap.margin for gap in gaps)))
    share = "less than 0.01%" if worst.share < 1e-4 else f"{worst.share:.2%}"
    level = " / ".join(worst.level) or "the whole"
    return (
        f"It was raked to {margins}. The largest gap that was left is of {worst.people:,.1f} people ({share} of all), "
        f"at {level} of {worst.margin}."
    )


def _first(told: Sequence[str], kind: str, several: str) -> Iterator[str]:
    for one in told[:MOST_SENTENCES]:
        yield f"{kind}: {one}"
    if (more := len(told) - MOST_SENTENCES) > 0:
        yield f"{more:,} more {several} stand in {REPORT}."
