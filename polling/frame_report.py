"""What the report of a frame's build says of the frame, in sentences.

``hustings frame build`` writes ``frame.json`` beside ``frame.parquet``: how closely margins were reached, cells that no
table has, what was assumed and warned of. When a survey is loaded, these are taken over in words into its declaration,
so that they stand in the disclosure statement of every release over this frame. The report is of this frame only if it
names the SHA-256 of its file.
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from polling.faults import listing

__all__ = ["REPORT", "frame_checks"]

REPORT = "frame.json"
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

    n_cells_created: int
    n_cells_without_people: int
    assumptions: list[str]
    warnings: list[str]
    steps: list[_Step]
    sha256: _Hashes


def frame_checks(frame: Path) -> tuple[str, ...]:
    """What the report beside a frame says of it.

    Parameters
    ----------
    frame
        The file of the frame.

    Returns
    -------
    tuple of str
        Sentences; empty if there is no report of a build beside it. A report of another file is said to be one, and
        nothing else of it.
    """
    try:
        report = msgspec.json.decode(frame.with_name(REPORT).read_bytes(), type=_Report)
        sha256 = hashlib.sha256(frame.read_bytes()).hexdigest()
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        # A file of this name may be about anything; a frame that cannot be read is a fault elsewhere.
        return ()
    if sha256 not in report.sha256.outputs.values():
        said = f"The report of a build that lies beside the frame ({REPORT}) is of another file"
        return (f"{said}: how this frame was checked is not told.",)
    return tuple(_told(report))


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
