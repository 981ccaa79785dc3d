"""What a new fit says differently from the one before, and why: data, frame or model.

Two fits of one question share most of their interviews, so that their draws are neither joint nor independent: a
revision is the difference of their estimates, with its Monte-Carlo error sqrt(e_before^2 + e_after^2), and no
probability. An estimate that moved by less than its simulation could explain is said to be so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mrp.areas import area_names
from mrp.poststratification import AreaDraws
from mrp.quantity import quantities

__all__ = ["FitInputs", "Revision", "Revisions", "causes_of", "revision"]

type Cause = Literal["data", "frame", "model", "simulation"]


@dataclass(frozen=True, slots=True)
class FitInputs:
    """What went into a fit, as far as a revision cares."""

    waves: frozenset[str]
    """Ids or hashes of the waves; equal exactly if the interviews are."""
    frame: str
    """Hash of the population frame and the table of districts."""
    model: str
    """Hash of formula, priors, codebook and engine."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One area before and after."""

    area: Mapping[str, str]
    before: float
    """Posterior mean of the share, like ``after``."""
    after: float
    difference: float
    mc_error: float
    """Of ``difference``."""

    @property
    def beyond_simulation(self) -> bool:
        """Whether the difference is more than twice its Monte-Carlo error."""
        return abs(self.difference) > 2 * self.mc_error


@dataclass(frozen=True, slots=True)
class Revisions:
    """All areas of two fits."""

    causes: tuple[Cause, ...]
    """What is not the same in the two fits; "simulation" alone if everything is."""
    areas: tuple[Revision, ...]
    """Those that both fits have."""
    appeared: tuple[Mapping[str, str], ...]
    """Areas of the later fit only."""
    gone: tuple[Mapping[str, str], ...]
    """Areas of the earlier fit only."""


def revision(before: AreaDraws, after: AreaDraws, *, inputs_before: FitInputs, inputs_after: FitInputs) -> Revisions:
    """Compare the estimates of two fits of one question.

    Parameters
    ----------
    before, after
        The same breakdown of two fits; areas are matched by name.
    inputs_before, inputs_after
        What each was fitted to.
    """
    old = {_key(name): q for name, q in zip(area_names(before), quantities(before.draws, before), strict=True)}
    new = {_key(name): q for name, q in zip(area_names(after), quantities(after.draws, after), strict=True)}
    both = [name for name in area_names(after) if _key(name) in old]
    return Revisions(
        causes=causes_of(inputs_before, inputs_after),
        areas=tuple(
            Revision(
                area=name,
                before=old[_key(name)].mean,
                after=new[_key(name)].mean,
                difference=new[_key(name)].mean - old[_key(name)].mean,
                mc_error=(new[_key(name)].mc_error ** 2 + old[_key(name)].mc_error ** 2) ** 0.5,
            )
            for name in both
        ),
        appeared=tuple(name for name in area_names(after) if _key(name) not in old),
        gone=tuple(name for name in area_names(before) if _key(name) not in new),
    )


def causes_of(before: FitInputs, after: FitInputs) -> tuple[Cause, ...]:
    """What is not the same in two fits; "simulation" alone if everything is."""
    changed: tuple[tuple[Cause, bool], ...] = (
        ("data", before.waves != after.waves),
        ("frame", before.frame != after.frame),
        ("model", before.model != after.model),
    )
    return tuple(cause for cause, differs in changed if differs) or ("simulation",)


def _key(area: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(area.items()))
