"""Move the linear predictor of areas after a fit, draw by draw.

    eta'[i, s] = eta[i, s] + shift[s, a(i)],      a(i): the area of cell i

What is known from elsewhere, and what no model can see, comes in this way: past results that are known exactly
(`mrp.known_totals`), errors that all polls share (`mrp.systematic`). The shift becomes further latents of the draws and
a further term of the design, so that everything that is asked of a fit is asked of the shifted one in the same way. The
fit itself, its priors and evidence are as they were.
"""

from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from mrp.categorical.design import CategoricalDesign
from mrp.coding import FactorCoding, code_areas
from mrp.design import Design, ShiftCoding
from mrp.electorate import Electorate
from mrp.errors import FrameError, ShapeMismatch
from mrp.latents import LatentDraws
from mrp.numeric.design import NumericDesign
from mrp.outcomes.designs import AnyDesign

__all__ = ["areas_of", "as_fitted", "require_shares", "shifted", "shifted_by_area", "with_shift"]

type Floats = NDArray[np.float64]


def areas_of(column: str | None, electorate: Electorate) -> FactorCoding:
    """The areas of a kind as a factor of the districts.

    Parameters
    ----------
    column
        The district column, a parent of it, or None: all together, one area "all".

    Raises
    ------
    FrameError
        If there is no such kind of area.
    """
    if column is None:
        nowhere = np.zeros(len(electorate.codes), dtype=np.int32)
        return FactorCoding("all", electorate.district, ("all",), nowhere)
    if column != electorate.district and column not in electorate.parents:
        known = ", ".join((electorate.district, *electorate.parents))
        raise FrameError(f"{column!r} is no kind of area; there are {known}")
    return code_areas((column,), electorate)


def shifted[D: AnyDesign](
    latents: LatentDraws, design: D, electorate: Electorate, shift: Floats, *, by: str | None, term: str
) -> tuple[LatentDraws, D]:
    """Add a shift to the draws of a fit.

    Parameters
    ----------
    latents, design
        Of the fit, or of a shifted one.
    shift
        On the scale of the link, shape (draw, area); of a question of several options (draw, area, option). Areas as
        `areas_of` sorts them.
    by
        The kind of area, see `areas_of`.
    term
        Its name. A shift of this name is added to what is there already, if its areas are the same.

    Returns
    -------
    latents, design
        With a latent for each area more; those of options before their own predictors'.

    Raises
    ------
    ShapeMismatch
        If the shift has another shape.
    FrameError
        If there is no such kind of area, a shift of this name by another, or the question is answered with a number.
    """
    require_shares(design)
    factor = areas_of(by, electorate)
    n_draws, n_areas = latents.draws.shape[0], len(factor.levels)
    k = design.n_options if isinstance(design, CategoricalDesign) else 1
    wanted = (n_draws, n_areas, k) if isinstance(design, CategoricalDesign) else (n_draws, n_areas)
    if shift.shape != wanted:
        raise ShapeMismatch("shift", str(wanted), shift.shape)
    common = design.common
    at = _place(common, factor, term)
    end = common.n_latents * k
    added = shift.reshape(n_draws, n_areas * k)
    if at is not None:
        draws = latents.draws.astype(np.float64)
        draws[:, at * k : (at + n_areas) * k] += added
        changed = design
    else:
        draws = np.concatenate([latents.draws[:, :end], added, latents.draws[:, end:]], axis=1)
        changed = with_shift(design, electorate, by=by, term=term)
    moved = LatentDraws(
        draws.astype(np.float32), changed.latent_names, latents.n_chains, latents.link, points=latents.points
    )
    return moved, changed


def shifted_by_area[D: AnyDesign](
    latents: LatentDraws, design: D, electorate: Electorate, shift: Floats, *, by: str | None, term: str
) -> tuple[LatentDraws, D]:
    """As `shifted`, of a shift of the shape (draw, area, estimand), which is (draw, area, 1) of a binary question."""
    of = shift if isinstance(design, CategoricalDesign) else shift[:, :, 0]
    return shifted(latents, design, electorate, of, by=by, term=term)


def with_shift[D: AnyDesign](design: D, electorate: Electorate, *, by: str | None, term: str) -> D:
    """The design that `shifted` gives, for draws that were shifted before."""
    common, factor = design.common, areas_of(by, electorate)
    longer = replace(
        common,
        keys={**common.keys, factor.key: electorate.codes},
        shifts=(*common.shifts, ShiftCoding(term, factor)),
    )
    return _with_common(design, longer)


def as_fitted[D: AnyDesign](latents: LatentDraws, design: D) -> tuple[LatentDraws, D]:
    """The draws that the fit gave, before anything was shifted: for who compares the model with its interviews."""
    common = design.common
    if not common.shifts:
        return latents, design
    k = design.n_options if isinstance(design, CategoricalDesign) else 1
    shifts = slice(common.n_fitted * k, common.n_latents * k)
    read = {factor.key for effect in common.effects for factor in effect.factors}
    read |= {slope.key for effect in common.effects for slope in effect.slopes} | {one.key for one in common.predictors}
    added = {shift.factor.key for shift in common.shifts} - read
    keys = {key: levels for key, levels in common.keys.items() if key not in added}
    fitted = _with_common(design, replace(common, keys=keys, shifts=()))
    draws = np.delete(latents.draws, shifts, axis=1)
    return LatentDraws(draws, fitted.latent_names, latents.n_chains, latents.link, points=latents.points), fitted


def _with_common[D: AnyDesign](design: D, common: Design) -> D:
    changed: AnyDesign = common if isinstance(design, Design) else replace(design, common=common)
    return cast("D", changed)


def require_shares(design: AnyDesign) -> None:
    """Refuse a question answered with a number, by a `FrameError`: shifts are of shares, on the scale of their link."""
    if isinstance(design, NumericDesign):
        raise FrameError("a question answered with a number has means and no shares that could be shifted")


def _place(common: Design, factor: FactorCoding, term: str) -> int | None:
    """Where the latents of a shift of this name begin, if there is one."""
    at = common.n_fitted
    for there in common.shifts:
        if there.term == term:
            if there.factor.levels != factor.levels or there.factor.name != factor.name:
                raise FrameError(
                    f"there is a shift {term!r} by {there.factor.name} already; give this one another name"
                )
            return at
        at += len(there.factor.levels)
    return None
