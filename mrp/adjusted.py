"""What is done to the draws of a fit before they are kept: known totals are met, and the shared error is added.

    first draws:   the fit's, calibrated to known totals (`mrp.known_totals`)
    second draws:  the first, with the systematic error (`mrp.systematic`), calibrated to the totals once more

so that totals are met in both, and nothing that is known is made uncertain again. A question that moves along with
another one, whose totals are known, has no totals of its own: its error is added in full. How much of that error the
other question's totals take away, nobody knows; the second interval is rather too wide.

A model with periods meets totals in the last of them, and every period is moved by the same shift.

The design of both draws is that of the first with a further shift in the second, see `second_design`: it is not kept
twice.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrp.electorate import Electorate
from mrp.frames.extension import FrameDraws
from mrp.frames.totals_over_draws import calibrate_over_frames
from mrp.known_totals import moved_along
from mrp.latents import LatentDraws
from mrp.misreport import Misreport
from mrp.outcomes.designs import AnyDesign
from mrp.shifts import with_shift
from mrp.systematic import TERM, SystematicError, with_systematic_error

__all__ = ["LARGE_MOVE", "NOTHING", "Adjusted", "Adjustments", "Along", "Totals", "adjust", "second_design"]

LARGE_MOVE = 0.5
"""On the scale of the link: a share of one half becomes 62%. Areas that had to be moved farther are told of."""
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Totals:
    """What is known of a question, or of the one with which it moves."""

    question: str
    """Whose totals these are."""
    by: str | None
    """The kind of area, as `mrp.shifts.areas_of` takes it."""
    shares: Mapping[str, Mapping[str, float]]
    """As `mrp.known_totals.calibrate` takes them, of what was."""
    sensitivity: float | None = None
    """Of reports of it, see `mrp.misreport`; None: nobody has said how right they are."""
    specificity: float | None = None

    @property
    def met(self) -> dict[str, dict[str, float]]:
        """The shares that draws meet: of what is reported.

        Raises
        ------
        FrameError
            If a rate of reports is impossible.
        """
        if self.sensitivity is None or self.specificity is None or self.sensitivity == self.specificity == 1:
            return {option: dict(of) for option, of in self.shares.items()}
        misreport = Misreport(self.sensitivity, self.specificity)
        return {
            option: {area: misreport.reported(total) for area, total in of.items()}
            for option, of in self.shares.items()
        }


@dataclass(frozen=True, slots=True)
class Adjustments:
    """What is declared of a question that its interviews do not say."""

    totals: Totals | None = None
    error: SystematicError | None = None

    def to_json(self) -> dict[str, Any]:
        """A value that ``json.dumps`` takes."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Adjustments":
        """Read what `to_json` wrote."""
        totals, error = value["totals"], value["error"]
        return cls(None if totals is None else Totals(**totals), None if error is None else SystematicError(**error))


NOTHING = Adjustments()
"""Where nothing is declared."""


@dataclass(frozen=True, slots=True)
class Along:
    """The question with known totals, as it was fitted together with one that moves along."""

    latents: LatentDraws
    design: AnyDesign
    slope: NDArray[np.float64]
    """As for `mrp.known_totals.moved_along`."""


@dataclass(frozen=True, slots=True)
class Adjusted[D: AnyDesign]:
    """The draws that are kept."""

    latents: LatentDraws
    design: D
    second: LatentDraws | None = None
    """With the systematic error, of the design that `second_design` gives; None where none is declared."""
    diagnostics: Mapping[str, Any] | None = None
    """How far each area was moved to its totals; None without totals."""
    warnings: tuple[str, ...] = ()


def adjust[D: AnyDesign](
    latents: LatentDraws,
    design: D,
    electorate: Electorate,
    adjustments: Adjustments,
    *,
    seed: int,
    along: Along | None = None,
    frames: FrameDraws | None = None,
) -> Adjusted[D]:
    """Meet known totals and add the systematic error.

    Parameters
    ----------
    latents, design
        As the fit gave them.
    seed
        Of the systematic error; any integer >= 0.
    along
        Of a question that moves along: the question with the totals.
    frames
        Several frames over which estimates are made: each draw meets totals with its own.

    Raises
    ------
    FrameError
        If a total cannot be met, or the question has no shares.
    """
    totals, error = adjustments.totals, adjustments.error
    first, longer, told = latents, design, None
    warnings: tuple[str, ...] = ()
    if totals is not None:
        if along is None:
            own = calibrate_over_frames(latents, design, electorate, totals.met, frames=frames, by=totals.by)
            first, longer = own.latents, own.design
            moves = own.moved
            areas = own.areas
        else:
            other = calibrate_over_frames(
                along.latents, along.design, electorate, totals.met, frames=frames, by=totals.by
            )
            first, longer = moved_along(latents, design, electorate, other, along.slope)
            moves = np.asarray(np.abs(other.delta[:, :, 0] * along.slope[:, None]).mean(axis=0))
            areas = other.areas
        told = {
            "question": totals.question,
            "by": totals.by or "nation",
            "moved": {area: round(float(one), 4) for area, one in zip(areas, moves, strict=True)},
        }
        warnings = (*_unreported(totals), *_large(areas, moves, totals))
    second = None
    if error is not None:
        second, seconds = with_systematic_error(first, longer, electorate, error, seed=seed)
        if totals is not None and along is None:
            met = calibrate_over_frames(second, seconds, electorate, totals.met, frames=frames, by=totals.by)
            second = met.latents
    return Adjusted(first, longer, second, told, warnings)


def second_design[D: AnyDesign](design: D, electorate: Electorate) -> D:
    """The design of the second draws, from that of the first."""
    return with_shift(design, electorate, by=electorate.district, term=TERM)


def _unreported(totals: Totals) -> tuple[str, ...]:
    if totals.sensitivity is not None:
        return ()
    text = (
        f"the known totals of {totals.question} are met by what respondents say they did, as if all of them remembered "
        "it and said so; where they do not, the estimates are off by as much. Declare how often reports are right: "
        f"[questions.{totals.question}.known_totals] reported = {{ sensitivity = ..., specificity = ... }}"
    )
    return (text,)


def _large(areas: tuple[str, ...], moves: NDArray[np.float64], totals: Totals) -> tuple[str, ...]:
    large = np.flatnonzero(moves > LARGE_MOVE)
    if not large.size:
        return ()
    worst = sorted(large.tolist(), key=lambda at: -moves[at])[:_SHOWN]
    named = ", ".join(f"{areas[at]} by {moves[at]:.2f}" for at in worst)
    text = (
        f"{large.size} of {len(areas)} areas had to be moved by more than {LARGE_MOVE:g} on the scale of the logit to "
        f"meet the known totals of {totals.question}, most of all {named}: the interviews are far from what is known "
        "there"
    )
    return (text,)
