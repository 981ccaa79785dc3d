r"""Cells from margins: rake a table of all cells until it has the margins that are known (IPF).

In turn every margin m multiplies the cells of its level l by  target[m, l] / (people of the cells of l),  until the gap

    gap[m] = max_l |people of the cells of l - target[m, l]|

of every margin is small. The result has the margins, and for the rest the association of the *seed* that it started
from: the odds ratios that no margin speaks of are the seed's (of a seed of ones: none). A cell that is 0 in the seed
stays 0.

What no table of cells can have is refused: margins with different totals of what they share (beyond the rounding of
their numbers), people at a level where the seed has nobody, margins that the zeros of the seed do not allow together.

References
----------
Deming and Stephan (1940), "On a least squares adjustment of a sampled frequency table when the expected marginal totals
are known", Annals of Mathematical Statistics 11(4), 427-444.
Bishop, Fienberg and Holland (1975), "Discrete multivariate analysis", MIT Press, chapter 3.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.errors import FrameError
from mrp.frames.agreement import disagreements
from mrp.frames.cells import PEOPLE, Built, columns_of, grid, named, require_cells, row_of, total
from mrp.frames.seed_words import seed_assumptions

__all__ = ["CellGap", "RakedCells", "rake_cells", "seed_cells"]

type Floats = NDArray[np.float64]

_STALLED = 1e-13


@dataclass(frozen=True, slots=True)
class CellGap:
    """How far the cells are from a margin."""

    margin: str
    columns: tuple[str, ...]
    people: float
    """Largest difference of a level, in people."""
    share: float
    """The same as a share of all people."""
    level: tuple[str, ...]
    """The level where it is."""


@dataclass(frozen=True, slots=True)
class RakedCells:
    """Cells that have the margins."""

    built: Built
    gaps: tuple[CellGap, ...]
    """One per margin, in the order given. Those of margins that contradict each other within rounding stay."""
    n_rounds: int


def seed_cells(levels: Mapping[str, Sequence[str]], association: pl.DataFrame | None = None) -> pl.DataFrame:
    """All combinations of levels with a seed.

    Parameters
    ----------
    levels
        Column -> levels.
    association
        Table of some of the columns: every cell gets the number of its levels there, 0 where it has none, the same in
        all levels of the other columns. Only proportions matter. None: ones.

    Raises
    ------
    FrameError
        If the association has a column that is not one of these, or is no table of cells.
    """
    cells = grid(levels)
    if association is None:
        return cells.with_columns(pl.lit(1.0).alias(PEOPLE))
    association = require_cells("the association", association)
    if strange := [column for column in columns_of(association) if column not in levels]:
        raise FrameError(f"the association has a column {strange[0]!r}; the cells have {', '.join(levels)}")
    seeded = cells.join(association, on=list(columns_of(association)), how="left", maintain_order="left")
    return seeded.select(*levels, pl.col(PEOPLE).fill_null(0.0))


def rake_cells(
    seed: pl.DataFrame,
    margins: Mapping[str, pl.DataFrame],
    *,
    proportions: Collection[str] = (),
    rounding: float = 0.5,
    tolerance: float = 1e-7,
    max_rounds: int = 10_000,
) -> RakedCells:
    """Rake cells to margins.

    Parameters
    ----------
    seed
        All cells, with their seed as ``n_people``; see `seed_cells`, or a frame that is to be brought up to date.
    margins
        Name -> table of some of the cells' columns and ``n_people``, one-way or joint; at least one.
    proportions
        Names of margins of which only the association matters, such as those of a sample: they are scaled to the
        people of the others, and raked to what they share with them.
    rounding
        How far a number of a margin may be from the exact one, in people: 0.5 for whole numbers. Margins that
        contradict each other by more than this explains are refused.
    tolerance
        Largest gap that is good enough, as a share of all people.
    max_rounds
        Times that all margins are gone through.

    Raises
    ------
    FrameError
        If a table is none, a margin has another column, lacks a level or has people where the seed has none, or margins
        contradict each other: the two are named.
    """
    seed = require_cells("the seed", seed)
    if not margins:
        raise FrameError("there is nothing to rake to; give at least one margin")
    tables = {name: require_cells(f"the margin {name!r}", table) for name, table in margins.items()}
    for name, table in tables.items():
        if strange := [column for column in columns_of(table) if column not in seed.columns]:
            known = ", ".join(columns_of(seed))
            raise FrameError(f"the margin {name!r} has a column {strange[0]!r}; the cells have {known}")
    tables = _scaled(tables, proportions, rounding=rounding)
    away = disagreements(tables, rounding=rounding)
    # Margins need to say nothing of cells that stay empty.
    lived = seed.filter(pl.col(PEOPLE) > 0)
    fit = {name: _Margin.of(name, lived, table) for name, table in tables.items()}
    people, n_rounds = _iterate(lived[PEOPLE].to_numpy(), list(fit.values()), tolerance, max_rounds)
    gaps = tuple(margin.gap(people) for margin in fit.values())
    worst = max(gaps, key=lambda gap: gap.people)
    if worst.people > tolerance * people.sum() + away:
        raise FrameError(_impossible(lived, fit, worst, tolerance, max_rounds))
    empty = seed.filter(pl.col(PEOPLE) == 0)
    cells = pl.concat([lived.with_columns(pl.Series(PEOPLE, people)), empty])
    rounds = f"{n_rounds:,} round{'s' if n_rounds != 1 else ''}"
    told = [f"The cells were raked to {', '.join(tables)} in {rounds}; largest gap {worst.people:.2g} people."]
    if empty.height:
        more = ", ..." if empty.height > 3 else ""
        told.append(
            f"{empty.height:,} of {seed.height:,} cells are 0 in the seed and stay empty: "
            f"{', '.join(named(empty))}{more}."
        )
    built = Built(cells.sort(columns_of(cells)), tuple(told), seed_assumptions(seed, tables))
    return RakedCells(built, gaps, n_rounds)


def _scaled(
    tables: dict[str, pl.DataFrame], proportions: Collection[str], *, rounding: float
) -> dict[str, pl.DataFrame]:
    """The same with proportions made numbers of people that agree with those of the other margins."""
    if unknown := [name for name in proportions if name not in tables]:
        raise FrameError(f"{unknown[0]!r} is to be scaled and is no margin; there are {', '.join(tables)}")
    counting = {name: table for name, table in tables.items() if name not in proportions}
    if proportions and not counting:
        raise FrameError("all margins are proportions; one has to say how many people there are")
    scaled = dict(tables)
    for name in proportions:
        known = {}
        for other, table in counting.items():
            if shared := [column for column in columns_of(tables[name]) if column in columns_of(table)]:
                known[other] = table.group_by(shared).agg(pl.col(PEOPLE).sum())
        people = total(next(iter(counting.values())))
        own = tables[name].with_columns(pl.col(PEOPLE) * (people / total(tables[name])))
        # Sums of rounded numbers are rounded by as much as all their parts together.
        slack = rounding * max((table.height for table in counting.values()), default=1)
        scaled[name] = rake_cells(own, known, rounding=slack).built.cells if known else own
    return scaled


@dataclass(frozen=True, slots=True)
class _Margin:
    name: str
    table: pl.DataFrame
    at: NDArray[np.int64]
    """Row of the table for each cell."""
    target: Floats

    @classmethod
    def of(cls, name: str, seed: pl.DataFrame, table: pl.DataFrame) -> "_Margin":
        at = row_of(f"the margin {name!r}", seed, table, columns_of(table))
        target = table[PEOPLE].to_numpy()
        support = np.bincount(at, weights=seed[PEOPLE].to_numpy(), minlength=target.size)
        if (lost := (target > 0) & ~(support > 0)).any():
            row = table.filter(pl.Series(lost))
            raise FrameError(
                f"the margin {name!r} has {row[PEOPLE][0]:,.0f} people at {named(row)[0]}, where the seed has none; "
                "give the seed something there, or merge the level into another"
            )
        return cls(name, table, at, target)

    def sums(self, people: Floats) -> Floats:
        return np.bincount(self.at, weights=people, minlength=self.target.size)

    def gap(self, people: Floats) -> CellGap:
        away = np.abs(self.sums(people) - self.target)
        worst = int(np.argmax(away))
        columns = columns_of(self.table)
        level = tuple(map(str, self.table.select(columns).row(worst)))
        return CellGap(self.name, columns, float(away[worst]), float(away[worst] / self.target.sum()), level)


def _iterate(start: Floats, margins: list[_Margin], tolerance: float, max_rounds: int) -> tuple[Floats, int]:
    people = start * (margins[0].target.sum() / start.sum())
    size = people.sum()
    for n_rounds in range(1, max_rounds + 1):
        before = people
        for margin in margins:
            sums = margin.sums(people)
            factor = np.divide(margin.target, sums, out=np.zeros_like(sums), where=sums > 0)
            people = people * factor[margin.at]
        gap = max(np.abs(margin.sums(people) - margin.target).max() for margin in margins)
        # Far below what is good enough: a round costs little, and sums of cells are then the margins' to a person.
        if gap <= 1e-3 * tolerance * size or np.abs(people - before).max() <= _STALLED * size:
            return people, n_rounds
    return people, max_rounds


def _impossible(
    seed: pl.DataFrame, fit: Mapping[str, _Margin], worst: CellGap, tolerance: float, max_rounds: int
) -> str:
    """Which two margins the zeros of the seed do not allow together, in words."""
    start = seed[PEOPLE].to_numpy()
    others = [name for name in fit if name != worst.margin]
    with_it = f"the others ({', '.join(others)})"
    for name in others:
        pair = [fit[worst.margin], fit[name]]
        people, _ = _iterate(start, pair, tolerance, max_rounds)
        if any(margin.gap(people).share > tolerance for margin in pair):
            with_it = f"the margin {name!r}"
            break
    return (
        f"the margin {worst.margin!r} cannot be had together with {with_it}: after {max_rounds:,} rounds, or none that "
        f"changed anything, {worst.people:,.1f} people are missing or too many at {' / '.join(worst.level)}. The "
        "seed has nobody in cells that they need; give those cells something, or correct the margins"
    )
