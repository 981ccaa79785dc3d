r"""Extend a frame by a variable that the census lacks, such as party or past vote, from a survey that has it.

A multinomial model of the variable given the cells is fitted to the survey by `mrp.outcomes`, and every draw s of it
makes a frame:

    N[s, c, k] = N[c] P[s](variable = k | c)

Draws of a frame, not one frame: what the survey does not tell for sure of who lives where belongs into every estimate
made with it, `mrp.frames.over_draws`. Where totals of the variable are known, such as past vote by district, every draw
is raked to them (and to the cells themselves).

With the mean of the draws it is the synthetic joint by a model of a variable that the census has, but not together with
the others (synthetic poststratification; its margins are then known: "adjusted").

References
----------
Leemann and Wasserfallen (2017), "Extending the use and prediction precision of subnational public opinion estimation",
American Journal of Political Science 61(4), 1003-1022.
Kastellec, Lax, Malecki and Phillips (2015), "Polarizing the electoral connection: partisan representation in Supreme
Court confirmation politics", Journal of Politics 77(3), 787-804 (party added to a frame by a first model).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.categorical.options import Options
from mrp.electorate import Electorate
from mrp.errors import FrameError, ShapeMismatch
from mrp.frames.cells import PEOPLE, Built, columns_of, named
from mrp.frames.margins import rake_cells
from mrp.grouping import Grouping
from mrp.laplace.engine import LaplaceSettings
from mrp.latents import LatentDraws
from mrp.outcomes import CategoricalOutcome, Fitted, draws_many
from mrp.priors import Priors
from mrp.progress import Progress

if TYPE_CHECKING:
    from mrp.fit import Engine

__all__ = ["FrameDraws", "extend_cells", "extended_electorate", "fit_variable", "modelled_joint"]

type Floats = NDArray[np.float64]

_AT_A_TIME = 4_000_000
"""Draws of cells that are held at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class FrameDraws:
    """Several frames of the same cells, each as likely as the others."""

    cells: pl.DataFrame
    """Columns of levels (String), sorted; without ``n_people``."""
    n_people: Floats
    """People >= 0, shape (draw, cell)."""

    def __post_init__(self) -> None:
        if self.n_people.ndim != 2 or self.n_people.shape[1] != self.cells.height or not len(self.n_people):
            raise ShapeMismatch("n_people", f"(1 or more, {self.cells.height})", self.n_people.shape)

    def mean(self) -> pl.DataFrame:
        """One frame: the mean of the draws. Estimates made with it leave out what is not known of the frame."""
        return self.cells.with_columns(pl.Series(PEOPLE, self.n_people.mean(axis=0)))

    def of_cells(self, cells: pl.DataFrame) -> "FrameDraws":
        """The same of some of the cells, a table with their columns."""
        columns = self.cells.columns
        places = self.cells.with_row_index("\x00place").join(cells.select(columns), on=columns, how="semi")
        rows = places["\x00place"].sort().to_numpy()
        return FrameDraws(self.cells[rows], self.n_people[:, rows])

    def to_table(self) -> pl.DataFrame:
        """One row per draw and cell: the cell, ``draw`` (from 0) and ``n_people``."""
        n = len(self.n_people)
        whole = pl.concat([self.cells] * n)
        draw = np.repeat(np.arange(n, dtype=np.uint32), self.cells.height)
        return whole.with_columns(pl.Series("draw", draw), pl.Series(PEOPLE, self.n_people.ravel()))

    @classmethod
    def from_table(cls, table: pl.DataFrame) -> "FrameDraws":
        """Read what `to_table` made.

        Raises
        ------
        FrameError
            If the draws are of different cells.
        """
        columns = [column for column in table.columns if column not in ("draw", PEOPLE)]
        ordered = table.sort("draw", *columns)
        cells = ordered.filter(pl.col("draw") == ordered["draw"].min()).select(columns)
        n = table["draw"].n_unique()
        if ordered.height != n * cells.height or not ordered.select(columns).equals(pl.concat([cells] * n)):
            raise FrameError(f"the {n:,} draws of the frame are of different cells; write them by to_table")
        return cls(cells, ordered[PEOPLE].cast(pl.Float64).to_numpy().reshape(n, cells.height))


