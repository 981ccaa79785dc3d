"""What a track record comes to, in sentences for people who do not read tables."""

import math
from collections.abc import Sequence

from api.record_payloads import CalibrationRow, ScoreRow, TrackRecordPayload
from api.track_record import MODEL, MODEL_WITH_ERROR, OWN

__all__ = ["record_in_words"]

PROMISED = 0.9
LEAST = 5
"""Intervals of a level from which on their share is told."""


def record_in_words(record: TrackRecordPayload) -> list[str]:
    """How often intervals held, and how large errors were, beside the best of the simpler methods; of every release.

    Empty as long as nothing is known of what happened.
    """
    rows = [row for row in record.calibration if row.of == "all" and not row.by and row.interval == PROMISED]
    rows = [row for row in rows if row.n_intervals >= LEAST]
    of_model = [row for row in rows if row.method == MODEL]
    if not of_model:
        return []
    row = max(of_model, key=lambda one: one.n_intervals)
    second = next((one for one in rows if (one.method, one.level) == (MODEL_WITH_ERROR, row.level)), None)
    said = [_held(row, " of the model alone" if second else "")]
    if second is not None:
        said.append(_held(second, " with the error that polls share"))
    last = max((one.release_number for one in record.scores), default=0)
    errors = _errors([one for one in record.scores if (one.release_number, one.level) == (last, row.level)])
    own = {method: errors.pop(method, None) for method in OWN}[MODEL]
    if own is not None and errors:
        best = min(errors, key=lambda name: errors[name])
        beats = "less than" if own < errors[best] else "more than"
        said.append(
            f"Release {last} was typically {100 * own:.1f} points off, {beats} the best simpler method "
            f"({best.replace('_', ' ')}: {100 * errors[best]:.1f})."
        )
    return said


def _held(row: CalibrationRow, kind: str) -> str:
    """How many intervals of one kind held."""
    held = round(row.observed * row.n_intervals)
    promised = round(PROMISED * row.n_intervals)
    outside = not row.low <= row.observed <= row.high
    verdict = "" if not outside else " Intervals look too narrow." if row.observed < row.low else " They look too wide."
    counted = f"Of {row.n_intervals} {row.level} intervals{kind} that should hold what happened with {PROMISED:.0%}"
    return f"{counted}, {held} did ({promised} promised).{verdict}"


def _errors(scores: Sequence[ScoreRow]) -> dict[str, float]:
    """Typical error of each method that has one of every option: a root mean square over options."""
    squares: dict[str, list[float]] = {}
    for one in scores:
        if not one.by:
            squares.setdefault(one.method, []).append(one.rmse**2)
    n_options = len({one.option for one in scores})
    return {name: math.sqrt(sum(some) / len(some)) for name, some in squares.items() if len(some) >= n_options}
