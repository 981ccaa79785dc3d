r"""Calibrate a fit to totals that are known of areas, draw by draw: the logit shift.

In every draw ``s`` and area ``a`` there is one shift of the options whose totals are known with which the model's own
totals are the known ones:

    sum_j w[j] softmax(eta[j, s, :] + delta[s, a, :])[k] = total[a, k],      j in cells of a,  w: shares of its people,

delta = 0 for the options of which nothing is known. Of a binary question it is one number. It leaves the odds ratios
between the cells of an area as they were, and is the smallest move that meets the totals (in Kullback-Leibler
divergence; Rosenman, McCartan and Olivella 2023). Where nothing is known of an area, nothing is moved.

A question ``y`` whose totals are not known learns from one ``x`` whose totals are, if both were fitted together with
district effects that hang together: y moves by Sigma_yx / Sigma_xx times the shift of x (Marble and Clinton 2024), the
regression of the one effect on the other, in the same draw.

What respondents report is not always what was. Known totals say what is true; a report that is wrong at known rates is
calibrated to what then would be reported, see `mrp.misreport`.

References
----------
Rosenman, McCartan and Olivella (2023), "Recalibration of predicted probabilities using the 'logit shift': why does it
work, and when can it be expected to work well?", Political Analysis 31(4), 651-661.
Marble and Clinton (2024), "Improving small-area estimates of public opinion by calibrating to known population
quantities".
Ghitza and Gelman (2013), "Deep interactions with MRP", American Journal of Political Science 57(3), 762-776.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.categorical.design import CategoricalDesign
from mrp.cell_pass import area_weights
from mrp.electorate import Electorate
from mrp.errors import FrameError
from mrp.grouping import cells_of
from mrp.latents import LatentDraws
from mrp.logit_shift import Predictor, logit_shift
from mrp.ordinal.design import OrdinalDesign
from mrp.outcomes.designs import AnyDesign, estimands
from mrp.shifts import areas_of, require_shares, shifted, shifted_by_area

__all__ = ["Calibrated", "calibrate", "moved_along"]

type Floats = NDArray[np.float64]

_AT_A_TIME = 4_000_000
"""Numbers of the linear predictor that are held at a time."""


@dataclass(frozen=True, slots=True)
class Calibrated[D: AnyDesign]:
    """A fit that meets known totals in every draw."""

    latents: LatentDraws
    design: D
    by: str | None
    """The kind of area whose totals are known, as `mrp.shifts.areas_of` takes it."""
    areas: tuple[str, ...]
    """All of this kind, sorted."""
    delta: Floats
    """The shift, shape (draw, area, estimand); of a binary question (draw, area, 1)."""

    @property
    def moved(self) -> Floats:
        """Mean absolute shift of each area, on the scale of the link: where the model was far off, it is large."""
        return np.asarray(np.abs(self.delta).max(axis=2).mean(axis=0))


def calibrate[D: AnyDesign](
    latents: LatentDraws,
    design: D,
    electorate: Electorate,
    totals: Mapping[str, Mapping[str, float]],
    *,
    by: str | None,
    term: str = "known",
    at: Mapping[str, str] | None = None,
) -> Calibrated[D]:
    """Shift a fit so that it meets known totals.

    Parameters
    ----------
    latents, design
        Of the fit.
    totals
        Option → area → its share of the people of the frame, in (0, 1), or 0 where the option does not stand. Of a
        binary question the option is "share". Areas that are not named are left as they are; an area has either all of
        the options named or none.
    by
        The district column, a parent of it, or None for the nation, whose only area is "all".
    term
        Name of the shift. A fit that has one of this name is calibrated again.
    at
        As for `mrp.poststratification.area_draws_many`.

    Raises
    ------
    FrameError
        If an option or area is unknown, nobody lives there, a total is impossible, an area lacks one of the options, or
        no shift meets the totals; also if the question is answered with a number, or on a scale, whose options one
        shift cannot move apart.
    """
    require_shares(design)
    if isinstance(design, OrdinalDesign):
        raise FrameError("totals of the options of a scale cannot be met by one shift of it; see `mrp.known_totals`")
    factor, names = areas_of(by, electorate), estimands(design)
    seen = design.at_period(at["period"]) if at and "period" in at else design
    columns = tuple(dict.fromkeys((electorate.district, *seen.cell_columns)))
    outside = {column: level for column, level in (at or {}).items() if column != "period"}
    cells = cells_of(electorate, columns, outside)
    position = {code: i for i, code in enumerate(electorate.codes)}
    area = factor.index[[position[code] for code in cells[electorate.district]]]
    people = np.bincount(area, weights=cells["n_people"].to_numpy(), minlength=len(factor.levels))
    stands = _standing(seen, cells, area, len(factor.levels))
    target, known, chosen = _targets(totals, names, factor.levels, by or "nation", stands)
    if (empty := known & ~(people > 0)).any():
        raise FrameError(f"a total of {factor.levels[int(np.argmax(empty))]!r} is known, but nobody lives there")

    group = np.where(known[area], area, -1).astype(np.int32)
    table = pl.DataFrame({"n_people": np.where(people > 0, people, 1.0)})
    weights = area_weights(cells["n_people"].to_numpy(), [(group, table)], dtype=np.float64)
    inside = np.flatnonzero(group >= 0)
    predict = Predictor(seen, cells[inside])
    weights, k = weights[:, inside].tocsr(), max(len(names), 2)
    n_draws = latents.draws.shape[0]
    delta = np.zeros((n_draws, len(factor.levels), len(names)))
    step = max(1, _AT_A_TIME // max(inside.size * k, 1))
    for start in range(0, n_draws, step):
        eta = predict(latents.draws[start : start + step].astype(np.float64))  # (option, cell, draw)
        solved = logit_shift(eta, weights, target, chosen, target == 0)  # (option named, area, draw)
        delta[start : start + step][:, :, chosen] = solved.transpose(2, 1, 0)
    moved, longer = shifted_by_area(latents, design, electorate, delta, by=by, term=term)
    return Calibrated(moved, longer, by, factor.levels, delta)


def moved_along[D: AnyDesign](
    latents: LatentDraws,
    design: D,
    electorate: Electorate,
    calibrated: Calibrated[AnyDesign],
    slope: Floats,
    *,
    term: str = "known",
) -> tuple[LatentDraws, D]:
    """Move a question by what another one, fitted together with it, was moved to its known totals.

    Parameters
    ----------
    latents, design
        Of the binary question that is moved; draws in the order of the other's.
    calibrated
        The other question, a binary one.
    slope
        Sigma_yx / Sigma_xx of the district effects in each draw, shape (draw,).

    Returns
    -------
    As `mrp.shifts.shifted`.
    """
    delta = calibrated.delta[:, :, 0] * slope[:, None]
    return shifted(latents, design, electorate, delta, by=calibrated.by, term=term)


def _standing(design: AnyDesign, cells: pl.DataFrame, area: NDArray[np.int32], n_areas: int) -> NDArray[np.bool_]:
    """Whether an estimand can be chosen somewhere in an area, shape (estimand, area)."""
    if not isinstance(design, CategoricalDesign):
        return np.ones((len(estimands(design)), n_areas), dtype=np.bool_)
    return np.array([np.bincount(area, weights=one, minlength=n_areas) > 0 for one in design.stands(cells).T])


def _targets(
    totals: Mapping[str, Mapping[str, float]],
    names: tuple[str, ...],
    areas: tuple[str, ...],
    kind: str,
    stands: NDArray[np.bool_],
) -> tuple[Floats, NDArray[np.bool_], list[int]]:
    """The totals, shape (option named, area), the areas that have them, and which options are named.

    If all options are named the last is one that stands everywhere: the others are measured against it.
    """
    if not totals:
        raise FrameError("no total is given; name an option and the totals of its areas")
    for option in totals:
        if option not in names:
            raise FrameError(
                f"a total of {option!r} is given, which is not estimated; estimated are {', '.join(names)}"
            )
    # Those that stand everywhere last.
    chosen = sorted((i for i, name in enumerate(names) if name in totals), key=lambda i: (stands[i].all(), i))
    if len(chosen) == len(names) > 1 and not stands[chosen[-1]].all():
        raise FrameError("every option has a total, and none stands in every area; leave out the totals of one")
    target = np.full((len(chosen), len(areas)), np.nan)
    for row, i in enumerate(chosen):
        for area, total in totals[names[i]].items():
            if area not in areas:
                shown = ", ".join(areas[:8])
                raise FrameError(f"a total of {area!r} is given, which is no {kind}; there are {shown}")
            at = areas.index(area)
            if not stands[i, at] and total != 0:
                raise FrameError(
                    f"the total of {names[i]!r} in {area} is {total:g}; it does not stand there, and "
                    "must have a total of 0"
                )
            if stands[i, at] and not 0 < total < 1:
                raise FrameError(f"the total of {names[i]!r} in {area} is {total:g}; it must be above 0 and below 1")
            target[row, at] = total
    known = np.isfinite(target)
    if (some := known.any(axis=0) & ~known.all(axis=0)).any():
        at = int(np.argmax(some))
        lacks = names[chosen[int(np.argmin(known[:, at]))]]
        raise FrameError(f"{areas[at]} has a total of some of the options but none of {lacks!r}; give all or none")
    sums = np.nansum(target, axis=0)
    is_all = len(chosen) == len(names) > 1
    wrong = known[0] & ((np.abs(sums - 1) > 1e-6) if is_all else (sums >= 1))
    if wrong.any():
        at = int(np.argmax(wrong))
        must = "must sum to 1" if is_all else "must sum to less than 1, as there are further options"
        raise FrameError(f"the totals of {areas[at]} sum to {sums[at]:.6g}; they {must}")
    return target, known.any(axis=0), chosen