def fit_variable(
    interviews: pl.DataFrame,
    electorate: Electorate,
    *,
    variable: str,
    levels: Sequence[str],
    formula: str,
    drop: tuple[str, ...] = (),
    priors: Priors | None = None,
    engine: "Engine" = "laplace",
    seed: int,
    laplace: LaplaceSettings = LaplaceSettings(),
    on_progress: Callable[[Progress], None] | None = None,
) -> Fitted:
    """Fit the model of a variable given the cells.

    Parameters
    ----------
    interviews
        With the variable as text and the columns that the formula reads.
    electorate
        The frame without the variable.
    levels
        Of the variable; as `mrp.outcomes.CategoricalOutcome` takes options.
    drop
        Answers of nobody who is in the frame, or that say nothing. Left out, they are taken for like the others.
    on_progress
        Told how far the fit is.

    Raises
    ------
    FrameError
        If the frame has the variable already.
    MrpError
        As the fit does.
    """
    if variable in electorate.cell_columns:
        raise FrameError(f"the frame has {variable!r} already; merge or split its levels instead")
    outcome = CategoricalOutcome(Options(tuple(levels)))
    design = outcome.build(formula, electorate)
    counts = outcome.collapse(interviews, by=design.count_columns, answer=variable, drop=drop)
    return outcome.fit(
        design,
        electorate,
        counts,
        priors or Priors(),
        engine=engine,
        seed=seed,
        laplace=laplace,
        on_progress=on_progress,
    )


def extend_cells(
    fitted: Fitted,
    electorate: Electorate,
    *,
    variable: str,
    n_draws: int = 20,
    margins: Mapping[str, pl.DataFrame] | None = None,
    proportions: Collection[str] = (),
    on_draw: Callable[[int], None] | None = None,
) -> FrameDraws:
    """Frames with the variable, one for each of some draws of its model.

    Parameters
    ----------
    fitted
        Of `fit_variable`.
    n_draws
        How many, evenly spaced among the draws of the fit. What n draws say of the spread of frames has a relative
        standard error of 1 / sqrt(2 n).
    margins
        Known totals of the variable, each with some columns of the frame, to which every draw is raked.
    proportions
        Names of margins of which only the proportions within what they share with the frame matter, such as votes,
        which not everybody in the frame has cast.
    on_draw
        Told how many draws are raked.

    Raises
    ------
    FrameError
        If the fit may not be used (its verdict), it has fewer draws, or the margins are impossible.
    """
    n_fitted = fitted.latents.draws.shape[0]
    if not 1 <= n_draws <= n_fitted:
        raise FrameError(f"{n_draws:,} frames cannot be made of {n_fitted:,} draws; ask for 1 to {n_fitted:,}")
    cells, share = _shares(fitted, electorate, variable, np.linspace(0, n_fitted - 1, n_draws).round().astype(int))
    people = np.tile(cells[PEOPLE].to_numpy(), (n_draws, 1)) * share
    labels = cells.drop(PEOPLE)
    if margins:
        known = {"the frame": electorate.frame.select(*electorate.cell_columns, PEOPLE), **margins}
        for s in range(n_draws):
            seed = labels.with_columns(pl.Series(PEOPLE, people[s]))
            raked = rake_cells(seed, known, proportions=proportions).built.cells
            people[s] = labels.join(raked, on=labels.columns, how="left", maintain_order="left")[PEOPLE].to_numpy()
            if on_draw is not None:
                on_draw(s + 1)
    order = labels.with_row_index("\x00row").sort(labels.columns)["\x00row"].to_numpy()
    return FrameDraws(labels[order], people[:, order])


