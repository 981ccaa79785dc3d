"""The steps of a recipe that fit a model: a joint by a model, and an extension by a variable of a survey."""

from collections.abc import Callable, Mapping

import polars as pl

from mrp import frames
from mrp.electorate import Electorate
from mrp.errors import FrameError
from mrp.frames.cells import PEOPLE, Built, columns_of
from mrp.outcomes import Fitted
from polling.frame_recipe import FrameRecipe
from polling.recipe_steps import Model
from polling.recipe_table import RecipeTable

__all__ = ["Told", "build_joint", "extend"]

type Told = Callable[[str, float], None]
"""Told of a step what is done now, and how much of the step is done, in [0, 1]."""
_FIT = 0.5
"""Part of an extension that its fit is said to be; raking the draws takes about as long."""


def build_joint(
    recipe: FrameRecipe,
    cells: pl.DataFrame,
    step: Model,
    interviews: RecipeTable,
    margins: Mapping[str, pl.DataFrame],
    *,
    on_progress: Told,
) -> Built:
    """Join a variable that the census has, but not together with the others."""
    electorate, fitted = _fit(recipe, cells, step, interviews, on_progress=on_progress)
    built = frames.modelled_joint(
        fitted, electorate, variable=step.variable, margins=margins, proportions=step.proportions
    )
    return Built(built.cells, (*_told(step, interviews, fitted), *built.told), built.assumptions, built.warnings)


def extend(
    recipe: FrameRecipe,
    cells: pl.DataFrame,
    step: Model,
    interviews: RecipeTable,
    margins: Mapping[str, pl.DataFrame],
    *,
    on_progress: Told,
) -> tuple[frames.FrameDraws, Built]:
    """Add a variable that the census lacks; the cells that are given back are the mean of the draws."""
    electorate, fitted = _fit(
        recipe, cells, step, interviews, on_progress=lambda stage, share: on_progress(stage, _FIT * share)
    )
    drawn = frames.extend_cells(
        fitted,
        electorate,
        variable=step.variable,
        n_draws=step.draws,
        margins=margins,
        proportions=step.proportions,
        on_draw=lambda n: on_progress("rake the draws", _FIT + (1 - _FIT) * n / step.draws),
    )
    told = [*_told(step, interviews, fitted), f"{step.draws:,} frames were drawn; frame.parquet has their mean."]
    if margins:
        told.append(f"Every draw was raked to {', '.join(margins)}.")
    assumption = (
        f"How {step.variable} goes together with {', '.join(electorate.cell_columns)} is what the model "
        f"{step.formula!r} says of the interviews of {step.interviews}, which stand for everybody in their cell."
    )
    return drawn, Built(drawn.mean(), tuple(told), (assumption,))


def _fit(
    recipe: FrameRecipe, cells: pl.DataFrame, step: Model, interviews: RecipeTable, *, on_progress: Told
) -> tuple[Electorate, Fitted]:
    if not interviews.declared.records:
        raise FrameError(f"the table {step.interviews} is to be interviews; declare it with records = true")
    levels = recipe.demographics.get(step.variable)
    if levels is None:
        known = ", ".join(recipe.demographics)
        raise FrameError(f"the variable {step.variable!r} has no levels; declare it in [demographics], beside {known}")
    district = recipe.district
    if district not in columns_of(cells):
        raise FrameError(f"the frame so far has no column {district!r}; it has {', '.join(columns_of(cells))}")
    codes = sorted(cells[district].unique())
    districts = recipe.districts
    if districts is None:
        districts = pl.DataFrame({"code": codes, "name": codes})
    present = {name: set(cells[name]) for name in columns_of(cells) if name != district}
    demographics = {
        # In declared order, where it is declared; levels that are merged later are in no order.
        name: tuple(sorted(of, key=lambda level, name=name: _place(recipe, name, level)))  # type: ignore[misc]
        for name, of in present.items()
    }
    frame = cells.select(district, *demographics, PEOPLE)
    electorate = Electorate(frame, districts, district, demographics, recipe.ordered & set(demographics))
    fitted = frames.fit_variable(
        interviews.data,
        electorate,
        variable=step.variable,
        levels=levels,
        formula=step.formula,
        drop=step.drop,
        seed=step.seed,
        on_progress=lambda progress: on_progress(progress.stage, progress.share),
    )
    return electorate, fitted


def _place(recipe: FrameRecipe, name: str, level: str) -> tuple[int, str]:
    declared = recipe.demographics.get(name, ())
    return (declared.index(level) if level in declared else len(declared), level)


def _told(step: Model, interviews: RecipeTable, fitted: Fitted) -> tuple[str, ...]:
    said = [f"{step.variable} was modelled by {step.formula!r} on {interviews.data.height:,} interviews."]
    if interviews.declared.number is not None:
        said.append("Their weights were not used: the model has what the weights would adjust for.")
    said += [f"Left out of the model: {one}." for one in fitted.design.common.left_out]
    return tuple(said)
