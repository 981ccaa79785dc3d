"""Build a frame from its recipe: the steps of `polling.recipe_steps` by the functions of `mrp.frames`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import polars as pl

from jobs.frame_model import Told, build_joint, extend
from mrp import frames
from mrp.errors import FrameError
from mrp.frames.cells import PEOPLE, Built, empty_cells, total
from mrp.frames.margins import CellGap
from polling.frame_recipe import FrameRecipe
from polling.recipe_steps import (
    Check,
    Count,
    Districts,
    Grow,
    Interpolate,
    Merge,
    Model,
    Product,
    Rake,
    Split,
    Step,
)
from polling.recipe_table import NUMBER

__all__ = ["BuiltFrame", "StepReport", "build_frame"]


@dataclass(frozen=True, slots=True)
class StepReport:
    """What one step did."""

    do: str
    told: tuple[str, ...]
    assumptions: tuple[str, ...]
    warnings: tuple[str, ...]
    gaps: tuple[CellGap, ...]
    n_people: float
    n_cells: int
    support: frames.CountedPeople | None = None
    """Of records: what cells and districts rest on."""


@dataclass(frozen=True, slots=True, eq=False)
class BuiltFrame:
    """A frame in the form that a survey takes, and how it was made."""

    frame: pl.DataFrame
    """District, demographics (String), ``n_people`` (Float64); every combination of a district and levels, sorted."""
    draws: frames.FrameDraws | None
    """Of the same cells, in the same order, if the frame was extended."""
    steps: tuple[StepReport, ...]
    n_created: int
    """Cells that no table has."""
    n_empty: int
    """Cells without people, those created among them."""
    said: tuple[str, ...]
    """On created and empty cells, in sentences."""


@dataclass(slots=True)
class _Work:
    """The frame so far."""

    recipe: FrameRecipe
    cells: pl.DataFrame | None = None
    draws: frames.FrameDraws | None = None
    gaps: list[CellGap] = field(default_factory=list)
    support: frames.CountedPeople | None = None
    on_progress: Told | None = None
    """Hears how far the step is."""

    def tell(self, stage: str, share: float) -> None:
        if self.on_progress is not None:
            self.on_progress(stage, share)

    def table(self, name: str) -> pl.DataFrame:
        """A table of cells with ``n_people``; of records, added up."""
        read = self.recipe.tables[name]
        data = read.data.rename({NUMBER: PEOPLE})
        if read.declared.records:
            return data.group_by(read.declared.by).agg(pl.col(PEOPLE).sum())
        return data

    def raw(self, name: str, number: str) -> pl.DataFrame:
        return self.recipe.tables[name].data.rename({NUMBER: number})

    def so_far(self) -> pl.DataFrame:
        if self.cells is None:
            raise FrameError("there is no frame to go on with; begin with count, rake or product")
        return self.cells


def build_frame(
    recipe: FrameRecipe,
    *,
    on_step: Callable[[StepReport], None] | None = None,
    on_progress: Callable[[str, float], None] | None = None,
) -> BuiltFrame:
    """Take every step and check that the frame is what the recipe says.

    Parameters
    ----------
    on_step
        Hears of each step when it is done.
    on_progress
        Hears what is done now, and which part of the build is done, in [0, 1]; steps that fit a model tell it often.

    Raises
    ------
    FrameError
        If a step cannot be taken, with its number; or the frame that comes out has other columns or levels than the
        recipe declares.
    MrpError
        Of a model of a step.
    """
    work, reports = _Work(recipe), []
    for number, step in enumerate(recipe.steps, start=1):
        name = _name(step)
        work.gaps, work.support = [], None
        work.on_progress = None if on_progress is None else _within(on_progress, name, number, len(recipe.steps))
        work.tell("", 0.0)
        try:
            built = _STEPS[type(step)](work, step)
        except FrameError as error:
            raise FrameError(f"step {number} ({name}): {error}") from error
        work.cells = built.cells
        report = StepReport(
            name,
            built.told,
            built.assumptions,
            built.warnings,
            tuple(work.gaps),
            total(built.cells),
            built.cells.height,
            work.support,
        )
        reports.append(report)
        if on_step is not None:
            on_step(report)
    return _finished(recipe, work, tuple(reports))


def _within(on_progress: Told, name: str, number: int, n_steps: int) -> Told:
    """The progress of a step as that of the whole; steps are taken for equally long."""

    def tell(stage: str, share: float) -> None:
        on_progress(f"{name}: {stage}" if stage else name, (number - 1 + share) / n_steps)

    return tell


def _finished(recipe: FrameRecipe, work: _Work, reports: tuple[StepReport, ...]) -> BuiltFrame:
    cells = work.so_far()
    codes = tuple(sorted(cells[recipe.district].unique())) if recipe.district in cells.columns else ()
    if recipe.districts is not None and (lost := sorted(set(recipe.districts["code"]) ^ set(codes))):
        raise FrameError(
            f"the frame and the districts differ in {', '.join(map(str, lost[:5]))}; they have to have the same codes"
        )
    levels = {recipe.district: codes, **recipe.demographics}
    for column, known in recipe.demographics.items():
        if column in cells.columns and (missing := sorted(set(known) - set(cells[column]))):
            raise FrameError(
                f"{column} {missing[0]!r} is declared, and no table has it; correct the recipe, or recode the tables"
            )
    n_before = cells.height
    completed = frames.complete_cells(cells, levels)
    frame = completed.cells.sort(recipe.columns)
    draws = None if work.draws is None else _completed_draws(frame, work.draws)
    n_empty = frame.filter(pl.col(PEOPLE) == 0).height
    said = tuple(one for one in (*completed.told, empty_cells(frame)) if one)
    return BuiltFrame(frame, draws, reports, frame.height - n_before, n_empty, said)


def _completed_draws(frame: pl.DataFrame, draws: frames.FrameDraws) -> frames.FrameDraws:
    import numpy as np

    labels = frame.drop(PEOPLE)
    found = draws.cells.with_row_index("\x00row")
    at = labels.join(found, on=labels.columns, how="left", maintain_order="left")["\x00row"]
    people = np.zeros((len(draws.n_people), labels.height))
    people[:, at.is_not_null().to_numpy()] = draws.n_people[:, at.drop_nulls().to_numpy()]
    return frames.FrameDraws(labels, people)


def _name(step: Step) -> str:
    if isinstance(step, Model):
        return "extend" if step.draws else "model"
    return type(step).__name__.lower()


def _count(work: _Work, step: Count) -> Built:
    read = work.recipe.tables[step.table]
    if not read.declared.records:
        cells = frames.require_cells(step.table, work.table(step.table))
        return Built(cells, (f"The cells of {step.table} were taken as they are.",))
    by = sorted(read.declared.by, key=lambda name: name != work.recipe.district)
    work.support = frames.count_people(read.data, by, weight=NUMBER, thin=step.thin)
    return work.support.built


def _rake(work: _Work, step: Rake) -> Built:
    margins = {name: work.table(name) for name in step.margins}
    seed = work.cells
    if seed is not None and step.seed is not None:
        raise FrameError("the frame so far is the seed; leave the key seed out")
    if seed is None:
        association = None if step.seed is None else work.table(step.seed)
        levels: dict[str, set[str]] = {}
        for table in (*margins.values(), *([association] if association is not None else [])):
            for column in table.columns:
                if column != PEOPLE:
                    levels.setdefault(column, set()).update(table[column])
        order = [column for column in work.recipe.columns if column in levels]
        order += [column for column in levels if column not in order]
        seed = frames.seed_cells({column: sorted(levels[column]) for column in order}, association)
    raked = frames.rake_cells(seed, margins, proportions=step.proportions, rounding=step.rounding)
    work.gaps += raked.gaps
    return raked.built


def _product(work: _Work, step: Product) -> Built:
    first = work.table(step.tables[0]) if work.cells is None else work.cells
    name = step.tables[0] if work.cells is None else "the frame"
    second = step.tables[-1]
    return frames.product_joint(first, work.table(second), names=(name, second), rounding=step.rounding)


def _model(work: _Work, step: Model) -> Built:
    margins: Mapping[str, pl.DataFrame] = {name: work.table(name) for name in step.margins}
    interviews = work.recipe.tables[step.interviews]
    if not step.draws:
        return build_joint(work.recipe, work.so_far(), step, interviews, margins, on_progress=work.tell)
    work.draws, built = extend(work.recipe, work.so_far(), step, interviews, margins, on_progress=work.tell)
    return built


def _merge(work: _Work, step: Merge) -> Built:
    return frames.merge_levels(work.so_far(), step.column, step.into)


def _split(work: _Work, step: Split) -> Built:
    if step.shares is not None:
        shares = work.raw(step.shares, "share")
    else:
        shares = pl.DataFrame({step.column: list(step.into), "share": list(step.into.values())})
    return frames.split_level(work.so_far(), step.column, step.level, shares)


def _districts(work: _Work, step: Districts) -> Built:
    return frames.cross_districts(work.so_far(), work.raw(step.crosswalk, "weight"), district=work.recipe.district)


def _grow(work: _Work, step: Grow) -> Built:
    totals = {name: work.table(name) for name in step.totals}
    grown = frames.grow_to_totals(work.so_far(), totals, rounding=step.rounding)
    work.gaps += grown.gaps
    return grown.built


def _interpolate(work: _Work, step: Interpolate) -> Built:
    how = cast("Literal['linear', 'exponential']", step.how)
    return frames.interpolate_frames(work.so_far(), work.table(step.other), dates=step.dates, at=step.at, how=how)


def _check(work: _Work, step: Check) -> Built:
    read = work.recipe.tables[step.table]
    n_effective = None
    if read.declared.records:
        weights = read.data[NUMBER].to_numpy()
        n_effective = float(weights.sum() ** 2 / (weights**2).sum())
    found = frames.check_association(work.so_far(), work.table(step.table), n_effective=n_effective)
    told = (
        f"The association of {' and '.join(found.columns)} in {step.table} differs from the frame's for "
        f"{found.misplaced:.1%} of the people (p = {found.p_value:.2g})."
    )
    return Built(work.so_far(), (told,), (), (found.warning,) if found.warning else ())


_STEPS: Mapping[type, Callable[[_Work, Any], Built]] = {
    Count: _count,
    Rake: _rake,
    Product: _product,
    Model: _model,
    Merge: _merge,
    Split: _split,
    Districts: _districts,
    Grow: _grow,
    Interpolate: _interpolate,
    Check: _check,
}