def modelled_joint(
    fitted: Fitted,
    electorate: Electorate,
    *,
    variable: str,
    margins: Mapping[str, pl.DataFrame] | None = None,
    proportions: Collection[str] = (),
) -> Built:
    """One frame with the variable: the mean over all draws of its model, raked to what is known of it.

    For a variable that the census has, but not together with the others. Without margins of it use `extend_cells`.

    Parameters and errors as of `extend_cells`.
    """
    cells, share = _mean_shares(fitted, electorate, variable)
    seed = cells.with_columns(pl.col(PEOPLE) * pl.Series(share))
    told = [f"{variable} was joined by the model {fitted.design.formula!r} of the interviews."]
    assumption = (
        f"How {variable} goes together with {', '.join(electorate.cell_columns)} is what the model "
        f"{fitted.design.formula!r} says of the interviews."
    )
    if not margins:
        warning = f"What the interviews do not tell for sure of {variable} is in no interval: no margin of it is known."
        return Built(seed.sort(columns_of(seed)), tuple(told), (assumption,), (warning,))
    known = {"the frame": electorate.frame.select(*electorate.cell_columns, PEOPLE), **margins}
    raked = rake_cells(seed, known, proportions=proportions).built
    return Built(raked.cells, (*told, *raked.told), (assumption,))


def extended_electorate(
    base: Electorate, frames: FrameDraws, *, variable: str, levels: Sequence[str], ordered: bool = False
) -> Electorate:
    """The electorate of the mean frame, for designs that read the variable."""
    order = base.ordered | {variable} if ordered else base.ordered
    demographics = {**base.demographics, variable: tuple(levels)}
    return Electorate(frames.mean(), base.districts, base.district, demographics, order)


def _mean_shares(fitted: Fitted, electorate: Electorate, variable: str) -> tuple[pl.DataFrame, Floats]:
    """As `_shares` of all draws, their mean, shape (row,), without ever holding them all."""
    n_draws, n_cells = fitted.latents.draws.shape[0], electorate.frame.height
    whole, n_parts = np.zeros(0), max(1, n_draws * n_cells // _AT_A_TIME)
    for rows in np.array_split(np.arange(n_draws), min(n_parts, n_draws)):
        cells, share = _shares(fitted, electorate, variable, rows)
        whole = share.sum(axis=0) + (whole if whole.size else 0.0)
    return cells, whole / n_draws


def _shares(
    fitted: Fitted, electorate: Electorate, variable: str, rows: NDArray[np.int_]
) -> tuple[pl.DataFrame, Floats]:
    """Every cell at every level with the people of the cell, and the shares of the level, shape (draw, row)."""
    if fitted.verdict.problems:
        reasons = "; ".join(str(problem.message) for problem in fitted.verdict.problems)
        raise FrameError(f"the model of {variable} may not be used: {reasons}")
    levels = fitted.design.options  # type: ignore[union-attr]
    some = replace_draws(fitted.latents, rows)
    (drawn,) = draws_many(some, fitted.design, electorate, [Grouping(by=electorate.cell_columns)])
    columns = list(electorate.cell_columns)
    frame = electorate.frame.select(*columns, pl.col(PEOPLE).cast(pl.Float64))
    found = drawn.areas.drop(PEOPLE).with_row_index("\x00area")
    at = frame.join(found, on=columns, how="left", maintain_order="left")["\x00area"]
    # Cells where nobody lives have no draws: any shares of nobody will do.
    shares = np.full((len(rows), frame.height, len(levels)), 1 / len(levels))
    lived = at.is_not_null().to_numpy()
    found_shares = drawn.draws[:, at.drop_nulls().to_numpy()]
    # They were computed in single precision; people are kept to their last digits.
    shares[:, lived] = found_shares / found_shares.sum(axis=2, keepdims=True)
    if (lost := frame.filter(pl.Series(~lived) & (pl.col(PEOPLE) > 0))).height:
        raise FrameError(f"the model says nothing of {named(lost)[0]}")
    long = frame[np.repeat(np.arange(frame.height), len(levels))]
    long = long.with_columns(pl.Series(variable, list(levels) * frame.height)).select(*columns, variable, PEOPLE)
    return long, shares.reshape(len(rows), -1)


def replace_draws(latents: LatentDraws, rows: NDArray[np.int_]) -> LatentDraws:
    """Some of the draws, as if they were independent."""
    points = None if latents.points is None else latents.points[rows]
    return replace(latents, draws=latents.draws[rows], n_chains=1, points=points)
